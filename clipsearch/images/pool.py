"""Decode many files at once, each in a process that can be stopped, and return them in order."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.cancel import CancelToken
from clipsearch._internal.cpu import cores
from clipsearch.errors import DecodersUnavailable, ImageError
from clipsearch.images.file_types import is_video_name
from clipsearch.images.files import ReadLimits
from clipsearch.images.memory import TOO_MUCH, MemoryWatch
from clipsearch.images.worker import (
    AT,
    BYTES,
    DECODING,
    FACTS,
    FACTS_OF_BYTES,
    PATH,
    READING,
    READY,
    read_message,
    write_messages,
)
from clipsearch.types import Box, Failure, ImageFile, ImageInfo, ImageRecord, Moment, PixelSpec, TextSpec

logger = logging.getLogger(__name__)

_LAUNCH = "import sys; sys.path[:] = sys.argv[2:]; from clipsearch.images.worker import main; main(sys.argv[1])"
_MAX_AHEAD = (
    64  # files decoded ahead, 150 kB each at 224 px: two batches, so that decoding goes on while the model works
)
_MAX_AHEAD_BYTES = 256 * 1024**2  # of remote files, which may be in memory already, and of films' pictures
_FILM_BYTES = 40 * 1024**2  # of the pictures of a long film at 224 px
_TICK = 0.1  # seconds between two checks of how long each busy worker has taken
_START_TIMEOUT = 120.0  # seconds; machines can be very busy
_READ_TIMEOUT = 60.0  # seconds in which no byte of a file arrives: sleeping drives take some 20 to wake
_START_ATTEMPTS = 3  # processes that die while they start, until it is certain that none can run
_OWN_GROUP: int = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)  # on Windows

DECODE_MEMORY = 768 * 1024**2
"""Bytes that large pictures may take together, over all processes; a single one may take more."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file as it was read, and the facts about its first picture."""

    file: ImageFile
    info: ImageInfo


@dataclass(frozen=True, slots=True)
class Decoded(FileFacts):
    """A file's pictures at the requested size: `pixels` is uint8 (n, height, width, 3), with one for each of `info.moments`.

    For a model, `placeholders` has one for each, too.
    """

    pixels: NDArray[np.uint8]
    placeholders: tuple[bytes, ...] = ()

    @property
    def picture(self) -> NDArray[np.uint8]:
        """The first picture, uint8 (height, width, 3)."""
        first: NDArray[np.uint8] = self.pixels[0]
        return first


@dataclass(frozen=True, slots=True)
class RemoteFile(ImageFile):
    """A photo in remote storage or inside an archive. `load` returns its bytes, or raises ImageError with the reason.

    A thread of the pool calls `load`, ahead of decoding. Once the bytes are read, their length replaces `size`.
    """

    load: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class FileMoment(ImageFile):
    """A request for a single picture of a file: the one at this page or second."""

    at: float


def picture_file(record: ImageRecord) -> ImageFile:
    """What a pool decodes for a record: its file, or the picture at its moment."""
    file, moment = record.file, record.moment
    return file if moment is None else FileMoment(file.path, file.size, file.mtime_ns, moment.at)


_Outcome = TypeVar("_Outcome", bound=FileFacts)


class PoolClosed(RuntimeError):
    """Another user of the pool closed it while it was reading."""


