"""Lists of tasks: a caller sees its own, those whose creating call policy allows still."""

from collections.abc import Iterator, Sequence
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary_proxy.mcp.message import Object, Response
from ostiary_proxy.mcp.results import BadResult
from ostiary_proxy.mcp.tasks import id_of, listed
from ostiary_proxy.pipeline.asked import Asked
from ostiary_proxy.pipeline.cursors import give_cursor
from ostiary_proxy.pipeline.effects import Lookup, Out, Rows
from ostiary_proxy.pipeline.judge import Judge
from ostiary_proxy.pipeline.redacted import redacted_task
from ostiary_proxy.pipeline.tasks import TASKS, Owner
from ostiary_proxy.refused import Refused

__all__ = ["own_tasks"]

_MOST: Final = 1000
"""Tasks of one page; the Store is asked for each."""


def own_tasks(message: Response, asked: Asked, judge: Judge, now: float) -> Out:
    """Return a page of tasks as soon as the Store says which are the caller's; raises Refused."""
    owner = Owner(holder=asked.holder)
    try:
        result = give_cursor(message.result or {}, "tasks/list", asked.holder, now)
        tasks = listed(result)
        if len(tasks) > _MOST:
            raise BadResult(f"a page has more than {_MOST} tasks")
    except BadResult as bad:
        raise Refused("UpstreamInvalid", detail=str(bad)) from None

    def then(rows: Rows) -> Out:
        shown = list(_shown(tasks, rows, owner, judge, now))
        return Out(data=write_json({**message.whole, "result": {**result, "tasks": shown}}))

    keys = tuple(owner.key(id_of(task)) for task in tasks)
    return Out(lookup=Lookup(table=TASKS, keys=keys, then=then))


def _shown(
    tasks: Sequence[Object], rows: Rows, owner: Owner, judge: Judge, now: float
) -> Iterator[Object]:
    for task, row in zip(tasks, rows, strict=True):
        subject = owner.subject(id_of(task), row, now)
        if subject is None:
            continue
        verdict = judge.verdict(subject, now)
        if verdict.allowed:
            yield redacted_task(task, verdict.redactions)
