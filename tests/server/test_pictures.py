"""Thumbnails and photos, as a browser receives them."""

import io
import os
import threading

import pytest
from PIL import Image
from pydantic import TypeAdapter

from clipsearch.server.page_files import packed
from clipsearch.server.pictures import PICTURE_VERSION, browser_type, content_disposition
from clipsearch.server.thumbnail_cache import ThumbnailCache
from tests.conftest import save_photo
from tests.server.conftest import ids


def picture(answer):
    return Image.open(io.BytesIO(answer.content))


def test_a_thumbnail_fits_its_size_and_is_never_enlarged(client, engine, photos):
    save_photo(photos / "large.jpg", "red", size=(1600, 900), note="large")
    engine.index()
    number = ids(client)
    for size in (256, 512, 1024):
        answer = client.get(f"/api/thumbnails/{number['large.jpg']}?size={size}")
        assert answer.headers["content-type"] == "image/jpeg" and picture(answer).size == (size, size * 9 // 16)
        assert answer.headers["cache-control"] == "private, no-cache"
    assert picture(client.get(f"/api/thumbnails/{number['red.jpg']}")).size == (32, 24)
    assert client.get(f"/api/thumbnails/{number['red.jpg']}?size=4000").status_code == 422


def test_a_thumbnail_is_made_once_and_then_comes_from_the_cache(client, engine, photos):
    number = ids(client)["red.jpg"]
    first = client.get(f"/api/thumbnails/{number}")
    os.unlink(photos / "red.jpg")
    second = client.get(f"/api/thumbnails/{number}")
    assert first.content == second.content and first.headers["etag"] == second.headers["etag"]
    again = client.get(f"/api/thumbnails/{number}", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304 and again.content == b"" and again.headers["etag"] == first.headers["etag"]
    counts = client.get("/metrics").text
    assert 'clipsearch_thumbnails_total{result="miss"} 1.0' in counts
    assert 'clipsearch_thumbnails_total{result="hit"} 1.0' in counts


def test_a_picture_that_another_version_made_is_not_taken_from_caches(client, service, engine, monkeypatch):
    (record,) = (record for record in engine.browse()[0] if record.file.name == "red.jpg")
    service.pictures._cache.put(f"{record.info.content_hash}-256.jpeg", b"made before versions")
    for form in (f"thumbnails/{record.image_id}?size=256", f"images/{record.image_id}/file"):
        address = f"/api/{form}"
        old = client.get(address).headers["etag"]
        before_versions = old.replace(f"-v{PICTURE_VERSION}", "")
        assert before_versions != old
        assert client.get(address, headers={"If-None-Match": before_versions}).status_code == 200
        with monkeypatch.context() as patch:
            patch.setattr("clipsearch.server.pictures.PICTURE_VERSION", PICTURE_VERSION + 1)
            answer = client.get(address, headers={"If-None-Match": old})
            assert answer.status_code == 200 and answer.headers["etag"] != old
            assert picture(answer).size == (32, 24)
    counts = client.get("/metrics").text
    assert 'clipsearch_thumbnails_total{result="miss"} 2.0' in counts


def test_the_page_starts_the_processes_that_make_thumbnails_of_all_usual_sizes(client, service):
    assert client.get("/").status_code == 200
    number = ids(client)["red.jpg"]
    for size in (256, 512):
        assert client.get(f"/api/thumbnails/{number}?size={size}").status_code == 200
    (pool,) = service.pictures._decoders._pools.values()
    assert 1 <= len(pool._all) <= pool.workers


def test_the_first_page_finds_its_files_the_index_and_the_routes_ready(client, service, monkeypatch):
    packed.cache_clear()
    service.warm_up()
    threads = (service.counts, service.lookups, service.facets, service.analyses)
    opened = [thread.submit(lambda engine: engine._index is not None).result() for thread in threads[:3]]
    threads[3].submit(lambda engine: None).result()
    assert opened == [True] * 3
    made = packed.cache_info().misses
    models = []
    make_model = TypeAdapter.__init__
    monkeypatch.setattr(
        TypeAdapter, "__init__", lambda *given, **named: (models.append(given), make_model(*given, **named))[1]
    )
    for path in ("/static/app.css", "/static/app.js", "/static/panels.js", "/", "/api/images"):
        assert client.get(path).status_code == 200
    assert packed.cache_info().misses == 4 and made == 3  # the page itself is small
    assert not models  # of parameters: FastAPI makes them when a route is first compared with a request


def test_browsers_ask_for_the_first_photos_with_the_page_unless_it_is_of_a_search(client):
    address, *attributes = client.get("/").headers["Link"].split("; ")
    assert attributes == ["rel=preload", "as=fetch", "crossorigin"]
    assert len(client.get(address.strip("<>")).json()["images"]) == 5
    assert "Link" not in client.get("/?q=dog").headers


def test_browsers_keep_the_icon_and_ask_each_time_for_code(client):
    kept = {name: client.get(f"/static/{name}").headers["Cache-Control"] for name in ("icon.svg", "app.js")}
    assert kept == {"icon.svg": "max-age=86400", "app.js": "no-cache"}


def test_many_who_ask_at_once_are_answered_by_one_making(client, service, monkeypatch):
    number, made, go = ids(client)["red.jpg"], [], threading.Event()
    decode = service.pictures._decoders.decode

    def slow(file, spec):
        made.append(file)
        go.wait(10)
        return decode(file, spec)

    monkeypatch.setattr(service.pictures._decoders, "decode", slow)
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(client.get(f"/api/thumbnails/{number}"))) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    threading.Timer(0.5, go.set).start()
    for thread in threads:
        thread.join()
    assert len(made) == 1 and {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1


def test_a_photo_is_sent_as_it_is(client, photos):
    number = ids(client)
    for name, kind in (("red.jpg", "image/jpeg"), ("grey.png", "image/png")):
        answer = client.get(f"/api/images/{number[name]}/file")
        path = photos / name if name == "red.jpg" else photos / "trip" / name
        assert answer.content == path.read_bytes() and answer.headers["content-type"] == kind
        assert answer.headers["content-disposition"] == f"inline; filename=\"{name}\"; filename*=UTF-8''{name}"
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("suffix", ["bmp", "tiff"])
def test_a_format_that_no_browser_shows_becomes_a_jpeg(client, engine, photos, suffix):
    Image.new("RGB", (60, 40), "red").save(photos / f"scan.{suffix}")
    engine.index()
    answer = client.get(f"/api/images/{ids(client)[f'scan.{suffix}']}/file")
    assert answer.headers["content-type"] == "image/jpeg" and picture(answer).size == (60, 40)


def test_what_is_gone_or_another_picture_now_is_404(client, photos):
    number = ids(client)
    os.unlink(photos / "red.jpg")
    save_photo(photos / "blue.jpg", "green", note="another one")
    os.unlink(photos / "green.jpg")
    os.mkfifo(photos / "green.jpg")
    for name in ("red.jpg", "blue.jpg", "green.jpg"):
        for address in (f"/api/images/{number[name]}/file", f"/api/thumbnails/{number[name]}"):
            answer = client.get(address)
            assert answer.status_code == 404 and answer.json()["error"]["code"] == "gone", (name, address)


def test_a_photo_that_was_only_touched_is_still_the_same(client, photos):
    os.utime(photos / "red.jpg", (1, 1))
    assert client.get(f"/api/images/{ids(client)['red.jpg']}/file").status_code == 200


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"), (b"GIF89a", "image/gif"),
        (b"RIFF1234WEBPVP8 ", "image/webp"), (b"\0\0\0 ftypavif", "image/avif"), (b"\0\0\0 ftypheic", None),
        (b"<svg onload=alert(1)>", None), (b"<!DOCTYPE html>", None), (b"", None), (b"BM", None),
    ],
)  # fmt: skip
def test_the_type_is_that_of_the_bytes(data, kind):
    assert browser_type(data) == kind


