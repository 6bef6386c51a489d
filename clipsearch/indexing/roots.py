"""The folders that an index covers (its roots): choose those to walk, and forget some."""

from __future__ import annotations

import os
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from clipsearch._internal.commands import INDEX_FOLDER, PHOTOS, command, quoted
from clipsearch._internal.paths import is_elsewhere, is_remote
from clipsearch._internal.warn import warn
from clipsearch.errors import QueryError, SyncRefused
from clipsearch.indexing.rule_changes import RuleChanges, next_rules
from clipsearch.indexing.system_folders import is_system_folder
from clipsearch.indexing.walk import ARCHIVES_ONLY, WalkRules, why_passed_over
from clipsearch.store.collection import Collection
from clipsearch.store.full_text import unaccented
from clipsearch.store.rows import Place
from clipsearch.store.writer import CollectionWriter

if TYPE_CHECKING:  # a query makes no plan
    from clipsearch.indexing.plan import KnownFiles, RootsToChoose

_MOST_NAMED = 5  # folders in a message


def targets(
    collection: RootsToChoose,
    folders: Sequence[str | os.PathLike[str]],
    rules: WalkRules | RuleChanges | None,
    prune: bool,
) -> list[tuple[str, int, WalkRules]]:
    """Choose what to walk: (folder, the root that holds it, rules) for each. Folders inside another one are left out.

    Without `folders`, the indexed ones on this machine; for a new index, the folder that holds it. New folders become roots.
    Raises QueryError if a folder does not exist, and SyncRefused if an indexed one is gone or photos would be lost.
    """
    known = collection.roots()
    names = [collection.spelled(absolute(folder)) for folder in folders]
    names = names or [root for root in known.values() if not is_remote(root)]
    if not names and not known:
        if collection.folder.name != INDEX_FOLDER:
            how = command("index", PHOTOS, index=collection.folder)
            raise QueryError(f"the index at {collection.folder} has no folders yet; name one: {how}")
        names = [str(collection.folder.parent)]
    chosen = []
    for folder in sorted(set(names)):
        place = collection.place(folder)
        if any(folder != other and Path(folder).is_relative_to(other) for other in names):
            if folders and not _is_indexed(collection, folder, place):
                require_folder(folder)
            continue
        _require_there(collection, folder, place, prune)
        is_root = place is not None and folder == known.get(place.root_id)
        old_rules = rules_of(collection, place.root_id) if place else None
        inside = _rules_inside(collection, folder)
        new_rules = next_rules(rules, old_rules or inside, is_named=bool(folders))
        if place is None and not isinstance(rules, WalkRules):
            _say_what_is_taken_over(folder, rules or RuleChanges(), inside)
        if place and old_rules and not is_root:
            _require_walked(folder, known[place.root_id], old_rules, new_rules)
        if place is None or (is_root and new_rules != old_rules):
            if not prune:
                _require_kept(collection, folder, new_rules)
            root_id = collection.add_root(folder, new_rules.to_json())
        else:
            root_id = place.root_id
        chosen.append((folder, root_id, new_rules))
    return chosen


def _rules_inside(collection: KnownFiles, folder: str) -> WalkRules:
    """The rules of a new root: those of the roots inside it, so that nothing comes back and no photo of them is lost.

    It excludes what any of them excludes, and looks at what any of them looks at.
    """
    inside = [
        rules
        for root_id, root in collection.roots().items()
        if Path(root).is_relative_to(folder) and (rules := rules_of(collection, root_id)) != ARCHIVES_ONLY
    ]
    return WalkRules(
        hidden=any(rules.hidden for rules in inside),
        defaults=all(rules.defaults for rules in inside),
        follow_links=any(rules.follow_links for rules in inside),
        exclude=tuple(dict.fromkeys(name for rules in inside for name in rules.exclude)),
    )


def _say_what_is_taken_over(folder: str, changes: RuleChanges, inside: WalkRules) -> None:
    """Warn that a new root looks at more than usual, because the roots inside it do. A run says itself what is excluded."""
    usual = WalkRules()
    kept = [
        (f"`{name}={getattr(inside, name)}`", f"`{name}={getattr(usual, name)}`")
        for name in ("hidden", "defaults", "follow_links")
        if getattr(changes, name) is None and getattr(inside, name) != getattr(usual, name)
    ]
    if kept:
        ways = " and ".join(way for way, _ in kept)
        back = " and ".join(back for _, back in kept)
        warn(f"{folder} takes over {ways} from the indexed folders inside it; to end that: {back}")


