"""Child processes that carry out jobs and may be killed, and their output."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from unittest.mock import patch

from torture_lab.checking import Loss
from torture_lab.workload import Job, work

_PATIENCE = 120  # seconds; a child usually takes less than one


@dataclass(slots=True)
class ChildReport:
    """The output of a child that has ended."""

    acknowledged: int
    mended: bool = False
    ended: bool = False
    calls: int = 0
    error: str = ""
    seconds: float = 0.0  # from its start to its end


@cache
def _context() -> ForkServerContext:
    """A process with one thread that has imported everything. Forking a child from it takes milliseconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torture_lab.workload"])
    paths = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    with patch.dict(os.environ, {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}):
        forkserver.ensure_running()
    return context


@contextmanager
def child(job: Job) -> Iterator[tuple[ForkServerProcess, Callable[[], None], Callable[[], ChildReport]]]:
    """A child that waits for its job: the process, a function to start the job, and a function to wait for its end."""
    context = _context()
    reading, line = context.Pipe(duplex=False)
    waiting, go = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(job, line, waiting))
    process.start()
    line.close()
    waiting.close()
    stream = os.fdopen(os.dup(reading.fileno()), "rb")
    reading.close()
    stream.readline()  # READY

    def ended() -> ChildReport:
        start = time.monotonic()
        report = ChildReport(job.start)
        for text in stream.read().decode().splitlines():
            word, _, rest = text.partition(" ")
            if word == "ACK":
                report.acknowledged = int(rest)
            elif word == "CALLS":
                report.calls = int(rest)
            elif word == "ERROR":
                report.error = rest
            report.ended |= word == "END"
            report.mended |= word == "MENDED"
        process.join(_PATIENCE)
        report.seconds = time.monotonic() - start
        if report.error.startswith("raw"):
            raise Loss(f"an error without a message of ours: {report.error}")
        return report

    try:
        yield process, lambda: go.send_bytes(b"go"), ended
    finally:
        if process.is_alive():
            process.kill()
        process.join()
        process.close()
        stream.close()
        go.close()
