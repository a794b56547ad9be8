"""The annotation by which people ask for new keys: which rings it names.

One that names a ring that there is not is obeyed in nothing: half of what somebody meant would look
like all of it.
"""

from collections.abc import Sequence
from typing import Final

from ostiary.config.keys import RINGS, Ring
from ostiary.translate.names import ROTATE_KEYS
from ostiary.translate.problem import Condition, Problem, Reason

__all__ = ["asked_rings", "misasked"]

_ALL: Final = "all"


def asked_rings(asked: str) -> Sequence[Ring]:
    """Return the rings that the first word names by commas, or all of them."""
    named = _named(asked)
    return () if _unknown(named) else [ring for ring in RINGS if ring in named or _ALL in named]


def misasked(asked: str) -> Sequence[Problem]:
    """Return what keeps the annotation from being obeyed."""
    if not asked or not (unknown := _unknown(_named(asked))):
        return ()
    said = f"there is no ring {unknown[0]!r}, so no key is replaced; name some of "
    said += f"{', '.join(RINGS)} with commas and without spaces, or {_ALL}"
    path = f"metadata.annotations[{ROTATE_KEYS}]"
    return (
        Problem(
            condition=Condition.KEYS_ROTATED,
            reason=Reason.UNKNOWN_KEY_RING,
            message=said,
            path=path,
        ),
    )


def _named(asked: str) -> Sequence[str]:
    return asked.partition(" ")[0].split(",")


def _unknown(named: Sequence[str]) -> Sequence[str]:
    return [name for name in named if name not in (*RINGS, _ALL)]
