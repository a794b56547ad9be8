"""Writing YAML for people: keys in their order, block style, nothing that readers disagree on."""

from collections.abc import Iterable
from typing import Any

import yaml

__all__ = ["write_documents"]


class _Writer(yaml.SafeDumper):
    """Indents lists below their key, keeps lines of a text apart, and writes no aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the library's signature
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        super().increase_indent(flow, False)

    def represent_text(self, text: str) -> yaml.ScalarNode:
        style = "|" if "\n" in text else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Writer.add_representer(str, _Writer.represent_text)


def write_documents(documents: Iterable[Any]) -> str:
    """Return plain values as YAML documents."""
    return yaml.dump_all(
        list(documents),
        Dumper=_Writer,
        sort_keys=False,
        allow_unicode=True,
        width=100,
        explicit_start=True,
    )
