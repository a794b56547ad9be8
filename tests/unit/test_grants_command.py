"""`ostiary grants` and `ostiary accounts` against an admin port that answers as agreed."""

import json
import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner, Result

from audit_parts import NOW
from ostiary_cli.main import main

GRANT = {
    "gid": "p1.g1",
    "user": "mara@example.com",
    "client": "https://claude.ai/client",
    "route": "default/git\u202e",
    "expires": NOW,
}
ENDS = "until 2027-01-15 08:00"


class Admin(HTTPServer):
    """Remembers what it was asked and answers what the test put."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str, str | None, Any]] = []
        self.answers: list[tuple[int, Any]] = []


class Handler(BaseHTTPRequestHandler):
    """Answers GET and POST alike."""

    server: Admin

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        said = json.loads(body) if body else None
        token = self.headers["authorization"]
        self.server.asked.append((self.command, self.path, token, said))
        status, answer = self.server.answers.pop(0)
        raw = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    do_POST = do_GET  # noqa: N815 - the server's naming

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def admin(tmp_path: Path) -> Iterator[Admin]:
    server = Admin()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    ready = {"admin": f"127.0.0.1:{server.server_port}", "pid": 1}
    (tmp_path / "proxy-ready.json").write_text(json.dumps(ready))
    (tmp_path / "admin-token").write_text("hush\n")
    (tmp_path / "admin-token").chmod(0o600)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def run(state: Path, *arguments: str) -> Result:
    located = ["--state", str(state)]
    return CliRunner().invoke(main, ["grants", arguments[0], *located, *arguments[1:]])


def test_list_prints_a_line_a_grant(admin: Admin, tmp_path: Path) -> None:
    admin.answers = [(200, {"grants": [GRANT]})]

    result = run(tmp_path, "list", "--user", "mara@example.com", "--route", "default/git")

    assert (result.exit_code, result.output) == (
        0,
        f"p1.g1  mara@example.com  {GRANT['client']}  default/git\\u{{202e}}  {ENDS}\n",
    )
    path = "/grants?user=mara@example.com&route=default/git"
    assert admin.asked == [("GET", path, "Bearer hush", None)]


def test_list_prints_json_for_scripts(admin: Admin, tmp_path: Path) -> None:
    admin.answers = [(200, {"grants": [GRANT]})]

    assert json.loads(run(tmp_path, "list", "-o", "json").stdout) == [GRANT]
    assert admin.asked[0][1] == "/grants"


def test_list_asks_until_there_is_no_next_page(admin: Admin, tmp_path: Path) -> None:
    other = {**GRANT, "gid": "p1.g2"}
    admin.answers = [(200, {"grants": [GRANT], "next": "p1.g1"}), (200, {"grants": [other]})]

    result = run(tmp_path, "list", "--client", "c", "-o", "json")

    assert json.loads(result.stdout) == [GRANT, other]
    assert [path for _, path, _, _ in admin.asked] == [
        "/grants?client=c",
        "/grants?client=c&after=p1.g1",
    ]


@pytest.mark.parametrize(
    ("arguments", "selector"),
    [
        (["p1.g1"], {"gid": "p1.g1"}),
        (["--user", "mara@example.com"], {"user": "mara@example.com"}),
        (["--client", "c1"], {"client": "c1"}),
    ],
)
def test_revoke_asks_for_one_thing(
    admin: Admin, tmp_path: Path, arguments: list[str], selector: dict[str, str]
) -> None:
    admin.answers = [(200, {"revoked": 2})]

    result = run(tmp_path, "revoke", *arguments)

    assert (result.exit_code, result.output) == (0, "revoked 2 grants\n")
    assert admin.asked == [("POST", "/grants/revoke", "Bearer hush", selector)]


def test_revoking_nothing_is_told_by_the_exit_code(admin: Admin, tmp_path: Path) -> None:
    admin.answers = [(200, {"revoked": 0})]

    assert run(tmp_path, "revoke", "gone").exit_code == 1


@pytest.mark.parametrize("arguments", [[], ["g1", "--user", "u"]])
def test_revoke_never_guesses_what_is_meant(
    admin: Admin, tmp_path: Path, arguments: list[str]
) -> None:
    assert run(tmp_path, "revoke", *arguments).exit_code == 2
    assert admin.asked == []


def test_a_refusal_of_the_proxy_is_passed_on(admin: Admin, tmp_path: Path) -> None:
    admin.answers = [(401, {"error": "send the token"})]

    result = run(tmp_path, "list")

    assert (result.exit_code, result.stderr) == (
        1, "Error: the proxy refused (401): send the token\n",
    )  # fmt: skip


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_a_token_file_that_others_can_read_is_not_used(admin: Admin, tmp_path: Path) -> None:
    (tmp_path / "admin-token").chmod(0o644)

    result = run(tmp_path, "list")

    assert (result.exit_code, "chmod 600" in result.output, admin.asked) == (1, True, [])


def test_a_proxy_that_is_not_there_is_told_with_the_mend(tmp_path: Path) -> None:
    result = run(tmp_path, "list")

    assert (result.exit_code, "start `ostiary dev`" in result.output) == (1, True)


def test_the_token_is_never_sent_in_clear_to_another_machine(admin: Admin, tmp_path: Path) -> None:
    result = run(tmp_path, "list", "--admin-url", "http://mcp.example.com:9000")

    assert (result.exit_code, "must be https" in result.output) == (1, True)


def test_accounts_are_listed_and_revoked_for_one_person(admin: Admin, tmp_path: Path) -> None:
    account = {
        "user": "mara@example.com", "route": "default/git", "service": "https://git.example",
        "scopes": ["repo", "user"], "dead": True,
    }  # fmt: skip
    admin.answers = [(200, {"accounts": [account]}), (200, {"revoked": 1})]
    named = ["--state", str(tmp_path), "--user", "mara@example.com"]

    shown = CliRunner().invoke(main, ["accounts", "list", *named])
    ended = CliRunner().invoke(main, ["accounts", "revoke", *named, "--route", "default/git"])

    assert shown.output == "mara@example.com  default/git  https://git.example  repo user  dead\n"
    assert ended.output == "revoked 1 account\n"
    selector = {"user": "mara@example.com", "route": "default/git"}
    assert admin.asked == [
        ("GET", "/accounts?user=mara@example.com", "Bearer hush", None),
        ("POST", "/accounts/revoke", "Bearer hush", selector),
    ]
