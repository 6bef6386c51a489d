"""One writer at a time, by a row that says until when somebody writes."""

from __future__ import annotations

import json
import secrets
import time
from datetime import datetime
from typing import Any

from clipsearch.errors import CollectionBusy
from clipsearch.stores.table import LEASES, Table

SECONDS = 120.0
"""How long a writer that says nothing more counts as writing. The clocks of the machines must agree by less than that."""


class Lease:
    """Held from construction until `release`. CollectionBusy where another copy of the index is being pushed.

    Milvus has no "write if nobody else has". So a writer says that it writes, and then looks whether others do: of two that
    come at the same time, at least one sees the other, and gives way. A row that this same copy left behind is a dead one's:
    the index's own lock lets only one of its processes push.
    """

    def __init__(self, table: Table, copy: str) -> None:
        self._table, self._copy = table, copy
        self._number = self._written()
        now = time.time()
        stale = []
        for number, note in table.notes(f"row < {LEASES}"):
            holder = _holder(note)
            if number == self._number:
                continue
            if holder is None or holder["copy"] == copy or holder["until"] < now:
                stale.append(number)
                continue
            self.release()
            until = datetime.fromtimestamp(holder["until"]).astimezone().isoformat(timespec="seconds")
            raise CollectionBusy(
                f"another copy of the index is being pushed to the store, or was interrupted; if so, try again after {until}"
            )
        table.delete(stale)

    def renew(self) -> None:
        """Say that it goes on. CollectionBusy where it took so long that somebody else may have begun."""
        if time.time() - self._since < SECONDS / 4:
            return
        before = self._number
        if before not in [number for number, _ in self._table.notes(f"row < {LEASES}")]:
            raise CollectionBusy("this push said nothing for too long, and another one has begun; push again")
        self._number = self._written()
        self._table.delete([before])

    def release(self) -> None:
        """Let the next writer in."""
        self._table.delete([self._number])

    def _written(self) -> int:
        self._since = time.time()
        number = LEASES - 1 - secrets.randbelow(2**40)
        self._table.insert_notes({number: json.dumps({"copy": self._copy, "until": self._since + SECONDS})})
        return number


def _holder(note: str) -> dict[str, Any] | None:
    try:
        said = json.loads(note)
        return {"copy": str(said["copy"]), "until": float(said["until"])}
    except (ValueError, TypeError, KeyError):
        return None
