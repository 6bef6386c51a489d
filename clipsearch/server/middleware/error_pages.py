"""Errors as a page, for people: a browser that opens an address would show JSON."""

from __future__ import annotations

import html
import json
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PAGE = (Path(__file__).parents[1] / "sign_in" / "error.html").read_text(encoding="utf-8")
_WRONG_HOST = 421  # there, the server has no page at all


def show_errors_as_pages(app: ASGIApp) -> ASGIApp:
    """The application, whose errors are pages if a browser opens an address. Programs and the page's own requests get JSON."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        is_read = scope["type"] == "http" and scope["method"] == "GET"
        if not (is_read and "text/html" in Headers(scope=scope).get("accept", "")):
            await app(scope, receive, send)
            return
        start: Message | None = None
        body = b""

        async def send_page(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_error(message):
                start = message
            elif start is None:
                await send(message)
            else:
                body += message.get("body", b"")
                if message.get("more_body", False):
                    return
                page = _page(start["status"], body)
                headers = MutableHeaders(raw=start["headers"])
                headers["Content-Type"] = "text/html; charset=utf-8"
                headers["Content-Length"] = str(len(page))
                headers["Cache-Control"] = "no-store"  # a program may ask for the same address
                await send(start)
                await send({"type": "http.response.body", "body": page})

        await app(scope, receive, send_page)

    return answer


def _is_error(start: Message) -> bool:
    return start["status"] >= 400 and Headers(raw=start["headers"]).get("content-type") == "application/json"


def _page(status: int, body: bytes) -> bytes:
    message: str = json.loads(body)["error"]["message"]
    text = html.escape(f"{message[:1].upper()}{message[1:]}{'' if message.endswith(('.', '?')) else '.'}")
    page = _PAGE.replace("{hidden}", "hidden" if status == _WRONG_HOST else "")
    return page.replace("{message}", text).encode()
