"""Fixtures for tests of the server. It runs over five photos, in this process or as its own process."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from starlette.testclient import TestClient

from clipsearch.server.app import make_app
from clipsearch.server.service import Service
from tests.cli.conftest import clipsearch, clipsearch_process  # noqa: F401

ADDRESS = "http://127.0.0.1:8100"
MAY_CHANGE = {"Clipsearch-Client": "tests"}


@pytest.fixture
def indexed(photos_with_mini):
    """The folder of the five photos, indexed by mini, for a server in its own process."""
    return photos_with_mini


@pytest.fixture
def service(engine):
    """A service of the five photos. It has its own engine; `engine` acts as another process."""
    service = Service(engine.index_folder)
    yield service
    service.close()


@pytest.fixture
def client(service):
    """A client of the service that sends the headers of the page."""
    app = make_app(service, host="127.0.0.1", port=8100)
    with TestClient(app, base_url=ADDRESS, headers=MAY_CHANGE) as client:
        yield client


def ids(client):
    """File name → id."""
    photos = client.get("/api/images?top_k=1000").json()["images"]
    return {os.path.basename(photo["path"]): photo["id"] for photo in photos}


def found_names(answer):
    return [os.path.basename(hit["path"]) for hit in answer.json()["hits"]]


def wait_for_job(client, seconds=20):
    """Wait until the job has ended, and return its state."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        job = client.get("/api/index").json()
        if job["state"] not in ("running", "idle"):
            return job
        time.sleep(0.02)
    raise AssertionError(f"the job has not ended: {job}")


@contextmanager
def serving(folder, *arguments, **environment):
    """Run `clipsearch serve` as a process. Yields (process, address)."""
    process = subprocess.Popen(
        [sys.executable, "-m", "clipsearch", "serve", "--index", str(folder), "--port", "0", "--no-open", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUTF8": "1", **environment},
    )
    try:
        address = process.stdout.readline().strip()
        if not address:
            raise AssertionError(process.communicate(timeout=30)[1])
        yield process, address
    finally:
        process.kill()
        process.communicate()
