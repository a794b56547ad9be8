"""Keys of running proxies are replaced: who is at work notices nothing, and what leaked is out."""

import itertools
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from door_parts import Directed, Door, Resource, Tokens
from gateway_parts import until
from ostiary.config.keys import RINGS, KeyDocument, Ring
from ostiary.config.rotation import (
    KNOWN_AFTER,
    advance,
    begin,
    drop_older,
    replace_key,
    stages,
)
from ostiary.decode.json_text import write_json
from ostiary.decode.model import validate
from ostiary.decode.strict_json import read_json
from ostiary_cli.headless import Page
from ostiary_proxy.whole_file import write_whole
from replica_parts import Replica, fleet, one_more

RULES = "[{name: all, effect: Allow, who: {everyone: true}}]"
LISTED = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}


class Wandering(Directed):
    """A browser whose requests go to one proxy after the other."""

    def __init__(self, doors: Sequence[Door]) -> None:
        super().__init__(doors[0])
        self._turns = itertools.cycle(doors)

    def _ask(self, request: urllib.request.Request) -> Page:
        self._door = next(self._turns)
        return super()._ask(request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two proxies on one store, each with a key file of its own."""

    resource: Resource
    doors: tuple[Replica, Replica]
    files: tuple[Path, Path]

    def document(self) -> KeyDocument:
        return validate(KeyDocument, read_json(self.files[0].read_bytes()))

    def give(self, index: int, keys: KeyDocument) -> None:
        """Write a proxy's key file and wait until it uses the keys."""
        write_whole(self.files[index], write_json(keys.reveal()), private=True)
        wanted, door = keys.rings().fingerprint, self.doors[index]
        until(lambda: door.ask_admin("/revision").json()["keys"] == wanted)

    def log_in(self, browser: Directed) -> Tokens:
        return self.resource.log_in(authorize=self.doors[0], redeem=self.doors[1], browser=browser)


@dataclass(slots=True)
class Held:
    """What a person has from before: tokens, a session, a browser that is logged in."""

    pair: Pair
    tokens: Tokens
    session: dict[str, str]
    browser: Wandering
    refresh: str

    @classmethod
    def of(cls, pair: Pair) -> "Held":
        browser = Wandering(pair.doors)
        tokens = pair.log_in(browser)
        session = pair.resource.session(pair.doors[0], tokens.access)
        return cls(pair, tokens, session, browser, tokens.refresh)

    def works(self) -> None:
        """Use everything at both proxies."""
        for door in self.pair.doors:
            assert self.pair.resource.call(door, self.tokens.access).status == 200
            assert door.send(self.pair.resource.path, LISTED, **self.session).status == 200
            assert self.browser.get(f"{door.origin}/account").status == 200
            assert self.refreshed(door) == 200

    def refreshed(self, door: Door) -> int:
        said = door.form(
            "/token", grant_type="refresh_token", refresh_token=self.refresh,
            client_id=self.tokens.client_id,
        )  # fmt: skip
        self.refresh = str(said.json().get("refresh_token", self.refresh))
        return said.status


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    with fleet(folder, RULES) as started:
        first, second = started.gateway.keys / "keys.json", folder / "second" / "keys.json"
        second.parent.mkdir()
        write_whole(second, first.read_bytes(), private=True)
        with one_more(folder / "r4", started.gateway, second) as other:
            yield Pair(resource=started, doors=(started.replicas[0], other), files=(first, second))


@pytest.mark.parametrize("ring", RINGS)
def test_who_is_at_work_notices_nothing_while_a_key_is_replaced(pair: Pair, ring: Ring) -> None:
    old = pair.document()
    published = begin(old, ring, now=0, entropy=os.urandom)
    signing = advance(published, now=KNOWN_AFTER)
    held = [Held.of(pair)]
    for step in (published, signing):
        for index in (1, 0):
            pair.give(index, step)
            for one in held:
                one.works()
            held.append(Held.of(pair))

    assert stages(pair.document())[-1].stage == "Signing"
    for index in (0, 1):  # as when nothing needs the old key any more
        pair.give(index, drop_older(signing, ring))
    held[-1].works()


def test_a_token_that_a_removed_key_signed_is_refused_at_once(pair: Pair) -> None:
    held = Held.of(pair)
    held.works()
    replaced = replace_key(pair.document(), "access", entropy=os.urandom)

    for index, door in enumerate(pair.doors):
        pair.give(index, replaced)
        assert pair.resource.call(door, held.tokens.access).status == 401
    assert [held.refreshed(door) for door in pair.doors] == [200, 200]  # the seal key stands


def test_a_seal_key_that_was_removed_ends_everything_that_was_given(pair: Pair) -> None:
    held = Held.of(pair)
    replaced = replace_key(pair.document(), "seal", entropy=os.urandom)
    for index in (0, 1):
        pair.give(index, replaced)

    for door in pair.doors:
        assert held.refreshed(door) == 400
        assert door.send(pair.resource.path, LISTED, **held.session).status == 404
        assert held.browser.get(f"{door.origin}/account").status == 303


def test_a_file_that_is_no_key_document_leaves_the_keys_in_use(pair: Pair) -> None:
    held, before = Held.of(pair), pair.document()
    log = pair.doors[1].log
    write_whole(pair.files[1], b'{"access": ["hidden"]}', private=True)

    until(lambda: "the key document is not taken" in log.read_text())
    held.works()
    pair.give(1, before)
    assert "hidden" not in log.read_text()


def test_the_audit_log_verifies_across_the_rotation_of_its_key(pair: Pair) -> None:
    folder = pair.doors[1].log.parent
    old = pair.document()
    published = begin(old, "audit", now=0, entropy=os.urandom)
    for step in (published, drop_older(advance(published, now=KNOWN_AFTER), "audit")):
        pair.give(1, step)
        Held.of(pair).works()

    command = [
        *(sys.executable, "-m", "ostiary_cli.main", "audit", "verify"),
        *("--log", str(folder / "audit"), "--checkpoints", str(folder / "checkpoints")),
        *("--keys", str(folder / "checkpoints" / "audit-public.pem")),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    pair.give(0, pair.document())

    assert (ended.returncode, "intact" in ended.stdout) == (0, True), ended.stdout
