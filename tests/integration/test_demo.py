"""`make demo` tells the truth: it ends with 0 exactly if each claim held."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway_parts import free_port
from ostiary_cli.demo.calls import Show
from ostiary_cli.demo.playing import play
from ostiary_cli.demo.scenes import SCENES
from ostiary_cli.demo.stage import Stage, hours_around
from ostiary_cli.demo.story import Story


def test_every_claim_of_the_demo_holds_and_nothing_is_left_running(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "ostiary_cli.main", "demo"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        env={**os.environ, "TMPDIR": str(tmp_path), "NO_COLOR": "1"},
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "✗" not in ended.stdout
    assert ended.stdout.count("✓") == 21
    assert "21 claims held, 0 failed" in ended.stdout
    assert list(tmp_path.iterdir()) == []


async def test_a_claim_that_does_not_hold_fails_the_demo(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    routes = [{"name": name, "url": f"{nowhere}/{name}"} for name in ("files", "github")]
    log = tmp_path / "demo.log"
    stage = Stage(folder=tmp_path, config=tmp_path, ready={"routes": routes}, window="00:00-01:00")

    worked = await play(Show(stage=stage, story=Story()), SCENES, log=log, started=0.0)

    assert worked is False
    assert "✗" in capsys.readouterr().out
    assert "Traceback" in log.read_text()


@pytest.mark.parametrize("hour", range(24))
def test_the_demos_window_holds_now_or_does_not_at_any_hour(hour: int) -> None:
    now = datetime(2026, 11, 24, hour, 30, tzinfo=UTC)

    around, later = hours_around(now, holds=True), hours_around(now, holds=False)

    assert around == f"{(hour - 1) % 24:02}:30-{(hour + 1) % 24:02}:30"
    assert later == f"{(hour + 2) % 24:02}:30-{(hour + 4) % 24:02}:30"
