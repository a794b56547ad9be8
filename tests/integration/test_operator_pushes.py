"""The operator's own client and certificates before the admin port of the real proxy."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fleet_parts import OWNER, Certificates
from ostiary.config.bundle import write_bundle
from ostiary.config.document import Bundle
from ostiary.translate.names import OPERATOR_NAME, server_name
from ostiary_operator.asking import AdminClient
from ostiary_operator.bundles import Parcel
from ostiary_proxy.edge.admin_tls import OPERATOR
from proxy_parts import Proxy, bundle, proxy

WRONG = {"name": "r", "effect": "Deny", "condition": "args.x == "}


@contextmanager
def fleet(place: Path, certificates: Certificates) -> Iterator[tuple[Proxy, str, int]]:
    """Run a proxy that mounts what the operator made; yields its admin address too."""
    folder = place / "admin"
    folder.mkdir()
    for name, value in certificates.admin.items():
        (folder / name).write_text(value.reveal())
    with proxy(place, admin=("--admin-tls", str(folder))) as one:
        host, _, port = one.addresses["admin"].rpartition(":")
        yield one, host, int(port)


def parcel(made: Bundle) -> Parcel:
    return Parcel(revision=made.revision, digest=made.digest, data=write_bundle(made))


async def test_a_bundle_is_pushed_and_its_faults_come_back(tmp_path: Path) -> None:
    certificates = Certificates.of()
    with fleet(tmp_path, certificates) as (one, host, port):
        client = AdminClient(certificates.trust, server_name(OWNER.uid), port=port)
        before = await client.revision(host)
        pushed = parcel(bundle(3, "one", rules=(WRONG,)))
        answer = await client.push(host, pushed.data)
        garbage = await client.push(host, b"garbage")
        await client.close()
        ready = one.ready()

    assert (before.revision, before.failures) == (0, ("there is no bundle yet",))
    assert (answer.is_behind(pushed), answer.failures) == (False, ())
    assert [(str(fault.kind), fault.key) for fault in answer.faults] == [
        ("MCPPolicy", "team/rules")
    ]
    assert (garbage.revision, garbage.failures) == (3, ("the bundle is not gzip data",))
    assert (before.boot, ready) == (answer.boot, (200, "ok"))


def test_both_sides_mean_the_same_name() -> None:
    assert OPERATOR == OPERATOR_NAME
