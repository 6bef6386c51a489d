"""HEAD for every address that has GET: the same response without its body."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadRequests:
    """ASGI middleware. A stream of events ends after its headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer HEAD like GET."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        ended = asyncio.Event()

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b""})
                ended.set()

        async def receive_end() -> Message:
            ending = asyncio.ensure_future(ended.wait())
            coming = asyncio.ensure_future(receive())
            try:
                await asyncio.wait({ending, coming}, return_when=asyncio.FIRST_COMPLETED)
                return coming.result() if coming.done() and not ended.is_set() else {"type": "http.disconnect"}
            finally:
                ending.cancel()
                coming.cancel()

        get: Scope = {**scope, "method": "GET"}
        await self._app(get, receive_end, send_head)
        scope["route"] = get.get("route")
