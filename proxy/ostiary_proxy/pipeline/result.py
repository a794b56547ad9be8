"""Reading one result: versions, lists, and the server's requests inside it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ostiary.decode.strict_json import Json
from ostiary.policy.redact import Redaction
from ostiary.policy.rule import ServerRequest
from ostiary_proxy.mcp.inputs import lacking
from ostiary_proxy.mcp.message import Object
from ostiary_proxy.mcp.methods import LEGACY, MODERN, TASK_ID
from ostiary_proxy.mcp.offers import discovered, narrowed
from ostiary_proxy.mcp.parameters import legible
from ostiary_proxy.mcp.results import (
    LISTS,
    BadResult,
    announcing,
    entries_of,
    filtered,
    input_requests,
    kept_private,
    lists_of,
)
from ostiary_proxy.mcp.server_methods import server_request
from ostiary_proxy.mcp.tasks import created, declares, hold_to, id_of, is_plain, named
from ostiary_proxy.pipeline.asked import Asked
from ostiary_proxy.pipeline.cursors import give_cursor
from ostiary_proxy.pipeline.effects import PutRow
from ostiary_proxy.pipeline.judge import Judge
from ostiary_proxy.pipeline.redacted import redacted
from ostiary_proxy.pipeline.rounds import give_state
from ostiary_proxy.pipeline.tasks import Owner
from ostiary_proxy.pipeline.unasked import Unasked, asked_facts, check_allowed
from ostiary_proxy.refused import Refused

__all__ = ["Reader"]


@dataclass(slots=True, kw_only=True)
class Reader:
    """Reads the result of what was asked.

    Found on the way: the version that was `negotiated`, the `lists` that are there, what the server
    has `asked_for`, and the row and the id of a task that was created in place of an answer.
    """

    asked: Asked
    judge: Judge
    now: float
    negotiated: str | None = None
    lists: tuple[str, ...] = ()
    asked_for: list[dict[str, Json]] = field(default_factory=list)
    task: PutRow | None = None
    task_id: str | None = None

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
            self._keep_task(result, method)
            return result
        shown = filtered(result, shape, lambda item: self.judge.visible(item, self.now))[0]
        if method == "tools/list" and self.asked.version == MODERN:
            shown = self._legible(shown)
        return give_cursor(shown, method, self.asked.holder, self.now)

    def _keep_task(self, result: Object, method: str) -> None:
        """Keep whose a new task is; hold what is said of a task to the one that was asked for."""
        asked = self.asked
        if asked.method is not None and asked.method.field == TASK_ID:
            hold_to(result, asked.request)
        task = created(result, asked.version) if method == "tools/call" else None
        if task is None:
            return
        if asked.modern is not None and not declares(asked.modern.capabilities):
            raise BadResult("the result is a task, which the client did not declare")
        self.task = Owner(holder=asked.holder).row(task, asked.subject, self.now)
        self.task_id = id_of(task)

    def read_task(self, task: Object) -> Object:
        """Return a task, what the server asks in it judged; raises Refused, BadResult."""
        brought = named(task).get("result")
        if isinstance(brought, dict) and not is_plain(brought):
            raise BadResult("what a task brings asks for more")
        return self._asking(task, entries_of(task))[0]

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
        return announcing(narrowed(result, self.negotiated))

    def _inputs(self, result: Object) -> Object:
        """Judge each request inside a result like one of its own (policy.md 13)."""
        asked = self.asked
        if self.task is not None:
            return result
        if asked.method is not None and asked.method.name == "tasks/get":
            return self.read_task(result)
        retried = asked.method is not None and asked.method.retried
        shown, kinds = self._asking(result, input_requests(result, retried=retried))
        if result.get("resultType") != "input_required":
            return shown
        return give_state(
            shown, kinds, asked.subject, number=asked.round, holder=asked.holder, now=self.now
        )

    def _asking(
        self, holder: Object, entries: Mapping[str, Object]
    ) -> tuple[Object, dict[str, ServerRequest]]:
        """Return `holder` with its requests as their own rules redact them, and their kinds."""
        shown: dict[str, Json] = {}
        kinds: dict[str, ServerRequest] = {}
        for name, entry in entries.items():
            params = entry.get("params", {})
            asked = params if isinstance(params, dict) else {}
            kinds[name], redactions = self._input(str(entry["method"]), asked)
            clean = redacted(asked, redactions)
            shown[name] = {**entry, **({} if clean is asked else {"params": {**clean}})}
        return (holder if shown == entries else {**holder, "inputRequests": shown}), kinds

    def _input(self, name: str, asked: Object) -> tuple[ServerRequest, tuple[Redaction, ...]]:
        """Return the kind of a request that the server may make, and what to redact in it."""
        subject = server_request(MODERN, name, asked)
        if subject is None:
            raise BadResult(f"the server asks for {name[:40]!r}, which is not served")
        kind = ServerRequest(subject.name)
        declared = self.asked.modern.capabilities if self.asked.modern is not None else {}
        missing = lacking(kind, declared, asked)
        if missing is not None:
            raise Unasked(
                "MissingClientCapability", asked_facts(subject), detail="not declared",
                data={"requiredCapabilities": missing},
            )  # fmt: skip
        verdict = self.judge.verdict(subject, self.now)
        self.asked_for.append(check_allowed(subject, verdict))
        return kind, verdict.redactions
