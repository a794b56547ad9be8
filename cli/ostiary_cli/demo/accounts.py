"""What a demo shows of upstream accounts, and of tokens that are for one route only."""

import asyncio

import httpx2

from ostiary_cli.demo.calls import Served, Show, allowed
from ostiary_cli.demo.stage import GITHUB_TTL
from ostiary_cli.demo.tap import tapped

__all__ = ["accounts", "other_audience"]


async def accounts(show: Show[Served]) -> None:
    """Show that the upstream's token is used, and that the agent never sees it."""
    story, stage = show.story, show.stage
    async with show.agent(show.alice, "github") as agent:
        me = await agent.call("get_me")
        connected = len(await stage.github_tokens())
        await asyncio.sleep(GITHUB_TTL + 0.5)
        later = await agent.call("get_me")
        own = agent.access
    issued = await stage.github_tokens()
    allowed(me)
    allowed(later)
    story.check(
        "alice connects her GitHub account while she logs in; her agent works there as her",
        true=connected > 0 and me.value["login"] == "alice",
        detail=str(me.value),
    )
    story.check(
        f"GitHub's token lasts {GITHUB_TTL:.0f} s; Ostiary refreshes it, the agent notices nothing",
        true=len(issued) > connected and later.value == me.value,
        detail=f"{connected} tokens at first, {len(issued)} after",
    )
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


async def other_audience(show: Show[Served]) -> None:
    """Show that a token is for one route."""
    async with show.agent(show.alice, "files") as agent:
        own = await _list(show, "files", agent.access)
        other = await _list(show, "github", agent.access)
    show.story.check(
        "alice's token for the files is refused at GitHub's route",
        true=own.status_code == 200 and other.status_code == 401,
        detail=f"files: {own.status_code}, github: {other.status_code}, {other.json()}",
    )


async def _list(show: Show[Served], route: str, access: str) -> httpx2.Response:
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
