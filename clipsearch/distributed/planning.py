"""Plan a run on a cluster: which folders, URLs and archives differ from the index, and in which chunks workers read them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from clipsearch._internal.paths import MANIFEST, TAR, is_remote
from clipsearch.distributed.archives import ArchiveChunk
from clipsearch.distributed.chunks import Chunk, chunks_of_files
from clipsearch.distributed.photo_tables import ROWS, ManifestChunk, count_rows
from clipsearch.distributed.storage import expand, file_at, find_file, list_remote, plain_url
from clipsearch.errors import ClipsearchError, ImageError, StorageError, SyncRefused
from clipsearch.images.files import ReadLimits, content_hash
from clipsearch.images.own_pictures import OwnPicture, is_own_picture
from clipsearch.indexing import roots
from clipsearch.indexing.pipeline import Embedded
from clipsearch.indexing.plan import (
    FEW_FILES,
    FolderComparison,
    SyncOptions,
    SyncPlan,
    count_archive,
    is_read_archive,
    plan_sync,
)
from clipsearch.indexing.raw_thumbnails import raw_thumbnails
from clipsearch.indexing.rule_changes import RuleChanges, next_rules
from clipsearch.indexing.walk import ARCHIVES_ONLY, Listing, WalkRules
from clipsearch.store.collection import Collection
from clipsearch.store.rows import Place
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import Failure, ImageFile


@dataclass(slots=True)
class Archive:
    """A tar or Parquet file whose photos are to be read. `complete` fills its plan once they are known."""

    file: ImageFile
    place: Place  # of the archive; its path is the folder of the photos
    plan: SyncPlan
    chunks: list[Chunk]


@dataclass(slots=True)
class Work:
    """What a run has to do, in order."""

    plans: list[SyncPlan] = field(default_factory=list)
    archives: list[Archive] = field(default_factory=list)
    known: list[Embedded | Failure | OwnPicture] = field(default_factory=list)  # files that need no worker
    chunks: list[Chunk] = field(default_factory=list)  # the other files of the plans


def plan_work(collection: CollectionWriter, given: Sequence[str], options: SyncOptions) -> Work:
    """Compare folders, URLs of folders, tar and Parquet files with an index; without any, all that the index knows.

    New folders become roots. Raises ClipsearchError, SyncRefused or StorageError if a source is missing or cannot be read.
    """
    work = Work()
    outdated = raw_thumbnails(collection)
    again = {record.file.path for record in outdated.values()}
    unknown = {record.info.content_hash for record in outdated.values()}  # their embeddings are of thumbnails
    folders, urls, archives = _by_kind(given)
    if folders or not given:
        for folder, root_id, rules in roots.targets(collection, folders, options.rules, options.prune):
            plan = plan_sync(collection, folder, root_id, rules, options, reads_archives=True, read_again=again)
            work.plans.append(plan)
            archives += _changed_archives(work.plans[-1], collection.roots()[root_id])
    for url in urls if given else filter(is_remote, collection.roots().values()):
        root_id, rules = _remote_target(collection, url, options.rules, named=bool(given))
        work.plans.append(_plan_remote(collection, url, root_id, rules, options, again))
        archives += _changed_archives(work.plans[-1], collection.roots()[root_id])
    for path in dict.fromkeys(archives):
        archive, place = file_at(path), _archive_place(collection, path)
        inside = sorted(collection.folders(place.root_id, place.path))
        if not is_read_archive(collection, place, archive.mtime_ns, inside, options):
            plan = SyncPlan(path, says_captions=True)
            work.archives.append(Archive(archive, place, plan, list(_archive_chunks(archive))))
        elif not any(Path(path).is_relative_to(plan.folder) for plan in work.plans):  # that plan would count it too
            work.plans.append(SyncPlan(path))
            count_archive(work.plans[-1], collection, place, inside)
    for plan in work.plans:
        todo = [file for _, file in (*plan.todo, *plan.doubted)]
        known = {
            outcome.file.path: outcome
            for outcome in _known_files(collection, todo, options.limits, plan.rules)
            if not (isinstance(outcome, Embedded) and outcome.info.content_hash in unknown)
        }
        work.known += known.values()
        work.chunks += chunks_of_files([file for file in todo if file.path not in known], plan.rules.defaults)
    return work


def complete(collection: Collection, archive: Archive, files: Iterable[ImageFile], options: SyncOptions) -> None:
    """Fill the plan of an archive, now that its files are known. ClipsearchError if a file's path leads out of it."""
    plan, path, place = archive.plan, archive.file.path, archive.place
    states: dict[str, dict[str, tuple[int, int]]] = {}  # folder → name → state
    broken = False
    for file in files:
        if file.path == path:
            broken = True
            continue
        inside = file.path[len(path) + 1 :].split("/")
        if not file.path.startswith(f"{path}/") or {"", ".", ".."} & set(inside) or "\0" in file.path:
            raise ClipsearchError(f"a part names the file {file.path!r}, which is not inside {path}")
        states.setdefault("/".join([place.path, *inside[:-1]]), {})[inside[-1]] = (file.size, file.mtime_ns)
    comparison = FolderComparison(plan, collection, place.root_id, replace(options, paranoid=False))
    for folder in sorted(states.keys() | collection.folders(place.root_id, place.path)):
        comparison.add(Listing(folder, path + folder[len(place.path) :], states.get(folder, {})))
    if broken:  # missing photos may be behind the damage
        plan.todo.append((place, archive.file))
        plan.missing, plan.missing_failures = {}, []
    else:
        known = collection.known_file(place)
        if known and known.image_id is None:
            plan.missing_failures.append(place)