class DecoderPool:
    """Worker processes that decode for one model, or make thumbnails if `spec` is a Box. Use as a context manager.

    If `spec` is a TextSpec, they read the text in pictures: `info.text` has it, and there are no pixels.
    They decode the first picture of a file, or all of them with `all_pictures`. Only then do pictures have moments.
    `workers` processes run at once (default: one a core) and end with the pool. A process is replaced when a file makes it hang
    or crash. `limits.seconds` limits decoding only: reading may take any time, as long as bytes arrive.
    """

    def __init__(
        self,
        spec: PixelSpec | Box | TextSpec,
        limits: ReadLimits | None = None,
        workers: int | None = None,
        *,
        all_pictures: bool = False,
    ) -> None:
        self.spec = spec
        self.limits = limits or ReadLimits()
        self.all_pictures = all_pictures
        self.workers = workers or cores()
        self._threads = ThreadPoolExecutor(self.workers, thread_name_prefix="clipsearch-decode")
        self._budget = _Budget(DECODE_MEMORY)
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._watchdog: threading.Thread | None = None

    def start(self) -> None:
        """Start the processes now, so that the first files need not wait for them. DecodersUnavailable if that fails."""
        workers = [self._take() for _ in range(self.workers)]
        with self._lock:
            self._idle += [worker for worker in workers if worker is not None]

    def read(self, files: Iterable[ImageFile], cancel: CancelToken | None = None) -> Iterator[Decoded | Failure]:
        """Decode files; a Failure says why one could not be decoded. The outcomes come in the order of the files.

        Raises Cancelled once `cancel` is cancelled, PoolClosed if the pool is closed meanwhile, and DecodersUnavailable if no
        process can be started.
        """
        return self._outcomes(files, _Worker.read, self._bytes_ahead, cancel or CancelToken())

    def read_facts(
        self, files: Iterable[ImageFile], cancel: CancelToken | None = None
    ) -> Iterator[FileFacts | Failure]:
        """The facts about files without their pixels, in the order of the files. Raises what `read` raises.

        `info` has all facts that decoding tells, except the content hash, the moments and whether a picture is incomplete. The
        width and height of a film are those of its codec. Of a JPEG, only the beginning is read.
        """
        return self._outcomes(files, _Worker.read_facts, _size_ahead, cancel or CancelToken())

    def _outcomes(
        self,
        files: Iterable[ImageFile],
        read: Callable[[_Worker, ImageFile, bytes | None], _Outcome | Failure | None],
        bytes_ahead: Callable[[ImageFile], int],
        cancel: CancelToken,
    ) -> Iterator[_Outcome | Failure]:
        waiting: deque[tuple[Future[_Outcome | Failure], int]] = deque()
        max_waiting = max(_MAX_AHEAD, 16 * self.workers)

        def is_full() -> bool:
            too_large = len(waiting) > self.workers and sum(size for _, size in waiting) > _MAX_AHEAD_BYTES
            return too_large or len(waiting) >= max_waiting

        try:
            for file in files:
                waiting.append((self._submit(file, read), bytes_ahead(file)))
                while is_full():
                    yield _result(waiting.popleft()[0], cancel)
            while waiting:
                yield _result(waiting.popleft()[0], cancel)
        finally:
            for future, _ in waiting:
                future.cancel()

    @property
    def closed(self) -> bool:
        """Whether the pool was closed. Failures after that say nothing about the files."""
        return self._ended.is_set()

    def close(self) -> None:
        """Stop every worker, even in the middle of a file."""
        with self._lock:
            self._ended.set()
            workers = list(self._all)
        for worker in workers:
            worker.stop()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for worker in workers:
            worker.close()

    def __enter__(self) -> DecoderPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _bytes_ahead(self, file: ImageFile) -> int:
        """How much memory a file may take while it waits for its turn, if that is much."""
        return _FILM_BYTES if self.all_pictures and is_video_name(file.name) else _size_ahead(file)

    def _submit(
        self, file: ImageFile, read: Callable[[_Worker, ImageFile, bytes | None], _Outcome | Failure | None]
    ) -> Future[_Outcome | Failure]:
        try:
            return self._threads.submit(self._read_one, file, read)
        except RuntimeError as error:
            if self.closed:
                raise PoolClosed from error
            raise _not_started(error) from error

    def _read_one(
        self, file: ImageFile, read: Callable[[_Worker, ImageFile, bytes | None], _Outcome | Failure | None]
    ) -> _Outcome | Failure:
        data = None
        if isinstance(file, RemoteFile):
            try:
                data = file.load()
            except ImageError as error:
                return Failure(file, str(error), error.cause)
        for _ in range(_START_ATTEMPTS):
            worker = self._take()
            if worker is None:
                break
            with worker.memory.watching():
                outcome = read(worker, file, data)
            with self._lock:
                if worker.alive:
                    self._idle.append(worker)
                else:
                    self._all.discard(worker)
            if not worker.alive:
                logger.info("a decoding process ended at %s and is replaced", file.path)
                worker.close()
            if outcome:
                return outcome
        if self.closed:
            return Failure(file, "stopped", "access")
        raise DecodersUnavailable(
            f"no process that decodes photos can run here: {sys.executable} ends at once. If memory is short or limited "
            "(`ulimit -v`), free some; `clipsearch doctor` shows more"
        )

    def _take(self) -> _Worker | None:
        with self._lock:
            if self.closed:
                return None
            while self._idle:
                worker = self._idle.pop()
                if worker.is_running:
                    return worker
                self._all.discard(worker)  # killed while it was idle; the next file is not to blame
                worker.close()
            try:
                if self._watchdog is None:
                    watchdog = threading.Thread(target=self._watch, name="clipsearch-watchdog", daemon=True)
                    watchdog.start()
                    self._watchdog = watchdog
                worker = _Worker(self.spec, self.limits, self._budget, all_pictures=self.all_pictures)
            except (OSError, RuntimeError) as error:
                raise _not_started(error) from error
            self._all.add(worker)
            return worker

    def _watch(self) -> None:
        """Stop workers that take too long.

        Time in which this process stood still (Ctrl-Z, a sleeping laptop) does not count: a tick counts as two at most.
        """
        before, at_work = time.monotonic(), True
        while not self._ended.wait(_TICK if at_work else 10 * _TICK):
            now = time.monotonic()
            with self._lock:
                workers = list(self._all)
            busy = [worker for worker in workers if worker.spend(min(now - before, 2 * _TICK))]
            at_work = bool(busy)
            before = now


