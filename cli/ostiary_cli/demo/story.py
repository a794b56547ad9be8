"""How the demo tells what it shows: a heading a part, a line a claim, and the count at the end."""

import click

__all__ = ["Story", "Untrue"]


class Untrue(Exception):  # noqa: N818 - reads as a statement
    """What the demo claims did not happen; `detail` says what did."""

    def __init__(self, claim: str, detail: str) -> None:
        self.claim = claim
        self.detail = detail
        super().__init__(f"{claim}: {detail}")


class Story:
    """Prints lines and remembers whether each claim held."""

    def __init__(self) -> None:
        self._part = 0
        self.held = 0
        self.failed = 0

    def part(self, title: str) -> None:
        """Begin a part."""
        self._part += 1
        click.secho(f"\n{self._part}. {title}", bold=True)

    def shows(self, claim: str, detail: str = "") -> None:
        """Print a claim that held."""
        self.held += 1
        self._line(click.style("✓", fg="green"), claim, detail)

    def fails(self, claim: str, detail: str) -> None:
        """Print a claim that did not hold."""
        self.failed += 1
        self._line(click.style("✗", fg="red"), claim, detail)

    def note(self, text: str) -> None:
        """Print a line that claims nothing."""
        click.secho(f"    {text}", dim=True)

    def check(self, claim: str, *, true: bool, detail: str = "") -> None:
        """Print `claim` if it holds; raises Untrue where it doesn't, with `detail`."""
        if not true:
            raise Untrue(claim, detail or "it did not happen")
        self.shows(claim, detail)

    def _line(self, mark: str, claim: str, detail: str) -> None:
        click.echo(f"  {mark} {claim}")
        if detail:
            self.note(detail if len(detail) <= 220 else detail[:217] + "...")
