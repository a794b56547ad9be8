"""TLS on the public port: each host its own certificate, taken live, never a bad one for a good."""

import itertools
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from certificate_parts import Authority, Pair
from ostiary.config.bundle import complete
from ostiary.config.document import Bundle, Certificate, Tls
from ostiary.crypto.secret import Secret
from proxy_parts import KEYS, Proxy, bundle, proxy

HOST = "mcp.example.com"
ASK = b"GET /team/one HTTP/1.1\r\nHost: mcp.example.com\r\n\r\n"
REVISIONS = itertools.count(1)
Pairs = Mapping[str, Pair | None]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with proxy(tmp_path_factory.mktemp("proxy"), "--tls") as running:
        yield running


def issued(authority: Authority, name: str, *, file: str = "", days: float = 1) -> Pair:
    return authority.issue(name, file=file or name, client=False, server=True, days=days)


def secured(pairs: Pairs) -> Bundle:
    """Return the next bundle, whose listeners have these certificates; None: no such Secret."""
    revision = next(REVISIONS)
    plain = bundle(revision, "one", public_url=f"https://{HOST}")
    texts = {host: pair for host, pair in pairs.items() if pair is not None}
    certificates = tuple(
        Certificate(hostname=host, chain=f"{host}/crt", key=f"{host}/key") for host in pairs
    )
    gateway = plain.config.gateway.model_copy(update={"tls": Tls(certificates=certificates)})
    credentials = {
        **{f"{host}/crt": Secret(pair.certificate.read_text()) for host, pair in texts.items()},
        **{f"{host}/key": Secret(pair.key.read_text()) for host, pair in texts.items()},
    }
    config = plain.config.model_copy(update={"gateway": gateway})
    return complete(config, credentials, revision=revision, seal=KEYS.rings().seal)


def address(one: Proxy) -> tuple[str, int]:
    host, _, port = one.addresses["listen"].rpartition(":")
    return host, int(port)


@contextmanager
def connected(
    one: Proxy, authority: Authority, name: str | None = HOST, **settings: object
) -> Iterator[ssl.SSLSocket]:
    """Shake hands as a client that trusts the authority and wants the host `name`."""
    client = ssl.create_default_context(cafile=str(authority.file))
    client.verify_flags &= ~ssl.VERIFY_X509_STRICT
    client.check_hostname = name is not None
    client.set_alpn_protocols(["h2", "http/1.1"])
    for setting, value in settings.items():
        setattr(client, setting, value)
    with (
        socket.create_connection(address(one), timeout=10) as plain,
        client.wrap_socket(plain, server_hostname=name) as tls,
    ):
        yield tls


def status(tls: ssl.SSLSocket) -> bytes:
    """Return the status of the answer to one request more."""
    tls.sendall(ASK)
    return tls.recv(65536)[9:12]


def shown(one: Proxy, authority: Authority, name: str = HOST) -> str:
    """Return the serial number of the certificate that a new connection is shown, '' for none."""
    try:
        with connected(one, authority, name) as tls:
            return str((tls.getpeercert() or {})["serialNumber"])
    except (ssl.SSLError, ConnectionError):
        return ""


def faults(one: Proxy) -> list[str]:
    return [fault["message"] for fault in one.revision()["faults"]]


def test_each_host_is_shown_its_own_certificate(one: Proxy, authority: Authority) -> None:
    exact, wild = issued(authority, HOST), issued(authority, "*.example.com", file="wild")
    one.push(secured({"*.example.com": wild, HOST: exact}))

    with connected(one, authority) as tls:
        names = (tls.getpeercert() or {})["subjectAltName"]
        assert (names, tls.selected_alpn_protocol()) == ((("DNS", HOST),), "http/1.1")
        assert [status(tls), status(tls)] == [b"401", b"401"]
    with connected(one, authority, "tools.example.com") as tls:
        names = (tls.getpeercert() or {})["subjectAltName"]
        assert (names, status(tls)) == ((("DNS", "*.example.com"),), b"401")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_spoken(
    one: Proxy, authority: Authority, version: ssl.TLSVersion
) -> None:
    one.push(secured({HOST: issued(authority, HOST)}))

    with connected(one, authority, maximum_version=version, minimum_version=version) as tls:
        spoken = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
        assert (spoken[tls.version() or ""], status(tls)) == (version, b"401")
        assert tls.selected_alpn_protocol() == "http/1.1"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_older_tls_is_not_spoken(one: Proxy, authority: Authority) -> None:
    one.push(secured({HOST: issued(authority, HOST)}))
    old = ssl.create_default_context(cafile=str(authority.file))
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1

    with (
        socket.create_connection(address(one), timeout=10) as plain,
        pytest.raises(ssl.SSLError, match=r"EOF|PROTOCOL_VERSION"),
    ):
        old.wrap_socket(plain, server_hostname=HOST)


