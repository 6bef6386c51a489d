"""Favourites and albums: lists of photos in a file of our own inside the index's folder. No photo is changed.

Photos are kept by their paths below the folder that holds the index, so that both can be moved together. Indexing changes the
paths of photos that have moved. They are kept by their content, too, so that one is found again if that failed.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeAlias

from clipsearch._internal.arguments import require_list, short
from clipsearch._internal.atomic_files import replacing
from clipsearch._internal.paths import as_utf8, from_utf8
from clipsearch._internal.untrusted_files import read_json, why
from clipsearch.errors import ClipsearchError, CollectionDamaged, CollectionNotFound, QueryError, UnknownAlbum
from clipsearch.store.lock import locked_briefly
from clipsearch.types import Hit, ImageRecord

logger = logging.getLogger(__name__)

FAVOURITES = "Favourites"
"""The album that the heart fills."""

ALBUMS_FILE = "albums.json"
MOST_ALBUMS = 1000
MOST_PHOTOS = 10_000
"""Photos in one album."""

LONGEST_NAME = 200
_MOST_BYTES = 500_000_000
_WHAT_TO_DO = "restore it from a backup, or mend it by hand; if you move it away, there are no albums any more"

Member: TypeAlias = "tuple[str, str]"
"""A photo's absolute path and the sha256 of its file."""


class Albums:
    """The albums of one index. Every method reads the file, so that several programs agree.

    Neither the case of a name counts, nor spaces at its ends, which no new name has. Albums from before that differ in nothing
    else are found by their exact names.
    """

    def __init__(self, index_folder: Path, indexed: Callable[[Sequence[Member]], list[int]] | None = None) -> None:
        """The albums of the index in a folder. With `indexed`, which finds photos' ids, only photos that it finds are added."""
        self._index_folder = index_folder
        self._indexed = indexed
        self._file = index_folder / ALBUMS_FILE
        self._above = os.path.abspath(index_folder.parent)

    def __repr__(self) -> str:
        """The file that keeps them."""
        return f"<{type(self).__name__} in {self._file}>"

    def names(self) -> list[str]:
        """The names of the albums: favourites first, the others sorted."""
        return sorted(self._read(), key=lambda name: (name != FAVOURITES, name.casefold(), name))

    def damage(self) -> tuple[str, str] | None:
        """What is wrong with the file, and what to do about it; None if it can be read, or if there is none."""
        try:
            self._read()
        except CollectionDamaged:
            return "it cannot be read as albums", _WHAT_TO_DO
        except OSError as error:
            return f"it cannot be read ({why(error)})", "let this user read it"
        return None

    def state(self) -> object:
        """A value that changes when the file does; None while there is no file."""
        try:
            status = self._file.stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns

    def spelled(self, name: str) -> str:
        """The name as the album has it, whose capitals may be others. QueryError if no album has this name."""
        _require_text(name)
        return _existing(name, self._read())

    def members(self, name: str) -> list[Member]:
        """The photos of an album, in the order in which they were added. QueryError if no album has this name."""
        _require_text(name)
        albums = self._read()
        album = albums.get(_existing(name, albums), {})
        return [(os.path.normpath(self._absolute(path)), digest) for path, digest in album.items()]

    def add(self, name: str, photos: Iterable[ImageRecord | Hit]) -> int:
        """Add photos to an album; returns how many it has. A new name makes an album. ClipsearchError if it is full.

        Photos are records; hits count as theirs. TypeError for something else, QueryError for a photo of another index.
        """
        check_name(name)
        photos = records_of(photos)
        self._require_indexed([(record.file.path, record.info.content_hash) for record in photos])
        with self._changing():
            albums = self._read()
            try:
                name = _existing(name, albums)
            except UnknownAlbum:
                name = name.strip()
            if name not in albums and len(albums) >= MOST_ALBUMS:
                raise ClipsearchError(f"there are {MOST_ALBUMS:,} albums already; remove one first")
            album = albums.setdefault(name, {})
            album.update((self._stored(record.file.path), record.info.content_hash) for record in photos)
            if len(album) > MOST_PHOTOS:
                raise ClipsearchError(f"an album has at most {MOST_PHOTOS:,} photos; begin another one")
            self._write(albums)
            return len(album)

    def take_out(self, name: str, photos: Iterable[ImageRecord | Hit]) -> int:
        """Take photos out of an album; returns how many it has left. QueryError if no album has this name."""
        _require_text(name)
        photos = records_of(photos)
        with self._changing():
            albums = self._read()
            name = _existing(name, albums)
            paths = {self._stored(record.file.path) for record in photos}
            hashes = {record.info.content_hash for record in photos}
            albums[name] = {
                path: digest
                for path, digest in albums.get(name, {}).items()
                if path not in paths and not (digest in hashes and self._is_gone(path))
            }
            self._write(albums)
            return len(albums[name])

    def rename(self, name: str, new_name: str) -> None:
        """Give an album another name, which the saved searches of this user follow.

        QueryError if there is no such album, or if the new name is not possible or is taken.
        """
        _require_text(name)
        check_name(new_name)
        new_name = new_name.strip()
        with self._changing():
            albums = self._read()
            name = _existing(name, albums)
            if name == FAVOURITES or _folded(new_name) == _folded(FAVOURITES):
                raise QueryError(f"{FAVOURITES} is the album that the hearts fill, so it keeps its name")
            if new_name == name:
                return
            taken = next((known for known in albums if known != name and _folded(known) == _folded(new_name)), None)
            if taken:
                raise QueryError(f"there is an album {taken!r} already; choose another name")
            self._write({new_name if known == name else known: album for known, album in albums.items()})
        from clipsearch.store.saved_searches import SavedSearches  # queries need none

        try:
            SavedSearches(self._index_folder).rename_album(name, new_name)
        except (OSError, ClipsearchError) as error:  # the album has its new name
            logger.warning("saved searches in the album %r do not follow its new name: %s", name, error)

    def remove(self, name: str) -> bool:
        """Remove an album, but no photo; False if no album has this name."""
        _require_text(name)
        with self._changing():
            albums = self._read()
            try:
                del albums[_existing(name, albums)]
            except (UnknownAlbum, KeyError):
                return False
            self._write(albums)
            return True

    def _follow(self, moved: Mapping[str, str]) -> None:
        """Give photos that have moved their new paths. If an album has the new path already, both entries stay."""
        if not self._file.exists():
            return
        paths = {self._stored(before): self._stored(after) for before, after in moved.items()}
        with self._changing():
            albums = self._read()
            if any(path in paths for album in albums.values() for path in album):
                self._write({name: _moved(album, paths) for name, album in albums.items()})

    def _changing(self) -> AbstractContextManager[None]:
        """A lock that lets nobody else change the albums. CollectionNotFound if there is no index."""
        if not self._index_folder.is_dir():
            raise CollectionNotFound(f"there is no index at {self._index_folder}, so there are no albums")
        return locked_briefly(self._file)

    def _require_indexed(self, photos: Sequence[Member]) -> None:
        if self._indexed is None or len(self._indexed(photos)) == len(photos):
            return
        for photo in photos:  # some may be one photo
            if not self._indexed([photo]):
                raise QueryError(
                    f"{photo[0]} is not in this index, so its albums cannot have it; index its folder first"
                )

    def _stored(self, path: str) -> str:
        """A path as the file has it: relative to the folder that holds the index, if it is below that."""
        below = os.path.join(self._above, "")
        return as_utf8(path[len(below) :].replace(os.sep, "/") if path.startswith(below) else path)

    def _absolute(self, stored: str) -> str:
        return os.path.join(self._above, from_utf8(stored))

    def _is_gone(self, stored: str) -> bool:
        return not os.path.lexists(self._absolute(stored))

    def _read(self) -> dict[str, dict[str, str]]:
        """Album → path → sha256. A file that is missing counts as empty; one that is damaged is refused, so that it is kept."""
        try:
            albums = read_json(self._file, _MOST_BYTES)["albums"]
            return {
                str(name): {str(path): str(digest) for path, digest in album.items()} for name, album in albums.items()
            }
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CollectionDamaged(f"{self._file} is damaged; {_WHAT_TO_DO}") from error

    def _write(self, albums: dict[str, dict[str, str]]) -> None:
        with replacing([self._file], force=True) as (unfinished,):
            unfinished.write_text(json.dumps({"albums": albums}, indent=1), "ascii")


