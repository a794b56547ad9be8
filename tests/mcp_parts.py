"""Parts of the protocol tests: a scripted upstream behind the Transport seam, a pipeline before."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from log_parts import Log
from ostiary.config.document import Gateway, Policy, PolicyLevel, Route, Upstream
from ostiary.crypto.seal import SealRing
from ostiary.policy.check import compile_policy
from ostiary.policy.compiled import PolicySet
from ostiary.policy.rule import Rule
from ostiary_proxy.identity import Client, Grant, Person, Presented
from ostiary_proxy.outbound.exchange import Exchange, OutboundFailed, Outgoing
from ostiary_proxy.pipeline.allowance import Allowance
from ostiary_proxy.pipeline.answer import Answer
from ostiary_proxy.pipeline.bridge.newer.underway import Underway
from ostiary_proxy.pipeline.bridge.older.state import Older
from ostiary_proxy.pipeline.handle import handle
from ostiary_proxy.pipeline.kept import Kept
from ostiary_proxy.pipeline.live import Live, LiveRoute
from ostiary_proxy.pipeline.mailbox import Mailbox
from ostiary_proxy.pipeline.places import Places
from ostiary_proxy.pipeline.ports import UpstreamCall
from ostiary_proxy.pipeline.spoken import Spoken
from ostiary_proxy.pipeline.streams import Streams
from ostiary_proxy.pipeline.upstreams import Upstreams
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.memory import MemoryStore
from ostiary_proxy.wire import Headers, Incoming

ORIGIN = "https://mcp.example.com"
PATH = "/team/files"
CONNECT = f"{ORIGIN}/account/connect?route=team/files&for=x"
CREDENTIAL = "upstream-credential-of-ours"
MODERN_META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
ALLOW_ALL: Mapping[str, Any] = {"name": "all", "effect": "Allow", "who": {"everyone": True}}
ALLOW_SERVER: Mapping[str, Any] = {
    "name": "server",
    "effect": "Allow",
    "who": {"everyone": True},
    "match": {"server": ["elicitation/form", "elicitation/url", "sampling", "roots"]},
}


@dataclass
class ScriptedExchange:
    """An answer of the scripted upstream; `parts` come one by one, a Future holds the stream."""

    status: int
    headers: Mapping[str, str]
    parts: list[bytes | asyncio.Future[None] | Exception]
    closed: bool = False
    arrived: bool = False

    async def _chunks(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            if isinstance(part, asyncio.Future):
                await part
            elif isinstance(part, Exception):
                raise part
            else:
                yield part

    def chunks(self) -> AsyncIterator[bytes]:
        return self._chunks()

    async def body(self, limit: int) -> bytes:
        whole = b"".join([part async for part in self._chunks()])
        if len(whole) > limit:
            raise OutboundFailed("too-large")
        return whole

    async def close(self) -> None:
        self.closed = True


def json_answer(body: Any, *, status: int = 200, **headers: str) -> ScriptedExchange:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ScriptedExchange(status, {"content-type": "application/json", **named(headers)}, [data])


def sse_answer(*parts: Any, **headers: str) -> ScriptedExchange:
    """Messages become events; bytes, futures and exceptions stay what they are."""
    listed = [event(part) if isinstance(part, dict) else part for part in parts]
    return ScriptedExchange(200, {"content-type": "text/event-stream", **named(headers)}, listed)


def named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def event(message: Any, *, event_id: str | None = None) -> bytes:
    head = f"id: {event_id}\n" if event_id is not None else ""
    return f"{head}event: message\ndata: {json.dumps(message)}\n\n".encode()


def events(data: bytes) -> list[Any]:
    """Return the messages in the bytes of an event stream."""
    lines = [line for line in data.decode().split("\n") if line.startswith("data: {")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


Script = Callable[[Outgoing], ScriptedExchange | Exception]


@dataclass
class ScriptedUpstream:
    """A Transport that answers by script and keeps what it was sent."""

    script: Script
    sent: list[Outgoing] = field(default_factory=list)
    exchanges: list[ScriptedExchange] = field(default_factory=list)

    async def send(self, request: Outgoing) -> Exchange:
        self.sent.append(request)
        answer = self.script(request)
        if isinstance(answer, Exception):
            raise answer
        self.exchanges.append(answer)
        return answer


@dataclass
class Doors:
    """Authority and Credentials in one: knows tokens by name, hands out one fixed header.

    People who are `lacking` have no account behind the route; `lost` ones lose it as it is used.
    """

    grants: dict[str, Presented]
    retry: bool = False
    rejections: int = 0
    account: str = ""
    lacking: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)

    async def present(self, token: str, route: Route, now: float) -> Presented:
        known = self.grants.get(token)
        if known is None or now >= known.expires or known.grant.route != route.key:
            raise Refused("InvalidToken")
        return known

    async def living(self, gid: str, now: float) -> Grant:
        known = [one.grant for one in self.grants.values() if one.grant.gid == gid]
        if not known:
            raise Refused("InvalidToken")
        return known[0]

    async def connected(self, route: Route, presented: Presented) -> str:
        return self._of(presented, self.lacking)

    def _of(self, presented: Presented, missing: set[str]) -> str:
        person = presented.grant.person.subject
        if person in missing:
            message = f"connect your account at Files first: open {CONNECT}"
            raise Refused("AccountNotConnected", message=message, data={"url": CONNECT})
        return self.account

    async def attach(self, call: UpstreamCall) -> Headers:
        self._of(call.presented, self.lost)
        return (("authorization", f"Bearer {CREDENTIAL}"),)

    async def rejected(self, call: UpstreamCall) -> bool:
        self.rejections += 1
        return self.retry and self.rejections == 1


def presented(token: str, *, route: str = "team/files", expires: float = 10_000.0) -> Presented:
    person = Person(
        issuer="https://login.example.com", subject=token, email=f"{token}@example.com",
        groups=frozenset({"engineers"}),
    )  # fmt: skip
    grant = Grant(
        gid=f"grant-{token}", issuer=ORIGIN, person=person, client=Client(id="client",
        name="Agent"),
        resource=f"{ORIGIN}{PATH}", route=route, scopes=("mcp",), upstream_scopes=None,
        created=0.0, expires=expires,
    )  # fmt: skip
    return Presented(grant=grant, jti=f"jti-{token}", expires=expires)


@dataclass
class World:
    """A pipeline in memory; `alice` and `bob` have tokens of their names."""

    upstream: ScriptedUpstream
    live: Live
    log: Log
    doors: Doors
    now: list[float]
    cries: list[str]

    async def send(
        self,
        body: Any = b"",
        *,
        token: str | None = "alice",
        method: str = "POST",
        headers: Headers = (),
        path: str = PATH,
        query: str = "",
        json_type: bool = True,
    ) -> Answer:
        """Send one request and return the answer."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()

        async def read(limit: int) -> bytes:
            if len(data) > limit:
                raise Refused("TooLarge")
            return data

        standard: Headers = (("authorization", f"Bearer {token}"),) if token else ()
        if method == "POST" and json_type:
            standard = (*standard, ("content-type", "application/json"))
        if method == "GET" and not any(name == "accept" for name, _ in headers):
            standard = (*standard, ("accept", "text/event-stream"))
        return await handle(
            Incoming(
                method=method, origin=ORIGIN, path=path, query=query, headers=(*standard, *headers),
                source=ip_address("192.0.2.7"), read=read,
            ),
            self.live,
        )  # fmt: skip

    async def modern(
        self, method: str, params: Mapping[str, Any] | None = None, *, token: str = "alice",
        meta: Mapping[str, Any] | None = None, headers: Headers | None = None,
    ) -> Answer:  # fmt: skip
        """Send one 2026-07-28 request with the headers that belong to it."""
        params = {**(params or {}), "_meta": {**MODERN_META, **(meta or {})}}
        mirrored = modern_headers(method, params) if headers is None else headers
        return await self.send(request(method, params), token=token, headers=mirrored)

    async def session(
        self, *, token: str = "alice", version: str = "2025-11-25",
        capabilities: Mapping[str, Any] | None = None,
    ) -> str:  # fmt: skip
        """Initialize against a scripted upstream that allows it, and return the session id."""
        script = self.upstream.script
        self.upstream.script = lambda _: json_answer(initialized(version), mcp_session_id="up-1")
        answer = await self.send(initialize(version, capabilities), token=token)
        self.upstream.script = script
        return header(answer, "mcp-session-id") or ""

    async def legacy(
        self, session: str, method: str, params: Mapping[str, Any] | None = None, *,
        token: str = "alice", **rest: Any,
    ) -> Answer:  # fmt: skip
        """Send one request in a session."""
        body = request(method, dict(params or {}), **rest)
        return await self.send(body, token=token, headers=(("mcp-session-id", session),))

    def allow(self, *rules: Mapping[str, Any]) -> None:
        """Replace the policy and let open streams know."""
        routes = {(ORIGIN, PATH): live_route(rules)}
        object.__setattr__(self.live, "routes", routes)
        self.live.streams.wake()


