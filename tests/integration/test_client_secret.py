"""A client secret that is changed in its Secret is the one that the next token request carries."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from door_parts import Door, Resource
from gateway_parts import dev, three_files, until
from sdk_parts import files_server

RULES = "[{name: all, effect: Allow, who: {everyone: true}}]"


@dataclass
class Service:
    """A service whose tokens live a second; `secrets` are those it was shown, in order."""

    url: str = ""
    secrets: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def service() -> Iterator[Service]:
    it = Service()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)
            back = urlencode({"code": "c", "state": asked["state"][0]})
            self.send_response(302)
            self.send_header("Location", f"{asked['redirect_uri'][0]}?{back}")
            self.end_headers()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            sent = {name: values[0] for name, values in parse_qs(body).items()}
            it.secrets.append((sent["grant_type"], sent["client_secret"]))
            answer = {"access_token": "a", "refresh_token": "r", "token_type": "Bearer"}
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps({**answer, "expires_in": 1}).encode())

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    it.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield it
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def secret(value: str) -> str:
    return f"""apiVersion: v1
kind: Secret
metadata: {{name: service, namespace: default}}
stringData: {{secret: {value}}}
"""


def test_the_next_token_request_carries_a_client_secret_that_was_changed(tmp_path: Path) -> None:
    with service() as at, files_server(tmp_path, json_answers=True) as upstream:
        oauth2 = f"""{{upstreamOAuth2: {{clientId: us, scopes: [s],
    clientSecretRef: {{name: service, key: secret}},
    endpoint: {{authUrl: "{at.url}/authorize", tokenUrl: "{at.url}/token",
                authStyle: InParams}}}}}}"""
        files = {**three_files(upstream, RULES), "secret.yaml": secret("CANARY-one")}
        files["route.yaml"] = files["route.yaml"].replace("mcp: {}", f"mcp: {oauth2}")
        with dev(tmp_path, files) as gateway:
            door = Door(listen=urlsplit(gateway.issuer).netloc, origin=gateway.issuer)
            route, issued = Resource(url=gateway.url()), gateway.log_in()
            pid = json.loads((gateway.state / "proxy-ready.json").read_text())["pid"]
            gateway.change("secret.yaml", secret("CANARY-two"))
            at.secrets.append(("the Secret", "changed"))

            def refreshed() -> bool:
                assert route.call(door, issued).status == 200
                return at.secrets[-1][0] == "refresh_token"

            until(refreshed)

            now = json.loads((gateway.state / "proxy-ready.json").read_text())["pid"]
            changed = at.secrets.index(("the Secret", "changed"))
            assert at.secrets[0] == ("authorization_code", "CANARY-one")
            assert {value for _, value in at.secrets[changed + 1 :]} == {"CANARY-two"}
            assert now == pid
            assert not any("CANARY" in line for line in gateway.lines())
