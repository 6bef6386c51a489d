"""Films and files of several pages in a folder: indexed with a vector for each moment, and found at the best one."""

import os

import numpy as np
import pytest
from PIL import Image

from clipsearch.engine import SearchEngine
from clipsearch.store.verify import verify
from clipsearch.terms import Query, Term
from tests.conftest import COLOURS, save_photo

av = pytest.importorskip("av", reason="needs PyAV, the extra `video`")
from tests.images import films


def shot(colour):
    """A picture of one colour, but for a pattern that no other colour has: plain frames are left out of films."""
    picture = np.full((96, 160, 3), COLOURS[colour], np.uint8)
    picture[:32, 40 * (sorted(COLOURS).index(colour) % 4) :][:, :40] //= 2
    return picture


def save_film(path, *colours, seconds=3):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(films.film([(shot(colour), seconds) for colour in colours]))
    return path


def save_pages(path, *colours):
    pages = [Image.new("RGB", (40, 30), COLOURS[colour]) for colour in colours]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    return path


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    save_film(folder / "film.mp4", "red", "green", "blue")
    save_pages(folder / "scan.tif", "yellow", "red")
    save_photo(folder / "green.png", "green")
    save_photo(folder / "blue.png", "blue")
    return folder


@pytest.fixture
def engine(photos, encoder):
    with SearchEngine(photos / ".clipsearch") as engine:
        engine.index(photos)
        yield engine


def hits(engine, text, **options):
    found = engine.search(Query((Term(text),), **options), top_k=50)
    return [(hit.record.file.name, str(hit.record.moment)) for hit in found]


def test_a_film_is_found_at_its_best_moment_and_a_file_of_pages_at_its_best_page(engine):
    assert hits(engine, "green")[:2] == [("green.png", "None"), ("film.mp4", "at 0:03")]
    assert hits(engine, "blue")[:2] == [("blue.png", "None"), ("film.mp4", "at 0:06")]
    assert set(hits(engine, "red")[:2]) == {("film.mp4", "at 0:00"), ("scan.tif", "page 2")}
    assert sorted(name for name, _ in hits(engine, "red")) == ["blue.png", "film.mp4", "green.png", "scan.tif"]
    assert ("film.mp4", "at 0:06") in hits(engine, "red", all_moments=True)


def test_a_film_counts_as_one_photo_with_the_facts_of_its_container(engine, photos):
    assert engine.stats().images == 4
    (film,) = [hit.record for hit in engine.search("red", top_k=9) if hit.record.file.name == "film.mp4"]
    assert (film.info.width, film.info.height, film.info.format) == (160, 96, "MP4")
    assert film.file.size == (photos / "film.mp4").stat().st_size
    assert [round(moment.at) for moment in film.info.moments] == [0, 3, 6]


def test_an_unchanged_film_is_not_read_again(engine, photos, encoder):
    encoded = encoder.encoded
    assert engine.index(photos).unchanged == 4
    os.utime(photos / "film.mp4", (1, 1))
    report = engine.index(photos)
    assert (report.updated, report.failed, encoder.encoded) == (1, 0, encoded)
    assert ("film.mp4", "at 0:06") in hits(engine, "blue")


def test_a_moved_film_and_a_copy_keep_their_moments_and_are_not_encoded_again(engine, photos, encoder):
    encoded = encoder.encoded
    (photos / "film.mp4").rename(photos / "summer.mp4")
    assert engine.index(photos).moved == 1
    (photos / "copy.mp4").write_bytes((photos / "summer.mp4").read_bytes())
    assert engine.index(photos).copied == 1
    assert encoder.encoded == encoded
    assert {("summer.mp4", "at 0:06"), ("copy.mp4", "at 0:06")} <= set(hits(engine, "blue"))
    assert verify(photos / ".clipsearch").damages == ()


def test_two_equal_films_of_one_run_are_encoded_once(tmp_path, encoder):
    film = save_film(tmp_path / "photos" / "a.mp4", "red", "green")
    (film.parent / "b.mp4").write_bytes(film.read_bytes())
    with SearchEngine(tmp_path / "index") as engine:
        engine.index(film.parent)
        assert encoder.encoded == 2
        assert sorted(hits(engine, "green", all_moments=True)) == [
            ("a.mp4", "at 0:00"), ("a.mp4", "at 0:03"), ("b.mp4", "at 0:00"), ("b.mp4", "at 0:03"),
        ]  # fmt: skip


def test_a_changed_film_has_its_new_moments_alone(engine, photos):
    save_film(photos / "film.mp4", "yellow", "red")
    assert engine.index(photos).updated == 1
    moments = [moment for name, moment in hits(engine, "blue", all_moments=True) if name == "film.mp4"]
    assert sorted(moments) == ["at 0:00", "at 0:03"]
    assert verify(photos / ".clipsearch").damages == ()


def test_a_deleted_film_leaves_nothing(engine, photos):
    (photos / "film.mp4").unlink()
    assert engine.index(photos).removed == 1
    assert "film.mp4" not in {name for name, _ in hits(engine, "red", all_moments=True)}
    assert verify(photos / ".clipsearch").damages == ()


def test_a_film_that_is_cut_or_broken_is_a_failure_and_the_rest_is_indexed(photos, encoder):
    (photos / "cut.mp4").write_bytes((photos / "film.mp4").read_bytes()[:300])
    (photos / "noise.mkv").write_bytes(os.urandom(5000))
    (photos / "text.mov").write_text("not a film")
    with SearchEngine(photos / ".clipsearch") as engine:
        report = engine.index(photos)
        assert (report.added, report.failed) == (4, 3)
        assert {failure.file.name for failure in engine.failures()} == {"cut.mp4", "noise.mkv", "text.mov"}
        assert engine.index(photos).known_failures == 3


def test_a_film_and_a_photo_with_each_others_suffix_are_read(photos, encoder):
    (photos / "film.mp4").rename(photos / "film.jpg")
    (photos / "green.png").rename(photos / "green.mov")
    with SearchEngine(photos / ".clipsearch") as engine:
        assert engine.index(photos).failed == 0
        assert hits(engine, "green")[:2] == [("green.mov", "None"), ("film.jpg", "at 0:03")]


def test_the_scores_and_matches_of_photos_do_not_change_by_a_film(photos, encoder):
    (photos / "film.mp4").unlink()
    (photos / "scan.tif").unlink()
    with SearchEngine(photos / ".clipsearch") as engine:
        engine.index(photos)
        before = [(hit.record.file.name, hit.score) for hit in engine.search("green", top_k=9)]
        save_film(photos / "film.mp4", "red", "blue", "green", "yellow")
        engine.index(photos)
        after = [(hit.record.file.name, hit.score) for hit in engine.search("green", top_k=9)]
    assert [item for item in after if item[0] != "film.mp4"] == before


def test_a_film_like_this_leaves_out_the_film_and_its_copies(engine, photos):
    (film,) = [hit.record for hit in engine.search("red", top_k=9) if hit.record.file.name == "film.mp4"]
    term, own = engine.like(film)
    found = engine.search(Query((term,), own=own), top_k=9)
    assert {hit.record.file.name for hit in found} == {"scan.tif", "green.png", "blue.png"}
