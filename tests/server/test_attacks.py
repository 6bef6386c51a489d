"""Attacks by a hostile page, program, picture or index. The server refuses all of them."""

import hmac
import io
import json
import os
import re
import socket
import sys
import time
import zlib

import httpx2
import pytest
from PIL import Image
from starlette.testclient import TestClient

from clipsearch import SearchEngine
from clipsearch.client import is_loopback
from clipsearch.errors import ClipsearchError
from clipsearch.server import page_files
from clipsearch.server.app import make_app
from clipsearch.server.map_tiles import tile_origin
from clipsearch.server.middleware import access
from clipsearch.server.middleware.access import AccessControl, check_exposure
from clipsearch.server.service import Service
from clipsearch.server.sessions import Sessions
from tests.conftest import save_photo, shared
from tests.server.conftest import ADDRESS, MAY_CHANGE, ids, serving

TOKEN = "correct-horse-battery"
COOKIE = "clipsearch-session-0"
SAME = "127.0.0.1:8100"


@pytest.fixture
def locked(service):
    """The same server with a token."""
    app = make_app(service, host="127.0.0.1", port=8100, sessions=Sessions(TOKEN))
    with TestClient(app, base_url=ADDRESS, headers=MAY_CHANGE, follow_redirects=False) as client:
        yield client


def refused(answer, status, code):
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    return True


# -- names: DNS rebinding


OTHER_NAMES = (
    "evil.example", "evil.example:8100", "127.0.0.1", "127.0.0.1:8101", "localhost:80", "127.0.0.1.evil.example:8100", "",
    "127.0.0.1:8100:8100", "[::1]", "localhost:8100@evil.example", "192.168.0.2:8100", "0.0.0.0:8100",
)  # fmt: skip


def test_another_name_gets_nothing(client):
    for host in OTHER_NAMES:
        for address in ("/", "/api/status", "/api/thumbnails/1", "/metrics", "/static/main.js"):
            refused(client.get(address, headers={"Host": host}), 421, "wrong-host")


def test_its_own_names_do(client):
    for host in ("127.0.0.1:8100", "localhost:8100", "LOCALHOST:8100", "[::1]:8100"):
        assert client.get("/api/status", headers={"Host": host}).status_code == 200, host


def test_forwarding_headers_change_nothing(client):
    headers = {"Host": "evil.example", "X-Forwarded-Host": SAME, "Forwarded": f"host={SAME}"}
    refused(client.get("/api/status", headers=headers), 421, "wrong-host")


def test_everywhere_means_by_address_or_by_the_machine_s_name(service):
    app = AccessControl(lambda *_: None, host="0.0.0.0", port=8100, sessions=Sessions(TOKEN))
    for host in ("192.168.0.2:8100", "[fe80::1]:8100", f"{socket.gethostname()}:8100", "localhost:9000"):
        assert app._is_host(host), host
    for host in ("evil.example:8100", "192.168.0.2.evil.example:8100"):
        assert not app._is_host(host), host


# -- other sites


def test_another_site_changes_nothing(client):
    others = (
        "https://evil.example",
        "null",
        "http://127.0.0.1:8101",
        "http://localhost:8100",
        "http://127.0.0.1:8100.evil",
    )
    for origin in others:
        for method, address in (("POST", "/api/index"), ("DELETE", "/api/index"), ("PUT", "/api/saved-searches/x")):
            refused(client.request(method, address, headers={"Origin": origin}), 403, "wrong-origin")
    assert client.get("/api/index").json()["state"] == "idle"


def test_its_own_page_may(client):
    body = {"parameters": {"q": "a"}}
    assert client.put("/api/saved-searches/x", json=body, headers={"Origin": f"http://{SAME}"}).status_code == 200


def test_what_changes_something_needs_the_header_that_no_form_sends(client):
    del client.headers["Clipsearch-Client"]
    for method, address in (
        ("POST", "/api/uploads"),
        ("POST", "/api/index"),
        ("PUT", "/api/saved-searches/x"),
        ("PATCH", "/"),
    ):
        refused(client.request(method, address), 403, "client-needed")


