"""Installs the parts that the tests run and that Ostiary did not write, once, into `.cache/parts`.

Debian's packages come from apt-get where this is root; elsewhere the one command to run is
printed. Go builds the code of GitOps tools. `make test` calls this; it says what it does while it
does it.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "parts"
PINS = ROOT / "tests" / "parts"
TOOLS = ROOT / "tests" / "tools"
PROGRAMS = {
    "node": "nodejs", "npm": "npm", "chromium": "chromium", "redis-server": "redis-server",
    "faketime": "faketime", "nginx": "nginx", "promtool": "prometheus",
}  # fmt: skip
"""Program → Debian package."""
PEERS = ("mcp-1", "fastmcp")
GATEWAY_API = (
    "sigs.k8s.io/gateway-api", "v1.6.3", "h1:lKpJa5bGlraC/QeACvCpsHLdmO6y0iKfzVl6gzaFEYc=",
)  # fmt: skip
"""Go module, version and sum."""


class PartMissing(Exception):  # noqa: N818 - a statement
    """A part can't be installed; the text says what to do."""


def main() -> int:
    """Install what is missing; return 1 where something stays missing and CI must not go on."""
    return install_all(
        install_programs,
        install_node_parts,
        install_sdk_servers,
        install_peers,
        fetch_crds,
        build_readers,
        build_go_peer,
    )


def install_all(*steps: Callable[[], object]) -> int:
    """Install one after the other; return 1 where CI must not go on."""
    missing = []
    for install in steps:
        try:
            install()
        except PartMissing as problem:
            missing.append(str(problem))
            print(f"✗ {problem}", flush=True)
    if missing and os.environ.get("CI") == "true":
        return 1
    if missing:
        print("The tests that need these parts will be skipped, loudly.", flush=True)
    return 0


def install_programs(programs: Mapping[str, str] = PROGRAMS) -> None:
    """Install programs from Debian's packages."""
    packages = [package for program, package in programs.items() if not shutil.which(program)]
    if not packages:
        say(f"{', '.join(programs.values())} are here")
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        shown = " ".join(command)
        raise PartMissing(f"{', '.join(packages)}: install with: sudo {shown}")
    say(f"installing {', '.join(packages)} with apt-get (a minute or two)")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-qq"], env=quiet)
    run([*command, "-qq"], env=quiet)


def install_node_parts() -> None:
    """Install Node.js, oidc-provider, the conformance suite and MCP peers for it, as locked."""
    wanted = digest(PINS / "package-lock.json")
    stamp = CACHE / "node" / ".installed"
    if stamp.exists() and stamp.read_text() == wanted:
        say("oidc-provider, the MCP conformance suite and the peers in TypeScript are here")
        return
    if not shutil.which("npm"):
        raise PartMissing("oidc-provider, the MCP conformance suite and TypeScript peers need npm")
    say("installing oidc-provider, the MCP conformance suite and peers with npm (half a minute)")
    folder = CACHE / "node"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(PINS / name, folder / name)
    run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder)
    stamp.write_text(wanted)


def install_sdk_servers() -> None:
    """Unpack the example servers of the installed MCP SDK out of its source distribution."""
    release = f"mcp-{version('mcp')}"
    if (CACHE / release / "examples").is_dir():
        say("the MCP SDK's example servers are here")
        return
    say(f"fetching the source distribution of {release.replace('-', ' ')}")
    download = CACHE / "download"
    pinned = release.replace("-", "==")
    run([*pip(), "download", "-q", "--disable-pip-version-check", "--no-deps", "--no-binary", "mcp",
         pinned, "-d", str(download)])  # fmt: skip
    with tarfile.open(download / f"{release}.tar.gz") as archive:
        archive.extractall(CACHE, filter="data")


def install_peers() -> None:
    """Install the MCP peers in Python that can't live beside ours, each in a place of its own."""
    for name in PEERS:
        lock, place = PINS / f"{name}.lock", peer(name).parent.parent
        stamp = place / ".installed"
        if stamp.exists() and stamp.read_text() == digest(lock):
            say(f"{name} is here")
            continue
        say(f"installing {name} with pip (half a minute)")
        shutil.rmtree(place, ignore_errors=True)
        run([sys.executable, "-m", "venv", "--without-pip", str(place)])
        run([*pip(), "--python", str(peer(name)), "install", "-q", "--disable-pip-version-check",
             "--require-hashes", "-r", str(lock)])  # fmt: skip
        stamp.write_text(digest(lock))


def peer(name: str) -> Path:
    """Return the interpreter of a peer in Python: the SDK before 2.0, or FastMCP."""
    return CACHE / name / "bin" / "python"


def fetch_crds() -> None:
    """Fetch the definitions of the Gateway API out of its Go module."""
    if gateway_api_crds().is_dir():
        say("the definitions of the Gateway API are here")
        return
    if not shutil.which("go"):
        raise PartMissing("the definitions of the Gateway API need Go")
    said = subprocess.run(
        ["go", "mod", "download", "-json", "@".join(GATEWAY_API[:2])],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    found = json.loads(said.stdout or "{}")
    if found.get("Sum") != GATEWAY_API[2]:
        raise PartMissing(f"the Gateway API can't be fetched: {found.get('Error', said.stderr)}")
    place = gateway_api_crds()
    place.mkdir(parents=True, exist_ok=True)
    # One by one: Go's cache is read-only, and a copy of its folders would be too.
    for file in (Path(found["Dir"]) / "config" / "crd" / "standard").glob("*.yaml"):
        shutil.copyfile(file, place / file.name)


def gateway_api_crds() -> Path:
    """Return where the definitions of the Gateway API stand, or will."""
    return CACHE / f"gateway-api-{GATEWAY_API[1]}"


def build_readers() -> None:
    """Build the code of Argo CD's and Flux's health checks into one program."""
    _build("readers", "the readers of GitOps tools", "two minutes")


def build_go_peer() -> None:
    """Build the MCP client and server on the Go SDK."""
    _build("peer", "the MCP peers in Go", "half a minute")


def _build(name: str, what: str, long: str) -> None:
    program = go_program(name)
    if program.exists():
        say(f"{what} are here")
        return
    if not shutil.which("go"):
        raise PartMissing(f"{what} need Go 1.26 or newer")
    say(f"building {what} with go ({long})")
    program.parent.mkdir(parents=True, exist_ok=True)
    command = ["go", "build", "-trimpath", "-mod=readonly", "-o", str(program), "."]
    run(command, cwd=TOOLS / name)


def go_program(name: str) -> Path:
    """Return where a program of `tests/tools` stands, or will; elsewhere if its sources differ."""
    whole = hashlib.sha256()
    for path in sorted((TOOLS / name).iterdir()):
        whole.update(path.name.encode() + b"\0" + path.read_bytes())
    return CACHE / name / whole.hexdigest()[:16] / name


def pip() -> list[str]:
    """Return the command of a pip: this interpreter's, or any other."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    found = shutil.which("pip3") or shutil.which("pip")
    if found is None:
        raise PartMissing("the MCP SDK's example servers need pip")
    return [found]


def run(command: list[str], **options: object) -> None:
    """Run a command, its output shown; raises PartMissing where it fails."""
    try:
        subprocess.run(command, check=True, timeout=600, **options)  # type: ignore[call-overload]  # passed on
    except (OSError, subprocess.SubprocessError) as error:
        raise PartMissing(f"{' '.join(command[:3])} ... failed: {error}") from error


def digest(file: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def say(text: str) -> None:
    """Print a line of progress."""
    print(f"• {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
