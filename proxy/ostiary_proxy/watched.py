"""Noticing that a folder changed, as volumes change: by swapping a symbolic link in it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from watchfiles import awatch

__all__ = ["looks"]


async def looks(folder: Path) -> AsyncIterator[None]:
    """Yield when to look at `folder`: now, after each change, and every 30 seconds.

    Watching has begun by the first time, so that no change falls between two looks.
    """
    changes = awatch(
        folder, debounce=50, step=20, rust_timeout=30_000, yield_on_timeout=True, recursive=True
    )
    change = asyncio.ensure_future(anext(changes))
    try:
        await asyncio.sleep(0)  # its first step begins to watch
        while True:
            yield
            await change
            change = asyncio.ensure_future(anext(changes))
    finally:
        change.cancel()
