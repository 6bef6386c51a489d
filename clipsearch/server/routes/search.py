"""Finding photos: searches, browsing, counts, places."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal, TypeAlias

from fastapi import APIRouter, Body, Depends, Query, Request
from starlette.responses import Response

from clipsearch.analysis.statistics import By
from clipsearch.query.hits import Hits
from clipsearch.render.json_output import hits_to_json, json_line, photo_to_json
from clipsearch.server import schemas
from clipsearch.server.errors import RequestError
from clipsearch.server.parameters import Browse, Choice, Facets, Nothing, Places, Search, Similar
from clipsearch.server.search_body import MOST_HITS, SearchBody
from clipsearch.server.search_requests import (
    SearchRequest,
    search_for_text,
    search_from_body,
    search_from_parameters,
    similar_from_parameters,
)
from clipsearch.server.service import Service
from clipsearch.server.uploads import embedded_bytes
from clipsearch.server.workers import SearchTask
from clipsearch.types import Known, all_of

MOST_PLACES = 5000
_FACETS: tuple[By, ...] = ("year", "month", "camera", "folder", "format", "orientation")
_BAD_QUERY: dict[int | str, dict[str, Any]] = {
    400: {"model": schemas.ErrorAnswer, "description": "The query asks for nothing, or cannot be understood."}
}
_NO_PICTURE: dict[int | str, dict[str, Any]] = {
    404: {"model": schemas.ErrorAnswer, "description": "There is no such photo or upload."}
}
_BAD_BODY: dict[int | str, dict[str, Any]] = {
    408: {"model": schemas.ErrorAnswer, "description": "The body did not come in time."},
    409: {"model": schemas.ErrorAnswer, "description": "The index is empty, so a picture cannot be compared."},
    413: {"model": schemas.ErrorAnswer, "description": "The body is larger than 64 MB."},
    415: {"model": schemas.ErrorAnswer, "description": "The Content-Type is not `application/json`."},
}
GroupBy: TypeAlias = Literal["folder", "day"] | None


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A value as JSON, written as the command line writes it."""
    return Response(json_line(value), status, {"Cache-Control": "no-store", **(headers or {})}, "application/json")


def search_routes(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api", tags=["photos"])

    async def hits_of(request: Request, search: SearchRequest) -> Hits:
        task = SearchTask(lambda engine: search.resolved(engine, service.uploads), search.top_k)
        return await service.answer(request, service.searches.run(task))

    async def answer(
        request: Request, search: SearchRequest, start: float, *, explain: bool, exact: bool, group_by: GroupBy = None
    ) -> Response:
        hits = await hits_of(request, search)
        explained = hits.explain() if explain else None
        about = hits.explanation
        found = hits_to_json(
            hits, search.text, about.model, about.index, group_by=group_by, explanation=explained, exact=exact
        )
        seconds = time.perf_counter() - start
        timing = {"Server-Timing": f"search;dur={1000 * seconds:.2f}"}
        return json_response({**found, "considered": about.considered, "seconds": round(seconds, 6)}, headers=timing)

    async def answer_to(request: Request, choice: Choice, search: SearchRequest, start: float) -> Response:
        return await answer(
            request, search, start, explain=choice.explain, exact=choice.exact, group_by=choice.group_by
        )

    @router.get("/search", response_model=schemas.SearchAnswer, responses={**_BAD_QUERY, **_NO_PICTURE})
    async def search(request: Request, asked: Annotated[Search, Query()]) -> Response:
        """The photos nearest to texts and pictures, best first."""
        start = time.perf_counter()
        return await answer_to(request, asked, search_from_parameters(asked, _query_string(request)), start)

    @router.post(
        "/search",
        response_model=schemas.SearchAnswer,
        responses={**_BAD_QUERY, **_NO_PICTURE, **_BAD_BODY},
        dependencies=[Depends(_require_json)],
    )
    async def search_by_json(
        request: Request,
        client: schemas.ClientHeader,
        asked: Annotated[Nothing, Query()],
        body: Annotated[SearchBody, Body()],
    ) -> Response:
        """The same for programs: a `clipsearch.Query` as JSON, answered with every digit and an explanation."""
        start = time.perf_counter()
        pictures = [await embedded_bytes(service, request, term.image) for term in body.terms if term.image is not None]
        return await answer(request, search_from_body(body, pictures), start, explain=True, exact=True)

    @router.get("/similar", response_model=schemas.SearchAnswer, responses={**_BAD_QUERY, **_NO_PICTURE})
    async def similar(request: Request, asked: Annotated[Similar, Query()]) -> Response:
        """The photos that look like one, without itself and its copies."""
        start = time.perf_counter()
        return await answer_to(request, asked, similar_from_parameters(asked, _query_string(request)), start)

    @router.get("/images", response_model=schemas.BrowseAnswer, responses=_BAD_QUERY)
    async def images(request: Request, asked: Annotated[Browse, Query()]) -> Response:
        """Photos without a query."""
        condition = all_of(asked.conditions(_query_string(request)))
        records, considered = await service.answer(
            request,
            service.counts.run(
                lambda engine: engine.browse(condition, sort=asked.sort, offset=asked.offset, top_k=asked.top_k)
            ),
        )
        return json_response({"images": [photo_to_json(record) for record in records], "considered": considered})

    @router.get("/facets", response_model=schemas.FacetsAnswer, responses=_BAD_QUERY)
    async def facets(request: Request, asked: Annotated[Facets, Query()]) -> Response:
        """How many photos there are by year, month, camera, folder, format and orientation."""
        condition = all_of(asked.conditions(_query_string(request)))
        stats = await service.answer(
            request,
            service.counts.run(lambda engine: engine.stats(_FACETS, condition, top=asked.top, depth=asked.depth)),
        )
        counts = {
            one.by: [{"value": count.value, "images": count.images} for count in one.counts] for one in stats.breakdowns
        }
        return json_response({"images": stats.images, "facets": counts})

    @router.get("/places", response_model=schemas.PlacesAnswer, responses=_BAD_QUERY)
    async def places(request: Request, asked: Annotated[Places, Query()]) -> Response:
        """Where photos were taken: those of a search, or all that meet the filters, at most 5000."""
        filters = (*asked.conditions(_query_string(request)), Known("latitude"))
        if asked.q is None:
            records, _ = await service.answer(
                request, service.counts.run(lambda engine: engine.browse(all_of(filters), top_k=MOST_PLACES))
            )
        else:
            by_text = search_for_text(asked.q, asked.conditions(_query_string(request)), MOST_HITS)
            records = [hit.record for hit in await hits_of(request, by_text)]
        found = [(record.image_id, record.info.gps) for record in records]
        return json_response(
            {"places": [{"id": number, "latitude": gps[0], "longitude": gps[1]} for number, gps in found if gps]}
        )

    return router


def _query_string(request: Request) -> bytes:
    query: bytes = request.scope["query_string"]
    return query


def _require_json(request: Request) -> None:
    """Refuse a body of another kind: a form of another site could send it."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RequestError(415, "wrong-type", "send the search as application/json")
