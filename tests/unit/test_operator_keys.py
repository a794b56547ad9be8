"""Key documents from a cluster: read whole or refused without a word of what they hold."""

import json
import os

import pytest

from ostiary.config.keys import KeyDocument
from ostiary.crypto.secret import Secret
from ostiary_operator.apply import NotApplied
from ostiary_operator.keys import read_keys

GOOD = KeyDocument.generate(os.urandom).reveal()


def test_a_key_document_is_read() -> None:
    assert read_keys(Secret(json.dumps(GOOD)), "keys").rings.seal


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (None, "Secret keys holds no keys (yet); give it a key document"),
        ({**GOOD, "seal": []}, "Secret keys is no key document: seal: "),
        ({**GOOD, "seal": ["top secret"]}, "Secret keys holds a key of the wrong kind"),
        ({**GOOD, "access": GOOD["audit"]}, "Secret keys holds a key of the wrong kind"),
    ],
    ids=["absent", "empty ring", "no hex", "another kind"],
)
def test_what_is_no_key_document_is_refused(document: object, said: str) -> None:
    text = None if document is None else Secret(json.dumps(document))

    with pytest.raises(NotApplied) as raised:
        read_keys(text, "keys")

    assert str(raised.value).startswith(said)
    assert "top secret" not in str(raised.value)
