"""An index takes the place of another one: killed at any moment, that leaves the one or the other, whole."""

import os
import shutil
import sys

import numpy as np
import pytest

from clipsearch.errors import CollectionBusy, CollectionDamaged, CollectionError
from clipsearch.store import succession
from clipsearch.store.collection import Collection
from clipsearch.store.repair import repair
from clipsearch.store.verify import verify
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import Fingerprint
from tests.store.support import add, random_units, writer

OLD, NEW = random_units(60, 8), random_units(60, 12, seed=1)
OTHER = Fingerprint("other", "", "digest of other", 12)
NAMES = [f"{number:02}.jpg" for number in range(60)]
STEPS = {"os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir"}

listeners = []


@pytest.fixture(scope="module", autouse=True)
def hook():
    """Python tells of every change of a folder before it happens. Such a hook stays until the process ends."""
    sys.addaudithook(lambda event, arguments: [listener(event, arguments) for listener in listeners[-1:]])


@pytest.fixture
def index(tmp_path):
    folder = tmp_path / "photos" / ".clipsearch"
    with writer(folder, 8) as collection:
        for start in (0, 30):
            add(collection, NAMES[start : start + 30], OLD[start : start + 30])
            collection.commit()
    return folder


def build(old, *, keep_old=False):
    successor = old.begin_successor(OTHER, keep_old=keep_old)
    for start in (0, 20, 40):
        add(successor, NAMES[start : start + 20], NEW[start : start + 20])
        successor.commit()
    return successor


def state_of(folder, opened=Collection):
    """Which of the two indexes is there, after checking each of its vectors."""
    with opened(folder) as collection:
        vectors = OLD if collection.fingerprint.dim == 8 else NEW
        records = sorted(collection.all_records(), key=lambda record: record.file.name)
        assert [record.file.path for record in records] == [str(folder.parent / name) for name in NAMES]
        found = collection.vectors([record.image_id for record in records])
        np.testing.assert_array_equal(found, vectors)
    assert verify(folder).damages == ()
    return "old" if vectors is OLD else "new"


def snapshots(index, keep_old):
    """The photo folder as a kill would leave it before each step of a change of model; and at its end."""
    taken = []

    def take():
        copy = index.parents[1] / f"kill-{len(taken):03}"
        shutil.copytree(index.parent, copy)
        taken.append(copy / ".clipsearch")

    def listen(event, arguments):
        if event in STEPS and any(str(index) in str(argument) for argument in arguments):
            listeners.append(lambda *_: None)  # the copy is no step
            try:
                take()
            finally:
                listeners.pop()

    listeners.append(listen)
    try:
        with CollectionWriter(index) as old:
            old.hand_over(build(old, keep_old=keep_old), keep_old=keep_old)
    finally:
        listeners.pop()
    take()
    return taken


@pytest.mark.parametrize("keep_old", [False, True])
def test_a_kill_before_any_step_leaves_the_old_index_or_the_new_one(index, keep_old):
    taken = snapshots(index, keep_old)
    read = [state_of(folder) for folder in taken]
    written = [state_of(folder, CollectionWriter) for folder in taken]
    assert read == sorted(read, reverse=True) and written == sorted(written, reverse=True)  # never back to the old one
    assert read.count("new") >= 3 and written.count("new") > read.count("new") + 5  # a writer finishes what was begun
    for folder, state in zip(taken, written, strict=True):
        if state == "new":
            assert not (folder / "next").exists() and len(list((folder / "segments").iterdir())) == 3
            continue
        with CollectionWriter(folder) as old:  # the same command is run again
            successor = old.begin_successor(OTHER, keep_old=keep_old)
            left = [name for name in NAMES if not successor.known_file(successor.place(str(folder.parent / name)))]
            add(successor, left, NEW[len(NAMES) - len(left) :])
            successor.commit()
            old.hand_over(successor, keep_old=keep_old)
        assert state_of(folder) == "new"
        assert (folder / "previous").exists() == keep_old


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be replaced there")
def test_readers_have_the_old_index_until_they_look_again(index):
    with Collection(index) as reader, CollectionWriter(index) as old:
        ids = reader.ids().tolist()
        scan = reader.scan(block=10)
        blocks = [next(scan)[1]]
        old.hand_over(build(old), keep_old=False)
        blocks += [vectors for _, vectors in scan]
        np.testing.assert_array_equal(np.concatenate(blocks), OLD)
        assert reader.ids().tolist() == ids and len(old) == 60  # ids are counted anew
        add(old, ["new.jpg"], random_units(1, 12, seed=7))
        old.commit()  # the writer goes on with the new one
    assert verify(index).damages == () and verify(index).images == 61


def test_a_kept_index_is_whole_and_has_no_vectors_twice(index):
    with CollectionWriter(index) as old:
        kept = old.hand_over(build(old), keep_old=True)
        with old.previous() as previous:
            assert previous.fingerprint.dim == 8
            np.testing.assert_array_equal(previous.vectors(previous.ids().tolist()), OLD)
    assert kept == index / "previous" and verify(kept).damages == ()


def test_disks_without_hard_links_copy(index, monkeypatch):
    def refuse(*_):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with CollectionWriter(index) as old:
        kept = old.hand_over(build(old), keep_old=True)
    assert verify(kept).damages == () and state_of(index) == "new"


def test_a_repair_finishes_what_was_begun(index):
    with CollectionWriter(index) as old, pytest.MonkeyPatch.context() as patch:
        patch.setattr(succession, "finish_replacement", lambda folder: None)
        old.hand_over(build(old), keep_old=False)
    assert state_of(index) == "old"
    assert repair(index).kept == 60
    assert state_of(index) == "new"


def test_windows_that_keeps_the_old_catalog_is_said_and_finished_later(index, monkeypatch):
    def refuse(source, target, real=os.replace):
        if str(target).endswith("catalog.sqlite"):
            raise PermissionError(13, "in use", str(target), 32)
        real(source, target)

    monkeypatch.setattr("clipsearch.store.database.is_in_use", lambda error: True)
    monkeypatch.setattr("clipsearch.store.database.put_in_place", refuse)
    with (
        CollectionWriter(index) as old,
        pytest.raises(CollectionBusy, match=r"new index .* is whole, but another"),
    ):
        old.hand_over(build(old), keep_old=False)
    monkeypatch.undo()
    assert state_of(index) == "old"
    assert state_of(index, CollectionWriter) == "new"


def test_files_of_the_same_names_are_refused(index):
    with CollectionWriter(index) as old:
        successor = build(old)
        (index / "next" / "segments" / "000001.faiss").write_bytes(b"")
        with pytest.raises(CollectionError, match=r"files of the same names \(000001\.faiss\)"):
            old.hand_over(successor, keep_old=False)
    assert state_of(index) == "old"


def test_a_folder_of_vectors_that_is_a_link_is_not_emptied(index, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "000007.faiss").write_bytes(b"mine")
    with CollectionWriter(index) as old, pytest.MonkeyPatch.context() as patch:
        patch.setattr(succession, "finish_replacement", lambda folder: None)
        old.hand_over(build(old), keep_old=False)
    shutil.rmtree(index / "next" / "segments")
    os.symlink(tmp_path / "mine", index / "next" / "segments")
    with pytest.raises(CollectionDamaged, match="is a symbolic link"):
        CollectionWriter(index)
    assert (tmp_path / "mine" / "000007.faiss").exists()
