"""One task of a server of 2026-07-28, asked about for a legacy client; or one that we keep."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.bridge.from_modern import error_of
from ostiary_proxy.mcp.bridge.tasks_from_modern import extended
from ostiary_proxy.mcp.bridge.to_modern import CallEnds, retried, standing_alone
from ostiary_proxy.mcp.message import Object
from ostiary_proxy.mcp.methods import TASK_ID
from ostiary_proxy.mcp.results import BadResult
from ostiary_proxy.mcp.tasks import hold_to
from ostiary_proxy.pipeline.bridge.newer.calling import Calling
from ostiary_proxy.pipeline.bridge.newer.made import Made, is_kept
from ostiary_proxy.pipeline.bridge.newer.saying import Saying
from ostiary_proxy.pipeline.bridge.newer.speaking import answer_to
from ostiary_proxy.refused import Refused

__all__ = ["TaskThere"]

_INVALID_PARAMS: Final = -32602
_OTHER_ERA: Final = -32022


class TaskThere:
    """A task that `calling` is about. Every method raises BadResult, Refused, and CallEnds."""

    def __init__(self, calling: Calling, task_id: str) -> None:
        self.id = task_id
        self._calling = calling
        self._saying = Saying(replace(calling.said, name=task_id))
        self._said = 0

    async def state(self) -> Object:
        """Return the task as 2026-07-28 shows it."""
        if not is_kept(self.id):
            return await self._ask("tasks/get")
        kept = await Made(self._calling.said).kept(self.id)
        if kept is None:
            raise CallEnds(_INVALID_PARAMS, "the task is not kept any more")
        return kept

    async def answer(self, answers: Mapping[str, Json]) -> None:
        """Give the server what the task asked for."""
        await self._ask("tasks/update", answers)

    async def cancel(self) -> None:
        """Ask the server to cancel the task."""
        await self._ask("tasks/cancel")

    async def forgo(self) -> None:
        """Cancel the task, whatever the server says to that: nobody waits for it any more."""
        with suppress(BadResult, CallEnds, Refused):
            await self.cancel()

    async def _ask(self, method: str, answers: Mapping[str, Json] | None = None) -> Object:
        calling = self._calling
        self._said += 1
        meta = {name: value for name, value in calling.request.params.items() if name == "_meta"}
        request_id = f"{calling.said.known.routed.received.id}.{self._said}"
        request = standing_alone(
            method, {**meta, TASK_ID: self.id}, extended(calling.bridged.declared),
            request_id=request_id,
        )  # fmt: skip
        if answers is not None:
            request = retried(request, answers, None, request_id=request_id)
        exchange = await self._saying.say(request)
        try:
            response = await answer_to(exchange, request_id)
        finally:
            self._saying.close()
        if response is None:
            raise Refused("UpstreamInvalid", detail=f"no answer to {method}")
        if response.error is None:
            hold_to(response.result or {}, request)
            return response.result or {}
        error = error_of(calling.request, response.error)
        if response.error.get("code") == _OTHER_ERA:
            calling.live.spoken.forget(calling.said.upstream.url)
            raise Refused("UnknownSession", detail="the server gave up 2026-07-28")
        raise CallEnds(int(str(error["code"])), str(error.get("message")), error.get("data"))
