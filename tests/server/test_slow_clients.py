"""Stalled clients do not delay the answers to others."""

import http.client
import io
import json
import socket
import threading
from contextlib import ExitStack, suppress

import pytest
from PIL import Image

from clipsearch.server import uvicorn_server
from clipsearch.server.app import make_app
from clipsearch.server.middleware import access

PATIENCE = 60  # seconds; an answer comes at once or never
HEADERS = {"Clipsearch-Client": "tests", "Content-Type": "image/png"}


@pytest.fixture
def port(service):
    """The port of a server that listens in its own thread."""
    with uvicorn_server.listen("127.0.0.1", 0) as listener:
        number = listener.getsockname()[1]
        ready = threading.Event()
        server = uvicorn_server.make_server(make_app(service, host="127.0.0.1", port=number), service, ready.set)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        assert ready.wait(PATIENCE)
        yield number
        server.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive()


def ask(port, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path, body, HEADERS)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def picture():
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), (20, 20, 220)).save(stream, "PNG")
    return stream.getvalue()


def connected(port, stack, sent):
    """Open a connection that sends these bytes and then stalls."""
    client = stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
    client.sendall(sent)
    return client


def upload_head(port, length):
    lines = [
        f"Host: 127.0.0.1:{port}",
        f"Content-Length: {length}",
        *(f"{name}: {value}" for name, value in HEADERS.items()),
    ]
    return "\r\n".join(["POST /api/uploads HTTP/1.1", *lines, "", ""]).encode()


def test_stalled_uploads_keep_neither_another_upload_nor_a_query_waiting(port):
    with ExitStack() as stack:
        for _ in range(16):
            connected(port, stack, upload_head(port, 1000) + picture()[:50])
        status, answer = ask(port, "POST", "/api/uploads", picture())
        assert status == 200
        status, answer = ask(port, "GET", f"/api/search?like=upload:{answer['token']}")
        assert status == 200 and answer["hits"]


def test_an_upload_that_stalls_is_told_so_and_let_go(port, monkeypatch):
    monkeypatch.setattr(access, "PAUSE_SECONDS", 0.2)
    with ExitStack() as stack:
        client = connected(port, stack, upload_head(port, 1000) + picture()[:50])
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert answer.status == 408 and json.loads(answer.read())["error"]["code"] == "too-slow"


def test_a_client_that_goes_in_the_middle_of_its_upload_leaves_nothing(port, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with ExitStack() as stack:
        for _ in range(4):
            connected(port, stack, upload_head(port, 1000) + picture()[:50])
    assert ask(port, "POST", "/api/uploads", picture())[0] == 200
    end = threading.Event()
    for _ in range(PATIENCE * 10):
        if not any((tmp_path / "temporary").iterdir()):
            break
        end.wait(0.1)
    assert not any((tmp_path / "temporary").iterdir())


def test_no_more_uploads_are_taken_at_once_than_there_is_room_for(service, monkeypatch, request):
    monkeypatch.setattr("clipsearch.server.routes.pictures.RECEIVED_AT_ONCE", 0)
    status, answer = ask(request.getfixturevalue("port"), "POST", "/api/uploads", picture())
    assert status == 503 and answer["error"]["code"] == "busy"


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET /api/status HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_a_connection_that_does_not_ask_is_closed(port, monkeypatch, sent):
    monkeypatch.setattr(uvicorn_server, "HEADERS_SECONDS", 0.2)
    with ExitStack() as stack:
        assert connected(port, stack, sent).recv(100) == b""


def test_a_client_that_does_not_read_its_answer_is_let_go(port, service, monkeypatch):
    monkeypatch.setattr(uvicorn_server, "READING_SECONDS", 0.2)
    size, let_go = 64 * 1024**2, threading.Event()
    lost = uvicorn_server._Connection.connection_lost

    def connection_lost(self, error):
        lost(self, error)
        let_go.set()

    async def large(*_):
        return bytes(size), "image/jpeg"

    monkeypatch.setattr(uvicorn_server._Connection, "connection_lost", connection_lost)
    monkeypatch.setattr(service.pictures, "original", large)
    with ExitStack() as stack:
        client = connected(port, stack, f"GET /api/images/1/file HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        assert let_go.wait(PATIENCE)
        read = 0
        with suppress(ConnectionError):
            while part := client.recv(1 << 20):
                read += len(part)
        assert read < size
