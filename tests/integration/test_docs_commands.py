"""The commands of the documentation do what it shows."""

from pathlib import Path

import pytest

from real_parts import ROOT
from transcript_parts import run_page

PAGES = ["getting-started.md", "reference/cli.md"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_print_what_it_shows(page: str, tmp_path: Path) -> None:
    run_page(ROOT / "docs" / page, tmp_path)
