"""Finding photos: searches, browsing, counts, places."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from clipsearch.analysis.statistics import By
from clipsearch.render.json_output import hits_to_json, json_line, photo_to_json
from clipsearch.server import schemas
from clipsearch.server.parameters import MOST_HITS, Browse, Choice, Facets, Places, Search, Similar
from clipsearch.server.search_requests import search_wish, similar_wish, text_wish
from clipsearch.server.service import Service
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


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A value as JSON, written as the command line writes it."""
    return Response(json_line(value), status, {"Cache-Control": "no-store", **(headers or {})}, "application/json")


def search_routes(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api", tags=["photos"])

    async def answer(request: Request, wish: SearchTask, asked: Choice, text: str, start: float) -> Response:
        hits = await service.answer(request, service.searches.run(wish))
        explained = hits.explain() if asked.explain else None
        about = hits.explanation
        found = hits_to_json(
            hits, text, about.model, about.index, group_by=asked.group_by, explanation=explained, exact=asked.exact
        )
        seconds = time.perf_counter() - start
        timing = {"Server-Timing": f"search;dur={1000 * seconds:.2f}"}
        return json_response({**found, "considered": about.considered, "seconds": round(seconds, 6)}, headers=timing)

    @router.get("/search", response_model=schemas.SearchAnswer, responses={**_BAD_QUERY, **_NO_PICTURE})
    async def search(request: Request, asked: Annotated[Search, Query()]) -> Response:
        """The photos nearest to texts and pictures, best first."""
        start = time.perf_counter()
        wish, text = search_wish(asked, _query_string(request), service.uploads)
        return await answer(request, wish, asked, text, start)

    @router.get("/similar", response_model=schemas.SearchAnswer, responses={**_BAD_QUERY, **_NO_PICTURE})
    async def similar(request: Request, asked: Annotated[Similar, Query()]) -> Response:
        """The photos that look like one, without itself and its copies."""
        start = time.perf_counter()
        wish, text = similar_wish(asked, _query_string(request), service.uploads)
        return await answer(request, wish, asked, text, start)

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
            wish = text_wish(asked.q, asked.conditions(_query_string(request)), MOST_HITS)
            records = [hit.record for hit in await service.answer(request, service.searches.run(wish))]
        found = [(record.image_id, record.info.gps) for record in records]
        return json_response(
            {"places": [{"id": number, "latitude": gps[0], "longitude": gps[1]} for number, gps in found if gps]}
        )

    return router


def _query_string(request: Request) -> bytes:
    query: bytes = request.scope["query_string"]
    return query
