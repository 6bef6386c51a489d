"""Which photos the page's counts and its map are about: those that meet the filters, or those that a search finds."""

from __future__ import annotations

from fastapi import Request

from clipsearch.conditions import Condition, all_of
from clipsearch.query.hits import Hits
from clipsearch.server.parameters import CountParameters
from clipsearch.server.search_requests import SearchRequest, counted_search
from clipsearch.server.service import Service
from clipsearch.server.workers import SearchTask

_FEW = 250
"""So many hits are asked for at first. Most searches have fewer likely ones, and a search for more reads many photos."""


async def hits_of(service: Service, request: Request, search: SearchRequest, top_k: int | None = None) -> Hits:
    """The hits of a search: `top_k`, or as many as it asks for."""
    task = SearchTask(lambda engine: search.resolved(engine, service.uploads), top_k or search.top_k)
    return await service.answer(request, service.searches.run(task))


async def counted_photos(service: Service, request: Request, parameters: CountParameters) -> Condition | None:
    """The photos that a request counts, as a condition; None for all. RequestError or QueryError as a search."""
    query_string = request.scope["query_string"]
    search = counted_search(parameters, query_string)
    if search is None:
        return all_of(await service.filters(request, parameters))
    is_limited = search.query.min_match is not None
    hits = await hits_of(service, request, search, min(_FEW, search.top_k) if is_limited else None)
    if is_limited and len(hits) == _FEW < search.top_k:
        hits = await hits_of(service, request, search)
    return await service.read(request, lambda engine: engine.among(hits))
