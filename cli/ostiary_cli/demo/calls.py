"""What every demo shows of calls: login, lists, what passes and what is refused, with reasons."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Final, Generic, Protocol, TypeVar

from ostiary_cli.demo.agent import Agent, Outcome, Someone, agent_of
from ostiary_cli.demo.stage import hours_around
from ostiary_cli.demo.story import Story, Untrue
from ostiary_cli.demo.tap import Tap, tapped

__all__ = [
    "Served", "Show", "allowed", "calls", "denials", "lists", "live_edit", "log_tells",
    "login_and_consent",
]  # fmt: skip

_TELLING: Final = re.compile(r"(decision|reason|name|email|arguments) +[^ ]")
_PATIENCE: Final = 10.0
"""Seconds within which an edited policy must be in force; it usually takes one."""


class Served(Protocol):
    """Where the routes of the samples are served; `window` is when publishing is allowed."""

    @property
    def window(self) -> str:
        """Return two hours in UTC, as the policy has them."""

    def url(self, route: str) -> str:
        """Return the URL of a route."""

    async def publish_at(self, hours: str) -> str:
        """Edit the policy so that publishing is allowed at `hours`; say how that was done."""

    async def github_tokens(self) -> tuple[str, ...]:
        """Return every access and refresh token that the pretend GitHub has issued."""

    async def record(self, decision: str) -> tuple[int, list[str]]:
        """Return exit code and lines of `ostiary audit show`."""

    async def verified(self) -> tuple[int, list[str]]:
        """Return exit code and lines of `ostiary audit verify`."""


StageT_co = TypeVar("StageT_co", bound=Served, covariant=True)


@dataclass(slots=True, kw_only=True)
class Show(Generic[StageT_co]):
    """What the scenes share.

    `tap` has the traffic of every agent from the first byte on, `refusal` the decision id that
    carol was given when she was refused.
    """

    stage: StageT_co
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


async def login_and_consent(show: Show[Served]) -> None:
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


async def lists(show: Show[Served]) -> None:
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


async def calls(show: Show[Served]) -> None:
    """Show that allowed is allowed."""
    async with show.agent(show.alice, "files") as agent:
        read = await agent.call("read_file", path="handbook/welcome.md")
        note = await agent.call("write_file", path="handbook/note.md", text="written by an agent")
    allowed(read)
    allowed(note)
    show.story.check(
        "alice's agent reads a file", true="Ostiary" in str(read.value), detail=str(read.value)
    )
    show.story.check(
        "and writes one", true=note.value["path"] == "handbook/note.md", detail=str(note.value)
    )


async def denials(show: Show[Served]) -> None:
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
        allowed(search)
    _refused(story, "by rate: three searches a minute pass, the fourth doesn't", searches[3])


async def live_edit(show: Show[Served]) -> None:
    """Show that whoever edits the policy is obeyed by the next call."""
    stage, story = show.stage, show.story
    now = hours_around(datetime.now(UTC), holds=True)
    async with show.agent(show.alice, "files") as agent:
        before = await agent.call("publish_file", path="handbook/welcome.md")
        _refused(story, "publishing is still refused", before)
        how = await stage.publish_at(now)
        story.note(f"{how}: hours {stage.window} become {now}; nothing is restarted")
        started = monotonic()
        after = await _until_allowed(agent)
        took = monotonic() - started
    story.check(
        "the same call of the same agent passes",
        true=not after.refused,
        detail=f"{after.value or after.message} ({took:.1f} s after the edit)",
    )


async def log_tells(show: Show[Served]) -> None:
    """Show that the log says why, and proves itself."""
    code, said = await show.stage.record(show.refusal)
    show.story.check(
        f"the log says about carol's refusal {show.refusal} what the answer did not",
        true=code == 0 and any("NoAllowMatches" in line for line in said),
        detail=", ".join(" ".join(line.split()) for line in said if _TELLING.match(line)),
    )
    code, said = await show.stage.verified()
    records = next((line for line in said if "records" in line), "")
    show.story.check("the audit log verifies", true=code == 0, detail=records or " ".join(said))


def allowed(outcome: Outcome) -> None:
    """Hold that a call passed; raises Untrue."""
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


async def _until_allowed(agent: Agent) -> Outcome:
    deadline = monotonic() + _PATIENCE
    while True:
        outcome = await agent.call("publish_file", path="handbook/welcome.md")
        if not outcome.refused or monotonic() > deadline:
            return outcome
        await asyncio.sleep(0.1)
