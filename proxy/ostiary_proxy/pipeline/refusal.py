"""How a refusal looks outside: status, JSON-RPC error with the decision id (decision 20)."""

from collections.abc import Mapping

from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.errors import error_body, result_body
from ostiary_proxy.mcp.message import Id
from ostiary_proxy.pipeline.answer import Answer
from ostiary_proxy.pipeline.received import Seen
from ostiary_proxy.refused import Refused, link

__all__ = ["answer_to", "rpc_error"]


def answer_to(refused: Refused, decision_id: str, seen: Seen) -> Answer:
    """Return the answer of a refusal.

    A denied notification is 403 with nothing in it; an unknown method is 404 in 2026-07-28 (rule
    21).
    """
    status = refused.how.status
    headers = refused.headers
    if refused.retry_after is not None:
        headers = (*headers, ("retry-after", str(max(1, round(refused.retry_after)))))
    if seen.notification and status in (200, 403):
        return Answer(status=403, headers=headers)
    if seen.modern and refused.code == "MethodNotFound":
        status = 404
    body = rpc_error(refused, decision_id, seen.request_id)
    return Answer(
        status=status, headers=(("content-type", "application/json"), *headers), body=body
    )


def rpc_error(refused: Refused, decision_id: str, request_id: Id | None) -> bytes:
    """Return the JSON-RPC error of a refusal; its text ends in the link that explains the code.

    Where an answer would help it is the question instead.
    """
    if refused.result is not None and request_id is not None:
        return result_body(request_id, refused.result)
    data: dict[str, Json] = {"decision": decision_id}
    if isinstance(refused.data, Mapping):
        data |= refused.data
    if refused.retry_after is not None:
        data["retryAfter"] = max(1, round(refused.retry_after))
    text = f"{refused.message} (decision {decision_id}); see {link(refused.code)}"
    return error_body(request_id, refused.how.rpc, text, data)
