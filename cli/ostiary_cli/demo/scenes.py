"""What the demo on one machine shows, a scene a part, in the order of `SCENES`."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from typing import Final

import httpx2

from ostiary_cli.demo.calls import (
    Show,
    allowed,
    calls,
    denials,
    lists,
    live_edit,
    log_tells,
    login_and_consent,
)
from ostiary_cli.demo.stage import GITHUB_TTL, Stage
from ostiary_cli.demo.tap import tapped

__all__ = ["SCENES"]


async def accounts(show: Show[Stage]) -> None:
    """Show that the upstream's token is used, and that the agent never sees it."""
    story, stage = show.story, show.stage
    async with show.agent(show.alice, "github") as agent:
        me = await agent.call("get_me")
        connected = len(stage.github_tokens)
        await asyncio.sleep(GITHUB_TTL + 0.5)
        later = await agent.call("get_me")
        own = agent.access
    allowed(me)
    allowed(later)
    story.check(
        "alice connects her GitHub account while she logs in; her agent works there as her",
        true=connected > 0 and me.value["login"] == "alice",
        detail=str(me.value),
    )
    story.check(
        f"GitHub's token lasts {GITHUB_TTL:.0f} s; Ostiary refreshes it, the agent notices nothing",
        true=len(stage.github_tokens) > connected and later.value == me.value,
        detail=f"{connected} tokens at first, {len(stage.github_tokens)} after",
    )
    issued = stage.github_tokens
    story.check(
        "the agent's own token stands in the recording of its traffic",
        true=show.tap.holds(own),
        detail=f"{show.tap.size} bytes of headers and bodies, both ways",
    )
    leaked = [token for token in issued if show.tap.holds(token)]
    story.check(
        f"none of the {len(issued)} tokens that GitHub issued does",
        true=bool(issued) and not leaked,
        detail="they are sealed in Ostiary's vault",
    )


async def other_audience(show: Show[Stage]) -> None:
    """Show that a token is for one route."""
    async with show.agent(show.alice, "files") as agent:
        own = await _list(show, "files", agent.access)
        other = await _list(show, "github", agent.access)
    show.story.check(
        "alice's token for the files is refused at GitHub's route",
        true=own.status_code == 200 and other.status_code == 401,
        detail=f"files: {own.status_code}, github: {other.status_code}, {other.json()}",
    )


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


async def _list(show: Show[Stage], route: str, access: str) -> httpx2.Response:
    """Return the answer to a whole 2026-07-28 request that carries `access`."""
    version = "2026-07-28"
    meta = {
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}
    headers = {
        "Accept": "application/json, text/event-stream",
        "Authorization": f"Bearer {access}",
        "MCP-Protocol-Version": version,
        "Mcp-Method": "tools/list",
    }
    async with tapped(show.tap) as http:
        return await http.post(show.stage.url(route), json=body, headers=headers)
