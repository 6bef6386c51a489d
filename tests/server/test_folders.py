"""Folders that clients add to the index, and an index that a client makes: only where the server was started for it."""

import os
import sys

import pytest
from starlette.testclient import TestClient

from clipsearch.server.app import make_app
from clipsearch.server.service import Service
from clipsearch.server.sessions import Sessions
from tests.conftest import save_photo
from tests.server.conftest import ADDRESS, MAY_CHANGE, ids, serving, wait_for_job

TOKEN = "correct-horse-battery"


@pytest.fixture
def others(tmp_path):
    """A folder of photos outside the index, below one that the server may add from."""
    save_photo(tmp_path / "media" / "others" / "new.jpg", "red", note="elsewhere")
    return tmp_path / "media" / "others"


@pytest.fixture
def strict(engine, others):
    """A client of a server with a token that may add folders below media/."""
    service = Service(engine.index_folder, allowed=[others.parent])
    app = make_app(service, host="127.0.0.1", port=8100, sessions=Sessions(TOKEN))
    with TestClient(app, base_url=ADDRESS, headers=MAY_CHANGE) as client:
        client.post("/api/session", json={"token": TOKEN})
        yield client


def add(client, folder, **headers):
    return client.post("/api/index", json={"folders": [os.fspath(folder)]}, headers=headers)


def test_a_folder_below_an_allowed_one_is_added(strict, photos, others):
    answer = strict.get("/api/folders").json()
    assert answer["indexed"] == [str(photos)] and answer["below"] == [str(photos), str(others.parent)]
    assert answer["suggested"] == [str(others)] and answer["token"] and answer["offered"] is None
    assert add(strict, others).status_code == 202 and wait_for_job(strict)["added"] == 1
    assert "new.jpg" in ids(strict)
    assert strict.get("/api/folders").json()["suggested"] == []


def test_neither_dots_nor_links_lead_out_of_the_allowed_folders(strict, photos, others, tmp_path):
    save_photo(tmp_path / "secret" / "private.jpg", "red", note="private")
    outside = [
        "/",
        tmp_path,
        tmp_path / "secret",
        others / ".." / ".." / "secret",
        tmp_path / "media-2",
        "s3://bucket/x",
        "~",
    ]
    if sys.platform != "win32":
        (others / "link").symlink_to(tmp_path / "secret")
        (photos / "link").symlink_to(tmp_path / "secret")
        outside += [others / "link", photos / "link", f"{others}\0/etc"]
    (tmp_path / "media-2").mkdir()
    for folder in outside:
        answer = add(strict, folder)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not-allowed"), folder
    there, not_there = (add(strict, tmp_path / name).json()["error"]["message"] for name in ("secret", "nowhere"))
    assert there.replace("secret", "nowhere") == not_there  # what exists outside is not told
    assert add(strict, others / "nowhere").status_code == 404 and add(strict, others / "new.jpg").status_code == 404
    assert strict.get("/api/index").json()["state"] == "idle" and "private.jpg" not in ids(strict)


def test_the_token_itself_adds_any_folder_but_a_session_does_not(strict, tmp_path):
    save_photo(tmp_path / "far" / "far.jpg", "red", note="far")
    assert add(strict, tmp_path / "far").status_code == 403
    assert add(strict, tmp_path / "far", Authorization="Bearer wrong").status_code == 403
    assert add(strict, tmp_path / "far", Authorization=f"Bearer {TOKEN}").status_code == 202
    assert wait_for_job(strict)["state"] == "done" and "far.jpg" in ids(strict)


def test_a_server_without_an_index_makes_only_the_one_that_it_offers(photos, encoder):
    service = Service(photos / ".clipsearch", offered=photos)
    with TestClient(make_app(service, host="127.0.0.1", port=8100), base_url=ADDRESS, headers=MAY_CHANGE) as client:
        assert client.get("/api/folders").json()["offered"] == str(photos)
        for address in ("/api/status", "/api/images", "/api/search?q=red"):
            answer = client.get(address)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no-index")
        assert add(client, photos / "trip").status_code == 409 and add(client, photos.parent).status_code == 403
        client.post("/api/index")
        assert wait_for_job(client)["state"] == "failed" and not (photos / ".clipsearch").exists()
        assert add(client, photos).status_code == 202
        job = wait_for_job(client)
        assert job["state"] == "done" and job["added"] == 5
        assert client.get("/api/images").json()["considered"] == 5
        assert client.get("/api/search?q=red").json()["hits"]
        assert client.get("/api/folders").json()["offered"] is None


def test_an_index_that_is_gone_is_said_and_is_there_again(client, engine, photos):
    assert client.get("/api/search?q=red").status_code == 200
    engine.close()
    (photos / ".clipsearch").rename(photos.parent / "away")
    for address in ("/api/status", "/api/images", "/api/search?q=red", "/api/facets"):
        answer = client.get(address)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "index-gone"), address
    (photos.parent / "away").rename(photos / ".clipsearch")
    for address in ("/api/status", "/api/images", "/api/search?q=red", "/api/facets"):
        assert client.get(address).status_code == 200, address


def test_the_command_offers_to_index_a_folder_that_has_photos(clipsearch, tmp_path):
    save_photo(tmp_path / "pictures" / "red.jpg", "red")
    with serving(tmp_path / "pictures", "--token", "x" * 20) as (process, address):
        process.terminate()
        _, errors = process.communicate(timeout=20)
    assert f"open the page to index the photos in {tmp_path / 'pictures'}" in errors
    assert f"open this address; it works once, and the next one follows: {address}#sign-in=" in errors
    assert "x" * 20 not in errors and not (tmp_path / "pictures" / ".clipsearch").exists()
    (tmp_path / "empty").mkdir()
    status, output, errors = clipsearch("serve", "--index", tmp_path / "empty", "--no-open")
    assert status == 2 and output == "" and "there is no index" in errors
    status, output, errors = clipsearch(
        "serve", "--index", tmp_path / "pictures", "--allow-below", tmp_path / "no", "--no-open"
    )
    assert status == 2 and "--allow-below: the folder" in errors
