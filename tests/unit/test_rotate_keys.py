"""Which keys the annotation asks for."""

import pytest

from ostiary.translate.rotate_keys import asked_rings, misasked


@pytest.mark.parametrize(
    ("asked", "rings"),
    [
        ("access", ["access"]),
        ("seal,access 2026-11-28", ["access", "seal"]),
        ("all again", ["access", "internal", "audit", "seal"]),
        ("acess,internal", []),
        ("access, internal", []),
        ("ALL", []),
        ("", []),
    ],
)
def test_rings_are_asked_for_by_name_and_a_name_too_many_asks_for_none(
    asked: str, rings: list[str]
) -> None:
    assert list(asked_rings(asked)) == rings


@pytest.mark.parametrize("asked", ["acess,internal", "access, internal", "ALL", " "])
def test_a_name_that_is_none_is_said(asked: str) -> None:
    (problem,) = misasked(asked)

    assert problem.path == "metadata.annotations[ostiary.dev/rotate-keys]"


@pytest.mark.parametrize("asked", ["", "access", "all x"])
def test_nothing_is_said_of_what_is_obeyed(asked: str) -> None:
    assert misasked(asked) == ()
