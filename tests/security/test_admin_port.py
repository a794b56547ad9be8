"""The admin port takes bundles: from the operator of this gateway, or whoever has the token."""

import shutil
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from certificate_parts import Authority, Pair
from gateway_parts import ask, until
from ostiary.config.bundle import write_bundle
from ostiary_proxy.edge.admin_tls import OPERATOR
from proxy_parts import UID, Proxy, bundle, proxy

SERVER = f"{UID}.proxy.ostiary.internal"
ASK = b"GET /revision HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A proxy behind mutual TLS, its gateway's authority, and the folder that it reads."""

    proxy: Proxy
    authority: Authority
    folder: Path

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.proxy.addresses["admin"].rpartition(":")
        return host, int(port)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    place = tmp_path_factory.mktemp("fleet")
    authority, folder = Authority(place / "made"), place / "admin"
    folder.mkdir()
    install(folder, authority, authority.issue(SERVER, file="server", client=False, server=True))
    with proxy(place, admin=("--admin-tls", str(folder))) as one:
        yield Fleet(proxy=one, authority=authority, folder=folder)


def install(folder: Path, authority: Authority, server: Pair) -> None:
    shutil.copy(authority.file, folder / "ca.crt")
    shutil.copy(server.certificate, folder / "tls.crt")
    shutil.copy(server.key, folder / "tls.key")


def context(authority: Authority, client: Pair | None) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=str(authority.file))
    made.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if client is not None:
        made.load_cert_chain(client.certificate, client.key)
    return made


def said(fleet: Fleet, client: Pair | None, trust: Authority | None = None) -> bytes:
    """Return the bytes that the port answers to a question over TLS; b"" where it hangs up."""
    try:
        with connected(fleet, client, trust) as connection:
            connection.sendall(ASK)
            return connection.recv(65536)
    except (ssl.SSLError, ConnectionError):
        return b""


@contextmanager
def connected(
    fleet: Fleet, client: Pair | None, trust: Authority | None = None
) -> Iterator[ssl.SSLSocket]:
    """Connect as the operator does: to an address, by the name in the certificate."""
    tls = context(trust or fleet.authority, client)
    with (
        socket.create_connection(fleet.address, timeout=10) as plain,
        tls.wrap_socket(plain, server_hostname=SERVER) as connection,
    ):
        yield connection


def test_the_operator_pushes_a_bundle(fleet: Fleet) -> None:
    operator = fleet.authority.issue(OPERATOR, file="operator")
    data = write_bundle(bundle(5, "one"))
    head = f"PUT /bundle HTTP/1.1\r\nHost: a\r\nContent-Length: {len(data)}\r\n\r\n"
    with connected(fleet, operator) as connection:
        connection.sendall(head.encode() + data)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")

    assert fleet.proxy.ready() == (200, "ok")


def test_no_other_certificate_gets_an_answer(fleet: Fleet, tmp_path: Path) -> None:
    ours, theirs = fleet.authority, Authority(tmp_path, "another gateway")
    expired = ours.issue(OPERATOR, file="expired", days=-1)
    itself = ours.issue(OPERATOR, file="self-signed", own=True)
    bare = ours.issue(SERVER, file="no-purpose", client=False)
    as_client = ours.issue(SERVER, file="as-client")
    proxys = Pair(certificate=fleet.folder / "tls.crt", key=fleet.folder / "tls.key")

    assert said(fleet, ours.issue(OPERATOR, file="operator")).startswith(b"HTTP/1.1 200 ")
    assert {
        "none": said(fleet, None),
        "another gateway's": said(fleet, theirs.issue(OPERATOR, file="operator")),
        "expired": said(fleet, expired),
        "self-signed": said(fleet, itself),
        "the proxy's own": said(fleet, proxys),
        "another name, without purpose": said(fleet, bare),
        "another name, for clients": said(fleet, as_client),
        "the operator's, for servers": said(
            fleet, ours.issue(OPERATOR, file="server-only", client=False, server=True)
        ),
    } == dict.fromkeys(
        [
            "none", "another gateway's", "expired", "self-signed", "the proxy's own",
            "another name, without purpose", "another name, for clients",
            "the operator's, for servers",
        ],
        b"",
    )  # fmt: skip


