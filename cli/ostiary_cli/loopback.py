"""The redirect listener of a native OAuth client: one port on loopback, one answer (RFC 8252)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web

__all__ = ["Landing", "landing"]

_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{title}</title>
<style nonce="page">body {{ font: 1rem/1.5 system-ui, sans-serif; display: grid;
place-items: center; min-height: 90vh; margin: 1rem; text-align: center }}
p {{ opacity: .75 }}</style></head>
<body><main><h1>{title}</h1><p>{text}</p></main></body></html>
"""


class Landing:
    """Where the browser comes back: `redirect_uri`, and the query it brought."""

    def __init__(self, redirect_uri: str) -> None:
        self.redirect_uri = redirect_uri
        self._landed: asyncio.Future[list[tuple[str, str]]] = (
            asyncio.get_running_loop().create_future()
        )
        self._state: str | None = None

    def expect(self, state: str) -> None:
        """Take only the answer that carries `state`; anything else is a stray request."""
        self._state = state

    async def query(self, timeout: float) -> list[tuple[str, str]]:  # noqa: ASYNC109 - a bound for people
        """Return the decoded query once the browser is back, or raise TimeoutError."""
        async with asyncio.timeout(timeout):
            return await self._landed

    async def handle(self, request: web.Request) -> web.Response:
        """Answer the browser, and note its query if it is the expected one."""
        query = parse_qsl(request.query_string, keep_blank_values=True)
        if self._state is None or ("state", self._state) not in query:
            return _page(400, "Not expected", "Nothing waits for this answer.")
        if not self._landed.done():
            self._landed.set_result(query)
        if any(name == "error" for name, _ in query):
            return _page(200, "No login", "The request was declined. You can close this window.")
        return _page(200, "You are logged in", "Go back to the terminal; this window can close.")


@asynccontextmanager
async def landing() -> AsyncIterator[Landing]:
    """Listen on a free loopback port while the context lasts."""
    holder: list[Landing] = []

    async def handle(request: web.Request) -> web.Response:
        return await holder[0].handle(request)

    app = web.Application()
    app.router.add_get("/callback", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        holder.append(Landing(f"http://127.0.0.1:{port}/callback"))
        yield holder[0]
    finally:
        await runner.cleanup()


def _page(status: int, title: str, text: str) -> web.Response:
    headers = {
        "Content-Security-Policy": "default-src 'none'; style-src 'nonce-page'",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
    body = _PAGE.format(title=title, text=text)
    return web.Response(text=body, status=status, content_type="text/html", headers=headers)
