"""Decode many files at once, each in a process that can be stopped, and hand them back in order."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.cancel import CancelToken
from clipsearch._internal.cpu import cores
from clipsearch.errors import DecodersUnavailable, ImageError
from clipsearch.images.files import ReadLimits
from clipsearch.images.memory import TOO_MUCH, MemoryWatch
from clipsearch.images.worker import BYTES, DECODING, PATH, READING, READY, read_message, write_message
from clipsearch.types import Box, Failure, ImageFile, ImageInfo, PixelSpec

_LAUNCH = "import sys; sys.path[:] = sys.argv[2:]; from clipsearch.images.worker import main; main(sys.argv[1])"
_AHEAD = 64  # files decoded ahead: two batches, so that decoding goes on while the model works (150 kB each at 224 px)
_TICK = 0.1  # seconds between two looks at how long each worker has taken, while one is at work
_STARTING = 120.0  # seconds that a process may take to start; machines can be very busy
_READING = 60.0  # seconds for which nothing may come in of a file: drives that sleep take some 20 to wake
_STARTS = 3  # processes that may die before they have started, until it is sure that none can
_OWN_GROUP: int = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)  # on Windows
_AHEAD_BYTES = 256 * 1024**2  # ahead, where they are no files here: they may be in memory already

IN_FLIGHT = 768 * 1024**2
"""Bytes that large pictures may take at once, over all processes; one alone may take more."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A photo at the size asked for: `pixels` is uint8 (height, width, 3)."""

    file: ImageFile
    info: ImageInfo
    pixels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class FileElsewhere(ImageFile):
    """A photo that is no file on this machine. `load` gives its bytes, or raises an ImageError that says why there are none.

    It is called in a thread of the pool's, ahead of decoding. Where the bytes are read, `size` is theirs.
    """

    load: Callable[[], bytes]


class PoolStopped(RuntimeError):
    """A pool was closed while it was reading, by somebody else who shares it."""


