"""Counts of real files, compared with counts by hand."""

import os

import pytest
from PIL import Image

from clipsearch import SearchEngine
from clipsearch.analysis.statistics import ALL_BY, ValueCount, count_photos
from clipsearch.conditions import All, Below, Known, Test
from clipsearch.query.filters import taken_at
from clipsearch.store.writer import CollectionWriter
from tests.conftest import give_facts, save_pages, save_photo


def save(path, size=(40, 30), taken=None, camera=None, gps=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if taken:
        exif.get_ifd(0x8769)[0x9003] = taken
    if camera:
        exif[0x0110] = camera
    if gps:
        exif[0x8825] = {1: "N", 2: (gps[0], 0.0, 0.0), 3: "E", 4: (gps[1], 0.0, 0.0)}
    Image.new("RGB", size, "red").save(path, exif=exif)


@pytest.fixture
def engine(encoder, tmp_path):
    """Seven photos in four folders."""
    folder = tmp_path / "photos"
    save(folder / "a.jpg", (40, 30), "2023:05:01 10:00:00", "X100", (48, 2))
    save(folder / "trip" / "b.jpg", (30, 40), "2023:12:31 23:59:59", "X100")
    save(folder / "trip" / "day 1" / "c.jpg", (40, 40), "2024:01:01 00:00:00", "Pixel 8")
    save(folder / "trip" / "day 2" / "d.jpg", (1500, 1000), "2024:01:02 00:00:00", "X100")
    save(folder / "trip" / "day 2" / "e.png", (40, 30))
    save(folder / "tripod" / "f.jpg", (30, 40))
    save(folder / "tripod" / "g.webp", (40, 30), None, "Pixel 8")
    with SearchEngine.open(folder) as engine:
        engine.index(folder, jobs=1)
        yield engine


def counted(engine, by, condition=None, **options):
    (breakdown,) = engine.stats([by], condition, **options).breakdowns
    return [(count.value, count.images) for count in breakdown.counts]


def test_totals(engine, tmp_path):
    stats = engine.stats()
    assert (stats.images, stats.with_date, stats.with_place) == (7, 4, 1)
    assert (stats.first, stats.last) == ("2023-05-01T10:00:00", "2024-01-02T00:00:00")
    photos = [os.path.join(folder, name) for folder, _, names in os.walk(tmp_path / "photos") for name in names]
    assert stats.bytes == sum(os.path.getsize(path) for path in photos if ".clipsearch" not in path)
    assert [breakdown.by for breakdown in stats.breakdowns] == ["year", "camera", "folder", "format"]


def test_times_are_in_their_order_and_other_things_by_number(engine):
    assert counted(engine, "year") == [("2023", 2), ("2024", 2)]
    assert counted(engine, "month") == [("2023-05", 1), ("2023-12", 1), ("2024-01", 2)]
    assert counted(engine, "camera") == [("X100", 3), ("Pixel 8", 2)]
    assert counted(engine, "format") == [("JPEG", 5), ("PNG", 1), ("WEBP", 1)]
    assert counted(engine, "orientation") == [("landscape", 4), ("portrait", 2), ("square", 1)]
    assert counted(engine, "megapixels") == [("under 1 MP", 6), ("1 to 2 MP", 1)]


def test_folders_are_counted_with_what_is_below_them_to_a_depth(engine, tmp_path):
    root = str(tmp_path / "photos")
    assert counted(engine, "folder", depth=0) == [(root, 7)]
    assert counted(engine, "folder") == [(f"{root}/trip", 4), (f"{root}/tripod", 2), (root, 1)]
    assert counted(engine, "folder", depth=5) == [
        (f"{root}/trip/day 2", 2),
        (f"{root}/tripod", 2),
        (root, 1),
        (f"{root}/trip", 1),
        (f"{root}/trip/day 1", 1),
    ]


def test_every_photo_is_in_one_count_or_another(engine):
    for breakdown in engine.stats(ALL_BY, top=1, depth=9).breakdowns:
        assert sum(count.images for count in breakdown.counts) + breakdown.other_images + breakdown.unknown == 7
    (camera,) = engine.stats(["camera"], top=1).breakdowns
    assert camera.counts == (ValueCount("X100", 3),)
    assert (camera.other_values, camera.other_images, camera.unknown) == (1, 2, 2)


def test_a_condition_limits_every_count(engine, tmp_path):
    stats = engine.stats(["camera", "year", "folder"], Below(str(tmp_path / "photos" / "trip")))
    assert (stats.images, stats.with_date, stats.with_place) == (4, 3, 0)
    assert [count.images for count in stats.breakdowns[0].counts] == [2, 1]
    assert [count.images for count in stats.breakdowns[1].counts] == [1, 2]
    assert counted(engine, "format", Test("format", "=", "png")) == [("PNG", 1)]


def test_keywords_people_ratings_and_sources_of_dates_are_counted(engine, tmp_path):
    index = tmp_path / "photos" / ".clipsearch"
    give_facts(index, "a.jpg", keywords=("Sea", "Boat", "New York"), people=("Anna", "Bo"), rating=5)
    give_facts(index, "b.jpg", keywords=("sea",), people=("Anna",), rating=-1, taken_from="takeout")
    give_facts(index, "c.jpg", rating=0)
    assert counted(engine, "keyword") == [("Sea", 2), ("Boat", 1), ("New York", 1)]
    assert counted(engine, "person") == [("Anna", 2), ("Bo", 1)]
    assert counted(engine, "rating", top=1) == [("5", 1), ("-1", 1)]
    assert counted(engine, "source") == [("exif", 3), ("takeout", 1)]
    assert counted(engine, "keyword", Test("rating", "=", 5.0)) == [("Boat", 1), ("New York", 1), ("Sea", 1)]
    keywords, people, ratings = engine.stats(["keyword", "person", "rating"], top=1).breakdowns
    assert (keywords.other_values, keywords.other_images, keywords.unknown) == (2, 2, 5)
    assert (people.other_values, people.other_images, people.unknown) == (1, 1, 5)
    assert ratings.unknown == 5  # 0 stars is unrated
    assert engine.stats("rating", Known("rating")).images == 2
    assert engine.stats("rating", Test("rating", "=", 0)).images == ratings.unknown
    (with_condition,) = engine.stats(["keyword"], Test("camera", "=", "X100")).breakdowns
    assert with_condition.unknown == 1


def test_places_are_counted_by_city_and_by_country(engine, tmp_path):
    folder = tmp_path / "photos"
    save(folder / "p.jpg", (40, 30), "2024:05:01 10:00:00", None, (48.886, 2.343))  # Montmartre
    save(folder / "q.jpg", (40, 31), None, None, (48.86, 2.34))
    save(folder / "r.jpg", (40, 32), None, None, (48.14, 11.58))
    engine.index()
    places, countries = engine.stats(["place", "country"], Test("latitude", ">", 48.1)).breakdowns
    assert places.counts == (ValueCount("Paris, Île-de-France, France", 2), ValueCount("Munich, Bavaria, Germany", 1))
    assert countries.counts == (ValueCount("France", 2), ValueCount("Germany", 1)) and countries.unknown == 0
    for count in (*places.counts, *countries.counts):
        assert engine.browse(All((taken_at(count.value), Test("latitude", ">", 48.1))))[1] == count.images


def test_nothing_at_all(tmp_path):
    with CollectionWriter(tmp_path / "index") as collection:
        stats = count_photos(collection, ALL_BY)
    assert (stats.images, stats.bytes, stats.first) == (0, 0, None)
    assert all(breakdown.counts == () and breakdown.unknown == 0 for breakdown in stats.breakdowns)


def test_every_count_reads_an_index_and_no_row(engine):
    database = engine._collection()._catalog._db.connection
    statements = []
    database.set_trace_callback(statements.append)
    engine.stats(ALL_BY)
    database.set_trace_callback(None)
    plans = {
        statement: " ".join(row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement}"))
        for statement in statements
        if "FROM images" in statement
    }
    assert len(plans) >= 12
    for statement, plan in plans.items():
        assert "COVERING INDEX" in plan, f"{statement}: {plan}"


@pytest.mark.skipif(os.name == "nt", reason="file names are Unicode there")
def test_folders_whose_names_are_not_utf8_are_counted(encoder, tmp_path):
    folder = os.fsencode(tmp_path / "photos")
    save_photo(tmp_path / "photos" / "x" / "a.jpg", "red")
    os.rename(folder + b"/x", folder + b"/caf\xe9")
    with SearchEngine.open(tmp_path / "photos") as engine:
        engine.index(tmp_path / "photos")
        assert counted(engine, "folder") == [(os.fsdecode(folder + b"/caf\xe9"), 1)]


def test_a_file_with_several_pictures_counts_once_with_its_own_size(engine, tmp_path):
    scan = save_pages(tmp_path / "photos" / "scan.tif", "red", "green", "blue")
    before = engine.stats()
    engine.index()
    after = engine.stats()
    assert (after.images - before.images, after.bytes - before.bytes) == (1, scan.stat().st_size)
