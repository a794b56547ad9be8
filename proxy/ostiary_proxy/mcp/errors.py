"""JSON-RPC error answers as bytes."""

from collections.abc import Mapping

from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.message import Id

__all__ = ["error_body", "result_body"]


def error_body(request_id: Id | None, code: int, message: str, data: Json = None) -> bytes:
    """Return an error; the id is left out where it could not be read (rule 24)."""
    error: dict[str, Json] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    whole: dict[str, Json] = {"jsonrpc": "2.0"}
    if request_id is not None:
        whole["id"] = request_id
    whole["error"] = error
    return write_json(whole)


def result_body(request_id: Id, result: Mapping[str, Json]) -> bytes:
    """Return a result."""
    return write_json({"jsonrpc": "2.0", "id": request_id, "result": result})
