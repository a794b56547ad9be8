"""A bundle survives its journey whole or is refused."""

import os

import pytest

from ostiary.config.bundle import complete, pack, read_bundle, unpack, write_bundle
from ostiary.config.document import Config, Gateway
from ostiary.crypto.seal import SealRing
from ostiary.crypto.secret import Secret
from ostiary.decode.fault import Faulty

RING = SealRing([os.urandom(32)])
CONFIG = Config(gateway=Gateway(namespace="a", name="b", public_url="http://localhost:1"))


def test_a_bundle_reads_back_as_it_was_written() -> None:
    bundle = complete(CONFIG, {"x": Secret("s3cret")}, revision=4, seal=RING)

    assert read_bundle(unpack(pack(write_bundle(bundle), 4, size=50))) == bundle


def test_the_digest_changes_with_a_credential_and_does_not_show_it() -> None:
    one, two = (complete(CONFIG, {"x": Secret(v)}, revision=1, seal=RING) for v in ("one", "two"))

    assert one.digest != two.digest
    assert complete(CONFIG, {"x": Secret("one")}, revision=9, seal=RING).digest == one.digest


def test_shards_are_joined_in_their_order_whatever_order_they_are_read_in() -> None:
    shards = pack(bytes(range(256)) * 9, 3, size=100)

    assert unpack(shards[::-1]) == bytes(range(256)) * 9


@pytest.mark.parametrize(
    "break_it",
    [
        pytest.param(lambda new, old: new[:-1], id="one is missing"),
        pytest.param(lambda new, old: (old[0], *new[1:]), id="one is older"),
        pytest.param(lambda new, old: (new[0][:-1] + b"!", *new[1:]), id="one is changed"),
        pytest.param(lambda new, old: (), id="there is none"),
        pytest.param(lambda new, old: (b"garbage", *new[1:]), id="one has no head"),
    ],
)
def test_a_torn_set_is_refused(break_it) -> None:
    new, old = pack(b"n" * 1000, 2, size=300), pack(b"o" * 1000, 1, size=300)

    with pytest.raises(Faulty):
        unpack(break_it(new, old))


def test_shards_left_over_from_a_larger_older_set_are_passed_over() -> None:
    old, new = pack(b"o" * 1000, 1, size=300), pack(b"n" * 500, 2, size=300)

    assert unpack((*new, *old[len(new) :])) == b"n" * 500


def test_a_gzip_bomb_is_refused() -> None:
    import zlib

    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = packer.compress(b" " * (65 * 1024 * 1024)) + packer.flush()

    with pytest.raises(Faulty, match="larger than"):
        read_bundle(bomb)
