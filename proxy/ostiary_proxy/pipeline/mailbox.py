"""One request hands a value to another that waits for it, on whatever replica that one runs."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from ostiary.crypto.seal import Entropy, SealBroken, SealRing
from ostiary_proxy.store.port import Store

__all__ = ["MAIL", "Mailbox"]

MAIL: Final = "mcp-mail"
_POLL: Final = 0.25
"""Seconds between the first looks for what another replica put; each wait is half as long again."""
_SLOWEST: Final = 1.0
"""Seconds between two looks at most: who waits is a person, more often than not."""


class Mailbox:
    """Values by key, each taken once, sealed while they wait. One lives as long as the process."""

    def __init__(
        self, store: Store, seal: SealRing, *, clock: Callable[[], float], entropy: Entropy
    ) -> None:
        self._store = store
        self._seal = seal
        self._clock = clock
        self._entropy = entropy
        self._waiting: dict[str, asyncio.Event] = {}

    def rekey(self, seal: SealRing) -> None:
        """Use the keys in `seal` from now on."""
        self._seal = seal

    async def put(self, key: str, value: bytes, *, seconds: float) -> None:
        """Leave `value` for whoever waits for `key` within `seconds`; raises StoreUnavailable."""
        sealed = self._seal.seal(value, aad=_aad(key), entropy=self._entropy)
        await self._store.put(MAIL, key, sealed, expires=self._clock() + seconds)
        if (here := self._waiting.get(key)) is not None:
            here.set()

    async def wait(self, key: str, *, seconds: float) -> bytes | None:
        """Return and remove what was put under `key`, or None after `seconds`.

        Raises StoreUnavailable. One caller waits for one key.
        """
        woken = self._waiting.setdefault(key, asyncio.Event())
        try:
            return await asyncio.wait_for(self._found(key, woken), seconds)
        except TimeoutError:
            return None
        finally:
            self._waiting.pop(key, None)

    async def _found(self, key: str, woken: asyncio.Event) -> bytes:
        pause = _POLL
        while True:
            row = await self._store.take(MAIL, key)
            if row is not None:
                with contextlib.suppress(SealBroken):  # not ours: nobody put it here for this key
                    return self._seal.open(row.value, aad=_aad(key))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), pause)
            woken.clear()
            pause = min(pause * 1.5, _SLOWEST)


def _aad(key: str) -> bytes:
    return f"{MAIL}\0{key}".encode()
