"""What the webhook answers the API server: one review in, one out."""

from typing import Any

import pytest

from operator_parts import gateway, policy, route
from ostiary.decode.fault import Faulty
from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json, read_json
from ostiary_operator.admission import answer

ALL = {"name": "all", "effect": "Allow", "who": {"everyone": True}}
READERS = {"name": "read", "effect": "Allow", "who": {"groups": ["eng"]}}


def review(body: Any, old: Any = None, **fields: Any) -> bytes:
    asked = {"uid": "7f3a", "operation": "CREATE", "object": body, "oldObject": old, **fields}
    return write_json(
        {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked}
    )


def said(body: Any, old: Any = None) -> dict[str, Json]:
    """Return the response to an object, without what is the same in all."""
    found = read_json(answer(review(body, old)).body)
    assert isinstance(found, dict)
    response = found.pop("response")
    assert found == {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
    assert isinstance(response, dict)
    assert response.pop("uid") == "7f3a"
    return response


def ruled(*rules: Any, **spec: Any) -> dict[str, Any]:
    """Return a policy of these rules."""
    found = policy("rules")
    found["spec"] |= {"rules": list(rules), **spec}
    return found


def message(body: Any) -> str:
    status = said(body)["status"]
    assert isinstance(status, dict)
    return str(status["message"])


@pytest.mark.parametrize("body", [gateway(), route(), ruled(READERS)], ids=lambda b: b["kind"])
def test_what_is_right_is_allowed_without_a_word(body: dict[str, Any]) -> None:
    assert said(body) == {"allowed": True}


def test_a_refusal_names_field_and_mend_as_the_api_server_does() -> None:
    faulty = {**READERS, "when": {"timeZone": "Europe/Atlantis", "days": ["Mon"]}}
    mend = "'Europe/Atlantis' is not an IANA time zone; write it like Europe/Berlin"

    found = said(ruled(faulty))

    field = "spec.rules[0].when.timeZone"
    assert found == {
        "allowed": False,
        "status": {
            "code": 422,
            "reason": "Invalid",
            "message": f"{field}: {mend}",
            "details": {
                "group": "ostiary.dev",
                "kind": "MCPPolicy",
                "name": "rules",
                "causes": [{"reason": "FieldValueInvalid", "field": field, "message": mend}],
            },
        },
    }


FAULTY = {
    "CEL that does not compile": (
        ruled({**READERS, "condition": "caller.groups.exists("}),
        "spec.rules[0].condition: is not a CEL condition",
    ),
    "hours that are none": (
        ruled({**READERS, "when": {"hours": ["9-25"]}}),
        "spec.rules[0].when.hours[0]: ",
    ),
    "a network that is none": (
        ruled({**READERS, "where": {"cidrs": ["10.0.0.1/8"]}}),
        "spec.rules[0].where.cidrs[0]: ",
    ),
    "a pattern that RE2 can't read": (
        ruled({**READERS, "transform": {"redact": [{"pattern": "(?=a)"}]}}),
        "spec.rules[0].transform.redact[0].pattern: ",
    ),
    "a podTemplate that takes confinement away": (
        {
            **gateway(),
            "spec": {
                **gateway()["spec"],
                "proxy": {"podTemplate": {"spec": {"hostNetwork": True}}},
            },
        },
        "spec.proxy.podTemplate.spec.hostNetwork: ",
    ),
    "an address that is none": (route(spec={"to": "ftp://tools"}), "spec.to: "),
    "a name that no pod could have": (route("tools.v1"), "metadata.name: "),
}


@pytest.mark.parametrize("name", FAULTY)
def test_what_only_reading_shows_is_refused(name: str) -> None:
    body, start = FAULTY[name]

    assert message(body).startswith(start)


def test_what_other_objects_decide_is_never_asked() -> None:
    nowhere = {"gatewayRef": {"name": "nowhere"}}

    assert said(route(spec=nowhere)) == {"allowed": True}


def test_what_is_legal_and_yet_suspicious_is_a_warning() -> None:
    everything = "spec.rules[0]: allows everything to everyone who can log in"
    nothing = "spec.mode: every rule is Audit, so this policy allows and refuses nothing"

    assert said(ruled(ALL)) == {"allowed": True, "warnings": [everything]}
    assert said(ruled(ALL, mode="Audit")) == {"allowed": True, "warnings": [nothing]}
    assert said(ruled({**ALL, "match": {"tools": ["read_*"]}})) == {"allowed": True}


def test_an_old_fault_does_not_hold_up_what_leaves_the_spec_alone() -> None:
    old = ruled({**READERS, "condition": "("})
    unlabelled = {**old, "metadata": {**old["metadata"], "finalizers": []}}

    found = said(unlabelled, old)

    warnings = found.pop("warnings")
    assert found == {"allowed": True}
    assert isinstance(warnings, list)
    assert str(warnings[0]).startswith("spec.rules[0].condition: ")
    assert said(ruled({**READERS, "condition": "(("}), old)["allowed"] is False


def test_many_faults_are_cut_short() -> None:
    rules = [{**READERS, "name": f"r{at}", "condition": "("} for at in range(20)]

    status = said(ruled(*rules))["status"]

    assert isinstance(status, dict)
    assert isinstance(status["details"], dict)
    assert len(status["details"]["causes"]) == 16  # type: ignore[arg-type]  # a list
    assert str(status["message"]).endswith("; and 4 more")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"kind": "AdmissionReview"}',
        review("a string"),
        review(None),
        review(route(), uid=""),
        review(route(), uid="x" * 129),
        review(route()).replace(b"k8s.io/v1", b"k8s.io/v1beta1"),
        review(route()).replace(b"AdmissionReview", b"ConversionReview"),
        review(route()) + b"{}",
        b'{"request":' * 200 + b"{}" + b"}" * 200,
    ],
)
def test_what_is_no_review_gets_no_answer(body: bytes) -> None:
    with pytest.raises(Faulty):
        answer(body)
