"""A server, an engine and an assistant notice if their index is replaced or its photos are gone."""

import asyncio
import contextlib
import io
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
from PIL import Image

from clipsearch import SearchEngine
from clipsearch.client import Client
from clipsearch.errors import ClipsearchError, ImageError, ModelMismatch
from clipsearch.server.app import make_app
from clipsearch.server.events import index_events
from clipsearch.server.jobs import IndexJobs
from clipsearch.terms import Query
from tests.conftest import ColourEncoder, save_photo
from tests.server.conftest import ids, serving, wait_for_job
from tests.server.test_uploads import png, send


class TurnedEncoder(ColourEncoder):
    """Another model with the same dimension."""

    def embed_pixels(self, pixels):
        return super().embed_pixels(pixels)[:, [1, 2, 0, 3]]

    def embed_texts(self, texts):
        return super().embed_texts(texts)[:, [1, 2, 0, 3]]


@pytest.fixture
def make_anew(photos, monkeypatch):
    """Index the photos again from nothing, with another model."""
    models = {"colours": ColourEncoder(), "turned": TurnedEncoder("turned")}

    def run():
        monkeypatch.setattr("clipsearch.query.index_model.load_encoder", lambda name, **options: models[name])
        monkeypatch.setattr("clipsearch.query.index_model.choose_default_model", lambda: "turned")
        shutil.rmtree(photos / ".clipsearch")
        with SearchEngine.open(photos) as engine:
            engine.index()

    return run


def test_vectors_of_the_model_before_are_not_written_into_an_index_that_was_made_anew(engine, photos, make_anew):
    make_anew()
    save_photo(photos / "red2.jpg", "red", note="2")
    with pytest.raises(ModelMismatch):
        engine.index()
    with SearchEngine.open(photos) as other:
        assert other.browse()[1] == 5


def test_an_upload_of_the_model_before_is_forgotten(client, make_anew):
    token = send(client, png((225, 15, 15))).json()["token"]
    assert client.get(f"/api/search?like=upload:{token}").status_code == 200
    make_anew()
    assert client.get("/api/search?q=red").status_code == 200
    answer = client.get(f"/api/search?like=upload:{token}")
    assert answer.status_code == 404 and answer.json()["error"]["code"] == "no-such-upload"


def test_a_server_outlives_an_index_that_is_being_made(client, engine, photos):
    assert client.get("/api/search?q=red").status_code == 200
    engine.close()
    kept = shutil.copytree(photos / ".clipsearch", photos.parent / "kept")
    shutil.rmtree(photos / ".clipsearch")
    (photos / ".clipsearch").mkdir()
    database = sqlite3.connect(photos / ".clipsearch" / "catalog.sqlite")
    database.execute("PRAGMA journal_mode=WAL")  # `clipsearch index` starts like this
    database.close()
    for address in ("/api/images", "/api/search?q=red"):
        assert client.get(address).status_code == 503
    shutil.rmtree(photos / ".clipsearch")
    shutil.copytree(kept, photos / ".clipsearch")
    for address in ("/api/images", "/api/search?q=red"):
        assert client.get(address).status_code == 200


def test_listeners_are_told_of_another_index(service, engine, photos, make_anew):
    async def listen():
        events = index_events(service)
        heard = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.3)
        os.unlink(photos / "red.jpg")
        await asyncio.to_thread(make_anew)
        while await asyncio.wait_for(heard, 60) != ("changed", {"images": 4}):  # the empty index may come first
            heard = asyncio.ensure_future(anext(events))

    asyncio.run(listen())


def test_listeners_are_told_of_an_index_that_went_before_they_came(service, engine, photos):
    async def first_event():
        return await anext(index_events(service))

    engine.close()
    (photos / ".clipsearch").rename(photos / "away")
    assert asyncio.run(first_event()) == ("gone", {})


def test_browsers_ask_whether_a_picture_is_the_same_still(client):
    number = ids(client)["red.jpg"]
    for address in (f"/api/thumbnails/{number}", f"/api/images/{number}/file"):
        first = client.get(address)
        assert first.headers["cache-control"] == "private, no-cache"
        again = client.get(address, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_a_job_makes_no_index_where_the_drive_is_not_there(client, engine, photos):
    engine.close()
    photos.rename(photos.with_name("away"))
    photos.mkdir()
    client.post("/api/index")
    job = wait_for_job(client)
    assert job["state"] == "failed" and "no index" in job["error"] and not list(photos.iterdir())


def test_photos_on_a_drive_that_goes_meanwhile_are_kept(photos, encoder, tmp_path):
    away = photos.with_name("away")
    with SearchEngine(tmp_path / "index") as first:
        first.index(photos)
    save_photo(photos / "new.jpg", "red", note="new")

    def go(report, done, total):
        if photos.exists():
            photos.rename(away)

    with SearchEngine(tmp_path / "index") as kept:
        assert kept.index(paranoid=True, progress=go).failed
        away.rename(photos)
        assert kept.browse()[1] >= 5 and not list(kept.failures())
        report = kept.index()
        assert (kept.browse()[1], report.known_failures) == (6, 0)


def test_a_photo_that_goes_between_two_questions_is_not_there(client, engine, photos, monkeypatch):
    number, real = ids(client)["red.jpg"], SearchEngine.vector

    def vector(self, image_id):
        monkeypatch.setattr(SearchEngine, "vector", real)
        os.unlink(photos / "red.jpg")
        engine.index()
        return real(self, image_id)

    monkeypatch.setattr(SearchEngine, "vector", vector)
    answer = client.get(f"/api/search?like={number}")
    assert answer.status_code == 404 and answer.json()["error"]["code"] == "no-such-photo"


def test_whatever_goes_wrong_has_the_shape_of_an_error(service, monkeypatch):
    from starlette.testclient import TestClient

    app = make_app(service, host="127.0.0.1", port=8100)
    with TestClient(app, base_url="http://127.0.0.1:8100", raise_server_exceptions=False) as client:
        monkeypatch.setattr(SearchEngine, "records", lambda self, ids: 1 / 0)
        answer = client.get("/api/images/1")
    assert answer.status_code == 500 and answer.json()["error"]["code"] == "bug"


def test_stalled_uploads_let_go_of_their_places(service, monkeypatch):
    monkeypatch.setattr("clipsearch.server.middleware.access.BODY_SECONDS", 0.2)
    service.uploads.decoding = asyncio.Semaphore(1)
    app = make_app(service, host="127.0.0.1", port=8100)
    names = {
        "host": "127.0.0.1:8100",
        "clipsearch-client": "tests",
        "content-type": "image/png",
        "content-length": "99",
    }
    scope = {
        "type": "http", "method": "POST", "path": "/api/uploads", "raw_path": b"/api/uploads", "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in names.items()], "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8100), "scheme": "http", "http_version": "1.1", "root_path": "",
    }  # fmt: skip

    async def upload():
        messages = []

        async def send(message):
            messages.append(message)

        async def receive():
            if messages or receive.begun:
                await asyncio.sleep(3600)
            receive.begun = True
            return {"type": "http.request", "body": b"abc", "more_body": True}

        receive.begun = False
        await app(dict(scope), receive, send)
        return messages[0]["status"]

    async def two():
        return await asyncio.wait_for(asyncio.gather(upload(), upload()), 20)

    assert asyncio.run(two()) == [408, 408]


