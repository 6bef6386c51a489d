"""Who may ask a server that has a token: programs that send the token, and browsers that have signed in with it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.requests import cookie_parser

LIFETIME = 90 * 24 * 3600
"""Seconds that a browser stays signed in."""

_MOST_LINKS = 100  # sign-in codes that were not used yet; the oldest is dropped
_PURPOSE = b"clipsearch: sessions of browsers, 1"


class Sessions:
    """The sessions of one server. For the thread of its event loop.

    A browser gets a cookie that is signed with a key made from the token. It never has the token itself, it outlives a restart
    of the server, and another token ends all sessions.
    """

    def __init__(self, token: str, port: int = 0) -> None:
        self.token = token
        self.cookie = f"clipsearch-session-{port}"  # browsers give a cookie to every port of a machine
        self._key = hmac.digest(token.encode(), _PURPOSE, hashlib.sha256)
        self._codes: dict[str, Callable[[], None]] = {}

    def new_code(self, on_use: Callable[[], None] = lambda: None) -> str:
        """A code that signs one browser in, once. `on_use` is called when it has."""
        code = secrets.token_urlsafe(18)
        self._codes[code] = on_use
        if len(self._codes) > _MOST_LINKS:
            del self._codes[next(iter(self._codes))]
        return code

    def sign_in(self, given: str) -> str | None:
        """The value of a new session's cookie, in exchange for the token or a code; None if it is neither."""
        if not self._is_token(given):
            data = given.encode("utf-8", "surrogatepass")
            code = next((code for code in list(self._codes) if hmac.compare_digest(code.encode(), data)), None)
            if code is None:
                return None
            self._codes.pop(code)()
        return self._signed(f"{int(time.time()) + LIFETIME}.{secrets.token_urlsafe(12)}")

    def admits(self, headers: Headers) -> bool:
        """Whether a request has the token, or the cookie of a session."""
        return self.has_token(headers) or self._is_session(headers)

    def has_token(self, headers: Headers) -> bool:
        """Whether a request has the token itself."""
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self._is_token(given.strip())

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), self.token.encode())

    def _is_session(self, headers: Headers) -> bool:
        value = cookie_parser(headers.get("cookie", "")).get(self.cookie, "")
        content, _, _ = value.rpartition(".")
        signed = self._signed(content).encode()
        if not hmac.compare_digest(signed, value.encode("utf-8", "surrogatepass")):
            return False
        return int(content.partition(".")[0]) > time.time()

    def _signed(self, content: str) -> str:
        signature = hmac.digest(self._key, content.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return f"{content}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
