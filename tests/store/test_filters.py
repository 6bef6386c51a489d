"""Conditions in the catalog give the same results as the same conditions in Python."""

import math
import random
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest

from clipsearch.conditions import All, Among, Below, Either, Known, Near, Not, Test, Within
from clipsearch.errors import QueryError
from clipsearch.store.collection import Collection
from clipsearch.store.filters import km_between
from clipsearch.store.memory_catalog import MemoryCatalog
from clipsearch.store.path_lookup import PathLookup
from clipsearch.store.rows import Place
from clipsearch.store.several import SeveralCollections
from clipsearch.store.whole_paths import with_whole_paths
from clipsearch.types import ImageFile, ImageInfo
from tests.store.support import add, random_units, writer

CAMERAS = [None, "Canon EOS 5D", "canon powershot", "NIKON D90", "Pixel 7 [main]"]


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos") / ".clipsearch"
    chance = random.Random(0)
    with writer(folder, 8) as collection:
        root_id = collection.add_root(str(folder.parent), {})
        for number, vector in enumerate(random_units(300, 8)):
            inside = chance.choice(["", "trip", "trip/day 1", "trip2", "Trip"])
            name = f"{chance.choice(['IMG_', 'img ', 'ä'])}{number}.{chance.choice(['jpg', 'PNG'])}"
            when = datetime(2023, 12, 30) + timedelta(minutes=chance.randrange(5000)) if chance.random() < 0.7 else None
            info = ImageInfo(
                width=chance.choice([100, 200, 300]),
                height=chance.choice([100, 200, 400]),
                format=chance.choice(["JPEG", "PNG"]),
                content_hash=f"{number:064x}",
                taken_at=when,
                camera=chance.choice(CAMERAS),
                gps=(chance.uniform(-90, 90), chance.uniform(-180, 180)) if chance.random() < 0.8 else None,
                caption=chance.choice([None, "A dog on a beach", "two DOGS", "ein Käfer [rot]", "100% cat"]),
            )
            file = ImageFile(str(folder.parent / inside / name), chance.randrange(10_000), 0)
            collection.add(Place(root_id, inside, name), file, info, vector)
        collection.commit()
    return folder


def holds(condition, record, root):
    """The definition, in a few lines of Python."""
    if isinstance(condition, All):
        return all(holds(part, record, root) for part in condition.conditions)
    if isinstance(condition, Either):
        return any(holds(part, record, root) for part in condition.conditions)
    if isinstance(condition, Not):
        return not holds(condition.condition, record, root)
    if isinstance(condition, Below):
        return Path(record.file.path).is_relative_to(condition.folder) and record.file.path != condition.folder
    if isinstance(condition, Within):
        if record.info.gps is None:
            return False
        (latitude, longitude), (west, east) = record.info.gps, (condition.west, condition.east)
        beside = west <= longitude <= east if west <= east else longitude >= west or longitude <= east
        return condition.south <= latitude <= condition.north and beside
    if isinstance(condition, Near):
        gps = record.info.gps
        return gps is not None and km_between(*gps, condition.latitude, condition.longitude) <= condition.km
    info, relative = record.info, Path(record.file.path).relative_to(root)
    value = {
        "name": relative.name, "folder": "" if relative.parent == Path() else relative.parent.as_posix(),
        "path": relative.as_posix(), "format": info.format, "camera": info.camera, "width": info.width, "height": info.height,
        "megapixels": info.width * info.height / 1e6, "size": record.file.size,
        "taken": info.taken_at.isoformat() if info.taken_at else None,
        "orientation": "landscape" if info.width > info.height else "portrait" if info.width < info.height else "square",
        "latitude": info.gps and info.gps[0], "longitude": info.gps and info.gps[1], "caption": info.caption,
    }[condition.field]  # fmt: skip
    if isinstance(condition, Known):
        return value is not None
    if value is None:
        return False
    other = condition.value
    if condition.operator == "~":
        return fnmatchcase(value.lower(), other.lower())
    if isinstance(value, str) and condition.field != "taken":
        value, other = value.lower(), other.lower()
    return {
        "=": value == other,
        "!=": value != other,
        "<": value < other,
        "<=": value <= other,
        ">": value > other,
        ">=": value >= other,
    }[condition.operator]