def _by_kind(given: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Sort sources into folders on this machine, URLs of folders, and archives."""
    folders, urls, archives = [], [], []
    for source in (path for pattern in given for path in expand(pattern)):
        path = roots.absolute(source)
        if path.lower().endswith((TAR, MANIFEST)) and (is_remote(path) or Path(path).is_file()):
            archives.append(path)
        elif is_remote(source):
            urls.append(plain_url(source))
        else:
            folders.append(source)
    return folders, urls, archives


def _changed_archives(plan: SyncPlan, root: str) -> list[str]:
    """The paths of the archives that have changed in a folder."""
    return [f"{root.rstrip('/')}/{name}" for name in sorted(plan.changed_archives)]


def _remote_target(
    collection: CollectionWriter, url: str, rules: WalkRules | RuleChanges | None, *, named: bool
) -> tuple[int, WalkRules]:
    """The root that holds a URL, and the rules of its walk. If no root holds it, it becomes one."""
    place = collection.place(url)
    known = roots.rules_of(collection, place.root_id) if place else None
    new = next_rules(rules, known, is_named=named)
    if place and (new == known or collection.roots()[place.root_id] != url):
        return place.root_id, new
    return collection.add_root(url, new.to_json()), new


def _plan_remote(
    collection: Collection, url: str, root_id: int, rules: WalkRules, options: SyncOptions, again: Set[str]
) -> SyncPlan:
    plan = plan_sync(
        collection,
        url,
        root_id,
        rules,
        options,
        walk=list_remote,
        find_archive=_find_remote_archive,
        reads_archives=True,
        read_again=again,
    )
    if plan.unreadable and not (plan.todo or plan.unchanged):
        raise StorageError(f"{url} cannot be listed: {plan.unreadable[0].reason}")
    holds_files = plan.todo or plan.unchanged or plan.known_failures or plan.others or plan.changed_archives
    if not holds_files and not options.prune and rules != ARCHIVES_ONLY:
        raise SyncRefused(f"there is nothing at {url}. Nothing was changed")
    return plan


def _find_remote_archive(root: str, folder: str) -> tuple[str, int] | None:
    """The archive in remote storage that a folder of the catalog is or is inside, by its name: (path below the root, time)."""
    parts = folder.split("/")
    for count, part in enumerate(parts, 1):
        if part.lower().endswith((TAR, MANIFEST)):
            archive = "/".join(parts[:count])
            if file := find_file(f"{root}/{archive}"):
                return archive, file.mtime_ns
    return None


def _archive_place(collection: CollectionWriter, path: str) -> Place:
    """An archive's place. If no root holds it, the folder that holds it becomes one."""
    if place := collection.place(path):
        return place
    above, _, _ = path.replace(os.sep, "/").rpartition("/") if not is_remote(path) else path.rpartition("/")
    above = plain_url(above) if is_remote(path) else above or os.sep
    for root_id, root in collection.roots().items():
        if root.startswith(f"{above.rstrip('/')}/") and roots.rules_of(collection, root_id) != ARCHIVES_ONLY:
            raise SyncRefused(  # its photos would belong to the new root, where only archives are indexed
                f"{root} is indexed, beside {path}; index {above} first, or put the archive into a folder of its own. Nothing "
                "was changed"
            )
    collection.add_root(above, ARCHIVES_ONLY.to_json())
    place = collection.place(path)
    assert place
    return place


def _archive_chunks(archive: ImageFile) -> Iterator[Chunk]:
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


def _known_files(
    collection: Collection, files: Sequence[ImageFile], limits: ReadLimits, rules: WalkRules
) -> Iterator[Embedded | OwnPicture]:
    """The files on this machine that no worker need read: clipsearch's own pictures, and files whose content an image has.

    The latter come with the facts of that image and without a vector. If there are many files, workers look for own pictures.
    """
    for file in files:
        has_known_size = collection.has_size(file.size)
        if is_remote(file.path) or not (has_known_size or len(files) <= FEW_FILES):
            continue
        if rules.defaults and is_own_picture(file.path):
            yield OwnPicture(file)
            continue
        if not has_known_size:
            continue
        try:
            digest, as_read = content_hash(file.path, limits.max_bytes)
        except ImageError:
            continue  # a worker will report why
        if same := collection.same_content(digest, 1):
            yield Embedded(as_read, collection.records(same)[same[0]].info, None)