class DecoderPool:
    """Worker processes that decode for one model. Use as a context manager; no process outlives it.

    With a Box for a `spec`, they make thumbnails.

    `workers` processes run at once (default: one a core). Each is replaced when a file makes it hang or crash. `limits.seconds`
    is how long decoding may take; reading may take as long as it takes, while something comes in.
    """

    def __init__(self, spec: PixelSpec | Box, limits: ReadLimits | None = None, workers: int | None = None) -> None:
        self.spec = spec
        self.limits = limits or ReadLimits()
        self.workers = workers or cores()
        self._threads = ThreadPoolExecutor(self.workers, thread_name_prefix="clipsearch-decode")
        self._budget = _Budget(IN_FLIGHT)
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._ended = threading.Event()
        self._watchdog: threading.Thread | None = None

    def read(self, files: Iterable[ImageFile], cancel: CancelToken | None = None) -> Iterator[Decoded | Failure]:
        """Each file decoded, or why it was not, in the order given.

        Raises Cancelled once `cancel` is cancelled, PoolStopped if the pool is closed meanwhile, and DecodersUnavailable if no
        process can be started.
        """
        cancel = cancel or CancelToken()
        waiting: deque[tuple[Future[Decoded | Failure], int]] = deque()
        most = max(_AHEAD, 16 * self.workers)
        size = 0  # bytes

        def first() -> Decoded | Failure:
            nonlocal size
            future, its_size = waiting.popleft()
            size -= its_size
            return _result(future, cancel)

        try:
            for file in files:
                its_size = file.size if isinstance(file, FileElsewhere) else 0
                waiting.append((self._submit(file), its_size))
                size += its_size
                while len(waiting) >= most or (size > _AHEAD_BYTES and len(waiting) > self.workers):
                    yield first()
            while waiting:
                yield first()
        finally:
            for future, _ in waiting:
                future.cancel()

    @property
    def closed(self) -> bool:
        """Whether it was stopped: from then on, files that it cannot read may be good ones."""
        return self._closed

    def close(self) -> None:
        """Stop every worker, also one in the middle of a file."""
        with self._lock:
            self._closed = True
            workers = list(self._all)
        self._ended.set()
        for worker in workers:
            worker.stop()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for worker in workers:
            worker.close()

    def __enter__(self) -> DecoderPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _submit(self, file: ImageFile) -> Future[Decoded | Failure]:
        try:
            return self._threads.submit(self._read_one, file)
        except RuntimeError as error:
            if self._closed:
                raise PoolStopped from error
            raise _not_started(error) from error

    def _read_one(self, file: ImageFile) -> Decoded | Failure:
        data = None
        if isinstance(file, FileElsewhere):
            try:
                data = file.load()
            except ImageError as error:
                return Failure(file, str(error), error.cause)
        for _ in range(_STARTS):
            worker = self._take()
            if worker is None:
                return Failure(file, "stopped", "access")
            with worker.memory.watching():
                outcome = worker.read(file, data)
            with self._lock:
                if worker.alive:
                    self._idle.append(worker)
                else:
                    self._all.discard(worker)
            if not worker.alive:
                worker.stop()
                worker.close()
            if outcome:
                return outcome
        if self._closed:
            return Failure(file, "stopped", "access")
        raise DecodersUnavailable(
            f"no process that decodes photos can run here: {sys.executable} ends at once. If memory is short or limited "
            "(`ulimit -v`), free some; `clipsearch doctor` shows more"
        )

    def _take(self) -> _Worker | None:
        with self._lock:
            if self._closed:
                return None
            while self._idle:
                worker = self._idle.pop()
                if worker.is_running:
                    return worker
                self._all.discard(worker)  # it was killed while it waited, which says nothing of the next file
                worker.close()
            try:
                if self._watchdog is None:
                    watchdog = threading.Thread(target=self._watch, name="clipsearch-watchdog", daemon=True)
                    watchdog.start()
                    self._watchdog = watchdog
                worker = _Worker(self.spec, self.limits, self._budget)
            except (OSError, RuntimeError) as error:
                raise _not_started(error) from error
            self._all.add(worker)
            return worker

    def _watch(self) -> None:
        """Stop workers that take too long.

        Time in which this process stood still (Ctrl-Z, a sleeping laptop) does not count: between two looks, no more passes
        than twice what should.
        """
        before, at_work = time.monotonic(), True
        while not self._ended.wait(_TICK if at_work else 10 * _TICK):
            now = time.monotonic()
            with self._lock:
                workers = list(self._all)
            busy = [worker for worker in workers if worker.spend(min(now - before, 2 * _TICK))]
            at_work = bool(busy)
            before = now


def _not_started(error: OSError | RuntimeError) -> DecodersUnavailable:
    """That the system gives no more processes or threads."""
    said = getattr(error, "strerror", None) or error
    return DecodersUnavailable(
        f"no process that decodes photos can be started ({said}); close other programs, or try --jobs 1"
    )


def _result(future: Future[Decoded | Failure], cancel: CancelToken) -> Decoded | Failure:
    while True:
        cancel.check()
        try:
            return future.result(0.1)
        except CancelledError as error:
            raise PoolStopped from error
        except NotYet:
            if future.done():
                return future.result()


class _Budget:
    """Memory that several share. Who finds too little left waits until others have given theirs back."""

    def __init__(self, total: int) -> None:
        self._left = self._total = total
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def taking(self, size: int) -> Iterator[None]:
        """Have `size` bytes inside; more than there are in all counts as all."""
        size = min(size, self._total)
        with self._changed:
            self._changed.wait_for(lambda: self._left >= size)
            self._left -= size
        try:
            yield
        finally:
            with self._changed:
                self._left += size
                self._changed.notify_all()


