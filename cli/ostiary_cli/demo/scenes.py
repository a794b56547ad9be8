"""What the demo shows, a scene a part, in the order of `SCENES`; each claim is checked."""

import asyncio
import re
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Final

import httpx2

from ostiary_cli.demo.agent import Agent, Outcome, Someone, agent_of
from ostiary_cli.demo.stage import GITHUB_TTL, Stage, hours_around
from ostiary_cli.demo.story import Story, Untrue
from ostiary_cli.demo.tap import Tap, tapped

__all__ = ["SCENES", "Scene", "Show"]

_TELLING: Final = re.compile(r"(decision|reason|name|email|arguments) +[^ ]")
_PATIENCE: Final = 10.0
"""Seconds within which an edited policy must be in force; it usually takes one."""


@dataclass(slots=True, kw_only=True)
class Show:
    """What the scenes share.

    `tap` has the traffic of every agent from the first byte on, `refusal` the decision id that
    carol was given when she was refused.
    """

    stage: Stage
    story: Story
    tap: Tap = field(default_factory=Tap)
    refusal: str = ""
    alice: Someone = field(
        default_factory=lambda: Someone(username="alice", password="wonderland")  # noqa: S106 - the sample's
    )
    carol: Someone = field(
        default_factory=lambda: Someone(username="carol", password="counting")  # noqa: S106 - the sample's
    )

    @asynccontextmanager
    async def agent(
        self, person: Someone, route: str, *, mode: str = "auto"
    ) -> AsyncIterator[Agent]:
        """Yield an agent of `person` on `route`."""
        async with agent_of(person, self.stage.url(route), self.tap, mode=mode) as agent:
            yield agent


Scene = Callable[[Show], Awaitable[None]]


async def login_and_consent(show: Show) -> None:
    """Show that a URL is all a client needs to end up with a token for exactly that URL."""
    story, url = show.story, show.stage.url("files")
    async with tapped(show.tap) as http:
        answer = await http.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
    story.check(
        "without a token the MCP server says 401 and where to log in",
        true=answer.status_code == 401
        and "resource_metadata" in answer.headers["www-authenticate"],
        detail=answer.headers.get("www-authenticate", ""),
    )
    async with show.agent(show.alice, "files") as agent:
        version = agent.client.protocol_version
        story.shows(
            "alice's agent registers, alice logs in, reads the consent page and agrees",
            f"MCP {version}, access token of {len(agent.access)} characters for {url}",
        )
    async with show.agent(show.alice, "files", mode="legacy") as agent:
        story.shows("so does an older client", f"MCP {agent.client.protocol_version}")


async def lists(show: Show) -> None:
    """Show that the same list request gets another list."""
    async with show.agent(show.alice, "files") as agent:
        engineers = await agent.tools()
    async with show.agent(show.carol, "files") as agent:
        finance = await agent.tools()
    show.story.check(
        "alice (engineering) sees the tools that engineers may call now",
        true=set(engineers) == {"list_files", "read_file", "write_file", "search_files"},
        detail=", ".join(engineers),
    )
    show.story.check(
        "carol (finance) asks the same and sees fewer",
        true=set(finance) == {"list_files", "read_file"},
        detail=", ".join(finance),
    )


async def calls(show: Show) -> None:
    """Show that allowed is allowed."""
    async with show.agent(show.alice, "files") as agent:
        read = await agent.call("read_file", path="handbook/welcome.md")
        note = await agent.call("write_file", path="handbook/note.md", text="written by an agent")
    _allowed(read)
    _allowed(note)
    show.story.check(
        "alice's agent reads a file", true="Ostiary" in str(read.value), detail=str(read.value)
    )
    show.story.check(
        "and writes one", true=note.value["path"] == "handbook/note.md", detail=str(note.value)
    )


async def denials(show: Show) -> None:
    """Show refusals by group, by argument, by time, by rate."""
    story = show.story
    async with show.agent(show.carol, "files") as agent:
        by_group = await agent.call("write_file", path="handbook/note.md", text="by finance")
    _refused(story, "by group: carol may not write files", by_group)
    show.refusal = _decision_of(by_group)
    async with show.agent(show.alice, "files") as agent:
        by_argument = await agent.call("read_file", path="secrets/deploy-key.txt")
        by_time = await agent.call("publish_file", path="handbook/welcome.md")
        searches = [await agent.call("search_files", query="bob") for _ in range(4)]
    _refused(story, "by argument: read_file of secrets/deploy-key.txt", by_argument)
    now = f"{datetime.now(UTC):%H:%M}"
    _refused(story, f"by time: publishing is for {show.stage.window} UTC, it is {now}", by_time)
    for search in searches[:3]:
        _allowed(search)
    _refused(story, "by rate: three searches a minute pass, the fourth doesn't", searches[3])