def test_a_preflight_is_told_nothing_that_lets_it_go_on(client):
    headers = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "clipsearch-client",
        "Access-Control-Request-Private-Network": "true",
    }
    for address in ("/api/index", "/api/uploads", "/api/status", "/nothing"):
        answer = client.options(address, headers=headers)
        assert not [name for name in answer.headers if name.startswith("access-control")]
    answer = client.options("/api/index")
    assert answer.status_code == 204 and answer.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, POST"


def test_another_site_cannot_embed_or_fetch(client):
    for site in ("cross-site", "same-site"):
        for address in ("/api/thumbnails/1", "/api/images/1/file", "/api/search?q=red", "/static/main.js"):
            refused(client.get(address, headers={"Sec-Fetch-Site": site}), 403, "wrong-origin")
    assert client.get("/api/status", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200
    assert client.get("/", headers={"Sec-Fetch-Site": "cross-site"}).status_code in (200, 404)  # a link may open it


def test_an_error_of_ours_tells_nothing(caplog):
    async def broken(scope, receive, send):
        raise ValueError("a secret")

    answer = TestClient(AccessControl(broken, host="127.0.0.1", port=8100), base_url=ADDRESS).get("/api/status")
    assert refused(answer, 500, "bug") and "secret" not in answer.text and answer.headers["clipsearch-api"] == "1"
    assert "unexpected ValueError in GET '/api/status'" in caplog.text and "Traceback" not in caplog.text


# -- headers


def test_every_answer_has_the_headers_that_protect_a_browser(client):
    number = ids(client)["red.jpg"]
    answers = [
        client.get(address)
        for address in ("/", "/api/status", "/api/nothing", "/api/search", f"/api/thumbnails/{number}", "/metrics",
                        f"/api/images/{number}/file", "/api/openapi.json", "/static/nothing.js")
    ]  # fmt: skip
    answers += [client.get("/", headers={"Host": "evil.example"}), client.post("/api/uploads", content=b"x")]
    answers += [client.head("/api/status"), client.options("/api/status"), client.request("TRACE", "/api/status")]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';") and "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy and "form-action 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["clipsearch-api"] == "1"
        assert "access-control-allow-origin" not in answer.headers and "server" not in answer.headers


# -- paths


OUTSIDE = (
    "/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd", "/static/%2fetc%2fpasswd",
    "/static/..\\app.py", "/static/", "/static/index.html%00.js", "/static/.", "/static/__init__.py", "/app.py",
    "/api/images/..%2f..%2fetc%2fpasswd/file", "/api/images/1%00/file", "/api/thumbnails/..", "/api/thumbnails/-1",
    "/api/thumbnails/1e3", "/api/thumbnails/99999999999999999999", "/api/images/%F1/file", "//etc/passwd",
)  # fmt: skip


def test_no_path_leads_out(client):
    for address in OUTSIDE:
        answer = client.get(f"{ADDRESS}{address}")
        assert answer.status_code in (404, 422) and set(answer.json()["error"]) == {"code", "message"}, address
        assert "root:" not in answer.text and "import" not in answer.text


def test_static_files_are_those_of_the_package(client, tmp_path, monkeypatch):
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "main.js").write_text("1")
    (tmp_path / "static" / "secret.txt").write_text("2")
    monkeypatch.setattr(page_files, "_FOLDER", tmp_path / "static")
    answer = client.get("/static/main.js")
    assert answer.text == "1" and answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert client.get("/static/main.js", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    assert client.get("/static/secret.txt").status_code == 404
    assert client.get("/").status_code == 404  # this folder has no index.html


# -- tokens


def test_nothing_is_shown_without_the_token(locked):
    for address in (
        "/",
        "/api/status",
        "/api/search?q=red",
        "/static/main.js",
        "/metrics",
        "/api/openapi.json",
        "/?token=no",
    ):
        answer = locked.get(address)
        assert refused(answer, 401, "token-needed") and answer.headers["www-authenticate"] == "Bearer"
    for headers in (
        {"Authorization": "Bearer "}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": f"Bearer {TOKEN[:-1]}"}, {"Cookie": f"{COOKIE}="},
        {"Cookie": f"{COOKIE}={TOKEN}"}, {"Cookie": f"other={TOKEN}"}, {"Cookie": "=;;\\"}, {"Cookie": f"{COOKIE}=.."},
        {"Authorization": "Bearer \u00e9".encode("latin-1")}, {"Cookie": f'a={{"x": "y"}}; {COOKIE}=9999999999.z.z'},
    ):  # fmt: skip
        answer = locked.get("/api/status", headers=headers)
        refused(answer, 401, "token-needed")
        assert ("the token is wrong" in answer.text) == ("Authorization" in headers)
    refused(locked.get(f"/api/status?token={TOKEN}"), 401, "token-needed")  # an address is no place for a token
    refused(locked.get(f"/?token={TOKEN}"), 401, "token-needed")


def sign_in(client, token):
    return client.post("/api/session", json={"token": token})


def test_the_token_opens_by_header_or_is_exchanged_for_a_cookie(locked):
    assert locked.get("/api/status", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert locked.get("/api/session").json() == {"signed_in": False, "needed": True}
    refused(sign_in(locked, "correct-horse-batterx"), 403, "wrong-token")
    answer = sign_in(locked, TOKEN)
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and "path=/" in cookie and "secure" not in cookie
    assert f"max-age={90 * 24 * 3600}" in cookie and TOKEN not in cookie
    assert locked.get("/api/status").status_code == 200  # the client has the cookie now
    assert locked.get("/api/session").json() == {"signed_in": True, "needed": True}
    value = locked.cookies[COOKIE]
    others = {"Cookie": f'of={{"another": "program"}}; {COOKIE}={value}'}
    assert locked.get("/api/status", headers=others).status_code == 200
    locked.delete("/api/session")
    refused(locked.get("/api/status"), 401, "token-needed")
    encrypted = locked.post("/api/session", json={"token": TOKEN}, headers={"Origin": f"https://{SAME}"})
    assert "secure" in encrypted.headers["set-cookie"].lower()


def test_a_cookie_outlives_the_server_but_neither_another_token_nor_its_time(service, locked, monkeypatch):
    sign_in(locked, TOKEN)
    cookie = {"Cookie": f"{COOKIE}={locked.cookies[COOKIE]}"}

    def is_let_in(token, change=str):
        app = make_app(service, host="127.0.0.1", port=8100, sessions=Sessions(token))
        client = TestClient(app, base_url=ADDRESS)  # not entered, since the service ends with its application
        return client.get("/api/session", headers={"Cookie": change(cookie["Cookie"])}).json()["signed_in"]

    assert is_let_in(TOKEN) and not is_let_in(TOKEN.upper())
    later = str(int(time.time()) + 10**9)
    assert not is_let_in(TOKEN, lambda text: f"{COOKIE}={later}.{text.partition('.')[2]}")  # the time is signed, too
    assert not is_let_in(TOKEN, lambda text: text[:-1])
    monkeypatch.setattr("clipsearch.server.sessions.time.time", lambda: int(later) - 10**9 + 91 * 24 * 3600)
    assert not is_let_in(TOKEN)


def test_a_code_signs_one_browser_in_once(service):
    sessions, used = Sessions(TOKEN), []
    code = sessions.new_code(lambda: used.append(1))
    with TestClient(make_app(service, host="127.0.0.1", port=8100, sessions=sessions), base_url=ADDRESS) as client:
        client.headers.update(MAY_CHANGE)
        refused(client.get("/api/status", headers={"Authorization": f"Bearer {code}"}), 401, "token-needed")
        assert sign_in(client, code).status_code == 200 and client.get("/api/status").status_code == 200
        client.cookies.clear()
        refused(sign_in(client, code), 403, "wrong-token")
    assert used == [1]


def test_a_browser_without_a_session_gets_a_page_that_asks_for_the_token(locked):
    as_browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    answer = locked.get("/?q=red", headers=as_browser)
    assert answer.status_code == 401 and answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-store" and "unsafe" not in answer.headers["content-security-policy"]
    for address in set(re.findall(r'(?:src|href)="(/[^"]+)"', answer.text)):
        assert locked.get(address).status_code == 200, address
    for path in ("/api/status", "/static/main.js", "/photos/"):
        refused(locked.get(path), 401, "token-needed")
        answer = locked.get(path, headers=as_browser)
        assert answer.status_code == 401 and "This server needs its token" in answer.text
        assert answer.headers["cache-control"] == "no-store" and 'href="/">All photos' in answer.text
        for address in set(re.findall(r'(?:src|href)="(/[^"]+)"', answer.text)):
            assert locked.get(address).status_code == 200, address
    refused(
        locked.post("/api/session", json={"token": TOKEN}, headers={"Origin": "http://evil.example"}),
        403,
        "wrong-origin",
    )
    for body in ({}, {"token": ""}, {"token": 1}, {"token": "x" * 1000}, {"token": TOKEN, "more": 1}):
        assert locked.post("/api/session", json=body).status_code == 422
    assert locked.get("/?q=red").headers["content-type"] == "application/json"  # programs get what they can read


def test_tokens_are_compared_in_constant_time(locked, monkeypatch):
    compared = []
    compare = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda *both: compared.append(both) or compare(*both))
    locked.get("/api/status", headers={"Authorization": "Bearer wrong"})
    locked.get("/api/status", headers={"Cookie": f"{COOKIE}=1.a.wrong"})
    sign_in(locked, "wrong too")
    assert {(b"wrong", TOKEN.encode()), (b"wrong too", TOKEN.encode())} <= set(compared)
    assert b"1.a.wrong" in [given for _, given in compared]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.2", "example.org", ""])
def test_others_are_let_in_with_a_token_only(host):
    with pytest.raises(ClipsearchError, match="choose a --token"):
        check_exposure(host, None)
    check_exposure(host, TOKEN)
    assert not is_loopback(host)


@pytest.mark.parametrize("token", ["", "short", "with space" * 3, "x" * 300, "semi;colon" * 3, "é" * 20])
def test_a_token_is_long_and_plain(token):
    with pytest.raises(ClipsearchError, match="a token is"):
        check_exposure("127.0.0.1", token)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1"])
def test_this_machine_needs_no_token(host):
    check_exposure(host, None)


def test_the_command_refuses_to_be_open_to_all(clipsearch, tmp_path):
    status, output, errors = clipsearch("serve", "--host", "0.0.0.0", "--no-open")
    assert status == 2 and output == "" and "choose a --token" in errors


# -- sizes


def test_a_huge_upload_is_refused_by_what_it_says(client):
    headers = {"Content-Type": "image/png", "Content-Length": str(access.MOST_BYTES + 1)}
    refused(client.post("/api/uploads", content=b"", headers=headers), 413, "too-large")
    for length in ("-1", "9" * 5000, "0x10", "1e3"):
        headers["Content-Length"] = length
        assert client.post("/api/uploads", content=b"", headers=headers).status_code == 413


def test_a_huge_upload_is_refused_by_what_comes(client, monkeypatch):
    monkeypatch.setattr(access, "MOST_BYTES", 100_000)
    sent = []

    def pieces():
        for _ in range(1000):
            sent.append(1)
            yield b"x" * 10_000

    refused(client.post("/api/uploads", content=pieces(), headers={"Content-Type": "image/png"}), 413, "too-large")
    refused(client.put("/api/saved-searches/x", content=b"[" * 200_000), 413, "too-large")


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """The address of a real server over three photos."""
    folder = tmp_path_factory.mktemp("real")
    for colour in ("red", "green", "blue"):
        save_photo(folder / f"{colour}.jpg", colour)
    with SearchEngine.open(folder, model="mini") as engine:
        engine.index()
    with serving(folder) as (_, address):
        yield address


def talk(address, request, most=1_000_000):
    """Send raw bytes to a server. Returns its answer until it hangs up or is silent."""
    url = httpx2.URL(address)
    with socket.create_connection((url.host, url.port), timeout=1) as stream:
        host = f"{url.host}:{url.port}".encode()
        answer = b""
        try:
            stream.sendall(request.replace(b"HOST", host))
            while len(answer) < most and (piece := stream.recv(65536)):
                answer += piece
        except (TimeoutError, ConnectionError):
            pass
        return answer


def test_a_huge_body_is_not_read_to_its_end(running):
    head = b"POST /api/uploads HTTP/1.1\r\nHost: HOST\r\nClipsearch-Client: x\r\nContent-Type: image/png\r\n"
    answer = talk(running, head + b"Content-Length: 99999999999\r\n\r\n" + b"x" * 1000)
    assert answer.startswith(b"HTTP/1.1 413") and b"connection: close" in answer.lower()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: HOST\r\nHost: evil.example\r\n\r\n",
        b"GET http://evil.example/api/status HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET /api/status HTTP/1.0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
        b"GET /" + b"a" * 3_000_000 + b" HTTP/1.1\r\nHost: HOST\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: HOST\r\nX: " + b"a" * 3_000_000 + b"\r\n\r\n",
        b"POST /api/index HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /",
        b"GET /api/status HTTP/1.1\r\nHost: HOST\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nOrigin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\n\r\n",
    ],
)
def test_broken_and_smuggled_requests_get_nothing(running, request_bytes):
    answer = talk(running, request_bytes)
    assert (
        not answer.startswith(b"HTTP/1.1 200")
        and not answer.startswith(b"HTTP/1.1 101")
        and b"photo_bytes" not in answer
    )
    assert httpx2.get(f"{running}api/status").json()["images"] == 3  # the server still runs


