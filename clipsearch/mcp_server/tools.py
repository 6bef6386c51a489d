"""An index for assistants: the Model Context Protocol over standard input and output. It only reads.

Imported by `clipsearch mcp` alone, since this imports the protocol's library.
"""

from __future__ import annotations

import asyncio
import base64
import io
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp.types import CallToolResult, ContentBlock, ImageContent, TextContent, ToolAnnotations
from PIL import Image
from pydantic import Field

from clipsearch import __version__
from clipsearch.engine import SearchEngine
from clipsearch.errors import ClipsearchError, ImageError, ModelMismatch, QueryError
from clipsearch.images.files import ReadLimits, content_hash
from clipsearch.images.thumbnails import thumbnails
from clipsearch.mcp_server.results import Found, Root, State, error_result, found, result
from clipsearch.query.filters import chosen
from clipsearch.query.language import parse_terms, split_words
from clipsearch.query.relevance import RELEVANT
from clipsearch.render.json_output import utf8
from clipsearch.store.filters import composed
from clipsearch.types import All, Below, ImageRecord, Query, Test

MOST_HITS = 50
_RESOURCE_SIDE = 512  # pixels
_RESULT_SIDE = 256  # pixels; a picture in an answer costs an assistant more than its line of text

_INSTRUCTIONS = """\
Search in the user's own photos, on this machine, by what they show. `search` finds photos by a description, `similar` finds
photos that look like one of the index, and `status` says what is indexed. Scores are cosines, only good for comparing hits of
one search; `match` is the probability that a photo shows what was asked for, where it can be said. Look at photos by their
thumbnails (`thumbnails=true`, or the resource clipsearch://thumbnails/{id}) before saying what is on them. Nothing here changes
or deletes anything."""

_QUERY = """\
What the photo shows, as a caption would say it: 'a dog on a beach'. Parts can be added and taken away, with weights, by signs
between spaces: 'a cat + 2:on a sofa - people'. Text between double quotes is taken as it is."""

_Top = Annotated[int, Field(ge=1, le=MOST_HITS, description="How many photos at most.")]
_Thumbnails = Annotated[
    bool, Field(description="Also show the photos, small. For a handful of hits; top_k at most 20.")
]
_MOST_THUMBNAILS = 20
_T = TypeVar("_T")


