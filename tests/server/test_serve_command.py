"""`clipsearch serve` as a process: its address, its end, and the files it leaves behind."""

import os
import signal
import socket
import subprocess
import sys
import time

import httpx2
import pytest
from starlette.testclient import TestClient

from clipsearch.cli import exit_status
from clipsearch.server import uvicorn_server
from tests.cli.running import run_here
from tests.conftest import save_photo
from tests.server.conftest import serving


def children(process):
    listing = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True).stdout
    return [int(number) for number in listing.split()]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_its_address_stops_at_once_and_leaves_nothing(indexed, number, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with serving(indexed, TMPDIR=str(scratch)) as (process, address):
        assert address.startswith("http://127.0.0.1:")
        with httpx2.Client(base_url=address, timeout=30) as client:
            assert client.get("api/status").json()["images"] == 5
            photo = client.get("api/images").json()["images"][0]
            assert client.get(f"api/thumbnails/{photo['id']}").status_code == 200
            decoders = children(process)
            with client.stream("GET", "api/events"), client.stream("GET", "api/index/events") as stream:
                next(stream.iter_lines())
                process.send_signal(number)
                process.wait(60)  # the open streams must not delay the end
        output, errors = process.communicate()
        assert process.returncode in (0, 130) and "Traceback" not in errors and "rror" not in errors, errors
        assert output == "" and "5 photos, model mini" in errors  # only the address was on standard output
        assert decoders and not [pid for pid in decoders if os.path.exists(f"/proc/{pid}")]
    assert os.listdir(scratch) == []


def test_the_end_does_not_wait_until_python_is_taken_apart(engine, monkeypatch):
    """Freeing a web framework and a model took most of a second. What is left to do at the end is done nevertheless."""
    done, statuses = list[str](), list[int]()

    def end(status):
        statuses.append(status)
        raise SystemExit(status)

    monkeypatch.setattr(exit_status, "_has_to_hurry", False)
    monkeypatch.setattr(exit_status.os, "_exit", end)
    monkeypatch.setattr(exit_status.atexit, "_run_exitfuncs", lambda: done.append("at exit"))
    monkeypatch.setattr(uvicorn_server, "run", lambda *arguments: done.append("served"))
    words = ("serve", "--index", engine.index_folder, "--no-open", "--port", "0")
    assert run_here(*words, cwd=engine.index_folder)[0] == 0
    assert (done, statuses) == (["served", "at exit"], [0])


def test_a_port_that_is_taken_is_said(clipsearch, indexed):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        status, output, errors = clipsearch("serve", "--index", indexed, "--port", port, "--no-open")
    assert status == 1 and output == "" and "--port 0 takes any free port" in errors


def test_no_index_and_no_such_host_are_said(clipsearch, indexed, tmp_path):
    status, _, errors = clipsearch("serve", "--index", tmp_path / "nowhere", "--no-open")
    assert status == 2 and "there is no index" in errors
    token = "x" * 20
    status, _, errors = clipsearch(
        "serve", "--index", indexed, "--host", "no-such-host.invalid", "--token", token, "--no-open"
    )
    assert status == 2 and "no-such-host.invalid is not an address" in errors
    for host in ("my host", "192.0.2.1"):  # before a token is asked for; the second is for documentation alone
        status, _, errors = clipsearch("serve", "--index", indexed, "--host", host, "--no-open")
        assert status == 2 and f"{host} is not an address of this machine" in errors and "--token" not in errors


def test_the_token_can_come_from_the_environment(engine, clipsearch, monkeypatch):
    statuses = []

    def ask(app, service, listener, on_ready):
        with TestClient(app, base_url=uvicorn_server.address_of(listener, "127.0.0.1")) as client:
            both = {}, {"Authorization": f"Bearer {'x' * 20}"}
            statuses.extend(client.get("/api/status", headers=headers).status_code for headers in both)

    monkeypatch.setattr(uvicorn_server, "run", ask)
    monkeypatch.setattr("clipsearch.cli.serve.leave_quickly", lambda: None)  # it would end this process
    words = ("serve", "--index", engine.index_folder, "--no-open", "--port", "0")
    assert clipsearch(*words, CLIPSEARCH_TOKEN="x" * 20)[0] == 0
    assert statuses == [401, 200]


def test_without_the_web_framework_it_says_what_to_install(clipsearch_process, indexed, tmp_path):
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked" / "fastapi.py").write_text("raise ImportError('not here')")
    blocked = str(tmp_path / "blocked")
    status, _, errors = clipsearch_process("serve", "--index", indexed, "--no-open", PYTHONPATH=blocked)
    assert status == 1 and "pip install 'clipsearch[web]'" in errors


def test_it_watches_the_folders(indexed):
    pytest.importorskip("watchfiles")
    with serving(indexed, "--watch") as (_, address):
        save_photo(indexed / "new.jpg", "red", note="new")
        end = time.monotonic() + 30
        while time.monotonic() < end and httpx2.get(f"{address}api/status").json()["images"] < 6:
            time.sleep(0.1)
        assert httpx2.get(f"{address}api/status").json()["images"] == 6


@pytest.mark.skipif(sys.platform == "win32", reason="no sh")
def test_it_serves_though_its_output_is_closed_and_says_where(indexed):
    line = f"exec '{sys.executable}' -m clipsearch serve --index '{indexed}' --port 0 --no-open >&-"
    with subprocess.Popen(["sh", "-c", line], stderr=subprocess.PIPE, text=True) as process:
        output = ""
        for text in process.stderr:
            output += text
            if "The address is " in text:
                assert httpx2.get(text.strip().rpartition(" ")[2] + "api/status").json()["images"] == 5
                process.terminate()
        assert "Traceback" not in output and "it is closed. The address is http://127.0.0.1:" in output
