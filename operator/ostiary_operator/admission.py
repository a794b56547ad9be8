"""What the API server asks before it stores one of the three kinds, and the answer. Pure.

An object is refused for what it shows by itself. One whose spec stays as it was is not, whatever is
wrong with it: labels can still be changed and finalizers go, so that nothing keeps it from being
deleted; what is wrong is a warning then.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from pydantic import ConfigDict, Field

from ostiary.decode.fault import Fault, Faulty
from ostiary.decode.json_text import write_json
from ostiary.decode.model import Model, validate
from ostiary.decode.strict_json import read_json
from ostiary.resources.manifest import read_manifest
from ostiary.resources.meta import GROUP
from ostiary.translate.alone import Alone, look_alone

__all__ = ["Answered", "answer"]

_API: Final = "admission.k8s.io/v1"
_KIND: Final = "AdmissionReview"
_SAID: Final = 16
"""How many faults are said at once."""
_WARNING: Final = 256
"""Characters of a warning that the API server passes on."""
_Object = dict[str, Any]


class _Asked(Model):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore")

    uid: str = Field(min_length=1, max_length=128)
    object: _Object
    old_object: _Object | None = None


class _Review(Model):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore")

    api_version: str = Field(pattern=f"^{_API}$")
    kind: str = Field(pattern=f"^{_KIND}$")
    request: _Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The AdmissionReview that answers one, and whether it allows the object."""

    body: bytes
    allowed: bool


def answer(review: bytes) -> Answered:
    """Return the answer to an AdmissionReview; raises Faulty where `review` is none."""
    asked = validate(_Review, read_json(review)).request
    response = {"uid": asked.uid, **_judged(asked)}
    body = write_json({"apiVersion": _API, "kind": _KIND, "response": response})
    return Answered(body=body, allowed=response["allowed"])


def _judged(asked: _Asked) -> Mapping[str, Any]:
    found = _look(asked.object)
    if found.faults and not _stands(asked):
        return {"allowed": False, "status": _refusal(asked.object, found.faults)}
    warnings = [text[:_WARNING] for text in (*_said(found.faults), *found.remarks)]
    return {"allowed": True, **({"warnings": warnings} if warnings else {})}


def _look(body: _Object) -> Alone:
    try:
        return look_alone(read_manifest(body))
    except Faulty as faulty:
        return Alone(faults=faulty.faults)


def _stands(asked: _Asked) -> bool:
    """Say whether the request leaves the spec as it was."""
    old = asked.old_object
    return old is not None and old.get("spec") == asked.object.get("spec")


def _refusal(body: _Object, faults: tuple[Fault, ...]) -> Mapping[str, Any]:
    """Return a Status like those of the API server's own checks, which kubectl shows line by line.

    Clients that don't read causes show its message.
    """
    meta = body.get("metadata")
    causes = [
        {"reason": "FieldValueInvalid", "field": fault.path, "message": fault.message}
        for fault in faults[:_SAID]
    ]
    details = {
        "group": GROUP,
        "kind": str(body.get("kind", "")),
        "name": str(meta.get("name", "")) if isinstance(meta, dict) else "",
        "causes": causes,
    }
    said = "; ".join(_said(faults))
    return {"code": 422, "reason": "Invalid", "message": said, "details": details}


def _said(faults: tuple[Fault, ...]) -> Iterable[str]:
    yield from (str(fault) for fault in faults[:_SAID])
    if len(faults) > _SAID:
        yield f"and {len(faults) - _SAID} more"
