"""How a command chooses its index."""

import os
import stat

import pytest

from clipsearch import SearchEngine
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


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_read_only_folder_is_noticed(photos):
    photos.chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert not index_for((str(photos),)).is_relative_to(photos)
    photos.chmod(0o700)
    save_photo(photos / "x.jpg")
