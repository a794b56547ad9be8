"""The port at which the API server asks about objects: HTTPS, for whoever can reach it.

Nobody proves who they are, as API servers don't by themselves. All that can be learnt here is what
one thinks of the object that one sent; what it costs is bounded, and objects that get no answer in
time are stored and judged by the next plan.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog
from aiohttp import web

from ostiary.decode.fault import Faulty
from ostiary_operator.admission import answer

__all__ = ["LIVE", "REVIEW", "WebhookPort"]

log = structlog.get_logger(__name__)
REVIEW: Final = "/review"
LIVE: Final = "/livez"
_JSON: Final = "application/json"
_LARGEST: Final = 8 * 1024 * 1024
"""Bytes of a review: an API server takes objects of 3 MiB, and sends the new one and the old."""
_AT_ONCE: Final = 8
_PATIENCE: Final = 2.5
"""Seconds for a review, from its first line to the answer: the API server waits for three."""


class WebhookPort:
    """Answers one request. Reviews are judged one after another, away from the event loop.

    `count` is told how each ended: allowed, refused, late or misread.
    """

    def __init__(self, count: Callable[[str], None]) -> None:
        self._count = count
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._judge = ThreadPoolExecutor(max_workers=1, thread_name_prefix="webhook")

    def close(self) -> None:
        """Judge nothing more."""
        self._judge.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer."""
        response = await self._answer(request)
        response.headers["server"] = "ostiary"
        return response

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        asked = (request.method, request.rel_url.raw_path)
        if asked == ("GET", LIVE):
            return web.Response(text="ok\n")
        if asked != ("POST", REVIEW):
            return web.Response(status=404, text=f"try POST {REVIEW}\n")
        response = await self._answer_review(request)
        if response.status != 200:
            self._count("late" if response.status == 503 else "misread")
        return response

    async def _answer_review(self, request: web.BaseRequest) -> web.Response:
        if request.content_type != _JSON:
            return web.Response(status=415, text=f"send {_JSON}\n")
        try:
            async with asyncio.timeout(_PATIENCE), self._room:
                return await self._review(request)
        except TimeoutError:
            log.warning("a review took too long; its object is stored as it is")
            return _closing(503, "no time left\n")

    async def _review(self, request: web.BaseRequest) -> web.Response:
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > _LARGEST:
                return _closing(413, f"more than {_LARGEST} bytes\n")
        running = asyncio.get_running_loop()
        try:
            said = await running.run_in_executor(self._judge, answer, bytes(body))
        except Faulty as faulty:
            return web.Response(status=400, text=f"not an AdmissionReview: {faulty.faults[0]}\n")
        self._count("allowed" if said.allowed else "refused")
        return web.Response(body=said.body, content_type=_JSON)


def _closing(status: int, text: str) -> web.Response:
    """Return an answer to a request that was not read to its end."""
    response = web.Response(status=status, text=text)
    response.force_close()
    return response
