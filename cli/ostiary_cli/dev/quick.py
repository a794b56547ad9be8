"""The YAML behind `ostiary dev --to URL`: a gateway, a route, and a policy for one person."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ostiary.crypto.seal import Entropy

__all__ = ["Quick", "refuse_command", "write_quick"]

_PEOPLE = "abcdefghijkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quick:
    """What was written: the folder, and the one person who may log in."""

    folder: Path
    username: str
    password: str


def refuse_command(target: str) -> str | None:
    """Return what is wrong with a target that is no web address, with the mend.

    None for a good one.
    """
    parts = urlsplit(target)
    if parts.scheme in ("http", "https") and parts.hostname:
        return None
    if " " in target or "/" not in target or not parts.scheme:
        return (
            f"{target[:80]!r} is no URL. Ostiary speaks to MCP servers over HTTP; a server on "
            "stdio needs a bridge, such as `npx mcp-proxy --port 3000 -- COMMAND`, and then "
            "`ostiary dev --to http://127.0.0.1:3000/mcp`"
        )
    return f"{target[:80]!r} is not an http or https URL"


def write_quick(target: str, folder: Path, *, entropy: Entropy) -> Quick:
    """Write the YAML for `target` into `folder` (mode 0700) and return what it says.

    Files that are there stay as they are, so that a password, and edits, outlive a restart.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    password = "-".join("".join(_PEOPLE[b % 32] for b in entropy(4)) for _ in range(3))
    texts = {
        "gateway.yaml": _GATEWAY.format(password=password),
        "route.yaml": _ROUTE.format(name=_name(target), url=target),
        "policy.yaml": _POLICY.format(name=_name(target)),
    }
    for name, text in texts.items():
        path = folder / name
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(text)
    kept = re.search(r"password: \"?([^\"\n]+)", (folder / "gateway.yaml").read_text())
    return Quick(folder=folder, username="dev", password=kept[1] if kept else password)


def _name(target: str) -> str:
    """Return a name for the route, made of the target's host."""
    host = (urlsplit(target).hostname or "").split(".")[0].lower()
    plain = re.sub(r"[^a-z0-9-]", "-", host).strip("-")
    return plain if plain and not plain.isdigit() and plain != "localhost" else "mcp"


_GATEWAY = """\
# One gateway on this machine, with a development identity provider and one person.
apiVersion: ostiary.dev/v1alpha1
kind: MCPGateway
metadata:
  name: dev
  namespace: default
spec:
  default: true
  publicUrl: http://localhost:8080
  identityProvider:
    dev:
      users:
        - username: dev
          password: "{password}"
          email: dev@example.com
          groups: [developers]
"""

_ROUTE = """\
# The MCP server, behind http://localhost:8080/default/{name}
apiVersion: ostiary.dev/v1alpha1
kind: MCPRoute
metadata:
  name: {name}
  namespace: default
spec:
  to: {url}
  name: {name}
  mcp: {{}}
"""

_POLICY = """\
# Who may do what. Edit it while Ostiary runs: the next call obeys.
apiVersion: ostiary.dev/v1alpha1
kind: MCPPolicy
metadata:
  name: {name}
  namespace: default
spec:
  targetRefs:
    - group: ostiary.dev
      kind: MCPRoute
      name: {name}
  rules:
    - name: developers-use-everything
      effect: Allow
      who:
        groups: [developers]
    - name: developers-answer-the-server
      effect: Allow
      match:
        server: [elicitation/form, elicitation/url, sampling, roots]
      who:
        groups: [developers]
"""
