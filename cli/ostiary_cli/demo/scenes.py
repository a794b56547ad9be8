"""What the demo on one machine shows, a scene a part, in the order of `SCENES`."""

import shutil
from collections.abc import Awaitable, Callable
from typing import Final

from ostiary_cli.demo.accounts import accounts, other_audience
from ostiary_cli.demo.calls import (
    Show,
    calls,
    denials,
    lists,
    live_edit,
    log_tells,
    login_and_consent,
)
from ostiary_cli.demo.stage import Stage

__all__ = ["SCENES"]


async def audit(show: Show[Stage]) -> None:
    """Show that the log proves itself, and that it was changed."""
    stage = show.stage
    await log_tells(show)
    copy = stage.folder / "audit-copy"
    shutil.copytree(stage.log, copy)
    segment = max(copy.glob("*.jsonl"), key=lambda file: file.stat().st_size)
    whole = segment.read_bytes()
    place = whole.index(b"read_file")
    segment.write_bytes(whole[:place] + b"R" + whole[place + 1 :])
    code, said = await stage.verified(copy)
    show.story.check(
        "in a copy with one byte changed, the verifier finds it",
        true=code == 1 and any("changed" in line for line in said),
        detail=said[0] if said else "",
    )


SCENES: Final[tuple[tuple[str, Callable[[Show[Stage]], Awaitable[None]]], ...]] = (
    ("A client that knows nothing but a URL logs in", login_and_consent),
    ("Lists show what the caller may use", lists),
    ("Allowed calls pass", calls),
    ("Everything else is refused, with a reason", denials),
    ("Upstream tokens stay inside", accounts),
    ("A token for one server opens no other", other_audience),
    ("A policy is edited while agents work", live_edit),
    ("The audit log can't be rewritten quietly", audit),
)
