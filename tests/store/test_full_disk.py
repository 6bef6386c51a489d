"""If a file cannot be written, the error names the file and the reason, and the old file stays whole."""

import errno
import os
from pathlib import Path

import pytest

from clipsearch._internal.atomic_files import replacing
from clipsearch.errors import ClipsearchError
from tests.cli.running import run_here

FULL = Path("/dev/full")


@pytest.fixture
def full(monkeypatch):
    """Put every temporary file of an atomic write on a full disk."""
    if not FULL.exists():
        pytest.skip("there is no /dev/full here")
    with_name = Path.with_name

    def on_a_full_disk(self, name):
        path = with_name(self, name)
        if name.endswith(".partial") and not os.path.lexists(path):
            path.symlink_to(FULL)
        return path

    monkeypatch.setattr(Path, "with_name", on_a_full_disk)


WRITING = {
    "npy": ("export", "x.npy"),
    "csv": ("export", "x.csv"),
    "jsonl": ("export", "x.jsonl"),
    "parquet": ("export", "x.parquet"),
    "html": ("query", "red", "--html", "x.html"),
    "jpg": ("query", "red", "--contact-sheet", "x.jpg"),
    "pdf": ("query", "red", "--contact-sheet", "x.pdf"),
    "stats": ("stats", "--png", "x.png"),
    "labels": ("label", "--label", "red", "--label", "blue", "--html", "x.html"),
    "duplicates": ("duplicates", "--exact", "--html", "x.html"),
}


@pytest.mark.parametrize("kind", WRITING)
def test_a_full_disk_is_told_by_the_file_s_name_and_costs_nothing(engine, photos, tmp_path, full, kind, capfd):
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    (photos / "copy.jpg").write_bytes((photos / "red.jpg").read_bytes())
    engine.index()
    (tmp_path / "out").mkdir()
    name = WRITING[kind][-1]
    old = tmp_path / "out" / name
    old.write_text("mine")
    status, _, errors = run_here(*WRITING[kind], "--force", "--index", engine.index_folder, cwd=tmp_path / "out")
    assert status == 1 and "cannot write" in errors and name in errors and "unchanged" in errors, errors
    assert "catalog" not in errors and ("No space left" in errors or kind == "pdf"), errors  # PDF seeks there first
    assert capfd.readouterr().err == ""  # no exception was ignored
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name] and old.read_text() == "mine"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO, errno.EDQUOT, errno.EFBIG])
def test_every_reason_is_the_system_s_own_word_and_the_file_s_name(tmp_path, number):
    target = tmp_path / "x.bin"
    target.write_text("mine")
    with pytest.raises(ClipsearchError, match=r"cannot write .*x\.bin") as raised, replacing([target], force=True):
        raise OSError(number, os.strerror(number))
    assert os.strerror(number) in str(raised.value) and target.read_text() == "mine"


def test_an_error_of_another_file_is_not_taken_for_one_of_the_target_s(tmp_path):
    with pytest.raises(FileNotFoundError, match="elsewhere"), replacing([tmp_path / "x.bin"], force=True):
        (tmp_path / "elsewhere").read_bytes()


def test_a_folder_that_goes_meanwhile_is_told(tmp_path):
    (tmp_path / "out").mkdir()
    with (
        pytest.raises(ClipsearchError, match=r"cannot write .*x\.bin: No such file"),
        replacing([tmp_path / "out" / "x.bin"], force=True) as (path,),
    ):
        (tmp_path / "out").rmdir()
        path.write_bytes(b"x")


@pytest.mark.parametrize(
    "error",
    [MemoryError(), ImportError("x.so: failed to map segment from shared object"), RuntimeError("std::bad_alloc")],
    ids=repr,
)
def test_too_little_memory_is_no_bug(engine, photos, monkeypatch, error):
    def too_much(*_, **__):
        raise error

    monkeypatch.setattr("clipsearch.engine.SearchEngine.stats", too_much)
    status, _, errors = run_here("stats", cwd=photos)
    assert status == 1 and "not enough memory" in errors
