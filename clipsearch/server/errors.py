"""Errors as JSON responses, all of one shape: {"error": {"code", "message"}}."""

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

from clipsearch._internal.commands import for_requests, with_index
from clipsearch.errors import (
    ClipsearchError,
    CollectionBusy,
    CollectionDamaged,
    CollectionNotFound,
    ImageError,
    ModelError,
    QueryError,
    UnknownAlbum,
)
from clipsearch.render.json_output import utf8
from clipsearch.render.wrong_values import after_character, in_plain_words
from clipsearch.server.parameters import IDS, NAMES, PICTURE, FilterError
from clipsearch.server.search_body import FORMS
from clipsearch.server.unknown_fields import unknown_field

CLIENT_CLOSED_REQUEST = 499  # nginx's status for a client that has gone; no client receives it


class IndexGone(CollectionNotFound):
    """An index that was served is not on the disk any more."""


_CODES = {400: "bad-body", 404: "not-found", 408: "too-slow", 413: "too-large", 415: "wrong-type"}
_MESSAGES = {400: "the body is not the JSON that was expected", 404: "there is nothing at this address"}
_LIBRARY_ERRORS: tuple[tuple[type[Exception], int, str], ...] = (
    (ModelError, 503, "unavailable"),  # also UnknownModel, which is a QueryError where someone has named the model
    (QueryError, 400, "bad-query"),
    (ImageError, 422, "no-picture"),
    (CollectionBusy, 503, "index-busy"),
    (CollectionDamaged, 503, "index-damaged"),
    (IndexGone, 503, "index-gone"),
    (CollectionNotFound, 503, "no-index"),
    (ClipsearchError, 503, "unavailable"),
    (OSError, 503, "system"),
)
_FORMS = {
    **FORMS,
    IDS: "ids of photos with commas between them, such as 12,17",
    PICTURE: "the id of a photo or upload:TOKEN, perhaps with a weight before it as 0.5:12",
}
_PARTS = {"query": "the parameter ", "path": "the address's ", "body": "the body's "}


class RequestError(Exception):
    """A request that gets an error response: its HTTP status, a code for programs and a sentence for people."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


def error_response(
    status: int, code: str, message: str, headers: dict[str, str] | None = None, *, parameter: str | None = None
) -> Response:
    """An error as a response. What a client sent is repeated only here, in JSON, which escapes it."""
    error = {"code": code, "message": utf8(message)}
    if parameter is not None:
        error["parameter"] = parameter
    return JSONResponse({"error": error}, status, headers)


def bug_response() -> Response:
    """The response to an error that nothing else handles."""
    return error_response(500, "bug", "something unexpected went wrong in the server; this is a bug")


def handle_errors(app: FastAPI, routes: Sequence[BaseRoute], index_folder: Path) -> None:
    """Have the application answer every error with an error response.

    `routes` are the application's own. Commands in messages name the index folder, since the reader is in another folder.
    """

    async def respond(request: Request, error: Exception) -> Response:
        match error:
            case RequestError():
                return error_response(error.status, error.code, error.message, error.headers)
            case FilterError(parameter=parameter):
                return error_response(
                    400, "bad-query", for_requests(str(error)).removeprefix("--"), parameter=parameter
                )
            case UnknownAlbum():
                return error_response(400, "no-such-album", str(error), parameter=_album_parameter(request, error.name))
            case ClientDisconnect():
                return Response(status_code=CLIENT_CLOSED_REQUEST)
            case RequestValidationError():
                return _wrong_parameter(request, error)
            case HTTPException(status_code=405):
                return _wrong_method(request, routes)
            case HTTPException(status_code=status):
                message = _MESSAGES.get(status, str(error.detail))
                return error_response(status, _CODES.get(status, "refused"), message, dict(error.headers or {}))
        for kind, status, code in _LIBRARY_ERRORS:
            if isinstance(error, kind):
                message = with_index(for_requests(str(error)), index_folder).removeprefix("--")
                return error_response(status, code, message)
        return bug_response()

    own = (RequestError, ClientDisconnect, RequestValidationError, HTTPException)
    for kind in (*own, ClipsearchError, OSError, Exception):
        app.add_exception_handler(kind, respond)


def _album_parameter(request: Request, name: str) -> str | None:
    """The parameter that names an album."""
    given = request.query_params
    if given.get("album") == name:
        return "album"
    return next((parameter for parameter in ("where", "filters") if parameter in given), None)


def _wrong_method(request: Request, routes: Sequence[BaseRoute]) -> Response:
    """Which methods the address has. OPTIONS gets them without the headers that would let another site in."""
    methods = {"OPTIONS"}
    for route in routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    allow = ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
    if request.method == "OPTIONS":
        return Response(status_code=204, headers={"Allow": allow})
    return error_response(405, "wrong-method", f"this address does not take {request.method}", {"Allow": allow})


def _wrong_parameter(request: Request, error: RequestValidationError) -> Response:
    problems: list[dict[str, Any]] = list(error.errors())
    # What is unknown tells more than that something is missing: often it is the same under another name.
    first = next((problem for problem in problems if problem["type"] == "extra_forbidden"), problems[0])
    part, *inside = first["loc"]
    if first["type"] == "extra_forbidden" and part == "query":
        name = str(inside[0])
        close = [] if name in NAMES else get_close_matches(name, NAMES, 1)  # other addresses take it
        hint = f"; did you mean {close[0]}?" if close else ""
        return error_response(422, "unknown-parameter", f"there is no parameter {name!r} here{hint}")
    if first["type"] == "extra_forbidden":
        *above, _ = inside
        body = getattr(request.scope.get("route"), "body_field", None)
        where = f"{_PARTS['body']}{'.'.join(map(str, above))}" if above else "the body"
        return error_response(
            422, "bad-parameter", f"{where} {unknown_field(body and body.field_info.annotation, inside)}"
        )
    if first["type"] == "json_invalid":
        return error_response(422, "bad-parameter", f"the body is no JSON{after_character(inside[0])}")
    subject = f"{_PARTS.get(str(part), '')}{'.'.join(map(str, inside))}" if inside else f"the {part}"
    parameter = str(inside[0]) if part == "query" and inside else None
    return error_response(422, "bad-parameter", f"{subject}: {in_plain_words(first, _FORMS)}", parameter=parameter)
