"""Limits on a decoder's memory on each system. No limit is so low that photos cannot be decoded."""

import ctypes
import os
import struct
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from clipsearch.images import memory
from clipsearch.images.files import ReadLimits
from clipsearch.images.pool import Decoded, DecoderPool
from clipsearch.indexing.walk import find_images
from clipsearch.types import Failure
from tests.conftest import save_photo
from tests.images.test_pool import SPEC

AS_ON_MACOS = """
RLIMIT_AS, RLIMIT_CORE, RLIM_INFINITY = 5, 4, -1
def getrlimit(kind):
    return (-1, -1)
def setrlimit(kind, limits):
    if kind == RLIMIT_AS and limits[0] < 400 * 1024**3:
        raise ValueError("current limit exceeds maximum limit")
"""
posix = pytest.mark.skipif(os.name != "posix", reason="about limits that Windows has otherwise")


class Resource(SimpleNamespace):
    """A stand-in for the module `resource`, with the limits of a test."""

    RLIMIT_AS, RLIMIT_CORE, RLIM_INFINITY = 1, 2, -1

    def getrlimit(self, kind):
        return self.limits[kind]

    def setrlimit(self, kind, limits):
        if self.limits[kind][1] != -1 and not 0 <= limits[1] <= self.limits[kind][1]:
            raise ValueError("not allowed to raise maximum limit")
        self.limits[kind] = limits


@posix
@pytest.mark.parametrize(
    ("before", "after"),
    [((-1, -1), (4000, 4000)), ((3000, 3000), (3000, 3000)), ((-1, 3000), (3000, 3000)), ((2000, 9000), (2000, 2000))],
)
def test_a_limit_is_no_higher_than_one_that_was_set_before(monkeypatch, before, after):
    resource = Resource(limits={1: before, 2: (-1, -1)})
    monkeypatch.setitem(sys.modules, "resource", resource)
    memory.limit_memory(4000)
    assert resource.limits == {1: after, 2: (0, 0)}


@posix
def test_photos_are_decoded_where_less_memory_is_allowed_than_a_photo_may_take(tmp_path):
    save_photo(tmp_path / "good.jpg")
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (3_000_000 * 1024,) * 2)\n"
        "from tests.images.test_pool import *\n"
        "with DecoderPool(SPEC, workers=1) as pool: print(*map(type, pool.read(find_images(sys.argv[1]))))"
    )
    top = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, cwd=top)
    assert "Decoded" in done.stdout, done.stderr


@pytest.fixture
def as_on_macos(tmp_path_factory, monkeypatch):
    """Decoders on a system that refuses any limit on their address space."""
    folder = tmp_path_factory.mktemp("macos")
    (folder / "resource.py").write_text(AS_ON_MACOS)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(memory, "WATCHED", True)


@posix
def test_photos_are_decoded_where_the_system_refuses_a_limit(tmp_path, as_on_macos):
    save_photo(tmp_path / "good.jpg")
    with DecoderPool(SPEC, workers=1) as pool:
        (outcome,) = pool.read(find_images(tmp_path))
    assert isinstance(outcome, Decoded)


@pytest.mark.skipif(memory.footprint(os.getpid()) is None, reason="nothing here says what a process takes")
def test_a_memory_bomb_is_ended_from_outside_where_the_system_has_no_limit(tmp_path, as_on_macos):
    from PIL import Image

    Image.new("1", (30_000, 30_000)).save(tmp_path / "bomb.png")
    save_photo(tmp_path / "good.jpg")
    limits = ReadLimits(max_pixels=10**10, memory=300 * 1024**2)
    with DecoderPool(SPEC, limits, workers=1) as pool:
        bomb, good = pool.read(find_images(tmp_path))
    assert isinstance(bomb, Failure) and bomb.reason == "needs more memory than the fixed limit for one file"
    assert isinstance(good, Decoded)


def test_what_macos_says_of_a_process_is_its_footprint():
    class System:
        def proc_pid_rusage(self, pid, flavour, about):
            assert (pid.value, flavour.value) == (77, 0)
            about.raw = struct.pack("<16s10Q", b"", 1, 2, 3, 4, 5, 6, 7_000, 8_000, 9, 10)
            return 0

    assert memory._footprint_by(System(), 77) == 8_000
    assert memory._footprint_by(SimpleNamespace(proc_pid_rusage=lambda *_: -1), 77) is None


class Kernel:
    """A stand-in for Windows' kernel32, with the functions that limit memory."""

    def __init__(self, refuses=""):
        self.limits = []
        self.assigned = []
        self.CreateJobObjectW = lambda *_: 0x1_2345_6789
        self.GetCurrentProcess = lambda: 2**64 - 1
        self.refuses = refuses

    def SetInformationJobObject(self, job, kind, limits, size):
        found = limits._obj
        assert (kind.value, size.value) == (9, ctypes.sizeof(found))
        self.limits.append((found.BasicLimitInformation.LimitFlags, found.ProcessMemoryLimit))
        return self.refuses != "limits"

    def AssignProcessToJobObject(self, job, process):
        self.assigned.append((job.value, process.value))
        return True


def test_on_windows_a_decoder_is_in_a_job_that_limits_its_memory():
    kernel = Kernel()
    assert memory._limit_by_job(kernel, 4 * 1024**3)
    assert kernel.limits == [(0x100, 4 * 1024**3)] and kernel.assigned == [(0x1_2345_6789, 2**64 - 1)]
    assert not memory._limit_by_job(Kernel("limits"), 1)
    if ctypes.sizeof(ctypes.c_void_p) == 8:
        assert ctypes.sizeof(memory._ExtendedLimits) == 144  # the size in Windows' own headers


@posix
def test_it_is_said_how_decoders_are_limited(monkeypatch):
    resource = Resource(limits={1: (-1, -1), 2: (0, 0)})
    monkeypatch.setitem(sys.modules, "resource", resource)
    monkeypatch.setattr(memory, "WATCHED", False)
    assert memory.how_limited(4 * 1024**3) == "4 GiB each, by a limit of the address space"
    resource.limits[1] = (-1, 3 * 1024**3)
    assert memory.how_limited(4 * 1024**3) == "3 GiB each, by a limit that was set before (ulimit -v)"
    monkeypatch.setattr(memory, "WATCHED", True)
    monkeypatch.setattr(memory, "footprint", lambda pid: 1)
    assert memory.how_limited(4 * 1024**3) == "4 GiB each, by watching them"
    monkeypatch.setattr(memory, "footprint", lambda pid: None)
    assert memory.how_limited(4 * 1024**3).startswith("not limited")
