"""Taking photos out: one, several as an archive, a gallery or a contact sheet; and showing a photo's folder."""

import io
import os
import zipfile

import pytest
from starlette.testclient import TestClient

from clipsearch._internal.file_names import distinct_names
from clipsearch.server import desktop, downloads, originals
from clipsearch.server.app import make_app
from clipsearch.types import ImageFile
from tests.conftest import save_photo
from tests.server.conftest import ADDRESS, MAY_CHANGE, ids


def prepare(client, kind="zip", names=("red.jpg", "blue.jpg"), **more):
    numbers = ids(client)
    return client.post("/api/downloads", json={"ids": [numbers[name] for name in names], "kind": kind, **more})


def fetched(client, answer):
    return client.get(f"/api/downloads/{answer.json()['token']}")


def test_an_original_is_the_file_itself_under_its_own_name(client, engine, photos):
    odd = photos / 'a"\\ é\n.jpg'
    save_photo(odd, "red", note="odd")
    engine.index()
    numbers = ids(client)
    answer = client.get(f"/api/images/{numbers['red.jpg']}/original")
    assert answer.content == (photos / "red.jpg").read_bytes() and answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-disposition"].startswith('attachment; filename="red.jpg"')
    header = client.get(f"/api/images/{numbers[odd.name]}/original").headers["content-disposition"]
    assert header == "attachment; filename=\"a__ __.jpg\"; filename*=UTF-8''a%22%5C%20%C3%A9%0A.jpg"
    part = client.get(f"/api/images/{numbers['red.jpg']}/original", headers={"Range": "bytes=2-5"})
    assert part.status_code == 206 and part.content == answer.content[2:6]


def test_an_original_of_another_format_is_not_converted(client, engine, photos):
    from PIL import Image

    Image.new("RGB", (40, 30), "red").save(photos / "scan.tif")
    engine.index()
    answer = client.get(f"/api/images/{ids(client)['scan.tif']}/original")
    assert answer.content == (photos / "scan.tif").read_bytes() and answer.headers["content-type"] == "image/tiff"


def test_an_original_that_has_changed_is_not_sent_but_one_with_another_time_is(client, photos):
    number, data = ids(client)["red.jpg"], (photos / "red.jpg").read_bytes()
    os.utime(photos / "red.jpg", ns=(1, 1))
    assert client.get(f"/api/images/{number}/original").content == data
    (photos / "red.jpg").write_bytes(data[:-1] + b"!")
    answer = client.get(f"/api/images/{number}/original")
    assert answer.status_code == 404 and answer.json()["error"]["code"] == "gone"
    (photos / "red.jpg").unlink()
    assert client.get(f"/api/images/{number}/original").status_code == 404


def test_nothing_that_runs_is_sent_as_what_it_is():
    kinds = [originals.original_type(name) for name in ("a.svg", "a.html", "a.jpg", "a.mp4", "a")]
    assert kinds == ["application/octet-stream"] * 2 + ["image/jpeg", "video/mp4", "application/octet-stream"]


