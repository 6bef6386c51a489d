"""What every request has to pass, and every answer gets: Host, token, origin, size; security headers."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import os
import re
import socket
import time
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clipsearch.errors import ClipsearchError
from clipsearch.server.errors import bug_response, refusal_response

COOKIE = "clipsearch-token"
CLIENT = "clipsearch-client"
"""The header that mutating requests need: no other site's form can send it, nor its scripts without being allowed to."""

MOST_BYTES = 64 * 1024**2
"""Of a request's body."""

SLOWEST, QUIETEST = 60.0, 10.0
"""Seconds for the whole of a request's body, and for its next part."""

_TOO_LARGE = f"this is larger than the {MOST_BYTES // 1024**2} MB allowed"
_TOO_SLOW = "the request did not come in time"
_SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
_TOKEN = re.compile(r"[A-Za-z0-9_.~-]{16,256}")
_HEADERS = {
    "Clipsearch-Api": "1",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def check_exposure(host: str, token: str | None) -> None:
    """ClipsearchError where a server at this host would let anyone in, or the token is none."""
    if token is not None and not _TOKEN.fullmatch(token):
        raise ClipsearchError("a token is 16 to 256 letters, digits, or any of - _ . ~")
    if token is None and not is_loopback(host):
        raise ClipsearchError(
            f"{host} can be reached from other machines, and whoever reaches it could see every photo; choose a --token, "
            "which is then asked for, or leave --host out"
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server there."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """ASGI middleware around the whole application, which listens at `host` and `port`."""

    def __init__(self, app: ASGIApp, *, host: str, port: int, token: str | None = None) -> None:
        check_exposure(host, token)
        self._app = app
        self._port = port
        self._token = token
        self._wildcard = host in ("0.0.0.0", "::", "")  # noqa: S104 - compared, not bound
        self._names = {"127.0.0.1", "localhost", "::1", host.strip("[]").lower()}
        if not is_loopback(host):
            self._names |= {socket.gethostname().lower(), f"{socket.gethostname().lower()}.local"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through to the application, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # no websockets
        started = False

        async def guarded_send(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                for name, value in _HEADERS.items():
                    headers[name] = value
            await send(message)

        refusal = self._refusal(scope)
        if refusal:
            await refusal(scope, receive, guarded_send)
            return
        try:
            await self._app(scope, _limited(receive), guarded_send)
        except Exception as error:
            debug = bool(os.environ.get("CLIPSEARCH_DEBUG"))
            said = ("clipsearch: unexpected %s in %s %r", type(error).__name__, scope["method"], scope["path"])
            logging.getLogger(__name__).error(*said, exc_info=debug)
            if not started:
                await bug_response()(scope, receive, guarded_send)

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer to a request that must not get to the application."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_host(hosts[0]):
            return refusal_response(421, "wrong-host", "this server does not answer to that name")
        if self._token is not None and scope["path"] == "/" and self._has_token_in_address(scope):
            return self._welcome()
        if self._token is not None and not self._is_known(headers):
            message = (
                "this needs a token: open the address once with ?token=... at its end, or send it as a bearer token"
            )
            return refusal_response(401, "token-needed", message, {"WWW-Authenticate": "Bearer"})
        origin = headers.get("origin")
        if scope["method"] not in _SAFE:
            if origin is not None and origin not in (f"http://{hosts[0]}", f"https://{hosts[0]}"):
                return refusal_response(403, "wrong-origin", "another site must not change anything here")
            if CLIENT not in headers:
                return refusal_response(
                    403, "client-needed", "what changes something needs the header Clipsearch-Client"
                )
        # Browsers say who asks (https://www.w3.org/TR/fetch-metadata/): another site may link to the page, and nothing else
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and scope["path"] != "/":
            return refusal_response(403, "wrong-origin", "another site must not ask for this")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > MOST_BYTES:
            return _too_large()
        return None

    def _is_host(self, host: str) -> bool:
        """Whether a Host header names this server. Behind a wildcard address it may be any address, with any port."""
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

    def _is_known(self, headers: Headers) -> bool:
        said = headers.get("authorization", "")
        scheme, _, bearer = said.partition(" ")
        if scheme.lower() == "bearer" and self._is_token(bearer.strip()):
            return True
        return self._is_token(cookie_parser(headers.get("cookie", "")).get(COOKIE, ""))

    def _has_token_in_address(self, scope: Scope) -> bool:
        given = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        return self._is_token(given.get("token", ""))

    def _is_token(self, given: str) -> bool:
        assert self._token is not None
        return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), self._token.encode())

    def _welcome(self) -> Response:
        response = Response(status_code=303, headers={"Location": "/"})
        assert self._token is not None
        response.set_cookie(COOKIE, self._token, path="/", httponly=True, samesite="strict")
        return response


def _too_large() -> Response:
    """The connection is closed, so that what is still coming is not read."""
    return refusal_response(413, "too-large", _TOO_LARGE, {"Connection": "close"})


def _limited(receive: Receive) -> Receive:
    """Receive no more than MOST_BYTES of a body, whatever its headers say, and no more slowly than SLOWEST and QUIETEST."""
    read, whole, end = 0, False, time.monotonic() + SLOWEST

    async def limited() -> Message:
        nonlocal read, whole
        if whole:  # what comes now is that the client has gone, whenever that is
            return await receive()
        coming = asyncio.ensure_future(receive())
        try:  # not by wait_for, which before Python 3.12 can take no notice of being cancelled
            await asyncio.wait({coming}, timeout=max(0.0, min(QUIETEST, end - time.monotonic())))
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
