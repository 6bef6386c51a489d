"""An index: vectors and metadata as one thing. They are written together, published by one commit and searched exactly."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.atomic_files import sync_folder
from clipsearch._internal.checksums import file_sha256
from clipsearch._internal.commands import PHOTOS, command, no_index
from clipsearch.errors import CollectionDamaged, CollectionError, CollectionNotFound, ModelMismatch
from clipsearch.store import merge
from clipsearch.store.catalog import Catalog
from clipsearch.store.catalog_file import NEXT, PREVIOUS, has_catalog
from clipsearch.store.database import CHECKED
from clipsearch.store.fact_table import FOLDED, how_texts_are_made
from clipsearch.store.file_tables import Countable, Listed, TextColumn, Totals
from clipsearch.store.filters import FolderLookup, with_albums
from clipsearch.store.lock import OnBusy, WriterLock, telling_unwritable
from clipsearch.store.open_index import OpenIndex
from clipsearch.store.path_lookup import PathLookup
from clipsearch.store.ranking import FEW
from clipsearch.store.rows import MOST_MOMENTS, KnownFailure, KnownFile, Place, State, vector_checks_of, with_since
from clipsearch.store.segments import Segment, SegmentInfo, write_compact, write_segment
from clipsearch.store.snapshot import Snapshot
from clipsearch.store.staging import StagedVectors
from clipsearch.store.succession import SEGMENTS_AHEAD, finish_replacement, hand_over, keep
from clipsearch.store.validation import WHAT_TO_DO, absolute_root, require_own_files
from clipsearch.store.vectors import exact_scores, is_unit, vector_check
from clipsearch.types import (
    Condition,
    Embeddings,
    Failure,
    Fingerprint,
    Ids,
    ImageFile,
    ImageInfo,
    ImageRecord,
    ListedFile,
    Order,
    Scores,
)

if TYPE_CHECKING:
    from clipsearch.store.approximate.index import ApproximateIndex, ApproximateStatus
    from clipsearch.store.approximate.info import ApproximateInfo

logger = logging.getLogger(__name__)

_T = TypeVar("_T")


class Collection:
    """An index folder, open. Use as a context manager.

    Any number of readers may be open before, during and after a commit; each answer comes from one committed state. A reader
    follows if a repair replaces the catalog.

    Opened with `writable=True`, it is the only writer. What it stages becomes visible to others with `commit`. If there is
    another writer, `on_busy` decides whether to try again; without `on_busy`, CollectionBusy is raised at once.

    Paths of photos are stored relative to `home`, by default the folder itself. An index that is being built to take the place
    of another one has that one's folder as its home.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        writable: bool = False,
        on_busy: OnBusy | None = None,
        home: Path | None = None,
    ) -> None:
        self.folder = Path(folder).absolute()
        self.home = home or self.folder
        self._lock: WriterLock | None = None
        if not writable and not has_catalog(self.folder):
            raise CollectionNotFound(no_index(self.folder))
        with contextlib.ExitStack() as undo:
            if writable:
                require_own_files(self.folder)
                with telling_unwritable(self.folder, is_new=not has_catalog(self.folder)):
                    _make_folder(self.folder / "segments")
                    self._lock = WriterLock(self.folder / "writer.lock", on_busy)
                    _make_folder(self.folder / "segments")  # again, if an index without photos was taken back meanwhile
                undo.callback(self._release)
                finish_replacement(self.folder)
            self._index = OpenIndex(self.folder, writable=writable)
            undo.callback(self._index.close)
            self._staged = StagedVectors(self._index.segments)
            if writable:
                self._catalog.last_id()  # without a number to give, a writer would be told that the disk is full
                self._remove_leftovers()
                if self._catalog.meta(CHECKED) is None:
                    self._check_vectors()
                if self._catalog.meta(FOLDED) != how_texts_are_made():
                    self._derive()
            undo.pop_all()

    def close(self) -> None:
        """Forget what was staged and let go of the files."""
        try:
            if self._lock:
                self.rollback()
        finally:
            self._index.close()
            self._release()

    def __enter__(self) -> Collection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- what the index is

    @property
    def name(self) -> str:
        """The index folder."""
        return str(self.folder)

    @property
    def names(self) -> tuple[str]:
        """The index folder alone."""
        return (self.name,)

    @property
    def version(self) -> int:
        """A number that differs once another connection has committed."""
        return self._catalog.version

    @property
    def format_version(self) -> int:
        """The version of the catalog's format on disk."""
        return self._catalog.format_version

    @property
    def fingerprint(self) -> Fingerprint | None:
        """The model of the embeddings; None before the first. ModelMismatch if a replaced index has another model."""
        return self._index.fingerprint

    def require(self, fingerprint: Fingerprint) -> None:
        """Raise ModelMismatch unless embeddings of this model belong here. A new index remembers the model."""
        mine = self.fingerprint
        if mine is None and self._lock:
            self._catalog.begin()
            self._catalog.set_fingerprint(fingerprint)
        elif mine is None or not mine.is_comparable(fingerprint):
            if mine and mine.model == fingerprint.model:
                other = command("index", PHOTOS, "--model", fingerprint.model, index="OTHER_DIR")
                differs = mine.revision != fingerprint.revision
                revisions = f" ({mine.revision}, and not {fingerprint.revision})" if differs else ""
                raise ModelMismatch(
                    f"the index at {self.folder} was made with other weights of the model {mine.model!r}{revisions}: their "
                    f"embeddings mean different things. Make another index: {other}"
                )
            raise ModelMismatch(
                f"the index at {self.folder} was made with the model {mine.model if mine else '(none yet)'!r} and cannot be "
                f"used with {fingerprint.model!r}: their embeddings mean different things. Leave `model` out, or change the "
                f"model of the index: `{command('index', '--model', fingerprint.model)}`"
            )

    def settle_precision(self, fingerprint: Fingerprint) -> None:
        """Stage the precision that pictures are encoded with from now on, unless it is settled already."""
        mine = self.fingerprint
        if mine and mine.precision is None and fingerprint.precision:
            self._catalog.begin()
            self._catalog.set_fingerprint(replace(mine, precision=fingerprint.precision))

    @property
    def text_model(self) -> str | None:
        """The other model that texts are encoded with, by a name that was checked when it was set; None for the own one."""
        return self._catalog.text_model()

    def set_text_model(self, model: str | None) -> None:
        """Stage the other model that texts are encoded with from now on, or None for the own one."""
        self._catalog.begin()
        self._catalog.set_text_model(model)

    def meta(self, key: str) -> str | None:
        """A value that `set_meta` has stored, or None."""
        return self._catalog.meta(key)

    @property
    def null_scores(self) -> str | None:
        """What query.null_scores stored, if anything."""
        return self._catalog.meta("null scores")

    def set_meta(self, key: str, value: str) -> None:
        """Stage a value that the index keeps under a key."""
        self._catalog.begin()
        self._catalog.set_meta(key, value)

    def remember(self, key: str, value: str | None) -> None:
        """Stage a value of the index under a key, or None to remove it. Nothing is staged if it is so already."""
        if self._catalog.meta(key) != value:
            self._catalog.begin()
            if value is None:
                self._catalog.remove_meta(key)
            else:
                self._catalog.set_meta(key, value)

    def unsound_tables(self) -> list[str]:
        """The small tables of the catalog that are not as they were committed."""
        return self._catalog.unsound_tables()

    # -- folders and files

    def roots(self) -> dict[int, str]:
        """root_id → the absolute path it has today, even if the index folder has been moved."""
        return {root_id: absolute_root(self.home, path) for root_id, (path, _) in self._catalog.roots().items()}

    def root_rules(self) -> dict[int, dict[str, object]]:
        """root_id → the rules of its walk, as JSON has them."""
        return {root_id: rules for root_id, (_, rules) in self._catalog.roots().items()}

    def add_root(self, path: str, rules: dict[str, object]) -> int:
        """Stage a root, or new rules for its walk; its id. A root inside the index's parent is stored relative to the index.

        Roots inside the new one become part of it.
        """
        self._catalog.begin()
        inside = Path(path).is_relative_to(self.home.parent)
        stored = Path(os.path.relpath(path, self.home)).as_posix() if inside else path
        for former, _ in self._catalog.roots().values():
            if absolute_root(self.home, former) == path:
                stored = former  # perhaps with Windows' separators, as they once were stored
        root_id = self._catalog.set_root(stored, rules)
        for other, other_path in self.roots().items():
            if other != root_id and Path(other_path).is_relative_to(path):
                self._catalog.adopt_root(other, root_id, Path(other_path).relative_to(path).as_posix())
        return root_id

    def remove_root(self, root_id: int) -> tuple[int, int]:
        """Stage that a root leaves the index with everything below it; how many images and failures go."""
        with self._staging() as catalog:
            removed = self.remove_below(root_id)
            catalog.drop_root(root_id)
            return removed

    def place(self, path: str) -> Place | None:
        """A path in the index's terms: root, folder and name. None if no root holds it."""
        return PathLookup(self.roots(), self._catalog).place(path)

    def places(self, folder: str) -> list[tuple[int, str]]:
        """An absolute folder in the index's terms: (root_id, folder below that root), for each root at, above or below it."""
        return PathLookup(self.roots(), self._catalog).folders(folder)

    def spelled(self, path: str) -> str:
        """A path that a user named, with the accents and capitals that the index has it by."""
        return PathLookup(self.roots(), self._catalog).spelled(path)

    def folders(self, root_id: int, under: str = "") -> set[str]:
        """Every folder at or below `under` in which the index knows a file."""
        return self._catalog.folders(root_id, under)

    def known_files(self, root_id: int, folder: str) -> tuple[dict[str, State], dict[str, State]]:
        """Name → (size, mtime_ns) of the images in a folder, and of its failures. Folders below it do not count."""
        catalog = self._catalog
        return catalog.images.states_in(root_id, folder), catalog.failures.states_in(root_id, folder)

    def known_file(self, place: Place) -> KnownFile | None:
        """What is known of a file. An image comes first, if an image and a failure are known."""
        return self._catalog.file_at(place)

    def ids_of_files(self, files: Iterable[tuple[str, str]]) -> list[int]:
        """The images of files, in their order: those at a path, or else those of a content hash. Others are left out."""
        with self.reading():
            lookup = PathLookup(self.roots(), self._catalog)
            found = []
            for path, digest in files:
                place = lookup.place(path)
                known = self._catalog.file_at(place) if place else None
                if known and known.image_id is not None:
                    found.append(known.image_id)
                elif digest:  # it may have been moved or renamed
                    found += self.same_content(digest, 1)
            return list(dict.fromkeys(found))

    def album(self, name: str) -> list[int]:
        """The photos of an album that are in the index now. QueryError if no album has this name."""
        return self.ids_of_files(self.album_files(name))

    def album_files(self, name: str) -> list[tuple[str, str]]:
        """The files of an album: absolute path and sha256, also of those that the index has not. QueryError as `album`."""
        from clipsearch.store.albums import Albums  # not for other queries

        return Albums(self.home).members(name)

    def known_failures(self, root_id: int, folder: str) -> dict[str, KnownFailure]:
        """Name → what is known of the failures in a folder. Folders below it do not count."""
        return self._catalog.failures.in_folder(root_id, folder)

    def facts_from(self, root_id: int, usual: str) -> dict[str, dict[str, str]]:
        """Folder → name → what the facts of a root's images were read from, if that is not `usual`; "" if they never were."""
        return self._catalog.images.facts.read_from(root_id, usual)

    def facts_key(self, image_id: int) -> str:
        """What the facts of an image were read from; "" if they are to be read again."""
        return self._catalog.images.facts.key(image_id)

    def known_failure(self, place: Place) -> KnownFailure | None:
        """What is known of a failure, also of one whose image is still in the index."""
        return self._catalog.failures.at(place)

    def has_size(self, size: int) -> bool:
        """Whether any image's file has this many bytes. If not, no image has the same content."""
        return self._catalog.images.has_size(size)

    def failures(self) -> list[Failure]:
        """Every file that could not be read, by path."""
        return self._catalog.failures.all(self.roots())

    # -- images

    def __len__(self) -> int:
        return self._catalog.images.count()

    def count_pictures(self) -> int:
        """How many pictures all files have, which is the number of vectors."""
        return self._index.at_one_state(lambda snapshot: len(self) + snapshot.file_ids.more)

    @property
    def last_id(self) -> int:
        """The highest image id that was ever given."""
        return self._catalog.last_id()

    def counts(self) -> tuple[int, int, int]:
        """(images, failures, bytes of all images' files)."""
        return self._catalog.counts()

    def count_by(self, value: Countable, condition: Condition | None = None) -> list[tuple[Any, ...]]:
        """How many images share each value: rows of the value and a count, in the value's order.

        Only images that meet the condition count, and that have the value.
        """
        counts = self._catalog.images.count_by(value, *self._where(condition))
        if value == "folder" and not {root_id for root_id, *_ in counts} <= self._catalog.roots().keys():
            raise self._damaged("it has photos in a folder that it does not know")
        return counts

    def values_of(self, field: Listed) -> list[str]:
        """The values that photos have of a fact, the most frequent first. Folders are absolute paths, and places codes."""
        counts = sorted(self.count_by(field), key=lambda row: -row[-1])
        if field != "folder":
            return [value for value, _ in counts]
        roots = self.roots()
        return [
            os.path.join(roots[root_id], *filter(None, os.fsdecode(folder).split("/"))) for root_id, folder, _ in counts
        ]

    def count_of(self, condition: Condition | None = None) -> int:
        """How many images meet a condition, or are there."""
        return self._catalog.images.count_of(*self._where(condition))

    def files_of(self, ids: Sequence[int]) -> list[int]:
        """The files of some pictures, each once, by the ids that stand for them."""
        files = self._index.at_one_state(lambda snapshot: snapshot.file_ids.files_of(np.array(ids, np.int64)))
        return list(dict.fromkeys(files.tolist()))

    def positions(self, condition: Condition | None = None, most: int = -1) -> list[tuple[int, float, float]]:
        """(id, latitude, longitude) of the images that meet a condition and have a position, newest first: `most`, or all."""
        return self._catalog.images.positions(*self._where(condition), most)

    def totals(self, condition: Condition | None = None) -> Totals:
        """Totals over the images that meet a condition, or over all."""
        return self._catalog.images.totals(*self._where(condition))

    def records(self, ids: Sequence[int]) -> dict[int, ImageRecord]:
        """image_id → record, for those that exist."""
        return self._catalog.images.records(ids, self.roots())

    def placeholders(self, ids: Sequence[int]) -> dict[int, bytes]:
        """image_id → its placeholder, of those that have one: the bytes that `images.placeholders` makes."""
        return self._catalog.images.placeholders.of(ids)

    def all_records(self) -> Iterator[ImageRecord]:
        """Every image, in the order of its path."""
        return self._catalog.images.all_records(self.roots())

    def ids(self, condition: Condition | None = None) -> Ids:
        """The images that meet a condition, or all, int64 (n,), ascending."""
        with self.reading():
            candidates = self._index.candidates(condition) if condition else None
            return self._catalog.images.ids(*self._where(condition), candidates)

    select = ids

    def _where(self, condition: Condition | None) -> tuple[Condition | None, FolderLookup]:
        """A condition as the catalog's tables take it, with the photos of albums; and where folders are."""
        return with_albums(condition, self.album) if condition else None, self.places

    def full_text_ranking(
        self, text: str, condition: Condition | None = None, limit: int = 1000, least_words: int = 1
    ) -> list[int]:
        """The images whose texts have at least `least_words` of a text's words, best by BM25 first, `limit` at most.

        Only images that meet the condition are ranked. The texts are those of `types.Contains`.
        """
        return self._catalog.images.ranking_by_text(text, *self._where(condition), limit, least_words)

    def text_search(
        self,
        query: Embeddings,
        text: str,
        condition: Condition | None = None,
        limit: int = 1000,
        without: Sequence[int] = (),
        least_words: int = 1,
    ) -> list[tuple[float, ImageRecord]]:
        """The files of `full_text_ranking`, in its order: (exact cosine with the query (1, dim), record).

        A file with several pictures is there once, by the nearest of them. `without` leaves some out.
        """

        def read() -> list[tuple[float, ImageRecord]]:
            ids = self.full_text_ranking(text, condition, limit, least_words)
            if not ids:
                return []
            places = {record.file.path: ids.index(image_id) for image_id, record in self.records(ids).items()}
            (found,) = self.search(query, len(ids), np.unique(np.array(ids, np.int64)), without, exact=True)
            return sorted(found, key=lambda pair: places[pair[1].file.path])

        return self.at_one_state(read)

    def same_content(self, content_hash: str, most: int = -1) -> list[int]:
        """The images whose file has this sha256 (hexadecimal), oldest first; at most `most` of them, or all."""
        return self._catalog.images.same_content(content_hash, most)

    def contents(self) -> list[tuple[int, bytes]]:
        """Every image's id, and the sha256 of its file."""
        return self._catalog.images.contents()

    def paths(self) -> list[tuple[int, str]]:
        """Every image's id and absolute path."""
        return self._catalog.images.paths(self.roots())

    def same_content_groups(self) -> Iterator[list[int]]:
        """The ids of images that share their content with others: a list for each content, oldest first."""
        return self._catalog.images.same_content_groups()

    def browse(
        self, condition: Condition | None, order: Order, offset: int, count: int
    ) -> tuple[list[ImageRecord], int]:
        """`count` of the images that meet a condition, or of all, after the first `offset`; and how many there are in all."""

        def read() -> tuple[list[ImageRecord], int]:
            ids = self._catalog.images.page(*self._where(condition), order, offset, count)
            records = self.records(ids)
            files = [replace(records[image_id], moment=None) for image_id in ids]
            return files, self._catalog.images.count_of(*self._where(condition))

        return self.at_one_state(read)

    def listed(self, condition: Condition | None, order: Order, count: int) -> tuple[list[ListedFile], int]:
        """What the layout of a list needs of its first `count` files, and how many files it has."""

        def read() -> tuple[list[ListedFile], int]:
            files = self._catalog.images.listed(*self._where(condition), order, count)
            return files, self._catalog.images.count_of(*self._where(condition))

        return self.at_one_state(read)

    # -- vectors

    def vectors(self, ids: Sequence[int]) -> Embeddings:
        """The unit vectors (n, dim) of images, staged or published, in their order.

        KeyError if one has none. CollectionDamaged if one is not the vector that was stored for its image.
        """
        wanted = np.array(ids, np.int64)
        staged = {image_id: vector for image_id in ids if (vector := self._staged.get(image_id)) is not None}
        is_staged = np.isin(wanted, list(staged))
        published = self._index.at_one_state(lambda snapshot: self._checked(snapshot, wanted[~is_staged]))
        if not staged:
            return published
        vectors = np.empty((len(wanted), len(next(iter(staged.values())))), np.float32)
        vectors[is_staged] = [staged[image_id] for image_id in wanted[is_staged].tolist()]
        vectors[~is_staged] = published
        return vectors

    def sample_vectors(self, count: int) -> Embeddings:
        """The committed unit vectors (n, dim) of about `count` pictures, evenly spaced, or of all. They are not checked."""

        def read(snapshot: Snapshot) -> Embeddings:
            step = max(1, -(-sum(len(segment.ids) for segment in snapshot.segments) // count))
            parts = [np.empty((0, snapshot.dim), np.float32)]
            for segment in snapshot.segments:
                keep = snapshot.keep(segment)
                rows = np.arange(len(segment.ids)) if keep is None else np.flatnonzero(keep)
                parts.append(segment.vectors[rows[::step]])
            return np.concatenate(parts)

        return self._index.at_one_state(read)

    def file_vectors(self, file_id: int) -> Embeddings:
        """The unit vectors (n, dim) of all pictures of a file, in their order. Raises as `vectors`."""
        return self.vectors(self._catalog.images.all_ids([file_id]))

    def published_vectors(self, ids: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """image_id → the vector (dim,) that was committed for it, for the images that have one."""
        wanted = np.array(ids, np.int64)
        vectors, known = self.snapshot().lookup(wanted)
        return dict(zip(wanted[known].tolist(), vectors[known], strict=True))

    def scan(
        self, condition: Condition | None = None, block: int = 4096, *, all_pictures: bool = False
    ) -> Iterator[tuple[list[ImageRecord], Embeddings]]:
        """Every file that meets a condition, or all, `block` at a time: records and vectors (n, dim), by image id.

        Of a file with several pictures, the first one, or all of them with `all_pictures`. All blocks are of one committed
        state.
        """
        for snapshot in self._index.states():
            ids = self.ids(condition)
            if all_pictures:
                ids = snapshot.file_ids.expanded(ids)
            for start in range(0, len(ids), block):
                part = ids[start : start + block]
                records = self.records(part.tolist())
                try:
                    vectors = self._checked(snapshot, part)
                except KeyError as error:
                    raise self._damaged(f"image {error} has no vector") from error
                yield [records[image_id] for image_id in part.tolist()], vectors

    def scan_bytes(self, considered: int) -> int:
        """How many bytes of vectors a search reads at first, if that many files of usual numbers of pictures are allowed."""
        infos, fingerprint = self.segment_infos(), self.fingerprint
        dim, total = fingerprint.dim if fingerprint else 0, sum(info.rows for info in infos)
        if considered < total * FEW:  # counting takes long in a large index
            pictures = considered * self.count_pictures() // max(1, len(self))
            if pictures < total * FEW:
                return 4 * dim * pictures
        return sum(info.rows * dim * (1 if info.compact else 4) for info in infos)

    def search(
        self,
        queries: Embeddings,
        top_k: int,
        allowed: Ids | None = None,
        without: Sequence[int] = (),
        *,
        exact: bool = False,
        all_moments: bool = False,
    ) -> list[list[tuple[float, ImageRecord]]]:
        """For each of the queries (n, dim) its nearest files: (cosine, record), best first, at most `top_k`.

        The ranking is that of float64 inner products over all stored vectors, ties in the order of their paths. A file with
        several pictures counts once, by the best of them, unless `all_moments`. If `approximation` returns an index and not
        `exact`, only that index's candidates are ranked. `allowed` (m,), ascending, limits the search to those files, and
        `without` leaves some out. All answers come from one committed state.
        """

        def answer(snapshot: Snapshot) -> list[list[tuple[float, ImageRecord]]]:
            nearest = self._nearest(snapshot, queries, top_k, allowed, without, exact=exact, all_moments=all_moments)
            return [
                self._ranked(snapshot, query[None], scores, ids, top_k)
                for query, (scores, ids) in zip(queries, nearest, strict=True)
            ]

        return self._index.at_one_state(answer)

    def search_with_best(
        self,
        queries: Embeddings,
        top_k: int,
        count: int,
        allowed: Ids | None = None,
        without: Sequence[int] = (),
        *,
        exact: bool = False,
    ) -> list[tuple[list[tuple[float, ImageRecord]], Scores]]:
        """`search`, and the `count` highest cosines among the same files, by one scan."""

        def answer(snapshot: Snapshot) -> list[tuple[list[tuple[float, ImageRecord]], Scores]]:
            depth = max(top_k, count)
            nearest = self._nearest(snapshot, queries, depth, allowed, without, exact=exact, wanted=top_k)
            answers = []
            for query, (scores, ids) in zip(queries, nearest, strict=True):
                # The best `top_k`, and all that tie with the last of them: paths decide which of these stay.
                first = int(np.count_nonzero(scores >= scores[top_k - 1])) if len(scores) > top_k else len(scores)
                answers.append(
                    (self._ranked(snapshot, query[None], scores[:first], ids[:first], top_k), scores[:count])
                )
            return answers

        return self._index.at_one_state(answer)

    def best_scores(
        self, queries: Embeddings, count: int, allowed: Ids | None = None, *, exact: bool = False
    ) -> list[Scores]:
        """For each of the queries (n, dim) its `count` highest cosines over all files, or the allowed ones, best first.

        They are found as `search` finds its hits.
        """
        nearest = self._index.at_one_state(
            lambda snapshot: self._nearest(snapshot, queries, count, allowed, exact=exact, wanted=1)
        )
        return [scores[:count] for scores, _ in nearest]

    def approximation(self, top_k: int, allowed: Ids | None = None, *, exact: bool = False) -> ApproximateInfo | None:
        """The description of the approximate index that `search` would use; None if it would be exact."""
        index = self._index.at_one_state(lambda snapshot: self._approximate(top_k, allowed, exact))
        return index.info if index else None

    def approximate_status(self) -> ApproximateStatus | None:
        """The state of the approximate index, or None."""
        from clipsearch.store.approximate.index import read_status

        def read(snapshot: Snapshot) -> ApproximateStatus | None:
            fingerprint = self.fingerprint
            return read_status(self.folder, snapshot, self._catalog, fingerprint) if fingerprint else None

        return self._index.at_one_state(read)

    # -- consistent reading

    def reading(self) -> contextlib.AbstractContextManager[None]:
        """One committed state for everything that is read from the catalog inside. Segments may be merged meanwhile."""
        return self._catalog.reading()

    def at_one_state(self, read: Callable[[], _T]) -> _T:
        """Call a function that asks several questions, so that all answers come from one committed state."""
        return self._index.at_one_state(lambda snapshot: read())

    def snapshot(self) -> Snapshot:
        """The last commit's segments and tombstones, open for as long as the snapshot is kept."""
        return self._index.at_one_state(lambda snapshot: snapshot)

    def segment_infos(self) -> list[SegmentInfo]:
        """What the catalog says of the published segments, oldest first."""
        return self._catalog.segments()

    def tombstones(self) -> list[int]:
        """Removed images that some segment still has a vector of, ascending."""
        return self._catalog.tombstones()

    # -- another model

    def successor(self) -> Collection | None:
        """The index that is being built to take this one's place, open for reading, or None."""
        return self._inside(NEXT)

    @property
    def successor_model(self) -> str | None:
        """The model that the index is being changed to, or None."""
        successor = self.successor()
        if successor is None:
            return None
        with successor:
            return successor.fingerprint.model if successor.fingerprint else None

    def previous(self) -> Collection | None:
        """The index that was kept when this one took its place, open for reading, or None."""
        return self._inside(PREVIOUS)

    def _inside(self, name: str) -> Collection | None:
        folder = self.folder / name
        return Collection(folder, home=self.folder) if has_catalog(folder) else None

    def begin_successor(self, fingerprint: Fingerprint, *, keep_old: bool) -> Collection:
        """The index of another model that will take this one's place, open for writing and made if it is new.

        It has the roots of this one; photos below others leave it. If the index that was kept is of that model, it is taken up.
        ModelMismatch if an index of a third model is being built. CollectionError if `keep_old`, and one is kept already.
        """
        self._require_lock()
        folder = self.folder / NEXT
        kept = None
        if previous := self.previous():
            with previous:
                kept = previous.fingerprint
        if kept and kept.is_comparable(fingerprint) and not has_catalog(folder):
            os.replace(self.folder / PREVIOUS, folder)
            sync_folder(self.folder)
        elif kept and keep_old and self.fingerprint and not kept.is_comparable(self.fingerprint):
            raise CollectionError(
                f"the index of the model {kept.model!r} that was kept before is still in {self.folder / PREVIOUS}; delete that "
                "folder, or leave `keep_old` out"
            )
        try:
            successor = Collection(folder, writable=True, home=self.folder)
            try:
                successor._follow(self, fingerprint)
            except BaseException:
                successor.close()
                raise
        except CollectionDamaged as error:
            raise CollectionDamaged(
                f"the index that is being built in {folder} is damaged. Delete that folder, and run this again: all photos are "
                "embedded again"
            ) from error
        return successor

    def _follow(self, index: Collection, fingerprint: Fingerprint) -> None:
        """Take over the roots of the index that this one will replace, in a commit of its own."""
        mine = self.fingerprint
        if mine and not mine.is_comparable(fingerprint):
            raise ModelMismatch(
                f"the model of the index at {index.folder} is being changed to {mine.model!r}, not to {fingerprint.model!r}. "
                f"To finish that: `{command('index', '--model', mine.model)}`. To drop it, delete the folder {self.folder}"
            )
        theirs, former = index._catalog.roots(), self._catalog.roots()
        for root_id in [root_id for root_id, (path, _) in former.items() if path != theirs.get(root_id, ("", {}))[0]]:
            self.remove_root(root_id)
        with self._transaction() as catalog:
            self.require(fingerprint)
            rows = ((root_id, os.fsencode(path), json.dumps(rules)) for root_id, (path, rules) in theirs.items())
            catalog.restore("roots", rows)
            if not former:
                catalog.never_reuse("segments", index._catalog.last_segment() + SEGMENTS_AHEAD)
                for failure in index.failures():  # when they began to fail is known only there; they are tried again
                    if place := None if failure.kept else self.place(failure.file.path):
                        since = int(failure.since.timestamp()) if failure.since else int(time.time())
                        catalog.failures.add(place, failure, with_since("", since))

    def hand_over(self, successor: Collection, *, keep_old: bool) -> Path | None:
        """Have the index of `begin_successor` take this one's place, at once for all readers, and close it.

        With `keep_old`, this one is copied into a folder inside first, which is returned. A process that is killed meanwhile
        leaves the one or the other, whole. This collection goes on with the new one.
        """
        self._require_lock()
        for index in (successor, self):
            index.rollback()
            index._catalog.gather()
        kept = keep(self.folder, self._catalog) if keep_old else None
        successor.close()
        self._index.close()
        try:
            hand_over(self.folder)
        finally:
            self._index = OpenIndex(self.folder, writable=True)
            self._staged = StagedVectors(self._index.segments)
        self._remove_leftovers()
        return kept

    # -- copies of an index elsewhere

    def checksums(self) -> dict[int, tuple[int, int]]:
        """image_id → the checksums of its row and of its vector. CollectionDamaged if a vector has none."""
        return self._catalog.images.checksums()

    def later_vector_checks(self) -> dict[int, list[int]]:
        """Of files with several pictures: file → the checksums of the vectors after the first."""
        return self._catalog.images.later_vector_checks()

    def rows(self, ids: Sequence[int]) -> list[tuple[Any, ...]]:
        """The rows of files as the catalog has them, by id.

        `rows.IMAGE_COLUMNS`, row_check, vector_check, `rows.LATER_IMAGE_COLUMNS`.
        CollectionDamaged if one holds what clipsearch never writes.
        """
        return self._catalog.images.rows(ids, self.roots())

    def distinct(self, column: TextColumn) -> tuple[str, ...]:
        """Every value that a column has, in order."""
        return self._catalog.images.distinct(column)

    def restore_roots(self, roots: Mapping[int, str], rules: Mapping[int, dict[str, object]], last_id: int) -> None:
        """Stage the roots of another copy of this index under their ids. Image ids up to `last_id` are not given again."""
        self._catalog.begin()
        rows = ((root_id, os.fsencode(path), json.dumps(rules.get(root_id, {}))) for root_id, path in roots.items())
        self._catalog.restore("roots", rows)
        self._catalog.never_reuse("images", last_id)

    def revive(self, checks: Mapping[int, int]) -> set[int]:
        """Stage that removed images come back under their ids; the ids of those whose vectors are still here.

        `checks` are the checksums of their vectors. KeyError if an id has another vector here.
        """
        revived = set(self._catalog.tombstones()).intersection(checks)
        for image_id, vector in self.published_vectors(sorted(revived)).items():
            if vector_check(vector) != checks[image_id]:
                raise KeyError(image_id)
        self._catalog.begin()
        self._catalog.remove_tombstones(revived)
        return revived

    def restore(self, row: Sequence[Any], vectors: Mapping[int, NDArray[np.float32]]) -> None:
        """Stage a file as another copy of this index has it, under its own id. It replaces what the id has here.

        `row` is what `rows` returns. `vectors` has the unit vectors (dim,) of its pictures, by image id, except those that are
        here already. Files have to come in the order of their ids.
        """
        with self._staging() as catalog:
            catalog.images.placeholders.remove([*vector_checks_of(tuple(row))])
            catalog.restore("images", [row])
            catalog.images.name_place(row[0])
            catalog.remove_tombstones(vector_checks_of(tuple(row)))
            for image_id in sorted(vectors):
                self._staged.add(image_id, np.ascontiguousarray(vectors[image_id], np.float32), catalog)

    # -- writing

    def add(
        self,
        place: Place,
        file: ImageFile,
        info: ImageInfo,
        vectors: NDArray[np.float32],
        facts_from: str = "",
        placeholders: Sequence[bytes] = (),
    ) -> int:
        """Stage a file with the unit vectors of its pictures; its id. It replaces what was known of the file.

        `vectors` is (n, dim), with a row for each of `info.moments`, or (dim,) for a file with one picture. `facts_from` names
        what the facts in `info` were read from; "" if the next run of `index` is to read them. `placeholders` has one for each
        row of `vectors`; without them, the file gets those of another with its content, if there is one.
        """
        stored = np.ascontiguousarray(np.atleast_2d(vectors), np.float32)
        if len(stored) != max(len(info.moments), 1) or len(info.moments) > MOST_MOMENTS:
            raise ValueError(f"{len(stored)} embeddings for a file with {len(info.moments)} moments")
        if not all(map(is_unit, stored)):
            raise ValueError("an embedding must have norm 1")
        with self._staging() as catalog:
            self.discard(place)
            file_id = catalog.images.add(place, file, info, list(map(vector_check, stored)))
            catalog.images.facts.put(file_id, info, facts_from)
            if len(placeholders) == len(stored):
                for image_id, pixels in enumerate(placeholders, file_id):
                    catalog.images.placeholders.put(image_id, pixels)
            else:
                catalog.images.placeholders.copy(file_id, len(stored))
            for image_id, vector in enumerate(stored, file_id):
                self._staged.add(image_id, vector, catalog)
        return file_id

    def move(self, image_id: int, place: Place, file: ImageFile) -> None:
        """Stage that an image's content is in another file now. What was known of that file is forgotten."""
        with self._staging() as catalog:
            known = catalog.images.at(place)
            if known and known.image_id != image_id:
                self.discard(place)
            catalog.failures.remove(place)
            catalog.images.move(image_id, place, file)

    def set_facts(self, image_id: int, info: ImageInfo, facts_from: str | None = None) -> None:
        """Stage other facts of an image: all of `info` but its size, format, content, caption and moments.

        `facts_from` is as in `add`; None if that is as before.
        """
        with self._staging() as catalog:
            catalog.images.set_facts(image_id, info, facts_from)

    def fail(self, place: Place, failure: Failure, tried_with: str = "") -> None:
        """Stage that a file cannot be read. An image that is known there stays, and is found, until it is removed.

        `tried_with` names what else decides whether the file can be read (`indexing.retries.circumstances`). Attempts are
        counted as long as the file and `tried_with` are the same. The time of the first failure stays while the file does.
        """
        with self._staging() as catalog:
            before = catalog.failures.at(place)
            same = before and before.state == (failure.file.size, failure.file.mtime_ns)
            alike = before and (before.cause == "access") == (failure.cause == "access")
            if before and same and alike and before.tried_with == tried_with:
                failure = replace(failure, attempts=before.attempts + 1)
            since = before.since if before and same and before.since is not None else int(time.time())
            catalog.failures.add(place, failure, with_since(tried_with, since))

    def forget_failure(self, place: Place) -> None:
        """Stage that a file can be read now, as far as is known. Its image stays."""
        with self._staging() as catalog:
            catalog.failures.remove(place)

    def discard(self, place: Place) -> None:
        """Stage that nothing is known of a file."""
        with self._staging() as catalog:
            known = catalog.file_at(place)
            if known and known.image_id is not None:
                catalog.images.remove([known.image_id])
            catalog.failures.remove(place)

    def remove(self, ids: Sequence[int]) -> None:
        """Stage that images are gone."""
        if ids:
            with self._staging() as catalog:
                catalog.images.remove(ids)

    def remove_below(self, root_id: int, under: str = "") -> tuple[int, int]:
        """Stage that everything at or below a root's folder is gone; how many images and failures go."""
        with self._staging() as catalog:
            ids = catalog.images.ids_below(root_id, under)
            catalog.images.remove(ids)
            return len(ids), catalog.failures.remove_below(root_id, under)

    @property
    def staged(self) -> int:
        """How many vectors wait for the next commit."""
        return len(self._staged)

    def commit(self) -> None:
        """Publish everything staged, then tidy up. It costs nothing if nothing is staged."""
        self._require_lock()
        if self.staged or self._catalog.is_changing or any(info.wants_compact for info in self.segment_infos()):
            self.publish()
            self.tidy()

    def publish(self) -> None:
        """Publish everything staged. The file of vectors is whole and synced before the catalog's transaction commits.

        If that fails, everything staged is forgotten.
        """
        self._require_lock()
        staged = self.staged
        with self._transaction() as catalog:
            self._staged.write(catalog)
        self._staged.clear()
        logger.debug("published %d vectors in %s", staged, self.folder)

    def tidy(self) -> None:
        """Merge segments that are due, and make compact copies of large ones, each in a commit of its own."""
        self._require_lock()
        if self._catalog.images.facts.is_mostly_outdated():
            self._derive()
        merged = False
        while group := merge.due(self._index.snapshot()):
            self._merge(group)
            merged = True
        if merged:  # Windows deletes no file that is mapped: now this process maps none of the merged ones
            self._remove_leftovers()
        for segment in [segment for segment in self._index.snapshot().segments if segment.info.wants_compact]:
            info = write_compact(self._index.segments, segment)
            with self._transaction() as catalog:
                catalog.add_compact(segment.info.name, info)

    def rollback(self) -> None:
        """Forget everything staged since the last commit."""
        self._catalog.rollback()
        self._staged.clear()
        self._index.refresh()

    # -- inside

    @property
    def _catalog(self) -> Catalog:
        return self._index.catalog

    def _approximate(self, top_k: int, allowed: Ids | None, exact: bool) -> ApproximateIndex | None:
        """The approximate index that a search uses. Not among few images: all of its candidates could be others."""
        fingerprint = None if exact or allowed is not None else self.fingerprint
        return self._index.approximate(fingerprint, top_k) if fingerprint else None

    def _nearest(
        self,
        snapshot: Snapshot,
        queries: Embeddings,
        top_k: int,
        allowed: Ids | None = None,
        without: Sequence[int] = (),
        *,
        exact: bool,
        all_moments: bool = False,
        wanted: int | None = None,
    ) -> list[tuple[Scores, Ids]]:
        """For each of the queries (n, dim) the best `top_k`, and all that tie with the last: cosines, best first, and ids.

        If only the first `wanted` become hits, an approximate index may be searched deeper than its own limit.
        """
        file_ids, restricted = snapshot.file_ids, allowed
        if len(file_ids):
            allowed = None if allowed is None else file_ids.expanded(allowed)
            without = file_ids.expanded(file_ids.files_of(np.array(without, np.int64))).tolist()

        def nearest(queries: Embeddings, depth: int) -> list[tuple[Scores, Ids]]:
            if index := self._approximate(depth if wanted is None else wanted, restricted, exact):
                return index.nearest(snapshot, queries, depth, without)
            return snapshot.nearest(queries, depth, allowed, without)

        return nearest(queries, top_k) if all_moments else file_ids.nearest_files(nearest, queries, top_k)

    def _ranked(
        self, snapshot: Snapshot, query: Embeddings, scores: Scores, ids: Ids, top_k: int
    ) -> list[tuple[float, ImageRecord]]:
        """Candidates with their records, in order. Paths decide which of those that tie stay."""
        if not len(ids):
            return []
        records = self.records(ids.tolist())
        if len(records) < len(ids):
            raise self._damaged("it has vectors of no photo")
        pairs = [(score, records[image_id]) for score, image_id in zip(scores.tolist(), ids.tolist(), strict=True)]
        pairs.sort(key=lambda pair: (-pair[0], pair[1].file.path, pair[1].image_id))
        del pairs[top_k:]
        best = np.array([record.image_id for _, record in pairs], np.int64)
        try:
            proven = exact_scores(self._checked(snapshot, best), query)
        except KeyError:  # ids that are out of order are not found again
            proven = np.full(len(pairs), np.nan)
        if not np.allclose(proven, [score for score, _ in pairs], rtol=0, atol=1e-9):  # a row with another image's id
            raise self._damaged("its ids are mixed up")
        return [(min(max(score, -1.0), 1.0), record) for score, record in pairs]

    def _checked(self, snapshot: Snapshot, ids: Ids) -> Embeddings:
        """The vectors (n, dim) of ids (n,). KeyError if there is no such image; CollectionDamaged as `vectors`."""
        vectors = snapshot.vectors(ids)
        checks = self._catalog.images.vector_checks(ids.tolist())
        for image_id, vector in zip(ids.tolist(), vectors, strict=True):
            if checks[image_id] not in (None, vector_check(vector)):
                raise CollectionDamaged(f"the vector of image {image_id} is damaged; {WHAT_TO_DO}")
        return vectors

    def _damaged(self, problem: str) -> CollectionDamaged:
        return CollectionDamaged(f"the index at {self.folder} is damaged: {problem}; {WHAT_TO_DO}")

    def _merge(self, group: list[Segment]) -> None:
        """Put segments into one, without their dead rows, in a commit of its own."""
        dead = self._index.snapshot().tombstones
        ids, vectors = merge.together(group, dead)
        with self._transaction() as catalog:
            if len(ids):
                catalog.add_segment(write_segment(self._index.segments, catalog.next_segment_name(), ids, vectors))
            catalog.remove_segments(segment.info.name for segment in group)
            catalog.remove_tombstones(image_id for segment in group for image_id in np.intersect1d(segment.ids, dead))
        logger.debug("merged %d segments into one of %d vectors", len(group), len(ids))
        self._remove_leftovers()

    def _check_vectors(self) -> None:
        """Store every vector's checksum, once, in an index from before format 4; of files that are as they were written."""
        with self._transaction() as catalog:
            for segment in self._index.snapshot().segments:
                if file_sha256(self._index.segments / segment.info.name) == segment.info.sha256:
                    checks = map(vector_check, segment.vectors)
                    catalog.images.set_vector_checks(zip(checks, segment.ids.tolist(), strict=True))
            catalog.set_meta(CHECKED, "all")

    def _derive(self) -> None:
        """Make the full-text table and the tags anew, in a commit of its own."""
        with self._transaction() as catalog:
            catalog.derive_facts()

    def _remove_leftovers(self) -> None:
        """Delete files in the segments folder that no commit names."""
        infos = self.segment_infos()
        named = {info.name for info in infos} | {info.compact_name for info in infos if info.compact}
        for path in self._index.segments.iterdir():
            if path.name not in named and path.name.endswith((".faiss", ".partial")):
                with contextlib.suppress(OSError):  # Windows keeps files that a reader has open; next time, then
                    path.unlink()

    @contextlib.contextmanager
    def _staging(self) -> Iterator[Catalog]:
        """The catalog, to be changed. If that fails, everything staged is forgotten: SQLite does so after some errors only."""
        try:
            self._catalog.begin()
            yield self._catalog
        except (CollectionError, OSError):
            self.rollback()
            raise

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Catalog]:
        """Commit, at the end of the block, everything that was staged before and inside it."""
        with self._staging() as catalog:
            yield catalog
            catalog.commit()
        self._index.refresh()

    def _require_lock(self) -> None:
        if not self._lock:
            raise CollectionError("this index is open for reading only")

    def _release(self) -> None:
        if self._lock:
            self._lock.release()
            self._lock = None


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, durably."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)
