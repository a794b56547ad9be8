"""The CRDs on a real API server: what it takes, refuses, fills in, explains and shows."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from e2e.cluster.layout import ROOT
from e2e.kubectl import Kubectl, KubectlFailed
from ostiary.decode.fault import Faulty
from ostiary.decode.yaml_documents import read_documents
from ostiary.resources.crd import crds
from ostiary.resources.manifest import API_VERSION, Kind, read_manifest, read_resource

pytestmark = pytest.mark.usefixtures("kinds")

ANYWHERE = Kubectl(namespace="default")
"""For what is asked of the server and not kept."""

BASES = {
    Kind.GATEWAY: """
        publicUrl: https://mcp.example.com
        identityProvider: {oidc: {issuer: https://login.example.com, clientId: ostiary}}
    """,
    Kind.ROUTE: "to: http://tools:8080/mcp",
    Kind.POLICY: """
        targetRefs: [{kind: MCPRoute, name: one}]
        rules: [{name: all, effect: Allow, who: {everyone: true}}]
    """,
}
"""The least of each kind that the server takes."""

READY = {
    "type": "Ready",
    "status": "True",
    "reason": "Fine",
    "message": "",
    "lastTransitionTime": "2026-11-01T00:00:00Z",
    "observedGeneration": 1,
}

SECURED = "{name: a, hostname: '%s', tls: {certificateRefs: [{name: a}]}}"
ONE = "{name: a, to: 'https://a.example.net'}"

REFUSED = [
    (Kind.GATEWAY, "identityProvider: {dev: {users: [{username: a, password: b, email: a@b.c}]}}",
     "identityProvider.dev is for a publicUrl on loopback only"),
    (Kind.GATEWAY, "identityProvider: {}", "set exactly one of oidc, dev"),
    (Kind.GATEWAY, "proxy: {replicas: 2}",
     "SQLite holds one replica: set proxy.replicas to 1, or storage.type to Redis"),
    (Kind.GATEWAY, "proxy: {autoscaling: {maxReplicas: 4}}",
     "SQLite holds one replica: leave proxy.autoscaling out, or set storage.type to Redis"),
    (Kind.GATEWAY, "proxy: {autoscaling: {maxReplicas: 1}}",
     "minReplicas can't be above maxReplicas"),
    (Kind.GATEWAY, "storage: {type: Redis, urlSecretRef: {name: a, key: b}}",
     "with Redis no disk outlives a pod: set audit.sinks to [Stdout] and collect its lines"),
    (Kind.GATEWAY, "{storage: {type: Redis}, audit: {sinks: [Stdout]}}",
     "set urlSecretRef if and only if type is Redis"),
    (Kind.GATEWAY, "storage: {urlSecretRef: {name: a, key: b}}",
     "set urlSecretRef if and only if type is Redis"),
    (Kind.GATEWAY, "storage: {caBundleRef: {name: a, key: b}}", "caBundleRef is for type Redis"),
    (Kind.GATEWAY,
     "{storage: {type: Redis, urlSecretRef: {name: a, key: b}, volumeClaim: {}}}",
     "volumeClaim is for type SQLite"),
    (Kind.GATEWAY,
     "listeners: [{name: a, hostname: a.example.com, allowedRoutes: {namespaces: Selector}}]",
     "set matchLabels if and only if namespaces is Selector"),
    (Kind.GATEWAY,
     "listeners: [{name: a, hostname: a.example.com, allowedRoutes: {matchLabels: {a: b}}}]",
     "set matchLabels if and only if namespaces is Selector"),
    (Kind.GATEWAY,
     f"listeners: [{SECURED % 'mcp.example.com'}, {{name: b, hostname: b.example.com}}]",
     "give each listener tls, or none: one port speaks TLS or it does not"),
    (Kind.GATEWAY,
     f"{{publicUrl: 'http://localhost:8080', listeners: [{SECURED % 'localhost'}]}}",
     "with tls write https in publicUrl"),
    *((Kind.GATEWAY, f"listeners: [{SECURED % host}]",
       "with tls a listener must have the host of publicUrl")
      for host in ("*.mcp.example.com", "example.com", "*.com")),
    (Kind.GATEWAY,
     "listeners: [{name: a, hostname: mcp.example.com, tls: {certificateRefs: []}}]",
     "should have at least 1 items"),
    (Kind.GATEWAY, "publicUrl: http://mcp.example.com",
     "write https; plain http is for loopback only"),
    (Kind.GATEWAY, "publicUrl: https://mcp.example.com:443", "leave the scheme's own port out"),
    (Kind.GATEWAY, "tokens: {accessTtl: 59s}", "accessTtl must be between 60 and 3600 seconds"),
    (Kind.GATEWAY, "tokens: {refreshTtl: 8761h}",
     "refreshTtl must be between 3600 and 31536000 seconds"),
    (Kind.GATEWAY, "tokens: {internalTtl: 61s}", "internalTtl must be between 5 and 60 seconds"),
    (Kind.ROUTE, 'name: "a\\u202Eb"', "control and direction characters can't stand in a name"),
    (Kind.ROUTE,
     "mcp: {upstreamAuth: {type: Header, header: {name: Host, valueRef: {name: a, key: b}}}}",
     "the gateway sets this header itself; choose another"),
    (Kind.ROUTE, "backendRefs: [{name: a, port: 80}]",
     "set exactly one of to, backendRefs, backends"),
    (Kind.ROUTE, "to: null", "set exactly one of to, backendRefs, backends"),
    (Kind.ROUTE, "{to: null, backends: [{name: a}]}", "set exactly one of to, backendRef"),
    (Kind.ROUTE, "{to: null, backends: [{name: a_b, to: 'https://a.example.net'}]}",
     "should match"),
    (Kind.ROUTE, f"{{to: null, backends: [{ONE}, {ONE}]}}", "Duplicate value"),
    (Kind.ROUTE, f"{{to: null, mcp: {{upstreamAuth: {{type: None}}}}, backends: [{ONE}]}}",
     "with backends each has its own credential: set mcp at the backend instead"),
    (Kind.ROUTE,
     "mcp: {upstreamAuth: {type: None}, upstreamOAuth2: {clientId: a, provider: GitHub}}",
     "upstreamOAuth2 is the short spelling of upstreamAuth: set one of them"),
    (Kind.ROUTE, "mcp: {upstreamOAuth2: {provider: GitHub}}", "set clientId or clientIdRef"),
    (Kind.ROUTE, "mcp: {upstreamOAuth2: {clientId: a}}", "set endpoint, or provider: GitHub"),
    (Kind.ROUTE, "mcp: {upstreamAuth: {type: None, internalToken: {}}}",
     "internalToken is for type InternalToken"),
    (Kind.ROUTE, "mcp: {upstreamAuth: {type: Header}}",
     "set header if and only if type is Header"),
    (Kind.ROUTE, "mcp: {upstreamAuth: {type: OAuth2}}",
     "set oauth2 if and only if type is OAuth2"),
    (Kind.ROUTE, "mcp: {upstreamAuth: {type: OAuth2, oauth2: {provider: GitHub}}}",
     "set clientId or clientIdRef"),
    (Kind.ROUTE, "mcp: {upstreamAuth: {type: OAuth2, oauth2: {clientId: a}}}",
     "set endpoint, or provider: GitHub"),
    (Kind.POLICY, "targetRefs: [{kind: MCPRoute, name: a}, {kind: MCPGateway, name: b}]",
     "all targetRefs must be of one kind"),
    (Kind.POLICY, "rules: [{name: a, effect: Allow, match: {routes: {names: [one]}}}]",
     "an Allow needs who, or a match beyond routes; for all write who: {everyone: true}"),
    (Kind.POLICY,
     "rules: [{name: a, effect: Deny, transform: {redact: [{pattern: x}]}}]",
     "a Deny has no rateLimit or transform; use an Allow"),
    (Kind.POLICY, "rules: [{name: a, effect: Allow, who: {everyone: false}}]",
     "everyone can only be true; remove it"),
    (Kind.POLICY,
     "rules: [{name: a, effect: Allow, who: {groups: [a]}, transform: {redact: [{in: Result}]}}]",
     "a redaction needs pattern or paths"),
    (Kind.POLICY, "rules: []", "spec.rules in body should have at least 1 items"),
    (Kind.POLICY, "mode: Dream", 'supported values: "Enforce", "Audit"'),
    (Kind.POLICY, "surprise: 1", 'unknown field "spec.surprise"'),
]  # fmt: skip
"""Kind, what is set on top of its base, and the words of the refusal."""

FIXED = [
    ("{}", "publicUrl: https://other.example.com",
     "publicUrl can't be changed: stored accounts are sealed for it"),
    ("storage: {volumeClaim: {size: 2Gi}}", "storage: {volumeClaim: {size: 1Gi}}",
     "a volume can only grow"),
    ("storage: {volumeClaim: {storageClassName: a}}",
     "storage: {volumeClaim: {storageClassName: b}}", "the class of a volume can't be changed"),
]  # fmt: skip
"""A gateway before and after, and the words of the refusal."""

NAMES = [
    (Kind.GATEWAY, "g" * 41, "the name of a gateway has at most 40 characters"),
    (Kind.GATEWAY, "a.b", "metadata.name must be a DNS label"),
    (Kind.ROUTE, "a.b", "metadata.name must be a DNS label"),
    (Kind.POLICY, "a.b", "metadata.name must be a DNS label"),
]


def read(text: str) -> Any:
    (document,) = read_documents(text.encode(), "here")
    return document.value


def made(kind: Kind, name: str = "one", changes: str = "{}") -> dict[str, Any]:
    """Return an object: the base of its kind and what is set on top; null takes a field away."""
    spec = {**read(BASES[kind]), **read(changes)}
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": name},
        "spec": {field: value for field, value in spec.items() if value is not None},
    }


def refusal(kubectl: Kubectl, thing: Mapping[str, Any], *options: str) -> str:
    """Return the words in which the server refuses an object."""
    with pytest.raises(KubectlFailed) as raised:
        kubectl("apply", "-f", "-", *options, stdin=json.dumps(thing))
    return str(raised.value)


def every_rule(node: Mapping[str, Any]) -> Iterator[str]:
    """Yield the message of every CEL rule in a schema."""
    yield from (rule["message"] for rule in node.get("x-kubernetes-validations", ()))
    for inner in (*node.get("properties", {}).values(), node.get("items")):
        if inner:
            yield from every_rule(inner)


def samples() -> Iterator[dict[str, Any]]:
    """Yield what our own reader takes of the translation's cases and of the demo."""
    files = [
        *sorted((ROOT / "tests" / "translation" / "cases").glob("*.in.yaml")),
        *sorted((ROOT / "cli" / "ostiary_cli" / "demo" / "samples").glob("*.yaml")),
    ]
    for file in files:
        for document in read_documents(file.read_bytes(), file.name):
            try:
                resource = read_resource(read_manifest(document.value))
            except Faulty:
                continue
            value: Any = document.value
            yield {**value, "metadata": {"name": resource.metadata.name}, "status": None}


def test_the_definitions_are_taken_and_a_second_apply_changes_nothing(kubectl: Kubectl) -> None:
    def versions() -> list[str]:
        return [
            kubectl.get("crd", f"{plural}.ostiary.dev")["metadata"]["resourceVersion"]
            for plural in ("mcpgateways", "mcproutes", "mcppolicies")
        ]

    before = versions()
    kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))

    assert versions() == before


