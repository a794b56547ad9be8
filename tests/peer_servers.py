"""MCP servers of every make: what a client is asked to do with each, and what it must see then."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gateway_parts import free_port
from older_peers import everything_in_typescript
from real_parts import BIN, NODE, ROOT, everything_server, require, serving
from setup_parts import go_program, peer

__all__ = ["BOTH", "SERVERS", "WORDS", "Lack", "Server", "Step"]

WORDS = {
    "tools": "calls a tool",
    "structured": "gets structured content",
    "resource": "reads a resource",
    "prompt": "gets a prompt",
    "question": "answers a question of the server's (an elicitation)",
    "sampling": "lets the server ask its model",
    "progress": "hears of the progress of a call",
    "log": "hears what the server logs",
    "update": "watches a resource and hears that it changed",
    "list": "hears that the list of tools changed",
    "cancel": "gives up a call, and the server notices",
    "resume": "gets the answer although its stream broke off before it",
}
"""What a client is seen to do, in order."""
BOTH = ("2025", "2026")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that a client does, by a function of its script, and what it must see.

    Of a text only the beginning is named. `eras` are those of the client.
    """

    word: str
    do: str
    given: Mapping[str, Any]
    seen: Any
    eras: tuple[str, ...] = BOTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """A word that can't be seen with some peer, and why."""

    word: str
    why: str
    eras: tuple[str, ...] = BOTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server. `listed` are its tools, where we know them all, but for the `forbidden` one."""

    name: str
    speaks: str
    run: Callable[[Path], Any] = field(repr=False)
    forbidden: str
    steps: tuple[Step, ...]
    answer: Mapping[str, Any]
    listed: tuple[str, ...] | None = None
    watch: str | None = None
    lacks: tuple[Lack, ...] = ()


def _own(*script: str, cwd: Path = ROOT) -> Callable[[Path], Any]:
    """Return how to run one of our scripts on a peer's SDK."""

    @contextmanager
    def run(folder: Path) -> Iterator[str]:
        require(Path(script[0]).exists(), script[0])
        port = free_port()
        log = folder / f"{Path(script[-1]).name}.log"
        with serving([*script, str(port)], port, log=log, cwd=cwd) as url:
            yield url

    return run


@contextmanager
def _sdk_server(folder: Path) -> Iterator[str]:
    with everything_server(folder, free_port()) as url:
        yield url


_PARTS = ROOT / "tests" / "parts"
_NOTE = "note://today"


def _calls(word: str, name: str, seen: Any, **more: Any) -> Step:
    return Step(word=word, do="text", given={"name": name}, seen=seen, **more)


def _hears(word: str, name: str, what: str, **more: Any) -> Step:
    return Step(word=word, do="hear", given={"name": name, "what": what}, seen=what, **more)


_TOOLS = Step(
    word="tools", do="text",
    given={"name": "echo", "arguments": {"text": "hello"}}, seen="echo hello",
)  # fmt: skip
_STRUCTURED = Step(
    word="structured", do="structured",
    given={"name": "add", "arguments": {"a": 1, "b": 2}}, seen={"sum": 3},
)  # fmt: skip
_RESOURCE = Step(word="resource", do="read", given={"uri": _NOTE}, seen="a note")
_PROMPT = Step(
    word="prompt", do="prompt",
    given={"name": "greet", "arguments": {"name": "Ada"}}, seen="greet Ada",
)  # fmt: skip
_QUESTION = _calls("question", "ask", "the colour is blue")
_SAMPLING = _calls("sampling", "imagine", "the model says Paris")
_PROGRESS = Step(word="progress", do="progress", given={"name": "count"}, seen=[1, 2, 3])
_LOG = _hears("log", "count", "counted")
_UPDATE = _hears("update", "touch", f"notifications/resources/updated {_NOTE}")
_LIST = _hears("list", "grow", "notifications/tools/list_changed")
_CANCEL = Step(
    word="cancel", do="cancel", given={"name": "wait", "then": "waited"}, seen="given up"
)
_RESUME = _calls("resume", "pause", "still here")
_OURS = (
    _TOOLS, _STRUCTURED, _RESOURCE, _PROMPT, _QUESTION, _SAMPLING, _PROGRESS, _LOG, _UPDATE, _LIST,
    _CANCEL, _RESUME,
)  # fmt: skip
_NAMES = ("add", "ask", "count", "echo", "grow", "imagine", "pause", "touch", "wait", "waited")
_BLUE = {"colour": "blue"}
_NO_RESUMPTION = "2026-07-28 has no event ids, so there is nothing to take up again"


def _without(*names: str) -> tuple[str, ...]:
    return tuple(name for name in _NAMES if name not in names)


