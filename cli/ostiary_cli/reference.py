"""The pages of docs/reference: prose by hand around blocks that are made of code.

A block stands between `<!-- WHAT -->` and `<!-- end -->`, where WHAT is `fields spec.NAME`,
`columns`, `help COMMAND`, or `messages WHO`.
"""

import re
from pathlib import Path
from typing import Final

from ostiary.resources.crd import crd
from ostiary.resources.manifest import Kind
from ostiary_cli.field_table import column_table, field_table
from ostiary_cli.help_text import help_text
from ostiary_cli.message_table import message_table

__all__ = ["PAGES", "fields_on", "filled"]

PAGES: Final = {f"{kind.lower()}.md": kind for kind in Kind}
"""Each page about a kind, by its name."""
_BLOCK: Final = re.compile(
    r"<!-- (?P<what>(?:fields|columns|help|messages)\b[^\n]*?) -->\n.*?<!-- end -->", re.DOTALL
)


def filled(page: Path) -> str:
    """Return a page with every block as the code has it now."""
    text = page.read_text(encoding="utf-8")

    def block(match: re.Match[str]) -> str:
        return (
            f"<!-- {match['what']} -->\n\n{_made(page.name, match['what'], text)}\n\n<!-- end -->"
        )

    return _BLOCK.sub(block, text)


def fields_on(text: str) -> tuple[str, ...]:
    """Return the path of each field that has a table of its own."""
    return tuple(re.findall(r"^<!-- fields (\S+) -->$", text, re.MULTILINE))


def _made(page: str, what: str, text: str) -> str:
    name, _, rest = what.partition(" ")
    if name == "help":
        return help_text(rest)
    if name == "messages":
        return message_table(rest)
    definition = crd(PAGES[page])
    if name == "columns":
        return column_table(definition)
    return field_table(definition, rest, elsewhere=fields_on(text))