LEAVES = [
    Test("name", "=", "Ä7.JPG"), Test("name", "!=", "Ä9.png"), Test("name", "~", "*_1%*"), Test("name", "~", "Ä[12]*"),
    Test("name", "~", "img*.jpg"), Test("name", "~", "*1?.png"), Test("name", "=", "img_3.JPG"), Test("name", "~", "Ä*"),
    Test("name", "!=", "img 5.png"), Test("folder", "=", "trip"), Test("folder", "~", "trip/*"), Test("folder", "=", ""),
    Test("path", "~", "trip/day*jpg"), Test("path", "~", "img*"), Test("format", "=", "png"), Test("camera", "~", "*canon*"),
    Test("camera", "=", "nikon d90"), Test("camera", "!=", "NIKON D90"), Test("camera", "~", "*[[]main]"), Known("camera"),
    Test("width", ">", 100), Test("height", "<=", 200), Test("width", "!=", 200), Test("megapixels", ">=", 0.04),
    Test("size", "<", 5000), Test("taken", ">=", "2024-01-01T00:00:00"), Test("taken", "<", "2023-12-31T12:00:00"),
    Known("taken"), Test("orientation", "=", "Portrait"), Test("latitude", ">", 0), Test("longitude", "<=", -10.5),
    Known("latitude"), Near(0, 0, 5000), Near(80, 179, 3000), Near(-60, -170, 4000), Near(48, 11, 1), Near(10, 100, 20015.2),
    Within(-20, -30, 40, 50), Within(-60, 150, 60, -150), Within(-90, -180, 90, 180), Within(10, 20, 10, 20),
    Test("caption", "~", "*dog*"), Test("caption", "=", "TWO dogs"), Test("caption", "!=", "two dogs"), Known("caption"),
    Test("caption", "~", "*KÄFER*"), Test("caption", "~", "*[[]rot]"), Test("caption", "~", "100%*"),
]  # fmt: skip


def found_and_expected(index, condition):
    with Collection(index) as collection:
        records = list(collection.all_records())
        expected = sorted(record.image_id for record in records if holds(condition, record, str(index.parent)))
        ids = collection.ids(condition).tolist()
        assert collection.ids(condition).tolist() == ids  # by the names in memory, this time
        return ids, expected


@pytest.mark.parametrize("condition", LEAVES, ids=str)
def test_a_condition_and_its_opposite(index, condition):
    ids, expected = found_and_expected(index, condition)
    assert ids == expected
    opposite, expected = found_and_expected(index, Not(condition))
    assert opposite == expected
    assert len(ids) + len(opposite) == 300


def test_conditions_within_conditions(index):
    chance = random.Random(1)

    def random_condition(depth):
        if depth == 0:
            return chance.choice(LEAVES)
        parts = tuple(random_condition(depth - 1) for _ in range(chance.randrange(3)))
        return chance.choice([All(parts), Either(parts), Not(random_condition(depth - 1))])

    sizes = set()
    for _ in range(150):
        ids, expected = found_and_expected(index, random_condition(3))
        assert ids == expected
        sizes.add(len(ids))
    assert len(sizes) > 20


def test_photos_are_chosen_by_their_ids(index):
    with Collection(index) as collection:
        every = collection.ids().tolist()
        assert collection.ids(Among(tuple(every[5:40:3]))).tolist() == every[5:40:3]
        assert collection.ids(All((Among((every[0], 10**12)), Not(Among((every[1],)))))).tolist() == every[:1]
        assert collection.ids(Among(())).tolist() == []
        assert sum(count for _, count in collection.count_by("format", Among(tuple(every[:70])))) == 70


def test_positions_are_those_of_the_photos_that_have_one(index):
    with Collection(index) as collection:
        records = {record.image_id: record.info.gps for record in collection.all_records() if record.info.gps}
        positions = collection.positions()
        assert {image_id: (north, east) for image_id, north, east in positions} == records
        assert [image_id for image_id, *_ in collection.positions(Within(0, -180, 90, 180), 5)] == [
            image_id for image_id in sorted(records, reverse=True) if records[image_id][0] >= 0
        ][:5]


@contextmanager
def matching(names):
    """A function that returns the names that a glob matches."""
    with MemoryCatalog() as catalog:
        catalog.insert(["image_id", "name"], [(number, name.encode()) for number, name in enumerate(names)])
        yield lambda glob: {
            names[number] for number in catalog.ids(Test("name", "~", glob), lambda folder: ()).tolist()
        }


@pytest.mark.parametrize("head", ["", "é"], ids=["by SQLite", "by Python"])
@pytest.mark.parametrize(
    ("glob", "names"),
    [
        ("[!a]1", "b1 !1 ^1 [1 ]1"),
        ("[^A]1", "b1 !1 ^1 [1 ]1"),
        ("[!]a]1", "b1 !1 ^1 [1"),
        ("[^]a]1", "b1 !1 ^1 [1"),
        ("[]a]1", "a1 ]1"),
        ("[a!^]1", "a1 !1 ^1"),
        ("[[!]1", "[1 !1"),
        ("[^^]1", "a1 b1 !1 [1 ]1"),
        ("[a-b]1", "a1 b1"),
        ("[1", "[1"),
        ("[[]1", "[1"),
        ("[!]1", ""),
    ],
)
def test_a_glob_means_the_same_whatever_its_letters(head, glob, names):
    with matching([head + name for name in ("a1", "b1", "!1", "^1", "[1", "]1")]) as found_by:
        assert found_by(head + glob) == {head + name for name in names.split()}


