"""What a run on a cluster has to do: which folders, URLs and archives differ from the index, and in which chunks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clipsearch._internal.paths import MANIFEST, TAR, is_remote
from clipsearch.distributed.chunks import ArchiveChunk, Chunk, ManifestChunk, chunks_of_files
from clipsearch.distributed.photo_tables import ROWS, count_rows
from clipsearch.distributed.storage import expand, file_at, find_file, list_remote, plain_url
from clipsearch.errors import ClipsearchError, ImageError, StorageError, SyncRefused
from clipsearch.images.files import ReadLimits, content_hash
from clipsearch.indexing import roots
from clipsearch.indexing.pipeline import Embedded
from clipsearch.indexing.plan import IsDue, SyncPlan, compare_folder, due, has_due, plan_sync
from clipsearch.indexing.walk import ARCHIVES_ONLY, WalkRules
from clipsearch.store.collection import Collection
from clipsearch.store.rows import Place
from clipsearch.types import ImageFile


@dataclass(slots=True)
class Archive:
    """A tar or Parquet file whose photos are to be read. Its plan is empty until they are known."""

    file: ImageFile
    root_id: int
    folder: str  # what it is in the catalog: the folder of its photos
    plan: SyncPlan
    chunks: list[Chunk]
    is_due: IsDue

    @property
    def place(self) -> Place:
        """Of the archive itself, where it is told that it cannot be read."""
        folder, _, name = self.folder.rpartition("/")
        return Place(self.root_id, folder, name)


@dataclass(slots=True)
class Work:
    """What there is to do, in order."""

    plans: list[SyncPlan] = field(default_factory=list)
    archives: list[Archive] = field(default_factory=list)
    known: list[Embedded] = field(
        default_factory=list
    )  # files whose content some image has already: moved, touched, copied
    chunks: list[Chunk] = field(default_factory=list)  # of the plans' other files


def plan_work(
    collection: Collection,
    given: Sequence[str],
    rules: WalkRules | None,
    limits: ReadLimits,
    *,
    prune: bool,
    paranoid: bool,
    retry: bool = False,
) -> Work:
    """Compare folders, URLs of folders, tar and Parquet files with an index; without any, all that it knows.

    New folders become roots. ClipsearchError, SyncRefused and StorageError where something is not there or cannot be read.
    """
    work, is_due = Work(), due(limits, retry=retry)
    folders, urls, archives = _sorted_out(given)
    if folders or not given:
        for folder, root_id, walk in roots.targets(collection, folders, rules, prune):
            work.plans.append(
                plan_sync(collection, folder, root_id, walk, paranoid=paranoid, is_due=is_due, reads_archives=True)
            )
            archives += _changed(work.plans[-1], collection.roots()[root_id])
    for url in urls if given else filter(is_remote, collection.roots().values()):
        root_id, walk = _remote_target(collection, url, rules, named=bool(given))
        work.plans.append(_plan_remote(collection, url, root_id, walk, paranoid, prune, is_due))
        archives += _changed(work.plans[-1], collection.roots()[root_id])
    for path in dict.fromkeys(archives):
        if archive := _plan_archive(collection, path, is_due):
            work.archives.append(archive)
        elif not any(Path(path).is_relative_to(plan.folder) for plan in work.plans):  # which has counted it
            work.plans.append(_unchanged(collection, path))
    for plan in work.plans:
        todo = [file for _, file in (*plan.todo, *plan.doubted)]
        known = {embedded.file.path: embedded for embedded in _known(collection, todo, limits)}
        work.known += known.values()
        work.chunks += chunks_of_files([file for file in todo if file.path not in known])
    return work


def complete(collection: Collection, archive: Archive, files: Iterable[ImageFile]) -> None:
    """Give an archive its plan, now that it is known what is inside. ClipsearchError where a name leads out of it."""
    plan, path = archive.plan, archive.file.path
    found: dict[str, dict[str, tuple[int, int]]] = {}
    broken = False
    for file in files:
        if file.path == path:
            broken = True
            continue
        inside = file.path[len(path) + 1 :].split("/")
        if not file.path.startswith(f"{path}/") or {"", ".", ".."} & set(inside) or "\0" in file.path:
            raise ClipsearchError(f"a part names the file {file.path!r}, which is not inside {path}")
        found.setdefault("/".join([archive.folder, *inside[:-1]]), {})[inside[-1]] = (file.size, file.mtime_ns)
    for folder in sorted(found.keys() | collection.folders(archive.root_id, archive.folder)):
        inside_path = path + folder[len(archive.folder) :]
        compare_folder(
            plan, collection, archive.root_id, folder, inside_path, found.get(folder, {}), is_due=archive.is_due
        )
    if broken:  # what was there may be behind the damage
        plan.todo.append((archive.place, archive.file))
        plan.missing, plan.missing_failures = {}, []
    else:
        known = collection.known_file(archive.place)
        if known and known.image_id is None:
            plan.missing_failures.append(archive.place)


def _sorted_out(given: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Folders on this machine, URLs of folders, and archives."""
    folders, urls, archives = [], [], []
    for one in (path for text in given for path in expand(text)):
        path = roots.absolute(one)
        if path.lower().endswith((TAR, MANIFEST)) and (is_remote(path) or Path(path).is_file()):
            archives.append(path)
        elif is_remote(one):
            urls.append(plain_url(one))
        else:
            folders.append(one)
    return folders, urls, archives


def _changed(plan: SyncPlan, root: str) -> list[str]:
    """The paths of the archives that have changed in a folder."""
    return [f"{root.rstrip('/')}/{name}" for name in sorted(plan.changed_archives)]


