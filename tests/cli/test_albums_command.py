"""`clipsearch albums` as users run it."""

import json

import pytest
from PIL import Image

from clipsearch.images.companions import rated_by_sidecars
from clipsearch.images.exif import RATING
from clipsearch.images.xmp import with_rating
from clipsearch.store.saved_searches import SavedSearches
from tests.cli.running import run_here

SIDECAR = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b"</rdf:RDF></x:xmpmeta>"
)


def test_albums_are_listed_written_and_rated(engine, photos):
    red, blue = (record for record in engine.browse(sort="name")[0] if record.file.name in ("blue.jpg", "red.jpg"))
    cwd = engine.index_folder.parent
    status, output, errors = run_here("albums", cwd=cwd)
    assert (status, output) == (0, b"") and "no albums yet; the page makes them" in errors
    assert run_here("albums", "-q", cwd=cwd) == (0, b"", "")
    assert json.loads(run_here("albums", "--json", cwd=cwd)[1])["albums"] == []
    engine.albums.add("Two colours", [red, blue])
    assert run_here("albums", cwd=cwd)[1].decode().split() == ["Two", "colours", "2", "photos"]
    paths = [record.file.path for record in (red, blue)]
    assert run_here("albums", "Two colours", cwd=cwd)[1].decode().splitlines() == paths
    assert run_here("albums", "Two colours", "-0", cwd=cwd)[1].decode() == "".join(f"{path}\0" for path in paths)
    answer = json.loads(run_here("albums", "Two colours", "--json", cwd=cwd)[1])
    assert [photo["path"] for photo in answer["photos"]] == paths
    assert json.loads(run_here("albums", "--json", cwd=cwd)[1])["albums"] == [{"name": "Two colours", "photos": 2}]
    assert run_here("albums", "Two colours", "--m3u", "list.m3u8", cwd=cwd)[:2] == (0, b"")
    assert (cwd / "list.m3u8").read_text().splitlines() == ["#EXTM3U", *paths]
    assert run_here("albums", "Two colours", "--m3u", "list.m3u8", cwd=cwd)[0] == 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clipsearch.store.albums.fits_playlist", lambda path: path != paths[1])
        errors = run_here("albums", "Two colours", "--m3u", "one.m3u8", cwd=cwd)[2]
    assert "wrote one.m3u8, with 1 photo\n" in errors and f"{paths[1]} is not in it" in errors
    assert (cwd / "one.m3u8").read_text().splitlines() == ["#EXTM3U", paths[0]]
    status, _, errors = run_here("albums", "Two colours", "--m3u", paths[0], "--force", cwd=cwd)
    assert status == 2 and "never replaced" in errors
    status, _, errors = run_here("albums", "Two colours", "--write-rating", "5", cwd=cwd)
    assert status == 0 and "2 sidecars written, 0 had a rating" in errors
    assert "to find photos by these stars, update the index: clipsearch index" in errors
    assert 'xmp:Rating="5"' in (cwd / "red.jpg.xmp").read_text()
    assert "0 sidecars written, 2 had a rating" in run_here("albums", "Two colours", "--write-rating", "4", cwd=cwd)[2]
    (cwd / "blue.jpg.xmp").write_text("no XML")
    status, _, errors = run_here("albums", "Two colours", "--write-rating", "5", cwd=cwd)
    assert status == 3 and "1 failed" in errors
    engine.index()
    assert {record.file.name for record in engine.browse()[0] if record.info.rating == 5} == {"red.jpg"}


@pytest.mark.parametrize("sidecar", ["red.xmp", "RED.XMP", "red.jpg.XMP"])
def test_a_photo_keeps_the_rating_of_a_sidecar_that_the_index_has_not_read(engine, photos, sidecar):
    engine.albums.add("Red", [record for record in engine.browse()[0] if record.file.name == "red.jpg"])
    (photos / sidecar).write_bytes(with_rating(SIDECAR, 2))
    status, _, errors = run_here("albums", "Red", "--write-rating", "5", cwd=photos)
    assert status == 0 and "0 sidecars written, 1 had a rating, 0 failed" in errors
    assert [path.name for path in photos.iterdir() if path.suffix.lower() == ".xmp"] == [sidecar]


