"""The floor of the stack: aiohttp's server and client passing bytes, nothing looked at.

Run as a process: `passthrough.py UPSTREAM FILE` serves on a free port and writes it to FILE.
"""

import asyncio
import sys
from pathlib import Path

import aiohttp
import uvloop
from aiohttp import web


async def _serve(upstream: str, ready: Path) -> None:
    session = aiohttp.ClientSession(  # noqa: TID251 - it stands for what we pay without any of ours
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
    )

    async def answer(request: web.BaseRequest) -> web.Response:
        kept = {"content-type": request.headers["content-type"]}
        async with session.post(upstream, data=await request.read(), headers=kept) as got:
            return web.Response(body=await got.read(), content_type="application/json")

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    ready.with_suffix(".new").write_text(str(runner.addresses[0][1]))
    ready.with_suffix(".new").rename(ready)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1], Path(sys.argv[2])))
