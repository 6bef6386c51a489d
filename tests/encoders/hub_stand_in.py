"""A hub on 127.0.0.1 for folders with checkpoints. It answers as the real one does.

Source: hf_api.py and file_download.py of huggingface_hub. Weights are stored as the hub stores large files: `resolve` answers
302, with their sha256 in X-Linked-ETag, and the bytes are on another server, in ranges if these are asked for. A small file is
behind a relative redirect, and its ETag is its git object's name.
"""

import hashlib
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

_INFO = re.compile(r"/api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?")
_TREE = re.compile(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)")
_DISCUSSIONS = re.compile(r"/api/models/([^/]+/[^/]+)/discussions")
_RESOLVE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
_CACHED = re.compile(r"/api/resolve-cache/models/([^/]+/[^/]+)/([^/]+)/(.+)")
_LARGE = re.compile(r"/lfs/([0-9a-f]{64})")
_LARGE_SUFFIXES = (".safetensors", ".bin")
_POINTER_BYTES = 134


class Request(NamedTuple):
    """A request that the hub has had."""

    method: str
    path: str
    range: str
    token: str


@dataclass
class HubStandIn:
    """What the hub has, what it was asked, and what is wrong with it."""

    repositories: dict  # model → revision → folder
    pull_requests: dict = field(default_factory=dict)  # model → [(author, number)]
    address: str = ""
    storage: str = ""  # the address of large files
    requests: list = field(default_factory=list)
    cut_after: int | None = None  # the connection ends after so many bytes of weights
    tampers: bool = False  # the last byte of weights is another one

    def fetched(self):
        """The names of the files whose bytes were asked for, in order."""
        large = {sha256_of(file): name for *_, name, file in self.files() if is_large(file)}
        for request in self.requests:
            if request.method == "GET" and (match := _LARGE.fullmatch(request.path) or _CACHED.fullmatch(request.path)):
                yield large.get(match[1]) or match[3]

    def last_start(self):
        """The first byte of the last range of weights that was asked for."""
        ranges = [request.range for request in self.requests if request.range]
        return int(re.fullmatch(r"bytes=(\d+)-", ranges[-1])[1])

    def files(self):
        """(model, revision, name, file) of each file."""
        for model, revisions in self.repositories.items():
            for revision, folder in revisions.items():
                for file in sorted(path for path in folder.rglob("*") if path.is_file()):
                    yield model, revision, file.relative_to(folder).as_posix(), file


def commit_of(model, revision="main"):
    """The commit of a revision, or the revision itself, if it is a commit."""
    return (
        revision if re.fullmatch("[0-9a-f]{40}", revision) else hashlib.sha1(f"{model} {revision}".encode()).hexdigest()
    )


