"""File names in memory, for repeated globs."""

import sys

import pytest

from clipsearch.conditions import All, Below, Either, Not, Test
from clipsearch.store import database, image_table
from clipsearch.store.collection import Collection
from clipsearch.store.rows import Place
from clipsearch.types import ImageFile, ImageInfo
from tests.store.support import random_units, writer

NAMES = [f"IMG_{number:04}.jpg" for number in range(500)] + [
    "Dog [1].png",
    "salt\xadlake.PNG",
    "dog\nfood.png",
    "Kelvin.png",
]


def add(collection, names):
    root_id = collection.add_root(str(collection.folder.parent), {})
    for name, vector in zip(names, random_units(len(names), 8), strict=True):
        info = ImageInfo(width=1, height=1, format="PNG", content_hash=f"{abs(hash(name)):064x}"[-64:])
        collection.add(Place(root_id, "", name), ImageFile(str(collection.folder.parent / name), 1, 1), info, vector)
    collection.commit()


@pytest.fixture
def index(tmp_path):
    with writer(tmp_path / ".clipsearch", 8) as collection:
        add(collection, NAMES)
    return tmp_path / ".clipsearch"


def names_matching(collection, condition):
    return sorted(record.file.name for record in collection.records(collection.ids(condition).tolist()).values())


def narrowed(collection, condition):
    """The number of images left to check after an earlier name query; None if all are left."""
    collection.ids(condition)
    with collection.reading():
        among = collection._index.candidates(condition)
    return None if among is None else len(among)


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        (Test("name", "~", "*_01?7*"), None),
        (Test("name", "~", "*_012?*jpg"), 10),
        (Test("name", "~", "img_0123.JPG"), 1),
        (Test("name", "=", "img_0123.JPG"), 1),
        (Test("name", "~", "*dog*[[]1]*"), 1),
        (Test("name", "~", "dog*food*"), 1),
        (Test("name", "~", "[^]a]og*"), 2),
        (Test("name", "~", "[!]a]og*"), 2),
        (Either((Test("name", "~", "*0042*"), Test("name", "~", "dog*"))), 3),
        (All((Below("/"), Test("name", "~", "*0042*"))), 1),
        (Test("name", "~", "*nothing like it*"), 0),
        (Test("name", "~", "*jpg"), None),  # most have it
        (Test("name", "~", "*7*"), None),  # too short to be worth it
        (Test("name", "~", "*\xad*"), None),  # SQLite and Python agree on capitals of ASCII only
        (Not(Test("name", "~", "*0042*")), None),
        (Either((Test("name", "~", "*0042*"), Below("/"))), None),
        (Test("folder", "~", "*0042*"), None),
    ],
    ids=str,
)
def test_few_names_are_left_to_look_at_and_none_is_missed(index, condition, left):
    with Collection(index) as collection:
        before = names_matching(collection, condition)
        assert narrowed(collection, condition) == left
        assert names_matching(collection, condition) == before
        assert left is None or len(before) <= left


def test_a_glob_of_many_signs_takes_no_time(tmp_path):
    """The names start like the glob but end differently. Each has millions of ways to place the wildcards."""
    with writer(tmp_path / ".clipsearch", 8) as collection:
        others = [f"photo {number}.jpg" for number in range(500)]
        add(collection, [*others, *(f"IMG_20240101_123456_HDR_{number:03}.heic" for number in range(9))])
    with Collection(tmp_path / ".clipsearch") as collection:
        glob = Test("name", "~", "IMG_????????_??????.jpg")
        assert [names_matching(collection, glob) for _ in range(2)] == [[], []]
        assert narrowed(collection, glob) == 0


def test_names_that_another_process_adds_are_found(index):
    with Collection(index) as reader:
        glob = Test("name", "~", "*zebra*")
        assert [names_matching(reader, glob) for _ in range(3)] == [[], [], []]
        with writer(index, 8) as collection:
            add(collection, ["zebra 1.jpg"])
        assert [names_matching(reader, glob) for _ in range(3)] == [["zebra 1.jpg"]] * 3


@pytest.mark.skipif(sys.version_info < (3, 11), reason="SQLite's limit cannot be set")
def test_all_names_may_be_more_than_a_value_of_the_catalog_may_have(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "MOST_BYTES", 100_000)
    monkeypatch.setattr(image_table, "_NAMES_AT_ONCE", 100, raising=False)
    with writer(tmp_path / ".clipsearch", 8) as collection:
        add(collection, [f"{number:0200}.jpg" for number in range(1, 1050)])
        collection.remove([1, 100, 101, 777])
        collection.commit()
    with Collection(tmp_path / ".clipsearch") as collection:
        glob, meant = Test("name", "~", "*0099*"), [99, *range(990, 1000)]
        assert names_matching(collection, glob) == [f"{number:0200}.jpg" for number in meant]
        assert narrowed(collection, glob) == len(meant)
        assert names_matching(collection, glob) == [f"{number:0200}.jpg" for number in meant]


def test_an_index_without_photos_has_no_names(tmp_path):
    with writer(tmp_path / ".clipsearch", 8) as collection:
        assert [names_matching(collection, Test("name", "~", "*dog*")) for _ in range(3)] == [[], [], []]


NFC, NFD = (
    "Caf\u00e9 \u00c5.jpg",
    "Cafe\u0301 A\u030a.jpg",
)  # an accent with its letter, and after it, as macOS writes names


@pytest.mark.parametrize(
    ("text", "operator", "fits"),
    [
        (NFC, "=", True), (NFD, "=", True), (NFC.upper(), "=", True), ("Cafe A.jpg", "=", False),
        ("caf\u00e9*", "~", True), ("cafe\u0301*", "~", True), ("*\u00e5.JPG", "~", True),
        ("caf[\u00e8\u00e9] ?.jpg", "~", True),
        ("caf? ?.jpg", "~", True), ("caf?? ??.jpg", "~", False), ("caf[a-z] *", "~", False), ("CAF[!a-z] *", "~", True),
        ("caf*.jpg", "~", True), ("cafe\u0301? *", "~", False),
    ],
)  # fmt: skip
def test_an_accent_is_found_however_a_name_or_a_text_writes_it(tmp_path, text, operator, fits):
    with writer(tmp_path / ".clipsearch", 8) as collection:
        add(collection, [NFC, NFD, "other.jpg"])
        for _ in range(3):  # the second time, names are in memory
            assert names_matching(collection, Test("name", operator, text)) == (sorted([NFC, NFD]) if fits else [])
