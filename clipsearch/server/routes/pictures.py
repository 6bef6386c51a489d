"""Single photos, their pictures, and pictures to search by."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from clipsearch._internal.paths import is_elsewhere
from clipsearch.engine import SearchEngine
from clipsearch.errors import ImageError
from clipsearch.images.preprocess import normalise
from clipsearch.render.json_output import photo_to_json
from clipsearch.server import schemas as shapes
from clipsearch.server.errors import Refusal
from clipsearch.server.parameters import Id, Nothing, ThumbnailSize
from clipsearch.server.pictures import disposition
from clipsearch.server.routes.search import json_response
from clipsearch.server.service import Service
from clipsearch.server.uploads import Upload, received
from clipsearch.types import ImageRecord

DECODED_AT_ONCE = 4
RECEIVED_AT_ONCE = 64
"""Uploads that may be received at once. One that stalls waits on the disk and does not hold up the others."""

_GONE: dict[int | str, dict[str, Any]] = {
    404: {"model": shapes.ErrorAnswer, "description": "There is no such photo, or its file is gone or cannot be shown."}
}
_BYTES = {"type": "string", "format": "binary"}
_SAME: dict[int | str, dict[str, Any]] = {304: {"description": "It is the one of `If-None-Match`."}}
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The picture.",
        "content": {f"image/{kind}": {"schema": _BYTES} for kind in ("jpeg", "png", "gif", "webp", "avif")},
    },
    **_SAME,
}
_THUMBNAIL: dict[int | str, dict[str, Any]] = {
    200: {"description": "The thumbnail.", "content": {"image/webp": {"schema": _BYTES}}},
    **_SAME,
}
_UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "description": "The bytes of the picture, at most 64 MB.",
        "content": {"application/octet-stream": {"schema": _BYTES}, "image/*": {"schema": _BYTES}},
    }
}


def picture_routes(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api", tags=["pictures"])
    arriving, room = asyncio.Semaphore(RECEIVED_AT_ONCE), asyncio.Semaphore(DECODED_AT_ONCE)

    @router.get("/images/{id}", response_model=shapes.PhotoDetails, responses=_GONE)
    async def image(id: Annotated[Id, Path()], asked: Annotated[Nothing, Query()]) -> Response:
        """What the index knows of a photo."""
        photo = photo_to_json(await service.record(id))
        exif = {key: photo[key] for key in ("taken_at", "camera", "gps")}
        return json_response({**photo, "exif": exif})

    @router.get("/images/{id}/file", response_class=Response, responses={**_PICTURE, **_GONE})
    async def file(request: Request, id: Annotated[Id, Path()], asked: Annotated[Nothing, Query()]) -> Response:
        """The photo itself, or a JPEG of it where browsers do not show its format."""
        record = await service.record(id)
        headers = _cached(record, "file")
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        try:
            data, kind = await service.answer(request, service.pictures.original(record))
        except ImageError as error:
            raise Refusal(404, "elsewhere" if is_elsewhere(record.file.path) else "gone", str(error)) from error
        headers["Content-Disposition"] = disposition(record.file.name)
        return Response(data, headers=headers, media_type=kind)

    @router.get("/thumbnails/{id}", response_class=Response, responses={**_THUMBNAIL, **_GONE})
    async def thumbnail(
        request: Request, id: Annotated[Id, Path()], asked: Annotated[ThumbnailSize, Query()]
    ) -> Response:
        """A small picture of a photo."""
        record = await service.record(id)
        headers = _cached(record, str(asked.size))
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        try:
            data = await service.answer(request, service.pictures.smaller(record, asked.size))
        except ImageError as error:
            raise Refusal(404, "elsewhere" if is_elsewhere(record.file.path) else "gone", str(error)) from error
        return Response(data, headers=headers, media_type="image/webp")

    @router.post(
        "/uploads",
        response_model=shapes.UploadAnswer,
        openapi_extra=_UPLOAD_BODY,
        responses={
            408: {"model": shapes.ErrorAnswer, "description": "It did not come in time."},
            409: {"model": shapes.ErrorAnswer, "description": "The index is empty."},
            413: {"model": shapes.ErrorAnswer, "description": "It is larger than 64 MB."},
            415: {"model": shapes.ErrorAnswer, "description": "The Content-Type is not that of a picture."},
        },
    )
    async def upload(request: Request, client: shapes.ClientHeader, asked: Annotated[Nothing, Query()]) -> Response:
        """Search by a picture that is not in the index: `like=upload:TOKEN`. It is forgotten within an hour."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not kind.startswith("image/") and kind != "application/octet-stream":
            raise Refusal(415, "wrong-type", "send the picture's bytes as image/... or application/octet-stream")
        if (await service.lookups.call(lambda engine: engine.model_name)) is None:
            raise Refusal(409, "empty-index", "the index has no photos yet, so there is nothing to compare with")
        if arriving.locked():
            raise Refusal(
                503,
                "busy",
                "too many pictures are being uploaded at once; send it again later",
                {"Connection": "close"},
            )
        async with arriving, received(request.stream()) as path, room:
            spec = await service.searches.call(lambda engine: engine.encoder.spec.pixels)
            decoding = service.pictures.threads.submit(service.decoders.decode, path, spec)
            decoded = await service.answer(request, asyncio.wrap_future(decoding))
        info = decoded.info

        def keep(engine: SearchEngine) -> str:
            vector = engine.encoder.encode_pixels(normalise([decoded.pixels], spec))[0]
            model = engine.encoder.spec.fingerprint.digest
            return service.uploads.add(Upload(info.width, info.height, vector, info.content_hash, model))

        token = await service.searches.call(keep)
        return json_response({"token": token, "width": info.width, "height": info.height})

    return router


def _cached(record: ImageRecord, form: str) -> dict[str, str]:
    """Kept by browsers, who ask whether it is the same still: an index that is made anew begins its ids at 1."""
    return {"ETag": f'"{record.info.content_hash}-{form}"', "Cache-Control": "private, no-cache"}
