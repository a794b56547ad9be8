"""Golden cases: manifests in, bundle, objects and statuses out.

A case is `cases/NAME.in.yaml` and `cases/NAME.out.yaml`. A document `kind: Setup` in the input says
what proxies report and what the platform is; `cluster: true` makes it one that objects are planned
for, `cluster: unseen` leaves them out of what is shown. Digests and times are left out; other tests
hold them.
"""

from copy import deepcopy
from pathlib import Path

import pytest

from ostiary.decode.yaml_documents import read_documents
from ostiary.resources.manifest import Kind
from ostiary.translate.names import DIGEST, RESTART
from ostiary.translate.plan import plan
from ostiary.translate.world import (
    Cluster,
    DevIdentity,
    History,
    Observed,
    Platform,
    ProxyFault,
    Reported,
    Rollout,
)
from ostiary_cli.manifests import read_world
from ostiary_cli.yaml_text import write_documents

CASES = Path(__file__).parent / "cases"
NOW = 1_795_000_000.0
DEV = DevIdentity(issuer="http://127.0.0.1:9999", client_id="ostiary")
CLUSTER = Cluster(
    image="ostiary-proxy:1",
    operator_url="http://ostiary-operator.ostiary-system.svc:8082",
    pull_secrets=("registry",),
)


def names():
    return sorted(path.name.removesuffix(".in.yaml") for path in CASES.glob("*.in.yaml"))


def setup_of(path):
    for document in read_documents(path.read_bytes(), path.name):
        if isinstance(document.value, dict) and document.value.get("kind") == "Setup":
            return document.value
    return {}


def observed_of(setup, history):
    proxies = {
        gateway: tuple(
            Reported(
                proxy=item["proxy"],
                ready=item.get("ready", True),
                revision=item["revision"],
                faults=tuple(
                    ProxyFault(kind=Kind(f["kind"]), key=f["key"], message=f["message"])
                    for f in item.get("faults", ())
                ),
                would=item.get("would", {}),
                upstreams=item.get("upstreams", {}),
                unfit=item.get("unfit", {}),
            )
            for item in listed
        )
        for gateway, listed in setup.get("proxies", {}).items()
    }
    rollouts = {key: Rollout(**said) for key, said in setup.get("rollouts", {}).items()}
    return Observed(proxies=proxies, rollouts=rollouts, history=history)


def result_of(path):
    setup = setup_of(path)
    platform = Platform(
        dev_identity=DEV if setup.get("development", True) else None,
        public_urls=setup.get("publicUrls", {}),
        cluster=CLUSTER if setup.get("cluster") else None,
    )
    loaded = read_world(path, {"SET": "value"}, platform=platform)
    planned = plan(loaded.world, observed_of(setup, history_of(setup, loaded.world)), NOW)
    return "".join(
        [
            write_documents([{"faults": [place(fault) for fault in loaded.faults]}])
            if loaded.faults
            else "",
            write_documents([bundle_of(bundle) for bundle in planned.bundles.values()]),
            write_documents(
                object_of(item)
                for objects in planned.objects.values()
                for item in objects
                if setup["cluster"] != "unseen"
            ),
            write_documents([{key: status_of(status)} for key, status in planned.statuses.items()]),
        ]
    )


def history_of(setup, world):
    """`rendered` is the revision at which the very same world was rendered before."""
    rendered = setup.get("rendered")
    if rendered is None:
        return {}
    earlier = {gateway: History(revision=rendered - 1, digest="") for gateway in setup["proxies"]}
    return plan(world, Observed(history=earlier), NOW).history


def place(fault):
    return str(fault).replace(str(CASES) + "/", "")


def bundle_of(bundle):
    config = bundle.config.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    for part in (*config.get("routes", ()), *config.get("policies", ())):
        del part["digest"]
    shown = {"bundle": bundle.gateway, "revision": bundle.revision, "config": config}
    if bundle.credentials:
        shown["credentials"] = sorted(bundle.credentials)
    if bundle.client_ids:
        shown["clientIds"] = {key: ref.credential for key, ref in bundle.client_ids.items()}
    if bundle.keys is not None:
        shown["keys"] = bundle.keys.credential
    return shown


def object_of(planned):
    """Return an object without digests and labels, which another test holds."""
    body = deepcopy(planned.body)
    assert body["metadata"].pop("annotations") == {DIGEST: planned.digest}
    del body["metadata"]["labels"]
    template = body["spec"].get("template", {"metadata": {}})["metadata"]
    template.get("annotations", {}).pop(RESTART, None)
    return body


def status_of(status):
    shown = dict(status)
    shown["conditions"] = [condition_of(item) for item in status["conditions"]]
    if "ancestors" in status:
        shown["ancestors"] = [
            {
                "/".join(item["ancestorRef"].values()): [
                    condition_of(condition) for condition in item["conditions"]
                ]
            }
            for item in status["ancestors"]
        ]
    return shown


def condition_of(item):
    assert item["lastTransitionTime"] == "2026-11-18T11:06:40Z"
    return (
        f"{item['type']}={item['status']} {item['reason']} "
        f"@{item['observedGeneration']}: {item['message']}"
    )


@pytest.mark.parametrize("name", names())
def test_a_world_becomes_bundles_and_statuses(name, update_golden):
    result, expected = result_of(CASES / f"{name}.in.yaml"), CASES / f"{name}.out.yaml"
    if update_golden:
        expected.write_text(result)

    assert result == expected.read_text()


def test_no_case_has_lost_its_other_half():
    outs = sorted(path.name.removesuffix(".out.yaml") for path in CASES.glob("*.out.yaml"))

    assert outs == names()
    assert {path.suffix for path in CASES.iterdir()} == {".yaml"}


def test_there_is_a_case_for_each_feature_fault_and_conflict():
    assert len(names()) >= 40
