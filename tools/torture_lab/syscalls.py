"""Watch the system calls of a running process with strace, or make them fail; and mount small or read-only disks."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CHANGING = ("write", "pwrite64", "fsync", "fdatasync", "ftruncate", "rename", "unlink", "mkdir")
_WATCHED = ("openat", "close", "lseek", "writev", *CHANGING)
_CALL = re.compile(r"(\w+)\((.*)\) += (-?\d+)")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass(frozen=True, slots=True)
class Event:
    """A system call that succeeded."""

    name: str
    result: int
    texts: tuple[bytes, ...]  # paths, or the written bytes
    numbers: tuple[int, ...]  # its other arguments that are numbers, in their order
    flags: str
    acknowledges: int | None = None


@cache
def available() -> bool:
    """Whether strace is installed and may attach to a process."""
    if not shutil.which("strace"):
        return False
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            with traced(process.pid, Path(os.devnull)):
                return True
        except RuntimeError:
            return False
        finally:
            process.kill()


@contextmanager
def _strace(pid: int | None, *options: str) -> Iterator[None]:
    assert pid is not None
    tracer = subprocess.Popen(["strace", *options, "-p", str(pid)], stderr=subprocess.PIPE)
    try:
        assert tracer.stderr
        if b"attached" not in (reply := tracer.stderr.readline()):
            raise RuntimeError(reply.decode())
        yield
    finally:
        with suppress(subprocess.TimeoutExpired):
            tracer.wait(0 if pid_is_gone(pid) is False else 20)
        tracer.kill()
        tracer.communicate()


def pid_is_gone(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


@contextmanager
def traced(pid: int | None, out: Path) -> Iterator[None]:
    """Record a process's calls, and all bytes that it writes."""
    with _strace(pid, "-xx", "-s", "100000000", "-e", f"trace={','.join(_WATCHED)}", "-o", str(out)):
        yield


@contextmanager
def failing(pid: int | None, name: str, number: int, what: str, out: Path) -> Iterator[None]:
    """In this context, a process's n-th call of a kind fails, or kills the process."""
    with _strace(pid, "-e", f"trace={name}", "-e", f"inject={name}:{what}:when={number}", "-o", str(out)):
        yield


def events(trace: Path) -> Iterator[Event]:
    """The calls of a trace, in their order."""
    with trace.open() as lines:
        for line in lines:
            match = _CALL.match(line)
            if not match or int(match[3]) < 0:
                continue
            texts = tuple(bytes.fromhex(text.replace(r"\x", "")) for text in _TEXT.findall(match[2]))
            rest = _TEXT.sub("", match[2])
            numbers = tuple(int(number) for number in re.findall(r"(?<![\w])\d+(?![\w])", rest))
            reply = re.match(rb"ACK (\d+)\n", texts[0]) if match[1] == "writev" and texts else None
            yield Event(match[1], int(match[3]), texts, numbers, rest, int(reply[1]) if reply else None)


def counts(trace: Path) -> Counter[str]:
    """How many calls of each kind there were."""
    return Counter(event.name for event in events(trace))


def mounted(folder: Path, size: int) -> bool:
    """Mount an empty disk of some kilobytes; False if that is not allowed."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "torture", str(folder)]
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make a folder and its content read-only in this context. Root ignores permissions, so root mounts it read-only."""
    mount = ["mount", "--bind", "-o", "ro", str(folder), str(folder)]
    if os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0:
        try:
            subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
            yield
        finally:
            subprocess.run(["umount", str(folder)], check=True)
        return
    paths = [folder, *folder.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        yield
    finally:
        for path in paths:
            path.chmod(0o755 if path.is_dir() else 0o644)
