"""Step 5 for what a client answers: a request of the server waits for it, and policy lets it still.

An answer that is a task is the client's from then on; of its tasks a server hears only those.
"""

from dataclasses import replace

from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json
from ostiary.policy.facts import Kind
from ostiary_proxy.mcp.envelope import read_message
from ostiary_proxy.mcp.message import Response
from ostiary_proxy.mcp.results import BadResult
from ostiary_proxy.mcp.tasks import created, id_of, listed
from ostiary_proxy.pipeline.carry import put_row
from ostiary_proxy.pipeline.decoded import Decoded
from ostiary_proxy.pipeline.judge import refusal_of
from ostiary_proxy.pipeline.permitted import Permitted
from ostiary_proxy.pipeline.permitted_tasks import owners, subject_of_task
from ostiary_proxy.pipeline.session import PENDING, pending_key, waiting_subject
from ostiary_proxy.refused import Refused

__all__ = ["await_answer"]


async def await_answer(decoded: Decoded, response: Response) -> Permitted:
    """Return the client's response as permitted; raises Refused.

    Policy is asked again: what the server may not ask any more gets no answer.
    """
    known = decoded.known
    received = known.routed.received
    if decoded.session is None or response.id is None:
        raise Refused("InvalidRequest", message="the response answers nothing")
    row = await received.live.store.take(PENDING, pending_key(decoded.session, response.id))
    if row is None:
        raise Refused("InvalidRequest", message="no request of the server waits for this response")
    subject = waiting_subject(row.value)
    verdict = known.judge.verdict(subject, received.now)
    received.seen.subject, received.seen.verdict = subject, verdict
    if not verdict.allowed:
        raise refusal_of(known.judge, subject, verdict, received.now)
    decoded = replace(decoded, subject=subject)
    try:
        return Permitted(decoded=await _of_tasks(decoded, response), verdict=verdict)
    except BadResult as bad:
        raise Refused("InvalidParams", message=str(bad)) from None


async def _of_tasks(decoded: Decoded, response: Response) -> Decoded:
    """Keep a task that the client created; show no task that was not asked for in this session."""
    result = response.result
    if result is None:
        return decoded
    _, owner = owners(decoded)
    received = decoded.known.routed.received
    task = created(result, decoded.version)
    if task is not None and decoded.subject.kind is Kind.SERVER:
        kept = owner.row(task, decoded.subject, received.now)
        await put_row(kept, received.live)
    if decoded.subject.method != "tasks/list":
        return decoded
    own: list[Json] = [
        one for one in listed(result)
        if await subject_of_task(decoded, owner, id_of(one)) is not None
    ]  # fmt: skip
    body = write_json({**response.whole, "result": {**result, "tasks": own}})
    return replace(decoded, body=body, message=read_message(body))
