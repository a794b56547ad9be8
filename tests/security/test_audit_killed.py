"""kill -9 between forward and outcome: what was written stays, what was open is told (16)."""

import signal
import subprocess
import sys
from pathlib import Path

from audit_parts import Place
from ostiary_proxy.audit.segment import whole_lines

WRITER = """
import asyncio, sys
from pathlib import Path
from audit_parts import Place, decision, outcome

async def main():
    log = await Place(Path(sys.argv[1])).start(durability=sys.argv[2])
    for n in range(100_000):
        await log.write(decision(f"d{n}"))
        print(f"d{n}", flush=True)
        if n % 3:
            await log.write(outcome(f"d{n}"))

asyncio.run(main())
"""


async def test_a_killed_process_leaves_every_decision_and_its_end_is_told(tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(Path(__file__).parents[1])}
    for number, durability in enumerate(("Process", "Disk")):
        place = Place(tmp_path / durability)
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(place.folder), durability],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        ) as process:
            assert process.stdout is not None
            told = [process.stdout.readline().strip() for _ in range(60 + number)]
            process.send_signal(signal.SIGKILL)
            told += [line.strip() for line in process.stdout if line.endswith("\n")]

        async with place.open():
            pass

        bodies = [line.body for _, raw in place.segments() for line in whole_lines(raw)]
        decided = [body["id"] for body in bodies if body["kind"] == "decision"]
        ended = [body["id"] for body in bodies if body["kind"] == "outcome"]
        assert set(told) <= set(decided)
        assert sorted(ended) == sorted(decided)
        assert place.verify().exit_code == 0
