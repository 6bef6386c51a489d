"""A user may spell folders and files with other accents or capitals than the index."""

import os
import sys

import pytest

from clipsearch.conditions import Below
from clipsearch.errors import ClipsearchError
from clipsearch.indexing import roots
from clipsearch.store import path_lookup
from clipsearch.store.filters import composed
from clipsearch.store.rows import Place
from clipsearch.types import ImageFile, ImageInfo
from tests.store.support import random_units, writer

NFC, NFD = "Caf\u00e9", "Cafe\u0301"
PHOTOS = [f"{NFD}/in/a.jpg", f"{NFD}/\u00c5.jpg", "Summer/b.jpg", "c.jpg"]


@pytest.fixture
def collection(tmp_path):
    with writer(tmp_path / "B\u00fccher" / ".clipsearch", 8) as collection:
        (root_id,) = collection.roots()
        for path, vector in zip(PHOTOS, random_units(len(PHOTOS), 8), strict=True):
            folder, _, name = path.rpartition("/")
            info = ImageInfo(width=1, height=1, format="PNG", content_hash=f"{abs(hash(path)):064x}"[-64:])
            collection.add(Place(root_id, folder, name), ImageFile(path, 1, 1), info, vector)
        collection.commit()
        yield collection


@pytest.fixture
def no_capitals(monkeypatch):
    """A file system like that of macOS: it ignores capitals and Unicode spellings, and every path exists."""
    monkeypatch.setattr(os.path, "samefile", lambda *paths: len({composed(path.lower()) for path in paths}) == 1)
    monkeypatch.setattr(os.path, "lexists", lambda path: True)


def names_below(collection, folder):
    ids = collection.ids(Below(os.fspath(folder))).tolist()
    return sorted(record.file.name for record in collection.records(ids).values())


@pytest.mark.parametrize("root", ["B\u00fccher", "Bu\u0308cher"])
@pytest.mark.parametrize("folder", [NFC, NFD])
def test_a_folder_is_found_however_its_accents_are_written(collection, tmp_path, root, folder):
    assert names_below(collection, tmp_path / root / folder) == ["a.jpg", "\u00c5.jpg"]
    assert names_below(collection, tmp_path / root / folder / "in") == ["a.jpg"]
    assert names_below(collection, tmp_path / root) == sorted(os.path.basename(path) for path in PHOTOS)
    assert names_below(collection, tmp_path / root / "Cafe") == []


def test_a_folder_of_the_same_name_that_is_another_is_told_from_it(collection, tmp_path):
    """Linux distinguishes the two spellings and may have both."""
    for name in (NFC, NFD):
        (tmp_path / "B\u00fccher" / name).mkdir(parents=True, exist_ok=True)
    if len(os.listdir(tmp_path / "B\u00fccher")) == 2:
        pytest.skip("this file system does not tell them apart")
    assert names_below(collection, tmp_path / "B\u00fccher" / NFC) == []
    assert names_below(collection, tmp_path / "B\u00fccher" / NFD) == ["a.jpg", "\u00c5.jpg"]


def test_capitals_are_the_same_where_the_file_system_says_so(collection, tmp_path, no_capitals):
    shouted = tmp_path / "B\u00dcCHER"
    assert (
        names_below(collection, shouted / "summer")
        == ["b.jpg"]
        == names_below(collection, tmp_path / "B\u00fccher" / "SUMMER")
    )
    assert names_below(collection, shouted / NFC.upper() / "IN") == ["a.jpg"]
    assert roots.targets(collection, [], None, True) == roots.targets(collection, [shouted], None, True)
    assert list(collection.roots().values()) == [str(tmp_path / "B\u00fccher")]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="where capitals are the same")
def test_capitals_are_others_where_the_file_system_tells_them_apart(collection, tmp_path):
    assert names_below(collection, tmp_path / "B\u00fccher" / "summer") == []
    assert names_below(collection, tmp_path / "b\u00fccher") == []


def test_a_file_or_folder_is_forgotten_by_either_spelling(collection, tmp_path):
    assert roots.forget(collection, str(tmp_path / "B\u00fccher" / NFC / "A\u030a.jpg")) == 1
    assert roots.forget(collection, str(tmp_path / "Bu\u0308cher" / NFC)) == 1
    with pytest.raises(ClipsearchError, match="nothing below"):
        roots.forget(collection, str(tmp_path / "B\u00fccher" / NFC))


def test_what_is_known_as_it_is_written_is_not_looked_for(collection, tmp_path, monkeypatch):
    monkeypatch.setattr(type(collection._catalog), "folders", lambda *_: pytest.fail("reading every folder takes long"))
    assert names_below(collection, tmp_path / "B\u00fccher" / NFD) == ["a.jpg", "\u00c5.jpg"]
    assert names_below(collection, tmp_path / "B\u00fccher" / "nothing") == []
    assert path_lookup.is_same(os.fspath(tmp_path), os.fspath(tmp_path))
