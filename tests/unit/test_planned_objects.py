"""Objects of a gateway beyond the golden cases: labels, digests, and what restarts a proxy."""

from dataclasses import replace

from ostiary.resources.manifest import read_manifest
from ostiary.translate.digest import digest_of
from ostiary.translate.names import DIGEST, RESTART, labels
from ostiary.translate.plan import plan
from ostiary.translate.references import SecretKey
from ostiary.translate.world import Cluster, Observed, Platform, SecretFacts, World

CLUSTER = Cluster(image="proxy:1", operator_url="http://operator:8082")
SPEC = {
    "publicUrl": "https://mcp.example.com",
    "identityProvider": {"oidc": {"issuer": "https://login.example.com", "clientId": "x"}},
}
REDIS = {
    **SPEC,
    "storage": {"type": "Redis", "urlSecretRef": {"name": "s", "key": "url"}},
    "audit": {"sinks": ["Stdout"]},
    "keys": {"secretRef": {"name": "s", "key": "keys"}},
}
SECRET = SecretFacts(namespace="team", name="s", keys={"url": "1", "keys": "1"})


def gateway(spec, **meta):
    head = {"name": "main", "namespace": "team", "uid": "u-1", **meta}
    return read_manifest(
        {
            "apiVersion": "ostiary.dev/v1alpha1",
            "kind": "MCPGateway",
            "metadata": head,
            "spec": spec,
        }
    )


def world(spec, *, secrets=(SECRET,), cluster=CLUSTER, **meta):
    manifests = (gateway(spec, **meta),)
    return World(manifests=manifests, secrets=secrets, platform=Platform(cluster=cluster))


def objects(of):
    return plan(of, Observed(), 0).objects.get("team/main")


def restart(of):
    return objects(of)[-1].body["spec"]["template"]["metadata"]["annotations"][RESTART]


def with_version(key):
    return (replace(SECRET, keys={**SECRET.keys, key: "2"}),)


def test_objects_come_in_the_order_in_which_they_are_needed():
    assert [item.key for item in objects(world(SPEC))] == [
        ("PersistentVolumeClaim", "team", "ostiary-main-state"),
        ("Service", "team", "ostiary-main"),
        ("Service", "team", "ostiary-main-internal"),
        ("Deployment", "team", "ostiary-main"),
    ]


def test_every_object_carries_our_labels_and_the_digest_of_the_rest():
    for item in objects(world(SPEC)):
        metadata = dict(item.body["metadata"])
        assert metadata["labels"] == labels("main", "u-1")
        assert metadata.pop("annotations") == {DIGEST: item.digest}
        assert digest_of({**item.body, "metadata": metadata}) == item.digest


def test_a_gateway_owns_all_but_the_volume_so_deleting_it_forgets_no_grant():
    owned = [
        item.key[0] for item in objects(world(SPEC)) if "ownerReferences" in item.body["metadata"]
    ]

    assert owned == ["Service", "Service", "Deployment"]


def test_no_object_is_planned_on_one_machine():
    assert objects(world(SPEC, cluster=None)) is None


def test_a_paused_gateway_plans_nothing_and_is_left_as_it_is():
    assert objects(world(SPEC, annotations={"ostiary.dev/reconcile": "disabled"})) is None
    assert objects(world(SPEC, annotations={"ostiary.dev/reconcile": "enabled"})) is not None


def test_what_is_read_only_at_start_restarts_the_proxies_where_it_changes():
    assert restart(world(REDIS, secrets=with_version("url"))) != restart(world(REDIS))


def test_what_a_running_proxy_takes_restarts_none():
    spec = {**REDIS, "tokens": {"accessTtl": "5m"}, "authorization": {"ceiling": "Required"}}

    assert objects(world(spec)) == objects(world(REDIS))
    assert objects(world(REDIS, secrets=with_version("keys"))) == objects(world(REDIS))


def test_more_replicas_replace_no_pod():
    several = objects(world({**REDIS, "proxy": {"replicas": 3}}))[-1].body["spec"]

    assert several["template"] == objects(world(REDIS))[-1].body["spec"]["template"]
    assert several["replicas"] == 3


def test_an_autoscaler_replaces_no_pod_and_the_deployment_says_no_count():
    *others, deployment, autoscaler = objects(
        world({**REDIS, "proxy": {"replicas": 3, "autoscaling": {"maxReplicas": 6}}})
    )
    alone = objects(world(REDIS))[-1].body["spec"]

    assert deployment.body["spec"] == {k: v for k, v in alone.items() if k != "replicas"}
    assert autoscaler.key == ("HorizontalPodAutoscaler", "team", "ostiary-main")
    assert "PodDisruptionBudget" in {item.key[0] for item in others}


def test_a_secret_that_goes_away_restarts_nothing():
    assert objects(world(REDIS, secrets=())) is None


def test_a_gateway_whose_keys_are_not_there_yet_takes_no_generated_ones_meanwhile():
    bundle = plan(world(REDIS, secrets=()), Observed(), 0).bundles["team/main"]

    assert bundle.keys == SecretKey("team", "s", "keys")


def test_rolling_out_changes_no_revision_that_proxies_serve():
    scaled = plan(world({**REDIS, "proxy": {"replicas": 3}}), Observed(), 0).bundles["team/main"]

    assert scaled.digest == plan(world(REDIS), Observed(), 0).bundles["team/main"].digest
