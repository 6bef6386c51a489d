"""The index itself: what is in it, bringing it up to date, saved searches, events."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from clipsearch._internal.commands import PHOTOS, command
from clipsearch.indexing import roots
from clipsearch.render.json_output import failure_to_json
from clipsearch.server import schemas as shapes
from clipsearch.server.errors import Refusal
from clipsearch.server.events import EventStream, index_events, job_events
from clipsearch.server.parameters import NAMES, FolderPath, Nothing, Text
from clipsearch.server.routes.search import json_response
from clipsearch.server.service import Service

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "Events, as they come.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}
_NO_SEARCH: dict[int | str, dict[str, Any]] = {
    404: {"model": shapes.ErrorAnswer, "description": "There is no saved search of this name."}
}
_BAD_BODY: dict[int | str, dict[str, Any]] = {400: {"model": shapes.ErrorAnswer, "description": "The body is no JSON."}}
_Name = Annotated[str, Path(min_length=1, max_length=200, description="What the user calls it.", examples=["dogs"])]
_Value = Text | int | Annotated[float, Field(allow_inf_nan=False)] | bool | list[Text]


class IndexRequest(BaseModel):
    """What to index again."""

    model_config = ConfigDict(extra="forbid")

    folders: list[FolderPath] | None = Field(
        None, max_length=1000, description="Indexed folders; all, if not said.", examples=[["/photos"]]
    )


class SavedRequest(BaseModel):
    """A search to save."""

    model_config = ConfigDict(extra="forbid")

    parameters: dict[str, _Value] = Field(
        max_length=50, description="Parameters of `/api/search` or `/api/images`.", examples=[{"q": "a dog"}]
    )


def index_routes(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api", tags=["index"])

    @router.get("/status", response_model=shapes.StatusAnswer)
    async def status(request: Request, asked: Annotated[Nothing, Query()]) -> Response:
        """What is indexed, by which model. The folders are not compared with the disk."""
        found = await service.answer(request, service.counts.call(lambda engine: engine.status(scan=False)))
        return json_response({**asdict(found), "stale": found.stale})

    @router.get("/failures", response_model=shapes.FailuresAnswer)
    async def failures(request: Request, asked: Annotated[Nothing, Query()]) -> Response:
        """The files that could not be indexed, and why."""
        found = await service.answer(request, service.counts.call(lambda engine: engine.failures()))
        return json_response({"failures": [failure_to_json(failure) for failure in found]})

    @router.post(
        "/index",
        response_model=shapes.JobAnswer,
        status_code=202,
        responses={
            **_BAD_BODY,
            403: {
                "model": shapes.ErrorAnswer,
                "description": "A folder is not indexed, or the request is not from here.",
            },
            409: {"model": shapes.ErrorAnswer, "description": "It is being indexed already."},
        },
    )
    async def start_index(
        client: shapes.ClientHeader,
        asked: Annotated[Nothing, Query()],
        body: Annotated[IndexRequest | None, Body()] = None,
    ) -> Response:
        """Bring the index up to date with its folders, or some of them."""
        folders = [roots.absolute(folder) for folder in (body and body.folders) or ()]
        if folders:
            state = await service.counts.call(lambda engine: engine.status(scan=False))
            unknown = sorted(set(folders) - {root.path for root in state.roots})
            if unknown:
                how = command("index", PHOTOS, index=service.index_folder)
                raise Refusal(403, "not-indexed", f"{unknown[0]} is not an indexed folder; to add it: {how}")
        return json_response({"job": service.jobs.start(folders).to_json()}, 202)

    @router.get("/index", response_model=shapes.JobObject)
    async def index_state(asked: Annotated[Nothing, Query()]) -> Response:
        """How far indexing is, or how it ended."""
        return json_response(service.jobs.job.to_json())

    @router.delete("/index", response_model=shapes.JobObject)
    async def cancel_index(client: shapes.ClientHeader, asked: Annotated[Nothing, Query()]) -> Response:
        """End indexing soon; what is finished is kept."""
        return json_response(service.jobs.cancel().to_json())

    @router.get("/index/events", response_class=Response, responses=_STREAM)
    async def index_progress(asked: Annotated[Nothing, Query()]) -> Response:
        """`progress` with what `/api/index` says, whenever that changes, and at last `done`, `failed` or `cancelled`."""
        return EventStream(service, job_events(service))

    @router.get("/events", response_class=Response, responses=_STREAM)
    async def changes(asked: Annotated[Nothing, Query()]) -> Response:
        """`changed` whenever the index has a new commit, whoever made it."""
        return EventStream(service, index_events(service))

    @router.get("/saved-searches", response_model=shapes.SavedSearches)
    async def saved_searches(asked: Annotated[Nothing, Query()]) -> Response:
        """The searches that were saved for this index."""
        found = await service.lookups.call(lambda engine: service.saved.all())
        return json_response({"searches": [{"name": name, "parameters": found[name]} for name in found]})

    @router.get("/saved-searches/{name:path}", response_model=shapes.SavedSearch, responses=_NO_SEARCH)
    async def saved_search(name: _Name, asked: Annotated[Nothing, Query()]) -> Response:
        """One of them."""
        found = await service.lookups.call(lambda engine: service.saved.all())
        if name not in found:
            raise _no_search(name)
        return json_response({"name": name, "parameters": found[name]})

    @router.put(
        "/saved-searches/{name:path}",
        response_model=shapes.SavedSearch,
        responses={
            **_BAD_BODY,
            404: {"model": shapes.ErrorAnswer, "description": "No name has a line break in it."},
            409: {"model": shapes.ErrorAnswer, "description": "There are 1000 already."},
        },
    )
    async def save_search(
        name: _Name,
        client: shapes.ClientHeader,
        asked: Annotated[Nothing, Query()],
        body: Annotated[SavedRequest, Body()],
    ) -> Response:
        """Save a search, in place of one of that name."""
        unknown = [key for key in body.parameters if key not in NAMES]
        if unknown:
            raise Refusal(422, "unknown-parameter", f"a search has no parameter {unknown[0]!r}")
        if not await service.lookups.call(lambda engine: service.saved.put(name, body.parameters)):
            raise Refusal(409, "too-many", "there are too many saved searches; remove some first")
        return json_response({"name": name, "parameters": body.parameters})

    @router.delete("/saved-searches/{name:path}", status_code=204, responses=_NO_SEARCH)
    async def forget_search(name: _Name, client: shapes.ClientHeader, asked: Annotated[Nothing, Query()]) -> Response:
        """Forget a saved search."""
        if not await service.lookups.call(lambda engine: service.saved.remove(name)):
            raise _no_search(name)
        return Response(status_code=204)

    return router


def _no_search(name: str) -> Refusal:
    return Refusal(404, "no-such-search", f"there is no saved search {name!r}")
