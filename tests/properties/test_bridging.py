"""Bridging there and back: nothing is lost that both eras know, nothing new gets through."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import read_json
from ostiary_proxy.mcp.bridge.declared import declared_in
from ostiary_proxy.mcp.bridge.from_legacy import completed, failed
from ostiary_proxy.mcp.bridge.from_modern import answered, asking, error_of, result_of, wanted_in
from ostiary_proxy.mcp.bridge.newer_table import REQUESTS, Way
from ostiary_proxy.mcp.bridge.to_legacy import called
from ostiary_proxy.mcp.bridge.to_modern import CallEnds, retried, standing_alone
from ostiary_proxy.mcp.envelope import Misread, read_message
from ostiary_proxy.mcp.message import Request, Response
from ostiary_proxy.mcp.results import BadResult
from ostiary_proxy.pipeline.bridge.newer.bridged import Bridged, bridged_in
from ostiary_proxy.pipeline.bridge.older.questions import Questions
from ostiary_proxy.pipeline.session import Session
from ostiary_proxy.refused import Refused

NEW = {"resultType", "ttlMs", "cacheScope", "inputRequests", "requestState"}
SET_BY_US = {"_meta", "inputResponses", "requestState", "task"}
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=4,
)
OBJECT = st.dictionaries(TEXT, JSON, max_size=4)
METHOD = st.sampled_from([name for name, way in REQUESTS.items() if way is Way.FORWARDED])
DECLARED = st.fixed_dictionaries(
    {},
    optional={
        "capabilities": st.fixed_dictionaries(
            {},
            optional={
                "elicitation": st.dictionaries(st.sampled_from(["form", "url", "x"]), OBJECT),
                "sampling": st.dictionaries(st.sampled_from(["tools", "context", "x"]), OBJECT),
                "roots": OBJECT,
                "tasks": OBJECT,
            },
        )
        | JSON,
        "clientInfo": st.fixed_dictionaries({"name": st.text(), "version": st.text()}) | JSON,
    },
)


@given(METHOD, OBJECT, OBJECT, DECLARED)
def test_a_request_comes_back_as_it_was(
    method: str, params: dict[str, Any], meta: dict[str, Any], declared: dict[str, Any]
) -> None:
    said = {name: value for name, value in params.items() if name not in SET_BY_US}
    said |= {"_meta": meta} if meta else {}

    there = standing_alone(method, said, declared_in(declared), request_id=7, level="info")
    back = called(there, 7)

    kept = {**said, "_meta": {**meta, "progressToken": 7}} if "progressToken" in meta else said
    assert (back.method, back.params) == (method, kept)


@given(METHOD, OBJECT)
def test_a_result_comes_back_as_it_was(method: str, result: dict[str, Any]) -> None:
    said = {name: value for name, value in result.items() if name not in {*NEW, "_meta", "tools"}}
    if not isinstance(said.get("structuredContent", {}), dict):
        del said["structuredContent"]
    said |= {"tools": []} if method == "tools/list" else {}

    there = completed(method, said, {"serverInfo": {"name": "s", "version": "1"}})

    assert result_of(method, there) == said


@given(st.sampled_from([-32700, -32603, -32602, -32601, -32600, -32002, -31003, 1]), OBJECT)
def test_an_error_comes_back_with_its_code(code: int, data: dict[str, Any]) -> None:
    request = Request(id=1, method="resources/read", params={"uri": "file:///a"})

    there = failed({"code": code, "message": "no", "data": data}, "file:///a")

    assert error_of(request, there)["code"] == code


@given(DECLARED, st.booleans(), st.booleans(), st.booleans())
def test_what_was_declared_is_read_back_from_the_sessions_id(
    params: dict[str, Any], logs: bool, subscribes: bool, tasks: bool
) -> None:
    declared = declared_in(params)
    bridged = Bridged(declared=declared, logs=logs, subscribes=subscribes, tasks=tasks)
    text = bridged.text()

    session = Session(upstream=text, version="2025-11-25", issued_at=0.0, key="k")

    assert bridged_in(session) == bridged
    assert (text.isascii(), text.isprintable(), len(text) <= 256) == (True, True, True)


def test_a_session_in_the_form_of_another_version_is_unknown() -> None:
    old = base64.urlsafe_b64encode(b"01\0\0").decode()
    session = Session(upstream=f"ostiary-bridged.{old}", version="2025-11-25", issued_at=0, key="k")

    with pytest.raises(Refused) as caught:
        bridged_in(session)

    assert caught.value.code == "UnknownSession"


@given(METHOD, OBJECT, DECLARED, st.sampled_from(["complete", "input_required", "task", None]))
def test_whatever_a_server_says_nothing_new_reaches_a_legacy_client(
    method: str, result: dict[str, Any], params: dict[str, Any], kind: str | None
) -> None:
    said = result if kind is None else {**result, "resultType": kind}
    request, response = Request(id="r", method=method, params={}), Response(id=1, result=said)
    try:
        wanted = wanted_in(response, retried=method in ("tools/call", "prompts/get"))
        if wanted is None:
            answer = answered(request, response, 1)
            assert isinstance(answer["result"], dict)
            assert NEW & answer["result"].keys() == set()
            read_json(write_json(answer))
            return
        for one in asking(wanted.entries, declared_in(params), prefix="d"):
            assert isinstance(read_message(write_json(one.request.whole)), Request)
    except (BadResult, CallEnds, Misread):
        return


@given(METHOD, OBJECT, st.dictionaries(TEXT, OBJECT, max_size=2), JSON)
def test_a_call_made_again_differs_in_nothing_but_what_was_asked_for(
    method: str, params: dict[str, Any], answers: dict[str, Any], state: Any
) -> None:
    first = standing_alone(method, params, declared_in({}), request_id=1)

    again = retried(first, answers, state, request_id="d.1")

    added = {"inputResponses": answers} if answers else {}
    added |= {} if state is None else {"requestState": state}
    assert (again.id, again.params) == ("d.1", {**first.params, **added})


IDS = st.lists(st.integers(0, 9) | st.sampled_from("0123456789"), unique_by=repr, max_size=16)
NAMES = st.sets(st.integers(0, 20).map("question-{}".format))


@given(IDS, st.lists(NAMES, max_size=4))
def test_each_question_is_answered_once_to_the_request_that_asked_it(
    ids: list[int | str], rounds: list[set[str]]
) -> None:
    questions, asked, told = Questions(), {}, []
    for number, request_id in enumerate(ids, 1):
        questions.ask(Request(id=request_id, method="roots/list"))
        asked[f"question-{number}"] = request_id

    for names in rounds:
        told += questions.answered({name: {"name": name} for name in names})

    given_to = {response.result["name"]: response.id for response in told if response.result}
    assert given_to == {name: asked[name] for name in asked if any(name in one for one in rounds)}
    assert len(told) == len(given_to) == len(ids) - len(questions)
