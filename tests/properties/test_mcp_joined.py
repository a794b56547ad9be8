"""Names of several servers lead back to them, and whatever a server says can be renamed."""

from hypothesis import given
from hypothesis import strategies as st

from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.joined.fit import check_page
from ostiary_proxy.mcp.joined.greetings import discovery, greeting
from ostiary_proxy.mcp.joined.lists import joined_list, read_cursor
from ostiary_proxy.mcp.joined.names import (
    joined_id,
    joined_name,
    joined_uri,
    split_id,
    split_name,
    split_uri,
)
from ostiary_proxy.mcp.joined.renamed import renamed
from ostiary_proxy.mcp.joined.requests import acknowledgement, listening
from ostiary_proxy.mcp.message import Notification, Request, Response
from ostiary_proxy.mcp.results import LISTS, BadResult

servers = st.from_regex(r"\A[a-z]([-a-z0-9]{0,18}[a-z0-9])?\Z")
ids = st.text(max_size=40) | st.integers(-(2**53) + 1, 2**53 - 1)
uris = st.text(max_size=40) | st.from_regex(
    r"\A([a-z]{1,3}\+|ui://)?ui://[a-z]{0,3}(/[a-z+]{0,3})?\Z"
)
WORDS = (
    "content", "contents", "messages", "tools", "prompts", "resources", "resourceTemplates", "name",
    "uri", "uriTemplate", "type", "resource", "_meta", "progressToken", "elicitationId", "taskId",
    "task", "tasks", "result", "data", "elicitations", "requestId", "nextCursor", "notifications",
    "resourceSubscriptions", "taskIds", "toolsListChanged", "capabilities", "instructions",
    "protocolVersion", "ttlMs", "io.modelcontextprotocol/related-task", "ui", "resourceUri",
    "ui/resourceUri", "inputSchema", "listChanged", "experimental", "title",
)  # fmt: skip
leaves: st.SearchStrategy[Json] = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from(["", "a", "resource_link", "resource", "b+c://d", "b:s1", "2025-11-25"])
)
anything: st.SearchStrategy[Json] = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4)
    ),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from(WORDS), anything, max_size=5)
methods = st.sampled_from(
    [
        "elicitation/create", "notifications/cancelled", "notifications/resources/updated",
        "notifications/tasks", "notifications/tasks/status", "notifications/elicitation/complete",
        "notifications/message",
    ]
)  # fmt: skip


@given(servers, servers, uris, uris)
def test_names_lead_back_and_two_never_meet(one: str, other: str, first: str, second: str) -> None:
    assert split_name(joined_name(one, first)) == (one, first)
    assert split_uri(joined_uri(one, first)) == (one, first)
    if (one, first) != (other, second):
        assert joined_name(one, first) != joined_name(other, second)
        assert joined_uri(one, first) != joined_uri(other, second)


@given(servers, servers, ids, ids)
def test_ids_lead_back_and_two_never_meet(
    one: str, other: str, first: str | int, second: str | int
) -> None:
    assert split_id(joined_id(one, first)) == (one, first)
    if (one, type(first), first) != (other, type(second), second):
        assert joined_id(one, first) != joined_id(other, second)


@given(st.text(max_size=20) | st.from_regex(r"\A[a-z]:[is]-?[0-9]{1,4}\Z") | anything)
def test_what_is_no_id_of_ours_leads_nowhere_or_back(value: object) -> None:
    found = split_id(value)

    assert found is None or joined_id(*found) == value


@given(objects, methods)
def test_whatever_a_server_says_is_renamed_or_left(said: dict[str, Json], method: str) -> None:
    for message in (
        Response(id=1, result=said, whole={"id": 1, "result": said}),
        Response(id=1, error=said, whole={"id": 1, "error": said}),
        Request(id="x", method=method, params=said, whole={"id": "x", "params": said}),
        Notification(method=method, params=said, whole={"params": said}),
    ):
        renamed(message, "files")


@given(st.dictionaries(servers, objects, min_size=1, max_size=3), st.sampled_from(sorted(LISTS)))
def test_whatever_servers_list_is_joined_or_refused(
    results: dict[str, dict[str, Json]], method: str
) -> None:
    try:
        for result in results.values():
            check_page(method, Response(id=1, result=result))
    except BadResult:
        return
    pages = joined_list(method, results)
    assert pages.cursor is None or read_cursor(pages.cursor).keys() <= results.keys()


@given(st.dictionaries(servers, objects, min_size=1, max_size=3))
def test_whatever_servers_say_of_themselves_is_joined(results: dict[str, dict[str, Json]]) -> None:
    told = {server: {**one, "protocolVersion": "2025-11-25"} for server, one in results.items()}

    assert greeting(told, {"gone": "away"}, "desk")["protocolVersion"] == "2025-11-25"
    assert discovery(results, {}, "desk")["cacheScope"] == "private"
    acknowledgement(results)
    for one in results.values():
        listening({"notifications": one}, "files")
