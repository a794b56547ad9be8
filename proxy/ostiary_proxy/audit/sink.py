"""Where lines of the audit log go beside its files."""

import os
from collections.abc import Callable

__all__ = ["Sink", "Stdout"]

Sink = Callable[[bytes], None]
"""Takes one whole line; raises OSError where it could not."""


class Stdout:
    """The standard output of the process, which the platform collects.

    A reader that stalls stalls the process: what can't be recorded must not happen.
    """

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor
        self._broken = False

    def __call__(self, line: bytes) -> None:
        rest = b"\n" + line if self._broken else line
        self._broken = True
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self._broken = False
