"""A pipeline before several scripted servers behind one URL."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from mcp_parts import (
    ALLOW_ALL,
    ORIGIN,
    PATH,
    ScriptedExchange,
    World,
    initialized,
    json_answer,
    result,
    sse_answer,
    world,
)
from ostiary.config.document import Backend, Policy, PolicyLevel, Route, Upstream
from ostiary.policy.check import compile_policy
from ostiary.policy.compiled import PolicySet
from ostiary.policy.rule import Rule
from ostiary_proxy.outbound.exchange import OutboundFailed, Outgoing
from ostiary_proxy.pipeline.live import LiveRoute

__all__ = ["Server", "asked", "joined", "to"]


class Server:
    """A scripted server: answers by method; a value that is callable takes the message.

    `version` and `session` are what it says to initialize. `away` makes it unreachable.
    """

    def __init__(
        self, *, version: str = "2025-11-25", session: str | None = None, **results: Any
    ) -> None:
        self.version = version
        self.sessions = [session] if session else []
        self.results = {name.replace("__", "/"): value for name, value in results.items()}
        self.capabilities: dict[str, Any] = {"tools": {}}
        self.away = False

    def __call__(self, sent: Outgoing) -> ScriptedExchange | Exception:
        if self.away:
            return OutboundFailed("connect")
        if sent.method != "POST":
            return self._bare(sent)
        message = json.loads(sent.body)
        if not self._knows(sent, message):
            return json_answer({}, status=404)
        if "id" not in message or "method" not in message:
            return ScriptedExchange(202, {}, [])
        return self._answer(message)

    def _knows(self, sent: Outgoing, message: Any) -> bool:
        given = dict(sent.headers).get("mcp-session-id")
        opening = message.get("method") == "initialize"
        return opening or not self.sessions or given in self.sessions

    def _bare(self, sent: Outgoing) -> ScriptedExchange:
        found = self.results.get(sent.method, 405)
        if isinstance(found, int):
            return ScriptedExchange(found, {}, [])
        return sse_answer(*found)

    def _answer(self, message: Any) -> ScriptedExchange:
        method, number = message["method"], message["id"]
        if method == "initialize" and method not in self.results:
            answer = {**initialized(self.version), "id": number}
            answer["result"]["capabilities"] = self.capabilities
            if not self.sessions:
                return json_answer(answer)
            return json_answer(answer, mcp_session_id=self.sessions[-1])
        found = self.results.get(method)
        if callable(found):
            found = found(message)
        if isinstance(found, ScriptedExchange):
            return found
        if found is None:
            error = {"code": -32601, "message": "Method not found"}
            return json_answer({"jsonrpc": "2.0", "id": number, "error": error})
        return json_answer(result(found, request_id=number))


def joined(servers: Mapping[str, Callable[[Outgoing], Any]], *rules: Mapping[str, Any]) -> World:
    """Return a pipeline whose route leads to `servers`, under `rules` (default: allow all)."""
    w = world(lambda sent: servers[to(sent)](sent))
    rules = rules or (ALLOW_ALL,)
    route = Route(
        namespace="team", name="files", display_name="The desk", url=f"{ORIGIN}{PATH}",
        issuer=ORIGIN, policies=("team/p",),
        backends=tuple(
            Backend(name=name, upstream=Upstream(url=f"http://{name}.internal/mcp"))
            for name in servers
        ),
    )  # fmt: skip
    policy = Policy(
        namespace="team", name="p", generation=1, level=PolicyLevel.ROUTE,
        rules=tuple(Rule.model_validate(dict(rule)) for rule in rules),
    )  # fmt: skip
    live = LiveRoute.of(route, PolicySet.of((compile_policy(policy),), ceiling=False))
    object.__setattr__(w.live, "routes", {(ORIGIN, PATH): live})
    return w


def to(sent: Outgoing) -> str:
    """Return the server that a request went to."""
    return sent.url.removeprefix("http://").partition(".")[0]


def asked(w: World) -> list[tuple[str, str]]:
    """Return what went to whom: the server, and the method of the message or of HTTP."""
    return [
        (to(sent), json.loads(sent.body).get("method", "response") if sent.body else sent.method)
        for sent in w.upstream.sent
    ]
