"""Which copy of which index one is.

All copies of an index have the same lineage. Nothing about a folder tells a copy of its files from itself that was moved: what
it publishes does. Every publication has a name of its own, which the index remembers before any store has it. So where the name
that a store has is not among an index's own, another copy has published since, and its photos would be lost.
"""

from __future__ import annotations

import secrets
import uuid

from clipsearch.store.catalog import Catalog

LINEAGE, COPY = "store lineage", "store copy"
"""Keys in the catalog's meta. COPY has names with spaces between them, those that were perhaps never published with a "?"."""

_STORES = 256  # of which the last name is remembered
_PUSHES = 16  # that were killed, and whose names are


def lineage_of(catalog: Catalog, lineage: str | None = None) -> str:
    """An index's lineage, made and committed where it has none yet; or this one, which it takes."""
    known = catalog.meta(LINEAGE)
    found = lineage or known or uuid.uuid4().hex
    if found != known:
        catalog.begin()
        catalog.set_meta(LINEAGE, found)
        catalog.commit()
    return found


class Names:
    """The names under which an index has published to its stores."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        words = (catalog.meta(COPY) or "").split()
        self._sure = [word for word in words if not word.startswith("?")]
        self._unsure = [word[1:] for word in words if word.startswith("?")]

    def __contains__(self, name: object) -> bool:
        return name in self._sure or name in self._unsure

    def new(self) -> str:
        """A name for the next publication, committed to the index."""
        name = secrets.token_hex(16)
        self._unsure.append(name)
        self._commit()
        return name

    def settle(self, *, new: str, before: str | None, now: str) -> None:
        """Commit that a store which had one name has another now; `new`, if that is neither, was not used."""
        first = self._sure[:1]  # which stays: once, all stores of an index had the same
        self._sure = first + [name for name in self._sure[1:] if name not in (before, now)]
        if now not in first:
            self._sure.append(now)
        self._unsure = [name for name in self._unsure if name not in (new, before, now)]
        self._commit()

    def _commit(self) -> None:
        self._sure = [*self._sure[:1], *self._sure[1:][-_STORES:]]
        self._unsure = self._unsure[-_PUSHES:]
        self._catalog.begin()
        self._catalog.set_meta(COPY, " ".join([*self._sure, *(f"?{name}" for name in self._unsure)]))
        self._catalog.commit()
