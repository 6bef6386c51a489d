"""Signing in: a browser exchanges the server's token for a cookie."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel, Field, StringConstraints
from starlette.responses import FileResponse, Response

from clipsearch.server import schemas
from clipsearch.server.errors import RequestError
from clipsearch.server.parameters import NoParameters
from clipsearch.server.schemas import error_responses, json_response
from clipsearch.server.search_body import Strict
from clipsearch.server.sessions import LIFETIME, Sessions

_FOLDER = Path(__file__).parents[1] / "sign_in"
_FILES = {"sign-in.js": "text/javascript; charset=utf-8", "sign-in.css": "text/css; charset=utf-8"}


class SignIn(Strict):
    """What a browser signs in with."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=256)] = Field(
        description="The server's token, or a code that `clipsearch serve` has printed."
    )


class SessionAnswer(BaseModel):
    """Whether this browser may ask."""

    signed_in: bool
    needed: bool = Field(description="Whether the server has a token at all.")


def session_routes(sessions: Sessions | None) -> APIRouter:
    """/api/session, and the files of the page for signing in. They answer browsers that have not signed in, too."""
    router = APIRouter(tags=["session"])

    def respond(signed_in: bool) -> Response:
        return json_response({"signed_in": signed_in, "needed": sessions is not None})

    @router.get("/api/session", response_model=SessionAnswer)
    async def session(request: Request, parameters: NoParameters) -> Response:
        """Whether this browser is signed in."""
        return respond(sessions is None or sessions.admits(request.headers))

    @router.post(
        "/api/session",
        response_model=SessionAnswer,
        responses=error_responses({400: "The body is not JSON.", 403: "The token is wrong, or the code was used."}),
    )
    async def sign_in(
        request: Request, client: schemas.ClientHeader, parameters: NoParameters, body: Annotated[SignIn, Body()]
    ) -> Response:
        """Sign a browser in: the answer sets a cookie that lasts 90 days."""
        if sessions is None:
            return respond(True)
        value = sessions.sign_in(body.token)
        if value is None:
            raise RequestError(403, "wrong-token", "this is not the server's token, or the address was used before")
        answer = respond(True)
        is_encrypted = request.headers.get("origin", "").startswith("https://")  # by a proxy before the server
        answer.set_cookie(
            sessions.cookie, value, LIFETIME, path="/", httponly=True, samesite="strict", secure=is_encrypted
        )
        return answer

    @router.delete("/api/session", response_model=SessionAnswer)
    async def sign_out(client: schemas.ClientHeader, parameters: NoParameters) -> Response:
        """Sign this browser out. Its cookie is removed; to end all sessions, give the server another token."""
        answer = respond(sessions is None)
        if sessions is not None:
            answer.delete_cookie(sessions.cookie, path="/", httponly=True, samesite="strict")
        return answer

    @router.get("/sign-in/{name}", include_in_schema=False)
    async def sign_in_file(name: str) -> Response:
        if name not in _FILES:
            raise RequestError(404, "not-found", "there is no such file")
        return FileResponse(_FOLDER / name, headers={"Cache-Control": "no-cache"}, media_type=_FILES[name])

    return router
