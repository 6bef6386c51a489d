"""Searcher: what answers queries with a model, over an index, several indexes or a vector database."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import replace
from datetime import date
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, NoReturn, ParamSpec, TypeAlias, TypeVar, get_args

from clipsearch._internal.arguments import as_whole, require_keywords, require_list, require_one_of, short
from clipsearch._internal.commands import command
from clipsearch.conditions import Condition, Located, Test, require_condition
from clipsearch.encoders import PRECISIONS
from clipsearch.errors import ClipsearchError, ModelError, QueryError
from clipsearch.milvus.address import StoreAddress
from clipsearch.query.embed import QueryEmbedder
from clipsearch.query.hits import Explanation, Hits
from clipsearch.query.index_model import IndexModel
from clipsearch.query.keywords import SearchKeywords, make_queries, make_query, with_mark_ids
from clipsearch.query.notes import is_unlikely, with_facts
from clipsearch.query.photo_ids import Photo, ids_in, require_ids_in
from clipsearch.query.search import search
from clipsearch.query.shots import shots_of_page
from clipsearch.store.collection import Collection
from clipsearch.terms import Content, Query, Term
from clipsearch.types import LARGEST_ID, Hit, ImageRecord, Order

if TYPE_CHECKING:  # a text query needs neither Pillow, pymilvus nor threads
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Self, Unpack

    from clipsearch import gazetteer
    from clipsearch.encoders.base import Encoder
    from clipsearch.milvus.store import MilvusStore
    from clipsearch.query.outline import Outline
    from clipsearch.query.sentences.understood import Understood
    from clipsearch.query.vector_store import VectorStore
    from clipsearch.store.several import SeveralCollections

Place: TypeAlias = "Path | tuple[Path, ...] | StoreAddress"
"""What is searched: an index folder, several, or a vector database."""

_SHA_256 = re.compile("[0-9a-fA-F]{64}")

_P = ParamSpec("_P")
_T = TypeVar("_T")
_SearcherT = TypeVar("_SearcherT", bound="Searcher")


def in_turn(method: Callable[Concatenate[_SearcherT, _P], _T]) -> Callable[Concatenate[_SearcherT, _P], _T]:
    """Have threads that call methods of one object take turns. Keywords that make no sense are refused at once."""

    @wraps(method)
    def alone(self: _SearcherT, /, *arguments: _P.args, **options: _P.kwargs) -> _T:
        require_keywords(options)
        with self._turn:
            return method(self, *arguments, **options)

    return alone


class Searcher:
    """What answers queries: an index, several indexes, or a vector database, with its model.

    Any thread may call any method; the calls take turns. It is a context manager.
    """

    def __init__(
        self,
        place: Place,
        *,
        model: str | None = None,
        device: str = "auto",
        precision: str = "auto",
        text_model: str | None = None,
    ) -> None:
        require_one_of("precision", precision, ("auto", *PRECISIONS), ModelError)
        for name, value in (("model", model), ("text_model", text_model)):
            if value is not None and (not isinstance(value, (str, os.PathLike)) or not os.fspath(value).strip()):
                raise ModelError(f"{name} must be a name (str) or the path of a folder, not {short(value)}")
        self._place = place
        self._index: Collection | None = None
        self._several: SeveralCollections | None = None
        self._store: MilvusStore | None = None
        self._model = IndexModel(model, device, precision, text_model)
        self._embedder: QueryEmbedder | None = None
        self._embedder_version = -1  # of the index that the embedder was last checked against
        self._turn = threading.RLock()
        self._thread: ThreadPoolExecutor | None = None  # of asearch

    def close(self) -> None:
        """Release the index and the model. Both are opened again when they are next used.

        A search that runs in another thread is waited for; `asearch` calls that have not begun are cancelled.
        """
        if thread := self._thread:
            self._thread = None
            thread.shutdown(cancel_futures=True)
        with self._turn:
            self._close_index()
            for source in (self._store, self._several):
                if source is not None:  # an empty one counts as false
                    source.close()
            self._store = self._several = None
            self._model.forget()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        """Have multiprocessing, joblib and the like say what to do: what is open here cannot be sent to another process."""
        raise ClipsearchError(
            f"a {type(self).__name__} cannot be copied or sent to another process; open one there, and send its folder"
        )

    def __repr__(self) -> str:
        """What is searched, and with which model if one was named."""
        places = self._place if isinstance(self._place, tuple) else (self._place,)
        model = f", model={self._model.name!r}" if self._model.name else ""
        return f"<{type(self).__name__} of {' and '.join(map(str, places))}{model}>"

    @property
    def index_folder(self) -> Path:
        """The index folder, absolute. QueryError for several indexes, and for a vector database, which has none."""
        if isinstance(self._place, Path):
            return self._place
        if isinstance(self._place, tuple):
            raise QueryError(
                "several indexes that were opened together only answer queries; open the one that is meant by itself, with "
                "SearchEngine.open"
            )
        address = str(self._place)
        raise QueryError(
            f"{address} is a store, which only answers queries. To have an index of its photos here: "
            f"{command('pull', '--store', address, '--index', 'DIR')}"
        )

    @property
    @in_turn
    def encoder(self) -> Encoder:
        """The model of the index, loaded at first use, with its text model if there is one.

        ModelMismatch if the index was made with another, or if the text model is not for its pictures.
        """
        return self._model.for_texts(self._source())

    @property
    @in_turn
    def model_name(self) -> str | None:
        """The name of the index's model, as `load_encoder` takes it; None if photos are yet to give it one.

        CollectionNotFound if there is no index yet.
        """
        fingerprint = self._source().fingerprint
        return fingerprint.model if fingerprint else None

    @property
    @in_turn
    def version(self) -> int:
        """A number that changes when another engine or process commits to the index."""
        return self._source().version

    # -- queries

    def search(self, query: Content | Query | None = None, top_k: int = 10, **keywords: Unpack[SearchKeywords]) -> Hits:
        """Find the `top_k` photos nearest to a text, a picture (a Path, PIL image or array), an embedding or a Query.

        An embedding is float32 (dim,). A text may have several parts, "a dog + snow - people". Keywords are the options of
        `clipsearch query`, such as `taken=2024`, `where="width > 3000"` or `min_match=0.5`: see SearchKeywords. Without a
        query, the photos that meet the filters are listed. Files with the bytes of a Path are left out, unless `keep_own`; a
        PIL image or an array has no file, so its photo is found, too. Scores are exact cosines, ties are ordered by path.

        QueryError if the query asks for nothing or points nowhere, or a value makes no sense; TypeError for an unknown keyword;
        ImageError if a picture cannot be read; CollectionNotFound if there is no index; ModelMismatch if its model differs. A
        text that is the name of a file issues a ClipsearchWarning: a Path is the picture.
        """
        (hits,) = self._answers([make_query(query, self._with_mark_ids(keywords))], top_k)
        return hits

    def search_many(
        self, queries: Iterable[Content | Query], top_k: int = 10, **keywords: Unpack[SearchKeywords]
    ) -> list[Hits]:
        """Answer many queries at once, faster than one by one: their texts are encoded together and they share scans.

        Queries and keywords are those of `search`. One list of at most `top_k` hits for each query, in order. If one query is
        wrong, its error is raised for all.
        """
        return self._answers(make_queries(queries, self._with_mark_ids(keywords)), top_k)

    async def asearch(
        self, query: Content | Query | None = None, top_k: int = 10, **keywords: Unpack[SearchKeywords]
    ) -> Hits:
        """`search` for asyncio: it runs in a thread of this object, so the event loop goes on. Searches wait for each other."""
        keywords = await self._in_thread(self._with_mark_ids, keywords)
        (hits,) = await self._in_thread(self._answers, [make_query(query, keywords)], top_k)
        return hits

    async def asearch_many(
        self, queries: Iterable[Content | Query], top_k: int = 10, **keywords: Unpack[SearchKeywords]
    ) -> list[Hits]:
        """`search_many` for asyncio, in a thread of this object."""
        keywords = await self._in_thread(self._with_mark_ids, keywords)
        return await self._in_thread(self._answers, make_queries(queries, keywords), top_k)

    @in_turn
    def understand(self, query: Content | Query, today: date | None = None) -> tuple[Query, Understood]:
        """Turn facts in a query's texts, such as "last summer" and "in Italy", into filters, as a `smart` query does.

        What the texts deny is subtracted, and photos with it as a keyword are left out. Returns the query that is searched and
        what was understood. `today` is the day that "yesterday" is the day before. Places, people and keywords are understood
        if the index has photos of them; a vector database is not asked for them.
        """
        from clipsearch.query.sentences.smart import understand  # not for other queries

        if today is not None and not isinstance(today, date):
            raise TypeError(f"today must be a date or None, not {short(today)}")
        wanted, today = make_query(query, {}), today or date.today()
        if not isinstance(self._place, (Path, tuple)):
            return understand(wanted, today)
        index: Collection | SeveralCollections = (
            self._several_indexes() if isinstance(self._place, tuple) else self._collection()
        )
        from clipsearch.gazetteer import find  # not for other queries

        people = [name for name, _ in index.count_by("person")]
        return understand(
            wanted,
            today,
            partial(_places_with_photos, index),
            people,
            has_keyword=lambda keyword: len(index.select(Test("keyword", "=", keyword))) > 0,
            known_places=find,
        )

    @in_turn
    def browse(
        self, condition: Condition | None = None, *, sort: Order = "date", offset: int = 0, top_k: int = 50
    ) -> tuple[list[ImageRecord], int]:
        """List photos without a query, newest first, oldest first or by name: `top_k` after the first `offset`.

        Returns them, and how many there are in all. `condition` limits the photos that count. QueryError for a `top_k`
        below 1 or a negative offset.
        """
        offset, top_k = _page(condition, offset, top_k, sort)
        return self._source().browse(condition, sort, offset, top_k)

    @in_turn
    def browse_shots(
        self, condition: Condition | None = None, *, sort: Order = "date", offset: int = 0, top_k: int = 50
    ) -> tuple[list[tuple[ImageRecord, ...]], int]:
        """List photos like `browse`, with the files of one shot together: RAW and JPEG, an edited copy, a burst.

        The first file of each shot, in the order of the list, stands for it. `offset` and `top_k` count files, and a shot is on
        the page of its first file. So a page may have fewer than `top_k` shots, or none. Returns the shots and the number of
        files in all.
        """
        offset, top_k = _page(condition, offset, top_k, sort)
        source = self._source()
        return shots_of_page(lambda start, count: source.browse(condition, sort, start, count), offset, top_k)

    @in_turn
    def outline(
        self, condition: Condition | None = None, *, sort: Order = "date", one_per_shot: bool = False
    ) -> Outline:
        """The whole list that `browse` has in pages, or `browse_shots`: each photo's id, shape and day. At most 100,000.

        It looks at all files for those of one shot, so a shot whose files are far apart in the list is one, too.
        """
        from clipsearch.query.outline import MOST_OUTLINED, listed_file, outline  # the page needs it

        _page(condition, 0, 1, sort)
        source = self._source()
        if isinstance(source, Collection):
            files, considered = source.listed(condition, sort, MOST_OUTLINED)
        else:
            records, considered = source.browse(condition, sort, 0, MOST_OUTLINED)
            files = list(map(listed_file, records))
        return outline(files, considered, one_per_shot=one_per_shot)

    @in_turn
    def records(self, ids: Iterable[Photo]) -> dict[int, ImageRecord]:
        """Look up photos by id, hit or record: image_id → record. Photos that are not in the index are left out.

        A hit or record of another index stands for the same photo in this one, whatever its id here.
        """
        return self._source().records(self._ids_here(ids))

    @in_turn
    def placeholders(self, ids: Iterable[Photo]) -> dict[int, bytes]:
        """Blurred pictures of photos: image_id → the pixels of a BMP of 4 x 3, 36 bytes, for those that have one.

        Only an index has them; several indexes together and stores have none.
        """
        source = self._source()
        return source.placeholders(self._ids_here(ids)) if isinstance(source, Collection) else {}

    @in_turn
    def same_content(self, content_hash: str) -> list[int]:
        """The ids of the photos whose file has this SHA-256 (hexadecimal), oldest first. QueryError if it is not one."""
        if not isinstance(content_hash, str) or not _SHA_256.fullmatch(content_hash):
            raise QueryError(f"content_hash must be a SHA-256 of 64 hexadecimal digits, not {short(content_hash)}")
        return self._source().same_content(content_hash)

    @in_turn
    def vector(self, image_id: Photo) -> NDArray[np.float32]:
        """The unit vector, float32 (dim,), of a photo that is given by its id, a hit or a record.

        KeyError if the index does not have it.
        """
        ids = self._ids_here([image_id])
        if not ids:
            raise KeyError(image_id)
        vector: NDArray[np.float32] = self._source().vectors(ids)[0]
        return vector

    @in_turn
    def like(self, record: ImageRecord | Hit, weight: float = 1.0) -> tuple[Term, tuple[int, ...]]:
        """A photo as a term of a query, and the ids of all photos with its content, for `Query.own`.

        QueryError if the photo is not in the index; TypeError for something else than a record or a hit.
        """
        if isinstance(record, Hit):
            record = record.record
        if not isinstance(record, ImageRecord):
            raise TypeError(f"a photo is an ImageRecord or a hit, such as hits[0], not {short(record)}")
        try:
            vector = self.vector(record)
        except KeyError:
            raise QueryError(f"{record.file.path} is not in this index; search it again") from None
        return Term(vector, weight), tuple(self.same_content(record.info.content_hash))

    # -- inside

    def _ids_here(self, photos: Iterable[Photo]) -> list[int]:
        """The ids of photos in the index, without those of photos that it cannot have.

        QueryError for another value, TypeError for no list.
        """
        ids = ids_in(self._source(), require_list("ids", photos, "numbers or hits"))
        return [number for number in ids if number is not None and 0 <= number <= LARGEST_ID]

    @in_turn
    def _with_mark_ids(self, keywords: SearchKeywords) -> SearchKeywords:
        """Keywords with the ids that marked photos have in the index."""
        return with_mark_ids(keywords, lambda photos, name: require_ids_in(self._source(), photos, name))

    @in_turn
    def _answers(self, queries: Sequence[Query], top_k: int) -> list[Hits]:
        top_k = as_whole("top_k", top_k)
        if not any(query.smart for query in queries):
            return list(map(self._with_known_facts, self._searched(queries, top_k)))
        both: list[tuple[Query, Understood | None]] = [
            self.understand(query) if query.smart else (query, None) for query in queries
        ]
        answers = self._searched([query for query, _ in both], top_k)
        for hits, typed, (_, understood) in zip(answers, queries, both, strict=True):
            notes = with_facts(hits.explanation.notes, hits.query, typed, understood)
            hits.explanation = replace(hits.explanation, understood=understood, notes=notes)
        return list(map(self._with_known_facts, answers, queries))

    def _with_known_facts(self, hits: Hits, asked: Query | None = None) -> Hits:
        """If nothing is likely: with a note on photos that have a place, person, date or keyword that the query names.

        `asked` is the query before facts in it became filters.
        """
        codes = {note.code for note in hits.explanation.notes}
        is_unread = "unread" in codes and all(hit.match is None for hit in hits)
        if not is_unread and "best-match" not in codes and not is_unlikely(hits.query, hits):
            return hits
        from clipsearch.query.known_facts import fact_notes  # not if something is found

        notes = fact_notes(hits.query, self._source(), self.understand, asked)
        hits.explanation = replace(hits.explanation, notes=(*hits.explanation.notes, *notes))
        return hits

    async def _in_thread(self, method: Callable[_P, _T], *arguments: _P.args, **options: _P.kwargs) -> _T:
        import asyncio  # most programs do without
        from concurrent.futures import ThreadPoolExecutor

        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="clipsearch-search")
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(method, *arguments, **options))

    def _searched(self, queries: Sequence[Query], top_k: int) -> list[Hits]:
        source = self._source()
        if source.fingerprint is None:
            return [Hits([], query, Explanation("", source.name, 0, 0, 0, {})) for query in queries]
        searched = [query for query in queries if query.terms or not query.filters]
        found = iter(search(source, self._current_embedder(source), searched, top_k) if searched else ())
        answers = [
            next(found) if query.terms or not query.filters else _listed(source, query, top_k) for query in queries
        ]
        if any(query.filters or query.hybrid for query in queries):
            from clipsearch.query.matching_words import with_found_words  # not for other queries

            return [with_found_words(hits) for hits in answers]
        return answers

    def _current_embedder(self, source: VectorStore[Any]) -> QueryEmbedder:
        """What embeds queries. It changes if another process has the index remember another text model."""
        version = source.version
        if self._embedder is None or version != self._embedder_version:
            encoder = self.encoder
            if self._embedder is None or self._embedder.encoder is not encoder:
                self._embedder = QueryEmbedder(encoder)
            self._embedder_version = version
        return self._embedder

    def _source(self) -> VectorStore[Any]:
        """What answers queries, opened at first use."""
        if isinstance(self._place, Path):
            return self._collection()
        if isinstance(self._place, tuple):
            return self._several_indexes()
        if self._store is None:
            from clipsearch.milvus.store import MilvusStore

            self._store = MilvusStore(self._place)
        return self._store

    def _several_indexes(self) -> SeveralCollections:
        if self._several is None:
            from clipsearch.store.several import SeveralCollections

            assert isinstance(self._place, tuple)
            self._several = SeveralCollections(self._place)
        return self._several

    def _collection(self) -> Collection:
        """The index, open for reading. ClipsearchError for several indexes and for a store."""
        if self._index is None:
            self._index = Collection(self.index_folder)
        return self._index

    def _each_in_turn(self, index: Collection, items: Generator[_T, None, None]) -> Generator[_T, None, None]:
        """What a generator yields of the open index; other threads may call methods between its items.

        ClipsearchError if the index is closed meanwhile.
        """
        try:
            while True:
                with self._turn:
                    if self._index is not index:
                        raise ClipsearchError("the engine was closed before the generator was read; read it first")
                    try:
                        item = next(items)
                    except StopIteration:
                        return
                yield item
        finally:
            with self._turn:
                items.close()

    def _close_index(self) -> None:
        if self._index is not None:  # an empty one counts as false
            self._index.close()
        self._index = self._embedder = None


def _listed(source: VectorStore[Any], query: Query, top_k: int) -> Hits:
    from clipsearch.query.listing import list_photos  # not for queries that look for something

    return list_photos(source, query, top_k)


def _places_with_photos(index: Collection | SeveralCollections, name: str) -> list[gazetteer.Place]:
    """The places of a name that an index has photos of."""
    from clipsearch.gazetteer import find  # not for other queries

    return [place for place in find(name) if len(index.select(Located((place.code,))))]


def _page(condition: Condition | None, offset: int, top_k: int, sort: Order) -> tuple[int, int]:
    """The offset and the number of photos of a page, as Python's own. QueryError if they, or what is listed, cannot be."""
    require_condition(condition)
    require_one_of("sort", sort, get_args(Order))
    offset, top_k = as_whole("offset", offset), as_whole("top_k", top_k)
    if top_k < 1 or offset < 0:
        raise QueryError(f"top_k is {top_k} and the offset {offset}; ask for at least one photo, from the first on")
    if max(top_k, offset) > LARGEST_ID:
        raise QueryError(f"top_k is {top_k} and the offset {offset}; give at most {LARGEST_ID}")
    return offset, top_k
