"""Writing a file so that whoever reads it sees all of it or none: renamed into place."""

import os
from pathlib import Path
from typing import Final

__all__ = ["write_whole"]

_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def write_whole(path: Path, data: bytes, *, private: bool) -> None:
    """Write `data` to `path`; a `private` file can be read by this user only. Raises OSError.

    What is being written bears a hidden name, so that no pattern takes it for the file.
    """
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, _FLAGS, 0o600 if private else 0o666), "wb") as file:
        file.write(data)
    draft.replace(path)