def _size_ahead(file: ImageFile) -> int:
    """How many bytes of a remote file may be in memory already."""
    return file.size if isinstance(file, RemoteFile) else 0


def _as_read(file: ImageFile, header: dict[str, Any], data: bytes | None) -> ImageFile:
    return ImageFile(file.path, header["size"], header["mtime_ns"] if data is None else file.mtime_ns)


def _info(values: dict[str, Any]) -> ImageInfo:
    """The facts in a worker's answer. JSON has lists for tuples, and texts for dates."""
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    values["taken_at"] = values["taken_at"] and datetime.fromisoformat(values["taken_at"])
    values["moments"] = tuple(Moment(**moment) for moment in values["moments"])
    return ImageInfo(**values)


def _not_started(error: OSError | RuntimeError) -> DecodersUnavailable:
    """The error if the system gives no more processes or threads."""
    reason = getattr(error, "strerror", None) or error
    return DecodersUnavailable(
        f"no process that decodes photos can be started ({reason}); close other programs, or try `jobs=1`"
    )


def _result(future: Future[_Outcome | Failure], cancel: CancelToken) -> _Outcome | Failure:
    cancel.check()
    while not future.done():
        wait([future], _TICK)
        cancel.check()
    try:
        return future.result()
    except CancelledError as error:
        raise PoolClosed from error


