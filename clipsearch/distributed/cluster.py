"""Run workers on every node of a Ray cluster and give them chunks until all are done. Only this module imports ray."""

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
from clipsearch.distributed.chunk_worker import ChunkWorker, ClusterJob
from clipsearch.distributed.chunks import Chunk
from clipsearch.distributed.parts import WrittenPart
from clipsearch.errors import ClipsearchError, ClipsearchWarning, StorageError, one_line

logger = logging.getLogger(__name__)

LOCAL = "local"
ATTEMPTS = 5
"""How often a chunk is started. If so many workers are lost over it, the chunk is to blame."""

_AT_ONCE = 2  # chunks of a worker: one is decoded while the last photos of the other are encoded
_NODE_INTERVAL = 2.0  # seconds between two looks at the nodes
_PATIENCE = 60.0  # seconds without a worker until the user is warned
_START_ATTEMPTS = 3  # of a worker that dies while it starts, until its node is not used any more
_OBJECT_STORE = 96 * 1024**2  # bytes on this machine; almost nothing is put there

_HOW_TO_LOG_IN = (
    ". If the cluster wants a token, set RAY_AUTH_MODE=token, and set RAY_AUTH_TOKEN unless the token is in "
    "~/.ray/auth_token"
)
NamedChunk = tuple[str, Chunk]


def require_ray() -> None:
    """Raise ClipsearchError if Ray is not installed."""
    if find_spec("ray") is None:
        raise ClipsearchError("a cluster needs Ray: pip install 'clipsearch[ray]'")


@dataclass(slots=True)
class _ClusterWorker:
    node: str
    number: int  # among the workers of its node
    actor: Any
    starting: Any  # Ray's reference to its start; None once it has started
    running: dict[Any, NamedChunk] = field(default_factory=dict)


class Cluster:
    """A connection to a Ray cluster. `close` only stops what was started here.

    `address` is what ray.init() takes ("auto", HOST:PORT or ray://HOST:PORT), or "local" for a cluster on this machine that
    lasts as long as the connection. Raises ClipsearchError if there is no cluster.
    """

    def __init__(self, address: str) -> None:
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # no chatter
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "error")
        require_ray()
        self._scratch: str | None = None
        self._environment: dict[str, str | None] = {}
        if address == LOCAL and "ray" not in sys.modules:  # Ray reads the environment when it is imported
            self._keep_to_this_machine()
        import ray

        self._ray: Any = ray
        self._ours = not ray.is_initialized()
        if not self._ours:
            return
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
        if address == LOCAL:
            options |= {"num_cpus": cores(), "include_dashboard": False, "object_store_memory": _OBJECT_STORE}
            options["_temp_dir"] = self._scratch = tempfile.mkdtemp(prefix="clipsearch-ray-", dir=_short_folder())
            self._keep_to_this_machine()
        try:
            with contextlib.ExitStack() as meanwhile:
                if address == LOCAL:
                    # Without a free port, Ray's dashboard does not start. Even without its pages, a part of it asks addresses
                    # outside this machine which cloud this is, whatever the setting for usage reports.
                    taken = meanwhile.enter_context(socket.create_server(("127.0.0.1", 0)))
                    options["dashboard_port"] = taken.getsockname()[1]
                ray.init(address=address, **options)
        except BaseException as error:
            self.close()
            if not isinstance(error, Exception):
                raise
            reason = one_line(error)  # Ray's errors have no common class, and do not say that a token is missing
            more = "" if address == LOCAL or "RAY_AUTH_MODE" in os.environ else _HOW_TO_LOG_IN
            raise ClipsearchError(f"there is no Ray cluster at {address!r}: {reason}{more}") from error

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

    def embed(self, job: ClusterJob, chunks: Sequence[NamedChunk], cancel: CancelToken) -> Iterator[WrittenPart]:
        """Yield the part of each chunk, in the order in which they are finished.

        If a worker or node is lost, its chunks go to others. Raises ClipsearchError if ATTEMPTS workers are lost over a chunk,
        or if a worker raises one that concerns all chunks, such as ModelMismatch. Raises Cancelled.
        """
        scheduler = _Scheduler(self._ray, job, chunks)
        try:
            with cancel.listening():
                yield from scheduler.results(cancel)
        finally:
            scheduler.stop()

    def _keep_to_this_machine(self) -> None:
        """Keep others out of a local cluster, by the environment that Ray reads when it is imported.

        Ray listens only at 127.0.0.1 if clusters are disabled, which its variable offers for two systems, and otherwise at all
        addresses of this machine. A token is needed in any case.
        """
        for name, value in (
            ("RAY_AUTH_MODE", "token"),
            ("RAY_AUTH_TOKEN", secrets.token_hex(32)),
            ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0"),
        ):
            self._environment.setdefault(name, os.environ.get(name))  # the value from before the first call
            os.environ[name] = value


