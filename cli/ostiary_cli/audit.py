"""`ostiary audit`: verify the log, show one request, follow what happens."""

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, NoReturn

import click
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ostiary.config.keys import KeyDocument
from ostiary.decode.fault import Faulty
from ostiary.decode.model import validate
from ostiary.decode.strict_json import read_json
from ostiary_cli.audit_records import Shown, details, one_line, read_records
from ostiary_cli.options import PATH, served
from ostiary_cli.places import find_places
from ostiary_proxy.audit.checkpoint import checkpoint_paths
from ostiary_proxy.audit.collected import verify_collected
from ostiary_proxy.audit.segment import segment_paths
from ostiary_proxy.audit.verify import Report, verify

__all__ = ["command"]

_POLL: Final = 0.25
"""Seconds between two looks at a log that is followed."""
_VERDICTS: Final = {0: "intact", 1: "NOT INTACT", 3: "consistent, but not anchored"}
_PEM_END: Final = "-----END PUBLIC KEY-----"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Where:
    """The folders of one log and the file of keys that its checkpoints are signed with."""

    log: Path
    checkpoints: Path
    keys: Path


def _where(
    source: str, state: Path | None, keys: Path | None, log: Path | None, checkpoints: Path | None
) -> _Where:
    """Return what the options name, else where `ostiary dev` on `source` keeps it."""
    folder = keys if keys is not None and (keys.is_dir() or not keys.exists()) else None
    places = find_places(source, environment=os.environ, home=Path.home(), state=state, keys=folder)
    return _Where(
        log=log or places.audit,
        checkpoints=checkpoints or places.checkpoints,
        keys=places.key_file if keys is None or folder is not None else keys,
    )


_located = served(click.option("--log", type=PATH, help="The folder of the log itself."))
"""Says which log is meant."""


@click.group()
def command() -> None:
    """Read and verify the audit log."""


@command.command("verify")
@_located
@click.option("--checkpoints", type=PATH, help="The folder of the signed checkpoints.")
@click.option(
    "--keys",
    type=PATH,
    help="The --keys folder of `ostiary dev`, a key document, or a PEM file of public keys.",
)
@click.option(
    "--head",
    "heads",
    multiple=True,
    metavar="HEX",
    help="The hash of a record that you noted elsewhere; repeatable.",
)
@click.option(
    "--collected",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    multiple=True,
    metavar="FILE",
    help="Lines that pods wrote to their standard output, mixed, - for stdin; instead of a folder.",
)
@click.option(
    "--since",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="The first record expected, where older segments were put away.",
)
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")  # fmt: skip
def verify_command(
    *, source: str, state: Path | None, log: Path | None, checkpoints: Path | None,
    keys: Path | None, heads: Sequence[str], collected: Sequence[str], since: int, output: str,
) -> None:  # fmt: skip
    """Prove that nobody changed, removed, added or moved a record.

    Exits 0 if the log is intact, 1 with findings, 3 if nothing outside the log vouches for it.
    Works offline, on copies too.

    \b
    ostiary audit verify -f ./gateway
    ostiary audit verify --log audit/ --checkpoints cp/ --keys audit-public.pem
    ostiary audit verify -f ./gateway --head 3f0c...   # a head that you wrote down
    kubectl logs -l ... --prefix | ostiary audit verify --collected - --keys audit-public.pem
    """  # noqa: D301 - click reads the backspace
    noted = tuple(_head(text) for text in heads)
    if collected:
        _verify_collected(collected, keys, noted, output)
    where = _where(source, state, keys, log, checkpoints)
    report = _verified(where, noted, since)
    click.echo(_as_json(report) if output == "json" else _as_text(report))
    sys.exit(report.exit_code)


@command.command("show")
@_located
@click.argument("record_id", metavar="ID")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
def show_command(
    *, source: str, state: Path | None, log: Path | None, record_id: str, output: str
) -> None:
    """Show the decision with this ID, why it was made, what was said meanwhile, and how it ended.

    ID stands in every refusal that a caller sees, and at the end of each line of `audit tail`.

    \b
    ostiary audit show 7c1de0a94b52f3d8
    ostiary audit show -f ./gateway 7c1de0a94b52f3d8 -o json
    """  # noqa: D301 - click reads the backspace
    folder = _where(source, state, None, log, None).log
    wanted = json.dumps(record_id).encode()
    found = [
        record
        for path in _segments(folder)
        for record in read_records(line for line in _lines(path) if wanted in line)
        if record_id in (record.id, record.facts.get("during"))
    ]
    if not found:
        raise click.ClickException(
            f"no record in {folder} has the id {record_id}; `ostiary audit tail` lists the last"
        )
    if output == "json":
        click.echo(json.dumps([record.to_json() for record in found], indent=2))
    else:
        click.echo("\n\n".join(details(record) for record in found))


@command.command("tail")
@_located
@click.option(
    "-n",
    "--lines",
    "count",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="How many of the last records to print.",
)
@click.option("--follow", is_flag=True, help="Go on with new records until interrupted.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")  # fmt: skip
def tail_command(
    *, source: str, state: Path | None, log: Path | None, count: int, follow: bool, output: str
) -> None:
    """Print the last records, a readable line each.

    \b
    ostiary audit tail -f ./gateway -n 50
    ostiary audit tail --follow
    """  # noqa: D301 - click reads the backspace
    folder = _where(source, state, None, log, None).log
    paths = _segments(folder)
    last: list[bytes] = []
    for path in reversed(paths):
        if len(last) >= count:
            break
        last = [*_lines(path), *last]
    ends = paths[-1].stat().st_size
    for record in read_records(last[len(last) - count :] if count < len(last) else last):
        _print(record, output)
    if follow:
        for record in read_records(_coming(folder, paths[-1], ends)):
            _print(record, output)


