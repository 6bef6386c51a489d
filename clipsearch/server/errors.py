"""What is said to a client that cannot get what it asks for, in one shape: {"error": {"code", "message"}}."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match, Route

from clipsearch._internal.commands import with_index
from clipsearch.errors import (
    ClipsearchError,
    CollectionBusy,
    CollectionDamaged,
    CollectionNotFound,
    ImageError,
    QueryError,
)
from clipsearch.server.parameters import NAMES

CLIENT_GONE = 499  # nginx's "client closed request"; nobody gets it

_BY_STATUS = {400: "bad-body", 404: "not-found", 408: "too-slow", 413: "too-large", 415: "wrong-type"}
_MESSAGES = {400: "the body is not the JSON that was expected", 404: "there is nothing at this address"}
_BY_ERROR: tuple[tuple[type[Exception], int, str], ...] = (
    (QueryError, 400, "bad-query"),
    (ImageError, 422, "no-picture"),
    (CollectionBusy, 503, "index-busy"),
    (CollectionDamaged, 503, "index-damaged"),
    (CollectionNotFound, 503, "no-index"),
    (ClipsearchError, 503, "unavailable"),
    (OSError, 503, "system"),
)


class Refusal(Exception):
    """An answer that is none: its HTTP status, a code for programs and a sentence for people."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


def refuse(app: FastAPI, routes: Sequence[BaseRoute], index_folder: Path) -> None:
    """Have an application of these routes answer with refusals, whatever goes wrong in it.

    The commands that they propose name the index, since the reader is in another folder.
    """

    async def known_error(request: Request, error: Exception) -> Response:
        refusal = as_refusal(error)
        return refusal_response(
            refusal.status, refusal.code, with_index(refusal.message, index_folder), refusal.headers
        )

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 405:
            return _wrong_method(request, _methods(request, routes))
        message = _MESSAGES.get(error.status_code, str(error.detail))
        code = _BY_STATUS.get(error.status_code, "refused")
        return refusal_response(error.status_code, code, message, dict(error.headers or {}))

    app.add_exception_handler(Refusal, _refusal)
    app.add_exception_handler(ClientGone, _gone)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(RequestValidationError, _wrong_parameter)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(ClipsearchError, known_error)
    app.add_exception_handler(OSError, known_error)
    app.add_exception_handler(Exception, _bug)


def refusal_response(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    """A refusal as a response. What a client sent comes back in JSON only, where it is escaped."""
    message = message.encode("utf-8", "backslashreplace").decode("utf-8")
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)


def bug_response() -> Response:
    """The answer where something went wrong that nobody thought of."""
    return refusal_response(500, "bug", "something went wrong here that should not have; this is a bug")


def as_refusal(error: Exception) -> Refusal:
    """An error of ours or of the system's as a refusal."""
    for kind, status, code in _BY_ERROR:
        if isinstance(error, kind):
            return Refusal(status, code, str(error).removeprefix("--"))
    raise error


async def _refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return refusal_response(error.status, error.code, error.message, error.headers)


async def _bug(request: Request, error: Exception) -> Response:
    return bug_response()


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=CLIENT_GONE)


def _methods(request: Request, routes: Sequence[BaseRoute]) -> str:
    """All methods that some route has for an address."""
    found = {"OPTIONS"}
    for route in routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return ", ".join(sorted(found | ({"HEAD"} if "GET" in found else set())))


def _wrong_method(request: Request, allow: str) -> Response:
    if request.method == "OPTIONS":  # without any of the headers that would let another site in
        return Response(status_code=204, headers={"Allow": allow})
    return refusal_response(405, "wrong-method", f"{request.method} is not for this address", {"Allow": allow})


async def _wrong_parameter(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first: dict[str, Any] = error.errors()[0]
    where, *inside = first["loc"]
    name = str(inside[0]) if inside else ""
    if first["type"] == "extra_forbidden" and where == "query":
        near = get_close_matches(name, NAMES, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return refusal_response(422, "unknown-parameter", f"there is no parameter {name!r} here{hint}")
    what = {"query": "the parameter ", "path": "the address's ", "body": "the body's "}.get(str(where), "")
    message = f"{what}{'.'.join(map(str, inside))}: {first['msg']}" if inside else f"the {where}: {first['msg']}"
    return refusal_response(422, "bad-parameter", message)
