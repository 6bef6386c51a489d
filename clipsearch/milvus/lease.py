"""One writer at a time, by a row that says until when a writer may write."""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Container
from datetime import datetime

from clipsearch.errors import CollectionBusy
from clipsearch.milvus.table import LEASES_BELOW, Table

logger = logging.getLogger(__name__)

SECONDS = 120.0
"""How long a lease lasts unless it is renewed. The clocks of the machines must differ by less."""


class Lease:
    """Held from construction until `release`. CollectionBusy if another copy of the index is being pushed.

    Milvus has no "insert if absent". So a writer first inserts its lease, then looks for others. Of two writers that come at
    the same time, at least one sees the other and gives way. Renewing works the same way.

    `copy` is the name of this push, `mine` contains those of earlier pushes of this copy of the index. Their leases are stale,
    because the index's own lock lets only one process push.
    """

    def __init__(self, table: Table, copy: str, mine: Container[str] = ()) -> None:
        self._table, self._copy, self._mine = table, copy, mine
        self._numbers: list[int] = []
        self._insert()
        self._all()

    def renew(self) -> None:
        """Renew the lease if that is due. CollectionBusy if it ended and another push may have begun."""
        if not self._is_fresh():
            self.require()

    def require(self) -> None:
        """Make sure that no other push writes at this moment. CollectionBusy if one does, or did."""
        if not self._is_fresh():
            self._insert()
        if self._numbers[0] not in self._all():
            raise CollectionBusy("this push paused for too long, and another one has begun; push again")
        self._table.delete(self._numbers[:-1])
        self._numbers = self._numbers[-1:]

    def release(self) -> None:
        """Let the next writer in."""
        self._table.delete(self._numbers)

    def _is_fresh(self) -> bool:
        return 0 <= time.time() - self._since < SECONDS / 4

    def _insert(self) -> None:
        self._since = time.time()
        number = LEASES_BELOW - 1 - secrets.randbelow(2**40)
        self._numbers.append(number)
        self._table.insert_notes({number: json.dumps({"copy": self._copy, "until": self._since + SECONDS})})

    def _all(self) -> set[int]:
        """The numbers of all leases; stale ones are removed. CollectionBusy if another writer holds one."""
        now, stale = time.time(), []
        notes = self._table.notes(f"row < {LEASES_BELOW}")
        for number, note in notes:
            if number in self._numbers:
                continue
            copy, until = _holder(note)
            if copy in self._mine or not now <= until <= now + 2 * SECONDS:  # no correct clock gives a later time
                logger.info("removing the stale lease %d of another push", number)
                stale.append(number)
                continue
            self.release()
            end = datetime.fromtimestamp(until).astimezone().isoformat(timespec="seconds")
            raise CollectionBusy(
                f"another copy of the index is being pushed to the store, or was interrupted; if so, try again after {end}"
            )
        self._table.delete(stale)
        return {number for number, _ in notes}


def _holder(note: str) -> tuple[str, float]:
    """The name of the push that holds a lease, and until when."""
    try:
        lease = json.loads(note)
        return str(lease["copy"]), float(lease["until"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return "", 0.0
