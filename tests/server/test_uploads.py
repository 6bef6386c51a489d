"""Searching by an uploaded picture."""

import io
import os
import tempfile

import numpy as np
from PIL import Image

from clipsearch.server import uploads
from tests.server.conftest import found_names


def png(colour, size=(40, 30)):
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, "PNG")
    return stream.getvalue()


def send(client, data, kind="image/png"):
    return client.post("/api/uploads", content=data, headers={"Content-Type": kind})


def test_an_uploaded_picture_is_a_query(client):
    answer = send(client, png((225, 215, 35)), "application/octet-stream")
    assert answer.status_code == 200 and (answer.json()["width"], answer.json()["height"]) == (40, 30)
    token = answer.json()["token"]
    for address in (f"/api/similar?upload={token}", f"/api/search?like=upload:{token}"):
        assert found_names(client.get(address))[0] == "yellow.jpg"
    mixed = client.get("/api/search", params={"q": "blue", "like": f"0.1:upload:{token}"})
    assert found_names(mixed)[0] == "blue.jpg"


def test_the_index_s_own_picture_and_its_copies_are_no_hits(client, photos):
    token = send(client, (photos / "red.jpg").read_bytes(), "image/jpeg").json()["token"]
    assert "red.jpg" not in found_names(client.get(f"/api/similar?upload={token}"))
    assert found_names(client.get(f"/api/similar?upload={token}&keep_own=1"))[0] == "red.jpg"


def test_uploads_are_forgotten(client, monkeypatch):
    monkeypatch.setattr(uploads, "MOST", 2)
    tokens = [send(client, png((number, 0, 0))).json()["token"] for number in range(3)]
    assert [client.get(f"/api/similar?upload={token}").status_code for token in tokens] == [404, 200, 200]
    monkeypatch.setattr(uploads, "SECONDS", -1.0)
    assert client.get(f"/api/similar?upload={tokens[2]}").status_code == 404


def test_the_messages_say_the_time_for_which_uploads_are_kept(client):
    assert f"{uploads.SECONDS / 3600:.0f} hour" == uploads.KEPT_FOR
    message = client.get("/api/similar?upload=unknown").json()["error"]["message"]
    description = client.get("/api/openapi.json").json()["paths"]["/api/uploads"]["post"]["description"]
    assert uploads.KEPT_FOR in message and uploads.KEPT_FOR in description


def test_what_is_no_picture_is_refused(client):
    for data in (b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", png("red")[:50], b"\xff\xd8\xff" * 9):
        answer = send(client, data)
        assert answer.status_code == 422 and answer.json()["error"]["code"] == "no-picture"


def test_the_type_must_be_a_picture_s(client):
    for kind in ("text/html", "multipart/form-data; boundary=x", "application/json"):
        assert send(client, png("red"), kind).status_code == 415


def test_nothing_stays_on_disk(client, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    send(client, png("red"))
    send(client, b"no picture")
    assert os.listdir(tmp_path) == ["photos"]


def test_an_empty_index_has_nothing_to_compare_with(tmp_path, encoder):
    from starlette.testclient import TestClient

    from clipsearch import SearchEngine
    from clipsearch.server.app import make_app
    from clipsearch.server.service import Service
    from clipsearch.store.writer import CollectionWriter

    CollectionWriter(tmp_path / ".clipsearch").close()
    with SearchEngine.open(tmp_path) as engine:
        assert engine.model_name is None
    service = Service(tmp_path / ".clipsearch")
    app = make_app(service, host="127.0.0.1", port=8100)
    with TestClient(app, base_url="http://127.0.0.1:8100", headers={"Clipsearch-Client": "t"}) as client:
        assert send(client, png("red")).status_code == 409


def pattern(seed):
    """A picture with shapes. All of them have nearly one mean colour, so that their embeddings are near each other."""
    noise = np.random.default_rng(seed).integers(60, 200, (6, 8, 3), np.uint8)
    return Image.fromarray(noise).resize((320, 240), Image.Resampling.BICUBIC)


def test_a_smaller_copy_of_an_indexed_photo_is_known_and_another_photo_is_not(client, engine, photos):
    pattern(1).save(photos / "first.jpg", quality=95)
    pattern(2).save(photos / "second.jpg", quality=95)
    engine.index()

    def known(picture):
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=60)
        return [
            (os.path.basename(photo["path"]), photo["exact"])
            for photo in send(client, stream.getvalue(), "image/jpeg").json()["known"]
        ]

    assert known(pattern(1).resize((120, 90))) == [("first.jpg", False)]
    assert known(pattern(3)) == []
    answer = send(client, (photos / "second.jpg").read_bytes(), "image/jpeg").json()
    assert [(os.path.basename(photo["path"]), photo["exact"]) for photo in answer["known"]] == [("second.jpg", True)]
    assert send(client, png((225, 215, 35))).json()["known"] == []  # too plain to be told apart
