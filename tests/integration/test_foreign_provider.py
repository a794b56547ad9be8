"""People log in at an identity provider that we did not write, and its groups decide."""

import re
import subprocess
import sys
from pathlib import Path

from gateway_parts import dev, gateway_yaml, policy_yaml, post, route_yaml
from real_parts import oidc_provider
from sdk_parts import files_server

SECRET = """apiVersion: v1
kind: Secret
metadata: {name: oidc, namespace: default}
stringData: {secret: "the secret of a test client"}
"""


def test_a_person_logs_in_at_a_provider_that_we_did_not_write(tmp_path: Path) -> None:
    template = gateway_yaml("oidc: {issuer: ISSUER, clientId: ostiary, clientSecretRef: REF}")
    port = re.findall(r"localhost:(\d+)", template)[0]
    callback = f"http://localhost:{port}/login/callback"
    with oidc_provider(tmp_path, [callback]) as provider, files_server(tmp_path) as upstream:
        files = {
            "gateway.yaml": template.replace("ISSUER", provider.issuer).replace(
                "REF", "{name: oidc, key: secret}"
            ),
            "secret.yaml": SECRET,
            "route.yaml": route_yaml(upstream),
            "policy.yaml": policy_yaml("[{name: all, effect: Allow, who: {everyone: true}}]"),
        }
        with dev(tmp_path, files) as gateway:
            command = [sys.executable, "-m", "ostiary_cli.main", "login", gateway.url()]
            form = ["--form=login=alice", "--form=password=x", "--form=approve=yes"]
            ended = subprocess.run(
                [*command, *form], capture_output=True, text=True, timeout=60, check=False
            )
            assert ended.returncode == 0, ended.stderr + gateway.log.read_text()
            initialize = {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "initialize",
                "params": {
                    "protocolVersion": "2025-06-18",
                    "capabilities": {},
                    "clientInfo": {"name": "test", "version": "1"},
                },
            }
            answer = post(gateway.url(), ended.stdout.strip(), initialize)
            doctor = subprocess.run(
                [sys.executable, "-m", "ostiary_cli.main", "doctor", "-f", str(gateway.folder)],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )

    assert answer.status == 200
    assert b'"protocolVersion":"2025-06-18"' in answer.body
    assert "✓ route default/files" in doctor.stdout
