"""What upstream answers, as the way in left it to the way out."""

from dataclasses import dataclass

from ostiary.policy.facts import Subject
from ostiary.policy.redact import Redaction
from ostiary_proxy.mcp.eras import Modern
from ostiary_proxy.mcp.message import Request
from ostiary_proxy.mcp.methods import Method
from ostiary_proxy.pipeline.event_ids import EventIds
from ostiary_proxy.pipeline.handles import Holder
from ostiary_proxy.pipeline.kept import Keeping
from ostiary_proxy.pipeline.learned import Learned
from ostiary_proxy.pipeline.session import Session

__all__ = ["Asked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What upstream answers: a request, or, with `request` None, the opening of a GET stream.

    `holder` is whoever hears the answer; without `ids` it is told of no event ids. `round` is the
    number of the call's round. `learned` takes what lists teach, `keeping`
    what may be used again.
    """

    decision: str
    version: str
    subject: Subject
    holder: Holder
    learned: Learned
    keeping: Keeping
    request: Request | None = None
    method: Method | None = None
    modern: Modern | None = None
    session: Session | None = None
    redactions: tuple[Redaction, ...] = ()
    ids: EventIds | None = None
    round: int = 0