SERVERS = (
    Server(
        name="Python SDK 2, everything-server",
        speaks="all",
        run=_sdk_server,
        forbidden="test_error_handling",
        answer={"response": "yes"},
        steps=(
            _calls("tools", "test_simple_text", "This is a simple text response for testing."),
            Step(
                word="structured", do="structured", given={"name": "test_simple_text"},
                seen={"result": "This is a simple text response for testing."},
            ),
            Step(
                word="resource", do="read", given={"uri": "test://static-text"},
                seen="This is the content of the static text resource.",
            ),
            Step(
                word="prompt", do="prompt", given={"name": "test_simple_prompt"},
                seen="This is a simple prompt for testing.",
            ),
            _calls("question", "test_streaming_elicitation", "elicitation accept"),
            Step(
                word="sampling", do="text", seen="LLM response: Paris", eras=("2025",),
                given={"name": "test_sampling", "arguments": {"prompt": "Which town?"}},
            ),
            _calls(
                "sampling", "test_input_required_result_sampling", "Model said: Paris",
                eras=("2026",),
            ),
            Step(
                word="progress", do="progress", given={"name": "test_tool_with_progress"},
                seen=[0, 50, 100],
            ),
            _hears("log", "test_tool_with_logging", "Tool execution started"),
            _hears(
                "list", "test_trigger_tool_change", "notifications/tools/list_changed",
                eras=("2026",),
            ),
            _calls("resume", "test_reconnection", "Reconnection test completed", eras=("2025",)),
        ),
        lacks=(
            Lack(word="update", why="no resource of it changes"),
            Lack(word="list", eras=("2025",), why="it tells clients of 2026-07-28 alone"),
            Lack(word="cancel", why="no tool of it says that it was cancelled"),
            Lack(word="resume", eras=("2026",), why=_NO_RESUMPTION),
        ),
    ),
    Server(
        name="Python SDK 1",
        speaks="2025",
        run=_own(str(peer("mcp-1")), str(_PARTS / "peer_server_mcp1.py")),
        forbidden="secret",
        answer=_BLUE,
        watch=_NOTE,
        listed=_NAMES,
        steps=_OURS,
    ),
    Server(
        name="FastMCP 4",
        speaks="all",
        run=_own(str(peer("fastmcp")), str(_PARTS / "peer_server_fastmcp.py")),
        forbidden="secret",
        answer=_BLUE,
        listed=_without("touch"),
        steps=(
            *(step for step in _OURS if step not in (_UPDATE, _LIST, _RESUME)),
            replace(_LIST, eras=("2025",)),
            replace(_RESUME, eras=("2025",)),
        ),
        lacks=(
            Lack(word="update", why="it has no subscriptions to resources"),
            Lack(word="list", eras=("2026",), why="it does not serve subscriptions/listen"),
            Lack(word="resume", eras=("2026",), why=_NO_RESUMPTION),
        ),
    ),
    Server(
        name="TypeScript SDK 2",
        speaks="2026",
        run=_own(str(BIN / "node"), str(_PARTS / "peer_server.mjs"), cwd=NODE),
        forbidden="secret",
        answer=_BLUE,
        watch=_NOTE,
        listed=_without("pause"),
        steps=tuple(step for step in _OURS if step != _RESUME),
        lacks=(Lack(word="resume", why=_NO_RESUMPTION),),
    ),
    Server(
        name="TypeScript SDK 1, server-everything",
        speaks="2025",
        run=everything_in_typescript,
        forbidden="get-env",
        answer={"name": "Ada", "check": True},
        watch="demo://resource/static/document/architecture.md",
        steps=(
            Step(
                word="tools", do="text", seen="Echo: hello",
                given={"name": "echo", "arguments": {"message": "hello"}},
            ),
            Step(
                word="structured", do="structured",
                given={"name": "get-structured-content", "arguments": {"location": "Chicago"}},
                seen={"temperature": 36, "conditions": "Light rain / drizzle", "humidity": 82},
            ),
            Step(
                word="resource", do="read", seen="# Everything Server",
                given={"uri": "demo://resource/static/document/architecture.md"},
            ),
            Step(
                word="prompt", do="prompt", given={"name": "simple-prompt"},
                seen="This is a simple prompt without arguments.",
            ),
            _calls("question", "trigger-elicitation-request", "✅ "),
            Step(
                word="sampling", do="text", seen="LLM sampling result: ",
                given={"name": "trigger-sampling-request", "arguments": {"prompt": "Which town?"}},
            ),
            Step(
                word="progress", do="progress", seen=[1, 2],
                given={
                    "name": "trigger-long-running-operation",
                    "arguments": {"duration": 0.1, "steps": 2},
                },
            ),
            _hears("log", "toggle-simulated-logging", "-level message"),
            _hears(
                "update", "toggle-subscriber-updates",
                "notifications/resources/updated demo://resource/static/document/architecture.md",
            ),
        ),
        lacks=(
            Lack(word="list", why="its list changes only while a session begins"),
            Lack(word="cancel", why="no tool of it says that it was cancelled"),
            Lack(word="resume", why="no tool of it breaks its stream off"),
        ),
    ),
    Server(
        name="Go SDK 1",
        speaks="all",
        run=_own(str(go_program("peer")), "server"),
        forbidden="secret",
        answer=_BLUE,
        watch=_NOTE,
        listed=_NAMES,
        steps=(*(step for step in _OURS if step != _RESUME), replace(_RESUME, eras=("2025",))),
        lacks=(Lack(word="resume", eras=("2026",), why=_NO_RESUMPTION),),
    ),
)  # fmt: skip
