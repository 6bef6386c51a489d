"""Indexing while the server runs: one job at a time, started by a client or, with --watch, by changes in the folders."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from clipsearch._internal.cancel import CancelToken
from clipsearch._internal.commands import for_requests
from clipsearch.engine import SearchEngine
from clipsearch.errors import ClipsearchError, CollectionBusy
from clipsearch.indexing.report import SyncReport
from clipsearch.indexing.watch import QUIET, Watch
from clipsearch.server.errors import RequestError
from clipsearch.store.lock import is_written

logger = logging.getLogger(__name__)

_RETRY = 0.2  # seconds between attempts while another job or writer is at work
_PAUSE = 1.0  # seconds between a job that was cancelled and the next one for a change

_MOST_RECENT = 20.0  # seconds that the rate is measured over
_LEAST_APART = 0.1  # seconds between two of its counts
_LEAST_RECENT = 1.0  # seconds without which it says nothing

State = Literal["idle", "running", "done", "failed", "cancelled"]
Stage = Literal["looking", "model", "photos"]


@dataclass(frozen=True, slots=True)
class IndexJob:
    """How far indexing is, or how it ended."""

    state: State = "idle"
    done: int = 0  # files
    total: int = 0
    added: int = 0
    updated: int = 0
    removed: int = 0
    failed: int = 0
    stage: Stage = "looking"  # for changes in the folders; then the model is loaded, and photos are read
    rate: float | None = None  # files a second, over the last seconds
    seconds_left: float | None = None
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Its fields; "error", "rate" and "seconds_left" only if they are known."""
        optional = ("error", "rate", "seconds_left")
        return {key: value for key, value in asdict(self).items() if key not in optional or value is not None}


class _Speed:
    """How fast files are done, from the counts of the last seconds."""

    def __init__(self) -> None:
        self._counts: deque[tuple[float, int]] = deque()

    def measure(self, done: int, total: int) -> dict[str, Any]:
        """The stage, the rate and the seconds left, once `done` of `total` files are done."""
        if not done:
            return {"stage": "model" if total else "photos"}
        now = time.monotonic()
        if not self._counts or now - self._counts[-1][0] >= _LEAST_APART:
            self._counts.append((now, done))
        while self._counts[0][0] < now - _MOST_RECENT and len(self._counts) > 2:
            self._counts.popleft()
        start, before = self._counts[0]
        if now - start < _LEAST_RECENT or done == before:
            return {"stage": "photos"}
        rate = (done - before) / (now - start)
        return {"stage": "photos", "rate": round(rate, 2), "seconds_left": round((total - done) / rate, 1)}


class IndexJobs:
    """Starts, reports and cancels jobs. What a cancelled job has committed stays. For any thread."""

    def __init__(self, make_engine: Callable[[], SearchEngine], offered: Path | None = None) -> None:
        self._make_engine = make_engine
        self._offered = offered
        self._lock = threading.Lock()
        self._job = IndexJob()
        self._was_busy = False  # whether it failed because another process was writing
        self._speed = _Speed()
        self._cancel = CancelToken()
        self._closing = CancelToken()
        self._threads: list[threading.Thread] = []

    @property
    def job(self) -> IndexJob:
        """The job that runs, or the last one."""
        with self._lock:
            return self._job

    def forget_writer(self, index_folder: Path) -> IndexJob:
        """The job. If it failed because another process was writing, that is forgotten once that process has finished."""
        if self._was_busy and not is_written(index_folder):
            with self._lock:
                if self._was_busy:  # no other job has begun meanwhile
                    self._job, self._was_busy = IndexJob(), False
        return self.job

    def start(self, folders: Sequence[str]) -> IndexJob:
        """Index these folders, or all that were indexed before. RequestError if a job is running."""
        if not self._begin():
            raise RequestError(
                409, "running", "the photos are being indexed already; wait until that is done, or cancel it"
            )

        def work() -> None:
            with contextlib.suppress(ClipsearchError, OSError):  # the job's "error" has the message
                self._work(folders)

        self._start_thread("index", work)
        return self.job

    def update(self, folders: Sequence[str]) -> SyncReport:
        """Index these folders in the calling thread, once no other job or writer is at work."""
        while not self._begin():
            time.sleep(_RETRY)
        return self._work(folders, settled_for=QUIET, on_busy=lambda busy: not self._closing.wait(_RETRY))

    def watch(self, index_folder: Path, notice: Callable[[str], None]) -> None:
        """Index again after every change in the folders, until `close`. `notice` gets a sentence if something prevents that.

        ClipsearchError if watchfiles is not installed.
        """
        watch = Watch(index_folder, update=self.update, notice=notice, cancel=self._closing)

        def work() -> None:
            try:
                while not self._closing.cancelled:
                    for _ in watch.rounds():
                        pass
                    self._closing.wait(_PAUSE)  # a job that was cancelled has ended the rounds
            except (ClipsearchError, OSError) as error:
                if not self._closing.cancelled:
                    notice(f"{error}. The folders are no longer watched")

        self._start_thread("watch", work)

    def cancel(self) -> IndexJob:
        """Ask the job to stop soon; its state now."""
        with self._lock:
            self._cancel.cancel()
        return self.job

    def close(self, seconds: float = 5.0) -> None:
        """Cancel, and wait this many seconds at most for each thread. A thread that is left ends with the process."""
        self._closing.cancel()
        self.cancel()
        for thread in self._threads:
            thread.join(seconds)

    def _start_thread(self, name: str, work: Callable[[], None]) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        self._threads.append(threading.Thread(target=work, name=f"clipsearch-{name}", daemon=True))
        self._threads[-1].start()

    def _begin(self) -> bool:
        """Become the running job; False if there is one already."""
        with self._lock:
            if self._job.state == "running":
                return False
            self._job = IndexJob("running")
            self._was_busy = False
            self._speed = _Speed()
            if not self._closing.cancelled:
                self._cancel = CancelToken()
            return True

    def _work(self, folders: Sequence[str], **options: Any) -> SyncReport:
        logger.info("indexing %s", ", ".join(folders) or "all folders")
        try:
            with self._make_engine() as engine:
                if [str(self._offered)] != list(folders):
                    engine.status(scan=False)  # raises CollectionNotFound instead of making a new index
                report = engine.index(
                    *folders, progress=self._progress, cancel=self._cancel, keep_empty=True, **options
                )
        except (ClipsearchError, OSError) as error:
            self._set(state="failed", error=for_requests(str(error)))
            self._was_busy = isinstance(error, CollectionBusy)
            raise
        except BaseException as error:
            self._set(state="failed", error=f"unexpected {type(error).__name__}; this is a bug")
            raise
        ended: State = "cancelled" if report.interrupted else "done"
        self._progress(report, state=ended, rate=None, seconds_left=None)
        logger.info("indexing %s", self.job)
        return report

    def _progress(self, report: SyncReport, done: int | None = None, total: int | None = None, **more: Any) -> None:
        counts = {name: getattr(report, name) for name in ("added", "updated", "removed", "failed")}
        if done is not None:
            counts |= {"done": done, "total": total, **self._speed.measure(done, total or 0)}
        self._set(**counts, **more)

    def _set(self, **changes: Any) -> None:
        with self._lock:
            self._job = replace(self._job, **changes)
