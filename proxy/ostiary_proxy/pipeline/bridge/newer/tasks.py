"""What a legacy client asks about its tasks at a server of 2026-07-28, message by message."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.bridge.task_state import OVER
from ostiary_proxy.mcp.bridge.tasks_from_modern import pause, shown
from ostiary_proxy.mcp.bridge.to_modern import CallEnds
from ostiary_proxy.mcp.errors import result_body
from ostiary_proxy.mcp.message import Request
from ostiary_proxy.mcp.methods import TASK_ID
from ostiary_proxy.mcp.results import BadResult
from ostiary_proxy.outbound.exchange import Exchange
from ostiary_proxy.outbound.whole import Whole
from ostiary_proxy.pipeline.bridge.newer.bridged import Bridged
from ostiary_proxy.pipeline.bridge.newer.calling import Calling
from ostiary_proxy.pipeline.bridge.newer.made import Made
from ostiary_proxy.pipeline.bridge.newer.task import TaskThere
from ostiary_proxy.pipeline.bridge.newer.task_result import result_of_task
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.pipeline.session import Session
from ostiary_proxy.refused import Refused

__all__ = ["about_task"]

_JSON: Final = {"content-type": "application/json"}
_INVALID_PARAMS: Final = -32602
_LOOKS: Final = 3
"""How often we look whether a cancelled task has ended, before we tell what it is then."""
_AT_ONCE: Final = 8
"""Tasks of a list that are asked about at the same time."""


async def about_task(said: Said, session: Session, bridged: Bridged, asked: Request) -> Exchange:
    """Return the answer to a request about tasks; raises Refused and StoreUnavailable."""
    calling = Calling(said=said, session=session, bridged=bridged, request=asked)
    try:
        if asked.method == "tasks/result":
            return await result_of_task(calling, _named(calling))
        body = result_body(asked.id, await _ANSWERS[asked.method](calling))
    except CallEnds as ended:
        body = write_json(ended.answer(asked.id))
    except BadResult as bad:
        raise Refused("UpstreamInvalid", detail=str(bad)) from None
    return Whole(200, _JSON, body)


def _named(calling: Calling) -> TaskThere:
    return TaskThere(calling, str(calling.request.params[TASK_ID]))


async def _get(calling: Calling) -> Mapping[str, Json]:
    return shown(await _named(calling).state())


async def _cancel(calling: Calling) -> Mapping[str, Json]:
    """Cancel a task, and tell what it is then: a server may take its time, or not obey."""
    task = _named(calling)
    state = await task.state()
    if shown(state)["status"] in OVER:
        raise CallEnds(_INVALID_PARAMS, f"the task is over already: {shown(state)['status']}")
    await task.cancel()
    for _ in range(_LOOKS):
        try:
            state = await task.state()
        except CallEnds:  # a server may forget at once what was cancelled
            return {**shown(state), "status": "cancelled"}
        if shown(state)["status"] in OVER:
            break
        await asyncio.sleep(pause(state))
    return shown(state)


async def _list(calling: Calling) -> Mapping[str, Json]:
    """Tell of each task that was made under this grant, as long as the server knows it."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def state(task_id: str) -> Json:
        async with room:
            try:
                return shown(await TaskThere(calling, task_id).state())
            except CallEnds:
                return None

    states = await asyncio.gather(*map(state, await Made(calling.said).ids()))
    return {"tasks": [one for one in states if one is not None]}


_ANSWERS: Final[Mapping[str, Callable[[Calling], Awaitable[Mapping[str, Json]]]]] = {
    "tasks/get": _get,
    "tasks/cancel": _cancel,
    "tasks/list": _list,
}