def test_no_name_breaks_out_of_its_header():
    header = content_disposition('a"\r\nSet-Cookie: x=1;\\ é\udce9.jpg')
    assert "\r" not in header and "\n" not in header and header.isascii() and header.count('"') == 2


def test_the_cache_drops_what_was_used_longest_ago(tmp_path):
    cache = ThumbnailCache(tmp_path, most_bytes=1000)
    for number in range(10):
        cache.put(f"{number:064}-256.jpeg", b"x" * 100)
        os.utime(cache._path(f"{number:064}-256.jpeg"), (number + 1000, number + 1000))
    assert cache.size == 1000
    assert cache.get(f"{0:064}-256.jpeg") == b"x" * 100  # used again, so it is now the newest
    cache.put(f"{10:064}-256.jpeg", b"x" * 100)
    left = [number for number in range(11) if cache.get(f"{number:064}-256.jpeg")]
    assert left == [0, 3, 4, 5, 6, 7, 8, 9, 10] and cache.size == 900
    assert ThumbnailCache(tmp_path, most_bytes=1000).size == 900
    assert not list(tmp_path.rglob("*.partial"))


def test_a_cache_that_cannot_be_written_is_none(tmp_path, client, service, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr(service.pictures._cache, "folder", tmp_path / "file" / "thumbnails")
    assert client.get(f"/api/thumbnails/{ids(client)['red.jpg']}").status_code == 200
