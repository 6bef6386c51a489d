"""Single photos, their pictures, and pictures to search by."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from clipsearch._internal.paths import is_elsewhere
from clipsearch.errors import ImageError
from clipsearch.render.json_output import photo_to_json
from clipsearch.server import schemas
from clipsearch.server.errors import RequestError
from clipsearch.server.films import FILM_TYPES, is_film
from clipsearch.server.middleware.access import LIMIT
from clipsearch.server.parameters import NoParameters, ThumbnailSize
from clipsearch.server.parts import PartResponse, wanted_part
from clipsearch.server.pictures import BROWSER_TYPES, PICTURE_TYPE, cache_key, content_disposition
from clipsearch.server.schemas import BYTES, Responses, error_responses, file_responses, json_response
from clipsearch.server.search_body import Id
from clipsearch.server.service import Service
from clipsearch.server.uploads import KEPT_FOR, received
from clipsearch.types import ImageRecord

RECEIVED_AT_ONCE = 64
"""Uploads that are received at the same time. A slow client waits on disk and does not hold up others."""

_NO_PHOTO = error_responses({404: "There is no such photo, or its file is gone or cannot be shown."})
_NOT_MODIFIED: Responses = {304: {"description": "It is the picture of `If-None-Match`."}}
_PART_OF_FILM: Responses = {
    206: {"description": "The part of a film that the header `Range` asks for."},
    **error_responses({416: "The film has no such part."}),
}
_UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "description": f"The bytes of the picture, at most {LIMIT}.",
        "content": {"application/octet-stream": {"schema": BYTES}, "image/*": {"schema": BYTES}},
    }
}


def picture_routes(service: Service) -> APIRouter:
    """/api/images/ID, /api/thumbnails, /api/uploads."""
    router = APIRouter(prefix="/api", tags=["pictures"])
    receiving = asyncio.Semaphore(RECEIVED_AT_ONCE)

    @router.get("/images/{id}", response_model=schemas.PhotoDetails, responses=_NO_PHOTO)
    async def image(id: Annotated[Id, Path()], parameters: NoParameters) -> Response:
        """What the index knows about a photo."""
        photo = photo_to_json(await service.record(id))
        return json_response({**photo, "exif": {key: photo[key] for key in ("taken_at", "camera", "gps")}})

    @router.get(
        "/images/{id}/file",
        response_class=Response,
        responses={
            **file_responses("The picture or film.", *BROWSER_TYPES, *sorted(set(FILM_TYPES.values()))),
            **_PART_OF_FILM,
            **_NOT_MODIFIED,
            **_NO_PHOTO,
        },
    )
    async def file(request: Request, id: Annotated[Id, Path()], parameters: NoParameters) -> Response:
        """The photo or film itself, or a JPEG made of a photo, or of its page, if browsers do not show its format.

        Of a film, the header `Range` gets a part.
        """
        record = await service.record(id)

        async def original() -> Response:
            headers = {"Content-Disposition": content_disposition(record.file.name)}
            if is_film(record):
                return await film(request, record, headers)
            data, kind = await service.pictures.original(record)
            return Response(data, headers=headers, media_type=kind)

        return await picture(request, record, "file", original)

    @router.get(
        "/thumbnails/{id}",
        response_class=Response,
        responses={**file_responses("The thumbnail.", PICTURE_TYPE), **_NOT_MODIFIED, **_NO_PHOTO},
    )
    async def thumbnail(
        request: Request, id: Annotated[Id, Path()], parameters: Annotated[ThumbnailSize, Query()]
    ) -> Response:
        """A small picture of a photo."""
        record = await service.record(id)

        async def smaller() -> Response:
            return Response(await service.pictures.smaller(record, parameters.size), media_type=PICTURE_TYPE)

        return await picture(request, record, str(parameters.size), smaller)

    async def film(request: Request, record: ImageRecord, headers: dict[str, str]) -> Response:
        unchanged = request.headers.get("if-range") in (None, _etag(record, "file"))
        part = wanted_part(request.headers.get("range") if unchanged else None, record.file.size)
        file = await service.pictures.film(record)
        return PartResponse(file, record.file.size, part, FILM_TYPES[record.info.format], headers)

    async def picture(
        request: Request, record: ImageRecord, form: str, make: Callable[[], Awaitable[Response]]
    ) -> Response:
        """A response with a cache header, or status 304 if the client has this picture already.

        Browsers ask each time (no-cache), since an index that is made anew starts its ids at 1 again.
        """
        headers = {"ETag": _etag(record, form), "Cache-Control": "private, no-cache"}
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        try:
            response = await service.answer(request, make())
        except ImageError as error:
            code = "elsewhere" if is_elsewhere(record.file.path) else "gone"
            raise RequestError(404, code, str(error)) from error
        response.headers.update(headers)
        return response

    @router.post(
        "/uploads",
        response_model=schemas.UploadAnswer,
        description=f"Upload a picture to search by: `like=upload:TOKEN`. The server forgets it after {KEPT_FOR} at most.",
        openapi_extra=_UPLOAD_BODY,
        responses=error_responses(
            {
                408: "The upload took too long.",
                409: "The index is empty.",
                413: f"The upload is larger than {LIMIT}.",
                415: "The Content-Type is not that of a picture.",
            }
        ),
    )
    async def upload(request: Request, client: schemas.ClientHeader, parameters: NoParameters) -> Response:
        """Upload a picture to search by."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not kind.startswith("image/") and kind != "application/octet-stream":
            raise RequestError(415, "wrong-type", "send the picture's bytes as image/... or application/octet-stream")
        if receiving.locked():
            message = "too many pictures are being uploaded at once; send it again later"
            raise RequestError(503, "busy", message, {"Connection": "close"})
        async with receiving, received(request.stream()) as path:
            upload = await service.embed_file(request, path)
            known = await service.known_photos(request, path, upload)
        token = await service.searches.run(lambda engine: service.uploads.add(upload))
        photos = [{**photo_to_json(record), "exact": exact} for record, exact in known]
        return json_response({"token": token, "width": upload.width, "height": upload.height, "known": photos})

    return router


def _etag(record: ImageRecord, form: str) -> str:
    """The ETag of a form of a photo: "file", or the size of a thumbnail."""
    return f'"{cache_key(record)}-{form}"'
