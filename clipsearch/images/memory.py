"""Limit the memory of a decoding process, with the means of each system.

Linux limits the address space, and Windows a job object. macOS offers neither: on Apple silicon every process starts with some
400 GB of address space, and refuses a lower limit. There the parent process watches each decoder and kills one that takes too
much.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TOO_MUCH = "needs more memory than the fixed limit for one file"
WATCHED = sys.platform == "darwin"
"""Whether the parent process watches the decoders."""

_LOOK_EVERY = 0.02  # seconds; a decoder fills a hundred megabytes in that time at most
_RUSAGE = struct.Struct("<16s10Q")  # macOS' rusage_info_v0, sys/resource.h
_FOOTPRINT = 8  # its field ri_phys_footprint, which includes compressed pages
_PROCESS_MEMORY = 0x100  # JOB_OBJECT_LIMIT_PROCESS_MEMORY
_EXTENDED_LIMITS = 9  # JobObjectExtendedLimitInformation


def limit_memory(limit: int) -> None:
    """Limit this process to `limit` bytes, or to its present limit if that is lower, and disable core dumps.

    If the system refuses, the process is not limited.
    """
    if sys.platform == "win32":
        _limit_by_job(ctypes.WinDLL("kernel32", use_last_error=True), limit)
    else:
        import resource

        for kind, value in ((resource.RLIMIT_AS, limit), (resource.RLIMIT_CORE, 0)):
            with contextlib.suppress(OSError, ValueError):
                lowest = min([value, *(before for before in resource.getrlimit(kind) if before >= 0)])
                resource.setrlimit(kind, (lowest, lowest))


class MemoryWatch:
    """Kills a process that takes more than `limit` bytes while it decodes, on systems where decoders are watched."""

    def __init__(self, process: subprocess.Popen[bytes], limit: int) -> None:
        self._process = process
        self._limit = limit
        self.exceeded = False

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the process inside the block."""
        if not WATCHED:
            yield
            return
        finished = threading.Event()
        thread = threading.Thread(target=self._watch, args=[finished], name="clipsearch-memory", daemon=True)
        thread.start()
        try:
            yield
        finally:
            finished.set()
            thread.join()

    def _watch(self, finished: threading.Event) -> None:
        while not finished.wait(_LOOK_EVERY) and not self.exceeded:
            taken = footprint(self._process.pid)
            if taken is None:
                return
            if taken > self._limit:
                self.exceeded = True
                self._process.kill()


def footprint(pid: int) -> int | None:
    """Bytes of memory that a process takes; None if the system does not tell."""
    try:
        if sys.platform == "darwin":
            taken = _footprint_by(ctypes.CDLL(None), pid)
        else:
            taken = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * mmap.PAGESIZE
        return taken
    except (OSError, ValueError, IndexError, AttributeError):
        return None


def _footprint_by(system: Any, pid: int) -> int | None:
    """The footprint that macOS reports. `system` is its C library."""
    about = ctypes.create_string_buffer(_RUSAGE.size)
    if system.proc_pid_rusage(ctypes.c_int(pid), ctypes.c_int(0), about) != 0:
        return None
    return int(_RUSAGE.unpack(about.raw)[_FOOTPRINT])


def how_limited(limit: int) -> str:
    """How the memory of decoders is limited on this machine, as a phrase for people."""
    means = "by a limit of the address space"
    if sys.platform == "win32":
        means = "by a job object"
    elif WATCHED:
        if footprint(os.getpid()) is None:
            return "not limited: this system does not tell how much memory a process uses"
        means = "by watching them"
    else:
        import resource

        for before in resource.getrlimit(resource.RLIMIT_AS):
            if 0 <= before < limit:
                limit, means = before, "by a limit that was set before (ulimit -v)"
    return f"{limit / 1024**3:.3g} GiB each, {means}"


class _BasicLimits(ctypes.Structure):
    """JOBOBJECT_BASIC_LIMIT_INFORMATION."""

    _fields_ = [
        ("PerProcessUserTimeLimit", ctypes.c_int64),
        ("PerJobUserTimeLimit", ctypes.c_int64),
        ("LimitFlags", ctypes.c_uint32),
        ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t),
        ("ActiveProcessLimit", ctypes.c_uint32),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", ctypes.c_uint32),
        ("SchedulingClass", ctypes.c_uint32),
    ]


class _ExtendedLimits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION."""

    _fields_ = [
        ("BasicLimitInformation", _BasicLimits),
        ("IoInfo", ctypes.c_uint64 * 6),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    ]


def _limit_by_job(kernel: Any, limit: int) -> bool:
    """Put this process into its own job, which limits its memory; returns whether that worked. `kernel` is kernel32."""
    for function in (kernel.CreateJobObjectW, kernel.GetCurrentProcess):
        function.restype = ctypes.c_void_p  # or handles are cut to 32 bits
    limits = _ExtendedLimits(ProcessMemoryLimit=limit)
    limits.BasicLimitInformation.LimitFlags = _PROCESS_MEMORY
    job = ctypes.c_void_p(kernel.CreateJobObjectW(None, None))  # lasts as long as the process
    kind, size = ctypes.c_int(_EXTENDED_LIMITS), ctypes.c_uint32(ctypes.sizeof(limits))
    if not job or not kernel.SetInformationJobObject(job, kind, ctypes.byref(limits), size):
        return False
    return bool(kernel.AssignProcessToJobObject(job, ctypes.c_void_p(kernel.GetCurrentProcess())))
