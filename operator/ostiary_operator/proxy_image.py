"""The image of proxies, out of a PodTemplate: there it is found by tools that replace images."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from ostiary_operator.api import Api
from ostiary_operator.failures import ApiFailed
from ostiary_operator.kinds import KINDS

__all__ = ["ProxyImage"]

log = structlog.get_logger(__name__)
_LOOK: Final = 10.0
"""Seconds between two looks."""


class ProxyImage:
    """Reads the image of the first container; `tell` is given it whenever it is another one."""

    def __init__(self, api: Api, namespace: str, name: str, tell: Callable[[str], None]) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._tell = tell
        self._image = ""

    async def look(self) -> None:
        """Look once; raises ApiFailed where there is nothing to be read."""
        found = await self._api.get(KINDS["PodTemplate"], self._namespace, self._name)
        image = found["template"]["spec"]["containers"][0]["image"]
        if image != self._image:
            log.info("proxies are of this image unless their gateway names one", image=image)
            self._image = image
            self._tell(image)

    async def run(self) -> None:
        """Look again and again; while it can't be read, what was read last holds."""
        while True:
            await asyncio.sleep(_LOOK)
            try:
                await self.look()
            except ApiFailed as failed:
                log.warning("the image of proxies can't be read", why=failed.explained)
