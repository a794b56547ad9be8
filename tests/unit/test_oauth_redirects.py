import pytest

from ostiary_proxy.oauth.redirects import CURSOR, HOSTED, Kind, host_of, kind_of, matches, portless


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        *((uri, Kind.HTTPS) for uri in HOSTED),
        ("http://127.0.0.1:33418", Kind.LOOPBACK),
        ("http://127.0.0.1:33418/", Kind.LOOPBACK),
        ("http://127.0.0.1/", Kind.LOOPBACK),
        ("http://localhost/callback", Kind.LOOPBACK),
        ("http://localhost:8787/callback?x=1", Kind.LOOPBACK),
        ("http://[::1]:5000/cb", Kind.LOOPBACK),
        (CURSOR, Kind.CUSTOM),
        ("myapp://cb", Kind.CUSTOM),
    ],
)
def test_clients_that_must_keep_working_may_register(uri: str, kind: Kind) -> None:
    assert kind_of(uri, allowed=("myapp://cb",)) is kind


@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "http://app.example/cb",
        "http://localhost.evil.example/cb",
        "http://127.0.0.1:80@evil.example/cb",
        "http://127.0.0.2/cb",
        "http://localhost:99999/cb",
        "http://localhost:0/cb",
        "https://user@evil.example/cb",
        "https://evil.example\\@good.example/cb",
        "https://app.example/cb#fragment",
        "https://app.example/a/../cb",
        "https://app.example/a/%2E%2e/cb",
        "https://*.example/cb",
        "https:///cb",
        "https://app.example:/cb",
        "https://app.example/cb\n",
        "https://app.example/ü",
        "HTTPS://app.example/cb",
        "cursor://evil/oauth/callback",
        "myapp://other",
        "https://app.example/" + "a" * 1024,
        "",
    ],
)
def test_uris_that_lead_elsewhere_are_refused(uri: str) -> None:
    assert kind_of(uri, allowed=("myapp://cb",)) is None


@pytest.mark.parametrize(
    ("registered", "asked", "equal"),
    [
        ("https://a.example/cb", "https://a.example/cb", True),
        ("https://a.example/cb", "https://a.example/cb/", False),
        ("https://a.example/cb", "https://a.example/CB", False),
        ("https://a.example/cb", "https://a.example/cb?x", False),
        ("https://a.example/cb", "https://a.example:443/cb", False),
        ("https://a.example/cb", "https://a.example/%63b", False),
        ("http://localhost/callback", "http://localhost:55564/callback", True),
        ("http://127.0.0.1/", "http://127.0.0.1:33418", True),
        ("http://127.0.0.1:33418", "http://127.0.0.1:5/", True),
        ("http://localhost/callback", "http://127.0.0.1:1/callback", False),
        ("http://localhost/callback", "https://localhost:1/callback", False),
        ("http://localhost/callback", "http://localhost:1/other", False),
        ("http://localhost/callback", "http://localhost:70000/callback", False),
        ("http://localhost/callback", "http://localhost:1@evil.example/callback", False),
    ],
)
def test_a_redirect_uri_is_compared_exactly_but_for_loopback_ports(
    registered: str, asked: str, equal: bool
) -> None:
    assert matches(registered, asked) is equal


def test_consent_remembers_loopback_without_its_port() -> None:
    assert portless("http://localhost:55564/callback") == "http://localhost/callback"
    assert portless("https://a.example:8443/cb") == "https://a.example:8443/cb"


def test_the_receiver_is_a_host_or_a_scheme() -> None:
    assert [host_of(uri) for uri in ("https://a.example/cb", CURSOR)] == ["a.example", "cursor://"]