@contextmanager
def hub_stand_in(repositories, **options):
    """Serve these repositories: model → revision → folder. Yields the hub."""
    hub = HubStandIn(repositories, **options)
    handler = type("Handler", (_Handler,), {"hub": hub})
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for _ in range(2)]
    hub.address, hub.storage = (f"http://127.0.0.1:{server.server_address[1]}" for server in servers)
    threads = [threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join()


def ask_hub(monkeypatch, served, home):
    """Let this process ask a hub, with its cache in `home`. Returns the hub."""
    import huggingface_hub.constants

    for name, value in {"HF_HOME": str(home), "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": served.address}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    return served


def is_large(file):
    """Whether the hub keeps a file outside of git."""
    return file.suffix in _LARGE_SUFFIXES


def sha256_of(file):
    """The sha256 of a file."""
    return _sha256(file, file.stat().st_mtime_ns)


@lru_cache
def _sha256(file, _changed):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _git_name(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    hub: HubStandIn

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        path = urlsplit(self.path).path
        headers = (self.headers.get(name, "") for name in ("Range", "Authorization"))
        self.hub.requests.append(Request(self.command, unquote(path), *headers))
        routes = [(_INFO, self.info), (_TREE, self.tree), (_DISCUSSIONS, self.discussions), (_RESOLVE, self.resolve),
                  (_CACHED, self.small), (_LARGE, self.large)]  # fmt: skip
        for pattern, route in routes:
            if match := pattern.fullmatch(path):
                return route(*(unquote(group or "main") for group in match.groups()))
        return self.send_json([] if path == "/api/models" else {"error": "Sorry, we can't find the page"})

    def folder(self, model, revision):
        """The folder of a revision or commit. Without one, the request is answered, as the hub does, and this is None."""
        revisions = self.hub.repositories.get(model)
        if revisions is None:
            if self.headers.get("Authorization"):
                return self.refuse(404, "RepoNotFound", "Repository not found")
            return self.refuse(401, "", "Invalid username or password.")
        for name, folder in revisions.items():
            if revision in (name, commit_of(model, name)):
                return folder
        return self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")

    def commit(self, model, revision):
        return next(
            commit for name in self.hub.repositories[model] if revision in (name, commit := commit_of(model, name))
        )

    def entries(self, model, folder):
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = {"path": file.relative_to(folder).as_posix(), "size": file.stat().st_size}
            if is_large(file):
                about = {"size": entry["size"], "pointerSize": _POINTER_BYTES}
                yield {**entry, "oid": "0" * 40, "lfs": {**about, "oid": sha256_of(file), "sha256": sha256_of(file)}}
            else:
                yield {**entry, "oid": _git_name(file.read_bytes())}

    def info(self, model, revision):
        if folder := self.folder(model, revision):
            siblings = [
                {"rfilename": entry["path"]}
                | ({"size": entry["size"], "blobId": entry["oid"]} if "blobs=" in self.path else {})
                | ({"lfs": entry["lfs"]} if "lfs" in entry and "blobs=" in self.path else {})
                for entry in self.entries(model, folder)
            ]
            self.send_json({"_id": "0" * 24, "id": model, "modelId": model, "sha": self.commit(model, revision),
                            "private": False, "disabled": False, "gated": False, "tags": [], "downloads": 0, "likes": 0,
                            "siblings": siblings})  # fmt: skip

    def tree(self, model, revision):
        if folder := self.folder(model, revision):
            self.send_json([{"type": "file", **entry} for entry in self.entries(model, folder)])

    def discussions(self, model):
        if self.folder(model, "main"):
            found = [
                {"num": number, "title": "Adding safetensors", "status": "open", "author": {"name": author, "type": "user"},
                 "isPullRequest": True, "createdAt": "2024-01-01T00:00:00.000Z", "repo": {"name": model, "type": "model"}}
                for author, number in self.hub.pull_requests.get(model, ())
            ]  # fmt: skip
            self.send_json({"discussions": found, "start": 0, "count": len(found)})

    def resolve(self, model, revision, name):
        if not (folder := self.folder(model, revision)):
            return
        file, commit = folder / name, self.commit(model, revision)
        if not file.is_file():
            self.refuse(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": commit})
        elif is_large(file):
            sha256 = sha256_of(file)
            linked = {"X-Linked-Size": str(file.stat().st_size), "X-Linked-ETag": f'"{sha256}"'}
            self.redirect(
                302, f"{self.hub.storage}/lfs/{sha256}?X-Amz-Expires=3600", {"X-Repo-Commit": commit, **linked}
            )
        else:
            address = f"/api/resolve-cache/models/{model}/{commit}/{quote(name, safe='')}"
            self.redirect(307, address, {"X-Repo-Commit": commit})

    def small(self, model, commit, name):
        if folder := self.folder(model, commit):
            data = (folder / name).read_bytes()
            self.send(200, data, {"ETag": f'"{_git_name(data)}"', "X-Repo-Commit": commit})

    def large(self, sha256):
        data = next(file.read_bytes() for *_, file in self.hub.files() if is_large(file) and sha256_of(file) == sha256)
        if self.hub.tampers:
            data = data[:-1] + bytes([data[-1] ^ 1])
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        first, total = int(start[1]) if start else 0, len(data)
        if first >= total > 0:
            return self.send(416, b"", {"Content-Range": f"bytes */{total}"})
        headers = {"ETag": f'"{sha256}"', "Accept-Ranges": "bytes"}
        if start:
            headers["Content-Range"] = f"bytes {first}-{total - 1}/{total}"
        return self.send(206 if start else 200, data[first:], headers, self.hub.cut_after)

    def redirect(self, status, address, headers):
        self.send(status, b"", {"Location": address, **headers})

    def refuse(self, status, code, message, headers=()):
        about = {"X-Error-Code": code, "X-Error-Message": message}
        self.send(status, json.dumps({"error": message}).encode(), {**(about if code else {}), **dict(headers)})

    def send_json(self, values):
        self.send(200, json.dumps(values).encode(), {"Content-Type": "application/json; charset=utf-8"})

    def send(self, status, data, headers, cut_after=None):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data[:cut_after])

    def log_message(self, *arguments):
        pass
