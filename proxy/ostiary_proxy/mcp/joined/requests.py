"""What a client says to several servers: to which one, and in the form that this one takes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary.policy.facts import Kind
from ostiary_proxy.mcp.joined.names import joined_id, joined_uri, split_id, split_name, split_uri
from ostiary_proxy.mcp.joined.tasks import own_params
from ostiary_proxy.mcp.message import Object
from ostiary_proxy.mcp.methods import TASK_ID, Method

__all__ = ["Addressed", "acknowledgement", "addressed", "listening"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressed:
    """A request for one server: `name` and `params` are its own."""

    server: str
    name: str
    params: Object


def addressed(method: Method, params: Object) -> Addressed | None:
    """Return for which server a request is; None for what is said to all."""
    params = own_params(params)
    if method.field == TASK_ID:
        server, own = split_id(params[TASK_ID]) or ("", "")
        return Addressed(server=server, name=str(own), params={**params, TASK_ID: own})
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
    kept = dict(wanted)
    for name, split in _LISTENED.items():
        listed = kept.pop(name, [])
        parts = [split(str(one)) for one in (listed if isinstance(listed, list) else ())]
        if own := [part[1] for part in parts if part is not None and part[0] == server]:
            kept[name] = own
    return {**params, "notifications": kept} if any(kept.values()) else None


def acknowledgement(heard: Mapping[str, Object]) -> dict[str, Json]:
    """Return what all servers together listen for, by what each of them acknowledged."""
    joined: dict[str, Json] = {}
    lists: dict[str, list[Json]] = {}
    for server, own in heard.items():
        joined |= {name: True for name, value in own.items() if value is True}
        for name, join in _JOINED.items():
            if isinstance(listed := own.get(name), list):
                lists.setdefault(name, []).extend(join(server, str(one)) for one in listed)
    return {**joined, **lists}


_LISTENED: Final[Mapping[str, Callable[[str], tuple[str, Json] | None]]] = {
    "resourceSubscriptions": split_uri,
    "taskIds": split_id,
}
_JOINED: Final = {"resourceSubscriptions": joined_uri, "taskIds": joined_id}
_SPLITS: Final = {Kind.TOOL: split_name, Kind.PROMPT: split_name, Kind.RESOURCE: split_uri}
_REFS: Final = {"ref/prompt": ("name", split_name), "ref/resource": ("uri", split_uri)}
