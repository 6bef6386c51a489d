"""Preview `index`, without writing: the files that it would take, those that it would skip, and why."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from clipsearch._internal.cancel import CancelToken
from clipsearch._internal.paths import is_remote
from clipsearch.errors import SyncRefused
from clipsearch.images.companions import companions
from clipsearch.images.file_types import is_image_suffix, missing_decoder, suffix_of
from clipsearch.images.own_pictures import is_own_picture
from clipsearch.indexing import roots
from clipsearch.indexing.default_excludes import NO_MEDIA, default_exclude
from clipsearch.indexing.plan import SyncOptions, SyncPlan, check_loss, plan_sync
from clipsearch.indexing.raw_thumbnails import paths_to_read_again
from clipsearch.indexing.walk import Listing, WalkRules, list_images
from clipsearch.store.collection import Collection
from clipsearch.store.rows import KnownFailure, KnownFile, Place, State
from clipsearch.types import IndexPreview, SkippedFile, SkipReason


def preview_index(
    index_folder: Path,
    collection: Collection | None,
    folders: Sequence[str | os.PathLike[str]],
    options: SyncOptions,
    cancel: CancelToken | None = None,
) -> IndexPreview:
    """The changes that `index_folders` would make. `collection` is None if there is no index yet at `index_folder`.

    What `prune` would confirm is the preview's refusal. Raises SyncRefused if nothing can make these folders indexed,
    ClipsearchError if one does not exist, and Cancelled.
    """
    known = _ImaginedIndex(index_folder, collection)
    skipped: list[SkippedFile] = []

    def walk(root: str, rules: WalkRules, under: str) -> Iterator[Listing]:
        for listing in list_images(root, rules, under):
            skipped.extend(_skipped_in(listing))
            yield listing

    outdated = set() if collection is None else paths_to_read_again(collection)
    roots.taken_back(known, folders, options.rules)  # warns of names that are not excluded
    refusal = None
    try:
        targets = roots.targets(known, folders, options.rules, options.prune)
    except SyncRefused as error:
        refusal = str(error)
        targets = roots.targets(known, folders, options.rules, prune=True)  # raises what `prune` does not confirm
    plans = [
        plan_sync(known, *target, options, walk=walk, read_again=outdated, cancel=cancel)
        for target in targets
        if not is_remote(target[0])
    ]
    try:
        check_loss(plans, 0 if collection is None else len(collection), prune=options.prune)
    except SyncRefused as error:
        refusal = refusal or str(error)
    new: list[str] = []
    changed: list[str] = []
    again: list[str] = []
    for plan in plans:
        for place, file in plan.todo:
            before, failure = known.known_file(place), known.known_failure(place)
            if plan.rules.defaults and is_own_picture(file.path):
                skipped.append(_skipped(file.path, "own"))
            elif before is None:
                new.append(file.path)
            elif failure and failure.state == (file.size, file.mtime_ns):
                again.append(file.path)
            else:
                changed.append(file.path)
        again += [file.path for _, file in plan.doubted]
    gone, left_out = _leaving(collection, plans) if collection is not None else ([], [])
    return IndexPreview(
        new=tuple(new),
        changed=tuple(changed),
        again=tuple(again),
        gone=tuple(gone),
        left_out=tuple(left_out),
        skipped=tuple(skipped),
        unreadable=tuple(failure for plan in plans for failure in plan.unreadable),
        unchanged=sum(plan.unchanged - len(plan.doubted) for plan in plans),
        known_failures=sum(plan.known_failures for plan in plans),
        refusal=refusal,
        facts=tuple(file.path for plan in plans for _, file in plan.outdated_facts),
    )


def _leaving(collection: Collection, plans: Iterable[SyncPlan]) -> tuple[list[str], list[SkippedFile]]:
    """The indexed photos that are gone, and those that the rules leave out now."""
    gone, left_out = [], []
    for plan in plans:
        records = collection.records(list(plan.missing))
        for image_id in plan.missing:
            path = records[image_id].file.path
            if reason := plan.left_out.get(image_id):
                left_out.append(_skipped(path, reason))
            else:
                gone.append(path)
    return sorted(gone), sorted(left_out, key=lambda photo: photo.path)


def _skipped_in(listing: Listing) -> Iterator[SkippedFile]:
    """The files and folders that a walk skips in one folder, by name. A file beside a photo, whose facts it has, is used."""
    used = {name for names in companions(listing.states, listing.other_files).values() for name in names}
    for name in sorted([*listing.skipped, *listing.placeholders, *(set(listing.other_files) - used)]):
        path = os.path.join(listing.path, name)
        if reason := listing.skipped.get(name):
            yield _skipped(path + os.sep if name in listing.folders else path, reason)
        elif name in listing.placeholders:
            yield _skipped(path, "cloud")
        else:
            yield _skipped(path, "no decoder" if missing_decoder(suffix_of(name)) else "no picture")


def _skipped(path: str, reason: SkipReason) -> SkippedFile:
    return SkippedFile(path, reason, _why(path, reason))


def _why(path: str, reason: SkipReason) -> str:
    if reason == "no decoder":
        suffix = suffix_of(os.path.basename(path))
        decoder = missing_decoder(suffix)
        extra = decoder.extra if decoder else None
        return f"pip install 'clipsearch[{extra}]'" if extra else f"there is no decoder for {suffix} yet"
    if reason == "default":
        inside, name = os.path.split(path.rstrip(os.sep))
        entry = default_exclude(name, os.path.basename(inside))
        return f"{entry.why if entry else f'a folder with a {NO_MEDIA} file'}: use `defaults=False`"
    if reason == "no picture":
        if os.path.islink(path) and not os.path.exists(path):
            return "a link to nothing"
        if is_image_suffix(suffix_of(os.path.basename(path))):  # regular files with such names are photos
            return "not a regular file"
    return _WHY[reason]


_WHY: dict[SkipReason, str] = {
    "hidden": "hidden: use `hidden=True`",
    "excluded": "`exclude`",
    "own": "made by clipsearch: use `defaults=False`",
    "system": "a file system of the machine itself",
    "link": "a link to a folder: use `follow_links=True`",
    "cloud": "only in the cloud: download it",
    "no picture": "no photo",
}


class _ImaginedIndex:
    """An index with roots that it does not have yet. It answers the queries of planning, without writing.

    If a new root holds others, it takes over their files, as in `CollectionWriter.add_root`.
    """

    def __init__(self, folder: Path, collection: Collection | None) -> None:
        self.folder = folder
        self._collection = collection
        self._roots = {} if collection is None else collection.roots()
        self._rules = {} if collection is None else collection.root_rules()
        self._adopted: dict[int, dict[str, int]] = {}  # new root → the folder of a root inside it → that root

    def roots(self) -> dict[int, str]:
        return self._roots

    def root_rules(self) -> dict[int, dict[str, object]]:
        return self._rules

    def add_root(self, path: str, rules: dict[str, object]) -> int:
        root_id = next((root_id for root_id, root in self._roots.items() if root == path), None)
        if root_id is None:
            root_id = max(self._roots, default=0) + 1
            inner = {i: root for i, root in self._roots.items() if Path(root).is_relative_to(path)}
            self._adopted[root_id] = {Path(root).relative_to(path).as_posix(): i for i, root in inner.items()}
            self._roots = {i: root for i, root in self._roots.items() if i not in inner} | {root_id: path}
        self._rules = self._rules | {root_id: rules}
        return root_id

    def spelled(self, path: str) -> str:
        return path if self._collection is None else self._collection.spelled(path)

    def place(self, path: str) -> Place | None:
        place = None if self._collection is None else self._collection.place(path)
        return place if place and place.root_id in self._roots else None

    def folders(self, root_id: int, under: str = "") -> set[str]:
        if self._collection is None:
            return set()
        if root_id not in self._adopted:
            return self._collection.folders(root_id, under)
        folders = {
            f"{prefix}/{folder}" if folder else prefix
            for prefix, inner in self._adopted[root_id].items()
            for folder in self._collection.folders(inner)
        }
        return {folder for folder in folders if not under or folder == under or folder.startswith(f"{under}/")}

    def known_files(self, root_id: int, folder: str) -> tuple[dict[str, State], dict[str, State]]:
        place = self._real(Place(root_id, folder, ""))
        return (
            self._collection.known_files(place.root_id, place.folder)
            if self._collection is not None and place
            else ({}, {})
        )

    def meta(self, key: str) -> str | None:
        return None if self._collection is None else self._collection.meta(key)

    def facts_from(self, root_id: int, usual: str) -> dict[str, dict[str, str]]:
        if self._collection is None:
            return {}
        if root_id not in self._adopted:
            return self._collection.facts_from(root_id, usual) if root_id in self._collection.roots() else {}
        return {
            "/".join(filter(None, (prefix, folder))): names
            for prefix, inner in self._adopted[root_id].items()
            for folder, names in self._collection.facts_from(inner, usual).items()
        }

    def known_failures(self, root_id: int, folder: str) -> dict[str, KnownFailure]:
        place = self._real(Place(root_id, folder, ""))
        return (
            self._collection.known_failures(place.root_id, place.folder)
            if self._collection is not None and place
            else {}
        )

    def known_file(self, place: Place) -> KnownFile | None:
        real = self._real(place)
        return self._collection.known_file(real) if self._collection is not None and real else None

    def known_failure(self, place: Place) -> KnownFailure | None:
        real = self._real(place)
        return self._collection.known_failure(real) if self._collection is not None and real else None

    def _real(self, place: Place) -> Place | None:
        """A place in the index's present terms; None if the index has no such place."""
        if place.root_id not in self._adopted:
            return place
        for prefix, inner in self._adopted[place.root_id].items():
            if place.folder == prefix or place.folder.startswith(f"{prefix}/"):
                return replace(place, root_id=inner, folder=place.folder[len(prefix) + 1 :])
        return None