def taken_back(
    collection: KnownFiles, folders: Sequence[str | os.PathLike[str]], rules: WalkRules | RuleChanges | None
) -> list[str]:
    """The names of `no_exclude` that the roots of some folders, or all roots, have excluded until now. Warns of the others.

    To be called before `targets`, which changes the rules.
    """
    if not isinstance(rules, RuleChanges) or not rules.no_exclude:
        return []
    paths = map(absolute, folders)
    named = [path if is_remote(path) else collection.spelled(path) for path in paths]
    excluded = {
        pattern: None
        for root_id, root in collection.roots().items()
        if not named or any(Path(root).is_relative_to(name) or Path(name).is_relative_to(root) for name in named)
        if (known := rules_of(collection, root_id)) != ARCHIVES_ONLY
        for pattern in known.exclude
    }
    ended = [name for name in rules.no_exclude if name in excluded]
    left = [name for name in excluded if name not in ended]
    for name in rules.no_exclude:
        if name not in excluded:
            near = get_close_matches(name, left, 1)
            guess = f"; did you mean {quoted(near[0])}?" if near else ""
            shown = ", ".join(map(quoted, left))
            what = f"{'these names are' if len(left) > 1 else 'what is excluded is'}: {shown}" if left else "no name is"
            if ended:
                what = f"these names are: {shown}" if len(left) > 1 else f"still excluded is: {shown}" if left else ""
            nothing = "" if ended else ", so nothing changes"
            warn(f"{quoted(name)} was not excluded{nothing}{'; ' if what else ''}{what}{guess}")
    return ended


def _require_walked(folder: str, root: str, old_rules: WalkRules, new_rules: WalkRules) -> None:
    """Raise SyncRefused if the next walk of the root would not find this folder's photos, and would drop them."""
    if is_remote(folder):
        return
    why = why_passed_over(root, Path(folder).relative_to(root).as_posix(), old_rules)
    if old_rules == ARCHIVES_ONLY:
        why = "only its archives are indexed"
    elif not why and new_rules != old_rules:
        why = "it is walked by other rules"
    if why:
        raise SyncRefused(
            f"{folder} is inside {root}, and {why}: the next `clipsearch index` would drop what this adds. Index {root} itself "
            "by the rules that it needs (`hidden=True`, `defaults=False`, `follow_links=True`, `no_exclude`), or give this "
            "folder an index of its own (`index`). Nothing was changed"
        )


def _require_kept(collection: KnownFiles, folder: str, rules: WalkRules) -> None:
    """Raise SyncRefused if a new root holds other roots, and its walk would not find their photos.

    Photos in remote storage or inside archives do not count, because no walk looks for them.
    """
    for root_id, root in collection.roots().items():
        if root == folder or not Path(root).is_relative_to(folder):
            continue
        lost = 0
        for inner in collection.folders(root_id):
            path = Path(root, inner)
            names = collection.known_files(root_id, inner)[0]
            if not is_elsewhere(str(path / "photo")):
                skipped = why_passed_over(folder, path.relative_to(folder).as_posix(), rules)
                lost += len(names) if skipped else sum(map(rules.skips_file, names))
        if lost:
            raise SyncRefused(
                f"{root} is indexed already, and indexing {folder} would skip {lost:,} of its photos, as hidden, "
                "excluded or behind a link. To keep what is indexed, use `hidden=True`, `defaults=False` or "
                "`follow_links=True`, or exclude less. To remove it, confirm with `prune=True`. Nothing was changed"
            )


def forget(collection: CollectionWriter, folder: str) -> int:
    """Stage that a folder leaves the index with everything below it; returns how many photos go."""
    folder = collection.spelled(folder)
    place = collection.place(folder)
    inside = [root_id for root_id, root in collection.roots().items() if Path(root).is_relative_to(folder)]
    if not place:
        raise QueryError(f"{folder} is not in the index at {collection.folder}; {_what_is(collection, inside)}")
    if inside:
        return sum(collection.remove_root(root_id)[0] for root_id in inside)
    images, failures = collection.remove_below(place.root_id, place.path)
    if collection.known_file(place) and not images:  # a single file
        collection.discard(place)
        return 1
    collection.forget_failure(place)  # an archive may have one of its own
    if not images and not failures:
        raise QueryError(f"nothing below {folder} is in the index at {collection.folder}")
    return images


