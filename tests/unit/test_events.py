"""An event says that Ready turned, and nothing else is one."""

from typing import Any

import pytest

from ostiary_operator.events import ready_event


def status(ready: str, **more: str) -> dict[str, Any]:
    said = {"type": "Ready", "status": ready, "reason": "Why", "message": "because", **more}
    return {"conditions": [{"type": "Accepted", "status": "True"}, said]}


def test_turning_ready_is_normal_and_ceasing_to_be_a_warning() -> None:
    assert ready_event(status("True"), status("Unknown")) == {
        "type": "Normal", "reason": "Why", "message": "because",
    }  # fmt: skip
    assert ready_event(status("False"), status("True")) == {
        "type": "Warning", "reason": "Why", "message": "because",
    }  # fmt: skip
    assert ready_event(status("True"), {}) is not None


@pytest.mark.parametrize(
    ("now", "before"),
    [
        (status("True", message="other"), status("True")),
        (status("Unknown"), status("True")),
        (status("False"), {}),
        ({}, {}),
    ],
    ids=["another message", "not known", "only begins", "no condition"],
)
def test_nothing_else_is_an_event(now: dict[str, Any], before: dict[str, Any]) -> None:
    assert ready_event(now, before) is None
