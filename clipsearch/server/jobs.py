"""Indexing while the server runs: one job at a time, with an engine of its own."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from clipsearch._internal.cancel import CancelToken
from clipsearch.errors import ClipsearchError
from clipsearch.indexing.watch import QUIET
from clipsearch.server.errors import Refusal

if TYPE_CHECKING:
    from clipsearch.engine import SearchEngine
    from clipsearch.indexing.apply import SyncReport

_PATIENCE = 0.2  # seconds between two looks whether another writer has ended

State = Literal["idle", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Job:
    """How far indexing is, or how it ended."""

    state: State = "idle"
    done: int = 0  # files
    total: int = 0
    added: int = 0
    updated: int = 0
    removed: int = 0
    failed: int = 0
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Its fields; "error" only where there is one."""
        return {key: value for key, value in asdict(self).items() if key != "error" or value is not None}


class Jobs:
    """Starts jobs, tells how they are, and cancels them; what a cancelled one has finished is kept. For any thread."""

    def __init__(self, make: Callable[[], SearchEngine]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._job = Job()
        self._cancel = CancelToken()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def job(self) -> Job:
        """The job that runs, or the last one."""
        with self._lock:
            return self._job

    def start(self, folders: Sequence[str]) -> Job:
        """Index these folders, or all that were indexed before. Refusal where a job is running."""
        if not self._begin():
            raise Refusal(409, "running", "the photos are being indexed already; wait until that is done, or cancel it")
        self._thread = threading.Thread(target=self._run, args=(folders,), name="clipsearch-index", daemon=True)
        self._thread.start()
        return self.job

    def update(self, folders: Sequence[str]) -> SyncReport:
        """Index these folders in this very thread, as a Watch wants it: once no other job runs, here or elsewhere."""
        while not self._begin():
            time.sleep(_PATIENCE)
        return self._work(folders, settled_for=QUIET, on_busy=lambda busy: not self._closing.wait(_PATIENCE))

    def cancel(self) -> Job:
        """Ask the job to end soon; how it is now."""
        with self._lock:
            self._cancel.cancel()
        return self.job

    def close(self, seconds: float = 5.0) -> None:
        """Cancel, and wait at most so long. A thread that is left dies with the process, and what it committed stays."""
        self._closing.set()
        self.cancel()
        if self._thread:
            self._thread.join(seconds)

    def _begin(self) -> bool:
        """Have a job running, unless one is already."""
        with self._lock:
            if self._job.state == "running":
                return False
            self._job = Job("running")
            if not self._closing.is_set():
                self._cancel = CancelToken()
            return True

    def _run(self, folders: Sequence[str]) -> None:
        with contextlib.suppress(ClipsearchError, OSError):  # the job tells
            self._work(folders)

    def _work(self, folders: Sequence[str], **options: Any) -> SyncReport:
        try:
            with self._make() as engine:
                engine.status(scan=False)  # CollectionNotFound where the index has gone: none is made in its place
                report = engine.index(*folders, progress=self._progress, cancel=self._cancel, **options)
        except (ClipsearchError, OSError) as error:
            self._fail(str(error))
            raise
        except BaseException as error:
            self._fail(f"unexpected {type(error).__name__}; this is a bug")
            raise
        self._tell(report, state="cancelled" if report.interrupted else "done")
        return report

    def _progress(self, report: SyncReport, done: int, total: int) -> None:
        self._tell(report, done=done, total=total)

    def _tell(self, report: SyncReport, **more: Any) -> None:
        counts = {name: getattr(report, name) for name in ("added", "updated", "removed", "failed")}
        self._set(replace(self.job, **counts, **more))

    def _fail(self, reason: str) -> None:
        self._set(replace(self.job, state="failed", error=reason))

    def _set(self, job: Job) -> None:
        with self._lock:
            self._job = job
