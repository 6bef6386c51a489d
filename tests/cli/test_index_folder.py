"""How a command chooses its index."""

import os
import shutil
import stat

import pytest

from clipsearch import SearchEngine
from clipsearch._internal.commands import quoted
from clipsearch.cli.choose_index import photos_without_index
from clipsearch.cli.find_index import find_index, index_for, remember_index
from clipsearch.errors import CollectionNotFound
from tests.conftest import save_photo


@pytest.fixture
def indexed(indexed_photos):
    return indexed_photos / ".clipsearch"


def test_the_nearest_index_at_or_above_is_found(indexed, photos):
    assert find_index(start=photos) == indexed
    assert find_index(start=photos / "trip") == indexed


def test_a_named_index_wins_and_may_be_named_by_its_photo_folder(indexed, photos, tmp_path):
    assert find_index(str(tmp_path / "other"), start=photos) == tmp_path / "other"
    assert find_index(str(photos), start=tmp_path) == indexed
    assert find_index(str(indexed), start=tmp_path) == indexed


def test_else_the_index_used_last(indexed, tmp_path):
    with pytest.raises(CollectionNotFound, match="clipsearch index FOLDER"):
        find_index(start=tmp_path)
    remember_index(indexed)
    assert find_index(start=tmp_path) == indexed


def test_a_remembered_index_that_is_gone_is_not_found(indexed, tmp_path):
    remember_index(tmp_path / "gone")
    with pytest.raises(CollectionNotFound):
        find_index(start=tmp_path)


def test_a_new_index_lies_in_the_first_folder_unless_one_is_above(photos, encoder, tmp_path):
    assert index_for((str(photos), str(tmp_path))) == photos / ".clipsearch"
    with SearchEngine.open(photos) as engine:
        engine.index()
    assert index_for((str(photos / "trip"),)) == photos / ".clipsearch"
    assert index_for((str(photos),), str(tmp_path / "x")) == tmp_path / "x"


def test_photos_that_cannot_be_written_beside_have_their_index_in_the_data_folder(
    photos, encoder, monkeypatch, tmp_path
):
    monkeypatch.setattr("clipsearch.cli.find_index.takes_index", lambda folder: False)
    index = index_for((str(photos),))
    assert not index.is_relative_to(photos)
    with SearchEngine(index) as engine:
        engine.index(photos)
    assert find_index(start=photos / "trip") == index
    assert find_index(str(photos), start=tmp_path) == index  # --index takes the photo folder, too
    shutil.rmtree(index)
    assert index_for((str(photos),), str(photos)) == index


@pytest.mark.parametrize("name", ["photos", "segments"])
def test_a_named_photo_folder_keeps_its_new_index_inside(clipsearch, photos, encoder, name, tmp_path):
    (photos / "trip").rename(photos / name)  # a folder of photos that is called like a part of an index
    before = sorted(photos.rglob("*"))
    index = photos / ".clipsearch"
    words = ("index", photos, "--model", "colours")
    assert clipsearch(*words, "--index", photos, "--dry-run")[0] == 0 and sorted(photos.rglob("*")) == before
    output = clipsearch(*words, "--index", photos)[1]
    assert f"index: {index} " in output and sorted(photos.iterdir()) == sorted({*photos.glob("[!.]*"), index})
    assert not (photos / "catalog.sqlite").exists()
    assert clipsearch(*words)[1].count("unchanged") == 1
    clipsearch("export", "all.npy", "--index", photos)
    shutil.rmtree(index)
    assert clipsearch("import", "all.npy", "--in", photos, "--index", photos, "--model", "colours")[0] == 0
    assert index.is_dir() and not (photos / "catalog.sqlite").exists()


def test_an_empty_or_new_folder_becomes_the_index_and_one_with_files_keeps_it_inside(photos, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "notes.txt").write_text("mine")
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "writer.lock").write_text("{}")  # another process is about to make it
    for name in ("empty", "new", "begun"):
        assert index_for((str(photos),), str(tmp_path / name)) == tmp_path / name
        assert SearchEngine(tmp_path / name).index_folder == tmp_path / name
    assert (
        index_for((str(tmp_path / "empty"),), str(tmp_path / "empty")) == tmp_path / "empty" / ".clipsearch"
    )  # --watch
    assert index_for((str(photos),), str(tmp_path / "used")) == tmp_path / "used" / ".clipsearch"
    assert SearchEngine(tmp_path / "used").index_folder == tmp_path / "used" / ".clipsearch"


def test_an_index_among_photos_goes_on_and_is_found_there(clipsearch, indexed, photos, tmp_path):
    early = tmp_path / "early"
    early.mkdir()
    with SearchEngine(early, model="colours") as engine:  # early versions made it there also if photos were there
        shutil.copytree(photos, early, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".clipsearch"))
        engine.index(early)
    shutil.copytree(early / "segments", early / "next" / "segments")
    shutil.copy(early / "catalog.sqlite", early / "next")  # a change of the model that goes on
    for start in (early, early / "trip", early / "next", early / "segments"):
        assert find_index(start=start) == early
    shutil.rmtree(early / "next")
    status, output, errors = clipsearch("status", cwd=early)
    assert (status, errors) == (0, "") and f"{early} (" in output and f"{early}: up to date" in output
    save_photo(early / "new.jpg", "yellow")
    assert "1 added" in clipsearch("index", early)[1] and not (early / ".clipsearch").exists()
    second = shutil.copytree(indexed, early / ".clipsearch")
    note = f"note: {early} is an index itself, and has another one inside; to use that: --index {quoted(second)}\n"
    for words in (["status", "--quick"], ["status", "--quick", "--index", early], ["index", early]):
        assert note in clipsearch(*words, cwd=early)[2]
    assert "note" not in clipsearch("status", "--quick", "--index", second, cwd=early)[2]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_read_only_folder_is_noticed(photos):
    photos.chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert not index_for((str(photos),)).is_relative_to(photos)
    photos.chmod(0o700)
    save_photo(photos / "x.jpg")


def test_a_folder_of_photos_without_index_is_told_beside_the_last_used_index(tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    monkeypatch.chdir(tmp_path)
    assert photos_without_index(None) == tmp_path and photos_without_index("photos") is None
    monkeypatch.chdir(tmp_path / "photos")
    assert photos_without_index(None) == tmp_path / "photos"
    (tmp_path / "photos" / "a.jpg").unlink()
    assert photos_without_index(None) is None  # the home folder, perhaps
