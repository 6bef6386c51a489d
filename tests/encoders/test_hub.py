"""Models from the hub: a fake hub on 127.0.0.1, a silent one, and no hub at all."""

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from clipsearch import ClipsearchWarning, load_encoder
from clipsearch.encoders import choose_default_model, hub
from clipsearch.encoders.registry import DEFAULT_MODEL, MODELS
from clipsearch.errors import ModelError
from tests.encoders.support import save_checkpoint

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def fake_hub(checkpoint):
    """A hub for "team/tiny" and "team/pickled". Yields its address and the list of requested paths.

    If a test adds "tampered" to this list, the hub sends weights with one changed byte.
    """
    requests = []

    def stored(name):
        if not name.endswith(".safetensors"):
            return {"rfilename": name}
        data = (checkpoint / name).read_bytes()
        about = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
        return {"rfilename": name, "size": len(data), "blobId": "0" * 40, "lfs": about}

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer(body=False)

        def do_GET(self):
            self.answer(body=True)

        def answer(self, body):
            path = self.path.split("?")[0]
            requests.append(path)
            if path == "/api/models":
                return self.send(b"[]", body)
            if path.startswith("/api/models/team/pickled/discussions"):
                by = [("mallory", 2), ("SFconvertbot", 7)]
                discussions = [
                    {"num": number, "title": "Adding safetensors", "status": "open", "author": {"name": name, "type": "user"},
                     "isPullRequest": True, "createdAt": "2024-01-01T00:00:00.000Z",
                     "repo": {"name": "team/pickled", "type": "model"}}
                    for name, number in by
                ]  # fmt: skip
                return self.send(
                    json.dumps({"discussions": discussions, "start": 0, "count": len(discussions)}).encode(), body
                )
            if path.startswith(("/api/models/team/tiny", "/api/models/team/pickled")):
                names = sorted(file.name for file in checkpoint.iterdir())
                if "pickled" in path and "refs%2Fpr%2F7" not in path and "refs/pr/7" not in path and COMMIT not in path:
                    names = ["pytorch_model.bin" if name == "model.safetensors" else name for name in names]
                if "/tree/" in path:
                    tree = [{"type": "file", "path": name, "size": 1, "oid": "0" * 40} for name in names]
                    return self.send(json.dumps(tree).encode(), body)
                info = {"id": "team/tiny", "modelId": "team/tiny", "sha": COMMIT, "private": False, "disabled": False,
                        "gated": False, "tags": [], "downloads": 0, "likes": 0,
                        "siblings": [stored(name) for name in names]}  # fmt: skip
                return self.send(json.dumps(info).encode(), body)
            prefix = f"/team/{'pickled' if 'pickled' in path else 'tiny'}/resolve/{COMMIT}/"
            if path.startswith(prefix) and (checkpoint / path[len(prefix) :]).is_file():
                data = (checkpoint / path[len(prefix) :]).read_bytes()
                changed = "tampered" in requests and path.endswith(".safetensors")
                return self.send(data[:-1] + bytes([data[-1] ^ 1]) if changed else data, body, data)
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None

        def send(self, data, body, published=None):
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("ETag", f'"{hashlib.sha256(published or data).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if body:
                self.wfile.write(data)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", requests
    server.shutdown()
    server.server_close()
    thread.join()


def run(*arguments, home, endpoint=None, offline=False):
    """Run `clipsearch ...` in a separate process, because huggingface_hub reads its environment on import."""
    environment = {
        **os.environ,
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "1" if offline else "0",
        "HF_HUB_DISABLE_XET": "1",
    }
    if endpoint:
        environment["HF_ENDPOINT"] = endpoint
    command = [sys.executable, "-m", "clipsearch", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


def test_pull_fetches_a_checkpoint_which_then_works_without_the_hub(fake_hub, tmp_path, monkeypatch):
    endpoint, requests = fake_hub
    result = run("models", "pull", "team/tiny", home=tmp_path, endpoint=endpoint)
    assert result.returncode == 0, result.stderr
    assert "team/tiny is in" in result.stdout
    fetched = {path.rsplit("/", 1)[1] for path in requests if "/resolve/" in path}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= fetched
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    encoder = load_encoder("team/tiny")
    assert (encoder.spec.fingerprint.model, encoder.spec.fingerprint.revision) == ("team/tiny", COMMIT)
    assert encoder.encode_texts(["a cat"]).shape == (1, 24)


def test_pulling_again_downloads_nothing(fake_hub, tmp_path):
    endpoint, requests = fake_hub
    run("models", "pull", "team/tiny", home=tmp_path, endpoint=endpoint)
    requests.clear()
    assert run("models", "pull", "team/tiny", home=tmp_path, offline=True).returncode == 0
    assert requests == []


def test_safetensors_that_only_the_hubs_own_bot_offers_are_found(fake_hub, tmp_path):
    """The main branch of openai/clip-vit-base-patch32, for example, has only pickled weights."""
    endpoint, requests = fake_hub
    result = run("models", "pull", "team/pickled", home=tmp_path, endpoint=endpoint)
    assert result.returncode == 0, result.stderr
    assert any("pr%2F7" in path or "pr/7" in path for path in requests)
    assert not any("pr%2F2" in path or "pr/2" in path for path in requests)
    assert run("models", "pull", "team/pickled", home=tmp_path, offline=True).returncode == 0


def test_weights_that_were_changed_on_the_way_are_refused_and_not_kept(fake_hub, tmp_path, monkeypatch):
    endpoint, requests = fake_hub
    requests.append("tampered")
    result = run("models", "pull", "team/tiny", home=tmp_path, endpoint=endpoint)
    assert result.returncode == 1 and "the downloaded model.safetensors is not the file" in result.stderr
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert hub.cached_folder("team/tiny") is None
    requests.remove("tampered")
    assert run("models", "pull", "team/tiny", home=tmp_path, endpoint=endpoint).returncode == 0
    assert load_encoder("team/tiny").spec.dim == 24


def test_weights_are_held_against_what_is_known_here_whatever_the_hub_says(tmp_path):
    blob, folder = tmp_path / "blobs" / "x", tmp_path / "snapshots" / COMMIT
    blob.parent.mkdir()
    folder.mkdir(parents=True)
    blob.write_bytes(b"weights")
    (folder / "model.safetensors").symlink_to(blob)
    hub.require_published(
        folder, {"model.safetensors": hashlib.sha256(b"weights").hexdigest(), "other.safetensors": "0"}
    )
    with pytest.raises(ModelError, match="not the file that was published"):
        hub.require_published(folder, {"model.safetensors": hashlib.sha256(b"others").hexdigest()})
    assert not blob.exists() and list(folder.iterdir()) == []


def test_commits_and_hashes_in_the_table_are_such():
    for entry in MODELS:
        assert entry.revision == "main" or re.fullmatch("[0-9a-f]{40}", entry.revision)
        assert all(re.fullmatch("[0-9a-f]{64}", sha256) for _, sha256 in entry.sha256s)
        assert not entry.sha256s or entry.revision != "main"  # a moving branch has no fixed hash
    assert next(entry.revision for entry in MODELS if entry.model == DEFAULT_MODEL) != "main"


def test_a_commit_is_found_in_the_cache_without_a_reference(monkeypatch, tmp_path, checkpoint):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "models--team--big" / "snapshots" / COMMIT
    folder.parent.mkdir(parents=True)
    folder.symlink_to(checkpoint)
    assert hub.cached_folder("team/big", COMMIT) == folder and hub.cached_folder("team/big") is None


def test_a_model_the_hub_does_not_have_is_one_clear_sentence(fake_hub, tmp_path):
    result = run("models", "pull", "team/none", home=tmp_path, endpoint=fake_hub[0])
    assert result.returncode == 1
    assert "there is no model 'team/none' on the hub" in result.stderr
    assert "Traceback" not in result.stderr


def test_offline_a_missing_model_names_the_three_ways_out(tmp_path):
    result = run("models", "pull", "team/tiny", home=tmp_path, offline=True)
    assert result.returncode == 1
    for way in ("clipsearch models pull team/tiny", "--model PATH", "--model mini"):
        assert way in result.stderr


@pytest.mark.parametrize("name", ["../../etc", "a/b/c", "no-such-name", "", "team/", "https://x/y"])
def test_names_that_cannot_be_models_are_refused_without_asking_anybody(name):
    with pytest.raises(ModelError, match=r"there is no model|not a checkpoint folder"):
        load_encoder(name)


def test_the_default_is_mini_with_a_notice_where_the_hub_is_silent(monkeypatch):
    """The port accepts connections and never answers, as behind a bad firewall."""
    import socket

    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        start = time.monotonic()
        with pytest.warns(ClipsearchWarning, match="models pull"):
            assert choose_default_model() == "mini"
        assert time.monotonic() - start < 5  # the limit is 0.8 s; repeated tries take far longer


def test_the_default_is_clip_where_the_hub_answers(fake_hub, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_ENDPOINT", fake_hub[0])
    assert choose_default_model() == DEFAULT_MODEL


def test_the_default_is_clip_where_it_is_cached_whole(monkeypatch, tmp_path, checkpoint):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    cache = tmp_path / "hub" / f"models--{DEFAULT_MODEL.replace('/', '--')}"
    (cache / "snapshots").mkdir(parents=True)
    revision = next(entry.revision for entry in MODELS if entry.model == DEFAULT_MODEL)
    reference = cache / "refs" / revision
    reference.parent.mkdir(parents=True)
    reference.write_text(COMMIT)
    (cache / "snapshots" / COMMIT).symlink_to(checkpoint)
    assert choose_default_model() == DEFAULT_MODEL


def test_a_checkpoint_in_open_clips_layout_is_found_in_the_cache_when_it_is_whole(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "models--team--big" / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text("{}")
    assert hub.cached_folder("team/big", COMMIT) is None
    (folder / "open_clip_model.safetensors").touch()
    assert hub.cached_folder("team/big", COMMIT) == folder


def test_half_a_checkpoint_in_the_cache_does_not_count(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "models--team--big" / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    (folder.parents[1] / "refs").mkdir()
    (folder.parents[1] / "refs" / "main").write_text(COMMIT)
    (folder / "config.json").write_text("{}")
    assert hub.cached_folder("team/big") is None
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}})
    )
    (folder / "1.safetensors").write_bytes(b"")
    assert hub.cached_folder("team/big") is None
    (folder / "2.safetensors").write_bytes(b"")
    assert hub.cached_folder("team/big") == folder
