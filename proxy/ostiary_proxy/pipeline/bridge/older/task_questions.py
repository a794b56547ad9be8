"""What a task at a legacy server asks its client: open until answered, at whatever replica."""

import asyncio
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json
from ostiary.policy.facts import Kind
from ostiary.policy.rule import ServerRequest
from ostiary_proxy.mcp.bridge.from_legacy import entry_of
from ostiary_proxy.mcp.bridge.to_legacy import answer_of, refused
from ostiary_proxy.mcp.inputs import lacking
from ostiary_proxy.mcp.message import Id, Object, Request, Response
from ostiary_proxy.mcp.results import BadResult
from ostiary_proxy.mcp.server_methods import server_request
from ostiary_proxy.mcp.tasks import related
from ostiary_proxy.pipeline.bridge.older.reading import Reading
from ostiary_proxy.pipeline.bridge.older.session import judge_of, today
from ostiary_proxy.pipeline.bridge.older.task_place import Place, place_of, say_there
from ostiary_proxy.pipeline.bridge.older.task_rows import TaskRows
from ostiary_proxy.pipeline.own_requests import note_refused
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import StoreUnavailable

__all__ = ["answer_questions", "ask_of_task", "hear_there", "open_questions"]

_PREFIX: Final = "question-"
_MOST: Final = 16
_LARGEST: Final = 256 * 1024
_PATIENCE: Final = 24 * 3600.0
"""Seconds that a question stays open; how long it waits is the server's own affair."""


async def open_questions(said: Said, task_id: str) -> dict[str, Json]:
    """Return what a task asks by name, as 2026-07-28 has it; raises StoreUnavailable."""
    rows = await TaskRows(said, task_id).under(_PREFIX, most=_MOST)
    return {name: entry for name, (_, entry) in rows.items()}


async def answer_questions(said: Said, place: Place, task_id: str, answers: Object) -> None:
    """Give the server the answers to what is open, each once; others answer nothing.

    Raises Refused and StoreUnavailable.
    """
    rows = TaskRows(said, task_id)
    for name in await open_questions(said, task_id):
        answer = answers.get(name)
        if not isinstance(answer, dict) or (row := await rows.take(name)) is None:
            continue
        asked_id, _ = row
        assert isinstance(asked_id, int | str)  # sealed by us
        response = answer_of(Request(id=asked_id, method=""), answer)
        await (await say_there(said, place, response)).close()


async def ask_of_task(said: Said, asked: Request) -> bool:
    """Take a server's request that belongs to a task of whoever says it; False for any other one.

    What the client can't be asked is refused. Raises Refused.
    """
    try:
        task_id = related(asked)
        place = await place_of(said, task_id) if task_id is not None else None
        if place is None or task_id is None:
            return False
        why = await _forbidden(said, place, asked)
        why = why or await _put(TaskRows(said, task_id), said, asked)
    except BadResult:
        return False
    except StoreUnavailable as away:
        raise Refused("StoreUnavailable", detail=str(away)) from None
    if why:
        await note_refused(said, asked, why)
        answer = refused(asked, "the client can't be asked this")
        await (await say_there(today(said), place, answer, system=True)).close()
    return True


async def hear_there(
    said: Said, place: Place, reading: Reading, asked_id: Id, *, taken: asyncio.Event | None = None
) -> Response | None:
    """Return the answer to `asked_id`, None where there is none.

    What the server asks meanwhile is taken, which sets `taken`. Raises OutboundFailed and Refused.
    """
    while (message := await reading.next()) is not None:
        if isinstance(message, Response) and message.id == asked_id:
            return message
        if not isinstance(message, Request):
            continue
        if message.method == "ping":
            pong = answer_of(message, {})
            await (await say_there(today(said), place, pong, system=True)).close()
        elif await ask_of_task(said, message) and taken is not None:
            taken.set()
    return None


async def _forbidden(said: Said, place: Place, asked: Request) -> str:
    """Return why the client is not asked this, empty where it is."""
    subject = server_request(place.session.version, asked.method, asked.params)
    if subject is None or subject.kind is not Kind.SERVER:
        return "unknown request"
    if lacking(ServerRequest(subject.name), place.able, asked.params) is not None:
        return "the client did not declare it"
    judge = await judge_of(said)
    if judge is None:
        return "the grant ended"
    verdict = judge.verdict(subject, said.known.routed.received.live.clock())
    return "" if verdict.allowed else f"policy: {verdict.reason}"


async def _put(rows: TaskRows, said: Said, asked: Request) -> str:
    """Keep a question for the client, or return why not."""
    entry = entry_of(asked)
    if len(write_json(entry)) > _LARGEST or len(await rows.under(_PREFIX, most=_MOST)) >= _MOST:
        return "the task asks for too much"
    name = f"{_PREFIX}{said.known.routed.received.live.entropy(8).hex()}"
    try:
        await rows.put(name, [asked.id, entry], seconds=_PATIENCE)
    except Refused as full:
        return full.code
    return ""
