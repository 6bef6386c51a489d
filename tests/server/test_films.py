"""Films and pages over HTTP: parts of a film, and the picture of each moment."""

import asyncio
import errno
import io
import os

import numpy as np
import pytest
from PIL import Image

from clipsearch.errors import ImageError
from clipsearch.images.file_types import VIDEO_FORMATS
from clipsearch.server import parts
from clipsearch.server.films import FILM_TYPES, open_film
from clipsearch.server.originals import open_indexed
from clipsearch.server.parts import PartResponse
from clipsearch.server.service import Service
from tests.conftest import COLOURS, save_pages
from tests.server.conftest import found_names

CACHE_HEADERS = {"cache-control": "private, no-cache", "accept-ranges": "bytes"}


def picture(answer):
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(answer.content)).convert("RGB")


def is_near(image, colour):
    """Whether the middle of a picture has a colour. Films are not exact."""
    middle = image.getpixel((image.width // 2, image.height * 3 // 4))
    return np.allclose(middle, COLOURS[colour], atol=60)


@pytest.fixture
def film(engine, photos):
    """A film of a red, a blue and a green shot, indexed; its path."""
    pytest.importorskip("av", reason="films need the extra `video`")
    from tests.images.films import film, plain

    shots = []
    for name in ("red", "blue", "green"):
        shot = plain(20)
        shot[20:] = COLOURS[name]
        shots.append((shot, 2))
    path = photos / "trip" / "film.mp4"
    path.write_bytes(film(shots))
    engine.index()
    return path


@pytest.fixture
def moments(client, film):
    """Colour → the hit of the film's moment of that colour."""

    def best(colour):
        hits = client.get(f"/api/search?q={colour}&all_moments=true&name=film.mp4").json()["hits"]
        return hits[0]

    return {colour: best(colour) for colour in ("red", "blue", "green")}


def test_a_film_is_one_hit_at_its_best_moment_and_several_if_that_is_wanted(client, film, moments):
    (hit,) = client.get("/api/search?q=blue&name=film.mp4").json()["hits"]
    assert hit["moment"] == {"unit": "second", "at": 2} and hit == {**moments["blue"]}
    assert sorted(hit["moment"]["at"] for hit in moments.values()) == [0, 2, 4]
    (listed,) = client.get("/api/images?name=film.mp4").json()["images"]
    assert "moment" not in listed and listed["size"] == film.stat().st_size


def test_a_film_is_sent_whole_or_in_parts(client, film, moments):
    address, data = f"/api/images/{moments['blue']['id']}/file", film.read_bytes()
    size = len(data)
    whole = client.get(address)
    assert whole.status_code == 200 and whole.content == data and whole.headers["content-type"] == "video/mp4"
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert "media-src 'self'" in whole.headers["content-security-policy"]
    assert whole.headers["content-disposition"].startswith('inline; filename="film.mp4"')
    for wanted, part in (
        ("0-99", data[:100]), ("100-", data[100:]), ("-50", data[-50:]), ("0-", data), (f"{size - 1}-", data[-1:]),
        (f"7-{10**17}", data[7:]), (f"-{10**17}", data),
    ):  # fmt: skip
        answer = client.get(address, headers={"Range": f"bytes={wanted}"})
        start = size - len(part) if wanted[0] == "-" else int(wanted.partition("-")[0])
        assert answer.status_code == 206 and answer.content == part, wanted
        assert answer.headers["content-range"] == f"bytes {start}-{start + len(part) - 1}/{size}"
        assert {name: answer.headers[name] for name in CACHE_HEADERS} == CACHE_HEADERS
    for header in ("bytes=5-2", "bytes=x", "bytes=0-1,3-4", "items=0-1", "bytes=-", "bytes=" + "9" * 40 + "-"):
        answer = client.get(address, headers={"Range": header})
        assert answer.status_code == 200 and answer.content == data, header
    for wanted in (f"{size}-", "-0", f"{10**17}-"):
        answer = client.get(address, headers={"Range": f"bytes={wanted}"})
        assert answer.status_code == 416 and answer.headers["content-range"] == f"bytes */{size}", wanted


def test_a_part_belongs_to_the_film_that_the_client_has(client, moments):
    address = f"/api/images/{moments['blue']['id']}/file"
    part = {"Range": "bytes=0-9"}
    etag = client.get(address, headers=part).headers["etag"]
    assert client.get(address, headers={**part, "If-Range": etag}).status_code == 206
    assert client.get(address, headers={**part, "If-Range": '"another"'}).status_code == 200
    head = client.head(address, headers=part)
    assert head.status_code == 206 and head.content == b"" and head.headers["content-length"] == "10"


def test_a_film_that_is_gone_or_has_changed_is_not_sent_and_none_is_read_whole(client, film, moments, monkeypatch):
    def read_whole(record):
        raise AssertionError("a film may be large")

    monkeypatch.setattr("clipsearch.server.pictures.indexed_bytes", read_whole)
    addresses = [form.format(moments["blue"]["id"]) for form in ("/api/images/{}/file", "/api/thumbnails/{}")]
    before, data = film.stat(), film.read_bytes()

    def is_refused():
        answers = [client.get(address) for address in addresses]
        return [answer.status_code == 404 and answer.json()["error"]["code"] == "gone" for answer in answers]

    film.write_bytes(data + b"0")
    assert is_refused() == [True, True]
    film.write_bytes(data)
    os.utime(film, ns=(1, 1))
    assert is_refused() == [True, True]
    film.write_bytes(b"<script>".ljust(len(data)))
    os.utime(film, ns=(before.st_mtime_ns, before.st_mtime_ns))
    assert is_refused() == [True, True]
    film.unlink()
    assert is_refused() == [True, True]
    film.write_bytes(data)
    os.utime(film, ns=(before.st_mtime_ns, before.st_mtime_ns))
    assert is_refused() == [False, False]


def test_a_film_is_read_block_by_block_and_broken_off_if_it_shrinks(film, engine, monkeypatch):
    (record,) = (record for record in engine.browse()[0] if record.file.name == "film.mp4")
    monkeypatch.setattr(parts, "_BLOCK", 100)

    def sent(size):
        messages = []

        async def send(message):
            messages.append(message)

        response = PartResponse(open_film(record), size, None, "video/mp4", {})
        asyncio.run(response({}, None, send))
        return [message["body"] for message in messages[1:]], messages[-1].get("more_body")

    blocks, more = sent(record.file.size)
    assert b"".join(blocks) == film.read_bytes() and max(map(len, blocks)) == 100 and more is False
    blocks, more = sent(record.file.size + 200)
    assert b"".join(blocks) == film.read_bytes()[: len(blocks) * 100] and more is True
    film.write_bytes(b"")
    with pytest.raises(ImageError, match="has changed"):
        open_film(record)

    def unreadable(file, found):
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(ImageError, match=r"film.mp4 cannot be read: Input/output error") as error:
        open_indexed(record, unreadable)
    assert error.value.cause == "access"


def test_each_moment_has_its_own_thumbnail(client, moments):
    answers = {colour: client.get(f"/api/thumbnails/{hit['id']}") for colour, hit in moments.items()}
    assert all(is_near(picture(answer), colour) for colour, answer in answers.items())
    assert len({answer.headers["etag"] for answer in answers.values()}) == 3


def test_each_page_has_its_own_picture(client, engine, photos):
    save_pages(photos / "scan.tif", "red", "green", "blue", size=(300, 200))
    engine.index()
    for colour, page in (("red", 1), ("green", 2), ("blue", 3)):
        (hit,) = client.get(f"/api/search?q={colour}&name=scan.tif").json()["hits"]
        assert hit["moment"] == {"unit": "page", "at": page}
        for address in (f"/api/images/{hit['id']}/file", f"/api/thumbnails/{hit['id']}"):
            assert is_near(picture(client.get(address)), colour)
    assert client.get(f"/api/images/{hit['id']}/file").headers["content-type"] == "image/jpeg"


def test_more_like_a_moment_is_more_like_its_picture(client, moments):
    for colour in ("red", "blue", "green"):
        answer = client.get(f"/api/similar?id={moments[colour]['id']}&top_k=1")
        assert found_names(answer) == [f"{colour}.jpg"]
        answer = client.get(f"/api/search?like={moments[colour]['id']}&top_k=1")
        assert found_names(answer) == [f"{colour}.jpg"]


def test_a_film_that_is_sent_to_search_by_is_searched_by_its_first_picture(client, film):
    def similar(data, most):
        upload = client.post("/api/uploads", content=data, headers={"Content-Type": "application/octet-stream"})
        return found_names(client.get(f"/api/similar?upload={upload.json()['token']}&top_k={most}&all_moments=true"))

    assert similar(film.read_bytes() + b"\0\0\0\x08free", 2) == ["film.mp4", "red.jpg"]  # not what is indexed
    assert similar(film.read_bytes(), 1) == ["red.jpg"]


def test_the_page_and_the_server_know_the_same_formats_of_films(client):
    script = client.get("/static/app.js").text
    names = script.partition("FILMS = new Set([")[2].partition("]")[0]
    assert sorted(name.strip(' "') for name in names.split(",")) == sorted(FILM_TYPES)


def test_every_format_of_films_has_a_media_type():
    from clipsearch.images.film_facts import format_of

    heads = [b"\0\0\0\x18ftyp" + brand for brand in (b"qt  ", b"3gp5", b"M4V ", b"isom")]
    names = {format_of("mov", head) for head in heads} | {format_of("matroska", head) for head in (b"webm", b"")}
    names |= {format_of(demuxer, b"") for demuxer in ("avi", "asf", "mpeg", "mpegts")}
    assert names == set(FILM_TYPES) == set(VIDEO_FORMATS)


def test_a_server_lets_go_of_a_film(film, engine):
    service = Service(engine.index_folder)
    (record,) = (record for record in engine.browse()[0] if record.file.name == "film.mp4")
    file = asyncio.run(service.pictures.film(record))
    response = PartResponse(file, record.file.size, range(5), "video/mp4", {})

    async def gone(message):
        raise OSError("the client has gone")

    with pytest.raises(OSError, match="client"):
        asyncio.run(response({}, None, gone))
    assert file.closed
    service.close()