def _short_folder() -> str:
    """A folder for temporary files with a short path, because the path of a socket has 107 bytes at most."""
    folder = tempfile.gettempdir()
    return "/tmp" if len(folder) > 24 and os.path.isdir("/tmp") else folder  # noqa: S108 - a new folder of our own


@contextlib.contextmanager
def _reached() -> Iterator[None]:
    """Turn what Ray raises once the cluster's head is gone into ClipsearchError. Ray's errors have no common class."""
    try:
        yield
    except Exception as error:
        raise ClipsearchError(
            f"the cluster cannot be reached any more: {one_line(error)}. What is finished is kept"
        ) from error


class _Scheduler:
    """Gives the chunks of a job to workers. At any time a chunk is waiting, running on one worker, or finished."""

    def __init__(self, ray: Any, job: ClusterJob, chunks: Sequence[NamedChunk]) -> None:
        self._ray = ray
        self._job = job
        self._waiting: deque[NamedChunk] = deque(chunks)
        self._attempts: dict[str, int] = {}  # name of a chunk → how often it was started
        self._workers: list[_ClusterWorker] = []
        self._failed_starts: dict[str, int] = {}  # node → workers that died while they started
        self._last_error = ""
        self._looked_at_nodes = 0.0
        self._idle_since: float | None = time.monotonic()

    def results(self, cancel: CancelToken) -> Iterator[WrittenPart]:
        while self._waiting or any(worker.running for worker in self._workers):
            cancel.check()
            self._staff()
            self._hand_out()
            pending = {ref: worker for worker in self._workers for ref in (worker.starting, *worker.running) if ref}
            if not pending:
                time.sleep(0.2)
                continue
            with _reached():
                ready, _ = self._ray.wait(list(pending), num_returns=1, timeout=1.0)
            for ref in ready:
                written = self._take(pending[ref], ref)
                if written:
                    yield written

    def stop(self) -> None:
        """Kill every worker."""
        for worker in self._workers:
            self._end(worker)
        self._workers = []

    def _take(self, worker: _ClusterWorker, ref: Any) -> WrittenPart | None:
        """The result behind a reference. If it failed, its chunk is scheduled again."""
        errors = self._ray.exceptions
        try:
            result = self._ray.get(ref)
        except errors.RayTaskError as error:  # the worker lives and reports an error
            cause = error.cause
            if isinstance(cause, (StorageError, OSError)) and ref in worker.running:
                self._retry(worker.running.pop(ref), cause)
                return None
            if isinstance(cause, ClipsearchError):
                raise cause from None
            raise
        except errors.RayError as error:  # the worker or its node is gone
            self._lose(worker, error)
            return None
        if ref == worker.starting:  # equal, but not the same object over ray://
            worker.starting = None
            return None
        worker.running.pop(ref)
        assert isinstance(result, WrittenPart)
        return result

    def _lose(self, worker: _ClusterWorker, error: Exception) -> None:
        """Give up a worker that is gone, and schedule its chunks again."""
        if worker not in self._workers:
            return
        self._workers.remove(worker)
        self._end(worker)
        self._last_error = one_line(error)
        if worker.starting is not None:
            self._failed_starts[worker.node] = self._failed_starts.get(worker.node, 0) + 1
        logger.info("a worker of node %s is lost: %s", worker.node, self._last_error)
        for named in worker.running.values():
            self._retry(named, error)

    def _retry(self, named: NamedChunk, error: Exception) -> None:
        if self._attempts[named[0]] >= ATTEMPTS:
            reason = one_line(error)
            raise ClipsearchError(
                f"a chunk of photos failed on {ATTEMPTS} workers, the last time with: {reason}. What is finished is kept"
            )
        self._waiting.appendleft(named)

    def _hand_out(self) -> None:
        for _ in range(_AT_ONCE):  # first one for each worker
            for worker in self._workers:
                if self._waiting and worker.starting is None and len(worker.running) < _AT_ONCE:
                    name, chunk = self._waiting.popleft()
                    self._attempts[name] = self._attempts.get(name, 0) + 1
                    worker.running[worker.actor.embed.remote(name, chunk)] = (name, chunk)
        if any(worker.starting is None for worker in self._workers):
            self._idle_since = time.monotonic()
        elif self._idle_since is not None and time.monotonic() - self._idle_since > _PATIENCE:
            self._idle_since = None  # warn once
            warnings.warn(
                "the cluster has started no worker yet: every node's processors are taken, or it is still making nodes",
                ClipsearchWarning,
                stacklevel=2,
            )

    def _staff(self) -> None:
        """Start the workers that are missing: one for each GPU of a node, or one for all of its processors."""
        if time.monotonic() - self._looked_at_nodes < _NODE_INTERVAL:
            return
        self._looked_at_nodes = time.monotonic()
        with _reached():
            nodes = [node for node in self._ray.nodes() if node["Alive"]]
        alive = {node["NodeID"] for node in nodes}
        for worker in [worker for worker in self._workers if worker.node not in alive]:
            self._lose(worker, ConnectionError("its node is gone"))
        taken = {(worker.node, worker.number) for worker in self._workers}
        able = [node for node in nodes if self._shares(node["Resources"])[0]]
        usable = [node for node in able if self._failed_starts.get(node["NodeID"], 0) < _START_ATTEMPTS]
        for node in usable:
            workers, processors, gpus = self._shares(node["Resources"])
            for number in range(workers):
                if (node["NodeID"], number) not in taken:
                    self._workers.append(self._start(node["NodeID"], number, processors, gpus))
        if able and not usable and not self._workers:
            raise ClipsearchError(f"no node of the cluster can start a worker: {self._last_error}")

    def _shares(self, resources: dict[str, float]) -> tuple[int, int, int]:
        """(workers, processors of each, GPUs of each) for a node; zeros for a node without processors."""
        processors, gpus = int(resources.get("CPU", 0)), int(resources.get("GPU", 0))
        if processors < 1:
            return 0, 0, 0
        if gpus and self._job.device != "cpu":
            return gpus, max(1, min(self._job.jobs or processors, processors // gpus)), 1
        return 1, min(self._job.jobs or processors, processors), 0

    def _start(self, node: str, number: int, processors: int, gpus: int) -> _ClusterWorker:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        actor = (
            self._ray.remote(ChunkWorker)
            .options(
                num_cpus=processors,
                num_gpus=gpus,
                max_concurrency=_AT_ONCE + 1,
                max_restarts=0,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=node, soft=False),
            )
            .remote(self._job)
        )
        return _ClusterWorker(node, number, actor, actor.is_here.remote())

    def _end(self, worker: _ClusterWorker) -> None:
        with contextlib.suppress(Exception):  # the worker may be gone, and the cluster too
            self._ray.kill(worker.actor, no_restart=True)