class _Worker:
    """One decoding process."""

    def __init__(self, spec: PixelSpec | Box, limits: ReadLimits, budget: _Budget) -> None:
        self._budget = budget
        self._limits = limits
        wanted = "box" if isinstance(spec, Box) else "pixels"
        options = json.dumps({wanted: asdict(spec), "limits": limits.to_json()})
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCH, options, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=os.name == "posix",
            creationflags=_OWN_GROUP,  # a Ctrl-C is the parent's to answer
        )
        self.memory = MemoryWatch(self._process, limits.memory)
        self.alive = True
        self._at: str | None = None  # what it is at; None before it has started
        self._clock = threading.Lock()
        self._left: float | None = None  # seconds until it is stopped; None while nothing is asked of it
        self._too_late = False

    def read(self, file: ImageFile, data: bytes | None = None) -> Decoded | Failure | None:
        """Ask for one file, or for the picture in `data`; None where the process has died before it had started."""
        header, pixels = self._ask(PATH + os.fsencode(file.path) if data is None else BYTES + data)
        if header and "wants" in header:
            with self._budget.taking(header["wants"]):  # its time does not run while it waits
                header, pixels = self._ask(b"")
        if header is None or self._too_late:
            self.alive = False
            if self._at is None:
                return None
            return self._died(file)
        if "reason" in header:
            return Failure(file, header["reason"], header["cause"])
        taken_at = header["info"].pop("taken_at")
        gps = header["info"].pop("gps")
        info = ImageInfo(
            **header["info"],
            taken_at=datetime.fromisoformat(taken_at) if taken_at else None,
            gps=(gps[0], gps[1]) if gps else None,
        )
        array = np.frombuffer(pixels, np.uint8).reshape(*header["shape"], 3)
        mtime_ns = header["mtime_ns"] if data is None else file.mtime_ns
        return Decoded(ImageFile(file.path, header["size"], mtime_ns), info, array)

    def _died(self, file: ImageFile) -> Failure:
        """What became of a file over which the process ended."""
        if self.memory.exceeded:
            return Failure(file, TOO_MUCH, "memory")
        if not self._too_late:
            return Failure(file, "the decoder crashed", "crash")
        if self._at == DECODING:
            return Failure(file, f"took longer than {self._limits.seconds:g} s", "time")
        return Failure(file, f"nothing could be read from it for {_READING:g} s", "access")

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    def spend(self, seconds: float) -> bool:
        """Let time pass; when too much of it has, the process is stopped. Whether it is at work."""
        with self._clock:
            if self._left is None:
                return False
            self._left -= seconds
            if self._left <= 0:
                self._too_late, self._left = True, None
                self._process.kill()
            return True

    def _begin(self, at: str | None) -> None:
        """Note what the process is at from now on. Its time begins anew, unless it is over."""
        with self._clock:
            self._at = at
            if not self._too_late:
                self._left = _STARTING if at is None else _READING if at == READING else self._limits.seconds

    def _ask(self, message: bytes) -> tuple[dict[str, Any] | None, bytes]:
        """Send a message and wait for the header and pixels; only the header of a request for memory; None from the dead."""
        assert self._process.stdin and self._process.stdout
        self._begin(self._at if not message else None if self._at is None else READING)
        try:
            write_message(self._process.stdin, message)  # type: ignore[arg-type]
            self._process.stdin.flush()
            while True:
                header = json.loads(read_message(self._process.stdout) or b"null")  # type: ignore[arg-type]
                if header is None or "at" not in header:
                    break
                self._begin(READING if header["at"] == READY else header["at"])
            if header is None or "wants" in header:
                return header, b""
            pixels = read_message(self._process.stdout)  # type: ignore[arg-type]
        except (OSError, ValueError):  # the pipe is gone with the process
            return None, b""
        finally:
            with self._clock:
                self._left = None
        return (None, b"") if pixels is None else (header, pixels)

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()

    def close(self) -> None:
        """Wait until the process is gone; nobody may be reading from it any more."""
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()
