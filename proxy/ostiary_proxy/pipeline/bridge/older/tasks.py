"""What a client of 2026-07-28 asks about its tasks at a legacy server, message by message."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.bridge.from_legacy import completed, failed
from ostiary_proxy.mcp.bridge.task_state import OVER, modern_state
from ostiary_proxy.mcp.bridge.tasks_from_legacy import detailed, telling
from ostiary_proxy.mcp.bridge.to_legacy import called
from ostiary_proxy.mcp.message import Object, Request, Response
from ostiary_proxy.mcp.methods import TASK_ID
from ostiary_proxy.mcp.results import BadResult
from ostiary_proxy.mcp.tasks import hold_to
from ostiary_proxy.outbound.exchange import Exchange, OutboundFailed
from ostiary_proxy.pipeline.bridge.older.reading import Reading
from ostiary_proxy.pipeline.bridge.older.refusal import is_lost, refusal_of
from ostiary_proxy.pipeline.bridge.older.retold import as_whole
from ostiary_proxy.pipeline.bridge.older.task import hold, let_go
from ostiary_proxy.pipeline.bridge.older.task_place import Place, place_of, say_there
from ostiary_proxy.pipeline.bridge.older.task_questions import (
    answer_questions,
    hear_there,
    open_questions,
)
from ostiary_proxy.pipeline.forward import BODY_TIME, failure_of
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import StoreUnavailable

__all__ = ["about_task", "told_of_task"]


async def about_task(said: Said, request: Request) -> Exchange | None:
    """Return the answer to a request about a task, None where nobody made it here.

    Raises Refused and StoreUnavailable.
    """
    place = await place_of(said, str(request.params[TASK_ID]))
    if place is None:
        return None
    head: dict[str, Json] = {"jsonrpc": "2.0", "id": request.id}
    try:
        result = await _ANSWERS[request.method](said, request, place)
    except _Failed as error:
        return as_whole({**head, "error": failed(error.error, None)})
    except BadResult as bad:
        raise Refused("UpstreamInvalid", detail=str(bad)) from None
    return as_whole({**head, "result": completed(request.method, result, place.server)})


async def told_of_task(said: Said, request: Request, task_id: Json) -> Object | None:
    """Return what a listen `request` is told of a task that changed, None where that is unknown."""
    asked = replace(request, params={**request.params, TASK_ID: task_id})
    try:
        place = await place_of(said, str(task_id))
        return telling(await _get(said, asked, place), request.id) if place is not None else None
    except (_Failed, BadResult, Refused, StoreUnavailable):
        return None


class _Failed(Exception):  # noqa: N818 - a statement
    """The server answered with an error."""

    def __init__(self, error: Object) -> None:
        self.error = error
        super().__init__()


async def _answer(said: Said, request: Request, place: Place, method: str) -> Response:
    """Return the answer there to a request about the task of `request`; raises Refused."""
    task_id = request.params[TASK_ID]
    params = {name: value for name, value in request.params.items() if name == "_meta"}
    about = replace(request, method=method, params={**params, TASK_ID: task_id})
    # Other replicas ask in the same session: numbers might meet there.
    asked = called(about, f"task-{said.known.routed.received.live.entropy(8).hex()}")
    ours = method != request.method
    exchange = await say_there(said, place, asked, name=str(task_id), system=ours)
    try:
        await _check(exchange)
        async with asyncio.timeout(BODY_TIME):
            reading = Reading(place.session.version, exchange)
            answer = await hear_there(said, place, reading, asked.id)
    except OutboundFailed as broken:
        raise failure_of(broken) from broken
    except TimeoutError:
        raise Refused("UpstreamTimeout", detail="the body does not end") from None
    finally:
        await exchange.close()
    if answer is None:
        raise Refused("UpstreamInvalid", detail=f"no answer to {method}")
    return answer


async def _check(exchange: Exchange) -> None:
    """Raise what an exchange comes to that brings no answer."""
    if exchange.status == 200:
        return
    refusal = await refusal_of(exchange)
    if await is_lost(refusal):
        raise _Failed({"code": -32602, "message": "the server knows this task no more"})
    code = "UpstreamRejected" if refusal.status < 500 else "UpstreamUnavailable"
    raise Refused(code, detail=str(refusal.status))


async def _result(said: Said, request: Request, place: Place, method: str) -> Object:
    answer = await _answer(said, request, place, method)
    if answer.error is not None:
        raise _Failed(answer.error)
    return answer.result or {}


async def _get(said: Said, request: Request, place: Place) -> Object:
    """Return a task with what it brought, or asks for."""
    result = await _result(said, request, place, "tasks/get")
    hold_to(result, request)
    state = modern_state(result)
    status, task_id = state["status"], str(state[TASK_ID])
    brought: Response | None = None
    asked: Mapping[str, Json] = {}
    if status in OVER:
        let_go(said, task_id)
        if status != "cancelled":
            brought = await _answer(said, request, place, "tasks/result")
    else:
        asked = await _asked(said, task_id, place, needed=status == "input_required")
    return detailed(state, brought, asked, place.server)


async def _asked(said: Said, task_id: str, place: Place, *, needed: bool) -> Mapping[str, Json]:
    """Return what a task asks for; where it needs what nobody heard of, we listen for that here."""
    held, found = hold(said, task_id), await open_questions(said, task_id)
    if needed and not found and held is not None:
        await held.listen(place)
        found = await open_questions(said, task_id)
    return found


async def _update(said: Said, request: Request, place: Place) -> Object:
    answers = request.params.get("inputResponses")
    given = answers if isinstance(answers, dict) else {}
    await answer_questions(said, place, str(request.params[TASK_ID]), given)
    return {}


async def _cancel(said: Said, request: Request, place: Place) -> Object:
    """Cancel a task; in 2026-07-28 that is no error for one that is over already."""
    try:
        await _result(said, request, place, "tasks/cancel")
    except _Failed:
        if (await _result(said, request, place, "tasks/get")).get("status") not in OVER:
            raise
    let_go(said, str(request.params[TASK_ID]))
    return {}


_ANSWERS: Final[Mapping[str, Callable[[Said, Request, Place], Awaitable[Object]]]] = {
    "tasks/get": _get,
    "tasks/update": _update,
    "tasks/cancel": _cancel,
}
