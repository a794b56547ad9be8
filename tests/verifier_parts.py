"""The verifier that docs/concepts/upstream-credentials.md gives to authors of servers."""

import re
from typing import Any

from real_parts import ROOT

__all__ = ["published"]


def published() -> dict[str, Any]:
    """Return the names that the page's code defines."""
    page = ROOT / "docs" / "concepts" / "upstream-credentials.md"
    code = "\n".join(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
    names: dict[str, Any] = {}
    exec(code, names)
    return names
