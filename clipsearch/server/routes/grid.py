"""What the page's rows need at once: the outline of a list, photos by their ids, and thumbnails in one response."""

from __future__ import annotations

import asyncio
import gzip
import struct
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from clipsearch._internal.cpu import cores
from clipsearch.conditions import all_of
from clipsearch.engine import SearchEngine
from clipsearch.errors import ImageError
from clipsearch.query.outline import mean_colour
from clipsearch.render.json_output import json_line, photo_to_json
from clipsearch.server import schemas
from clipsearch.server.middleware.head_requests import IS_HEAD
from clipsearch.server.parameters import OutlineParameters, PhotoIds, ThumbnailBatch
from clipsearch.server.placeholders import with_placeholders
from clipsearch.server.schemas import error_responses, file_responses, json_response
from clipsearch.server.service import Service
from clipsearch.server.thumbnails_ahead import ThumbnailsAhead
from clipsearch.types import ImageRecord

_HEAD = struct.Struct("<QI")
"""Before each thumbnail of a batch: the photo's id and the length in bytes, 0 if it cannot be made."""

_OUTLINES_KEPT = 8
_BAD_QUERY = error_responses({400: "A filter cannot be understood."})


def grid_routes(service: Service) -> APIRouter:
    """/api/outline, /api/photos, /api/thumbnails."""
    router = APIRouter(prefix="/api", tags=["photos"])
    ahead = ThumbnailsAhead(service)
    kept: OrderedDict[tuple[object, ...], bytes] = OrderedDict()  # compressed, by the state of the index and the query

    @router.get("/outline", response_model=schemas.OutlineAnswer, responses=_BAD_QUERY)
    async def outlined(request: Request, parameters: Annotated[OutlineParameters, Query()]) -> Response:
        """What a page needs to lay out the whole list of `/api/images`: a few bytes for each photo."""
        query = request.scope["query_string"]
        condition = all_of(await service.filters(request, parameters))
        favourites = await service.favourites()

        def read(engine: SearchEngine) -> bytes:
            whole = engine.outline(condition, sort=parameters.sort, one_per_shot=parameters.one_per_shot)
            small = engine.placeholders(whole.ids)
            answer = {
                "ids": whole.ids,
                "shapes": [round(100 * shape) for shape in whole.shapes],
                "days": whole.runs_of_days(),
                "colours": "".join(mean_colour(small.get(image_id)) for image_id in whole.ids),
                "others": whole.others,
                "considered": whole.considered,
                "favourites": [image_id for image_id in whole.ids if image_id in favourites],
            }
            return gzip.compress(json_line(answer).encode(), 3, mtime=0)

        key = (await service.state(), query)
        data = kept.get(key)
        if data is None:
            data = kept[key] = await service.read(request, read)
            if len(kept) > _OUTLINES_KEPT:
                kept.popitem(last=False)
        headers = {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
        else:
            data = gzip.decompress(data)
        return Response(data, headers=headers, media_type="application/json")

    @router.get("/photos", response_model=schemas.PhotosAnswer)
    async def photos(parameters: Annotated[PhotoIds, Query()]) -> Response:
        """Photos by their ids, as `/api/images` lists them. Those that are not in the index are left out."""
        wanted = parameters.numbers()
        records = await service.records(wanted)
        listed = [photo_to_json(replace(records[number], moment=None)) for number in wanted if number in records]
        return json_response({"images": await with_placeholders(service, listed)})

    @router.get(
        "/thumbnails",
        response_class=Response,
        responses=file_responses(
            "For each photo: its id (8 bytes, little-endian), the length of its thumbnail (4 bytes), and the JPEG file. The "
            "length is 0 if there is no such photo, or its thumbnail cannot be made. Those that are ready come first.",
            "application/octet-stream",
        ),
    )
    async def thumbnails(request: Request, parameters: Annotated[ThumbnailBatch, Query()]) -> Response:
        """Small pictures of several photos. If the client leaves, those that are not ready are not made."""
        wanted = parameters.numbers()
        records = await service.records(wanted)
        if IS_HEAD in request.scope:
            return Response(media_type="application/octet-stream", headers={"Cache-Control": "no-store"})
        ahead.want(parameters.size)
        parts = _parts(service, wanted, records, parameters.size)
        return StreamingResponse(parts, media_type="application/octet-stream", headers={"Cache-Control": "no-store"})

    return router


async def _parts(
    service: Service, wanted: Sequence[int], records: dict[int, ImageRecord], size: int
) -> AsyncIterator[bytes]:
    """The thumbnails of a batch: cached ones at once, the others when they are made."""
    missing = [number for number in wanted if number not in records]
    cached = await service.pictures.cached([records[number] for number in wanted if number in records], size)
    yield b"".join([
        *(_HEAD.pack(number, 0) for number in missing),
        *(_HEAD.pack(number, len(data)) + data for number, data in cached.items()),
    ])  # fmt: skip

    turns = asyncio.Semaphore(
        max(2, cores())
    )  # so that batches of two sizes take turns, each with its first photos first

    async def make(record: ImageRecord) -> bytes:
        try:
            async with turns:
                data = await service.pictures.smaller(record, size)
        except ImageError:
            data = b""
        return _HEAD.pack(record.image_id, len(data)) + data

    rest = [record for number, record in records.items() if number not in cached]
    making = [asyncio.ensure_future(make(record)) for record in rest]
    try:
        for made in asyncio.as_completed(making):
            yield await made
            if service.stopping.is_set():
                return
    finally:
        for task in making:
            task.cancel()
