"""Bundles that vanish, are torn or say nonsense while a proxy serves: the last good one goes on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway_parts import Gateway, policy_yaml, until
from hostile_parts import call

RULES = "[{name: all, effect: Allow, who: {everyone: true}}]"


def vanish(shard: Path) -> None:
    shard.unlink()


def empty(shard: Path) -> None:
    shard.write_bytes(b"")


def tear(shard: Path) -> None:
    shard.write_bytes(shard.read_bytes()[:-9])


def flip(shard: Path) -> None:
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(bytes(data))


def garble(shard: Path) -> None:
    shard.write_bytes(b"\x1f\x8b" + b"x" * 100)


def flood(shard: Path) -> None:
    shard.write_bytes(b"\0" * (200 * 1024 * 1024))


@pytest.mark.parametrize("harm", [vanish, empty, tear, flip, garble, flood])
def test_a_bundle_that_can_not_be_read_leaves_the_last_good_one_and_says_why(
    gateway: Gateway, issued: str, harm: Callable[[Path], None]
) -> None:
    (shard,) = (gateway.state / "bundle").glob("bundle-*")
    good, revision = shard.read_bytes(), gateway.revision()

    harm(shard)
    until(lambda: bool(failures(gateway)))
    still = call(gateway, issued)
    shard.write_bytes(good)
    until(lambda: not failures(gateway))

    assert "result" in still.json()
    assert gateway.revision() == revision
    assert "result" in call(gateway, issued).json()


def test_an_edit_after_a_torn_bundle_is_obeyed(gateway: Gateway, issued: str) -> None:
    (shard,) = (gateway.state / "bundle").glob("bundle-*")
    tear(shard)
    until(lambda: bool(failures(gateway)))

    gateway.change("policy.yaml", policy_yaml("[{name: x, effect: Deny}]"))
    denied = call(gateway, issued)

    assert (denied.json()["error"]["code"], failures(gateway)) == (-32602, [])


def failures(gateway: Gateway) -> list[str]:
    found: list[str] = gateway.admin("/revision").json()["failures"]
    return found