def test_globs_of_all_kinds_mean_the_same_to_sqlite_and_to_python():
    chance = random.Random(2)
    names = sorted({"".join(chance.choices("ab[]^!", k=chance.randint(1, 4))) for _ in range(300)})
    matches = 0
    with matching(names) as by_sqlite, matching([f"é{name}" for name in names]) as by_python:
        for _ in range(400):
            glob = "".join(chance.choices(["a", "b", "[", "]", "!", "^", "*", "?", "[!", "[^", "[]", "[^]"], k=4))
            matched = by_sqlite(glob)
            assert {f"é{name}" for name in matched} == by_python(f"é{glob}"), glob
            matches += bool(matched)
    assert matches > 100


def test_a_text_that_can_be_in_no_name_is_said_to_be(index):
    for operator in ("=", "!=", "~"):
        with Collection(index) as collection, pytest.raises(QueryError, match="half of a character"):
            collection.ids(Test("name", operator, "a\ud800"))
    with Collection(index) as collection, pytest.raises(QueryError, match="half of a character"):
        collection.ids(Below(str(index.parent / "a\ud800")))


def test_conditions_may_be_many(index):
    many = [Test("width", "=", number) for number in range(2_500)]
    for condition, meant in (
        (Either(tuple(many)), Known("width")),
        (Either(tuple(many[150:])), Test("width", ">", 150)),
        (All(tuple(map(Not, many[150:]))), Test("width", "<", 150)),
        (Either((All(tuple(map(Not, many))), Either(tuple(many[150:])))), Test("width", ">", 150)),
    ):
        with Collection(index) as collection:
            assert collection.ids(condition).tolist() == collection.ids(meant).tolist()
            assert len(collection.ids(condition))


def test_a_folder_may_have_many_roots():
    with MemoryCatalog() as catalog:
        catalog.insert(["image_id", "root_id", "folder"], [(number, number, b"trip") for number in range(1, 2001)])
        places = [(number, "trip" if number % 2 else "other") for number in range(1, 2001)]
        assert catalog.ids(Below("/photos"), lambda folder: places).tolist() == list(range(1, 2001, 2))


ROOT = "ROOT"  # stands for the folder of the photos


@pytest.mark.parametrize(
    ("whole", "relative"),
    [
        (("path", "~", f"{ROOT}/trip/img*"), Test("path", "~", "trip/img*")),
        (("path", "~", f"{ROOT}/*"), All(())),
        (("path", "~", f"{ROOT}*g"), Test("path", "~", "*g")),
        (("path", "~", "/*/trip/*"), Either((Test("path", "~", "*/trip/*"), Test("path", "~", "trip/*")))),
        (("path", "~", "/*/[!u]rip/*jpg"), Test("path", "~", "trip/*jpg")),
        (("path", "~", "/elsewhere/*"), Either(())),
        (("path", "=", f"{ROOT}/trip"), Either(())),
        (("path", "=", ROOT), Either(())),
        (("folder", "=", ROOT), Test("folder", "=", "")),
        (("folder", "=", f"{ROOT}/trip/"), Test("folder", "=", "trip")),
        (("folder", "!=", f"{ROOT}/trip"), Test("folder", "!=", "trip")),
        (("folder", "!=", "/elsewhere"), All(())),
        (("folder", "~", f"{ROOT}/*"), Test("folder", "!=", "")),
        (("folder", "~", f"{ROOT}*"), All(())),
        (("folder", "~", f"{ROOT}/trip/*"), Test("folder", "~", "trip/*")),
        (("folder", "~", "/*/trip?"), Test("folder", "~", "trip?")),
    ],
    ids=str,
)
def test_a_whole_path_is_the_one_that_hits_have(index, whole, relative):
    field, operator, text = whole
    value = text.replace(ROOT, str(index.parent).upper())  # texts compare without case
    with Collection(index) as collection:
        assert collection.ids(Test(field, operator, value)).tolist() == collection.ids(relative).tolist()
        assert collection.count_of(Not(Test(field, operator, value))) == collection.count_of(Not(relative))


def test_each_photo_is_found_by_its_own_path(index):
    with Collection(index) as collection:
        for record in list(collection.all_records())[:20]:
            assert collection.ids(Test("path", "=", record.file.path)).tolist() == [record.image_id]
            assert record.image_id not in collection.ids(Test("path", "!=", record.file.path)).tolist()


