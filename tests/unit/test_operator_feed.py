"""The feed: one World of everything that was heard, and silence about what no plan looks at."""

from typing import Any

from operator_parts import body, gateway, policy, route
from ostiary.translate.world import Platform, Rollout
from ostiary_operator.facts import RolloutFact
from ostiary_operator.feed import Feed, rollouts_of
from ostiary_operator.seen import Pod, Seen
from ostiary_operator.sources import CHILDREN, DEPLOYMENTS, NAMESPACES, OURS, PODS, SERVICES, Scope

GATEWAYS, ROUTES, POLICIES = OURS


class Fed:
    """A feed that counts how often it was dirtied."""

    def __init__(self, scope: Scope = ("",)) -> None:
        self.dirtied = 0
        self.feed = Feed(Platform(), scope, self._count)

    def _count(self) -> None:
        self.dirtied += 1

    def seen(self) -> Seen:
        return self.feed.seen(())


def namespace(name: str, **meta: Any) -> dict[str, Any]:
    return body("v1", "Namespace", name, namespace="", **meta)


def names(seen: Seen) -> list[str]:
    return [f"{item.kind}/{item.key}" for item in seen.world.manifests]


def test_what_was_put_is_seen_with_its_uid_and_status() -> None:
    fed = Fed()
    fed.feed.put(GATEWAYS, {**gateway(), "status": {"attachedRoutes": 1}})
    fed.feed.put(ROUTES, route())

    seen = fed.seen()

    assert names(seen) == ["MCPGateway/team/gw", "MCPRoute/team/tools"]
    assert seen.uids == {"MCPGateway/team/gw": "uid-gw", "MCPRoute/team/tools": "uid-tools"}
    assert seen.versions == {"MCPGateway/team/gw": "1", "MCPRoute/team/tools": "1"}
    assert seen.statuses["MCPGateway/team/gw"] == {"attachedRoutes": 1}
    assert fed.dirtied == 2


def test_a_status_dirties_nothing_and_is_seen() -> None:
    fed = Fed()
    fed.feed.put(POLICIES, policy())
    fed.feed.put(POLICIES, {**policy(version=2), "status": {"observedGeneration": 1}})

    assert fed.dirtied == 1
    assert fed.seen().statuses == {"MCPPolicy/team/allow": {"observedGeneration": 1}}


def test_a_deployment_that_only_tells_the_time_dirties_nothing() -> None:
    fed = Fed()
    for version in (1, 2):
        condition = {"type": "Available", "lastUpdateTime": f"{version}"}
        head = body("apps/v1", "Deployment", "ostiary-gw", version=version, generation=1)
        whole = {**head, "spec": {"replicas": 1}, "status": {"conditions": [condition]}}
        fed.feed.put(DEPLOYMENTS, whole)
        fed.feed.put(CHILDREN[0], head)

    assert fed.dirtied == 2
    assert [child.resource_version for child in fed.seen().children.values()] == ["2"]


def test_objects_of_a_namespace_that_goes_away_leave_the_world_together() -> None:
    fed = Fed()
    fed.feed.put(NAMESPACES, namespace("team", deletionTimestamp="now"))
    fed.feed.put(NAMESPACES, namespace("other"))
    fed.feed.put(POLICIES, policy("allow"))
    fed.feed.put(POLICIES, policy("deny"))
    fed.feed.put(ROUTES, route("kept", namespace="other"))

    assert names(fed.seen()) == ["MCPRoute/other/kept"]


def test_a_feed_of_some_namespaces_knows_no_more_than_their_names() -> None:
    assert Fed(("team",)).seen().world.namespaces == {
        "team": {"kubernetes.io/metadata.name": "team"}
    }


def test_services_are_known_to_be_complete() -> None:
    fed = Fed()
    spec = {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ports": [{"port": 80}]}
    fed.feed.put(SERVICES, {**body("v1", "Service", "tools"), "spec": spec})

    world = fed.seen().world

    assert world.services_known
    assert [(item.name, item.ports, item.addresses) for item in world.services] == [
        ("tools", (80,), ("10.0.0.1",))
    ]


def test_a_gateway_with_the_annotation_is_paused() -> None:
    fed = Fed()
    fed.feed.put(GATEWAYS, gateway(annotations={"ostiary.dev/reconcile": "disabled"}))

    assert fed.seen().paused == {"team/gw"}


def test_secrets_are_named_with_the_namespace_of_who_names_them() -> None:
    fed = Fed()
    header = {"name": "X-Api-Key", "valueRef": {"name": "key", "key": "value"}}
    auth = {"type": "Header", "header": header}
    fed.feed.put(ROUTES, route(spec={"mcp": {"upstreamAuth": auth}}))

    assert fed.feed.named_secrets() == {("team", "key")}


def test_a_pod_that_has_ended_is_not_seen() -> None:
    fed = Fed()
    for version, phase in enumerate(("Running", "Failed"), start=1):
        fed.feed.put(PODS, {**body("v1", "Pod", "p", version=version), "status": {"phase": phase}})

    assert fed.seen().pods == ()
    assert fed.dirtied == 2


def pod(name: str, trouble: str, *, terminating: bool = False) -> Pod:
    return Pod(
        namespace="team",
        name=name,
        uid=name,
        gateway="team/gw",
        address="",
        ready=False,
        terminating=terminating,
        trouble=trouble,
    )


def test_a_rollout_tells_the_trouble_of_its_first_pod_that_stays() -> None:
    rollout = RolloutFact(gateway="team/gw", rollout=Rollout(replicas=1, updated=1, ready=0))
    pods = (pod("c", "late"), pod("b", "no image"), pod("a", "gone", terminating=True))

    assert rollouts_of((rollout,), pods) == {
        "team/gw": Rollout(replicas=1, updated=1, ready=0, message="no image")
    }