def test_plain_http_and_older_tls_get_no_answer(fleet: Fleet) -> None:
    with socket.create_connection(fleet.address, timeout=10) as plain:
        plain.sendall(ASK)
        answered = plain.recv(65536)
    old = context(fleet.authority, fleet.authority.issue(OPERATOR, file="operator"))
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(fleet.address, timeout=10) as plain,
        pytest.raises(ssl.SSLError),
    ):
        old.wrap_socket(plain, server_hostname=SERVER)

    assert b"HTTP" not in answered


def test_certificates_that_change_are_taken_while_the_port_stays_open(
    fleet: Fleet, tmp_path: Path
) -> None:
    next_one = Authority(tmp_path, "the next authority")
    operator = next_one.issue(OPERATOR, file="operator")
    before = fleet.authority.issue(OPERATOR, file="operator")
    with connected(fleet, before) as held:
        held.sendall(b"GET /revision HTTP/1.1\r\nHost: a\r\n\r\n")
        assert held.recv(65536).startswith(b"HTTP/1.1 200 ")
        (fleet.folder / "tls.crt").write_bytes(b"torn")
        server = next_one.issue(SERVER, file="server", client=False, server=True)
        install(fleet.folder, next_one, server)
        until(lambda: said(fleet, operator, next_one).startswith(b"HTTP/1.1 200 "))
        assert held.recv(1) == b""  # it was idle, so it was let go

    assert said(fleet, before, next_one) == b""
    install(
        fleet.folder,
        fleet.authority,
        fleet.authority.issue(SERVER, file="server", client=False, server=True),
    )
    until(lambda: said(fleet, before).startswith(b"HTTP/1.1 200 "))


def test_the_token_form_wants_the_token_and_its_own_host(tmp_path: Path) -> None:
    with proxy(tmp_path) as one:
        url = f"http://{one.addresses['admin']}/revision"
        issued = (tmp_path / "admin-token").read_text()
        bearer = {"Authorization": f"Bearer {issued}"}

        assert ask(url, headers=bearer).status == 200
        assert ask(url, headers={}).status == 401
        assert ask(url, headers={"Authorization": "Bearer x"}).status == 401
        assert ask(url, headers={**bearer, "Host": "evil.example"}).status == 421
        assert (tmp_path / "admin-token").stat().st_mode & 0o777 == 0o600


def test_a_bundle_beyond_64_mebibytes_is_not_read(tmp_path: Path) -> None:
    with proxy(tmp_path) as one, socket.socket() as plain:
        host, _, port = one.addresses["admin"].rpartition(":")
        issued = (tmp_path / "admin-token").read_text()
        plain.settimeout(10)
        plain.connect((host, int(port)))
        plain.sendall(
            f"PUT /bundle HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {issued}\r\n"
            f"Content-Length: {64 * 1024 * 1024 + 1}\r\n\r\n".encode()
        )

        assert plain.recv(65536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("both", [True, False])
def test_the_admin_port_is_never_open_to_everybody(tmp_path: Path, both: bool) -> None:
    token = ("--admin-token", str(tmp_path / "admin-token"))
    admin = (*token, "--admin-tls", str(tmp_path)) if both else ("--ready-file", "/dev/null")
    with proxy(tmp_path, admin=admin, wait=False) as one:
        assert one.process.wait(30) == 2
        said = (tmp_path / "proxy.log").read_text()
    assert "exactly one of --admin-token and --admin-tls" in said


def test_certificates_that_are_missing_at_the_start_end_it(tmp_path: Path) -> None:
    with proxy(tmp_path, admin=("--admin-tls", str(tmp_path / "absent")), wait=False) as one:
        assert one.process.wait(30) == 2
