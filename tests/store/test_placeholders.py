"""Blurred pictures of a few bytes in the catalog: they stay with their photos, and nothing depends on them."""

import sqlite3
from contextlib import closing

import pytest

from clipsearch.store.collection import Collection
from clipsearch.store.repair import repair
from clipsearch.store.rows import Place
from clipsearch.store.verify import verify
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import ImageFile, ImageInfo, Moment
from tests.store.support import downgrade, random_units, writer

VECTORS = random_units(8, 8)
SMALL = [bytes([number]) * 36 for number in range(8)]
FILM = ImageInfo(4, 3, "MP4", "ff", moments=(Moment("second", 0.0), Moment("second", 9.0)))


def put(collection, name, info, vectors, placeholders=()):
    return collection.add(Place(1, "", name), ImageFile(name, 3, 0), info, vectors, "1", placeholders)


@pytest.fixture
def index(tmp_path):
    """Photo 1 has a placeholder, photo 2 has none, the film's two pictures are 3 and 4."""
    folder = tmp_path / "photos" / ".clipsearch"
    with writer(folder, 8) as collection:
        assert put(collection, "a.jpg", ImageInfo(4, 3, "JPEG", "aa"), VECTORS[0], SMALL[:1]) == 1
        assert put(collection, "b.jpg", ImageInfo(4, 3, "JPEG", "bb"), VECTORS[1]) == 2
        assert put(collection, "film.mp4", FILM, VECTORS[2:4], SMALL[2:4]) == 3
        collection.commit()
    return folder


def sql(index, statement, *values):
    with closing(sqlite3.connect(index / "catalog.sqlite", isolation_level=None)) as database:
        return database.execute(statement, values).fetchall()


def known(index):
    with Collection(index) as collection:
        return collection.placeholders([*range(1, 12)])


def test_each_picture_has_its_own(index):
    assert known(index) == {1: SMALL[0], 3: SMALL[2], 4: SMALL[3]}
    assert verify(index).damages == ()


def test_a_copy_has_that_of_the_first_and_a_removed_photo_leaves_none(index):
    with CollectionWriter(index) as collection:
        copy = put(collection, "copy.mp4", FILM, VECTORS[2:4])
        collection.remove([1, 3])
        collection.commit()
    assert known(index) == {copy: SMALL[2], copy + 1: SMALL[3]}
    assert verify(index).damages == ()


def test_an_index_of_an_older_format_has_none_until_it_gets_new_photos(index):
    downgrade(index, 8)
    assert known(index) == {} and verify(index).damages == ()
    with CollectionWriter(index) as collection:
        put(collection, "c.jpg", ImageInfo(4, 3, "JPEG", "cc"), VECTORS[5], SMALL[5:6])
        collection.commit()
    assert known(index) == {5: SMALL[5]} and verify(index).damages == ()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE placeholders SET pixels = x'00' WHERE image_id = 1",
        "UPDATE placeholders SET pixels = 'text' WHERE image_id = 1",
        "UPDATE placeholders SET row_check = 1 WHERE image_id = 1",
        "UPDATE placeholders SET image_id = 9 WHERE image_id = 1",
    ],
)
def test_a_damaged_one_is_noticed_and_a_repair_keeps_the_others(index, damage):
    sql(index, damage)
    assert any("placeholders" in found.where for found in verify(index).damages)
    assert known(index) == {3: SMALL[2], 4: SMALL[3]}
    assert repair(index).lost == ()
    assert known(index) == {3: SMALL[2], 4: SMALL[3]} and verify(index).damages == ()


def test_one_that_is_too_long_is_refused(index):
    with CollectionWriter(index) as collection, pytest.raises(ValueError, match="placeholder"):
        put(collection, "d.jpg", ImageInfo(4, 3, "JPEG", "dd"), VECTORS[5], [bytes(1000)])
