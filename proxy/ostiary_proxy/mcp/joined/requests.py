"""What a client says to several servers: to which one, and in the form that this one takes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ostiary.decode.strict_json import Json
from ostiary.policy.facts import Kind
from ostiary_proxy.mcp.joined.names import joined_uri, split_name, split_uri
from ostiary_proxy.mcp.message import Object
from ostiary_proxy.mcp.methods import Method

__all__ = ["Addressed", "acknowledgement", "addressed", "listening"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressed:
    """A request for one server: `name` and `params` are its own."""

    server: str
    name: str
    params: Object


def addressed(method: Method, params: Object) -> Addressed | None:
    """Return for which server a request is; None for what is said to all."""
    if method.kind not in _SPLITS:
        return None
    if method.field != "ref":
        return _split(params, method.field, _SPLITS[method.kind])
    ref = params["ref"]
    assert isinstance(ref, dict)  # its subject was read from it
    found = _split(ref, *_REFS[str(ref["type"])])
    return replace(found, params={**params, "ref": {**found.params}})


def _split(params: Object, field: str, split: Callable[[str], tuple[str, str]]) -> Addressed:
    server, own = split(str(params[field]))
    return Addressed(server=server, name=own, params={**params, field: own})


def listening(params: Object, server: str) -> Object | None:
    """Return the params of a listen request for one server; None where it is asked for nothing."""
    wanted = params.get("notifications")
    assert isinstance(wanted, dict)  # a request without was refused
    uris = wanted.get("resourceSubscriptions", [])
    pairs = [split_uri(str(uri)) for uri in (uris if isinstance(uris, list) else ())]
    own: list[Json] = [uri for to, uri in pairs if to == server]
    kept = {name: value for name, value in wanted.items() if name != "resourceSubscriptions"}
    if own:
        kept["resourceSubscriptions"] = own
    return {**params, "notifications": kept} if any(kept.values()) else None


def acknowledgement(heard: Mapping[str, Object]) -> dict[str, Json]:
    """Return what all servers together listen for, by what each of them acknowledged."""
    joined: dict[str, Json] = {}
    uris: list[Json] = []
    for server, own in heard.items():
        joined |= {name: True for name, value in own.items() if value is True}
        named = own.get("resourceSubscriptions")
        uris += [joined_uri(server, str(uri)) for uri in named] if isinstance(named, list) else ()
    return {**joined, "resourceSubscriptions": uris} if uris else joined


_SPLITS = {Kind.TOOL: split_name, Kind.PROMPT: split_name, Kind.RESOURCE: split_uri}
_REFS = {"ref/prompt": ("name", split_name), "ref/resource": ("uri", split_uri)}
