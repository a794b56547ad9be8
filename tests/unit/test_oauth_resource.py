import pytest

from ostiary.config.document import Route
from ostiary_proxy.oauth.challenge import challenge, metadata_url
from ostiary_proxy.oauth.resource import InvalidTarget, Site, canonical


def route(url: str) -> Route:
    return Route(namespace="n", name="r", display_name="R", url=url, issuer="https://h.example")


def site(*urls: str) -> Site:
    return Site(issuer="https://h.example", routes=tuple(map(route, urls)))


@pytest.mark.parametrize(
    ("asked", "same"),
    [
        ("https://h.example/mcp", True),
        ("HTTPS://H.Example:443/mcp", True),
        ("https://h.example/mcp/", False),
        ("https://h.example/MCP", False),
        ("https://h.example/mcp?", False),
        ("https://h.example/mcp#", False),
        ("https://h.example/./mcp", False),
        ("https://h.example/%6dcp", False),
        ("https://h.example:8443/mcp", False),
        ("https://x@h.example/mcp", False),
        ("https://h.example/", False),
        ("http://h.example/mcp", False),
        ("https://[h/mcp", False),
    ],
)
def test_resources_compare_by_scheme_host_and_port_folding_only(asked: str, same: bool) -> None:
    assert (canonical(asked) == canonical("https://h.example/mcp")) is same


def test_an_empty_path_equals_a_slash() -> None:
    assert canonical("https://h.example") == canonical("https://h.example/")


def test_without_a_resource_the_only_route_is_meant() -> None:
    assert site("https://h.example/a").route_of([]) == route("https://h.example/a")


@pytest.mark.parametrize(
    "resources",
    [[], ["https://h.example/c"], ["https://h.example/a", "https://h.example/a"], [""]],
)
def test_a_missing_unknown_or_second_resource_is_no_target(resources: list[str]) -> None:
    with pytest.raises(InvalidTarget):
        site("https://h.example/a", "https://h.example/b").route_of(resources)


def test_the_challenge_names_an_error_only_where_a_token_was_sent() -> None:
    where = 'resource_metadata="https://h.example/.well-known/oauth-protected-resource/a"'
    assert challenge(route("https://h.example/a"), sent=False) == f'Bearer {where}, scope="mcp"'
    assert challenge(route("https://h.example/a"), sent=True) == (
        f'Bearer error="invalid_token", error_description="log in again", {where}, scope="mcp"'
    )


def test_a_root_route_has_its_metadata_at_the_root() -> None:
    expected = "https://h.example/.well-known/oauth-protected-resource"
    assert metadata_url(route("https://h.example")) == expected
    assert metadata_url(route("https://h.example/")) == expected