def test_an_archive_has_the_photos_files_and_says_what_is_missing(client, engine, photos):
    (photos / "below").mkdir()
    save_photo(photos / "below" / "RED.jpg", "red", note="another")
    engine.index()
    (photos / "blue.jpg").unlink()
    answer = prepare(client, names=("red.jpg", "RED.jpg", "blue.jpg", "red.jpg"), title="a/b")
    assert answer.json()["photos"] == 3 and answer.json()["name"] == "a-b.zip"
    sent = fetched(client, answer)
    assert sent.headers["content-disposition"].startswith('attachment; filename="a-b.zip"')
    with zipfile.ZipFile(io.BytesIO(sent.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["red.jpg", "RED (2).jpg", originals.MISSING]
        assert archive.read("red.jpg") == (photos / "red.jpg").read_bytes()
        assert archive.read("RED (2).jpg") == (photos / "below" / "RED.jpg").read_bytes()
        missing = archive.read(originals.MISSING).decode()
        assert missing.startswith(
            f"{photos / 'blue.jpg'}: the file blue.jpg is gone; if it was moved, look for new photos"
        )
    assert answer.json()["unreadable"] == 1


def test_a_file_edited_to_the_same_size_is_counted_as_missing_before_an_archive_is_made(client, photos, monkeypatch):
    data = (photos / "red.jpg").read_bytes()
    (photos / "red.jpg").write_bytes(data[:-1] + b"!")
    os.utime(photos / "red.jpg", ns=(1, 1))
    os.utime(photos / "green.jpg", ns=(1, 1))  # a copy, with another time
    names = ("red.jpg", "green.jpg", "blue.jpg")
    assert prepare(client, names=names).json()["unreadable"] == 1
    monkeypatch.setattr(originals, "_MOST_READ", 10)
    assert prepare(client, names=names).json()["unreadable"] == 0  # not worth reading so much


def test_a_file_that_does_not_come_has_its_cause_in_the_same_words_for_each_way(client, engine, photos):
    at = photos / "below" / "odd.jpg"
    at.parent.mkdir()
    save_photo(at, "red", note="odd")
    engine.index()
    number = ids(client)["odd.jpg"]

    def reasons():
        answers = [client.get(f"/api/images/{number}/{way}") for way in ("file", "original")]
        assert [answer.status_code for answer in answers] == [404, 404]
        with zipfile.ZipFile(io.BytesIO(fetched(client, prepare(client, names=("odd.jpg",))).content)) as archive:
            (line,) = archive.read(originals.MISSING).decode().splitlines()
        said = {answer.json()["error"]["message"] for answer in answers} | {line.removeprefix(f"{at}: ")}
        (reason,) = said
        return reason

    save_photo(at, "green", note="greyscale")
    assert reasons().startswith("the file odd.jpg has changed since it was indexed; to see it as it is now, look for")
    at.unlink()
    assert reasons() == "the file odd.jpg is gone; if it was moved, look for new photos in Index"
    at.mkdir()
    assert reasons() == "the file odd.jpg cannot be read: a folder, and not a picture"
    at.rmdir()
    at.parent.rmdir()
    assert reasons().startswith(f"the folder {at.parent} is not there, nor is its file odd.jpg; connect its drive")


def test_an_archive_takes_little_memory_and_breaks_off_if_a_file_is_cut(engine, photos, monkeypatch):
    monkeypatch.setattr(originals, "_BLOCK", 100)
    records = engine.browse()[0][:2]
    sizes = [len(block) for block in originals.zip_blocks(records)]
    assert max(sizes) < 1000 < sum(sizes)
    record = records[0]
    longer = ImageFile(record.file.path, record.file.size + 1, record.file.mtime_ns)
    monkeypatch.setattr(originals, "is_same_state", lambda found, indexed: True)
    with pytest.raises(originals.ImageError, match="cut off"):
        list(originals.zip_blocks([type(record)(record.image_id, longer, record.info)]))


def test_names_are_distinct_to_every_file_system():
    paths = ["/a/x.jpg", "/b/X.JPG", "/c/x.jpg", "/d/x (2).jpg", "/e/\u00e9", "/f/e\u0301", "/g/a:b?.png"]
    assert distinct_names(paths) == [
        "x.jpg", "X (2).JPG", "x (3).jpg", "x (2) (2).jpg", "\u00e9", "e\u0301 (2)", "a_b_.png",
    ]  # fmt: skip


def test_a_gallery_and_a_sheet_are_made_of_photos_and_say_nothing_of_folders(client, photos):
    gallery = fetched(client, prepare(client, "gallery", title="Two <b>colours"))
    text = gallery.text
    assert gallery.headers["content-type"].startswith("text/html") and text.count('class="picture"') == 2
    assert "Two &lt;b&gt;colours" in text and str(photos) not in text and "data-href" not in text.split("<script>")[0]
    sheet = fetched(client, prepare(client, "sheet"))
    assert sheet.headers["content-type"] == "application/pdf" and sheet.content.startswith(b"%PDF")


def test_what_cannot_be_downloaded_is_refused(client, monkeypatch):
    assert client.post("/api/downloads", json={"ids": [999], "kind": "zip"}).status_code == 404
    assert client.post("/api/downloads", json={"ids": [], "kind": "zip"}).status_code == 422
    assert client.post("/api/downloads", json={"ids": [1], "kind": "exe"}).status_code == 422
    assert client.post("/api/downloads", json={"ids": [1] * 1001, "kind": "sheet"}).status_code == 413
    assert client.get("/api/downloads/unknown").json()["error"]["code"] == "no-such-download"
    answer = prepare(client)
    monkeypatch.setattr(downloads, "SECONDS", -1.0)
    assert fetched(client, answer).status_code == 404


@pytest.fixture
def here(service):
    """A client on the server's machine."""
    app = make_app(service, host="127.0.0.1", port=8100)
    with TestClient(app, base_url=ADDRESS, headers=MAY_CHANGE, client=("127.0.0.1", 50_000)) as client:
        yield client


@pytest.fixture
def commands(monkeypatch):
    """The commands that would be run, on a Linux desktop whose file manager does not answer on D-Bus."""
    run = []
    monkeypatch.setattr(desktop.sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(desktop.shutil, "which", lambda name: f"/usr/bin/{name}")

    class Failed:
        returncode = 1

    monkeypatch.setattr(desktop.subprocess, "run", lambda command, **_: run.append(command) or Failed)
    monkeypatch.setattr(desktop, "started", lambda command: run.append(command))
    return run


def test_a_folder_is_shown_by_the_file_manager_alone(here, engine, photos, commands):
    odd = photos / "a,b $(x).jpg"
    save_photo(odd, "red", note="odd")
    engine.index()
    assert here.get("/api/desktop").json() == {"folders": True}
    assert here.post(f"/api/images/{ids(here)[odd.name]}/folder").status_code == 204
    over_bus, opened = commands
    assert over_bus[0] == "/usr/bin/dbus-send" and over_bus[-2].endswith("/a%2Cb%20%24%28x%29.jpg")
    assert opened == ["/usr/bin/xdg-open", str(photos)]


def test_only_the_page_on_the_same_machine_shows_a_folder(client, here, photos, commands, monkeypatch):
    number = ids(here)["red.jpg"]
    address = f"/api/images/{number}/folder"
    assert client.post(address).status_code == 403 and client.get("/api/desktop").json() == {"folders": False}
    proxied = {"X-Forwarded-For": "10.0.0.1"}
    assert here.post(address, headers=proxied).status_code == 403
    assert here.get("/api/desktop", headers=proxied).json() == {"folders": False}
    assert here.post(address, headers={"Origin": "http://evil.example"}).status_code == 403
    del here.headers["Clipsearch-Client"]
    assert here.post(address).status_code == 403
    here.headers.update(MAY_CHANGE)
    (photos / "red.jpg").unlink()
    answer = here.post(address)
    assert answer.status_code == 404 and "gone" in answer.json()["error"]["message"]
    monkeypatch.delenv("DISPLAY")
    assert here.get("/api/desktop").json() == {"folders": False}
    assert commands == []
