"""Finding photos: searches, and browsing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Request
from starlette.responses import Response

from clipsearch import types
from clipsearch._internal.cancel import CancelToken
from clipsearch._internal.commands import for_requests
from clipsearch.conditions import all_of
from clipsearch.engine import SearchEngine
from clipsearch.query.matching_words import found_in, wanted_phrases
from clipsearch.render.explain import notes_in_words
from clipsearch.render.json_output import found_in_to_json, hits_to_json, photo_to_json, shot_to_json
from clipsearch.server import schemas
from clipsearch.server.counted_photos import hits_of
from clipsearch.server.errors import RequestError
from clipsearch.server.favourites import favourites_of
from clipsearch.server.middleware.access import LIMIT
from clipsearch.server.parameters import (
    BrowseParameters,
    DuplicatesParameters,
    NoParameters,
    SearchParameters,
    SimilarParameters,
)
from clipsearch.server.placeholders import with_placeholders
from clipsearch.server.schemas import error_responses, json_response
from clipsearch.server.search_body import SearchBody
from clipsearch.server.search_requests import (
    SearchRequest,
    search_from_body,
    search_from_parameters,
    similar_from_parameters,
)
from clipsearch.server.service import Service
from clipsearch.store.full_text import Phrase
from clipsearch.terms import Query as SearchQuery

_BAD_QUERY = error_responses({400: "The query asks for nothing, or cannot be understood."})
_NO_PICTURE = error_responses({404: "There is no such photo or upload."})
_BAD_BODY = error_responses(
    {
        408: "The body took too long.",
        409: "The index is empty, so there is nothing to compare a picture with.",
        413: f"The body is larger than {LIMIT}.",
        415: "The Content-Type is not `application/json`.",
    }
)


def search_routes(service: Service) -> APIRouter:
    """/api/search, /api/similar, /api/images, /api/duplicates."""
    router = APIRouter(prefix="/api", tags=["photos"])

    async def respond(request: Request, search: SearchRequest, start: float) -> Response:
        hits = await hits_of(service, request, search)
        origin = hits.explanation
        answer = hits_to_json(
            hits,
            search.text,
            origin.model,
            origin.index,
            group_by=search.group_by,
            understood=origin.understood.to_json() if origin.understood else None,
            explanation=notes_in_words(hits.explain(), for_requests) if search.explain else None,
            exact=search.exact,
        )
        if search.placeholders:
            answer["hits"] = await with_placeholders(service, answer["hits"])
        if search.favourites:
            answer["favourites"] = await favourites_of(service, answer["hits"])
        seconds = time.perf_counter() - start
        timing = {"Server-Timing": f"search;dur={1000 * seconds:.2f}"}
        return json_response({**answer, "considered": origin.considered, "seconds": round(seconds, 6)}, headers=timing)

    @router.get("/search", response_model=schemas.SearchAnswer, responses={**_BAD_QUERY, **_NO_PICTURE})
    async def search(request: Request, parameters: Annotated[SearchParameters, Query()]) -> Response:
        """The photos nearest to texts and pictures, best first."""
        start = time.perf_counter()
        return await respond(request, search_from_parameters(parameters, request.scope["query_string"]), start)

    @router.post(
        "/search",
        response_model=schemas.SearchAnswer,
        responses={**_BAD_QUERY, **_NO_PICTURE, **_BAD_BODY},
        dependencies=[Depends(_require_json)],
    )
    async def search_by_json(
        request: Request,
        client: schemas.ClientHeader,
        parameters: NoParameters,
        body: Annotated[SearchBody, Body()],
    ) -> Response:
        """The same for programs: a `clipsearch.Query` as JSON, answered with every digit and an explanation."""
        start = time.perf_counter()
        pictures = [await service.embed_bytes(request, term.image) for term in body.terms if term.image is not None]
        return await respond(request, search_from_body(body, pictures), start)

    @router.get("/similar", response_model=schemas.SearchAnswer, responses={**_BAD_QUERY, **_NO_PICTURE})
    async def similar(request: Request, parameters: Annotated[SimilarParameters, Query()]) -> Response:
        """The photos that look like one, without itself and its copies."""
        start = time.perf_counter()
        return await respond(request, similar_from_parameters(parameters, request.scope["query_string"]), start)

    @router.get("/images", response_model=schemas.BrowseAnswer, responses=_BAD_QUERY)
    async def images(request: Request, parameters: Annotated[BrowseParameters, Query()]) -> Response:
        """Photos without a query."""
        filters = await service.filters(request, parameters)
        condition, wanted = all_of(filters), wanted_phrases(filters)
        page: dict[str, Any] = {"sort": parameters.sort, "offset": parameters.offset, "top_k": parameters.top_k}
        if parameters.one_per_shot:
            shots, considered = await service.read(request, lambda engine: engine.browse_shots(condition, **page))
            listed = [{**shot_to_json(shot), **_found_in(shot[0], wanted)} for shot in shots]
        else:
            records, considered = await service.read(request, lambda engine: engine.browse(condition, **page))
            listed = [{**photo_to_json(record), **_found_in(record, wanted)} for record in records]
        if parameters.placeholders:
            listed = await with_placeholders(service, listed)
        answer: dict[str, Any] = {"images": listed, "considered": considered}
        if parameters.favourites:
            answer["favourites"] = await favourites_of(service, listed)
        if filters and not considered:
            nothing = await service.read(request, lambda engine: engine.search(SearchQuery((), filters), 1))
            answer["notes"] = notes_in_words(nothing.explain(), for_requests)["notes"]
        return json_response(answer)

    @router.get("/duplicates", response_model=schemas.DuplicatesAnswer, responses=_BAD_QUERY)
    async def duplicates(request: Request, parameters: Annotated[DuplicatesParameters, Query()]) -> Response:
        """Photos that are copies of each other, in groups. It may take minutes, and stops if the client leaves.

        Nothing is deleted, here or elsewhere.
        """
        condition, cancel = all_of(await service.filters(request, parameters)), CancelToken()

        def find(engine: SearchEngine) -> dict[str, Any]:
            report = engine.duplicates(condition, exact_only=parameters.only_exact, cancel=cancel)
            return report.to_json(photo_to_json)

        try:
            return json_response(await service.answer(request, service.analyses.run(find)))
        finally:
            cancel.cancel()

    return router


def _found_in(record: types.ImageRecord, wanted: Sequence[Phrase]) -> dict[str, Any]:
    found = found_in(record.info, wanted) if wanted else ()
    return found_in_to_json(found[0], found[1:]) if found else {}


def _require_json(request: Request) -> None:
    """Refuse a body of another kind: a form of another site could send it."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RequestError(415, "wrong-type", "send the search as application/json")
