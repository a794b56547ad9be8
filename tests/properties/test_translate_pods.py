"""What holds of a gateway's pods whatever `podTemplate` is laid over them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.resources.manifest import read_manifest
from ostiary.resources.pod_template import pod_template_faults
from ostiary.translate.plan import plan
from ostiary.translate.podtemplate import merge
from ostiary.translate.world import Cluster, Observed, Platform, World

PLATFORM = Platform(cluster=Cluster(image="proxy:1", operator_url="http://operator:8082"))
FIXED = (
    "automountServiceAccountToken", "enableServiceLinks", "terminationGracePeriodSeconds",
    "securityContext",
)  # fmt: skip
OURS = ("image", "command", "args", "ports", "startupProbe", "readinessProbe", "livenessProbe")
CONFINED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}

words = st.sampled_from(["a", "b", "proxy", "dev-identity", "keys", "state", "OSTIARY_LISTEN"])
paths = st.sampled_from(["/", "/etc", "/etc/ostiary/keys", "/data", "/tmp/", "/var/lib/ostiary/x"])
scraps: st.SearchStrategy[Any] = st.sampled_from(
    [None, {}, [], True, "root", 0, {"privileged": True}]
)
container_fields = st.fixed_dictionaries(
    {"name": words},
    optional={
        "image": words,
        "resources": st.just({"limits": {"memory": "1Gi"}}),
        "env": st.lists(st.fixed_dictionaries({"name": words, "value": words}), max_size=2),
        "volumeMounts": st.lists(
            st.fixed_dictionaries({"name": words, "mountPath": paths}), max_size=2
        ),
        "ports": st.just([{"containerPort": 9000}]),
        "securityContext": scraps,
        "livenessProbe": scraps,
        "command": st.lists(words, max_size=1),
    },
)
volumes = st.fixed_dictionaries(
    {"name": words},
    optional={
        "emptyDir": st.just({}),
        "hostPath": st.just({"path": "/"}),
        "projected": st.sampled_from(
            [{"sources": [{"secret": {"name": "x"}}]}, {"sources": [{"serviceAccountToken": {}}]}]
        ),
    },
)
fine_fields = {
    "resources": st.just({"limits": {"memory": "1Gi"}}),
    "env": st.just([{"name": "TZ", "value": "UTC"}]),
    "volumeMounts": st.just([{"name": "a", "mountPath": "/data"}]),
}
fine_containers = st.fixed_dictionaries(
    {"name": st.sampled_from(["proxy", "dev-identity"])}, optional=fine_fields
) | st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "b"]), "image": words, "command": st.lists(words, max_size=1)},
    optional={**fine_fields, "ports": st.just([{"containerPort": 9000}])},
)


def _name(item: dict[str, Any]) -> str:
    return str(item["name"])


fine_specs = st.fixed_dictionaries(
    {},
    optional={
        "containers": st.lists(fine_containers, max_size=3, unique_by=_name),
        "initContainers": st.just([{"name": "c", "image": "x"}]),
        "volumes": st.just([{"name": "a", "emptyDir": {}}]),
        "nodeSelector": st.just({"disk": "fast"}),
    },
)
pod_specs = fine_specs | st.fixed_dictionaries(
    {},
    optional={
        "containers": st.lists(container_fields, max_size=3),
        "initContainers": st.lists(container_fields, max_size=2),
        "volumes": st.lists(volumes, max_size=2),
        "nodeSelector": st.just({"disk": "fast"}),
        "hostNetwork": st.booleans(),
        "serviceAccountName": words,
        **dict.fromkeys(FIXED, scraps),
    },
)
overlays = st.fixed_dictionaries(
    {},
    optional={
        "spec": pod_specs | scraps,
        "metadata": st.fixed_dictionaries(
            {}, optional={"labels": st.sampled_from([{"a": "b"}, {"ostiary.dev/gateway": "x"}])}
        ),
    },
)


def template(overlay):
    """Return the pods of a gateway with `overlay`, or None where nothing is rolled out."""
    spec: dict[str, Any] = {
        "publicUrl": "http://localhost:8080",
        "identityProvider": {"dev": {"users": [{"username": "a", "password": "x"}]}},
        "proxy": {"podTemplate": overlay},
    }
    gateway = read_manifest(
        {
            "apiVersion": "ostiary.dev/v1alpha1",
            "kind": "MCPGateway",
            "metadata": {"name": "main", "namespace": "team", "uid": "u"},
            "spec": spec,
        }
    )
    objects = plan(World(manifests=(gateway,), platform=PLATFORM), Observed(), 0).objects
    bodies = [item.body for item in objects.get("team/main", ())]
    return bodies[-1]["spec"]["template"] if bodies else None


PLAIN = template({})


@given(overlays)
def test_an_overlay_is_refused_or_leaves_alone_what_proxies_rely_on(overlay):
    pods = template(overlay)

    assert (pods is None) == bool(pod_template_faults(overlay, ""))
    if pods is None:
        return
    ours, plain = pods["spec"], PLAIN["spec"]
    assert [ours[field] for field in FIXED] == [plain[field] for field in FIXED]
    assert PLAIN["metadata"]["labels"].items() <= pods["metadata"]["labels"].items()
    assert ours["volumes"][: len(plain["volumes"])] == plain["volumes"]
    for kept, own in zip(ours["containers"], plain["containers"], strict=False):
        assert [kept.get(field) for field in OURS] == [own.get(field) for field in OURS]
        assert kept.get("env", [])[: len(own.get("env", []))] == own.get("env", [])
        assert kept["volumeMounts"][: len(own["volumeMounts"])] == own["volumeMounts"]


@given(overlays)
def test_every_container_is_confined_and_holds_no_token(overlay):
    pods = template(overlay)
    if pods is None:
        return

    spec = pods["spec"]
    everyone = [*spec["containers"], *spec.get("initContainers", ())]
    assert {json.dumps(item["securityContext"]) for item in everyone} == {json.dumps(CONFINED)}
    assert not {"hostPath", "serviceAccountToken", "hostNetwork", "serviceAccountName"} & set(
        words_of(spec)
    )


def words_of(value):
    """Yield every key of a plain value."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    yield from value if isinstance(value, dict) else ()
    for item in inner:
        yield from words_of(item)


@pytest.mark.parametrize(
    "overlay", [{}, {"spec": {}}, {"metadata": {}}, {"metadata": None, "spec": None}]
)
def test_laying_nothing_over_changes_nothing(overlay):
    assert merge(PLAIN, overlay) == PLAIN


@given(pod_specs)
def test_laying_the_same_over_twice_is_laying_it_once(spec):
    if pod_template_faults({"spec": spec}, ""):
        return
    once = merge(PLAIN, {"spec": spec})

    assert merge(once, {"spec": spec}) == once
