"""The SDK's conformance client, led through a running gateway: the suite's server is behind it.

`python conformance_client.py URL`: the gateway that `OSTIARY_TEST_GATEWAY` describes serves that
URL from now on, and the client speaks to the gateway, with the token in `OSTIARY_TEST_BEARER`.
"""

import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

import httpx2

sys.path.insert(0, str(Path(__file__).parent.parent))

from gateway_parts import Gateway, route_yaml
from real_parts import SDK

PLAIN = httpx2.AsyncClient.__init__


def with_bearer(client: httpx2.AsyncClient, **options: Any) -> None:
    PLAIN(client, **options)
    client.headers["Authorization"] = f"Bearer {os.environ['OSTIARY_TEST_BEARER']}"


def main() -> None:
    told = json.loads(os.environ["OSTIARY_TEST_GATEWAY"])
    paths = {name: Path(told[name]) for name in ("log", "folder", "state", "keys")}
    gateway = Gateway(ready=told["ready"], process=None, **paths)  # type: ignore[arg-type]
    gateway.change("route.yaml", route_yaml(sys.argv[-1]))
    httpx2.AsyncClient.__init__ = with_bearer  # type: ignore[method-assign]
    client = SDK / ".github" / "actions" / "conformance" / "client.py"
    sys.argv = [str(client), gateway.url()]
    runpy.run_path(str(client), run_name="__main__")


main()