async def accounts(show: Show) -> None:
    """Show that the upstream's token is used, and that the agent never sees it."""
    story, stage = show.story, show.stage
    async with show.agent(show.alice, "github") as agent:
        me = await agent.call("get_me")
        connected = len(stage.github_tokens)
        await asyncio.sleep(GITHUB_TTL + 0.5)
        later = await agent.call("get_me")
        own = agent.access
    _allowed(me)
    _allowed(later)
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


async def other_audience(show: Show) -> None:
    """Show that a token is for one route."""
    async with show.agent(show.alice, "files") as agent:
        own = await _list(show, "files", agent.access)
        other = await _list(show, "github", agent.access)
    show.story.check(
        "alice's token for the files is refused at GitHub's route",
        true=own.status_code == 200 and other.status_code == 401,
        detail=f"files: {own.status_code}, github: {other.status_code}, {other.json()}",
    )


async def live_edit(show: Show) -> None:
    """Show that whoever edits the policy is obeyed by the next call."""
    stage, story = show.stage, show.story
    now = hours_around(datetime.now(UTC), holds=True)
    async with show.agent(show.alice, "files") as agent:
        before = await agent.call("publish_file", path="handbook/welcome.md")
        _refused(story, "publishing is still refused", before)
        text = stage.policy.read_text()
        stage.policy.write_text(text.replace(f'"{stage.window}"', f'"{now}"'))
        story.note(f"policy.yaml: hours {stage.window} become {now}; nothing is restarted")
        started = monotonic()
        after = await _until_allowed(agent)
        took = monotonic() - started
    story.check(
        "the same call of the same agent passes",
        true=not after.refused,
        detail=f"{after.value or after.message} ({took:.1f} s after the edit)",
    )


async def audit(show: Show) -> None:
    """Show that the log proves itself, and that it was changed."""
    stage, story = show.stage, show.story
    log = stage.state / "audit"
    code, said = await _ostiary("audit", "show", show.refusal, "--log", str(log))
    story.check(
        f"the log says about carol's refusal {show.refusal} what the answer did not",
        true=code == 0 and any("NoAllowMatches" in line for line in said),
        detail=", ".join(" ".join(line.split()) for line in said if _TELLING.match(line)),
    )
    code, said = await _verify(stage, log)
    records = next((line for line in said if "records" in line), "")
    story.check("the audit log verifies", true=code == 0, detail=records or " ".join(said))
    copy = stage.folder / "audit-copy"
    shutil.copytree(log, copy)
    segment = max(copy.glob("*.jsonl"), key=lambda file: file.stat().st_size)
    whole = segment.read_bytes()
    place = whole.index(b"read_file")
    segment.write_bytes(whole[:place] + b"R" + whole[place + 1 :])
    code, said = await _verify(stage, copy)
    story.check(
        "in a copy with one byte changed, the verifier finds it",
        true=code == 1 and any("changed" in line for line in said),
        detail=said[0] if said else "",
    )


SCENES: Final[tuple[tuple[str, Scene], ...]] = (
    ("A client that knows nothing but a URL logs in", login_and_consent),
    ("Lists show what the caller may use", lists),
    ("Allowed calls pass", calls),
    ("Everything else is refused, with a reason", denials),
    ("Upstream tokens stay inside", accounts),
    ("A token for one server opens no other", other_audience),
    ("A policy is edited while agents work", live_edit),
    ("The audit log can't be rewritten quietly", audit),
)


def _allowed(outcome: Outcome) -> None:
    if outcome.refused or outcome.value is None:
        raise Untrue("what policy allows passes", f"{outcome.code}: {outcome.message}")


def _refused(story: Story, claim: str, outcome: Outcome) -> None:
    if not outcome.refused:
        raise Untrue(claim, f"but the call passed: {outcome.value or outcome.message}")
    story.shows(claim, f"{outcome.code}: {outcome.message}")


def _decision_of(outcome: Outcome) -> str:
    """Return the decision id that every refusal carries."""
    found = re.search(r"decision ([0-9a-f]+)", outcome.message)
    if found is None:
        raise Untrue("every refusal carries its decision id", outcome.message)
    return found[1]


async def _list(show: Show, route: str, access: str) -> httpx2.Response:
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


async def _until_allowed(agent: Agent) -> Outcome:
    deadline = monotonic() + _PATIENCE
    while True:
        outcome = await agent.call("publish_file", path="handbook/welcome.md")
        if not outcome.refused or monotonic() > deadline:
            return outcome
        await asyncio.sleep(0.1)


async def _verify(stage: Stage, log: Path) -> tuple[int, list[str]]:
    """Return exit code and lines of the offline verifier over `log`."""
    return await _ostiary(
        *("audit", "verify", "--log", str(log), "--keys", str(stage.keys)),
        *("--checkpoints", str(stage.keys / "checkpoints")),
    )


async def _ostiary(*arguments: str) -> tuple[int, list[str]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ostiary_cli.main", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    lines = said.decode(errors="replace").splitlines()
    return process.returncode or 0, [line.strip() for line in lines if line.strip()]