def _print(record: Shown, output: str) -> None:
    click.echo(json.dumps(record.to_json()) if output == "json" else one_line(record))


def _segments(folder: Path) -> Sequence[Path]:
    paths = segment_paths(folder)
    if not paths:
        raise click.ClickException(
            f"there is no audit log in {folder}; name the folder that `ostiary dev` serves "
            "with -f, or the log's own with --log"
        )
    return paths


def _lines(path: Path) -> Sequence[bytes]:
    try:
        return path.read_bytes().splitlines()
    except OSError as error:
        raise click.ClickException(f"{path} can't be read: {error.strerror}") from None


def _coming(folder: Path, path: Path, at: int) -> Iterator[bytes]:
    """Iterate for ever over the lines that are appended, across segments."""
    rest = b""
    while True:
        with path.open("rb") as file:
            file.seek(at)
            fresh = file.read()
        at += len(fresh)
        *whole, rest = (rest + fresh).split(b"\n")
        yield from whole
        newer = [other for other in segment_paths(folder) if other > path]
        if not fresh and newer:
            path, at, rest = newer[0], 0, b""
        elif not fresh:
            time.sleep(_POLL)


def _verified(where: _Where, heads: tuple[str, ...], since: int) -> Report:
    """Verify; checkpoints are read before the log, which a running proxy writes first."""
    paths = _segments(where.log)
    try:
        checkpoints = [
            (path.name, path.read_bytes()) for path in checkpoint_paths(where.checkpoints)
        ]
        keys = _public_keys(where.keys) if checkpoints else ()
        paths = _segments(where.log)
        segments = ((path.name, path.read_bytes()) for path in paths)
        return verify(segments, checkpoints=checkpoints, keys=keys, heads=heads, since=since)
    except OSError as error:
        raise click.ClickException(f"{error.filename} can't be read: {error.strerror}") from None


def _verify_collected(
    files: Sequence[str], keys: Path | None, heads: tuple[str, ...], output: str
) -> NoReturn:
    """Verify what pods wrote to their standard output, chain by chain, and exit."""
    given = _public_keys(keys / "keys.json" if keys.is_dir() else keys) if keys else ()
    read = []
    for name in files:
        with click.open_file(name, "rb") as file:
            read.append((name, file.read()))
    found = verify_collected(read, keys=given, heads=heads)
    if output == "json":
        chains = {name: json.loads(_as_json(report)) for name, report in found.reports.items()}
        loose = [asdict(finding) for finding in found.findings]
        click.echo(json.dumps({"chains": chains, "findings": loose}, indent=2))
    else:
        for finding in found.findings:
            click.echo(f"FOUND  {finding}")
        for name, report in found.reports.items():
            click.echo(f"process {name} and those after it\n{_as_text(report)}\n")
        click.echo(f"{len(found.reports)} chains: {_VERDICTS[found.exit_code]}")
    sys.exit(found.exit_code)


def _public_keys(path: Path) -> Sequence[Ed25519PublicKey]:
    """Return the public keys in a key document, or in a file of PEM public keys."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise click.ClickException(
            f"the keys in {path} can't be read ({error.strerror}); name the key document or "
            "audit-public.pem with --keys"
        ) from None
    try:
        if _PEM_END.encode() in raw:
            return _pem_keys(raw.decode())
        document = validate(KeyDocument, read_json(raw))
        return [key.public_key() for key in document.rings().audit]
    except (Faulty, ValueError):
        raise click.ClickException(f"{path} holds no audit keys") from None


def _pem_keys(text: str) -> Sequence[Ed25519PublicKey]:
    blocks = [f"{block}{_PEM_END}\n".lstrip() for block in text.split(_PEM_END)[:-1]]
    keys = [serialization.load_pem_public_key(block.encode()) for block in blocks]
    if not all(isinstance(key, Ed25519PublicKey) for key in keys):
        raise ValueError("audit keys are Ed25519 keys")
    return [key for key in keys if isinstance(key, Ed25519PublicKey)]


def _head(text: str) -> str:
    cleaned = text.strip().lower()
    if len(cleaned) != 64 or cleaned.strip("0123456789abcdef"):
        raise click.BadParameter(
            "a head is 64 hexadecimal digits, as `ostiary audit verify` prints it",
            param_hint="--head",
        )
    return cleaned


def _as_text(report: Report) -> str:
    lines = [f"FOUND  {finding}" for finding in report.findings]
    lines += [f"FOUND  and {report.more} more"] if report.more else []
    lines.append(f"{report.records} records, the last is number {report.head.sequence}")
    if report.anchored is None:
        lines.append(
            "nothing vouches for the log: no checkpoint or noted head matches it, so all of it "
            "could have been rewritten; give --checkpoints and --keys, or --head"
        )
    else:
        lines.append(
            f"{report.anchors} anchors match, the last at record {report.anchored}; "
            f"{report.after} records after the last anchor"
        )
    if report.erased:
        lines.append(f"{report.erased} detached values were erased, which is allowed")
    lines.append(f"head   {report.head.hash}")
    return "\n".join([*lines, _VERDICTS[report.exit_code]])


def _as_json(report: Report) -> str:
    shown = asdict(report) | {"after": report.after, "intact": report.exit_code == 0}
    return json.dumps(shown, indent=2)
