"""The tools and resources for AI assistants: the Model Context Protocol over standard input and output.

Only `clipsearch mcp` imports this module, since it imports the protocol's library.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp.types import CallToolResult, ContentBlock, ImageContent, TextContent, ToolAnnotations
from pydantic import BaseModel, Field

from clipsearch import __version__
from clipsearch._internal.commands import for_requests
from clipsearch.analysis.statistics import By
from clipsearch.conditions import All, Below, Test, literal_glob
from clipsearch.engine import SearchEngine
from clipsearch.errors import ClipsearchError, ImageError, ModelMismatch, QueryError
from clipsearch.images.thumbnails import encoded, indexed_thumbnails
from clipsearch.mcp_server.schemas import (
    CountsResult,
    FolderResult,
    PhotoResult,
    SearchResult,
    StatusResult,
    ValueResult,
)
from clipsearch.mcp_server.strict_tools import strict_tool
from clipsearch.query.filters import chosen, parse_where
from clipsearch.query.hits import Hits, QueryNote
from clipsearch.query.language import parse_terms, split_words
from clipsearch.query.relevance import RELEVANT
from clipsearch.render.json_output import hit_to_json, json_line, utf8
from clipsearch.render.text import with_moment
from clipsearch.store.filters import composed
from clipsearch.terms import Query
from clipsearch.types import Failure, ImageRecord

MOST_HITS = 50
_RESOURCE_BOX = (512, 512)  # pixels
_RESULT_BOX = (256, 256)  # pixels; a picture costs an assistant more tokens than its line of text
_QUALITY = 80  # of JPEG

_INSTRUCTIONS = """\
Search the user's own photos on this machine by what they show. `search` finds photos by a description, `similar` finds photos
that look like an indexed one, `counts` says which places, people, keywords and years there are, and `status` lists what is
indexed. Scores are cosines: compare them only within one answer.
`match` is the probability that a photo shows what the query describes; it is null if it is not known. Look at the thumbnails
(`thumbnails=true`, or the resource clipsearch://thumbnails/{id}) before you describe a photo. These tools only read: they never
change or delete anything."""

_QUERY = """\
What the photo shows, written like a caption: 'a dog on a beach'. Add and subtract terms, with weights, by + and - with spaces
around them: 'a cat + 2:on a sofa - people'. Text in double quotes is searched literally. An empty query lists the photos that
pass the filters, newest first."""

_WHERE = """\
Only photos for which this expression is true. Fields: name folder path format camera orientation width height megapixels size
taken latitude longitude caption keyword person rating label title description text source place. Operators: = != < <= > >=
~ (glob), 'is known', and, or, not, brackets; contains "words" looks for words in titles, keywords and texts in the picture.
Example: "size > 5MB and (format = jpeg or taken is not known)"."""

_TEXT = """\
Only photos whose texts have all of these words: title, description, caption, keywords, people, places, and what was read in the
picture. A "phrase" in double quotes stays together, and word* stands for any ending."""

_HYBRID = """\
Also look for the words of the query in the photos' texts, and rank by both. `found_by` says what has found each photo. Those
with all the words pass `relevant`. Use it for names, titles, signs, receipts and screenshots."""

_SMART = """\
Read dates, places and people in the query as filters: 'beach in Italy last summer'. `understood` says what was read. The
parameters taken, place and person are more exact."""

_BY: tuple[By, ...] = ("year", "place", "country", "person", "keyword", "rating", "camera", "folder")
_MOST_MARKS = 100  # right ones, and as many wrong ones

_TopK = Annotated[int, Field(ge=1, le=MOST_HITS, description="The number of photos, at most.")]
_AllMoments = Annotated[
    bool, Field(description="Each moment of a film and each page of a file is a hit, not only the best one.")
]
_Diverse = Annotated[bool, Field(description="Leave out near-copies of better photos.")]
_Thumbnails = Annotated[bool, Field(description="Also return small pictures of the photos. Then top_k is at most 20.")]
_MOST_THUMBNAILS = 20
_T = TypeVar("_T")


class Assistant:
    """The tools and resources of an index. Calls run one after another in a thread that owns the engine."""

    def __init__(self, make_engine: Callable[[], SearchEngine]) -> None:
        self._make_engine = make_engine
        self._engine: SearchEngine | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="clipsearch-mcp")

    def serve(self) -> None:
        """Serve on standard input and output until the input ends."""
        try:
            self.server().run("stdio")
        finally:
            self._thread.submit(self._close).result()
            self._thread.shutdown()

    def server(self) -> MCPServer[Any]:
        """The protocol's server with the tools and the resource."""
        read_only = ToolAnnotations(
            read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        )
        tools = [
            strict_tool(tool, title, read_only)
            for tool, title in (
                (self.search, "Search photos"),
                (self.similar, "Find similar photos"),
                (self.counts, "Which places, people, keywords and years there are"),
                (self.status, "What is indexed"),
            )
        ]
        server: MCPServer[Any] = MCPServer(
            "clipsearch",
            title="clipsearch: your photos",
            instructions=_INSTRUCTIONS,
            version=__version__,
            tools=tools,
            log_level="ERROR",
        )
        server.resource(
            "clipsearch://thumbnails/{id}",
            name="thumbnail",
            title="A small picture of a photo",
            mime_type="image/jpeg",
            description=f"An indexed photo by its id, at most {_RESOURCE_BOX[0]} pixels wide and high, upright.",
        )(self.thumbnail)
        return server

    async def search(
        self,
        query: Annotated[str, Field(max_length=2000, description=_QUERY)],
        top_k: _TopK = 10,
        offset: Annotated[int, Field(ge=0, le=100_000, description="Skip so many photos, to get the next page.")] = 0,
        relevant: Annotated[bool, Field(description="Only photos that likely match (match at least 0.5).")] = False,
        diverse: _Diverse = False,
        all_moments: _AllMoments = False,
        sort: Annotated[
            Literal["score", "likely", "date", "oldest", "name"],
            Field(description="The order of the photos; `date` is newest first, `likely` has likely matches first."),
        ] = "score",
        folder: Annotated[str | None, Field(description="Only photos below this folder (an absolute path).")] = None,
        name: Annotated[str | None, Field(description="Only files with a name like this glob: '*beach*.jpg'.")] = None,
        taken: Annotated[
            str | None, Field(description="Only photos taken then: 2024, 2024-07, 2024-07-15 or 2024-06..2024-08.")
        ] = None,
        camera: Annotated[str | None, Field(description="Only photos by a camera whose name contains this.")] = None,
        place: Annotated[
            str | None,
            Field(description="Only photos taken in this city, region or country: 'Bavaria', 'Paris', 'Paris, Texas'."),
        ] = None,
        keyword: Annotated[list[str], Field(max_length=20, description="Only photos with all of these keywords.")] = [],  # noqa: B006
        person: Annotated[list[str], Field(max_length=20, description="Only photos with all of these people.")] = [],  # noqa: B006
        rating: Annotated[str | None, Field(description="Only photos with so many stars: 4, 4.. or 2..4.")] = None,
        text: Annotated[str | None, Field(max_length=2000, description=_TEXT)] = None,
        near: Annotated[
            str | None, Field(description="Only photos taken near LATITUDE,LONGITUDE or LATITUDE,LONGITUDE,KM.")
        ] = None,
        album: Annotated[
            str | None, Field(description="Only photos in this album; 'Favourites' is the album of the hearts.")
        ] = None,
        orientation: Annotated[Literal["landscape", "portrait", "square"] | None, Field()] = None,
        where: Annotated[str | None, Field(description=_WHERE)] = None,
        hybrid: Annotated[bool, Field(description=_HYBRID)] = False,
        smart: Annotated[bool, Field(description=_SMART)] = False,
        right: Annotated[
            list[int],
            Field(max_length=_MOST_MARKS, description="Ids of hits that are right: the search moves towards them."),
        ] = [],  # noqa: B006
        wrong: Annotated[
            list[int],
            Field(
                max_length=_MOST_MARKS, description="Ids of hits that are wrong: it moves away, and leaves them out."
            ),
        ] = [],  # noqa: B006
        thumbnails: _Thumbnails = False,
    ) -> Annotated[CallToolResult, SearchResult]:
        """Find the user's photos by what they show, by words in their texts, and by date, place, person and other facts."""

        def run(engine: SearchEngine) -> SearchResult:
            filters = chosen(
                folders=() if folder is None else (_absolute(folder),),
                names=() if name is None else (name,),
                taken=taken,
                places=() if place is None else (place,),
                camera=camera,
                keywords=keyword,
                people=person,
                rating=rating,
                text=text,
                album=album,
                near=near,
                orientation=orientation,
                where=where,
            )
            least = RELEVANT if relevant else None
            terms = parse_terms(split_words(query)) if query.strip() else ()
            wanted = Query(
                terms,
                filters if terms or filters else (All(()),),  # an empty query without filters lists all photos
                min_match=least,
                offset=offset,
                diverse=diverse,
                all_moments=all_moments,
                sort=sort,
                hybrid=hybrid,
                smart=smart,
                right=tuple(right),
                wrong=tuple(wrong),
            )
            return _search_result(query, engine.search(wanted, top_k))

        return await self._answer(run, top_k, thumbnails)

    async def similar(
        self,
        photo: Annotated[int | str, Field(description="An indexed photo: its id from `search`, or its absolute path.")],
        top_k: _TopK = 10,
        diverse: _Diverse = False,
        all_moments: _AllMoments = False,
        thumbnails: _Thumbnails = False,
    ) -> Annotated[CallToolResult, SearchResult]:
        """Find photos that look like an indexed photo. The photo itself and its copies are left out."""

        def run(engine: SearchEngine) -> SearchResult:
            record = _photo(engine, photo)
            term, own = engine.like(record)
            wanted = Query((term,), diverse=diverse, all_moments=all_moments, own=own)
            return _search_result(record.file.path, engine.search(wanted, top_k))

        return await self._answer(run, top_k, thumbnails)

    async def counts(
        self,
        by: Annotated[list[By], Field(max_length=20, description="What to count.")] = list(_BY),  # noqa: B006
        where: Annotated[str | None, Field(description=_WHERE)] = None,
        top: Annotated[int, Field(ge=1, le=1000, description="So many values of each, at most.")] = 20,
    ) -> Annotated[CallToolResult, CountsResult]:
        """Count photos by place, person, keyword, year and so on. Use it to learn which values the filters of `search` have."""

        def run(engine: SearchEngine) -> CountsResult:
            stats = engine.stats(by, None if where is None else parse_where(where), top=top)
            return CountsResult(
                images=stats.images,
                counts={
                    breakdown.by: [
                        ValueResult(value=utf8(count.value), images=count.images) for count in breakdown.counts
                    ]
                    for breakdown in stats.breakdowns
                },
            )

        return await self._answer(run)

    async def status(self) -> Annotated[CallToolResult, StatusResult]:
        """List the indexed folders, the number of photos, and the model."""

        def run(engine: SearchEngine) -> StatusResult:
            state = engine.status(scan=False)
            return StatusResult(
                index=utf8(state.index),
                model=state.model.model if state.model else None,
                images=state.images,
                failures=state.failures,
                folders=[FolderResult(path=utf8(root.path), present=root.present) for root in state.roots],
            )

        return await self._answer(run)

    async def thumbnail(self, id: int) -> bytes:
        """A photo as a small JPEG."""
        try:
            return await self._ask(lambda engine: _thumbnail(_photo(engine, id)))
        except QueryError as error:
            raise ResourceNotFoundError(for_requests(str(error))) from error
        except (ClipsearchError, OSError) as error:
            raise ResourceError(for_requests(str(error))) from error

    async def _answer(
        self, run: Callable[[SearchEngine], BaseModel], top_k: int = 0, thumbnails: bool = False
    ) -> CallToolResult:
        """A result, with thumbnails if wanted. Errors become sentences for the assistant."""

        def work(engine: SearchEngine) -> CallToolResult:
            if thumbnails and top_k > _MOST_THUMBNAILS:
                raise QueryError(
                    f"with thumbnails, top_k is at most {_MOST_THUMBNAILS}; lower it, and get the next page with offset"
                )
            answer = run(engine)
            pictures = _thumbnail_blocks(engine, answer.hits) if thumbnails and isinstance(answer, SearchResult) else []
            values = answer.model_dump(mode="json")  # as text too, for assistants that read only text
            return CallToolResult(content=[TextContent(text=json_line(values)), *pictures], structured_content=values)

        try:
            return await self._ask(work)
        except (ClipsearchError, OSError) as error:
            return CallToolResult(content=[TextContent(text=utf8(for_requests(str(error))))], is_error=True)

    async def _ask(self, function: Callable[[SearchEngine], _T]) -> _T:
        """Run a function of the engine in its thread: SQLite and encoders belong to one thread."""

        def answer() -> _T:
            try:
                return function(self._open())
            except ModelMismatch:  # the index was replaced by one of another model
                self._close()
                return function(self._open())

        return await asyncio.get_running_loop().run_in_executor(self._thread, answer)

    def _open(self) -> SearchEngine:
        self._engine = self._engine or self._make_engine()
        return self._engine

    def _close(self) -> None:
        if self._engine:
            self._engine.close()
        self._engine = None


def _search_result(query: str, hits: Hits) -> SearchResult:
    photos = [
        PhotoResult.model_validate(
            {name: utf8(value) if isinstance(value, str) else value for name, value in hit_to_json(hit).items()}
        )
        for hit in hits
    ]
    explanation = hits.explanation
    return SearchResult(
        query=utf8(query),
        images=explanation.images,
        considered=explanation.considered,
        hits=photos,
        understood=utf8(str(explanation.understood)) if explanation.understood else None,
        notes=[utf8(_note_text(about)) for about in explanation.notes],
    )


def _note_text(about: QueryNote) -> str:
    """A note on a query, with the parameter that may help."""
    message = for_requests(about.message)
    parameters = {"file-name": "name", "minus": "query", "plus": "query", "negation": "query", "places": "place"}
    parameters |= {"misspelt": "query", "facts": "smart=true and query", "keyword": "keyword"}
    if about.code not in parameters or not about.value:
        return message
    value = literal_glob(about.value) if about.code == "keyword" else about.value
    return f"{message}. Try {parameters[about.code]}={json.dumps(value, ensure_ascii=False)}"


def _thumbnail_blocks(engine: SearchEngine, hits: Sequence[PhotoResult]) -> list[ContentBlock]:
    """A line and a picture for each hit; only the line if the photo cannot be read."""
    records = engine.records([hit.id for hit in hits])
    blocks: list[ContentBlock] = []
    pictures = indexed_thumbnails([records[hit.id] for hit in hits], _RESULT_BOX)
    for hit, picture in zip(hits, pictures, strict=True):
        line = f"{hit.rank}. id {hit.id}: {with_moment(hit.path, records[hit.id].moment)}"
        if isinstance(picture, Failure):
            blocks.append(TextContent(text=f"{line} (cannot be shown: {picture.reason})"))
            continue
        blocks.append(TextContent(text=line))
        data = encoded(picture, "JPEG", quality=_QUALITY)
        blocks.append(ImageContent(data=base64.b64encode(data).decode(), mime_type="image/jpeg"))
    return blocks


def _photo(engine: SearchEngine, photo: int | str) -> ImageRecord:
    """An indexed photo by its id or path. QueryError if it is not in the index."""
    if isinstance(photo, int) or photo.isdecimal():
        number = int(photo) if isinstance(photo, int) or len(photo) < 20 else 0
        record = engine.records([number]).get(number) if 0 < number < 1 << 63 else None
        if record is None:
            raise QueryError(f"there is no photo with the id {photo}; search again, the index may have changed")
        return record
    path = _absolute(photo)
    condition = All((Below(str(Path(path).parent)), Test("name", "=", Path(path).name)))
    same_name, _ = engine.browse(condition, top_k=10_000)  # finds deeper folders and other cases, too
    for record in same_name:
        if composed(record.file.path) == composed(path):
            return record
    raise QueryError(f"{path} is not in the index; use a path or an id from `search`")


def _absolute(path: str) -> str:
    whole = Path(os.path.expanduser(path))
    if not whole.is_absolute():
        raise QueryError(f"{path!r} is not an absolute path; `status` lists the indexed folders")
    return str(whole)


def _thumbnail(record: ImageRecord) -> bytes:
    (picture,) = indexed_thumbnails([record], _RESOURCE_BOX)
    if isinstance(picture, Failure):
        raise ImageError(f"{record.file.path} cannot be shown: {picture.reason}")
    return encoded(picture, "JPEG", quality=_QUALITY)