def test_the_server_takes_every_sample_that_our_reader_takes() -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": list(samples())}

    said = ANYWHERE("create", "--dry-run=server", "-f", "-", stdin=json.dumps(listed))

    assert len(said.splitlines()) == len(listed["items"]) > 200


@pytest.mark.parametrize(("kind", "changes", "words"), REFUSED)
def test_a_rule_refuses_in_its_own_words(kind: Kind, changes: str, words: str) -> None:
    assert words in refusal(ANYWHERE, made(kind, changes=changes), "--dry-run=server")


@pytest.mark.parametrize(("kind", "name", "words"), NAMES)
def test_a_name_that_can_not_be_part_of_a_url_is_refused(kind: Kind, name: str, words: str) -> None:
    assert words in refusal(ANYWHERE, made(kind, name), "--dry-run=server")


@pytest.mark.parametrize(("before", "after", "words"), FIXED)
def test_what_can_not_change_later_stays(
    kubectl: Kubectl, before: str, after: str, words: str
) -> None:
    kubectl("apply", "-f", "-", stdin=json.dumps(made(Kind.GATEWAY, changes=before)))

    assert words in refusal(kubectl, made(Kind.GATEWAY, changes=after))


def test_every_rule_of_the_definitions_is_shown_refusing() -> None:
    shown = [words for _, _, words in (*REFUSED, *NAMES, *FIXED)]
    rules = {
        message
        for definition in crds().values()
        for version in definition["spec"]["versions"]
        for message in every_rule(version["schema"]["openAPIV3Schema"])
    }

    assert [rule for rule in rules if not any(rule.startswith(words) for words in shown)] == []


