"""Whose a task is, and what it was created by: a row in the Store, found by owner and task id.

A server may know all of us by one credential and hand any task to whoever names it. So a task is
its creator's, and judged like the call that created it (policy.md 1); every other one is unknown.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json
from ostiary.policy.facts import UNKNOWN, Subject
from ostiary_proxy.mcp.message import Object
from ostiary_proxy.mcp.tasks import id_of, seconds
from ostiary_proxy.pipeline.effects import PutRow
from ostiary_proxy.pipeline.handles import BadHandle, Holder
from ostiary_proxy.pipeline.session import Session
from ostiary_proxy.pipeline.subjects import read_subject, written_subject

__all__ = ["TASKS", "Owner"]

TASKS: Final = "mcp-task"
_PURPOSE: Final = "mcp-task"
_LEAST: Final = 24 * 3600.0
_MOST: Final = 30 * 24 * 3600.0
"""Seconds for which a task is known here: as long as its server says, within these bounds."""
_LARGEST: Final = 64 * 1024
"""Bytes of arguments that are kept; of larger ones policy knows nothing later, and denies."""
_SEALED: Final = 2 * _LARGEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whoever tasks belong to: a grant, or, with a `session`, the client in it.

    What a server works at for a person is the grant's; what a client works at for a server belongs
    to the session in which it was asked.
    """

    holder: Holder
    session: Session | None = None

    def key(self, task_id: str) -> str:
        """Return the Store key of a task; the id is the peer's to choose."""
        return hashlib.sha256(write_json(self._about(task_id))).hexdigest()

    def row(self, task: Object, subject: Subject, now: float) -> PutRow:
        """Return the row of a task that was created by `subject`; raises BadResult."""
        task_id = id_of(task)
        if len(write_json(written_subject(subject))) > _LARGEST:
            subject = replace(subject, arguments=UNKNOWN)
        value = self.holder.give(
            _PURPOSE, written_subject(subject), now=now, about=self._about(task_id)
        )
        kept = seconds(task)
        lives = _MOST if kept is None else min(max(kept, _LEAST), _MOST)
        return PutRow(
            table=TASKS, key=self.key(task_id), value=value.encode(), expires=now + lives,
            whose=self.holder.grant.person,
        )  # fmt: skip

    def subject(self, task_id: str, value: bytes | None, now: float) -> Subject | None:
        """Return what the task was created by, None where it is not this owner's."""
        if value is None:
            return None
        try:
            handle = self.holder.open(
                _PURPOSE, value.decode(), now=now, max_age=_MOST, longest=_SEALED,
                about=self._about(task_id),
            )  # fmt: skip
        except (BadHandle, UnicodeDecodeError):
            return None
        assert isinstance(handle.value, list)  # sealed by us
        return read_subject(handle.value)

    def _about(self, task_id: str) -> list[Json]:
        return [self.holder.grant.gid, self.session.key if self.session else "", task_id]
