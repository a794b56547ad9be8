"""Addresses in the kinds: whatever two parsers might read differently is refused."""

import pytest

from ostiary.resources.address import (
    check_cidr,
    check_origin,
    check_path,
    check_provider_url,
    check_url,
    is_loopback,
)


@pytest.mark.parametrize(
    "text",
    [
        "https://user@host.example.com",
        "https://host.example.com\\@evil.example",
        "https://host.example.com\n.evil.example",
        "https://host .example.com",
        "https://hóst.example.com",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://127.1/",
        "https://0177.0.0.1/",
        "https://host.example.com:",
        "https://host.example.com:0",
        "https://host.example.com:99999",
        "https://[::1",
        "https://-host.example.com",
        "https:///path",
        "ftp://host.example.com",
        "//host.example.com",
        "host.example.com",
        "https://host.example.com/#fragment",
    ],
)
def test_a_doubtful_url_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        check_url(text)


@pytest.mark.parametrize("text", ["http://svc:8080/mcp", "https://[::1]/x", "https://a_b.example"])
def test_a_plain_url_is_taken_as_it_is(text):
    assert check_url(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "http://mcp.example.com",
        "https://mcp.example.com/",
        "https://mcp.example.com/x",
        "https://mcp.example.com?x",
        "https://MCP.example.com",
        "https://mcp.example.com:443",
        "http://127.evil.example",
        "http://localhost.evil.example",
    ],
)
def test_a_public_origin_is_spelled_in_one_way(text):
    with pytest.raises(ValueError, match="write"):
        check_origin(text)


@pytest.mark.parametrize(
    "text", ["https://mcp.example.com", "https://mcp.example.com:8443", "http://[::1]:80"[:-3]]
)
def test_an_origin_is_taken_as_it_is(text):
    assert check_origin(text) == text


def test_a_provider_is_reached_encrypted_unless_on_loopback():
    assert check_provider_url("http://127.0.0.1:9/x") == "http://127.0.0.1:9/x"
    with pytest.raises(ValueError, match="https"):
        check_provider_url("http://login.example.com")


@pytest.mark.parametrize("path", ["/a/../b", "/./a", "//a", "/a//b", "/a%2fb", "/a/", "a", "/ä"])
def test_a_doubtful_path_is_refused(path):
    with pytest.raises(ValueError, match="path"):
        check_path(path)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST"])
def test_loopback_is_known(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["127.evil.example", "10.0.0.1", "localhost.evil", None, ""])
def test_what_only_looks_like_loopback_is_not(host):
    assert not is_loopback(host)


def test_a_network_has_no_host_bits():
    assert check_cidr("10.0.0.0/8") == "10.0.0.0/8"
    with pytest.raises(ValueError, match="CIDR"):
        check_cidr("10.0.0.1/8")
