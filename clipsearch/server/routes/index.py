"""The index itself: its status, indexing, events, saved searches."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Body, Path, Request
from pydantic import Field
from starlette.responses import Response

from clipsearch.render.json_output import failure_to_json
from clipsearch.server import schemas
from clipsearch.server.errors import RequestError
from clipsearch.server.events import EventStream, index_events, job_events
from clipsearch.server.jobs import IndexJob
from clipsearch.server.parameters import NAMES, FolderPath, NoParameters, Text
from clipsearch.server.schemas import error_responses, file_responses, json_response
from clipsearch.server.search_body import Strict
from clipsearch.server.service import Service
from clipsearch.server.sessions import Sessions
from clipsearch.store.lock import is_written
from clipsearch.store.saved_searches import LONGEST_NAME, kept_name

_STREAM = file_responses("Events, as they come.", "text/event-stream", schema={"type": "string"})
_NO_SEARCH = error_responses({404: "There is no saved search of this name."})
_BAD_BODY = "The body is not JSON."
_Name = Annotated[
    str, Path(min_length=1, max_length=LONGEST_NAME, description="The name that the user chose.", examples=["dogs"])
]
_Value = Text | int | Annotated[float, Field(allow_inf_nan=False)] | bool | list[Text]


class IndexRequest(Strict):
    """The folders to index."""

    folders: list[FolderPath] | None = Field(
        None,
        max_length=1000,
        description="Folders to index again, or to add; all that are indexed by default.",
        examples=[["/photos"]],
    )


class SavedRequest(Strict):
    """A search to save."""

    parameters: dict[str, _Value] = Field(
        max_length=50, description="Parameters of `/api/search` or `/api/images`.", examples=[{"q": "a dog"}]
    )


def index_routes(service: Service, sessions: Sessions | None = None) -> APIRouter:
    """/api/status, /api/failures, /api/index, /api/folders, /api/events, /api/saved-searches."""
    router = APIRouter(prefix="/api", tags=["index"])

    async def indexed_folders(request: Request) -> list[str]:
        if service.folders.offered:
            return []
        state = await service.read(request, lambda engine: engine.status(scan=False))
        return [root.path for root in state.roots]

    @router.get("/status", response_model=schemas.StatusAnswer)
    async def status(request: Request, parameters: NoParameters) -> Response:
        """What is indexed, and by which model. The folders are not compared with the disk."""
        state = await service.read(request, lambda engine: engine.status(scan=False))
        return json_response({**asdict(state), "stale": state.stale})

    @router.get("/failures", response_model=schemas.FailuresAnswer)
    async def failures(request: Request, parameters: NoParameters) -> Response:
        """The files that could not be indexed, and why."""
        failed = await service.read(request, lambda engine: engine.failures())
        return json_response({"failures": [failure_to_json(failure) for failure in failed]})

    @router.post(
        "/index",
        response_model=schemas.JobAnswer,
        status_code=202,
        responses=error_responses(
            {
                400: _BAD_BODY,
                403: "A folder may not be added, or the request comes from another site.",
                404: "There is no such folder.",
                409: "The photos are being indexed already, by the server or by another process; or there is no index yet and "
                "another folder is offered.",
            }
        ),
    )
    async def start_index(
        request: Request,
        client: schemas.ClientHeader,
        parameters: NoParameters,
        body: Annotated[IndexRequest | None, Body()] = None,
    ) -> Response:
        """Bring the index up to date with its folders, or some of them; or add folders.

        A folder can be added if it is below one of those that `GET /api/folders` lists, or if the request has the server's
        token. If there is no index yet, the offered folder makes one.
        """
        wanted = (body and body.folders) or ()
        if wanted:
            anywhere = sessions is not None and sessions.has_token(request.headers)
            indexed = await indexed_folders(request)
            folders = [service.folders.permitted(folder, indexed, anywhere=anywhere) for folder in wanted]
            if service.folders.offered and folders != [str(service.folders.offered)]:
                raise RequestError(409, "no-index", f"there is no index yet; first index {service.folders.offered}")
        else:
            folders = []
        if service.jobs.job.state != "running" and await asyncio.to_thread(is_written, service.index_folder):
            raise RequestError(
                409,
                "index-busy",
                "another process is writing to the index, so nothing was begun; try again once it has finished",
            )
        return json_response({"job": service.jobs.start(folders).to_json()}, 202)

    @router.get("/folders", response_model=schemas.FoldersAnswer)
    async def folders_to_add(request: Request, parameters: NoParameters) -> Response:
        """Which folders clients may index."""
        indexed = await indexed_folders(request)
        offered = service.folders.offered
        return json_response(
            {
                "indexed": indexed,
                "below": service.folders.bases(indexed),
                "suggested": await asyncio.to_thread(service.folders.suggestions, indexed),
                "offered": str(offered) if offered else None,
                "token": sessions is not None,
            }
        )

    @router.get("/index", response_model=IndexJob)
    async def index_state(parameters: NoParameters) -> Response:
        """How far indexing is, or how it ended."""
        return json_response((await asyncio.to_thread(service.jobs.forget_writer, service.index_folder)).to_json())

    @router.delete("/index", response_model=IndexJob)
    async def cancel_index(client: schemas.ClientHeader, parameters: NoParameters) -> Response:
        """Stop indexing soon. What is finished is kept."""
        return json_response(service.jobs.cancel().to_json())

    @router.get("/index/events", response_class=Response, responses=_STREAM)
    async def index_progress(parameters: NoParameters) -> Response:
        """`progress` with the job of `/api/index` whenever it changes, and at last `done`, `failed` or `cancelled`."""
        return EventStream(service, job_events(service))

    @router.get("/events", response_class=Response, responses=_STREAM)
    async def changes(parameters: NoParameters) -> Response:
        """`changed` whenever any process has committed to the index; `gone` once it is not on the disk any more.

        `albums` whenever favourites or albums have changed, by any client or process. `writing` when another process begins to
        write to the index (`elsewhere` is true), and when it ends.
        """
        return EventStream(service, index_events(service))

    @router.get("/saved-searches", response_model=schemas.SavedSearchesAnswer)
    async def saved_searches(parameters: NoParameters) -> Response:
        """The searches that were saved for this index."""
        searches = await service.lookups.run(lambda engine: service.saved.all())
        return json_response({"searches": [{"name": name, "parameters": searches[name]} for name in searches]})

    @router.get("/saved-searches/{name:path}", response_model=schemas.SavedSearch, responses=_NO_SEARCH)
    async def saved_search(name: _Name, parameters: NoParameters) -> Response:
        """A saved search."""
        searches = await service.lookups.run(lambda engine: service.saved.all())
        name = kept_name(name, searches)
        if name not in searches:
            raise _no_search(name)
        return json_response({"name": name, "parameters": searches[name]})

    @router.put(
        "/saved-searches/{name:path}",
        response_model=schemas.SavedSearch,
        responses=error_responses(
            {400: _BAD_BODY, 404: "A name cannot have a line break in it.", 409: "There are 1000 already."}
        ),
    )
    async def save_search(
        name: _Name,
        client: schemas.ClientHeader,
        parameters: NoParameters,
        body: Annotated[SavedRequest, Body()],
    ) -> Response:
        """Save a search, or replace the one of this name. Spaces at the ends of a new name are left out."""
        unknown = [key for key in body.parameters if key not in NAMES]
        if unknown:
            raise RequestError(422, "unknown-parameter", f"a search has no parameter {unknown[0]!r}")
        if not name.strip():
            raise RequestError(422, "bad-parameter", "a saved search needs a name that is not only spaces")
        if not await service.lookups.run(lambda engine: service.saved.put(name, body.parameters)):
            raise RequestError(409, "too-many", "there are too many saved searches; remove some first")
        searches = await service.lookups.run(lambda engine: service.saved.all())
        return json_response({"name": kept_name(name, searches), "parameters": body.parameters})

    @router.delete("/saved-searches/{name:path}", status_code=204, responses=_NO_SEARCH)
    async def forget_search(name: _Name, client: schemas.ClientHeader, parameters: NoParameters) -> Response:
        """Remove a saved search."""
        if not await service.lookups.run(lambda engine: service.saved.remove(name)):
            raise _no_search(name)
        return Response(status_code=204)

    return router


def _no_search(name: str) -> RequestError:
    return RequestError(404, "no-such-search", f"there is no saved search {name!r}")
