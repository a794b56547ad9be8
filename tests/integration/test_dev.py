"""`ostiary dev` as a user meets it: edits obeyed, faults shown, nothing forgotten."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_parts import (
    Gateway,
    dev,
    gateway_yaml,
    policy_yaml,
    post,
    three_files,
    until,
)
from sdk_parts import files_server

ALLOW = "[{name: eng, effect: Allow, who: {groups: [eng]}}]"
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with files_server(tmp_path_factory.mktemp("upstream")) as url:
        yield url


@pytest.fixture
def files(upstream: str) -> dict[str, str]:
    return three_files(upstream, ALLOW)


def call(gateway: Gateway, issued: str, tool: str = "read_file", **arguments: str) -> dict:
    """Call a tool in one stateless request; return result or error."""
    params = {"name": tool, "arguments": arguments, "_meta": META}
    message = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}
    headers = {
        "MCP_Protocol_Version": "2026-07-28",
        "Mcp_Method": "tools/call",
        "Mcp_Name": tool,
    }
    answer = post(gateway.url(), issued, message, **headers)
    assert answer.status == 200, answer.body
    body = answer.body
    if answer.headers["content-type"].startswith("text/event-stream"):
        body = re.findall(rb"^data: (.*)$", body, re.MULTILINE)[-1]
    return json.loads(body)


def test_a_policy_that_is_edited_is_obeyed_by_the_next_call(
    tmp_path: Path, files: dict[str, str]
) -> None:
    with dev(tmp_path, files) as gateway:
        issued = gateway.log_in()
        allowed = call(gateway, issued, path="a.txt")
        gateway.change("policy.yaml", policy_yaml("[{name: x, effect: Deny}]"))
        denied = call(gateway, issued, path="a.txt")

    assert allowed["result"]["content"][0]["text"] == "contents of a.txt"
    assert denied["error"]["code"] == -32602


def test_how_arguments_are_recorded_is_obeyed_by_the_next_record(
    tmp_path: Path, files: dict[str, str]
) -> None:
    with dev(tmp_path, files) as gateway:
        issued = gateway.log_in()
        call(gateway, issued, path="a.txt", password="hidden")
        full = files["gateway.yaml"] + "  audit: {arguments: Full, durability: Disk}\n"
        gateway.change("gateway.yaml", full)
        call(gateway, issued, path="a.txt", password="shown")
        verified = gateway.ostiary("audit", "verify", "--keys", str(gateway.keys))
        written = "".join(gateway.lines())

    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert ("hidden" in written, "shown" in written) == (False, True)


def test_a_fault_is_shown_with_its_line_and_the_last_good_configuration_goes_on(
    tmp_path: Path, files: dict[str, str]
) -> None:
    with dev(tmp_path, files) as gateway:
        issued = gateway.log_in()
        (gateway.folder / "policy.yaml").write_text(policy_yaml("[{name: x, effect: Alow}]"))
        until(lambda: "policy.yaml:6:" in gateway.log.read_text())
        still = call(gateway, issued, path="a.txt")

    assert "result" in still


def test_a_gateway_that_goes_away_leaves_the_last_good_configuration(
    tmp_path: Path, files: dict[str, str]
) -> None:
    with dev(tmp_path, files) as gateway:
        issued = gateway.log_in()
        for name in ("route.yaml", "policy.yaml", "gateway.yaml"):
            (gateway.folder / name).rename(gateway.folder / f".{name}")
        (gateway.folder / "other.yaml").write_text(gateway_yaml().replace("name: gw", "name: b"))
        until(lambda: "the MCPGateway default/gw has gone" in gateway.log.read_text())
        still = call(gateway, issued, path="a.txt")

    assert "result" in still


def test_a_gateway_that_can_not_be_read_is_shown_with_its_line(
    tmp_path: Path, files: dict[str, str]
) -> None:
    folder = tmp_path / "yaml"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text.replace("publicUrl", "publicUri"))
    places = ["--state", str(tmp_path / "state"), "--keys", str(tmp_path / "keys")]
    ended = subprocess.run(
        [sys.executable, "-m", "ostiary_cli.main", "dev", "-f", str(folder), *places],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    assert "gateway.yaml:" in ended.stderr
    assert "spec.publicUrl: required field is missing" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_restart_logs_nobody_out(tmp_path: Path, files: dict[str, str]) -> None:
    with dev(tmp_path, files) as gateway:
        issued = gateway.log_in()
        first = gateway.ready
    with dev(tmp_path, files) as gateway:
        again = call(gateway, issued, path="a.txt")
        second = gateway.ready

    assert "result" in again
    assert second["routes"] == first["routes"]


def test_a_busy_port_is_given_way_to(tmp_path: Path, files: dict[str, str]) -> None:
    wanted = int(re.findall(r"localhost:(\d+)", files["gateway.yaml"])[0])
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", wanted))
        busy.listen()
        with dev(tmp_path, files) as gateway:
            issued = gateway.log_in()
            answer = call(gateway, issued, path="a.txt")
            log = gateway.log.read_text()

    assert f"port {wanted} is busy" in log
    assert "result" in answer


def test_the_ready_file_says_where_everything_is(tmp_path: Path, files: dict[str, str]) -> None:
    with dev(tmp_path, files) as gateway:
        ready = dict(gateway.ready)

        assert ready.pop("pid") == gateway.process.pid

    issuer = ready.pop("issuer")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", ready.pop("adminUrl"))
    assert ready == {
        "revision": 1,
        "routes": [
            {
                "name": "files",
                "namespace": "default",
                "url": f"{issuer}/default/files",
                "issuer": issuer,
                "ready": True,
            }
        ],
    }


def test_no_process_outlives_it_even_when_it_is_killed(
    tmp_path: Path, files: dict[str, str]
) -> None:
    with dev(tmp_path, files) as gateway:
        pid = json.loads((gateway.state / "proxy-ready.json").read_text())["pid"]
        gateway.process.kill()
        gateway.process.wait(10)
        until(lambda: not Path(f"/proc/{pid}").exists() or _is_zombie(pid))


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-f", "nowhere"], "no such file or folder"),
        (["--to", "npx some-server"], "needs a bridge"),
        (["--to", "ftp://example.com"], "not an http or https URL"),
        ([], "give either -f FOLDER or --to URL"),
    ],
)
def test_what_can_not_be_served_is_said_with_its_mend(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "ostiary_cli.main", "dev", *arguments],
        cwd=tmp_path,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode != 0
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_to_needs_no_yaml_and_reset_forgets_it(tmp_path: Path, upstream: str) -> None:
    environ = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    ready, log = tmp_path / "ready.json", tmp_path / "log"
    command = [sys.executable, "-m", "ostiary_cli.main", "dev", "--to", upstream]
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [*command, "--ready-file", str(ready)], env=environ, stdout=sink, stderr=sink
        )
    try:
        until(ready.exists, seconds=40)
    finally:
        process.terminate()
        process.wait(20)
    said = log.read_text()
    reset = subprocess.run(
        [*command, "reset", "--yes"], env=environ, capture_output=True, text=True, check=False
    )

    assert "Log in as dev with password" in said
    assert "claude mcp add" in said
    assert reset.returncode == 0, reset.stderr
    assert list(tmp_path.glob("ostiary/*")) == []
