#!/usr/bin/env python3
"""Run a command in a home folder of its own, and report the addresses it contacts and the files it should not write.

    python tools/observe.py --may-write ~/Photos/.clipsearch clipsearch index ~/Photos --model mini
    python tools/observe.py --readme --model mini    # the commands of the README and docs/

strace watches all processes that the command starts, whatever library or language they use. It sees every address other than
this machine's own, and every name that is looked up. Files are seen by strace as well, and by comparing the command's home and
temporary files before and after; without strace, only by the comparison.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "TERM", "LD_LIBRARY_PATH")  # not CI: some libraries do not report there
OWN = (".cache/clipsearch", ".local/share/clipsearch", ".local/state/clipsearch")  # below a home
OPENING = ("open", "openat", "creat")
LINKING = ("link", "linkat", "symlink", "symlinkat")  # the targets of links stay as they are
MAKING = ("mkdir", "mkdirat", "mknod", "mknodat", "rename", "renameat", "renameat2")
REMOVING = ("truncate", "unlink", "unlinkat", "rmdir")
CHANGING = (*MAKING, *REMOVING, *LINKING)
CALLING = ("bind", "connect", "sendto", "sendmsg", "sendmmsg")
RESOLVERS = ("/run/systemd/resolve/", "/run/avahi-daemon/")  # sockets of programs that look names up for others

# `sem.`: locks between processes, which Python removes as soon as it has made them
_HARMLESS = ("/dev/null", "/dev/tty", "/dev/pts/", "/dev/shm/sem.", "/proc/")
_TORCH_LEAVES = r"torchinductor_[^/]+"  # an empty folder, which transformers makes on import; no code is compiled here

_CALL = re.compile(r"(\d+) +(\w+)\((.*)")
_PATH = re.compile(r'(?:(?:AT_FDCWD|\d+)<((?:[^>\\]|\\.)*)>, )?"((?:[^"\\]|\\.)*)"')
_WRITES = re.compile(r"\bO_(?:WRONLY|RDWR|CREAT|TRUNC)\b")
ENDLESS = re.compile(r"--watch|clipsearch (?:serve|browse|mcp)")
_ADDRESS = re.compile(r'sa_family=(AF_\w+)(?:[^}]*htons\((\d+)\))?(?:[^}]*?"([^"]*)")?')


@dataclass
class Observation:
    """The actions of a command. `called` is None if strace could not watch it."""

    called: list[str] | None = None
    written: list[str] = field(default_factory=list)
    status: int | None = None
    output: str = ""
    errors: str = ""


@cache
def strace_options() -> tuple[str, ...] | None:
    """The options for strace; None if it is not installed or not allowed to watch."""
    calls = ",".join(f"?{name}" for name in (*OPENING, *CHANGING, *CALLING))  # `?`: no processor has all of them
    options = ("-f", "-y", "-qq", "-s", "4096", "-e", "signal=none", "-e", f"trace={calls}")
    if not shutil.which("strace"):
        return None
    for more in (("--seccomp-bpf",), ()):  # with it, calls that are not watched cost nothing
        command = ["strace", *more, *options, "-o", os.devnull, "true"]
        if not subprocess.run(command, capture_output=True).returncode:
            return (*more, *options)
    return None


class Room:
    """Everything that a command sees: a home, a folder for temporary files, and one to work in.

    It may write into clipsearch's own folders and `may_write`. Temporary files that remain count as written.
    """

    def __init__(self, folder: Path, may_write: Sequence[Path] = (), **environment: str) -> None:
        self.folder = Path(os.path.realpath(folder))
        self.home, self.temporary, self.work = (self.folder / name for name in ("home", "tmp", "work"))
        for place in (self.home, self.temporary, self.work):
            place.mkdir(exist_ok=True)
        self.may_write = [*(self.home / name for name in OWN), *may_write]
        self._around_own = {str(place) for name in OWN for place in (self.home / name).parents}
        self.environment = {name: os.environ[name] for name in KEPT if name in os.environ} | {
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",  # Python itself writes compiled modules
            "PYTHONUTF8": "1",
            "RES_OPTIONS": "timeout:1 attempts:1",  # do not wait long for a name that should not be looked up
            **environment,
        }

    def run(self, *command: str, given: str = "", timeout: float = 300) -> Observation:
        """Run a command to its end."""
        with self.running(*command) as (process, seen):
            seen.output, seen.errors = process.communicate(given, timeout)
        return seen

    @contextmanager
    def running(self, *command: str) -> Iterator[tuple[subprocess.Popen[str], Observation]]:
        """Run a command in this context. If it has not ended afterwards, it gets a Ctrl-C; then the observation is complete."""
        seen, before = Observation(), self._files()
        options = strace_options()
        with tempfile.TemporaryDirectory() as scratch:
            trace = Path(scratch, "trace")
            tracer = ["strace", *options, "-o", str(trace), "--"] if options else []
            process = subprocess.Popen(
                [*tracer, *command], cwd=self.work, env=self.environment, text=True, errors="replace", bufsize=1,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
            try:
                yield process, seen
                if process.poll() is None:
                    os.kill(_first(trace, process.pid), signal.SIGINT)
                    seen.output, seen.errors = process.communicate(timeout=60)
            finally:
                if process.poll() is None:
                    os.kill(_first(trace, process.pid), signal.SIGKILL)
                    process.kill()
                    process.communicate()
            seen.status = process.returncode
            if options:
                self._read(trace, seen)
        after = self._files()
        changed = sorted(path for path in after if after[path] != before.get(path) and not self._allowed(path))
        seen.written += [path for path in changed if path not in seen.written]

    def _allowed(self, path: str) -> bool:
        if re.fullmatch(_TORCH_LEAVES, os.path.relpath(path, self.temporary)):
            return True
        return path in self._around_own or any(Path(path).is_relative_to(place) for place in self.may_write)

    def _files(self) -> dict[str, tuple[int, int]]:
        """The files in the room: path → time of change and size; (0, 0) for folders."""
        found = {}
        for folder, folders, names in os.walk(self.folder):
            found |= {os.path.join(folder, name): (0, 0) for name in folders}
            for path in (os.path.join(folder, name) for name in names):
                about = os.lstat(path)
                found[path] = (about.st_mtime_ns, about.st_size)
        return found

    def _read(self, trace: Path, seen: Observation) -> None:
        called, written = dict[str, None](), dict[str, None]()
        with open(trace, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if not (call := _CALL.match(line)):
                    continue  # the end of a call that was interrupted
                name, arguments = call[2], call[3]
                if name in CALLING:
                    if address := _elsewhere(arguments):
                        called[f"{name} {address}"] = None
                    continue
                paths = [os.path.normpath(os.path.join(self.work, at, path)) for at, path in _PATH.findall(arguments)]
                if name in LINKING:
                    paths = paths[-1:]
                if name in CHANGING or name == "creat" or _WRITES.search(arguments):
                    written |= dict.fromkeys(path for path in paths if not self._harmless(path))
        seen.called, seen.written = list(called), list(written)

    def _harmless(self, path: str) -> bool:
        at = os.path.realpath(path)
        return f"{at}/".startswith((*_HARMLESS, f"{self.temporary}/")) or self._allowed(at)


def _elsewhere(arguments: str) -> str | None:
    """The address of a call that leaves this machine or looks up a name; None for other calls."""
    if not (found := _ADDRESS.search(arguments)):
        return None  # on a connection that was checked when it was made
    family, port, address = found[1], found[2], found[3] or ""
    if family in ("AF_UNIX", "AF_LOCAL"):
        return f"{family} {address}" if address.startswith(RESOLVERS) else None
    if family in ("AF_NETLINK", "AF_UNSPEC"):  # the kernel; a connection that ends
        return None
    here = family in ("AF_INET", "AF_INET6") and re.match(r"127\.|::1$|::ffff:127\.", address)
    return None if here and port not in ("53", "853", "5353") else f"{family} {address} port {port}"


def _first(trace: Path, tracer: int) -> int:
    """The process that was traced first, since strace passes no signal on. `tracer` if no process was traced."""
    try:
        with open(trace, encoding="utf-8", errors="replace") as lines:
            return int(lines.readline().split()[0])
    except (OSError, IndexError):
        return tracer


def readme_session(room: Room, model: str) -> Iterator[tuple[str, Observation | None]]:
    """Run the commands of the README and docs/ on this repository's photos; None if some command cannot be run here.

    `model` makes the index first. Commands that do not end by themselves are stopped after some seconds.
    """
    photos = room.home / "Photos"
    room.may_write += [photos, room.home / "Archive", room.home / "cars", room.work]
    # The first is the folder of `clipsearch`.
    room.environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for copy in (photos, room.work / "data" / "photos"):
        shutil.copytree(ROOT / "data" / "photos", copy)
    for name in ("2024", "screenshots"):
        (photos / name).mkdir()
        shutil.copy(photos / "cat.png", photos / name)
    (room.home / "cars").mkdir()
    for name in ("giraffe.jpg", "cat.png"):
        shutil.copy(photos / name, room.work)
    (room.work / "queries.txt").write_text("a dog\na cat\n")
    (room.work / "labels.txt").write_text("dog\ncat\n")
    first = f"clipsearch index ~/Photos --model {shlex.quote(model)}"
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    blocks = [re.findall(r"^```console\n(.*?)^```", page.read_text("utf-8"), re.M | re.S) for page in pages]
    shown = re.findall(r"^\$ (clipsearch .*)$", "".join(block for page in blocks for block in page), re.M)
    for command in dict.fromkeys((first, *(re.split(r" +# ", line)[0].strip() for line in shown))):
        # A model of the hub that nothing fetched is not here either. Measuring speeds takes minutes.
        if re.search(r"milvus://|--server|shared/|--model NAME|--(?:text-)?model [\w-]+/|--measure", command):
            yield command, None
            continue
        with room.running("bash", "-c", command) as (process, seen), suppress(subprocess.TimeoutExpired):
            seen.output, seen.errors = process.communicate(timeout=8 if ENDLESS.search(command) else 300)
        if command == first:  # an index of other folders, for what is searched together
            shutil.copytree(photos / ".clipsearch", room.home / "Archive" / ".clipsearch")
        yield command, seen


def main() -> None:
    """Observe one command, or the README's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--may-write", action="append", type=Path, default=[], metavar="PATH")
    parser.add_argument("--readme", action="store_true")
    parser.add_argument("--model", default="mini", help="the model for the index of --readme")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    if bool(given.command) == given.readme:
        parser.error("give a command, or --readme")
    with tempfile.TemporaryDirectory() as folder:
        room = Room(Path(folder), [path.resolve() for path in given.may_write])
        if given.readme:
            observed = readme_session(room, given.model)
        else:
            observed = iter([(shlex.join(given.command), room.run(*given.command))])
        sys.exit(max([_told(command, seen) for command, seen in observed]))


def _told(command: str, seen: Observation | None) -> bool:
    """Print an observation, and tell whether the command called or wrote anything that it should not."""
    print(f"$ {command}")
    if seen is None:
        print("  not run: it needs what is not here")
        return False
    called = "(unknown: strace is missing)" if seen.called is None else ", ".join(seen.called) or "nothing"
    print(
        f"  status {seen.status}; called {called}; wrote elsewhere {', '.join(seen.written) or 'nothing'}", flush=True
    )
    return bool(seen.called or seen.written)


if __name__ == "__main__":
    main()
