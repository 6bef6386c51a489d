"""Files that appear whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from clipsearch._internal import atomic_files as replacing_module
from clipsearch._internal.atomic_files import replacing
from clipsearch.errors import ClipsearchError


def test_a_file_appears_when_it_is_whole(tmp_path):
    target = tmp_path / "a.txt"
    with replacing([target], force=False) as (path,):
        path.write_text("whole")
        assert not target.exists() and path.parent == tmp_path
    assert target.read_text() == "whole" and list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("force", [False, True])
def test_what_fails_leaves_nothing_and_takes_nothing(tmp_path, force):
    old = tmp_path / "old.txt"
    old.write_text("mine")
    target = old if force else tmp_path / "new.txt"
    with pytest.raises(KeyboardInterrupt), replacing([target], force=force) as (path,):
        path.write_text("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == [old] and old.read_text() == "mine"


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_there_is_refused(tmp_path, kind):
    target = tmp_path / "a.txt"
    {
        "file": target.touch,
        "folder": target.mkdir,
        "link": lambda: target.symlink_to(tmp_path / "nowhere"),
    }[kind]()
    message = "is a folder" if kind == "folder" else "there already; `force=True`"
    with pytest.raises(ClipsearchError, match=message), replacing([target], force=False):
        raise AssertionError("not this far")


def test_a_file_that_comes_meanwhile_is_kept(tmp_path):
    target = tmp_path / "a.txt"
    with pytest.raises(ClipsearchError, match="there already"), replacing([target], force=False) as (path,):
        path.write_text("ours")
        target.write_text("theirs")
    assert target.read_text() == "theirs" and list(tmp_path.iterdir()) == [target]


def test_long_names_that_begin_alike_do_not_meet(tmp_path):
    targets = [tmp_path / f"{'名' * 80}.{suffix}" for suffix in ("npy", "jsonl")]
    with replacing(targets, force=False) as paths:
        for number, path in enumerate(paths):
            path.write_text(str(number))
    assert [target.read_text() for target in targets] == ["0", "1"]


class Fcntl:
    """Imitates the sync call of macOS. With `error`, the file system does not support it."""

    F_FULLFSYNC = 51

    def __init__(self, error=None):
        self.asked, self.error = [], error

    def fcntl(self, descriptor, command):
        self.asked.append(command)
        if self.error:
            raise OSError(self.error, os.strerror(self.error))


@pytest.mark.parametrize(("error", "synced"), [(None, 0), (errno.ENOTSUP, 1), (errno.ENOTTY, 1)])
def test_on_macos_a_file_is_synced_past_the_drives_own_memory(tmp_path, monkeypatch, error, synced):
    system, plain = Fcntl(error), []
    monkeypatch.setattr(replacing_module, "fcntl", system)
    monkeypatch.setattr(os, "fsync", plain.append)
    with replacing([tmp_path / "a"], force=False) as (path,):
        path.write_text("x")
    assert system.asked == [51] and len(plain) == synced


def test_a_drive_that_fails_to_sync_is_not_asked_again_in_another_way(tmp_path, monkeypatch):
    monkeypatch.setattr(replacing_module, "fcntl", Fcntl(errno.EIO))
    with pytest.raises(ClipsearchError, match="cannot write"), replacing([tmp_path / "a"], force=False) as (path,):
        path.write_text("x")
    assert list(tmp_path.iterdir()) == []


def test_only_one_place_calls_fsync():
    code = Path(replacing_module.__file__).parents[1]
    calling = [path.name for path in code.rglob("*.py") if "os.fsync(" in path.read_text("utf-8")]
    assert calling == ["atomic_files.py"]
