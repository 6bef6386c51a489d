"""Captions in the catalog are kept, checked, moved and repaired with their photos. Older formats have none."""

import sqlite3
from dataclasses import replace

import pytest

from clipsearch.conditions import All, Either, Known, Not, Test
from clipsearch.errors import CollectionDamaged
from clipsearch.store.collection import Collection
from clipsearch.store.repair import repair
from clipsearch.store.rows import Place
from clipsearch.store.verify import verify
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import LONGEST_CAPTION, ImageFile, ImageInfo, clean_caption
from tests.store.support import downgrade, random_units, writer

CAPTIONS = ["a dog on a beach", None, "ein Käfer \U0001f41e", "x" * LONGEST_CAPTION, None, '<b>"=1+1"</b>']
VECTORS = random_units(len(CAPTIONS), 8)


def held(index):
    with Collection(index) as collection:
        return [record.info.caption for record in collection.records(range(1, 100)).values()]


def change(index, *statements):
    with sqlite3.connect(index / "catalog.sqlite") as database:
        for statement in statements:
            database.execute(statement)
    database.close()


@pytest.fixture
def index(tmp_path):
    folder = tmp_path / "photos" / ".clipsearch"
    with writer(folder, 8) as collection:
        (root_id,) = collection.roots()
        for number, (caption, vector) in enumerate(zip(CAPTIONS, VECTORS, strict=True)):
            info = ImageInfo(1, 1, "JPEG", f"{number:064x}", caption=caption)
            file = ImageFile(str(folder.parent / f"{number}.jpg"), number, 0)
            collection.add(Place(root_id, "", f"{number}.jpg"), file, info, vector)
        collection.commit()
    return folder


def test_what_was_given_is_kept_and_goes_with_its_photo(index):
    assert held(index) == CAPTIONS and verify(index).damages == ()
    with CollectionWriter(index) as collection:
        (root_id,) = collection.roots()
        moved = ImageFile(str(index.parent / "b" / "0.jpg"), 0, 5)
        collection.move(1, Place(root_id, "b", "0.jpg"), moved)
        collection.remove([3])
        collection.commit()
    assert held(index) == [*CAPTIONS[:2], *CAPTIONS[3:]] and verify(index).damages == ()
    with CollectionWriter(index) as collection:  # a root inside another root becomes part of it
        collection.add_root(str(index.parent.parent), {})
        collection.commit()
    assert held(index) == [*CAPTIONS[:2], *CAPTIONS[3:]] and verify(index).damages == ()


def test_a_caption_that_is_too_long_is_refused_whole(index):
    with CollectionWriter(index) as collection:
        record = collection.records([1])[1]
        info = replace(record.info, caption="x" * (LONGEST_CAPTION + 1))
        with pytest.raises(ValueError, match="at most 2,000"):
            collection.add(collection.place(record.file.path), record.file, info, VECTORS[0])
    assert held(index) == CAPTIONS


@pytest.mark.parametrize(
    ("image_id", "change_it"),
    [(1, "caption = 'a cat on a beach'"), (1, "caption = NULL"), (2, "caption = 'a dog'"), (3, "caption = x'00'")],
)
def test_a_caption_that_is_not_what_was_written_is_never_shown(index, image_id, change_it):
    change(index, f"UPDATE images SET {change_it} WHERE image_id = {image_id}")
    assert any("images, row" in damage.where for damage in verify(index).damages)
    with pytest.raises(CollectionDamaged, match=f"image {image_id} is damaged"):
        held(index)
    done = repair(index)
    assert done.kept == len(CAPTIONS) - 1 and verify(index).damages == ()
    assert held(index) == [*CAPTIONS[: image_id - 1], *CAPTIONS[image_id:]]


@pytest.mark.parametrize("version", [3, 4])
def test_an_older_format_has_none_and_is_read_filtered_repaired_and_upgraded(index, version):
    if version == 4:  # the checks of rows without a caption are those of format 4
        change(
            index, "DELETE FROM images WHERE caption IS NOT NULL", "INSERT INTO tombstones VALUES (1), (3), (4), (6)"
        )
    downgrade(index, version)
    count = len(CAPTIONS) if version < 4 else 2
    assert held(index) == [None] * count and verify(index).damages == ()
    with Collection(index) as collection:
        dog = Test("caption", "~", "*dog*")
        assert len(collection.ids(dog)) == len(collection.ids(Known("caption"))) == 0
        assert len(collection.ids(Not(dog))) == count
        assert len(collection.ids(Either((dog, All((Not(Known("caption")), Test("size", "<", 2))))))) == min(
            count, 1
        ) + (version < 4)
        assert collection._catalog.images.count_of(dog, lambda folder: ()) == 0 and collection.browse(
            dog, "name", 0, 5
        ) == ([], 0)
    victim = index / "segments" / "000001.faiss"
    data = bytearray(victim.read_bytes())
    data[-20] ^= 1
    victim.write_bytes(data)
    repair(index)
    assert verify(index).damages == ()
    with CollectionWriter(index) as collection:
        assert None not in collection._catalog.images.vector_checks(collection.ids().tolist()).values()
    assert verify(index).damages == ()


def test_captions_are_cleaned():
    assert clean_caption("  a\tdog\r\n on \x1b[31ma\0 beach ") == "a dog on [31ma beach"
    assert (
        clean_caption("\u202egpj.exe \ud800 ünï \U0001f469\u200d\U0001f680") == "gpj.exe ünï \U0001f469\u200d\U0001f680"
    )
    assert clean_caption(" \n\0 ") is clean_caption("") is clean_caption(None) is clean_caption(7) is None
    long = clean_caption("word " * 10**6)
    assert len(long) <= LONGEST_CAPTION and long.startswith("word word") and long.endswith("word")
    assert clean_caption(long) == long
