"""Leading a person who lacks an account to connect it, in their client's own way (decision 21).

2025-11-25 has an error for it, 2026-07-28 a question inside the result, after which the call goes
on where it was. Everybody else reads the link in the error. The link is good for that person only,
and lets nobody in (rules 127 and 128).
"""

import asyncio
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary.policy.rule import ServerRequest
from ostiary_proxy.mcp.inputs import lacking
from ostiary_proxy.mcp.message import Object, Response
from ostiary_proxy.mcp.methods import MODERN
from ostiary_proxy.pipeline.decoded import Decoded
from ostiary_proxy.pipeline.handles import BadHandle
from ostiary_proxy.pipeline.rounds import FIELDS, LONGEST, MAX_AGE, about
from ostiary_proxy.pipeline.visited import tell_when_there, visit_of
from ostiary_proxy.refused import Refused

__all__ = ["lead", "resumed"]

_PURPOSE: Final = "mcp-connect"
_NAME: Final = "connect"
_URL: Final = ServerRequest.ELICITATION_URL
_PATIENCE: Final = 20.0
"""Seconds that a call waits for an account which the person went to connect."""
_LOOK: Final = 0.5


async def lead(decoded: Decoded, refused: Refused, *, watches: bool = False) -> Refused:
    """Return how to refuse a call for want of an account, so that its client shows the link.

    It `watches` for the account where that can be seen before anything is said to the server.
    """
    data = refused.data if isinstance(refused.data, dict) else {}
    url = data.get("url")
    if refused.code != "AccountNotConnected" or not isinstance(url, str):
        return refused
    visit: dict[str, Json] = {"mode": "url", "message": refused.message, "url": url}
    if decoded.version == MODERN:
        return await _asked(decoded, refused, visit, watches=watches)
    if decoded.session is None or not decoded.session.visits:
        return refused
    if decoded.subject.method != "tools/call":
        return refused
    route = decoded.known.routed.route.toward(decoded.subject)
    visit["elicitationId"] = visit_of(decoded.session, route)
    if watches:
        tell_when_there(decoded.known, decoded.session, route)
    return Refused(
        "UrlElicitationRequired", message=refused.message, data={"elicitations": [visit]}
    )


async def _asked(
    decoded: Decoded, refused: Refused, visit: dict[str, Json], *, watches: bool
) -> Refused:
    """Return the refusal with the question, or, once that was answered, with none."""
    retried = decoded.method is not None and decoded.method.retried
    declared = decoded.modern.capabilities if decoded.modern is not None else {}
    if not retried or lacking(_URL, declared) is not None:
        return refused
    answer = _answer(decoded)
    if answer is not None and answer != "accept":
        return refused
    result: dict[str, Json] = {"resultType": "input_required"}
    if answer is None or not watches or not await _comes(decoded):
        result["inputRequests"] = {_NAME: {"method": "elicitation/create", "params": visit}}
    known, params = decoded.known, resumed(decoded, _params(decoded))
    result["requestState"] = known.holder.give(
        _PURPOSE,
        [{name: params[name] for name in FIELDS if name in params}],
        now=known.routed.received.live.clock(),
        about=about(decoded.subject),
    )
    if len(str(result["requestState"])) > LONGEST:
        return refused
    return Refused(refused.code, message=refused.message, data=refused.data, result=result)


async def _comes(decoded: Decoded) -> bool:
    """Wait a while for the account; the call is then judged anew, by what is true then."""
    known, tick = decoded.known, asyncio.get_running_loop().time
    until = tick() + _PATIENCE
    while tick() < until:
        await asyncio.sleep(_LOOK)
        try:
            route = known.routed.route.toward(decoded.subject)
            await known.routed.received.live.credentials.connected(route, known.presented)
        except Refused as refused:
            if refused.code != "AccountNotConnected":
                raise
        else:
            return True
    return False


def resumed(decoded: Decoded, params: Object) -> Object:
    """Return the params of a call that goes on, once its account is there, where it was."""
    held = _held(decoded, params)
    if held is None:
        return params
    return {**{name: value for name, value in params.items() if name not in FIELDS}, **held}


def _answer(decoded: Decoded) -> str | None:
    """Return what the person did with the link, None where it was not shown yet."""
    params = _params(decoded)
    if _held(decoded, params) is None:
        return None
    answers = params.get("inputResponses")
    answer = answers.get(_NAME) if isinstance(answers, dict) else None
    action = answer.get("action") if isinstance(answer, dict) else None
    return action if isinstance(action, str) else "accept"


def _held(decoded: Decoded, params: Object) -> dict[str, Json] | None:
    """Return what a state of ours holds of an interrupted call; None where there is no such."""
    if decoded.version != MODERN or "requestState" not in params:
        return None
    known = decoded.known
    try:
        handle = known.holder.open(
            _PURPOSE, params["requestState"], now=known.routed.received.now, max_age=MAX_AGE,
            longest=LONGEST, about=about(decoded.subject),
        )  # fmt: skip
    except BadHandle:
        return None  # the state of a round, or none at all: `take_round` sees to it
    (held,) = handle.value
    assert isinstance(held, dict)  # given above
    return held


def _params(decoded: Decoded) -> Object:
    return {} if isinstance(decoded.message, Response) else decoded.message.params
