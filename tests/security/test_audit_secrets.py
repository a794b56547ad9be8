"""No token, code, cookie or secret in the log, and no stranger steers its readers (decision 17)."""

from pathlib import Path
from typing import Any

import pytest

from audit_parts import Place, decision
from ostiary.crypto.secret import Secret
from ostiary_proxy.audit.arguments import LONGEST_TEXT, redact
from ostiary_proxy.audit.text import tidy

JWT = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeQ"
CANARIES = [
    JWT,
    f"Bearer {JWT}",
    "Bearer 0c4na4ry0c4na4ry",
    "ghp_c4naryc4naryc4naryc4naryc4naryc4nary",
    "github_pat_11CANARY0_c4naryc4nary",
    "sk-proj-c4naryc4naryc4nary",
    "xoxb-123456-c4nary",
    "AKIAC4NARYC4NARYC4NA",
    "https://mara:c4nary@example.com/repo.git",
    "https://example.com/cb?code=c4naryc4nary&state=c4nary",
    "https://example.com/?access_token=c4naryc4nary",
    "-----BEGIN EC PRIVATE KEY-----\nc4nary\n-----END EC PRIVATE KEY-----",
]


async def log_bytes(folder: Path, mode: str = "Redacted", **changed: Any) -> bytes:
    place = Place(folder)
    async with place.open(arguments=mode) as log:
        await log.write(decision("d1", **changed))
    return b"".join(place.raw_lines())


def leaks(text: bytes) -> bool:
    return b"c4nary" in text.lower() or b"c2lnbmF0dXJl" in text or b"0c4na4ry" in text


@pytest.mark.parametrize("canary", CANARIES)
async def test_what_looks_like_a_secret_is_masked_wherever_it_stands(
    tmp_path: Path, canary: str
) -> None:
    written = await log_bytes(
        tmp_path,
        facts={"name": canary, "nested": [{"detail": f"upstream said {canary}"}], canary: "x"},
        personal={"note": canary},
        arguments={"note": canary, "list": [canary], "deep": {"x": {canary: canary}}},
    )

    assert not leaks(written)


async def test_members_named_like_secrets_are_masked_with_their_whole_value(
    tmp_path: Path,
) -> None:
    names = ("password", "client_secret", "apiKey", "api_key", "Authorization", "cookie", "PIN")
    arguments: dict[str, Any] = dict.fromkeys(names, "c4nary")
    arguments |= {
        "token": ["c4nary"],
        "credentials": {"x": {"y": "c4nary"}},
        "private-key": "c4nary",
    }

    assert not leaks(await log_bytes(tmp_path, arguments=arguments))


async def test_a_secret_of_ours_can_not_be_written_at_all(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        await log_bytes(tmp_path, facts={"x": Secret("c4nary")})


async def test_long_text_of_the_caller_is_not_kept_in_redacted_mode(tmp_path: Path) -> None:
    text = "diary " * 20

    assert b"diary" not in await log_bytes(tmp_path, arguments={"body": text})


async def test_nothing_of_the_arguments_is_kept_in_digest_mode(tmp_path: Path) -> None:
    written = await log_bytes(tmp_path, "Digest", arguments={"c4nary": "c4nary", "n": 424242})

    assert not leaks(written)
    assert b"424242" not in written


async def test_full_mode_keeps_every_byte_of_meaning(tmp_path: Path) -> None:
    place = Place(tmp_path)
    arguments: Any = {"text": "x" * 10_000, "uni": "é\u202e\x7f\x9b\U0001f600", "n": [1, 2.5, None]}
    async with place.open(arguments="Full") as log:
        await log.write(decision("d1", arguments=arguments))

    assert place.lines()[1].value("arguments") == arguments
    assert place.verify().exit_code == 0


def test_redaction_keeps_structure_and_harmless_values() -> None:
    given: Any = {
        "repo": "acme/site",
        "count": 3,
        "draft": True,
        "labels": ["bug", "x" * 65],
        "token": "abc",
        "secret": None,
        "options": {"password": "abc", "path": "C:\\temp"},
    }

    assert redact(given) == {
        "repo": "acme/site",
        "count": 3,
        "draft": True,
        "labels": ["bug", "[text of 65 characters]"],
        "token": "[secret]",
        "secret": None,
        "options": {"password": "[secret]", "path": "C:\\\\temp"},
    }
    assert redact("x" * LONGEST_TEXT) == "x" * LONGEST_TEXT


def test_redaction_bounds_what_a_caller_can_make_us_write() -> None:
    deep: Any = "end"
    for _ in range(100):
        deep = [{"x": deep}]

    assert len(str(redact(deep))) < 300
    assert redact(list(range(1000)))[-1] == "[968 more items]"  # type: ignore[index]  # a list
    wide = redact({f"k{n}": n for n in range(1000)})
    assert isinstance(wide, dict)
    assert (len(wide), wide["[note]"]) == (33, "[968 more members]")


HOSTILE = [
    'x"},"kind":"decision","id":"forged',
    "line\nbreak",
    "carriage\rreturn",
    "\u2028separator\x85next",
    "\x1b[2Jclear",
    "\x9b31mred",
    "\u202egnp.exe",
    "zero\u200bwidth",
    "\U000e0041tag",
    "nul\0",
    "\ud800lone",
    "back\\slash",
]


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_tool_name_forges_no_line_and_steers_no_terminal(
    tmp_path: Path, name: str
) -> None:
    place = Place(tmp_path)
    async with place.open() as log:
        await log.write(
            decision(name, facts={"decision": "deny", "name": name}, personal={"who": name})
        )

    raw = b"".join(place.raw_lines())
    assert raw.isascii()
    assert not any((byte < 0x20 and byte != 0x0A) or byte == 0x7F for byte in raw)
    started, line, stopped = place.lines()
    assert line.body["facts"]["name"].isprintable()
    assert (started.body["kind"], stopped.body["kind"]) == ("system", "system")
    assert place.verify().exit_code == 0


def test_escaping_tells_an_escape_from_its_spelling() -> None:
    assert tidy("\u202e") == "\\u{202e}"
    assert tidy("\\u{202e}") == "\\\\u{202e}"


def test_long_names_are_cut_with_a_note() -> None:
    assert tidy("n" * 2000) == "n" * 512 + "[1488 more]"


async def test_facts_can_not_swell_a_line(tmp_path: Path) -> None:
    written = await log_bytes(tmp_path, facts={"decision": "deny", "name": "n" * 1_000_000})

    assert len(written) < 4000