def _what_is(collection: Collection, inside: Sequence[int]) -> str:
    """What is indexed instead of a folder: the indexed folders below it, with the command that forgets them."""
    if not inside:
        return "`clipsearch status` lists what is"
    roots = collection.roots()
    first = sorted(roots[root_id] for root_id in inside)[:_MOST_NAMED]
    these, that = ("one folder is", "that") if len(inside) == 1 else (f"{len(inside):,} folders are", "them")
    named = "" if len(first) == len(inside) else f", and so on for {len(inside) - len(first):,} more"
    return f"{these} indexed below it, and nothing was changed; to forget {that}: `{command('forget', *first)}`{named}"


def rules_of(collection: KnownFiles, root_id: int) -> WalkRules:
    """The rules of a root's last walk."""
    return WalkRules.from_json(collection.root_rules()[root_id])


def _require_there(collection: KnownFiles, folder: str, place: Place | None, prune: bool) -> None:
    """Raise SyncRefused if a folder with indexed photos is gone, unless `prune`; QueryError if another does not exist."""
    if not _is_indexed(collection, folder, place) or Path(folder).exists():
        require_folder(folder)
    elif not prune:
        require_none_lost(collection, folder)
        how = command("forget", folder)
        warn(f"{folder} is not there, and the index has no photos of it; to forget it: `{how}`")


def require_none_lost(collection: KnownFiles, folder: str) -> None:
    """Raise SyncRefused if the index knows files of a folder, which is gone."""
    place = collection.place(folder)
    if place and collection.folders(place.root_id, place.path):
        how = command("forget", folder)
        raise SyncRefused(
            f"{folder} was indexed and is not there now. If it is on a drive that is not mounted, mount it and run this "
            f"again. If it is really gone, confirm with `prune=True`, or remove it: `{how}`. Nothing was changed"
        )


def _is_indexed(collection: KnownFiles, folder: str, place: Place | None) -> bool:
    """Whether a folder on this machine is in the index. A mistyped name inside a root is not."""
    if not place or is_remote(folder):
        return False
    return place.path == "" or bool(collection.folders(place.root_id, place.path))


def require_folder(folder: str) -> None:
    """Raise QueryError unless it is a folder on this machine: only a cluster reads others."""
    if is_remote(folder):
        how = command("index", folder, "--ray", "local")
        raise QueryError(f"{folder} is not on this machine; to index it: `{how}`")
    path = Path(folder)
    if not path.exists():
        raise QueryError(f"there is no folder {folder}{_did_you_mean(path)}")
    if not path.is_dir():
        raise QueryError(f"{folder} is not a folder; give the folder that holds the photos")
    if is_system_folder(folder):
        raise QueryError(
            f"{folder} is in a file system of the machine itself, such as /proc, /sys or /dev, which holds no photos and is "
            "never indexed; give the folder that holds the photos"
        )


def require_sources(sources: Sequence[str | os.PathLike[str]], *, remote: bool) -> None:
    """Raise QueryError unless all are folders on this machine; with `remote`, files and URLs will do, too."""
    for source in sources:
        if not remote:
            require_folder(absolute(source))
        elif not is_remote(os.fspath(source)) and not os.path.exists(os.path.expanduser(source)):
            raise QueryError(f"there is no {source}")


def _did_you_mean(path: Path) -> str:
    """A suggestion for a mistyped folder: the one beside it with the most similar name; "" if no name is similar."""
    above = path.parent
    while not above.is_dir() and above != above.parent:
        path, above = above, above.parent
    try:
        with os.scandir(above) as entries:
            beside = [entry.name for entry in entries if entry.is_dir()]
    except OSError:
        return ""
    folded = {unaccented(name): name for name in beside}
    near = get_close_matches(unaccented(path.name), folded, 1)
    return f"; did you mean {above / folded[near[0]]}?" if near else ""


def holds_something(folder: str) -> bool:
    """Whether a folder exists and is not empty. An empty one may be a drive that is not mounted."""
    try:
        with os.scandir(folder) as entries:
            return any(True for _ in entries)
    except OSError:
        return False


def absolute(folder: str | os.PathLike[str]) -> str:
    """The absolute path of a folder that the user named; a URL stays as it is."""
    text = os.fspath(folder)
    if is_remote(text):
        return text.rstrip("/")
    whole = os.path.abspath(os.path.expanduser(folder))
    return str(Path(whole))  # without the separator that abspath leaves after a Windows share
