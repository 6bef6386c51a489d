"""Time whole processes in turn, and measure their memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clipsearch._internal.cpu import cores

_GLANCE = 0.004  # seconds between looks at a running process's memory


@dataclass
class Figures:
    """The times and the memory of several runs of the same thing."""

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)  # of this process, with all its threads; only of functions
    peak_mb: list[float] = field(default_factory=list)  # resident, with mapped files
    anonymous_mb: list[float] = field(default_factory=list)  # resident, beyond mapped files

    @property
    def median(self) -> float:
        """Of the seconds."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """(longest - shortest) / median of the seconds."""
        return (max(self.seconds) - min(self.seconds)) / self.median

    def as_json(self) -> dict[str, Any]:
        """Everything measured."""
        out: dict[str, Any] = {"seconds": self.seconds, "median": self.median, "spread": self.spread}
        if self.peak_mb:
            out |= {"peak_mb": max(self.peak_mb), "anonymous_mb": max(self.anonymous_mb)}
        return out


def run_process(command: Mapping[str, Any], figures: Figures, accepted: tuple[int, ...] = (0,)) -> str:
    """Run a process (the keyword arguments of Popen), add its time and memory, and return its standard output."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(**command, stdin=subprocess.DEVNULL, stdout=out, stderr=errors)
        peak = anonymous = 0.0
        while process.poll() is None:
            memory = _memory(process.pid)
            peak, anonymous = max(peak, memory.get("VmHWM", 0.0)), max(anonymous, memory.get("RssAnon", 0.0))
            time.sleep(_GLANCE)
        figures.seconds.append(time.perf_counter() - start)
        figures.peak_mb.append(peak)
        figures.anonymous_mb.append(anonymous)
        out.seek(0)
        errors.seek(0)
        if process.returncode not in accepted:
            raise RuntimeError(f"{command['args']} ended with {process.returncode}:\n{errors.read()[-2000:]}")
        return out.read()


def alternate(runs: Mapping[str, Callable[[Figures], object]], repeats: int) -> dict[str, Figures]:
    """Run some things in turn, `repeats` times, so that a busy minute affects all of them."""
    figures = {name: Figures() for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            run(figures[name])
    return figures


def timed(work: Callable[[], object]) -> Callable[[Figures], None]:
    """Time a function inside this process."""

    def run(figures: Figures) -> None:
        start, cpu = time.perf_counter(), time.process_time()
        work()
        figures.seconds.append(time.perf_counter() - start)
        figures.cpu_seconds.append(time.process_time() - cpu)

    return run


def folder_mb(folder: Path) -> float:
    """Size of all files below a folder, in MB."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def in_memory(*folders: Path) -> None:
    """Read all files once, so that every run finds them in the page cache."""
    block = bytearray(1 << 22)
    for folder in folders:
        for path in folder.rglob("*") if folder.is_dir() else [folder]:
            if path.is_file():
                with path.open("rb", buffering=0) as stream:
                    while stream.readinto(block):
                        pass


def _memory(pid: int) -> dict[str, float]:
    """Some lines of /proc/PID/status in MB; empty if there is no /proc or the process has ended."""
    try:
        with open(f"/proc/{pid}/status") as stream:
            lines = stream.readlines()
    except OSError:
        return {}
    return {
        line.split(":")[0]: int(line.split()[1]) / 1000 for line in lines if line.startswith(("VmHWM:", "RssAnon:"))
    }


def machine() -> str:
    """The processor, its cores and the operating system's version."""
    name = ""
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")
    uname = os.uname()
    return f"{cores()} cores of {name or uname.machine}, {uname.sysname}"
