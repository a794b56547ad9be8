"""Runs the console blocks of a page of the documentation, in order, in one shell.

A block is fenced by ```console, its commands begin with `$ ` or, continued, with `> `. What follows
a command is what it prints, `…` standing for anything. A word behind `console` says what it is:
`stays` goes on running while the page lasts, `by-hand` is not run. A block fenced by ```LANGUAGE
FILE is written to that file.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway_parts import until
from real_parts import free_port, running

__all__ = ["Block", "blocks_of", "run_page"]

_FENCE = re.compile(r"^```(\w+)(?: ([^\n]+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^\$ (.*\n(?:> .*\n)*)((?:(?!\$ ).*\n)*)", re.MULTILINE)
_END = "-- end of command --"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block: its language, the word behind it, and what is in it."""

    language: str
    word: str
    text: str

    def commands(self) -> list[tuple[str, str]]:
        """Return each command with what it prints."""
        found = _COMMAND.findall(self.text)
        return [(command.replace("\n> ", "\n").strip(), shown.strip()) for command, shown in found]


def blocks_of(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page."""
    for language, word, text in _FENCE.findall(page.read_text()):
        yield Block(language=language, word=word, text=text)


def run_page(page: Path, folder: Path, ports: Mapping[str, int] | None = None) -> None:
    """Run a page's blocks in `folder`; `ports` are those to use here for those of the page."""
    ports = ports or {port: free_port() for port in ("3000", "8080")}
    with _Reader.at(folder, ports) as reader, ExitStack() as staying:
        for block in blocks_of(page):
            if block.language == "console" and block.word == "stays":
                staying.enter_context(reader.stays(block))
            elif block.language == "console" and not block.word:
                reader.run(block)
            elif block.language != "console" and block.word:
                reader.write(block.word, block.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Somebody who follows a page, whose ports are others here."""

    folder: Path
    environment: dict[str, str]
    shell: "subprocess.Popen[str]"
    ports: dict[str, str]

    @classmethod
    @contextmanager
    def at(cls, folder: Path, ports: Mapping[str, int]) -> "Iterator[_Reader]":
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "XDG_STATE_HOME": str(folder / ".state"),
            "XDG_CONFIG_HOME": str(folder / ".config"),
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",
        }
        with subprocess.Popen(
            ["bash"],
            cwd=folder,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as shell:
            here = {page: str(port) for page, port in ports.items()}
            yield cls(folder=folder, environment=environment, shell=shell, ports=here)
            assert shell.stdin is not None
            shell.stdin.close()

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._here(text))

    def run(self, block: Block) -> None:
        """Run commands one after the other; each prints what the block shows, or ends with 0.

        What is asked of a gateway that just changed may take a moment, so it is asked again.
        """
        for command, shown in block.commands():
            deadline = time.monotonic() + 20
            printed, good = self._once(command, shown)
            while not good:
                assert time.monotonic() < deadline, f"$ {command}\n{printed}"
                time.sleep(0.1)
                printed, good = self._once(command, shown)

    def _once(self, command: str, shown: str) -> tuple[str, bool]:
        printed, code = self._ask(self._here(command))
        return printed, bool(_pattern(shown).fullmatch(printed)) if shown else code == 0

    @contextmanager
    def stays(self, block: Block) -> Iterator[None]:
        """Run a command while the context lasts, once it printed what the block shows."""
        ((command, shown),) = block.commands()
        log = self.folder / f".{len(list(self.folder.glob('.*.log')))}.log"
        line = ["bash", "-c", f"exec {self._here(command)}"]
        with running(line, log=log, env=self.environment, cwd=self.folder) as process:

            def printed() -> bool:
                assert process.poll() is None, log.read_text()
                return bool(_pattern(shown).fullmatch(self._there(log.read_text()).strip()))

            until(printed, seconds=60)
            yield

    def _ask(self, command: str) -> tuple[str, int]:
        stdin, stdout = self.shell.stdin, self.shell.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f'{{ {command}\n}} < /dev/null\necho "{_END}$?"\n')
        stdin.flush()
        lines = []
        while not (line := stdout.readline()).startswith(_END):
            assert line, "the shell ended"
            lines.append(line)
        return self._there("".join(lines)).strip(), int(line.removeprefix(_END))

    def _here(self, text: str) -> str:
        for page, free in self.ports.items():
            text = re.sub(rf"\b{page}\b", free, text)
        return text

    def _there(self, text: str) -> str:
        for page, free in self.ports.items():
            text = re.sub(rf"\b{free}\b", page, text)
        return text


def _pattern(shown: str) -> re.Pattern[str]:
    return re.compile(".*?".join(map(re.escape, shown.split("…"))), re.DOTALL)