@pytest.mark.parametrize(
    ("kind", "spec", "status"),
    [
        (
            Kind.GATEWAY,
            """
            default: false
            listeners: []
            proxy: {imagePullSecrets: [], podTemplate: {}, replicas: 1}
            storage: {type: SQLite}
            tokens: {accessTtl: 10m, internalTtl: 60s, refreshTtl: 720h}
            audit: {arguments: Redacted, durability: Process, sinks: []}
            authorization: {ceiling: None}
            upstreams: {allow: [], deny: []}
            clients: {redirectUris: []}
            trustedProxies: []
            publicUrl: https://mcp.example.com
            identityProvider:
              oidc:
                issuer: https://login.example.com
                clientId: ostiary
                scopes: [openid, profile, email]
                claims: {groups: groups}
            """,
            "{observedGeneration: -1, attachedRoutes: 0, conditions: []}",
        ),
        (
            Kind.ROUTE,
            "{to: 'http://tools:8080/mcp', suspend: false, mcp: {}}",
            "{observedGeneration: -1, attachedPolicies: [], conditions: []}",
        ),
        (
            Kind.POLICY,
            """
            mode: Enforce
            targetRefs: [{group: ostiary.dev, kind: MCPRoute, name: one}]
            rules: [{name: all, effect: Allow, who: {everyone: true}}]
            """,
            "{observedGeneration: -1, governedRoutes: 0, ancestors: [], conditions: []}",
        ),
    ],
)
def test_what_is_left_out_is_filled_in_and_the_status_says_that_nobody_has_looked(
    kubectl: Kubectl, kind: Kind, spec: str, status: str
) -> None:
    kubectl.apply(made(kind))

    stored = kubectl.get(kind, "one")

    assert (stored["spec"], stored["status"]) == (read(spec), read(status))