def test_whole_paths_are_those_of_today_and_of_all_folders(tmp_path):
    """Names of folders have what globs are made of, and the index has moved with its photos."""
    (tmp_path / "before").mkdir()
    for folder, names in (("a [1]", ["cat.png", "Käfer.png"]), ("b [x", ["cat.jpg", "Käfer.jpg"])):
        with writer(tmp_path / "before" / folder / ".clipsearch", 4) as collection:
            add(collection, names, random_units(2, 4))
            collection.commit()
    (tmp_path / "before").rename(tmp_path / "after")
    indexes = [tmp_path / "after" / folder / ".clipsearch" for folder in ("a [1]", "b [x")]
    with closing(SeveralCollections(indexes)) as several:
        paths = [record.file.path for record in several.browse(None, "name", 0, 9)[0]]
        assert len(paths) == 4 and all(path.startswith(str(tmp_path / "after")) for path in paths)
        for path in paths:
            assert [record.file.path for record in several.browse(Test("path", "=", path), "name", 0, 9)[0]] == [path]
        decomposed = normalize("NFD", str(tmp_path / "after" / "a [1]" / "Käfer.png"))
        assert len(several.select(Test("path", "=", decomposed))) == 1
        assert len(several.select(Test("path", "~", f"{tmp_path}/*/*/cat.*"))) == 2
        assert len(several.select(Test("path", "~", f"{tmp_path}/before/*"))) == 0


def test_a_whole_path_below_the_root_of_the_system_and_behind_a_url():
    with MemoryCatalog() as catalog:
        catalog.insert(["image_id", "root_id", "folder", "name"], [(1, 1, b"a", b"b.jpg"), (2, 2, b"", b"b.jpg")])
        roots = {1: "/", 2: "s3://bucket/photos"}
        places = PathLookup(roots).folders
        for field, value, ids in [
            ("path", "/a/b.jpg", [1]), ("folder", "/a", [1]), ("folder", "/", []),
            ("path", "s3://bucket/photos/b.jpg", [2]), ("folder", "s3://bucket/photos", [2]),
        ]:  # fmt: skip
            condition = with_whole_paths(Test(field, "=", value), roots.values)
            assert catalog.ids(condition, places).tolist() == ids


def test_a_folder_is_one_folder_and_not_others_that_begin_like_it(index):
    root = index.parent
    for folder in (root, root / "trip", root / "trip" / "day 1", root / "Trip", root.parent, Path(root.anchor)):
        ids, expected = found_and_expected(index, Below(str(folder)))
        assert ids == expected
        assert ids
    for folder in (root / "tri", root / "trip" / "day", root.parent / "elsewhere", index):
        assert found_and_expected(index, Below(str(folder)))[0] == []


def test_values_are_never_part_of_the_statement(index):
    for text in ("'; DROP TABLE images; --", '" OR 1=1 --', "%", "\0", "\udcff"):
        for test in (Test("name", "=", text), Test("camera", "~", text), Test("taken", "~", text)):
            with Collection(index) as collection:
                assert len(collection.ids(test)) in (0, 300) or test.field == "taken"
                assert len(collection) == 300


def test_a_search_among_few_and_among_many_is_that_of_the_records_alone(index):
    query = random_units(1, 8, seed=7)
    with Collection(index) as collection:
        every = collection.search(query, 300)[0]
        for condition in (
            Test("width", ">", 100),
            Test("name", "~", "*17*"),
            Test("name", "=", "no such"),
            Known("taken"),
        ):
            allowed = collection.ids(condition)
            inside = [(score, record) for score, record in every if record.image_id in set(allowed.tolist())]
            assert collection.search(query, 10, allowed)[0] == inside[:10]
            out = [record.image_id for _, record in inside[:3]]
            assert (
                collection.search(query, 10, allowed, out)[0]
                == [pair for pair in inside if pair[1].image_id not in out][:10]
            )


def test_scanning_gives_every_record_with_its_own_vector(index):
    with Collection(index) as collection:
        blocks = list(collection.scan(Test("width", ">", 100), block=64))
        records = [record for block, _ in blocks for record in block]
        vectors = np.concatenate([vectors for _, vectors in blocks])
        assert [record.image_id for record in records] == collection.ids(Test("width", ">", 100)).tolist()
        assert max(len(block) for block, _ in blocks) == 64
        for record, vector in zip(records, vectors, strict=True):
            assert np.array_equal(vector, collection.vectors([record.image_id])[0])
        assert list(collection.scan(Test("width", ">", 1e9))) == []


def test_distances_on_the_globe():
    munich, sydney = (48.1372, 11.5755), (-33.8688, 151.2093)
    assert km_between(*munich, *sydney) == pytest.approx(16_310, abs=30)
    assert km_between(0, 179.9, 0, -179.9) == pytest.approx(22.24, abs=0.01)
    assert km_between(90, 0, -90, 77) == pytest.approx(math.pi * 6371.0088)
