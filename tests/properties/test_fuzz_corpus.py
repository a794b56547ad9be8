"""Whatever fuzzing found, and what it starts from: each input keeps its target's promises."""

from pathlib import Path

import pytest

from fuzz.targets import TARGETS

CORPUS = Path(__file__).parent.parent / "fuzz" / "corpus"
FILES = [
    pytest.param(target, path, id=f"{name}/{path.name}")
    for name, target in TARGETS.items()
    for path in sorted((CORPUS / name).iterdir())
]


@pytest.mark.parametrize(("target", "path"), FILES)
def test_an_input_of_the_corpus_breaks_no_promise(target, path):
    assert target(path.read_bytes())


def test_every_folder_of_the_corpus_has_its_target():
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