class _Budget:
    """Memory shared by several workers. If too little is left, a worker waits until others return theirs."""

    def __init__(self, total: int) -> None:
        self._left = self._total = total
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def taking(self, size: int) -> Iterator[None]:
        """Hold `size` bytes inside the block, or the whole budget if `size` is more."""
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

    def __init__(
        self, spec: PixelSpec | Box | TextSpec, limits: ReadLimits, budget: _Budget, *, all_pictures: bool
    ) -> None:
        self._budget = budget
        self._limits = limits
        kind = "box" if isinstance(spec, Box) else "text" if isinstance(spec, TextSpec) else "pixels"
        options = json.dumps({kind: asdict(spec), "limits": asdict(limits), "all_pictures": all_pictures})
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCH, options, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=os.name == "posix",
            creationflags=_OWN_GROUP,  # Ctrl-C reaches only the parent
        )
        self.memory = MemoryWatch(self._process, limits.memory)
        self.alive = True
        self._phase: str | None = None  # READING or DECODING; None before the process has started
        self._clock = threading.Lock()
        self._seconds_left: float | None = None  # until the process is stopped; None while it is idle
        self._timed_out = False

    def read(self, file: ImageFile, data: bytes | None = None) -> Decoded | Failure | None:
        """Decode one file, or the picture in `data`; None if the process died while it was starting."""
        at = AT.pack(file.at if isinstance(file, FileMoment) else math.nan)
        answer = self._answer(PATH + at + os.fsencode(file.path) if data is None else BYTES + at + data, file)
        if not isinstance(answer, tuple):
            return answer
        header, pixels = answer
        array = np.frombuffer(pixels, np.uint8).reshape(*header["shape"], 3)
        placeholders = tuple(map(bytes.fromhex, header.get("placeholders", ())))
        return Decoded(_as_read(file, header, data), _info(header["info"]), array, placeholders)

    def read_facts(self, file: ImageFile, data: bytes | None = None) -> FileFacts | Failure | None:
        """The facts about one file, or about the picture in `data`; None if the process died while it was starting."""
        at = AT.pack(math.nan)
        request = FACTS + at + os.fsencode(file.path) if data is None else FACTS_OF_BYTES + at + data
        answer = self._answer(request, file)
        if not isinstance(answer, tuple):
            return answer
        header, _ = answer
        return FileFacts(_as_read(file, header, data), _info(header["info"]))

    def _answer(self, request: bytes, file: ImageFile) -> tuple[dict[str, Any], bytes] | Failure | None:
        """(header, pixels), or the failure; None if the process died while it was starting."""
        header, pixels = self._ask(request)
        while header and "wants" in header:
            with self._budget.taking(header["wants"]):  # waiting here does not count as decoding
                header, pixels = self._ask(b"")
        if header is None or self._timed_out:
            self.alive = False
            return None if self._phase is None else self._died(file)
        if "reason" in header:
            return Failure(file, header["reason"], header["cause"])
        return header, pixels

    def _died(self, file: ImageFile) -> Failure:
        """The failure of the file that the process was working on when it ended."""
        if self.memory.exceeded:
            return Failure(file, TOO_MUCH, "memory")
        if not self._timed_out:
            return Failure(file, "the decoder crashed", "crash")
        if self._phase == DECODING:
            return Failure(file, f"took longer than {self._limits.seconds:g} s", "time")
        return Failure(file, f"nothing could be read from it for {_READ_TIMEOUT:g} s", "access")

    @property
    def is_running(self) -> bool:
        """Whether the process is alive."""
        return self._process.poll() is None

    def spend(self, seconds: float) -> bool:
        """Subtract from the time left, and stop the process if no time is left; returns whether it was busy."""
        with self._clock:
            if self._seconds_left is None:
                return False
            self._seconds_left -= seconds
            if self._seconds_left <= 0:
                self._timed_out, self._seconds_left = True, None
                self._process.kill()
            return True

    def _enter(self, phase: str | None) -> None:
        """Note what the process does from now on, and restart its clock unless it has timed out."""
        timeouts = {None: _START_TIMEOUT, READING: _READ_TIMEOUT}
        with self._clock:
            self._phase = phase
            if not self._timed_out:
                self._seconds_left = timeouts.get(phase, self._limits.seconds)

    def _ask(self, message: bytes) -> tuple[dict[str, Any] | None, bytes]:
        """Send a message and wait for (header, pixels); a request for memory has no pixels, a dead process no header."""
        assert self._process.stdin and self._process.stdout
        self._enter(READING if message and self._phase else self._phase)
        try:
            write_messages(self._process.stdin, message)
            while (header := json.loads(read_message(self._process.stdout) or b"null")) and "at" in header:
                self._enter(READING if header["at"] == READY else header["at"])
            if header is None or "wants" in header:
                return header, b""
            pixels = read_message(self._process.stdout)
        except (OSError, ValueError):  # the pipe is gone with the process
            return None, b""
        finally:
            with self._clock:
                self._seconds_left = None
        return (None, b"") if pixels is None else (header, pixels)

    def stop(self) -> None:
        """Kill the process."""
        self._process.kill()

    def close(self) -> None:
        """Kill the process and wait until it is gone. No thread may still read from it."""
        self.stop()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()
