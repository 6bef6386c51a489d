"""Pictures from the web: their size and time are limited, and private networks are refused."""

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import unquote

import pytest

from clipsearch.errors import ImageError
from clipsearch.images import fetch
from clipsearch.images.fetch import fetch_image

BYTES = bytes(range(256)) * 1000


class Site(BaseHTTPRequestHandler):
    asked: ClassVar = []

    def do_GET(self):
        self.asked.append(self.path)
        if self.path.startswith("/raw"):  # some servers do not write the address as %XX
            self.send_response(302)
            self.send_header("Location", unquote(self.path.removeprefix("/raw"), "latin-1"))
            self.end_headers()
            return
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/moved"))
            self.end_headers()
            return
        self.send_response(404 if self.path == "/none" else 200)
        if self.path == "/slow":
            self.end_headers()
            with_patience = time.monotonic() + 30
            while time.monotonic() < with_patience:
                try:
                    self.wfile.write(b"x")
                except OSError:
                    return
                time.sleep(0.05)
            return
        self.send_header("Content-Length", str(len(BYTES) + (10 if self.path == "/broken" else 0)))
        self.end_headers()
        self.wfile.write(BYTES)

    def log_message(self, *_):
        pass


@pytest.fixture
def site():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def as_if_public(monkeypatch):
    monkeypatch.setattr(fetch, "_public_address", lambda host, port: "127.0.0.1")


@pytest.mark.usefixtures("as_if_public")
def test_the_bytes_come_and_redirections_are_followed(site):
    assert fetch_image(f"{site}/a.jpg") == BYTES
    assert fetch_image(f"{site}/moved/moved/a.jpg?size=large") == BYTES


@pytest.mark.usefixtures("as_if_public")
@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/two words.jpg?of=a b", "/two%20words.jpg?of=a%20b"),
        ("/caf\N{LATIN SMALL LETTER E WITH ACUTE}.jpg", "/caf%C3%A9.jpg"),
        ("/written%20so.jpg?a=1&b=%C3%A9;c=(2)", "/written%20so.jpg?a=1&b=%C3%A9;c=(2)"),
        ("/moved/two%20words.jpg", "/two%20words.jpg"),
        ("/raw/caf%C3%A9 here.jpg", "/caf%C3%A9%20here.jpg"),
    ],
)
def test_addresses_are_asked_for_as_servers_know_them(site, path, asked):
    Site.asked.clear()
    assert fetch_image(site + path) == BYTES
    assert Site.asked[-1] == asked


@pytest.mark.usefixtures("as_if_public")
@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/none", "404"),
        ("/broken", "broke off"),
        ("/moved" * 9, "redirections"),
        ("/movedfile:///etc/passwd", "only http"),
        ("/movedhttp://[", "cannot be downloaded"),
    ],
)
def test_what_goes_wrong_is_said(site, path, says):
    with pytest.raises(ImageError, match=says):
        fetch_image(site + path)


@pytest.mark.usefixtures("as_if_public")
def test_size_and_time_are_capped(site):
    with pytest.raises(ImageError, match="larger than"):
        fetch_image(f"{site}/a.jpg", max_bytes=1000)
    start = time.monotonic()
    with pytest.raises(ImageError, match="too long"):
        fetch_image(f"{site}/slow", seconds=0.5)
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "10.1.2.3",
        "192.168.0.1",
        "169.254.169.254",
        "[::1]",
        "[fe80::1]",
        "0.0.0.0",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::10.0.0.1]",
        "[2002:7f00:1::]",
    ],
)
def test_a_private_network_is_never_asked(host):
    with pytest.raises(ImageError, match="private network") as error:
        fetch_image(f"http://{host}:9/")
    assert f"{host} is {host}" not in str(error.value)


def test_one_private_address_among_several_is_enough(monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in ("93.184.216.34", "192.168.1.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(ImageError, match="private network"):
        fetch_image("http://example.org/")


@pytest.mark.parametrize(
    "url", ["ftp://example.org/a.jpg", "file:///etc/passwd", "http://", "http://example.org:99999/"]
)
def test_an_address_that_cannot_be_one(url):
    with pytest.raises(ImageError, match="cannot be downloaded"):
        fetch_image(url)
