"""What people may see of the World holds no secret."""

import json
from typing import Any

from operator_parts import gateway, route
from ostiary.translate.world import Platform, SecretFacts
from ostiary_operator.feed import Feed
from ostiary_operator.masked import masked
from ostiary_operator.sources import OURS


def told(*bodies: dict[str, Any]) -> str:
    feed = Feed(Platform(), ("",), lambda: None)
    for found in bodies:
        feed.put(next(source for source in OURS if source.kind.kind == found["kind"]), found)
    secrets = (SecretFacts(namespace="team", name="key", keys={"value": "u/1"}),)
    return json.dumps(masked(feed.seen(secrets)))


def development(password: object) -> dict[str, Any]:
    made = gateway(provider={"dev": {"users": [{"username": "ann", "password": password}]}})
    made["spec"]["publicUrl"] = "http://localhost:8080"
    return made


def test_a_password_of_a_development_user_is_masked() -> None:
    said = told(development("hunter2"))

    assert "ann" in said
    assert "hunter2" not in said


def test_a_spec_that_no_model_reads_is_not_shown() -> None:
    said = told(development(["hunter2"]))

    assert "hunter2" not in said
    assert "spec.identityProvider.dev.users" in said


def test_secrets_are_told_by_the_names_of_their_keys() -> None:
    assert json.loads(told(route()))["secrets"] == [
        {"namespace": "team", "name": "key", "keys": {"value": "u/1"}, "certificate": None}
    ]
