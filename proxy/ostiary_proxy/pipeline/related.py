"""Servers' messages that say to belong to a task: to one of the caller's, or they go nowhere.

A client would take a question under somebody else's task for its own.
"""

from collections.abc import Callable

from ostiary.policy.redact import Redaction
from ostiary_proxy.mcp.message import Message, Response
from ostiary_proxy.mcp.methods import TASK_ID
from ostiary_proxy.mcp.results import BadResult
from ostiary_proxy.mcp.tasks import created, id_of, related
from ostiary_proxy.pipeline.asked import Asked
from ostiary_proxy.pipeline.effects import Lookup, Out, Rows
from ostiary_proxy.pipeline.judge import Judge
from ostiary_proxy.pipeline.tasks import TASKS, Owner

__all__ = ["unless_foreign"]

Redactions = tuple[Redaction, ...]


def unless_foreign(
    message: Message,
    asked: Asked,
    judge: Judge,
    now: float,
    *,
    then: Callable[[Redactions], Out],
    foreign: Callable[[str], Out],
) -> Out:
    """Return what `then` makes of a message, with the redactions of the task that it is under.

    `foreign` says why not: the task is none of this grant's or session's, or policy forbids by now
    what created it.
    """
    try:
        task_id = related(message)
        expected = _expected(message, asked) if task_id is not None else ()
    except BadResult as bad:
        return foreign(str(bad))
    if task_id is None or task_id in expected:
        return then(())
    owners = Owner(holder=asked.holder), Owner(holder=asked.holder, session=asked.session)

    def found(rows: Rows) -> Out:
        for owner, row in zip(owners, rows, strict=True):
            subject = owner.subject(task_id, row, now)
            if subject is not None and (verdict := judge.verdict(subject, now)).allowed:
                return then(verdict.redactions)
        return foreign("not a task of this grant")

    keys = tuple(owner.key(task_id) for owner in owners)
    return Out(lookup=Lookup(table=TASKS, keys=keys, then=found))


def _expected(message: Message, asked: Asked) -> set[str]:
    """Return the tasks that need no looking up: what was asked about, or just created."""
    found: set[str] = set()
    if asked.request is not None and asked.method is not None and asked.method.field == TASK_ID:
        found.add(str(asked.request.params[TASK_ID]))
    if isinstance(message, Response) and (task := created(message.result or {}, asked.version)):
        found.add(id_of(task))
    return found
