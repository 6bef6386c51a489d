"""Indexing while the server runs, and the events for listeners."""

import asyncio
import json
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import httpx2

from clipsearch import SearchEngine
from clipsearch._internal.commands import quoted
from clipsearch.indexing.report import SyncReport
from clipsearch.server.events import index_events
from clipsearch.server.jobs import IndexJobs
from clipsearch.store.writer import CollectionWriter
from tests.conftest import save_photo
from tests.server.conftest import ids, serving, wait_for_job


def test_a_job_brings_the_index_up_to_date(client, photos):
    assert client.get("/api/index").json()["state"] == "idle"
    save_photo(photos / "new.jpg", "red", note="new")
    os.unlink(photos / "blue.jpg")
    answer = client.post("/api/index")
    assert answer.status_code == 202 and answer.json()["job"]["state"] == "running"
    job = wait_for_job(client)
    assert (job["state"], job["added"], job["removed"], job["done"], job["total"]) == ("done", 1, 1, 1, 1)
    assert "error" not in job
    assert {"new.jpg"} < set(ids(client)) and "blue.jpg" not in ids(client)


def test_only_folders_of_the_index_can_be_indexed(client, photos, tmp_path):
    for folder in (photos, photos / "trip"):
        assert client.post("/api/index", json={"folders": [str(folder)]}).status_code == 202
        assert wait_for_job(client)["state"] == "done"
    for folder in (tmp_path, "/", str(photos / ".." / "other")):
        answer = client.post("/api/index", json={"folders": [str(folder)]})
        assert answer.status_code == 403 and answer.json()["error"]["code"] == "not-allowed"
        how = f"clipsearch index PHOTOS --index {quoted(photos / '.clipsearch')}"  # never another client's options
        assert answer.json()["error"]["message"].endswith(f"or run: {how}")
    assert client.post("/api/index", json={"folder": str(photos)}).status_code == 422


def test_a_job_says_its_stage_its_rate_and_the_time_left(monkeypatch):
    now = 100.0
    monkeypatch.setattr("clipsearch.server.jobs.time.monotonic", lambda: now)
    jobs = IndexJobs(lambda: None)
    assert jobs._begin() and jobs.job.stage == "looking"
    report, said = SyncReport(), []
    for seconds, done in ((1, 0), (5, 8), (0.05, 9), (0.5, 16), (1, 24), (30, 224)):
        now += seconds
        jobs._progress(report, done, 400)
        said.append((jobs.job.stage, jobs.job.rate, jobs.job.seconds_left))
    assert said[:4] == [("model", None, None), ("photos", None, None), ("photos", None, None), ("photos", None, None)]
    assert said[4] == ("photos", 10.32, 36.4)  # 16 files in 1.55 seconds; the model's time does not count
    assert said[5] == ("photos", 6.67, 26.4)  # only the last seconds count
    jobs._progress(report, state="done", rate=None, seconds_left=None)
    assert not {"rate", "seconds_left"} & jobs.job.to_json().keys()


def test_a_second_job_has_to_wait_and_the_first_can_be_cancelled(client, photos, monkeypatch):
    for number in range(6):
        save_photo(photos / f"{number}.jpg", (number, 0, 99), note=str(number))
    go, begun = threading.Event(), threading.Event()
    original = SearchEngine.index

    def slow(self, *folders, progress=None, **options):
        def held(report, done, total):
            if done:
                begun.set()
                go.wait(10)
            progress(report, done, total)

        return original(self, *folders, progress=held, batch_size=1, **options)

    monkeypatch.setattr(SearchEngine, "index", slow)
    client.post("/api/index")
    assert begun.wait(20)
    answer = client.post("/api/index")
    assert answer.status_code == 409 and answer.json()["error"]["code"] == "running"
    assert "clipsearch_index_job_running 1.0" in client.get("/metrics").text
    assert client.delete("/api/index").status_code == 200
    go.set()
    job = wait_for_job(client)
    assert job["state"] == "cancelled" and 1 <= job["added"] < 6
    assert client.get("/api/images").json()["considered"] == 5 + job["added"]
    client.post("/api/index")
    assert wait_for_job(client)["state"] == "done" and client.get("/api/images").json()["considered"] == 11


def test_why_a_job_failed_is_told(client, engine, photos, monkeypatch):
    with CollectionWriter(engine.index_folder):
        for body in (None, {"folders": [str(photos)]}):
            refused = client.post("/api/index", json=body)
            assert refused.status_code == 409 and refused.json()["error"]["code"] == "index-busy"
            assert "nothing was begun" in refused.json()["error"]["message"]
        assert client.get("/api/index").json()["state"] == "idle"
        monkeypatch.setattr(
            "clipsearch.server.routes.index.is_written", lambda folder: False
        )  # it began a moment later
        client.post("/api/index")
        job = wait_for_job(client)
    assert job["state"] == "failed" and "another process is writing" in job["error"]
    assert client.get("/api/index").json() == client.get("/api/index").json() | {"state": "idle"}  # that is over
    for name in ("red", "green", "blue", "yellow"):
        os.unlink(photos / f"{name}.jpg")
    client.post("/api/index")
    job = wait_for_job(client)
    assert job["state"] == "failed" and "no longer there" in job["error"]


def events(lines):
    """(event, data) from the lines of a stream."""
    name = None
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def test_listeners_are_told_first_that_other_photos_were_expected():
    service = SimpleNamespace(folders=SimpleNamespace(unindexed=Path("/new")))
    assert asyncio.run(anext(index_events(service))) == ("unindexed", {"folder": str(Path("/new"))})


def test_listeners_are_told_of_progress_and_commits(indexed):
    headers = {"Clipsearch-Client": "tests"}
    with serving(indexed) as (_, address), httpx2.Client(base_url=address, timeout=30, headers=headers) as client:
        for number in range(3):
            save_photo(indexed / f"{number}.jpg", (number, 0, 99), note=str(number))
        with client.stream("GET", "api/events") as news, client.stream("GET", "api/index/events") as progress:
            assert news.headers["content-type"].startswith("text/event-stream")
            told = events(progress.iter_lines())
            assert next(told) == ("progress", client.get("api/index").json())
            time.sleep(0.3)  # by now, the other stream has read the index
            client.post("api/index")
            *_, (last, job) = told
            assert last == "done" and job["added"] == 3
            heard = events(news.iter_lines())
            assert next(heard) == ("changed", {"images": 8})
            client.post("api/albums/Favourites", json={"add": [1]})
            assert next(event for event in heard if event[0] != "changed") == ("albums", {})  # a run may commit twice
