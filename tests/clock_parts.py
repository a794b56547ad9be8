"""A wall clock for processes, which tests turn."""

from pathlib import Path

from real_parts import faketime_library

__all__ = ["WallClock"]


class WallClock:
    """The clock of the gateway's processes, so many seconds off the machine's."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "clock"
        self.jump(0)

    def jump(self, seconds: int) -> None:
        self.file.write_text(f"{seconds:+}\n")

    @property
    def environment(self) -> dict[str, str]:
        """Return what makes a process read this clock; spans are measured by the real one."""
        return {
            "LD_PRELOAD": faketime_library(),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