def follow_moves(index_folder: Path, moved: Mapping[str, str]) -> None:
    """Have the albums of an index follow photos to where they are now. What goes wrong is only logged."""
    try:
        Albums(index_folder)._follow(moved)
    except (OSError, ClipsearchError) as error:  # the index is right, and albums find most photos by their content
        logger.warning("albums do not follow the photos that have moved: %s", error)


def _moved(album: Mapping[str, str], paths: Mapping[str, str]) -> dict[str, str]:
    """An album with the new paths of photos, in its order."""
    return {after if (after := paths.get(path, path)) not in album else path: digest for path, digest in album.items()}


def records_of(photos: Iterable[ImageRecord | Hit]) -> list[ImageRecord]:
    """The records of photos, which are hits or records. TypeError for something else."""
    listed = require_list("photos", photos, "records or hits")
    records = [photo.record if isinstance(photo, Hit) else photo for photo in listed]
    if wrong := [photo for photo in records if not isinstance(photo, ImageRecord)]:
        raise TypeError(f"photos are records or hits, such as those of a search; {short(wrong[0])} is not one")
    return records


def _require_text(name: object) -> None:
    if not isinstance(name, str):
        raise QueryError(f"an album's name must be a text (str), not {short(name)}")


def check_name(name: str) -> None:
    """Raise QueryError for a name that no album can have."""
    _require_text(name)
    if not 0 < len(name.strip()) <= LONGEST_NAME or not name.isprintable():
        raise QueryError(f"an album's name has 1 to {LONGEST_NAME} letters, in one line")


def _folded(name: str) -> str:
    return name.strip().casefold()


def _existing(name: str, albums: Iterable[str]) -> str:
    """The name as the album has it; favourites are always there. UnknownAlbum if there is none."""
    known = {FAVOURITES, *albums}
    if name in known:
        return name
    for fold in (str.casefold, _folded):  # "trip" is "Trip" also if there is a "Trip " from before
        same = [album for album in known if fold(album) == _folded(name)]
        if len(same) == 1:
            return same[0]
    raise _no_album(name, albums)


def _no_album(name: str, albums: Iterable[str]) -> UnknownAlbum:
    known = ", ".join(sorted(albums)[:10])
    hint = f"there are: {known}" if known else "no album was made yet"
    return UnknownAlbum(f"there is no album {name!r}; {hint}", name)


def fits_playlist(path: str) -> bool:
    """Whether a playlist can have a path: it has no line break."""
    return "\n" not in path and "\r" not in path


def playlist(paths: Iterable[str]) -> bytes:
    """Paths as an extended M3U list in UTF-8, one a line. Bytes of names that are not UTF-8 stay as they are."""
    lines = ["#EXTM3U", *map(as_utf8, filter(fits_playlist, paths))]
    return "\n".join([*lines, ""]).encode("utf-8", "surrogateescape")
