"""Taking photos out: their own files, one or many, and pages of them; and showing them where they are."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Body, Path, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from clipsearch._internal.paths import is_elsewhere
from clipsearch.errors import ClipsearchError, ImageError
from clipsearch.server import schemas
from clipsearch.server.desktop import has_file_manager, is_in_front, show_in_folder
from clipsearch.server.downloads import (
    MOST_PHOTOS,
    MOST_PICTURES,
    TYPES,
    Download,
    DownloadKind,
    files_of,
    made_file,
)
from clipsearch.server.errors import RequestError
from clipsearch.server.middleware.head_requests import IS_HEAD
from clipsearch.server.originals import count_others, open_original, original_type, zip_blocks
from clipsearch.server.parameters import NoParameters
from clipsearch.server.parts import PartResponse, wanted_part
from clipsearch.server.pictures import content_disposition
from clipsearch.server.schemas import error_responses, file_responses, json_response
from clipsearch.server.search_body import Id, Strict, Token
from clipsearch.server.service import Service

MADE_AT_ONCE = 2
"""Galleries and contact sheets that are made at the same time. Each decodes photos on all cores."""

_NO_ORIGINAL = error_responses({404: "There is no such photo, or its file is gone or has changed."})


class DownloadRequest(Strict):
    """Photos, and the file to make of them."""

    ids: list[Id] = Field(min_length=1, max_length=MOST_PHOTOS, description="In this order.", examples=[[12, 7]])
    kind: DownloadKind = Field(
        description="`zip`: the photos' own files. `gallery`: a page to browse, as one HTML file, and `sheet`: a contact "
        f"sheet, as a PDF, both of at most {MOST_PICTURES:,} photos."
    )
    title: str = Field(
        "photos", min_length=1, max_length=200, description="The title, and the file's name.", examples=["a dog"]
    )


def download_routes(service: Service) -> APIRouter:
    """/api/images/ID/original, /api/images/ID/folder, /api/desktop, /api/downloads."""
    router = APIRouter(prefix="/api", tags=["downloads"])
    making = asyncio.Semaphore(MADE_AT_ONCE)

    @router.get(
        "/images/{id}/original",
        response_class=Response,
        responses={
            **file_responses("The file.", "application/octet-stream", "image/*", "video/*"),
            206: {"description": "The part of the file that the header `Range` asks for."},
            **error_responses({416: "The file has no such part."}),
            **_NO_ORIGINAL,
        },
    )
    async def original(request: Request, id: Annotated[Id, Path()], parameters: NoParameters) -> Response:
        """A photo's or film's own file, to save it: the same bytes, whatever its format."""
        record = await service.record(id)
        part = wanted_part(request.headers.get("range"), record.file.size)
        try:
            file = await run_in_threadpool(open_original, record)
        except ImageError as error:
            raise RequestError(404, "elsewhere" if is_elsewhere(record.file.path) else "gone", str(error)) from error
        headers = {
            "Content-Disposition": content_disposition(record.file.name, "attachment"),
            "Cache-Control": "no-store",
        }
        return PartResponse(file, record.file.size, part, original_type(record.file.name), headers)

    @router.get("/desktop", response_model=schemas.DesktopAnswer)
    async def desktop(request: Request, parameters: NoParameters) -> Response:
        """What the server can do on the screen in front of the user: something only if both are on one machine."""
        return json_response({"folders": is_in_front(request) and has_file_manager()})

    @router.post(
        "/images/{id}/folder",
        status_code=204,
        responses=error_responses(
            {
                403: "The server runs on another machine.",
                404: "There is no such photo, or nothing that shows its folder.",
            }
        ),
    )
    async def folder(
        request: Request, id: Annotated[Id, Path()], client: schemas.ClientHeader, parameters: NoParameters
    ) -> Response:
        """Show a photo's folder in the file manager of this machine. Nothing else is opened."""
        if not is_in_front(request):
            raise RequestError(
                403, "elsewhere", "the photo is on the server's machine, so its folder cannot be shown here"
            )
        record = await service.record(id)
        try:
            await run_in_threadpool(show_in_folder, record.file.path)
        except ClipsearchError as error:
            raise RequestError(404, "no-folder", str(error)) from error
        return Response(status_code=204)

    @router.post(
        "/downloads",
        response_model=schemas.DownloadAnswer,
        responses=error_responses(
            {400: "The body is not JSON.", 404: "None of these photos is in the index.", 413: "There are too many."}
        ),
    )
    async def prepare(
        client: schemas.ClientHeader, parameters: NoParameters, body: Annotated[DownloadRequest, Body()]
    ) -> Response:
        """Ask for photos as one file. `GET /api/downloads/TOKEN` then makes it and sends it; the token is good for an hour."""
        if body.kind != "zip" and len(body.ids) > MOST_PICTURES:
            raise RequestError(413, "too-many", f"a {body.kind} has room for {MOST_PICTURES:,} photos")
        known = await service.lookups.run(lambda engine: engine.records(body.ids))
        ids = list(dict.fromkeys(body.ids))
        records = [known[number] for number in ids if number in known]
        if not records:
            raise RequestError(404, "no-such-photo", "none of these photos is in the index any more")
        download = Download(body.kind, body.title, files_of(records) if body.kind == "zip" else tuple(records))
        token = service.downloads.add(download)
        missing = [number for number in ids if number not in known]
        others = await run_in_threadpool(count_others, download.records) if download.kind == "zip" else 0
        photos = {"photos": len(download.records), "size": download.size, "unreadable": others}
        return json_response({"token": token, "name": download.name, **photos, "missing": missing})

    @router.get(
        "/downloads/{token}",
        response_class=Response,
        responses={
            **file_responses("The file.", *TYPES.values()),
            **error_responses({404: "There is no such download, or it was too long ago."}),
        },
    )
    async def download(request: Request, token: Annotated[Token, Path()], parameters: NoParameters) -> Response:
        """A file that was asked for. An archive is made while it is sent; what cannot be read is listed in it."""
        wanted = service.downloads.get(token)
        if wanted is None:
            raise RequestError(404, "no-such-download", "there is no such download any more; ask for it again")
        headers = {"Content-Disposition": content_disposition(wanted.name, "attachment"), "Cache-Control": "no-store"}
        kind = TYPES[wanted.kind]
        if IS_HEAD in request.scope:
            return Response(headers=headers, media_type=kind)
        if wanted.kind == "zip":
            return StreamingResponse(zip_blocks(wanted.records), headers=headers, media_type=kind)
        async with making:
            data = await service.answer(request, run_in_threadpool(made_file, wanted))
        return Response(data, headers=headers, media_type=kind)

    return router
