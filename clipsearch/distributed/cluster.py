"""Ray: workers on every node of a cluster, and chunks for them until all are done. The only user of ray, which is an extra."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import socket
import sys
import tempfile
import time
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from clipsearch._internal.cancel import CancelToken
from clipsearch._internal.cpu import cores
from clipsearch.distributed.chunks import Chunk
from clipsearch.distributed.embedding import EmbedFiles, Job
from clipsearch.distributed.parts import Written
from clipsearch.errors import ClipsearchError, ClipsearchWarning, StorageError, one_line

LOCAL = "local"
ATTEMPTS = 5
"""Times that a chunk is begun: with so many workers lost over it, it is the chunk's fault."""

_AT_ONCE = 2  # chunks of a worker: the next is decoded while the last photos of the one before are encoded
_LOOK = 2.0  # seconds between looks at which nodes there are
_PATIENCE = 60.0  # seconds without any worker until the user hears of it
_STARTS = 3  # times that a worker may die before it is there, until its node is left alone
_OBJECTS = 96 * 1024**2  # bytes of Ray's object store on this machine, which holds next to nothing

_LOCKED = (
    ". Where it asks for a token, set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN if the token is not in ~/.ray/auth_token"
)
Named = tuple[str, Chunk]


def require_ray() -> None:
    """ClipsearchError where Ray is not installed."""
    if find_spec("ray") is None:
        raise ClipsearchError("--ray needs Ray: pip install 'clipsearch[ray]'")


@dataclass(slots=True)
class _Worker:
    node: str
    share: int  # which of the node's workers it is
    actor: Any
    there: Any  # Ray's promise that it has started; None once it has
    running: dict[Any, Named] = field(default_factory=dict)


class Cluster:
    """A Ray cluster, connected. Use as a context manager; what was started here ends with it, and no other part of the cluster.

    `address` is "local", which starts one in place for as long as this lasts, or what ray.init() takes: "auto", HOST:PORT or
    ray://HOST:PORT. ClipsearchError where there is none.
    """

    def __init__(self, address: str) -> None:
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # two kinds of chatter are left out
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "error")
        require_ray()
        self._scratch: str | None = None
        self._environment: dict[str, str | None] = {}
        if address == LOCAL and "ray" not in sys.modules:  # it looks when it is imported
            self._lock_out()
        import ray

        self._ray: Any = ray
        self._ours = not ray.is_initialized()
        if not self._ours:
            return
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
        if address == LOCAL:
            options |= {"num_cpus": cores(), "include_dashboard": False, "object_store_memory": _OBJECTS}
            options["_temp_dir"] = self._scratch = tempfile.mkdtemp(prefix="clipsearch-ray-", dir=_short_folder())
            self._lock_out()
        try:
            with contextlib.ExitStack() as meanwhile:
                if address == LOCAL:
                    options["dashboard_port"] = meanwhile.enter_context(_taken_port())
                ray.init(address=address, **options)
        except BaseException as error:
            self.close()
            if not isinstance(error, Exception):
                raise
            said = one_line(error)  # Ray's errors have no family of their own, nor do they say that a token is missing
            more = "" if address == LOCAL or "RAY_AUTH_MODE" in os.environ else _LOCKED
            raise ClipsearchError(f"there is no Ray cluster at {address!r}: {said}{more}") from error

    def close(self) -> None:
        """Disconnect, and stop what was started here."""
        if self._ours:
            self._ray.shutdown()
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)
        for name, value in self._environment.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        self._environment.clear()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def embed(self, job: Job, chunks: Sequence[Named], cancel: CancelToken) -> Iterator[Written]:
        """The part of each chunk, in the order in which they are finished.

        A chunk whose worker or node is lost goes to another; one that ATTEMPTS workers were lost over is a ClipsearchError. So
        is what a worker says of all chunks, such as ModelMismatch. Cancelled once `cancel` is.
        """
        run = _Run(self._ray, job, chunks)
        try:
            with cancel.listening():
                yield from run.results(cancel)
        finally:
            run.stop()

    def _lock_out(self) -> None:
        """Others must not get in, and nothing needs to get out.

        Ray listens at 127.0.0.1 if it is told to be no cluster, in the words that it has for two systems, and otherwise on all
        of this machine's addresses. It is told before it is imported, and has to be let in by a token in any case.
        """
        alone = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
        for name, value in {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), **alone}.items():
            self._environment.setdefault(name, os.environ.get(name))  # as it was, also the second time
            os.environ[name] = value


@contextlib.contextmanager
def _taken_port() -> Iterator[int]:
    """A port of this machine that nothing can listen at meanwhile.

    Ray's dashboard, told to listen there, does not start. Without its pages it still has a part that asks addresses outside of
    this machine which cloud this is, whatever it was told of reports.
    """
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


def _short_folder() -> str:
    """Where temporary files go; the name of a socket below it has 107 bytes in all."""
    folder = tempfile.gettempdir()
    return "/tmp" if len(folder) > 24 and os.path.isdir("/tmp") else folder  # noqa: S108 - a new folder of our own


@contextlib.contextmanager
def _reached() -> Iterator[None]:
    """Whatever Ray raises where the cluster's head is gone is a ClipsearchError; its errors have no family of their own."""
    try:
        yield
    except Exception as error:
        said = one_line(error) or type(error).__name__
        raise ClipsearchError(f"the cluster cannot be reached any more: {said}. What is finished is kept") from error


