"""Recognises which index has published to a store, and which copy of it.

All copies of an index have the same lineage. A folder does not show whether it was copied or moved, but its publications do:
each has a unique name, which the index remembers before any store has it. If the name in a store is not among the index's own,
another copy has published since, and a push would lose its photos.
"""

from __future__ import annotations

import secrets
import uuid

from clipsearch.store.writer import CollectionWriter

LINEAGE, COPY = "store lineage", "store copy"
"""Keys of the index's `meta`. COPY has names separated by spaces; a "?" marks those that were perhaps never published."""

_MAX_STORES = 256  # whose last name is remembered
_MAX_KILLED = 16  # interrupted pushes whose names are remembered


def lineage_of(collection: CollectionWriter, lineage: str | None = None) -> str:
    """An index's lineage. If it has none yet, it gets `lineage` or a new one, which is committed."""
    known = collection.meta(LINEAGE)
    new = lineage or known or uuid.uuid4().hex
    if new != known:
        collection.set_meta(LINEAGE, new)
        collection.publish()
    return new


class PublicationNames:
    """The names under which an index has published to its stores."""

    def __init__(self, collection: CollectionWriter) -> None:
        self._collection = collection
        words = (collection.meta(COPY) or "").split()
        self._published = [word for word in words if not word.startswith("?")]
        self._uncertain = [word[1:] for word in words if word.startswith("?")]

    def __contains__(self, name: object) -> bool:
        return name in self._published or name in self._uncertain

    def new(self) -> str:
        """A name for the next publication, committed to the index."""
        name = secrets.token_hex(16)
        self._uncertain.append(name)
        self._commit()
        return name

    def settle(self, *, new: str, before: str | None, now: str) -> None:
        """Commit that a store's name changed from `before` to `now`. If `new` is neither, it was not used."""
        first = self._published[:1]  # it stays: in early versions all stores of an index had the same name
        self._published = first + [name for name in self._published[1:] if name not in (before, now)]
        if now not in first:
            self._published.append(now)
        self._uncertain = [name for name in self._uncertain if name not in (new, before, now)]
        self._commit()

    def _commit(self) -> None:
        self._published = [*self._published[:1], *self._published[1:][-_MAX_STORES:]]
        self._uncertain = self._uncertain[-_MAX_KILLED:]
        self._collection.set_meta(COPY, " ".join([*self._published, *(f"?{name}" for name in self._uncertain)]))
        self._collection.publish()