def request(method: str, params: Any = None, *, request_id: Any = 1) -> dict[str, Any]:
    message = {"jsonrpc": "2.0", "id": request_id, "method": method}
    return message if params is None else {**message, "params": params}


def result(value: Any, *, request_id: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "result": value}


def modern_headers(method: str, params: Mapping[str, Any]) -> Headers:
    headers: Headers = (("mcp-protocol-version", "2026-07-28"), ("mcp-method", method))
    name = params.get("name", params.get("uri", params.get("taskId")))
    named = method in ("tools/call", "prompts/get", "resources/read") or method.startswith("tasks/")
    return (*headers, ("mcp-name", str(name))) if named and name is not None else headers


def initialize(
    version: str = "2025-11-25", capabilities: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return request(
        "initialize",
        {
            "protocolVersion": version,
            "capabilities": dict(capabilities or {}),
            "clientInfo": {"name": "t", "version": "1"},
        },
    )


def initialized(version: str = "2025-11-25") -> dict[str, Any]:
    return result(
        {
            "protocolVersion": version,
            "capabilities": {},
            "serverInfo": {"name": "s", "version": "1"},
        }
    )


def header(answer: Answer, name: str) -> Any:
    """Return the value of a header, None where it is not there."""
    return next((value for key, value in answer.headers if key == name), None)


def sent_header(outgoing: Outgoing, name: str) -> str | None:
    return next((value for key, value in outgoing.headers if key == name), None)


def body(answer: Answer) -> Any:
    assert isinstance(answer.body, bytes)
    return json.loads(answer.body)


async def next_said(pieces: AsyncIterator[bytes]) -> bytes:
    """Return the next piece of a stream that is not empty."""
    async with asyncio.timeout(20):
        return await anext(piece async for piece in pieces if piece)


async def drained(answer: Answer) -> bytes:
    """Return everything a stream says until its end."""
    assert not isinstance(answer.body, bytes)
    async with asyncio.timeout(20):
        return b"".join([piece async for piece in answer.body])


def live_route(rules: Any) -> LiveRoute:
    route = Route(
        namespace="team", name="files", display_name="Files", url=f"{ORIGIN}{PATH}", issuer=ORIGIN,
        upstream=Upstream(url="http://upstream.internal/mcp"),
        policies=("team/p",) if rules else (),
    )  # fmt: skip
    policy = Policy(
        namespace="team", name="p", generation=1, level=PolicyLevel.ROUTE,
        rules=tuple(Rule.model_validate(dict(rule)) for rule in rules),
    )  # fmt: skip
    return LiveRoute.of(
        route, PolicySet.of((compile_policy(policy),) if rules else (), ceiling=False)
    )


def world(script: Script | None = None, *rules: Mapping[str, Any], public: bool = True) -> World:
    """Return a pipeline whose upstream answers by `script`, under `rules` (default: allow all)."""
    upstream = ScriptedUpstream(script or (lambda _: json_answer(result({"content": []}))))
    now, log, cries = [1_000.0], Log(), list[str]()
    ids, entropy = itertools.count(1), itertools.count(1)
    doors = Doors({name: presented(name) for name in ("alice", "bob")})
    holder: list[Live] = []
    streams = Streams()
    store, seal = MemoryStore(lambda: now[0]), SealRing([b"k" * 32])

    def bytes_of(size: int) -> bytes:
        return next(entropy).to_bytes(size, "big")

    live = Live(
        gateway=Gateway(
            namespace="team", name="gw", public_url=ORIGIN, allow_loopback=not public
        ),
        routes={(ORIGIN, PATH): live_route(rules or (ALLOW_ALL,))},
        origins=frozenset({ORIGIN}),
        authority=doors,
        credentials=doors,
        store=store,
        audit=log,
        transport=upstream,
        seal=seal,
        streams=streams,
        upstreams=Upstreams(),
        spoken=Spoken(lambda: now[0]),
        mailbox=Mailbox(store, seal, clock=lambda: now[0], entropy=bytes_of),
        underway=Underway(lambda: now[0], tell=cries.append),
        older=Older(streams, "here", tell=cries.append),
        kept=Kept(lambda: now[0], tell=cries.append),
        places=Places("here"),
        allowance=Allowance(lambda: now[0]),
        clock=lambda: now[0],
        entropy=bytes_of,
        new_id=lambda: f"d{next(ids)}",
        newest=lambda: holder[0],
        borrowed=nullcontext,
    )  # fmt: skip
    holder.append(live)
    return World(upstream=upstream, live=live, log=log, doors=doors, now=now, cries=cries)