@pytest.mark.parametrize("kind", Kind)
def test_a_wait_does_not_end_before_somebody_has_looked(kubectl: Kubectl, kind: Kind) -> None:
    kubectl.apply(made(kind))

    with pytest.raises(KubectlFailed, match="timed out waiting"):
        kubectl("wait", f"{kind}/one", "--for=condition=Ready", "--timeout=1s")


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("side", ["--server-side=false", "--server-side"])
def test_a_dry_run_creates_nothing_and_after_an_apply_nothing_differs(
    kubectl: Kubectl, kind: Kind, side: str
) -> None:
    text = json.dumps(made(kind))

    tried = kubectl("apply", side, "--dry-run=server", "-f", "-", stdin=text)
    kubectl("create", "--dry-run=server", "-f", "-", stdin=text)
    kubectl("apply", side, "-f", "-", stdin=text)
    differs = kubectl("diff", side, "-f", "-", stdin=text)

    assert tried.endswith(" (server dry run)\n")
    assert differs == ""


@pytest.mark.parametrize(
    ("kind", "short", "status", "shown"),
    [
        (
            Kind.GATEWAY,
            "ogw",
            {"attachedRoutes": 2},
            {"URL": "https://mcp.example.com", "ROUTES": "2"},
        ),
        (
            Kind.ROUTE,
            "ort",
            {
                "url": "https://one.example.com",
                "conditions": [READY, {**READY, "type": "PolicyAttached", "reason": "NoPolicy"}],
                "boundGateway": {
                    "group": "ostiary.dev",
                    "kind": "MCPGateway",
                    "namespace": "platform",
                    "name": "main",
                },
            },
            {"POLICY": "NoPolicy", "URL": "https://one.example.com", "GATEWAY": "main"},
        ),
        (
            Kind.POLICY,
            "opol",
            {"governedRoutes": 3},
            {"MODE": "Enforce", "TARGETS": "one", "ROUTES": "3"},
        ),
    ],
)
def test_a_list_shows_what_matters_by_short_name(
    kubectl: Kubectl, kind: Kind, short: str, status: dict[str, Any], shown: dict[str, str]
) -> None:
    kubectl.apply(made(kind))
    patch = json.dumps({"status": {"conditions": [READY], **status}})
    kubectl("patch", short, "one", "--subresource=status", "--type=merge", "-p", patch)

    header, row = (line.split() for line in kubectl("get", short).splitlines())
    columns = dict(zip(header, row, strict=True))

    assert columns.pop("AGE")
    assert columns == {"NAME": "one", "READY": "True", "REASON": "Fine", **shown}


def test_one_word_lists_all_three(kubectl: Kubectl) -> None:
    kubectl.apply(*(made(kind) for kind in Kind))

    listed = kubectl("get", "ostiary", "-o", "name").split()

    assert listed == [
        "mcpgateway.ostiary.dev/one", "mcppolicy.ostiary.dev/one", "mcproute.ostiary.dev/one",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("part", ["", ".spec", ".status"])
def test_explain_leaves_nothing_unexplained(kind: Kind, part: str) -> None:
    text = ANYWHERE("explain", f"{kind.lower()}{part}")

    assert "DESCRIPTION:\n" in text
    assert "<no description>" not in text
    assert "<empty>" not in text


def test_explain_tells_what_a_field_is_for() -> None:
    text = ANYWHERE("explain", "ogw.spec.tokens.accessTtl")

    assert "FIELD: accessTtl <string>" in text
