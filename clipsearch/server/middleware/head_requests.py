"""HEAD for every address that has GET: the same response without its body."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

IS_HEAD = "clipsearch.is_head"
"""The key in the scope of a GET that was HEAD. A stream of events then ends after its headers."""


def answer_head(app: ASGIApp) -> ASGIApp:
    """The application, which answers HEAD like GET. The server leaves the body out."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await app(scope, receive, send)
            return
        get: Scope = {**scope, "method": "GET", IS_HEAD: True}
        await app(get, receive, send)
        scope["route"] = get.get("route")

    return answer
