"""One writer at a time, by a row that says until when somebody writes."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Container
from datetime import datetime

from clipsearch.errors import CollectionBusy
from clipsearch.milvus.table import LEASES, Table

SECONDS = 120.0
"""How long a writer that says nothing more counts as writing. The clocks of the machines must agree by less than that."""


class Lease:
    """Held from construction until `release`. CollectionBusy where another copy of the index is being pushed.

    Milvus has no "write if nobody else has". So a writer says that it writes, and then looks whether others do: of two that
    come at the same time, at least one sees the other, and gives way. It does the same where its row has to be renewed.

    `copy` is the name of this push, and `mine` are those of pushes before it of this same copy of the index: their rows are of
    dead ones, because the index's own lock lets only one of its processes push.
    """

    def __init__(self, table: Table, copy: str, mine: Container[str] = ()) -> None:
        self._table, self._copy, self._mine = table, copy, mine
        self._numbers: list[int] = []
        self._write()
        self._look()

    def renew(self) -> None:
        """Say that it goes on, if that is due. CollectionBusy where it took so long that somebody else may have begun."""
        if not self._is_fresh():
            self.require()

    def require(self) -> None:
        """Be sure that nobody else writes at this moment. CollectionBusy where somebody does, or did."""
        if not self._is_fresh():
            self._write()
        if self._numbers[0] not in self._look():
            raise CollectionBusy("this push said nothing for too long, and another one has begun; push again")
        self._table.delete(self._numbers[:-1])
        self._numbers = self._numbers[-1:]

    def release(self) -> None:
        """Let the next writer in."""
        self._table.delete(self._numbers)

    def _is_fresh(self) -> bool:
        return 0 <= time.time() - self._since < SECONDS / 4

    def _write(self) -> None:
        self._since = time.time()
        number = LEASES - 1 - secrets.randbelow(2**40)
        self._numbers.append(number)
        self._table.insert_notes({number: json.dumps({"copy": self._copy, "until": self._since + SECONDS})})

    def _look(self) -> set[int]:
        """The numbers of all rows that say so; dead writers' are removed. CollectionBusy where somebody else writes."""
        now, stale = time.time(), []
        notes = self._table.notes(f"row < {LEASES}")
        for number, note in notes:
            if number in self._numbers:
                continue
            copy, until = _holder(note)
            if copy in self._mine or not now <= until <= now + 2 * SECONDS:  # no clock that is right says more
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
    """Who writes, and until when."""
    try:
        said = json.loads(note)
        return str(said["copy"]), float(said["until"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return "", 0.0