def _remote_target(collection: Collection, url: str, rules: WalkRules | None, *, named: bool) -> tuple[int, WalkRules]:
    """The root that holds a URL, and the rules to walk by. It becomes a root where none does."""
    place = collection.place(url)
    walked = roots.rules_of(collection, place.root_id) if place else WalkRules()
    wished = rules or (WalkRules() if named and walked == ARCHIVES_ONLY else walked)
    if place and (wished == walked or collection.roots()[place.root_id] != url):
        return place.root_id, wished
    return collection.add_root(url, wished.to_json()), wished


def _plan_remote(
    collection: Collection, url: str, root_id: int, rules: WalkRules, paranoid: bool, prune: bool, is_due: IsDue
) -> SyncPlan:
    plan = plan_sync(
        collection,
        url,
        root_id,
        rules,
        paranoid=paranoid,
        walk=list_remote,
        find_archive=_find_remote_archive,
        is_due=is_due,
        reads_archives=True,
    )
    if plan.unreadable and not (plan.todo or plan.unchanged):
        raise StorageError(f"{url} cannot be listed: {plan.unreadable[0].reason}")
    there = plan.todo or plan.unchanged or plan.known_failures or plan.others or plan.changed_archives
    if not there and not prune and rules != ARCHIVES_ONLY:
        raise SyncRefused(f"there is nothing at {url}. Nothing was changed")
    return plan


def _find_remote_archive(root: str, folder: str) -> tuple[str, int] | None:
    """What `archive_at` says, of storage elsewhere: archives are told by their names there."""
    parts = folder.split("/")
    for count, part in enumerate(parts, 1):
        if part.lower().endswith((TAR, MANIFEST)):
            archive = "/".join(parts[:count])
            if file := find_file(f"{root}/{archive}"):
                return archive, file.mtime_ns
    return None


def _plan_archive(collection: Collection, path: str, is_due: IsDue) -> Archive | None:
    """An archive that is new, has changed or has a failure to be tried again; None for another.

    A folder that holds it becomes a root, if none does.
    """
    file = file_at(path)
    place = _place_of(collection, path)
    folder = f"{place.folder}/{place.name}" if place.folder else place.name
    times = {time_ns for state in _states(collection, place.root_id, folder) for _, time_ns in state.values()}
    known = collection.known_file(place)
    damaged = known is not None and known.image_id is None and known.mtime_ns == file.mtime_ns
    if damaged or (not known and times == {file.mtime_ns}):
        failure = collection.known_failure(place)
        inside = collection.folders(place.root_id, folder)
        if not (failure and is_due(failure)) and not any(
            has_due(collection, place.root_id, name, is_due) for name in inside
        ):
            return None
    return Archive(file, place.root_id, folder, SyncPlan(path, says_captions=True), list(_chunks(file)), is_due)


def _place_of(collection: Collection, path: str) -> Place:
    if place := collection.place(path):
        return place
    above, _, _ = path.replace(os.sep, "/").rpartition("/") if not is_remote(path) else path.rpartition("/")
    above = plain_url(above) if is_remote(path) else above or os.sep
    for root_id, root in collection.roots().items():
        if root.startswith(f"{above.rstrip('/')}/") and roots.rules_of(collection, root_id) != ARCHIVES_ONLY:
            raise SyncRefused(  # the photos of that folder would be of this one, where only archives are looked for
                f"{root} is indexed, beside {path}; index {above} first, or put the archive into a folder of its own. Nothing "
                "was changed"
            )
    collection.add_root(above, ARCHIVES_ONLY.to_json())
    place = collection.place(path)
    assert place
    return place


def _unchanged(collection: Collection, path: str) -> SyncPlan:
    plan = SyncPlan(path)
    place = _place_of(collection, path)
    folder = f"{place.folder}/{place.name}" if place.folder else place.name
    images, failures = _states(collection, place.root_id, folder)
    damaged = collection.known_file(place) is not None  # as a failure
    plan.unchanged, plan.known_failures = len(images), len(failures) + damaged
    return plan


def _states(
    collection: Collection, root_id: int, folder: str
) -> tuple[dict[tuple[str, str], tuple[int, int]], dict[tuple[str, str], tuple[int, int]]]:
    """(folder, name) → state of the photos in an archive, and of its failures."""
    images: dict[tuple[str, str], tuple[int, int]] = {}
    failures: dict[tuple[str, str], tuple[int, int]] = {}
    for inside in collection.folders(root_id, folder):
        found = collection.known_files(root_id, inside)
        for known, states in zip((images, failures), found, strict=True):
            known.update({(inside, name): state for name, state in states.items()})
    return images, failures


def _chunks(archive: ImageFile) -> Iterator[Chunk]:
    if archive.path.lower().endswith(TAR):
        yield ArchiveChunk(archive)
        return
    try:
        rows = count_rows(archive.path)
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(f"{archive.path} cannot be read: {error.strerror or error}") from error
    except ClipsearchError as error:
        yield ManifestChunk(archive, 0, 0, str(error))
        return
    for start in range(0, rows, ROWS):
        yield ManifestChunk(archive, start, min(start + ROWS, rows))


def _known(collection: Collection, files: Iterable[ImageFile], limits: ReadLimits) -> Iterator[Embedded]:
    """Those of some files on this machine whose content an image has, with that image's facts and without a vector."""
    for file in files:
        if is_remote(file.path) or not collection.has_size(file.size):
            continue
        try:
            digest, as_read = content_hash(file.path, limits.max_bytes)
        except ImageError:
            continue  # a worker will say why
        if same := collection.same_content(digest, 1):
            yield Embedded(as_read, collection.records(same)[same[0]].info, None)