class Assistant:
    """The tools and resources of an index. They are answered one after another, in a thread that owns the engine."""

    def __init__(self, make: Callable[[], SearchEngine]) -> None:
        self._make = make
        self._engine: SearchEngine | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="clipsearch-mcp")

    def serve(self) -> None:
        """Answer on standard input and output, until the input ends."""
        try:
            self.server().run("stdio")
        finally:
            self._thread.submit(self._close).result()
            self._thread.shutdown()

    def server(self) -> MCPServer[Any]:
        """The protocol's side of it."""
        server: MCPServer[Any] = MCPServer(
            "clipsearch",
            title="clipsearch: your photos",
            instructions=_INSTRUCTIONS,
            version=__version__,
            log_level="ERROR",
        )
        reads = ToolAnnotations(
            read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        )
        for tool, title in (
            (self.search, "Search photos"),
            (self.similar, "Find similar photos"),
            (self.status, "What is indexed"),
        ):
            server.add_tool(tool, title=title, annotations=reads)
        server.resource(
            "clipsearch://thumbnails/{id}",
            name="thumbnail",
            title="A photo, small",
            mime_type="image/jpeg",
            description=f"An indexed photo by its id, at most {_RESOURCE_SIDE} pixels wide and high, upright.",
        )(self.thumbnail)
        return server

    async def search(
        self,
        query: Annotated[str, Field(max_length=2000, description=_QUERY)],
        top_k: _Top = 10,
        offset: Annotated[int, Field(ge=0, le=100_000, description="Pass over so many hits, for the next page.")] = 0,
        relevant: Annotated[
            bool, Field(description="Only photos that rather show it than not (match at least 0.5).")
        ] = False,
        diverse: Annotated[bool, Field(description="Leave out near-copies of better hits.")] = False,
        sort: Annotated[
            Literal["score", "date", "name"], Field(description="The order of what was found; date is newest first.")
        ] = "score",
        folder: Annotated[str | None, Field(description="Only below this folder (an absolute path).")] = None,
        name: Annotated[str | None, Field(description="Only files of this name, a glob: '*beach*.jpg'.")] = None,
        taken: Annotated[
            str | None, Field(description="Only taken then: 2024, 2024-07, 2024-07-15 or 2024-06..2024-08.")
        ] = None,
        camera: Annotated[str | None, Field(description="Only by a camera whose name contains this.")] = None,
        near: Annotated[
            str | None, Field(description="Only taken near LATITUDE,LONGITUDE or LATITUDE,LONGITUDE,KM.")
        ] = None,
        orientation: Annotated[Literal["landscape", "portrait", "square"] | None, Field()] = None,
        where: Annotated[
            str | None,
            Field(
                description="Only where this holds: fields name folder path format camera orientation width height megapixels "
                "size taken latitude longitude caption, with = != < <= > >= ~ (glob), 'is known', and, or, not, brackets: "
                '"size > 5MB and (format = jpeg or taken is not known)".'
            ),
        ] = None,
        thumbnails: _Thumbnails = False,
    ) -> Annotated[CallToolResult, Found]:
        """Find the user's photos by a description of what they show, and by date, place, camera and other facts."""

        def look(engine: SearchEngine) -> Found:
            filters = chosen(
                folders=() if folder is None else (_absolute(folder),),
                names=() if name is None else (name,),
                taken=taken,
                camera=camera,
                near=near,
                orientation=orientation,
                where=where,
            )
            wanted = Query(
                parse_terms(split_words(query)),
                filters,
                (),
                None,
                RELEVANT if relevant else None,
                offset,
                diverse,
                sort,
            )
            return found(query, engine.search(wanted, top_k))

        return await self._answer(look, top_k, thumbnails)

    async def similar(
        self,
        photo: Annotated[int | str, Field(description="An indexed photo: its id from `search`, or its absolute path.")],
        top_k: _Top = 10,
        diverse: Annotated[bool, Field(description="Leave out near-copies of better hits.")] = False,
        thumbnails: _Thumbnails = False,
    ) -> Annotated[CallToolResult, Found]:
        """Find photos that look like one of the index. The photo itself and its copies are left out."""

        def look(engine: SearchEngine) -> Found:
            record = _photo(engine, photo)
            term, own = engine.like(record)
            return found(record.file.path, engine.search(Query((term,), diverse=diverse, own=own), top_k))

        return await self._answer(look, top_k, thumbnails)

    async def status(self) -> Annotated[CallToolResult, State]:
        """Which folders are indexed, how many photos, and by which model."""

        def look(engine: SearchEngine) -> State:
            state = engine.status(scan=False)
            return State(
                index=utf8(state.index),
                model=state.model.model if state.model else None,
                images=state.images,
                failures=state.failures,
                folders=[Root(path=utf8(root.path), present=root.present) for root in state.roots],
            )

        try:
            return result(await self._ask(look))
        except (ClipsearchError, OSError) as error:
            return error_result(error)

    async def thumbnail(self, id: int) -> bytes:
        """A photo as a small JPEG."""
        try:
            return await self._ask(lambda engine: _thumbnail(_photo(engine, id)))
        except QueryError as error:
            raise ResourceNotFoundError(str(error)) from error
        except (ClipsearchError, OSError) as error:
            raise ResourceError(str(error)) from error

    async def _answer(self, look: Callable[[SearchEngine], Found], top_k: int, pictures: bool) -> CallToolResult:
        """An answer with, if wanted, what the photos look like; what goes wrong in a sentence, which the assistant reads."""

        def work(engine: SearchEngine) -> CallToolResult:
            if pictures and top_k > _MOST_THUMBNAILS:
                raise QueryError(
                    f"with thumbnails, top_k is at most {_MOST_THUMBNAILS}; ask for fewer, or for the next by offset"
                )
            answer = look(engine)
            if not pictures:
                return result(answer)
            records = engine.records([hit.id for hit in answer.hits])
            pictures_of = _pictures([records[hit.id] for hit in answer.hits], _RESULT_SIDE)
            shown: list[ContentBlock] = []
            for hit, made in zip(answer.hits, pictures_of, strict=True):
                shown.append(
                    TextContent(text=f"{hit.rank}. id {hit.id}: {hit.path}" + ("" if made else " (cannot be read now)"))
                )
                shown += (
                    [ImageContent(data=base64.b64encode(_jpeg(made)).decode(), mime_type="image/jpeg")] if made else []
                )
            return result(answer, shown)

        try:
            return await self._ask(work)
        except (ClipsearchError, OSError) as error:
            return error_result(error)

    async def _ask(self, question: Callable[[SearchEngine], _T]) -> _T:
        """What the engine gives, in its own thread: SQLite and encoders belong to one."""

        def answer() -> _T:
            for last in (False, True):
                self._engine = self._engine or self._make()
                try:
                    return question(self._engine)
                except ModelMismatch:  # the index was made anew, with another model
                    self._close()
                    if last:
                        raise
            raise AssertionError

        return await asyncio.get_running_loop().run_in_executor(self._thread, answer)

    def _close(self) -> None:
        if self._engine:
            self._engine.close()
        self._engine = None


def _photo(engine: SearchEngine, photo: int | str) -> ImageRecord:
    """An indexed photo by its id or path. QueryError where there is none."""
    if isinstance(photo, int) or photo.isdecimal():
        number = int(photo) if isinstance(photo, int) or len(photo) < 20 else 0
        record = engine.records([number]).get(number) if 0 < number < 1 << 63 else None
        if record is None:
            raise QueryError(f"there is no photo with the id {photo}; search again, the index may have changed")
        return record
    path = _absolute(photo)
    here = All((Below(str(Path(path).parent)), Test("name", "=", Path(path).name)))
    same_name, _ = engine.browse(here, top_k=10_000)  # also further below, and in capitals
    for record in same_name:
        if composed(record.file.path) == composed(path):
            return record
    raise QueryError(f"{path} is not in the index; `search` gives paths and ids of photos that are")


def _absolute(path: str) -> str:
    whole = Path(os.path.expanduser(path))
    if not whole.is_absolute():
        raise QueryError(f"{path!r} is no absolute path; `status` names the indexed folders")
    return str(whole)


def _thumbnail(record: ImageRecord) -> bytes:
    (made,) = _pictures([record], _RESOURCE_SIDE)
    if made is None:
        raise ImageError(f"{record.file.path} cannot be read now, or is not the picture that was indexed")
    return _jpeg(made)


def _pictures(records: Sequence[ImageRecord], side: int) -> Iterator[Image.Image | None]:
    """Photos within a square of so many pixels; None for one that cannot be read, or whose file has another picture now."""
    made = thumbnails([record.file.path for record in records], (side, side))
    for record, picture in zip(records, made, strict=True):
        yield picture if picture and _is_same(record) else None


def _is_same(record: ImageRecord) -> bool:
    try:
        return content_hash(record.file.path, ReadLimits().max_bytes)[0] == record.info.content_hash
    except (OSError, ImageError):
        return False


def _jpeg(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format="JPEG", quality=80)
    return stream.getvalue()
