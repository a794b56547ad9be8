"""Every sample, served, does what its header says."""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from clock_parts import WallClock
from gateway_parts import Gateway, free_port, until
from hostile_parts import RawServer, raw_server
from ostiary.config.keys import KeyDocument
from ostiary.decode.model import validate
from ostiary.decode.strict_json import read_json
from sample_parts import Claim, Outcome, Sample, call, log_in, pretend_github, samples, serving
from sdk_parts import files_server
from verifier_parts import published

NAMED = {sample.name: sample for sample in samples()}
SHOWING = ("header", "internal-token")
"""Those that say what a server gets."""
ALONE = ("ceiling", "listeners", "time-window")
"""Those with a gateway, or a clock, of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A gateway that serves samples; `shown` is the server behind those of SHOWING."""

    gateway: Gateway
    shown: RawServer | None = None

    def outcomes(self, sample: Sample) -> Iterator[tuple[Claim, Outcome]]:
        """Make the calls of a header, in order; each person logs in once a route."""
        issued = functools.cache(functools.partial(log_in, self.gateway))
        for claim in sample.claims():
            route = claim.route or sample.name
            yield claim, call(self.gateway, issued(route, claim.who), claim, route)

    def recorded(self, rule: str) -> bool:
        facts = (record["facts"] for record in self.gateway.records())
        return any(rule in str(fact.get("would")) for fact in facts)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with files_server(tmp_path_factory.mktemp("files")) as url:
        yield url


@pytest.fixture(scope="module")
def served(files: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve all samples side by side but those of ALONE."""
    folder, port = tmp_path_factory.mktemp("samples"), free_port()
    callback = f"http://localhost:{port}/account/callback"
    with raw_server() as shown, pretend_github(folder, callback) as origin:
        login = f"{origin}/login/oauth"
        oauth = {"authUrl": f"{login}/authorize", "tokenUrl": f"{login}/access_token"}
        behind = {"github": f"{origin}/mcp", **dict.fromkeys(SHOWING, shown.url)}
        ours = {s: behind.get(s.name, files) for s in NAMED.values() if s.name not in ALONE}
        with serving(folder, ours, port=port, oauth=oauth) as gateway:
            yield Served(gateway=gateway, shown=shown)


def holds(claim: Claim, outcome: Outcome, served: Served) -> None:
    told = f"{claim.text}\n{outcome.text}"
    assert outcome.allowed == claim.allowed, told
    for kind, text in claim.details:
        if kind == "saying":
            assert text in outcome.text, told
        elif kind == "and not":
            assert text not in outcome.text, told
        elif kind == "recorded as":
            until(functools.partial(served.recorded, text))
        else:
            assert served.shown is not None
            assert text.lower() in served.shown.heads[-1].lower(), told


@pytest.mark.parametrize("name", sorted(set(NAMED) - set(ALONE)))
def test_a_sample_does_what_its_header_says(name: str, served: Served) -> None:
    for claim, outcome in served.outcomes(NAMED[name]):
        holds(claim, outcome, served)


def test_the_verifier_that_the_docs_give_takes_the_token_of_the_sample(served: Served) -> None:
    file = served.gateway.keys / "keys.json"
    rings = validate(KeyDocument, read_json(file.read_bytes())).rings()
    verifier = published()["CallVerifier"](
        rings.internal.jwks(),
        issuer=f"{served.gateway.issuer}/internal",
        audience="https://files.example.com",
    )
    assert served.shown is not None
    ((claim, _), *_) = served.outcomes(NAMED["internal-token"])
    (sent,) = re.findall(
        "^authorization: (.*)\r$", served.shown.heads[-1], re.IGNORECASE | re.MULTILINE
    )

    claims = verifier.verify("POST", sent, served.shown.bodies[-1])

    assert (claims["route"], claims["sub"]) == ("default/internal-token", claim.who)
    assert claims["mcp"] == {"method": "tools/call", "name": claim.tool, "id": 7}


@pytest.mark.parametrize("name", ["ceiling", "listeners"])
def test_a_sample_with_a_gateway_of_its_own_does_too(name: str, files: str, tmp_path: Path) -> None:
    with serving(tmp_path, {NAMED[name]: files}, port=free_port()) as gateway:
        alone = Served(gateway=gateway)
        for claim, outcome in alone.outcomes(NAMED[name]):
            holds(claim, outcome, alone)


def test_the_sample_of_a_time_window_does_too(
    files: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample, clock = NAMED["time-window"], WallClock(tmp_path)
    for name, value in clock.environment.items():
        monkeypatch.setenv(name, value)
    with serving(tmp_path, {sample: files}, port=free_port()) as gateway:
        for claim in sample.claims():
            clock.jump(seconds_until(claim.on or ""))
            issued = log_in(gateway, sample.name, claim.who)
            outcome = call(gateway, issued, claim, sample.name)
            holds(claim, outcome, Served(gateway=gateway))


def seconds_until(local: str) -> int:
    """Return how far off a time in Berlin is."""
    zone = ZoneInfo("Europe/Berlin")
    then = datetime.fromisoformat(local).replace(tzinfo=zone)
    return round((then - datetime.now(zone)).total_seconds())
