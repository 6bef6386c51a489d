"""What an open index says of itself, its folders and its photos: everything but its vectors."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from clipsearch._internal.commands import PHOTOS, command, no_index
from clipsearch.conditions import Condition
from clipsearch.errors import CollectionDamaged, CollectionNotFound, ModelMismatch
from clipsearch.store.catalog_file import has_catalog
from clipsearch.store.database import require_no_lost_catalog
from clipsearch.store.filters import FolderLookup, with_albums
from clipsearch.store.open_index import OpenIndex
from clipsearch.store.path_lookup import PathLookup
from clipsearch.store.validation import WHAT_TO_DO, absolute_root
from clipsearch.store.whole_paths import with_whole_paths
from clipsearch.types import Failure, Fingerprint, Ids, ImageRecord, ListedFile, Order

if TYPE_CHECKING:
    from typing_extensions import Self

    from clipsearch.store.catalog import Catalog
    from clipsearch.store.image_table import Countable, Listed, TextColumn, Totals
    from clipsearch.store.rows import KnownFailure, KnownFile, Place, State
    from clipsearch.store.segments import SegmentInfo

_T = TypeVar("_T")


class IndexReader:
    """An index folder, open for reading, without its vectors: `store.collection.Collection` adds them.

    Paths of photos are stored relative to `home`, by default the folder itself. An index that is being built to take the place
    of another one has that one's folder as its home.
    """

    def __init__(self, folder: str | os.PathLike[str], *, home: Path | None = None) -> None:
        self.folder = Path(folder).absolute()
        self.home = home or self.folder
        self._index = self._open()

    def _open(self) -> OpenIndex:
        if not has_catalog(self.folder):
            require_no_lost_catalog(self.folder)
            raise CollectionNotFound(no_index(self.folder))
        return OpenIndex(self.folder, writable=False)

    def close(self) -> None:
        """Let go of the files."""
        self._index.close()

    def __enter__(self) -> Self:
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
        """Raise ModelMismatch unless embeddings of this model belong here."""
        mine = self.fingerprint
        if mine is None or not mine.is_comparable(fingerprint):
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

    @property
    def text_model(self) -> str | None:
        """The other model that texts are encoded with, by a name that was checked when it was set; None for the own one."""
        return self._catalog.text_model()

    def meta(self, key: str) -> str | None:
        """A value that `set_meta` has stored, or None."""
        return self._catalog.meta(key)

    @property
    def null_scores(self) -> str | None:
        """What query.null_scores stored, if anything."""
        return self._catalog.meta("null scores")

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
        """The values that photos have of a fact, most frequent first: paths of folders, codes of the cities of places."""
        counts = self.count_by(field)
        if field == "place":  # a photo's own code may be that of a part of a city
            cities = Counter[str]()
            for code, count in counts:
                cities["/".join(code.split("/")[:3])] += count
            counts = list(cities.items())
        counts = sorted(counts, key=lambda row: -row[-1])
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
        """A condition as the catalog's tables take it, without albums and whole paths; and where folders are."""
        if condition:
            condition = with_whole_paths(with_albums(condition, self.album), lambda: self.roots().values())
        return condition, self.places

    def full_text_ranking(
        self, text: str, condition: Condition | None = None, limit: int = 1000, least_words: int = 1
    ) -> list[int]:
        """The images whose texts have at least `least_words` of a text's words, best by BM25 first, `limit` at most.

        Only images that meet the condition are ranked. The texts are those of `conditions.Contains`.
        """
        return self._catalog.images.ranking_by_text(text, *self._where(condition), limit, least_words)

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

    # -- consistent reading

    def reading(self) -> contextlib.AbstractContextManager[None]:
        """One committed state for everything that is read from the catalog inside. Segments may be merged meanwhile."""
        return self._catalog.reading()

    def at_one_state(self, read: Callable[[], _T]) -> _T:
        """Call a function that asks several questions, so that all answers come from one committed state."""
        return self._index.at_one_state(lambda snapshot: read())

    def segment_infos(self) -> list[SegmentInfo]:
        """What the catalog says of the published segments, oldest first."""
        return self._catalog.segments()

    def tombstones(self) -> list[int]:
        """Removed images that some segment still has a vector of, ascending."""
        return self._catalog.tombstones()

    # -- for copies of the index elsewhere

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

    # -- inside

    @property
    def _catalog(self) -> Catalog:
        return self._index.catalog

    def _damaged(self, problem: str) -> CollectionDamaged:
        return CollectionDamaged(f"the index at {self.folder} is damaged: {problem}; {WHAT_TO_DO}")
