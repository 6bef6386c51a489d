"""Access control: it checks each request's Host, token, origin and size, and adds security headers to each response."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import re
import socket
import time
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clipsearch.client import is_loopback
from clipsearch.errors import QueryError
from clipsearch.server.errors import bug_response, error_response
from clipsearch.server.sessions import Sessions

logger = logging.getLogger(__name__)

CLIENT = "clipsearch-client"
"""The header that requests need to change something. Forms of other sites cannot send it, nor can their scripts."""

MOST_BYTES = 64 * 1024**2
"""The most bytes of a request's body."""

BODY_SECONDS, PAUSE_SECONDS = 60.0, 10.0
"""Seconds for a whole request body, and for its next part."""

LIMIT = f"{MOST_BYTES // 1024**2} MB"
"""MOST_BYTES, for people."""

_TOO_LARGE = f"the request is too large; send at most {LIMIT}"
_TOO_SLOW = "the request took too long to arrive; send it again"
_SIGN_IN_PAGE = Path(__file__).parents[1] / "sign_in" / "page.html"
_FOR_ALL = frozenset(  # what the page for signing in needs; none of it says anything of the photos
    {
        "/api/session",
        *("/sign-in/sign-in.js", "/sign-in/sign-in.css"),
        *("/static/base.css", "/static/before-paint.js", "/static/icon.svg"),
    }
)
_SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
_TOKEN = re.compile(r"[A-Za-z0-9_.~-]{16,256}")
_HEADERS = {
    "Clipsearch-Api": "1",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def check_exposure(host: str, token: str | None) -> None:
    """QueryError if a server at this host would let anyone in, or the token is not valid."""
    if token is not None and not _TOKEN.fullmatch(token):
        raise QueryError("a token is 16 to 256 letters, digits, or any of - _ . ~; `openssl rand -hex 16` makes one")
    if token is None and not is_loopback(host):
        raise QueryError(
            f"{host} can be reached from other machines, which could then see every photo; choose a --token, which they need, "
            "or leave --host out"
        )


class AccessControl:
    """ASGI middleware around an application that listens at `host` and `port`.

    The page may show pictures of the server itself, and of `pictures_from`, an origin, if there is one.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        host: str,
        port: int,
        sessions: Sessions | None = None,
        pictures_from: str | None = None,
    ) -> None:
        check_exposure(host, sessions.token if sessions else None)
        self._headers = dict(_HEADERS)
        if pictures_from is not None:
            policy = "Content-Security-Policy"
            self._headers[policy] = _HEADERS[policy].replace("img-src 'self'", f"img-src 'self' {pictures_from}")
        self._app = app
        self._port = port
        self._sessions = sessions
        self._wildcard = host in ("0.0.0.0", "::", "")  # noqa: S104 - compared, not bound
        self._names = {"127.0.0.1", "localhost", "::1", host.strip("[]").lower()}
        if not is_loopback(host):
            self._names |= {socket.gethostname().lower(), f"{socket.gethostname().lower()}.local"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on to the application, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # websockets are not supported
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                for name, value in self._headers.items():
                    headers[name] = value
            await send(message)

        error = self._check(scope)
        if error:
            await error(scope, receive, send_with_headers)
            return
        try:
            await self._app(scope, _limited(receive), send_with_headers)
        except Exception as error:
            debug = bool(os.environ.get("CLIPSEARCH_DEBUG"))
            kind = type(error).__name__
            logger.error("clipsearch: unexpected %s in %s %r", kind, scope["method"], scope["path"], exc_info=debug)
            if not started:
                await bug_response()(scope, receive, send_with_headers)

    def _check(self, scope: Scope) -> Response | None:
        """The response to a request that must not reach the application, else None."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_host(hosts[0]):
            return error_response(421, "wrong-host", "this is not the address that the server listens at")
        if self._sessions and scope["path"] not in _FOR_ALL and not self._sessions.admits(headers):
            return _sign_in_response(scope, headers)
        origin = headers.get("origin")
        if scope["method"] not in _SAFE:
            if origin is not None and origin not in (f"http://{hosts[0]}", f"https://{hosts[0]}"):
                return error_response(403, "wrong-origin", "another site cannot change anything on this server")
            if CLIENT not in headers:
                return error_response(403, "client-needed", "send the header Clipsearch-Client to change something")
        # Browsers name the site that a request comes from (https://www.w3.org/TR/fetch-metadata/). Others may only link here.
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and scope["path"] != "/":
            return error_response(403, "wrong-origin", "another site cannot read anything from this server")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > MOST_BYTES:
            return error_response(413, "too-large", _TOO_LARGE, {"Connection": "close"})  # the body is not read
        return None

    def _is_host(self, host: str) -> bool:
        """Whether a Host header names this server. If it listens at a wildcard address, any address and port will do."""
        name, _, port = host.rpartition(":") if re.search(r":\d+$", host) else (host, "", "80")
        name = name.lower()
        if name.startswith("[") and name.endswith("]"):
            name = name[1:-1]
        if not self._wildcard:
            return name in self._names and port == str(self._port)
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        return True


def _sign_in_response(scope: Scope, headers: Headers) -> Response:
    """What is answered without a token: to a browser that opens the page, another page, which asks for the token."""
    if scope["path"] == "/" and scope["method"] in ("GET", "HEAD") and "text/html" in headers.get("accept", ""):
        more = {"WWW-Authenticate": "Bearer", "Cache-Control": "no-store"}
        return Response(_SIGN_IN_PAGE.read_bytes(), 401, more, "text/html; charset=utf-8")
    message = "the token is wrong: it is not the one that this server was started with"
    if "authorization" not in headers:
        message = "this server needs its token: send it as `Authorization: Bearer TOKEN`, or sign in with a browser"
    return error_response(401, "token-needed", message, {"WWW-Authenticate": "Bearer"})


def _limited(receive: Receive) -> Receive:
    """Receive at most MOST_BYTES of a body, whatever its headers say, in BODY_SECONDS and with no pause of PAUSE_SECONDS."""
    read, whole, end = 0, False, time.monotonic() + BODY_SECONDS

    async def limited() -> Message:
        nonlocal read, whole
        if whole:  # the next message comes when the client disconnects
            return await receive()
        coming = asyncio.ensure_future(receive())
        try:  # before Python 3.12, asyncio.wait_for can miss being cancelled
            await asyncio.wait({coming}, timeout=max(0.0, min(PAUSE_SECONDS, end - time.monotonic())))
            if not coming.done():
                raise HTTPException(408, _TOO_SLOW, {"Connection": "close"})
        finally:
            coming.cancel()
        message = coming.result()
        whole = not message.get("more_body", False)
        if message["type"] == "http.request":
            read += len(message.get("body", b""))
            if read > MOST_BYTES:
                raise HTTPException(413, _TOO_LARGE, {"Connection": "close"})
        return message

    return limited
