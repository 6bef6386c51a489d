"""SearchEngine: the facade that the command line, the server and library users share."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from clipsearch._internal.arguments import require_paths, require_whole, short
from clipsearch._internal.commands import INDEX_FOLDER
from clipsearch._internal.paths import is_remote
from clipsearch.conditions import Among, Condition, require_condition
from clipsearch.errors import QueryError
from clipsearch.indexer import Indexer
from clipsearch.milvus.address import is_address, parse_address
from clipsearch.searcher import in_turn
from clipsearch.store.catalog_file import has_catalog, index_of, is_index
from clipsearch.types import Hit, ImageRecord, Progress, StageProgress

if TYPE_CHECKING:  # Pillow, processes and pymilvus are imported where they are used: a text query needs none of them
    from collections.abc import Callable, Generator, Sequence

    from clipsearch._internal.cancel import CancelToken
    from clipsearch.analysis.duplicates import Duplicates
    from clipsearch.analysis.labels import LabelledImage
    from clipsearch.analysis.optimization import OptimizeReport
    from clipsearch.analysis.statistics import By, Stats, ValueCount
    from clipsearch.milvus.pull import PullReport
    from clipsearch.milvus.push import PushReport
    from clipsearch.searcher import Place
    from clipsearch.store.albums import Albums
    from clipsearch.store.approximate.info import Kind
    from clipsearch.store.lock import OnBusy
    from clipsearch.transfer.export import ExportReport
    from clipsearch.transfer.fields import Format
    from clipsearch.transfer.import_ import ImportProgress, ImportReport


class SearchEngine(Indexer):
    """An index, several indexes, or a vector database, with its model. Use as a context manager, or call `close`.

    `index` is an index folder, or the folder of its photos. A new index is made in the folder itself if that does not exist or
    is empty, and otherwise in its `.clipsearch`.

    The index and the model are loaded when they are first needed. An engine over several indexes or a vector database only
    answers queries; other methods raise ClipsearchError. Any thread may call any method; the calls take turns. So a search
    waits while `index` runs: to search meanwhile, use a second engine for that.
    """

    def __init__(
        self,
        index: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
        *,
        store: str | None = None,
        model: str | None = None,
        device: str = "auto",
        precision: str = "auto",
        text_model: str | None = None,
    ) -> None:
        if (index is None) == (store is None):
            raise QueryError("name an index or a store, and not both")
        if index is None:
            place: Place = parse_address(str(store))
        elif isinstance(index, (str, bytes, os.PathLike)) or not hasattr(index, "__iter__"):
            place = index_of(_absolute(cast("str", index)))  # refuses all but paths
        else:
            place = tuple(dict.fromkeys(index_of(_absolute(folder)) for folder in index))
            if not place:
                raise QueryError("name at least one index")
        super().__init__(place, model=model, device=device, precision=precision, text_model=text_model)

    @classmethod
    def open(
        cls,
        folder: str | os.PathLike[str],
        *,
        model: str | None = None,
        device: str = "auto",
        precision: str = "auto",
        text_model: str | None = None,
    ) -> SearchEngine:
        """Open the index of a photo folder (in its `.clipsearch`), an index folder itself, or a store by its address.

        `model`, `device` and `precision` are those of `load_encoder`; by default, the index's own model, or for a new index
        the best one on this machine. An index keeps its precision, and chooses it by its first 64 photos. `text_model` encodes
        the texts of queries instead: a hub id, a folder, or "none" for the index's own model; by default, the one that the
        index remembers. ModelMismatch, at first use, if it was not trained for the pictures of that model.
        """
        if is_address(folder):
            return cls(store=str(folder), model=model, device=device, precision=precision, text_model=text_model)
        return cls(_index_of_photos(folder), model=model, device=device, precision=precision, text_model=text_model)

    @classmethod
    def open_many(
        cls,
        folders: Iterable[str | os.PathLike[str]],
        *,
        model: str | None = None,
        device: str = "auto",
        precision: str = "auto",
        text_model: str | None = None,
    ) -> SearchEngine:
        """Open the indexes of several photo folders, or index folders, to search them together: one model and one ranking.

        A photo that several of them have, by its path or with equal content, is found once: in the first of them, or in the
        first where it meets the filters. `match` is what it would be in one index of all photos. Ids are unambiguous, and hold
        for the same list of folders. The embeddings must be of one model: ModelMismatch, at first use, says what to do. The
        other parameters are those of `open`.
        """
        if isinstance(folders, (str, os.PathLike)) or not isinstance(folders, Iterable):
            raise QueryError("open_many takes a list of folders; for a single one, use open")
        indexes = []
        for folder in folders:
            if is_address(folder):
                raise QueryError(f"{folder} is a store, and only indexes are searched together; pull it into an index")
            indexes.append(_index_of_photos(folder))
        return cls(indexes, model=model, device=device, precision=precision, text_model=text_model)

    # -- albums

    @property
    def albums(self) -> Albums:
        """Favourites and albums: lists of photos in a file inside the index's folder."""
        from clipsearch.store.albums import Albums

        return Albums(self.index_folder, self._ids_of_files)

    @in_turn
    def _ids_of_files(self, files: Sequence[tuple[str, str]]) -> list[int]:
        return self._collection().ids_of_files(files)

    @in_turn
    def album(self, name: str) -> Among:
        """An album's photos that are in the index now, as a condition. QueryError if no album has this name."""
        return Among(tuple(self._collection().album(name)))

    # -- analysis

    @in_turn
    def optimize(
        self,
        *,
        recall: float = 0.99,
        max_milliseconds: float | None = None,
        max_bytes: int | None = None,
        kinds: Sequence[Kind] | None = None,
        force: bool = False,
        progress: StageProgress | None = None,
        cancel: CancelToken | None = None,
    ) -> OptimizeReport:
        """Make an approximate index, tuned by measuring, that searches then use unless the query says `exact`.

        It reaches `recall` (recall@10, above 0 and at most 1) for texts and photos as queries, in a median of at most
        `max_milliseconds`, with a file of at most `max_bytes`, and is one of `kinds`. If an exact search is as quick, it
        makes nothing, unless `force`; the report says why. `progress` gets the stage, the steps done and their total.
        ClipsearchError if no kind reaches the recall, and Cancelled, both with nothing changed.
        """
        from clipsearch.analysis.optimization import optimize

        collection = self._collection()
        return optimize(
            collection, lambda: self.encoder, recall, max_milliseconds, max_bytes, kinds, force, progress, cancel
        )

    @in_turn
    def remove_approximate(self) -> bool:
        """Delete the approximate index, so that all searches are exact again; returns whether there was one."""
        from clipsearch.store.approximate.index import remove

        return remove(self._collection().folder)

    @in_turn
    def label(
        self,
        labels: Sequence[str],
        *,
        prompts: Sequence[str] | None = None,
        condition: Condition | None = None,
        progress: Callable[[int], None] | None = None,
        cancel: CancelToken | None = None,
    ) -> Generator[LabelledImage, None, None]:
        """Say how likely every photo, or those that meet `condition`, show each label. By image id.

        `prompts` are templates with one "{}" each; None takes the model's own, () none. A match is that of a query with the
        same `prompts`. `progress` gets the number of sentences
        just encoded. Read the generator before `close`: ClipsearchError after it. Until it is read to its end or closed, this
        engine searches the index as it was when the reading began. A warning names labels that the model cannot read, which
        suit no photo. QueryError if there are no labels, one is empty, or one is given twice; Cancelled, also while the
        generator is read.
        """
        from clipsearch.analysis.labels import LabelledImage, check_labels, label_images

        require_condition(condition)
        collection, texts = self._collection(), check_labels(labels)
        if collection.fingerprint is None:
            return (image for image in list[LabelledImage]())
        images = label_images(collection, self.encoder, texts, prompts, condition, progress, cancel)
        return self._each_in_turn(collection, images)

    @in_turn
    def duplicates(
        self,
        condition: Condition | None = None,
        *,
        exact_only: bool = False,
        least_cosine: float | None = None,
        jobs: int | None = None,
        progress: StageProgress | None = None,
        cancel: CancelToken | None = None,
    ) -> Duplicates:
        """Find groups of photos that are copies of each other. Nothing is deleted.

        Exact copies have the same SHA-256. Near-copies have a cosine of at least `least_cosine` (default: measured for the
        model) and, decoded again by `jobs` processes, similar perceptual hashes; `exact_only` leaves them out. The best photo
        of a group is first. `condition` limits the photos that count. `progress` gets the stage, the photos done and their
        total. Photos that cannot be read are listed as failures. Raises Cancelled.
        """
        from clipsearch.analysis.duplicates import find_duplicates

        require_condition(condition)
        return find_duplicates(self._collection(), condition, exact_only, least_cosine, jobs, progress, cancel)

    @in_turn
    def stats(
        self, by: By | Sequence[By] | None = None, condition: Condition | None = None, *, top: int = 10, depth: int = 1
    ) -> Stats:
        """Count the photos, or those that meet `condition`, by year, camera, folder, format and the like.

        Each breakdown lists its `top` largest values. Folders are those `depth` levels below an indexed one, with everything in
        them; 0 counts the indexed folders themselves.
        """
        from clipsearch.analysis.statistics import USUAL_BY, count_photos

        require_condition(condition)
        return count_photos(self._collection(), USUAL_BY if by is None else by, condition, top=top, depth=depth)

    @in_turn
    def count_values(
        self, by: By | Sequence[By], condition: Condition | None = None, *, top: int = 10, depth: int = 1
    ) -> tuple[int, dict[By, tuple[ValueCount, ...]]]:
        """Only the counts of `stats`, which is faster: how many photos there are, and for each property its values."""
        from clipsearch.analysis.statistics import count_values

        require_condition(condition)
        return count_values(self._collection(), by, condition, top=top, depth=depth)

    @in_turn
    def among(self, hits: Iterable[Hit | ImageRecord]) -> Among:
        """The files of hits, as a condition, also of hits of another index.

        QueryError for a photo that only the other index has; TypeError for something else than hits, or records.
        """
        from clipsearch.query.photo_ids import require_ids_in
        from clipsearch.store.albums import records_of

        records, index = records_of(hits), self._collection()
        return Among(tuple(index.files_of(require_ids_in(index, records))))

    @in_turn
    def positions(self, condition: Condition | None = None, most: int = -1) -> list[tuple[int, float, float]]:
        """Where photos were taken: the id, the latitude and the longitude of each, in degrees, newest photo first.

        Those that meet `condition` and have a position; `most` of them, or all.
        """
        require_condition(condition)
        require_whole("most", most)
        return self._collection().positions(condition, max(-1, min(most, 2**63 - 1)))

    # -- in and out

    @in_turn
    def push(
        self,
        store: str,
        *,
        prune: bool = False,
        take_over: bool = False,
        progress: Progress | None = None,
        cancel: CancelToken | None = None,
        on_busy: OnBusy | None = None,
    ) -> PushReport:
        """Copy the index to a vector database, given by its address, and check the copy. It can be interrupted and run again.

        `progress` gets the rows done and their total. SyncRefused if more than half of the store's photos would go, unless
        `prune`, or if another copy of this index has pushed since, unless `take_over`. ModelMismatch if the store holds another
        model's embeddings; CollectionBusy while another process pushes; StoreUnreachable if it does not answer; Cancelled.
        """
        from clipsearch.milvus.push import push

        address = parse_address(store)
        with self._writer_of_index(on_busy) as collection:
            return push(collection, address, prune=prune, take_over=take_over, progress=progress, cancel=cancel)

    @in_turn
    def pull(
        self,
        store: str,
        *,
        prune: bool = False,
        progress: Progress | None = None,
        cancel: CancelToken | None = None,
        on_busy: OnBusy | None = None,
    ) -> PullReport:
        """Make the index a copy of what a vector database holds. It can be interrupted and run again.

        `progress` gets the rows done and their total. SyncRefused if the index is of something else, or has photos that the
        store lacks, unless `prune`. CollectionNotFound if nothing was pushed there; StoreUnreachable if it does not answer;
        Cancelled.
        """
        from clipsearch.milvus.pull import pull

        return pull(parse_address(store), self.index_folder, prune, progress, cancel, on_busy)

    @in_turn
    def export(
        self,
        out: str | os.PathLike[str],
        *,
        format: Format | None = None,
        condition: Condition | None = None,
        relative_to: str | os.PathLike[str] | None = None,
        embeddings: bool = False,
        force: bool = False,
        progress: Progress | None = None,
        cancel: CancelToken | None = None,
    ) -> ExportReport:
        """Write photos and their unit vectors (float32) to a npy, parquet, csv or jsonl file, by image id.

        `format` defaults to the ending of `out`. npy writes a second file, a .jsonl with a line a row. csv has no vectors
        unless `embeddings`. With `relative_to`, a folder, only photos below it are written, with paths relative to it.
        If no photo meets the condition, the file has no rows. `progress` gets the rows written and their total.
        ClipsearchError if the index has no photos, if a file exists (unless `force`), or if parquet is asked for and pyarrow
        is missing; Cancelled, with nothing written.
        """
        from clipsearch.transfer.export import export

        require_paths("out", [out])
        require_paths("relative_to", [] if relative_to is None else [relative_to])
        require_condition(condition)
        collection = self._collection()
        return export(collection, out, format, condition, relative_to, embeddings, force, progress, cancel)

    @in_turn
    def import_embeddings(
        self,
        file: str | os.PathLike[str],
        *,
        folder: str | os.PathLike[str] | None = None,
        any_length: bool = False,
        trust_model: bool = False,
        jobs: int | None = None,
        progress: ImportProgress | None = None,
        cancel: CancelToken | None = None,
    ) -> ImportReport:
        """Add embeddings made elsewhere, for photos below the indexed folders, or below `folder`, which then becomes one.

        The file is a .npy with its .jsonl, a .jsonl or a .parquet, made with the model of the index, or for a new index with
        the engine's. If it does not name its model, name it when opening the engine and confirm with `trust_model`. Vectors
        have length 1, unless `any_length`. The report lists rows that are not taken. `jobs` files are read at once; `progress`
        gets the report so far, the rows done and their total. If `cancel` is cancelled, what is committed stays and the report
        has `interrupted`. A file without rows changes nothing. ClipsearchError, with nothing written, if the file as a whole
        cannot be taken.
        """
        from clipsearch.indexing.new_index import NewIndex
        from clipsearch.transfer.import_ import import_file

        require_paths("file", [file])
        require_paths("folder", [] if folder is None else [folder])
        index = self.index_folder
        model = None if self._is_new() else self._collection().fingerprint
        named = partial(self._model.named, model)
        new = NewIndex(index) if self._is_new() else None
        report = import_file(index, model, file, named, folder, any_length, trust_model, jobs, progress, cancel)
        if new and not has_catalog(index):  # the file has no rows
            report.no_index = True
        elif new and not (report.added or report.updated or report.unchanged):
            self._take_back(new, report)
        return report


def _absolute(folder: str | os.PathLike[str]) -> Path:
    require_paths("an index or its folder", [folder])
    if isinstance(folder, str) and is_remote(folder):
        raise QueryError(
            f"{short(folder)} is an address, and an index is a folder on this machine; "
            "to search a vector database, open milvus://HOST:PORT/COLLECTION, or `pull` it into an index"
        )
    return Path(os.path.abspath(os.path.expanduser(folder)))


def _index_of_photos(folder: str | os.PathLike[str]) -> Path:
    """The index of a photo folder, or the folder itself if it is an index."""
    path = _absolute(folder)
    return path if path.name == INDEX_FOLDER or is_index(path) else path / INDEX_FOLDER
