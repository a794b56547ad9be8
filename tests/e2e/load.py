"""Load from inside the cluster: a plain HTTP client that calls over the gateway's Service."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from e2e.gateways import Fleet
from e2e.kubectl import eventually
from e2e.pods import PYTHON, pod

__all__ = ["Load", "under_load"]

_CLIENT = """
import http.client, json, signal, sys, threading

service, port, path, issued, callers = sys.argv[1:]
said = {"allowed": 0, "refused": 0, "broken": [], "failed": [], "wrong": []}
ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(True))


def call(tool):
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": tool, "arguments": {}, "_meta": meta}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    headers = {
        "Host": f"localhost:{port}", "Authorization": f"Bearer {issued}",
        "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28", "MCP-Method": "tools/call", "MCP-Name": tool,
    }
    connection = http.client.HTTPConnection(service, int(port), timeout=10)
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def judge(tool, outcome):
    try:
        status, text = call(tool)
    except (OSError, http.client.HTTPException) as error:
        said["broken"].append(type(error).__name__)
        return
    is_refused = "or not permitted" in text
    if status != 200:
        said["failed"].append(f"{status} {text}")
    elif is_refused != (outcome == "refused"):
        said["wrong"].append(f"{tool}: {text}")
    else:
        said[outcome] += 1


def work():
    while not ended:
        judge("list_files", "allowed")
        judge("write_file", "refused")


threads = [threading.Thread(target=work) for _ in range(int(callers))]
for thread in threads:
    thread.start()
print("begun", flush=True)
for thread in threads:
    thread.join()
print(json.dumps(said), flush=True)
"""
_END = "import os, signal; os.kill(1, signal.SIGTERM)"


@dataclass(slots=True, kw_only=True)
class Load:
    """What its calls came to; known once the context has ended.

    `broken` are calls that got no answer, by the name of the error; `failed` got one that is none.
    """

    allowed: int = 0
    refused: int = 0
    broken: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


@contextmanager
def under_load(fleet: Fleet, image: str, issued: str, *, callers: int = 1) -> Iterator[Load]:
    """Call two tools in turn while the context lasts; `write_file` has to be refused.

    Each caller has one call under way at a time.
    """
    kubectl, load = fleet.kubectl, Load()
    service = f"ostiary-main.{kubectl.namespace}.svc"
    to = (service, str(fleet.port), fleet.path, issued, str(callers))
    command = (PYTHON, "-c", _CLIENT, *to)
    kubectl.apply(pod("load", image, command=command))
    kubectl.wait_for("pod/load")
    eventually(lambda: "begun" in kubectl.logs("pod/load"))
    yield load
    kubectl("exec", "load", "--", PYTHON, "-c", _END)
    kubectl("wait", "pod/load", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=30s")
    for name, value in json.loads(kubectl.logs("pod/load").splitlines()[-1]).items():
        setattr(load, name, value)
    kubectl("delete", "pod/load")
