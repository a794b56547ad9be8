"""Step 5 for messages about tasks: whose they are, then the verdict on what created them.

Another's task and one that never was are answered alike (rule 148).
"""

from collections.abc import Sequence
from dataclasses import replace

from ostiary.policy.facts import Subject
from ostiary_proxy.mcp.message import Notification, Response
from ostiary_proxy.mcp.methods import LISTEN, TASK_ID, BadParams, listen_tasks
from ostiary_proxy.mcp.results import BadResult
from ostiary_proxy.mcp.tasks import CAPABILITY, declares, related
from ostiary_proxy.pipeline.decoded import Decoded
from ostiary_proxy.pipeline.judge import refusal_of
from ostiary_proxy.pipeline.permitted import Permitted, permit
from ostiary_proxy.pipeline.tasks import TASKS, Owner
from ostiary_proxy.refused import Refused

__all__ = ["check_related", "owners", "permit_task", "subject_of_task", "with_tasks"]


def owners(decoded: Decoded) -> tuple[Owner, Owner]:
    """Return whose tasks of the server's, and whose of the client's, a message may be about."""
    holder = decoded.known.holder
    return Owner(holder=holder), Owner(holder=holder, session=decoded.session)


async def subject_of_task(decoded: Decoded, owner: Owner, task_id: str) -> Subject | None:
    """Return what the task was created by, None where it is not the owner's."""
    received = decoded.known.routed.received
    row = await received.live.store.get(TASKS, owner.key(task_id))
    return owner.subject(task_id, row.value if row is not None else None, received.now)


async def check_related(decoded: Decoded) -> None:
    """Refuse a message that says to belong to a task of somebody else's."""
    try:
        task_id = related(decoded.message)
    except BadResult as bad:
        raise Refused("InvalidParams", message=str(bad)) from None
    if task_id is None:
        return
    for owner in owners(decoded):
        if await subject_of_task(decoded, owner, task_id) is not None:
            return
    raise _unknown()


async def permit_task(decoded: Decoded) -> Permitted:
    """Return a message about a task, permitted like what created the task; raises Refused.

    Nothing is charged: the call was.
    """
    message = decoded.message
    assert not isinstance(message, Response)  # responses have no method
    _check_declared(decoded)
    permit(decoded)  # a Deny may name the method
    known = decoded.known
    received = known.routed.received
    received.seen.task = task_id = str(message.params[TASK_ID])
    of_server, of_client = owners(decoded)
    owner = of_client if isinstance(message, Notification) else of_server
    subject = await subject_of_task(decoded, owner, task_id)
    if subject is None:
        raise _unknown()
    verdict = known.judge.verdict(subject, received.now)
    received.seen.subject, received.seen.verdict = subject, verdict
    if not verdict.allowed:
        raise refusal_of(known.judge, subject, verdict, received.now)
    return Permitted(
        decoded=replace(decoded, subject=subject), verdict=replace(verdict, charges=())
    )


async def with_tasks(permitted: Permitted) -> Permitted:
    """Return a listen request with the tasks that it may hear of; it loses the others."""
    decoded = permitted.decoded
    wanted = _listened(decoded)
    if not wanted:
        return permitted
    _check_declared(decoded)
    owner, _ = owners(decoded)
    heard: list[str] = []
    for task_id in dict.fromkeys(wanted):
        subject = await subject_of_task(decoded, owner, task_id)
        now = decoded.known.routed.received.now
        if subject is not None and decoded.known.judge.verdict(subject, now).allowed:
            heard.append(task_id)
    return replace(permitted, tasks=tuple(heard))


def _listened(decoded: Decoded) -> Sequence[str]:
    message = decoded.message
    if isinstance(message, Response) or message.method != LISTEN:
        return ()
    try:
        return listen_tasks(message.params)
    except BadParams as bad:
        raise Refused("InvalidParams", message=str(bad)) from None


def _check_declared(decoded: Decoded) -> None:
    if decoded.modern is not None and not declares(decoded.modern.capabilities):
        raise Refused(
            "MissingClientCapability",
            message="declare the tasks extension with every request about a task",
            data={"requiredCapabilities": CAPABILITY},
        )


def _unknown() -> Refused:
    return Refused("Hidden", detail="not a task of this grant")