def test_several_servers_save_searches_at_once(tmp_path):
    from clipsearch.store.saved_searches import SavedSearches

    code = (
        "import sys; from pathlib import Path; from clipsearch.store.saved_searches import SavedSearches\n"
        "saved = SavedSearches(Path('/x'), Path(sys.argv[1]))\n"
        "for number in range(20): assert saved.put(f'{sys.argv[2]}{number}', {'q': 'a'})"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name]) for name in "ab"]
    assert [process.wait(60) for process in both] == [0, 0]
    saved = SavedSearches(type(tmp_path)("/x"), tmp_path)
    assert len(saved.all()) == 40 and saved.remove("a1") and len(saved.all()) == 39


def test_what_waits_for_a_job_that_does_not_end_costs_nothing():
    def make():
        raise ClipsearchError("there is no index any more")

    def wait():
        with contextlib.suppress(ClipsearchError):
            jobs.update(["/x"])

    jobs = IndexJobs(make)
    assert jobs._begin()
    jobs._closing.cancel()
    waiting = threading.Thread(target=wait)
    waiting.start()
    before = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - before < 0.2
    jobs._set(state="done")
    waiting.join(10)
    assert not waiting.is_alive()


def test_browsing_finds_what_looks_like_a_photo_whose_file_is_gone(engine):
    record = engine.browse(top_k=1)[0][0]
    os.unlink(record.file.path)
    from clipsearch.terminal.app import BrowseApp, ListRequest

    app = BrowseApp(engine, print, Query(()))
    try:
        rows, _ = app._answer(ListRequest(like=record))
        assert len(rows) == 4 and record.image_id not in [row.record.image_id for row in rows]
    finally:
        app._decoder.close()


def test_assistants_see_the_photo_that_was_indexed_or_none(engine, photos, make_anew):
    from clipsearch.mcp_server.tools import Assistant

    engine.close()
    assistant = Assistant(lambda: SearchEngine.open(photos))

    async def ask():
        answer = await assistant.search("red", top_k=1)
        number = answer.structured_content["hits"][0]["id"]
        assert Image.open(io.BytesIO(await assistant.thumbnail(number))).getpixel((5, 5))[0] > 200
        save_photo(photos / "red.jpg", "blue", note="another picture under its name")
        with pytest.raises(Exception, match="has changed since it was indexed"):
            await assistant.thumbnail(number)
        for wrong in (-(2**70), "9" * 5000, -1, "~nobodyhere/x.jpg"):
            assert (await assistant.similar(wrong)).is_error
        make_anew()
        assert not (await assistant.search("blue", top_k=1)).is_error

    asyncio.run(ask())


def test_a_client_says_what_a_server_cannot_take(indexed, monkeypatch):
    with pytest.raises(ClipsearchError, match="ASCII"):
        Client("http://127.0.0.1:1", "tok\nen")
    with pytest.raises(ClipsearchError, match="no clipsearch server"):
        Client("http://127.0.0.1:1").status()
    with serving(indexed) as (_, address), Client(address) as client:
        with pytest.raises(ImageError, match="No such file"):
            client.search(indexed / "nowhere.jpg")
        with monkeypatch.context() as patch, pytest.raises(ImageError, match="larger"):
            patch.setattr("clipsearch.client.MOST_BYTES", 100)
            client.search(Image.effect_noise((64, 64), 50))
        for picture in (
            Image.new("L", (40, 40), 99).convert("CMYK"),
            Image.new("F", (40, 40)),
            Image.new("LAB", (40, 40)),
        ):
            assert len(client.search(picture)) == 5
        real = client._connection.getresponse

        def pressed():
            client._connection.getresponse = real
            raise KeyboardInterrupt

        client._connection.getresponse = pressed
        with pytest.raises(KeyboardInterrupt):
            client.status()
        assert client.status().images == 5