class _Run:
    """One job on a cluster: its workers, and what is still to be done."""

    def __init__(self, ray: Any, job: Job, chunks: Sequence[Named]) -> None:
        self._ray = ray
        self._job = job
        self._waiting: deque[Named] = deque(chunks)
        self._begun: dict[str, int] = {}  # name of a chunk → how often
        self._workers: list[_Worker] = []
        self._in_vain: dict[str, int] = {}  # node → workers that died before they were there
        self._last_words = ""
        self._looked = 0.0
        self._idle_since: float | None = time.monotonic()

    def results(self, cancel: CancelToken) -> Iterator[Written]:
        while self._waiting or any(worker.running for worker in self._workers):
            cancel.check()
            self._staff()
            self._hand_out()
            promises = {ref: worker for worker in self._workers for ref in (worker.there, *worker.running) if ref}
            if not promises:
                time.sleep(0.2)
                continue
            with _reached():
                ready, _ = self._ray.wait(list(promises), num_returns=1, timeout=1.0)
            for ref in ready:
                written = self._take(promises[ref], ref)
                if written:
                    yield written

    def stop(self) -> None:
        """End every worker, whatever it is doing."""
        for worker in self._workers:
            self._end(worker)
        self._workers = []

    def _take(self, worker: _Worker, ref: Any) -> Written | None:
        """What came of a promise; where it was broken, what it was about is to be done again."""
        errors = self._ray.exceptions
        try:
            answer = self._ray.get(ref)
        except errors.RayTaskError as error:  # the worker is there, and says what went wrong
            cause = error.cause
            if isinstance(cause, (StorageError, OSError)) and ref in worker.running:
                self._again(worker.running.pop(ref), cause)
                return None
            if isinstance(cause, ClipsearchError):
                raise cause from None
            raise
        except errors.RayError as error:  # the worker is gone, or its node
            self._lose(worker, error)
            return None
        if ref == worker.there:  # an equal one, over ray://
            worker.there = None
            return None
        worker.running.pop(ref)
        assert isinstance(answer, Written)
        return answer

    def _lose(self, worker: _Worker, error: Exception) -> None:
        """Do without a worker that is gone."""
        if worker not in self._workers:
            return
        self._workers.remove(worker)
        self._end(worker)
        self._last_words = one_line(error)
        if worker.there is not None:
            self._in_vain[worker.node] = self._in_vain.get(worker.node, 0) + 1
        for named in worker.running.values():
            self._again(named, error)

    def _again(self, named: Named, error: Exception) -> None:
        if self._begun[named[0]] >= ATTEMPTS:
            said = one_line(error)
            raise ClipsearchError(
                f"a chunk of photos failed on {ATTEMPTS} workers, the last time with: {said}. What is finished is kept"
            )
        self._waiting.appendleft(named)

    def _hand_out(self) -> None:
        for _ in range(_AT_ONCE):  # first one for each, so that all have something to do
            for worker in self._workers:
                if self._waiting and worker.there is None and len(worker.running) < _AT_ONCE:
                    name, chunk = self._waiting.popleft()
                    self._begun[name] = self._begun.get(name, 0) + 1
                    worker.running[worker.actor.embed.remote(name, chunk)] = (name, chunk)
        if any(worker.there is None for worker in self._workers):
            self._idle_since = time.monotonic()
        elif self._idle_since is not None and time.monotonic() - self._idle_since > _PATIENCE:
            self._idle_since = None  # once is enough
            warnings.warn(
                "the cluster has started no worker yet: every node's processors are taken, or it is still making nodes",
                ClipsearchWarning,
                stacklevel=2,
            )

    def _staff(self) -> None:
        """A worker for each share of every node that is there: all of its processors, or one of its GPUs."""
        if time.monotonic() - self._looked < _LOOK:
            return
        self._looked = time.monotonic()
        with _reached():
            nodes = [node for node in self._ray.nodes() if node["Alive"]]
        there = {node["NodeID"] for node in nodes}
        for worker in [worker for worker in self._workers if worker.node not in there]:
            self._lose(worker, ConnectionError("its node is gone"))
        taken = {(worker.node, worker.share) for worker in self._workers}
        able = [node for node in nodes if self._shares(node["Resources"])[0]]
        usable = [node for node in able if self._in_vain.get(node["NodeID"], 0) < _STARTS]
        for node in usable:
            shares, processors, gpus = self._shares(node["Resources"])
            for share in range(shares):
                if (node["NodeID"], share) not in taken:
                    self._workers.append(self._start(node["NodeID"], share, processors, gpus))
        if able and not usable and not self._workers:
            raise ClipsearchError(f"no node of the cluster can start a worker: {self._last_words}")

    def _shares(self, resources: dict[str, float]) -> tuple[int, int, int]:
        """(workers, processors of each, GPUs of each) of a node; a node that says it has no processor is not for work."""
        processors, gpus = int(resources.get("CPU", 0)), int(resources.get("GPU", 0))
        if processors < 1:
            return 0, 0, 0
        if gpus and self._job.device != "cpu":
            return gpus, max(1, min(self._job.jobs or processors, processors // gpus)), 1
        return 1, min(self._job.jobs or processors, processors), 0

    def _start(self, node: str, share: int, processors: int, gpus: int) -> _Worker:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        actor = (
            self._ray.remote(EmbedFiles)
            .options(
                num_cpus=processors,
                num_gpus=gpus,
                max_concurrency=_AT_ONCE + 1,
                max_restarts=0,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=node, soft=False),
            )
            .remote(self._job)
        )
        return _Worker(node, share, actor, actor.is_here.remote())

    def _end(self, worker: _Worker) -> None:
        with contextlib.suppress(Exception):  # it may be gone, and the cluster with it
            self._ray.kill(worker.actor, no_restart=True)
