"""Reading one result: versions, lists, and the server's requests inside it."""

from dataclasses import dataclass, field

from ostiary.decode.strict_json import Json
from ostiary.policy.rule import ServerRequest
from ostiary_proxy.mcp.inputs import lacking
from ostiary_proxy.mcp.message import Object
from ostiary_proxy.mcp.methods import LEGACY, MODERN
from ostiary_proxy.mcp.parameters import legible
from ostiary_proxy.mcp.results import (
    LISTS,
    BadResult,
    announcing,
    discovered,
    filtered,
    input_requests,
    kept_private,
    lists_of,
    narrowed,
)
from ostiary_proxy.mcp.server_methods import server_request
from ostiary_proxy.pipeline.asked import Asked
from ostiary_proxy.pipeline.cursors import give_cursor
from ostiary_proxy.pipeline.judge import Judge
from ostiary_proxy.pipeline.rounds import give_state
from ostiary_proxy.refused import Refused

__all__ = ["Reader"]


@dataclass(slots=True, kw_only=True)
class Reader:
    """Reads the result of what was asked.

    `negotiated`, `lists` and `asked_for` are found on the way.
    """

    asked: Asked
    judge: Judge
    now: float
    negotiated: str | None = None
    lists: tuple[str, ...] = ()
    asked_for: list[dict[str, Json]] = field(default_factory=list)

    def read(self, result: Object) -> Object:
        """Return the result for the client, the same object if unchanged; raises Refused."""
        method = self.asked.method.name if self.asked.method is not None else ""
        try:
            shown = self._shaped(result, method)
            if self.asked.version != MODERN:
                return shown
            shown = self._inputs(shown)
        except BadResult as error:
            raise Refused("UpstreamInvalid", detail=str(error)) from None
        self.asked.keeping.keep(result)
        return kept_private(shown, method)

    def _shaped(self, result: Object, method: str) -> Object:
        if method == "initialize":
            return self._initialized(result)
        if method == "server/discover":
            return discovered(result)
        shape = LISTS.get(method)
        if shape is None:
            return result
        shown = filtered(result, shape, lambda item: self.judge.visible(item, self.now))[0]
        if method == "tools/list" and self.asked.version == MODERN:
            shown = self._legible(shown)
        return give_cursor(shown, method, self.asked.holder, self.now)

    def _legible(self, result: Object) -> Object:
        """Learn what callers repeat in headers; leave out what clients must drop (rule 42)."""
        tools = result["tools"]
        assert isinstance(tools, list)  # `filtered` saw to it
        kept, marks = legible(tools)
        self.asked.learned.learn(self.asked.holder.grant.gid, marks)
        return result if len(kept) == len(tools) else {**result, "tools": kept}

    def _initialized(self, result: Object) -> Object:
        version = result.get("protocolVersion")
        if version not in LEGACY:
            said = version[:40] if isinstance(version, str) else "nothing readable"
            raise Refused(
                "InvalidParams",
                message=f"the server chose protocol version {said}; "
                f"served with initialize are {', '.join(LEGACY)}",
            )
        self.negotiated = str(version)
        self.lists = lists_of(result)
        return announcing(narrowed(result))

    def _inputs(self, result: Object) -> Object:
        """Judge each request inside a result like one of its own (policy.md 13)."""
        asked = self.asked
        retried = asked.method is not None and asked.method.retried
        entries = input_requests(result, retried=retried)
        kinds = {
            name: self._input(str(entry["method"]), entry.get("params", {}))
            for name, entry in entries.items()
        }
        if result.get("resultType") != "input_required":
            return result
        return give_state(
            result, kinds, asked.subject, number=asked.round, holder=asked.holder, now=self.now
        )

    def _input(self, name: str, params: Json) -> ServerRequest:
        subject = server_request(MODERN, name, params if isinstance(params, dict) else {})
        if subject is None:
            raise BadResult(f"the server asks for {name[:40]!r}, which is not served")
        kind = ServerRequest(subject.name)
        declared = self.asked.modern.capabilities if self.asked.modern is not None else {}
        missing = lacking(kind, declared)
        if missing is not None:
            raise Refused("MissingClientCapability", data={"requiredCapabilities": missing})
        verdict = self.judge.verdict(subject, self.now)
        if not verdict.allowed:
            raise Refused(
                "Denied",
                message=verdict.message or f"the server may not ask for {subject.name} here",
                detail=verdict.reason,
            )
        self.asked_for.append({"method": name, "name": subject.name})
        return kind
