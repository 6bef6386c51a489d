"""Counts of photos, and a map of where they were taken."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from clipsearch.conditions import Known, all_of
from clipsearch.query.filters import taken_within
from clipsearch.render.json_output import place_to_json
from clipsearch.server import schemas
from clipsearch.server.counted_photos import counted_photos
from clipsearch.server.parameters import Facet, FacetParameters, MapParameters, PlaceParameters
from clipsearch.server.schemas import error_responses, json_response
from clipsearch.server.service import Service

MOST_PLACES = 20_000
_MOST_NAMES = 120  # on a part of a map
_ALL_FACETS: tuple[Facet, ...] = get_args(Facet)
_BAD_QUERY = error_responses({400: "The query or a filter cannot be understood."})
_NO_PICTURE = error_responses({404: "There is no such photo or upload."})


def count_routes(service: Service) -> APIRouter:
    """/api/facets, /api/places, /api/map."""
    router = APIRouter(prefix="/api", tags=["photos"])

    @router.get("/facets", response_model=schemas.FacetsAnswer, responses={**_BAD_QUERY, **_NO_PICTURE})
    async def facets(request: Request, parameters: Annotated[FacetParameters, Query()]) -> Response:
        """How many photos there are by year, camera, folder, place, keyword and so on.

        A photo with several keywords or people counts for each. `source` is where the date was read, and `place` a city.
        """
        condition = await counted_photos(service, request, parameters)
        images, values = await service.read_facets(
            request,
            lambda engine: engine.count_values(
                parameters.by or _ALL_FACETS, condition, top=parameters.top, depth=parameters.depth
            ),
        )
        counts = {by: [asdict(count) for count in counts] for by, counts in values.items()}
        return json_response({"images": images, "facets": counts})

    @router.get("/places", response_model=schemas.PlacesAnswer, responses={**_BAD_QUERY, **_NO_PICTURE})
    async def places(request: Request, parameters: Annotated[PlaceParameters, Query()]) -> Response:
        """Where photos were taken: those of a search, or all that meet the filters; the newest 20,000 in the index."""
        condition = await counted_photos(service, request, parameters)
        with_position = all_of([Known("latitude"), *([condition] if condition else [])])
        positions, images = await service.read_facets(
            request,
            lambda engine: (engine.positions(condition, MOST_PLACES), engine.count_values((), with_position)[0]),
        )
        points = [{"id": image_id, "latitude": north, "longitude": east} for image_id, north, east in positions]
        return json_response({"places": points, "images": images})

    @router.get("/map", response_model=schemas.MapAnswer, responses=_BAD_QUERY)
    async def map_of(parameters: Annotated[MapParameters, Query()]) -> Response:
        """The largest places in a part of the world, to write on a map, spread over it; and whose tiles the map is to show."""
        from clipsearch.gazetteer import largest_within, nearest  # most sessions need no map

        box = taken_within(parameters.within)
        cities = await asyncio.to_thread(largest_within, box.south, box.west, box.north, box.east, _MOST_NAMES)
        answer: dict[str, Any] = {"names": [asdict(city) for city in cities], "tiles": service.map_tiles}
        if not cities:
            turns = box.west > box.east  # it crosses the date line
            east = (box.west + box.east + 360 * turns) / 2
            code = await asyncio.to_thread(nearest, (box.south + box.north) / 2, east - 360 * (east > 180))
            answer["nearest"] = place_to_json(code) if code else None
        return json_response(answer)

    return router
