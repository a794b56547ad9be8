"""Texts that clients hold for us: nobody else's, nothing else's, in one spelling, for a time."""

from dataclasses import replace

import pytest

from mcp_parts import presented
from ostiary.crypto.base64url import base64url
from ostiary.crypto.seal import SealRing
from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json
from ostiary.policy.facts import Kind, Subject
from ostiary_proxy.identity import Client
from ostiary_proxy.pipeline.handles import BadHandle, give_handle, open_handle
from ostiary_proxy.pipeline.session import seal_session, waiting_row, waiting_subject

RING = SealRing([b"k" * 32])
ALICE = presented("alice").grant
VALUE: list[Json] = ["up-1", {"repo": "acme/a"}, None]


def given(**changed):
    whole = {"now": 1_000.0, "entropy": lambda size: b"e" * size, "about": "tools/call", **changed}
    return give_handle(RING, ALICE, "mcp-task", VALUE, **whole)


def opened(text, *, grant=ALICE, purpose="mcp-task", ring=RING, **changed):
    asked = {"now": 1_001.0, "max_age": 60.0, "longest": 4096, "about": "tools/call", **changed}
    return open_handle(ring, grant, purpose, text, **asked)


def test_a_handle_stands_for_its_value():
    handle = opened(given())

    assert (handle.value, handle.issued_at) == (VALUE, 1_000.0)
    assert opened(given()).key == handle.key


def test_a_session_is_sealed_as_replicas_of_the_version_before_seal_theirs():
    person, entropy = ALICE.person, bytes
    bound = [person.issuer, person.subject, ALICE.client.id, ALICE.route, ALICE.gid]
    sealed = RING.seal(
        write_json([["up-1", "http://upstream.internal/mcp"], "2025-11-25", 1_000.0]),
        aad=write_json(["mcp-session", *bound]),
        entropy=entropy,
    )

    assert base64url(sealed) == seal_session(
        RING, ALICE, upstream="up-1", version="2025-11-25", now=1_000.0, entropy=entropy,
        place="http://upstream.internal/mcp",
    )  # fmt: skip


def test_a_handle_is_visible_ascii_and_shows_nothing_of_its_value():
    text = given()

    assert text.isascii()
    assert text.isprintable()
    assert "up-1" not in text


@pytest.mark.parametrize(
    "grant",
    [
        presented("bob").grant,
        replace(ALICE, gid="another-login"),
        replace(ALICE, route="team/other"),
        replace(ALICE, client=Client(id="another", name="Agent")),
        replace(ALICE, person=replace(ALICE.person, issuer="https://elsewhere.example")),
    ],
    ids=["person", "grant", "route", "client", "issuer"],
)
def test_a_handle_of_another_is_no_handle(grant):
    with pytest.raises(BadHandle):
        opened(given(), grant=grant)


@pytest.mark.parametrize(
    "changed",
    [
        {"purpose": "mcp-session"},
        {"about": "prompts/get"},
        {"about": None},
        {"ring": SealRing([b"o" * 32])},
        {"now": 1_060.0},
        {"now": 994.0},
        {"longest": 20},
    ],
    ids=["purpose", "about", "about nothing", "key", "too old", "from the future", "too long"],
)
def test_a_handle_for_another_use_or_time_is_no_handle(changed):
    with pytest.raises(BadHandle):
        opened(given(), **changed)


@pytest.mark.parametrize("spell", ["{}=", "{}A", "{}\n", " {}", "", "{}é", "made-up"])
def test_another_spelling_of_a_handle_is_no_handle(spell):
    with pytest.raises(BadHandle):
        opened(spell.format(given()))


def test_a_waiting_question_is_written_as_before_so_that_replicas_of_two_versions_agree():
    subject = Subject(kind=Kind.SERVER, method="roots/list", name="roots")

    assert waiting_row(subject) == b'["server","roots/list","roots"]'
    assert waiting_subject(waiting_row(subject)) == subject
