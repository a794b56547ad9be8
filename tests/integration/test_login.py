"""`ostiary login` as people and scripts call it, at a real gateway with a provider of its own."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from gateway_parts import (
    Gateway,
    dev,
    free_port,
    gateway_yaml,
    policy_yaml,
    post,
    route_yaml,
    three_files,
    until,
)
from real_parts import everything_server, oidc_provider

RULES = "[{name: all, effect: Allow, who: {everyone: true}}]"
FORM = {"username": "alice", "password": "secret", "approve": "yes"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("login")
    with everything_server(folder, free_port()) as upstream:
        files = three_files(upstream, RULES)
        with dev(folder, files) as running:
            yield running


def login(
    url: str, form: Mapping[str, str], *options: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    fields = [f"--form={name}={value}" for name, value in form.items()]
    return subprocess.run(
        [sys.executable, "-m", "ostiary_cli.main", "login", url, *options, *fields],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **(env or {})},
    )


def claims_of(issued: str) -> dict[str, object]:
    payload = issued.split(".")[1]
    claims: dict[str, object] = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return claims


def test_it_prints_the_token_alone_and_the_story_beside(gateway: Gateway) -> None:
    ended = login(gateway.url(), FORM)

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("\n") == 1
    assert f"Logged in at {gateway.url()}" in ended.stderr
    claims = claims_of(ended.stdout.strip())
    assert (claims["iss"], claims["aud"], claims["sub"]) == (
        gateway.issuer,
        gateway.url(),
        "alice",
    )


def test_json_holds_what_a_script_needs_to_refresh(gateway: Gateway) -> None:
    ended = login(gateway.url(), FORM, "-o", "json")

    said = json.loads(ended.stdout)
    assert set(said) == {
        "access_token", "refresh_token", "expires_in", "scope", "client_id", "issuer", "resource",
    }  # fmt: skip
    assert (said["issuer"], said["resource"]) == (gateway.issuer, gateway.url())
    assert said["refresh_token"]


def test_a_person_logs_in_with_the_browser_that_the_system_opens(
    gateway: Gateway, tmp_path: Path
) -> None:
    (tmp_path / "browse.py").write_text(
        "import sys\n"
        "from urllib.parse import parse_qs, urlsplit\n"
        "from ostiary_cli.headless import Headless\n"
        "back = parse_qs(urlsplit(sys.argv[1]).query)['redirect_uri'][0]\n"
        "browser = Headless()\n"
        f"browser.get(browser.walk(sys.argv[1], fields={FORM!r}, until=back))\n"
    )
    browser = f"{sys.executable} {tmp_path / 'browse.py'} %s"

    ended = login(gateway.url(), {}, env={"BROWSER": browser})

    assert ended.returncode == 0, ended.stderr
    assert claims_of(ended.stdout.strip())["sub"] == "alice"


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({**FORM, "password": "wrong"}, "do not belong together"),
        ({**FORM, "approve": "no"}, "the login was declined (access_denied)"),
        ({"username": "alice"}, "shows its form again"),
        ({"name": "alice"}, "asks for username, password; give one as --form NAME=VALUE"),
    ],
)
def test_it_says_where_the_way_ended(gateway: Gateway, form: dict[str, str], said: str) -> None:
    ended = login(gateway.url(), form)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert said in ended.stderr


def test_a_person_who_is_added_while_it_runs_can_log_in(gateway: Gateway) -> None:
    file = gateway.folder / "gateway.yaml"
    before = file.read_text()
    dora = "        - {username: dora, password: secret, name: Dora}\n"
    file.write_text(before.replace("      users:\n", f"      users:\n{dora}"))
    users = gateway.state / "users.json"
    until(lambda: "dora" in users.read_text())

    ended = login(gateway.url(), {**FORM, "username": "dora"})

    file.write_text(before)
    assert claims_of(ended.stdout.strip())["sub"] == "dora", ended.stderr


def test_it_says_that_the_address_is_no_protected_route(gateway: Gateway) -> None:
    unknown = login(f"{gateway.issuer}/nowhere", FORM)
    nobody = login(f"http://127.0.0.1:{free_port()}/mcp", FORM)

    assert (unknown.returncode, nobody.returncode) == (1, 1)
    assert "where 401 and a challenge were expected" in unknown.stderr
    assert "does not answer" in nobody.stderr


def test_it_sends_nothing_over_plain_http_to_another_machine() -> None:
    ended = login("http://mcp.example.com/mcp", FORM)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert "http://mcp.example.com/mcp is not https" in ended.stderr


def test_people_of_a_provider_that_we_did_not_write_come_in_with_their_groups(
    tmp_path: Path,
) -> None:
    port, upstream_port = free_port(), free_port()
    callback = f"http://localhost:{port}/login/callback"
    rules = "[{name: engineers, effect: Allow, who: {groups: [engineering]}}]"
    with (
        everything_server(tmp_path, upstream_port) as upstream,
        oidc_provider(tmp_path, [callback]) as op,
    ):
        provider = f"""oidc:
      issuer: {op.issuer}
      clientId: {op.client_id}
      clientSecretRef: {{name: op, key: secret}}
      scopes: [openid, email, profile, groups]"""
        secret = f"""apiVersion: v1
kind: Secret
metadata: {{name: op, namespace: default}}
stringData: {{secret: "{op.client_secret}"}}
"""
        files = {
            "gateway.yaml": re.sub(r"localhost:\d+", f"localhost:{port}", gateway_yaml(provider)),
            "route.yaml": route_yaml(upstream),
            "policy.yaml": policy_yaml(rules),
            "secret.yaml": secret,
        }
        form = {"password": "x", "approve": "yes"}
        with dev(tmp_path, files) as gateway:
            alice = login(gateway.url(), {"login": "alice", **form})
            carol = login(gateway.url(), {"login": "carol", **form})
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": _META}
            headers = {"MCP_Protocol_Version": "2026-07-28", "Mcp_Method": "tools/list"}
            allowed = post(gateway.url(), alice.stdout.strip(), body, **headers).json()
            refused = post(gateway.url(), carol.stdout.strip(), body, **headers).json()
            initialized = post(gateway.url(), alice.stdout.strip(), _INITIALIZE)
            doctor = subprocess.run(
                [sys.executable, "-m", "ostiary_cli.main", "doctor", "-f", str(gateway.folder)],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )

    assert len(allowed["result"]["tools"]) > 5
    assert refused["error"]["code"] == -31003
    assert initialized.status == 200
    assert b'"protocolVersion":"2025-06-18"' in initialized.body
    assert "✓ route default/files" in doctor.stdout


_INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
_META = {
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
}
