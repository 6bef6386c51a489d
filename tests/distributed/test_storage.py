"""Remote photos and parts: they are read ahead, refused, cleared away, and shared between indexes."""

import signal
import subprocess
import sys
import threading

import pytest

from clipsearch import SearchEngine
from clipsearch.distributed import chunks, planning, storage
from clipsearch.distributed.chunks import FilesChunk
from clipsearch.distributed.parts import Part, read_files
from clipsearch.distributed.storage import AT_ONCE
from clipsearch.errors import ClipsearchError, StorageError
from clipsearch.images.files import ReadLimits
from clipsearch.types import ImageFile
from tests.conftest import ROOT, save_photo
from tests.distributed.conftest import content, jpeg, run, save_tar

pytest.importorskip("pyarrow")


@pytest.mark.timeout(30)
@pytest.mark.parametrize("order", ["first to last", "last to first"])
def test_few_photos_elsewhere_are_in_memory_at_a_time(monkeypatch, order):
    """Photos that wait for a decoder count too."""
    begun, taken, at_once = [], [], []

    def read(file, max_bytes):
        with lock:
            begun.append(file.path)
            at_once.append(len(begun) - len(taken))
        return file.path.encode()

    lock = threading.Lock()
    monkeypatch.setattr(chunks, "read_remote", read)
    paths = [f"s3://bucket/{n}.jpg" for n in range(100)]
    with FilesChunk(tuple(ImageFile(path, 1, 1) for path in paths)).open(ReadLimits()) as photos:
        files = list(photos.files)
        for file in files if order == "first to last" else reversed(files):
            data = file.load()
            with lock:
                taken.append(data.decode())
    assert sorted(taken) == sorted(begun) == sorted(paths) and max(at_once) <= AT_ONCE + 1


def test_a_node_without_rights_is_at_fault_and_not_the_photos(memory, tmp_path, in_place, monkeypatch):
    """Known photos stay known. If only some photos may not be read, each of them is a failure."""
    for number in range(3):
        memory.pipe(f"/bucket/{number}.jpg", jpeg((number, 9, 9), str(number)))
    run(tmp_path / "index", "memory://bucket")
    for number in range(3):
        memory.pipe(f"/bucket/{number}.jpg", jpeg((number, 90, 9), str(number)))
    known = content(tmp_path / "index")
    real = type(memory).cat_file
    forbidden = {f"/bucket/{number}.jpg" for number in range(3)}

    def cat_file(self, path, **options):
        if path in forbidden:
            raise PermissionError("Forbidden")
        return real(self, path, **options)

    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.cat_file", cat_file)
    with pytest.raises(StorageError, match="any of 3 photos"):
        run(tmp_path / "index", "memory://bucket")
    assert content(tmp_path / "index") == known
    forbidden -= {"/bucket/1.jpg"}
    assert run(tmp_path / "index", "memory://bucket").failed == 2


def test_a_folder_elsewhere_may_be_called_like_an_archive(memory, tmp_path, in_place):
    for name in ("a.tar/x.jpg", "a.tar/sub/y.jpg", "z.jpg", "w.jpg"):
        memory.pipe(f"/bucket/{name}", jpeg("red", name))
    memory.put_file(str(save_tar(tmp_path / "b.tar", [("v.jpg", jpeg("blue"))])), "/bucket/a.tar/b.tar")
    run(tmp_path / "index", "memory://bucket", "memory://bucket/a.tar/b.tar")
    memory.rm("/bucket/a.tar/sub", recursive=True)
    assert run(tmp_path / "index", "memory://bucket").removed == 1
    # The count includes the photo from the archive in the folder.
    assert run(tmp_path / "index", "memory://bucket").unchanged == 4
    assert storage.find_file("memory://bucket/a.tar") is None


def test_indexes_that_share_a_folder_for_parts_leave_each_others_alone(tmp_path, in_place, monkeypatch):
    for number in range(40):
        save_photo(tmp_path / "photos" / f"{number}.jpg", (number, 9, 9), note=str(number))
    parts = tmp_path / "parts"  # shared by both indexes
    monkeypatch.setattr(in_place, "die_after", 1)
    run(tmp_path / "one", tmp_path / "photos", parts=str(parts))
    (kept,) = parts.iterdir()
    monkeypatch.setattr(in_place, "die_after", None)
    assert run(tmp_path / "two", tmp_path / "photos", parts=str(parts)).reused == 0
    assert list(parts.iterdir()) == [kept]
    assert run(tmp_path / "one", tmp_path / "photos", parts=str(parts)).reused == 1
    assert content(tmp_path / "one") == content(tmp_path / "two") and not list(parts.iterdir())


def test_a_part_that_is_gone_is_said_to_be(tmp_path):
    with pytest.raises(ClipsearchError, match="Run this again"):
        list(read_files(str(tmp_path), Part("a" * 32, "b" * 64)))


@pytest.mark.skipif(sys.platform == "win32", reason="a file there has a name as long as it is open")
def test_a_worker_that_is_killed_leaves_no_part_behind(tmp_path):
    script = (
        "import sys, time; from clipsearch.distributed.parts import write_part; from clipsearch.types import *\n"
        "def slow():\n"
        "    for _ in range(2000): yield Failure(ImageFile('/a', 1, 1), 'x')\n"
        "    print(flush=True); time.sleep(60)\n"
        "write_part(sys.argv[1], 'a' * 32, slow(), {}, Fingerprint('m', '', 'd', 4, 'fp32'))"
    )
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    worker = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "parts")],
        cwd=ROOT,
        env={"TMPDIR": str(scratch), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    assert worker.stdout.readline() == b"\n"
    worker.send_signal(signal.SIGKILL)
    worker.communicate()
    assert not list(scratch.iterdir())


def test_a_home_that_nobody_has_is_a_folder_that_is_not_there(tmp_path, in_place):
    for sources, parts in ((["~nosuchuser/x.tar"], None), (["~nosuchuser/photos"], None), ([], "~nosuchuser/parts")):
        with SearchEngine(tmp_path / "index") as engine, pytest.raises(ClipsearchError):
            engine.index_on_cluster(*sources, parts=str(parts))
    assert planning._by_kind(["~nosuchuser/x.tar"])[0] == ["~nosuchuser/x.tar"]
