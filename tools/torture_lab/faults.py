"""Faults at Python's calls that matter: the n-th call fails, or ends the process. Unlike strace, this works everywhere."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

from clipsearch._internal import atomic_files
from clipsearch.store import database, segments

Effect = Literal["none", "die before", "die after", "EIO", "ENOSPC"]


@dataclass(frozen=True, slots=True)
class Fault:
    """The fault at the `at`-th counted call, starting from 1."""

    at: int = 0
    effect: Effect = "none"

    @contextmanager
    def armed(self, say: Callable[[str], None]) -> Iterator[None]:
        """Cause the fault inside this context. The number of calls is reported at the end, or when the fault happens."""
        calls = 0

        def wrapped(real: Callable[..., Any], matters: Callable[..., bool] = lambda *_: True) -> Callable[..., Any]:
            def call(*arguments: Any, **options: Any) -> Any:
                nonlocal calls
                if not matters(*arguments):
                    return real(*arguments, **options)
                calls += 1
                if calls != self.at:
                    return real(*arguments, **options)
                return self._happens(real, arguments, options)

            return call

        if self.effect == "none":
            yield
            return
        with ExitStack() as stack:
            for place, name in (
                (os, "fsync"), (os, "write"), (os, "ftruncate"), (os, "open"), (os, "mkdir"), (os, "replace"),
                (Path, "unlink"), (shutil, "copyfile"), (segments.faiss, "write_index"), (atomic_files, "sync_folder"),
            ):  # fmt: skip
                stack.enter_context(patch.object(place, name, wrapped(getattr(place, name))))
            execute = wrapped(
                sqlite3.Cursor.execute, lambda cursor, sql, *_: not sql.startswith(("SELECT", "PRAGMA", "ROLLBACK"))
            )
            stack.enter_context(patch.object(database._Cursor, "execute", execute, create=True))
            script = wrapped(sqlite3.Connection.executescript)

            def in_our_words(opened: database.Database, sql: str) -> None:
                with database._our_words():
                    script(opened.connection, sql)

            stack.enter_context(patch.object(database.Database, "executescript", in_our_words))
            try:
                yield
            finally:
                say(f"CALLS {calls}")

    def _happens(self, real: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        if self.effect == "die after":
            real(*arguments, **options)
        if self.effect.startswith("die"):
            os.kill(os.getpid(), signal.SIGKILL)
        number = errno.EIO if self.effect == "EIO" else errno.ENOSPC
        if arguments and isinstance(arguments[0], (sqlite3.Cursor, sqlite3.Connection)):
            raise self._of_sqlite(arguments[0])
        raise OSError(number, os.strerror(number))

    def _of_sqlite(self, where: sqlite3.Cursor | sqlite3.Connection) -> sqlite3.OperationalError:
        connection = where.connection if isinstance(where, sqlite3.Cursor) else where
        if (
            connection.in_transaction and self.at % 2
        ):  # SQLite itself rolls back after some of its errors, but not after all
            sqlite3.Connection.execute(connection, "ROLLBACK")
        return sqlite3.OperationalError("disk I/O error" if self.effect == "EIO" else "database or disk is full")
