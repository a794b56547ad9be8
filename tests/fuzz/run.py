"""Fuzzes the targets: changes what the corpus holds, keeps what leads somewhere new.

Usage: make fuzz ARGS='--minutes 10'. What fails is written to `tests/fuzz/corpus`, where
`tests/properties/test_fuzz_corpus.py` tries it from then on.
"""

import argparse
import hashlib
import random
import resource
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import structlog

from fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
TOKENS = (
    b'"@ID"', b"null", b"true", b"1e999", b"-0", b"NaN", b"\\ud800", b"\xff", b"\xef\xbb\xbf",
    b"\r", b"\n\n", b"data: ", b"id: ", b"retry: ", b"event: ", b": ", b"{", b"}", b"[", b"]",
    b'"method":', b'"params":', b'"id":', b'"result":', b'"error":', b'"jsonrpc":"2.0"', b'"ID":',
    b'"resultType":"input_required"', b'"_meta":', b'"inputRequests":', b'"requestState":"s"',
    b'"nextCursor":"c"', b'"taskId":"t"', b'"tools":[{"name":"a"}]', b'"content":[]',
    b'"i\\u0064":', b"9007199254740993", b"\x00",
)  # fmt: skip
LONGEST = 20_000
"""Bytes of one input."""
LEAK = 48 * 1024
"""KiB that the process may grow by after its first minute."""


def main() -> int:
    """Fuzz until the time is over; return 1 where a target failed or memory grew."""
    asked = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    asked.add_argument("--minutes", type=float, default=10)
    asked.add_argument("--seed", type=int, default=None, help="repeat a run")
    given = asked.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(2**32)
    structlog.configure(processors=[_drop])
    return Fuzzer(random.Random(seed), seed).run(given.minutes * 60)


def _drop(*_: object) -> str:
    raise structlog.DropEvent


class Fuzzer:
    """One run: the inputs known so far, by target, and what each came to."""

    def __init__(self, chance: random.Random, seed: int) -> None:
        self.chance = chance
        self.seed = seed
        self.known: dict[str, list[bytes]] = {}
        self.outcomes: set[tuple[str, str]] = set()
        self.failures = 0
        self.tried = 0

    def run(self, seconds: float) -> int:
        start = said = time.monotonic()
        for name, target in TARGETS.items():
            self.known[name] = [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]
            for data in tuple(self.known[name]):
                self.attempt(name, target, data)
        grown, settled = 0, _memory()
        while (now := time.monotonic()) < start + seconds and self.failures < 20:
            name = self.chance.choice(list(TARGETS))
            self.attempt(name, TARGETS[name], self.changed(self.known[name]))
            if now < start + min(60.0, seconds / 2):
                settled = _memory()
            grown = _memory() - settled
            if now > said + 10:
                said = now
                self.say(now - start, grown)
        self.say(time.monotonic() - start, grown)
        return 1 if self.failures or grown > LEAK else 0

    def say(self, seconds: float, grown: int) -> None:
        print(f"{seconds:6.0f} s  {self.tried:,} inputs  {len(self.outcomes)} outcomes  "
              f"{self.failures} failures  +{grown / 1024:.0f} MiB  (--seed {self.seed})",
              flush=True)  # fmt: skip

    def attempt(self, name: str, target: Callable[[bytes], str], data: bytes) -> None:
        """Try one input; keep it where it came to something new, and on disk where it failed."""
        self.tried += 1
        try:
            outcome = name, target(data)
        except Exception:  # noqa: BLE001 - whatever it is, it is what was looked for
            self.failures += 1
            path = CORPUS / name / f"found-{hashlib.sha256(data).hexdigest()[:12]}"
            path.write_bytes(data)
            print(f"✗ {path}\n{traceback.format_exc()[-1500:]}", flush=True)
            return
        if outcome not in self.outcomes:
            self.outcomes.add(outcome)
            self.known[name].append(data)

    def changed(self, known: list[bytes]) -> bytes:
        """Return one of `known`, changed in a few places."""
        data = bytearray(self.chance.choice(known))
        for _ in range(self.chance.randint(1, 6)):
            self.change(data, known)
        return bytes(data[:LONGEST])

    def change(self, data: bytearray, known: list[bytes]) -> None:
        chance = self.chance
        at = chance.randint(0, len(data))
        to = min(len(data), at + chance.choice((1, 1, 2, 4, 8, 32)))
        match chance.randrange(6):
            case 0:
                data[at:at] = chance.choice(TOKENS)
            case 1:
                data[at:to] = chance.choice(TOKENS)
            case 2:
                del data[at:to]
            case 3:
                data[at:at] = data[at:to] * chance.randint(1, 3)
            case 4:
                data[at:to] = chance.randbytes(to - at)
            case 5:
                other = chance.choice(known)
                cut = chance.randint(0, len(other))
                data[at:] = other[cut:]


def _memory() -> int:
    """Return the resident set in KiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


if __name__ == "__main__":
    sys.exit(main())
