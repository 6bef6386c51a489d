"""Favourites and albums: they are lists of photos, and no photo is changed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Path, Request
from pydantic import Field
from starlette.responses import Response

from clipsearch.engine import SearchEngine
from clipsearch.errors import QueryError
from clipsearch.server import schemas
from clipsearch.server.errors import RequestError
from clipsearch.server.parameters import NoParameters
from clipsearch.server.pictures import content_disposition
from clipsearch.server.schemas import error_responses, file_responses, json_response
from clipsearch.server.search_body import Id, Strict
from clipsearch.server.service import Service
from clipsearch.store.albums import LONGEST_NAME, MOST_PHOTOS, playlist

_NO_ALBUM = error_responses({404: "There is no album of this name."})
_Name = Annotated[str, Path(min_length=1, max_length=LONGEST_NAME, description="The album's name.", examples=["Italy"])]
_Ids = Annotated[list[Id], Field(max_length=MOST_PHOTOS)]


class AlbumChange(Strict):
    """Photos to add to an album or to take out of it, or a new name for it."""

    add: _Ids = Field([], description="Ids of photos.", examples=[[12, 7]])
    remove: _Ids = Field([], description="Ids of photos, which stay in the index.")
    name: str | None = Field(None, max_length=LONGEST_NAME, description="A new name.", examples=["Italy 2016"])


def album_routes(service: Service) -> APIRouter:
    """/api/albums."""
    router = APIRouter(prefix="/api", tags=["albums"])

    @router.get("/albums", response_model=schemas.AlbumsAnswer)
    async def albums(request: Request, parameters: NoParameters) -> Response:
        """All albums, favourites first, with the photos of each that are in the index now."""

        def read(engine: SearchEngine) -> list[dict[str, object]]:
            return [{"name": name, "ids": list(engine.album(name).ids)} for name in engine.albums.names()]

        return json_response({"albums": await service.read(request, read)})

    @router.get(
        "/albums/{name:path}/playlist",
        response_class=Response,
        responses={**file_responses("The list.", "audio/x-mpegurl", schema={"type": "string"}), **_NO_ALBUM},
    )
    async def album_playlist(request: Request, name: _Name, parameters: NoParameters) -> Response:
        """An album as an M3U list of the photos' paths, which players and scripts read."""
        spelled, ids = await album_of(request, name)
        records = await service.lookups.run(lambda engine: engine.records(ids))
        text = playlist([records[number].file.path for number in ids if number in records])
        headers = {
            "Content-Disposition": content_disposition(f"{spelled}.m3u8", "attachment"),
            "Cache-Control": "no-store",
        }
        return Response(text, headers=headers, media_type="audio/x-mpegurl")

    @router.get("/albums/{name:path}", response_model=schemas.AlbumAnswer, responses=_NO_ALBUM)
    async def album(request: Request, name: _Name, parameters: NoParameters) -> Response:
        """An album. To search in it: the parameter `album`."""
        spelled, ids = await album_of(request, name)
        return json_response({"name": spelled, "ids": ids})

    @router.post(
        "/albums/{name:path}",
        response_model=schemas.AlbumAnswer,
        responses=error_responses(
            {
                400: "The body is not JSON, a name is not possible or is taken, or there is no album to rename.",
                404: "A name cannot have a line break in it, or one of the photos is not in the index.",
            }
        ),
    )
    async def change(
        request: Request,
        name: _Name,
        client: schemas.ClientHeader,
        parameters: NoParameters,
        body: Annotated[AlbumChange, Body()],
    ) -> Response:
        """Add photos to an album, take some out, or rename it. Adding to a new name makes an album.

        In a name, case does not count, nor do spaces at its ends.

        If one of the ids is no photo's, nothing is done. No photo is changed.
        """
        now = name if body.name is None else body.name

        def write(engine: SearchEngine) -> tuple[str, list[int]]:
            records = engine.records([*body.add, *body.remove])
            for number in (*body.add, *body.remove):
                if number not in records:
                    raise RequestError(404, "no-such-photo", f"there is no photo {number} in the index")
            if body.name is not None:
                engine.albums.rename(name, body.name)
            if body.remove:
                engine.albums.take_out(now, [records[number] for number in body.remove])
            if body.add:
                engine.albums.add(now, [records[number] for number in body.add])
            return engine.albums.spelled(now), list(engine.album(now).ids)

        spelled, ids = await service.lookups.run(write)
        return json_response({"name": spelled, "ids": ids})

    @router.delete("/albums/{name:path}", status_code=204, responses=_NO_ALBUM)
    async def remove(name: _Name, client: schemas.ClientHeader, parameters: NoParameters) -> Response:
        """Remove an album, but none of its photos."""
        if not await service.lookups.run(lambda engine: engine.albums.remove(name)):
            raise RequestError(404, "no-such-album", f"there is no album {name!r}")
        return Response(status_code=204)

    async def album_of(request: Request, name: str) -> tuple[str, list[int]]:
        """An album's name as it is spelled, and its photos."""
        try:
            return await service.read(
                request, lambda engine: (engine.albums.spelled(name), list(engine.album(name).ids))
            )
        except QueryError as error:
            raise RequestError(404, "no-such-album", str(error)) from error

    return router
