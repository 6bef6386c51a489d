"""HEAD for every address that has GET: the same response without its body."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

IS_HEAD = "clipsearch.is_head"
"""The key in the scope of a GET that was HEAD. A stream of events then ends after its headers."""


class HeadRequests:
    """ASGI middleware that answers HEAD like GET. The server leaves the body out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, as GET."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        get: Scope = {**scope, "method": "GET", IS_HEAD: True}
        await self._app(get, receive, send)
        scope["route"] = get.get("route")
