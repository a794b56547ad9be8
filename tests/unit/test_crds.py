"""The CRDs: structural, bounded, described, current, and strict where the models are."""

import re

import pytest
from cel_expr_python import cel
from click.testing import CliRunner

from ostiary.decode.fault import Faulty
from ostiary.decode.yaml_documents import read_documents
from ostiary.policy.check import check
from ostiary.policy.rule import Rule
from ostiary.resources.crd import crds
from ostiary.resources.manifest import Kind
from ostiary_cli.generate import command, generated

CRDS = {definition["spec"]["names"]["kind"]: definition for definition in crds().values()}
ALLOWED = {
    "type", "description", "properties", "required", "items", "additionalProperties", "default",
    "enum", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems",
    "minProperties", "maxProperties", "pattern", "format", "x-kubernetes-validations",
    "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
    "x-kubernetes-preserve-unknown-fields",
}  # fmt: skip


def schema_of(kind):
    return CRDS[kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def nodes(node, path=""):
    yield path, node
    for name, inner in node.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{name}")
    if "items" in node:
        yield from nodes(node["items"], f"{path}[]")
    if "additionalProperties" in node:
        yield from nodes(node["additionalProperties"], f"{path}{{}}")


def fields(kind):
    return [(path, node) for path, node in nodes(schema_of(kind)) if path != ".metadata"]


@pytest.mark.parametrize("kind", Kind)
def test_every_schema_is_structural(kind):
    odd = [
        (path, sorted(node.keys() - ALLOWED), node.get("type"))
        for path, node in fields(kind)
        if node.keys() - ALLOWED or not isinstance(node.get("type"), str)
    ]

    assert odd == []


@pytest.mark.parametrize("kind", Kind)
def test_every_string_list_and_map_is_bounded(kind):
    bound = {"string": {"maxLength", "enum"}, "array": {"maxItems"}}
    unbounded = [
        path
        for path, node in fields(kind)
        if not path.startswith((".apiVersion", ".kind"))
        and (
            (node["type"] in bound and not node.keys() & bound[node["type"]])
            or ("additionalProperties" in node and "maxProperties" not in node)
        )
    ]

    assert unbounded == []


@pytest.mark.parametrize("kind", Kind)
def test_every_field_is_described(kind):
    silent = [
        path
        for path, node in fields(kind)
        if path and not path.endswith(("[]", "{}")) and not node.get("description")
    ]

    assert silent == []


@pytest.mark.parametrize("kind", Kind)
def test_the_keys_of_a_list_map_are_required_or_defaulted(kind):
    for path, node in fields(kind):
        for key in node.get("x-kubernetes-list-map-keys", ()):
            item = node["items"]
            assert key in item.get("required", ()) or "default" in item["properties"][key], path


@pytest.mark.parametrize("kind", Kind)
def test_a_rule_stands_with_a_message_and_names_only_fields_that_exist(kind):
    for path, node in fields(kind):
        for rule in node.get("x-kubernetes-validations", ()):
            assert rule["message"], path
            for name in re.findall(r"(?<![\w.])self\.\??(\w+)", rule["rule"]):
                known = {*node.get("properties", {}), "metadata", "matches", "startsWith"}
                assert name in known, (path, rule["rule"])


@pytest.mark.parametrize(
    "clauses",
    [
        {},
        {"condition": "true"},
        {"who": {"everyone": True}},
        {"match": {"routes": {"names": ["files"]}}},
        {"match": {"routes": {"names": ["files"]}, "methods": ["tools/*"]}},
        *({"match": {kind: ["*"]}} for kind in ("methods", "tools", "prompts", "resources")),
        {"match": {"server": ["roots"]}},
    ],
)
def test_the_cluster_and_the_check_agree_on_an_allow_that_says_too_little(clauses):
    rule = {"name": "a", "effect": "Allow", **clauses}
    targets = [{"group": "ostiary.dev", "kind": "MCPRoute", "name": "files"}]
    spec = {"targetRefs": targets, "rules": [rule]}
    written = schema_of("MCPPolicy")["properties"]["spec"]["x-kubernetes-validations"]
    environment = cel.NewEnv(variables={"self": cel.Type.DYN})

    taken = all(
        environment.compile(one["rule"]).eval(data={"self": spec}).value() is True
        for one in written
    )

    assert taken is _checks(rule)


def _checks(rule):
    try:
        check([Rule.model_validate(rule)])
    except Faulty:
        return False
    return True


@pytest.mark.parametrize("kind", Kind)
def test_the_default_of_an_object_holds_those_of_its_members_which_its_rules_are_asked_of(kind):
    for path, node in fields(kind):
        if path != ".status" and isinstance(node.get("default"), dict):
            members = node.get("properties", {}).items()
            assert {name for name, inner in members if "default" in inner} == set(node["default"])


@pytest.mark.parametrize("kind", Kind)
def test_an_object_that_nobody_has_looked_at_is_not_current(kind):
    version = CRDS[kind]["spec"]["versions"][0]

    assert schema_of(kind)["properties"]["status"]["default"] == {"observedGeneration": -1}
    assert version["subresources"] == {"status": {}}


@pytest.mark.parametrize("kind", Kind)
def test_lists_show_whether_it_works_and_why_not(kind):
    columns = CRDS[kind]["spec"]["versions"][0]["additionalPrinterColumns"]

    shown = [column["name"] for column in columns if "priority" not in column]
    assert (shown[:2], shown[-1]) == (["Ready", "Reason"], "Age")


def test_short_names_and_the_category_are_those_of_the_documentation():
    names = {
        kind: (definition["spec"]["names"]["shortNames"], definition["spec"]["names"]["categories"])
        for kind, definition in CRDS.items()
    }

    assert names == {
        "MCPGateway": (["ogw"], ["ostiary"]),
        "MCPRoute": (["ort"], ["ostiary"]),
        "MCPPolicy": (["opol"], ["ostiary"]),
    }


def test_tools_of_the_gateway_api_find_the_policy_kind():
    labels = {kind: definition["metadata"].get("labels") for kind, definition in CRDS.items()}

    assert labels == {
        "MCPGateway": None,
        "MCPRoute": None,
        "MCPPolicy": {"gateway.networking.k8s.io/policy": "Inherited"},
    }


def definitions():
    return [(path, text) for path, text in generated() if path.parent.name == "crds"]


def test_each_definition_fits_into_the_annotation_of_kubectl_apply():
    sizes = {path: len(text.encode()) for path, text in definitions()}

    assert len(sizes) == 3
    assert max(sizes.values()) < 200_000


def test_the_committed_files_are_current():
    result = CliRunner().invoke(command, ["--check"])

    assert (result.exit_code, result.output) == (0, "")


def test_our_own_reader_takes_what_is_generated():
    for path, text in definitions():
        (document,) = read_documents(text.encode(), str(path))
        assert document.value == crds()[path.name]