def test_other_hosts_and_plain_http_get_nothing(one: Proxy, authority: Authority) -> None:
    one.push(secured({HOST: issued(authority, HOST)}))
    with socket.create_connection(address(one), timeout=10) as plain:
        plain.sendall(ASK)
        assert b"HTTP" not in plain.recv(65536)
    for name in ("other.example.com", "a.mcp.example.com", "example.com", None):
        with (
            pytest.raises(ssl.SSLError, match=r"EOF|UNRECOGNIZED_NAME"),
            connected(one, authority, name),
        ):
            pass

    assert shown(one, authority)
    assert "Traceback" not in (one.place / "proxy.log").read_text()


def test_a_renewed_certificate_is_shown_and_nobody_who_is_connected_is_let_go(
    one: Proxy, authority: Authority
) -> None:
    one.push(secured({HOST: issued(authority, HOST)}))
    before = shown(one, authority)
    with connected(one, authority) as held:
        assert status(held) == b"401"
        one.push(secured({HOST: issued(authority, HOST)}))
        after = shown(one, authority)

        assert before != after != ""
        assert [status(held), status(held)] == [b"401", b"401"]


def test_what_can_not_serve_leaves_the_last_good_certificate(
    one: Proxy, authority: Authority, tmp_path: Path
) -> None:
    good, other = issued(authority, HOST), issued(authority, "other.example.org")
    garbage = Pair(certificate=tmp_path / "garbage", key=good.key)
    garbage.certificate.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    bad: list[tuple[Pair | None, str]] = [
        (None, "its Secret is not there"),
        (garbage, "tls.crt holds no PEM certificate that can be read"),
        (Pair(certificate=good.certificate, key=other.key), "tls.key is not the key of the"),
        (Pair(certificate=good.certificate, key=good.certificate), "tls.key holds no PEM private"),
        (other, "the certificate is for other.example.org"),
        (issued(authority, HOST, file="old", days=-1), "the certificate ended at "),
    ]
    one.push(secured({HOST: good}))
    before = shown(one, authority)
    for pair, words in bad:
        one.push(secured({HOST: pair, "new.example.com": pair}))

        said = faults(one)
        assert [words in text for text in said] == [True, True], said
        assert ["the last good one goes on" in said[0], "no handshake for it" in said[1]] == [
            True, True,
        ]  # fmt: skip
        assert shown(one, authority) == before != ""
        assert shown(one, authority, "new.example.com") == ""
    one.push(secured({HOST: good}))

    assert faults(one) == []
    log = (one.place / "proxy.log").read_text()
    assert not any(line in log for line in good.key.read_text().splitlines())


def test_a_process_goes_on_as_it_was_started_until_it_is_replaced(
    one: Proxy, authority: Authority, tmp_path: Path
) -> None:
    pair = issued(authority, HOST)
    one.push(secured({HOST: pair}))
    before, revision = shown(one, authority), next(REVISIONS)
    one.push(bundle(revision, "one", public_url=f"https://{HOST}"))

    assert (one.revision()["revision"], shown(one, authority)) == (revision, before)
    with proxy(tmp_path) as plain:
        plain.push(secured({HOST: pair}))

        assert plain.get("listen", "/team/one", Host=HOST).status == 401
        assert "plain HTTP" in (tmp_path / "proxy.log").read_text()


def test_before_its_first_bundle_a_proxy_has_nothing_to_show(
    tmp_path: Path, authority: Authority
) -> None:
    with proxy(tmp_path, "--tls") as fresh:
        assert (shown(fresh, authority), fresh.ready()[0]) == ("", 503)