def test_a_photo_keeps_its_rating_in_the_index_and_one_without_stars_gets_them(engine, photos):
    exif = Image.Exif()
    exif[RATING] = 2
    Image.new("RGB", (64, 64), "red").save(photos / "inside.jpg", exif=exif)
    (photos / "red.xmp").write_bytes(with_rating(SIDECAR, 2).replace(b'"2"', b'"0"'))
    engine.index()
    engine.albums.add("Red", [record for record in engine.browse()[0] if record.file.name in ("inside.jpg", "red.jpg")])
    errors = run_here("albums", "Red", "--write-rating", "5", cwd=photos)[2]
    assert "1 sidecar written, 1 had a rating, 0 failed" in errors
    engine.index()
    assert {record.file.name: record.info.rating for record in engine.browse()[0] if record.info.rating} == {
        "inside.jpg": 2,
        "red.jpg": 5,
    }


def test_a_raw_file_and_its_jpeg_keep_the_rating_of_the_sidecar_that_they_share(tmp_path):
    (tmp_path / "IMG_1.xmp").write_bytes(with_rating(SIDECAR, 2))
    pair = [str(tmp_path / "IMG_1.CR3"), str(tmp_path / "IMG_1.JPG")]
    assert rated_by_sidecars([*pair, str(tmp_path / "IMG_2.JPG"), str(tmp_path / "gone" / "a.jpg")]) == set(pair)


def test_photos_of_an_album_are_searched_and_counted(engine, photos):
    records = {record.file.name: record for record in engine.browse()[0]}
    engine.albums.add("Two colours", [records["red.jpg"], records["blue.jpg"]])
    query = ("query", "red", "--paths", "--sort", "name")
    for chosen in (("--album", "Two colours"), ("--where", "album = 'two' or album = \"Two colours\"")):
        if "two" in str(chosen):
            engine.albums.add("two", [records["green.jpg"]])
        output = run_here(*query, *chosen, cwd=photos)[1].decode().splitlines()
        assert [path.rpartition("/")[2] for path in output] == sorted(
            {"red.jpg", "blue.jpg", *(["green.jpg"] if "two" in str(chosen) else [])}
        )
    assert "2 photos" in run_here("stats", "--album", "Two colours", cwd=photos)[1].decode()
    assert "album = 'Two colours'" in run_here("query", "red", "--explain", "--album", "Two colours", cwd=photos)[2]
    status, output, errors = run_here("query", "red", "--album", "Two colors", cwd=photos)
    assert (status, output) == (2, b"") and "there is no album 'Two colors'; there are: Two colours, two" in errors


def test_an_album_is_renamed(engine, photos):
    red = engine.browse(sort="name")[0][0]
    engine.albums.add("Two colours", [red])
    saved = SavedSearches(engine.index_folder)
    saved.put("red", {"q": "red", "album": "Two colours"})
    saved.put("wide", {"where": "width > 9 and album = 'Two colours'"})
    assert json.loads(run_here("albums", "two COLOURS", "--json", cwd=photos)[1])["album"] == "Two colours"
    status, output, errors = run_here("albums", "two colours", "--rename", "One ", cwd=photos)
    assert (status, output) == (0, b"") and "the album Two colours is now called One\n" in errors
    assert saved.all() == {"red": {"q": "red", "album": "One"}, "wide": {"where": 'width > 9 and album = "One"'}}
    assert engine.albums.names() == ["One"]
    status, _, errors = run_here("albums", "Two colours", "--rename", "x", cwd=photos)
    assert status == 2 and "there is no album 'Two colours'; there are: One" in errors


def test_an_album_that_is_not_there_and_one_that_is_not_named(engine):
    cwd = engine.index_folder.parent
    status, _, errors = run_here("albums", "Italy", cwd=cwd)
    assert status != 0 and "there is no album 'Italy'" in errors
    assert run_here("albums", "--m3u", "x.m3u8", cwd=cwd)[0] == 2
    assert run_here("albums", "--rename", "x", cwd=cwd)[0] == 2
    status, output, errors = run_here("albums", "Favourites", cwd=cwd)
    assert (status, output) == (0, b"") and "the album Favourites has no photo that is in the index" in errors
    assert run_here("albums", "Favourites", "-0", "-q", cwd=cwd) == (0, b"", "")