# -- pictures


def bomb(width, height):
    """A PNG of a few kilobytes. Its header claims this size."""

    def chunk(kind, data):
        body = kind + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0"
    rows = zlib.compress(bytes(3_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_bombs_are_no_pictures(client):
    for width, height in ((100_000, 100_000), (2**31 - 1, 2**31 - 1), (1, 2**31 - 1)):
        answer = client.post("/api/uploads", content=bomb(width, height), headers={"Content-Type": "image/png"})
        refused(answer, 422, "no-picture")


def test_awkward_files_do_no_harm(client):
    folder = shared("data/bad_images")
    with open(folder / "manifest.jsonl") as lines:
        files = [json.loads(line)["file"] for line in lines][::40]
    for name in files:
        answer = client.post("/api/uploads", content=(folder / name).read_bytes(), headers={"Content-Type": "image/*"})
        assert answer.status_code in (200, 422), name
    assert client.get("/api/status").status_code == 200


def test_a_page_or_a_script_is_never_sent_as_one(client, engine, photos):
    """A photo's file is replaced by a page, and two pictures end in a script."""
    stream = io.BytesIO()
    Image.new("RGB", (9, 9)).save(stream, "GIF")
    (photos / "polyglot.html").write_bytes(stream.getvalue() + b"<script>alert(1)</script>")
    (photos / "both.jpg").write_bytes((photos / "red.jpg").read_bytes() + b"<script>alert(1)</script>")
    engine.index()
    number = ids(client)
    for name, kind in (("both.jpg", "image/jpeg"), ("polyglot.html", "image/gif")):
        if name in number:
            answer = client.get(f"/api/images/{number[name]}/file")
            assert answer.headers["content-type"] == kind and answer.headers["x-content-type-options"] == "nosniff"
    (photos / "red.jpg").write_bytes(b"<html><script>alert(1)</script>")
    refused(client.get(f"/api/images/{number['red.jpg']}/file"), 404, "gone")


# -- names


def test_names_are_data_everywhere(client, engine, photos):
    evil = ["<script>alert(1)<\u2044script>.jpg", "a\nb\r\nSet-Cookie: x=1.jpg", "\"'`&amp;.jpg", "\u202egpj.exe.jpg"]
    for name in evil:
        save_photo(photos / name, "red", note=name)
    engine.index()
    number = ids(client)
    assert set(evil) < set(number)
    for name in evil:
        answer = client.get(f"/api/images/{number[name]}/file")
        assert answer.status_code == 200 and "set-cookie" not in answer.headers
        assert answer.headers["content-disposition"].isascii()
        assert client.get(f"/api/images/{number[name]}").headers["content-type"] == "application/json"
    answer = client.get("/api/search?q=red")
    assert answer.headers["content-type"] == "application/json" and "\n" not in answer.text.rstrip("\n")
    answer = client.get("/api/search", params={"q": "red", "where": "<script>alert(1)</script>"})
    assert answer.status_code == 400 and answer.headers["content-type"] == "application/json"


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are Unicode there")
def test_names_that_are_not_utf8_are_exact(client, engine, photos):
    folder = os.fsencode(photos) + b"/caf\xe9"
    os.mkdir(folder)
    os.rename(photos / "red.jpg", folder + b"/r\xff.jpg")
    engine.index()
    hits = client.get("/api/search?q=red").json()["hits"]
    (hit,) = [hit for hit in hits if hit["path"].endswith(".jpg") and "caf" in hit["path"]]
    assert os.fsencode(hit["path"]) == folder + b"/r\xff.jpg"
    assert client.get(f"/api/images/{hit['id']}/file").status_code == 200
    assert client.get(f"/api/thumbnails/{hit['id']}").status_code == 200
    from urllib.parse import quote

    assert client.get(f"/api/images?in={quote(folder)}").json()["considered"] == 1
    assert client.get("/api/images?name=r%FF*").json()["considered"] == 1
    assert folder.decode("utf-8", "surrogateescape") in [
        count["value"] for count in client.get("/api/facets").json()["facets"]["folder"]
    ]
    os.unlink(folder + b"/r\xff.jpg")
    refused(client.get(f"/api/images/{hit['id']}/file"), 404, "gone")


def test_an_index_from_elsewhere_cannot_show_other_files(client, engine, photos):
    """A row of the catalog names another file, but its hash does not match that file."""
    import sqlite3

    secret = photos / "secret.txt"
    secret.write_text("root:x:0:0")
    number = ids(client)["red.jpg"]
    with sqlite3.connect(engine.index_folder / "catalog.sqlite") as catalog:
        catalog.execute("UPDATE images SET name = ? WHERE image_id = ?", (b"secret.txt", number))
    catalog.close()
    for address in (f"/api/images/{number}/file", f"/api/thumbnails/{number}"):
        answer = client.get(address)
        assert answer.status_code in (404, 503) and "root:" not in answer.text


# -- the user's own map tiles


def test_only_a_server_with_map_tiles_lets_the_page_show_them(client, engine):
    assert "img-src 'self' blob: data:;" in client.get("/").headers["content-security-policy"]
    service = Service(engine.index_folder, map_tiles="http://localhost:8080/{z}/{x}/{y}.png")
    app = make_app(service, host="127.0.0.1", port=8100)
    with TestClient(app, base_url=ADDRESS) as other:
        policy = other.get("/").headers["content-security-policy"]
        assert "img-src 'self' http://localhost:8080 blob: data:;" in policy and policy.count("http") == 1
        assert other.get("/api/map?within=0,0,1,1").json()["tiles"] == "http://localhost:8080/{z}/{x}/{y}.png"


@pytest.mark.parametrize(
    "address",
    ["", "tiles", "ftp://a/{z}/{x}/{y}", "http://a/{z}/{x}", "http://a;script-src *//{z}/{x}/{y}", "http://a b/{z}/{x}/{y}",
     "http://u@a/{z}/{x}/{y}", "http://a:99999999/{z}/{x}/{y}", "javascript:{z}{x}{y}", "http:///{z}/{x}/{y}", "http://*/{z}/{x}/{y}"],
)  # fmt: skip
def test_an_address_that_is_not_one_of_tiles_is_refused(address):
    with pytest.raises(ClipsearchError, match="not an address of map tiles"):
        tile_origin(address)
