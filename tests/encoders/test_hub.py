"""Models from the hub: a fake hub on 127.0.0.1, a silent one, and no hub at all."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from clipsearch import ClipsearchWarning, load_encoder
from clipsearch.encoders import choose_default_model, find_checkpoint, hub, hub_download
from clipsearch.encoders.checkpoint import Checkpoint
from clipsearch.encoders.recommended import DEFAULT_MODEL, MODELS
from clipsearch.errors import ModelError
from tests.encoders.hub_stand_in import ask_hub, commit_of, hub_stand_in
from tests.encoders.open_clip_checkpoints import configuration
from tests.encoders.support import save_checkpoint

COMMIT = commit_of("team/tiny")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def pickled(checkpoint, tmp_path_factory):
    folder = shutil.copytree(checkpoint, tmp_path_factory.mktemp("pickled") / "model")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    return folder


@pytest.fixture
def fake_hub(checkpoint, pickled):
    """A hub with "team/tiny", and "team/pickled", to which two authors offer safetensors."""
    repositories = {
        "team/tiny": {"main": checkpoint},
        "team/pickled": {"main": pickled, "refs/pr/2": checkpoint, "refs/pr/7": checkpoint},
    }
    with hub_stand_in(repositories, pull_requests={"team/pickled": [("mallory", 2), ("SFconvertbot", 7)]}) as served:
        yield served


@pytest.fixture
def online(monkeypatch, tmp_path):
    """A function that lets this process ask a hub, with an empty cache. It returns the hub."""
    return lambda served: ask_hub(monkeypatch, served, tmp_path / "cache")


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
    result = run("models", "pull", "team/tiny", home=tmp_path, endpoint=fake_hub.address)
    assert result.returncode == 0, result.stderr
    assert "team/tiny is in" in result.stdout
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(fake_hub.fetched())
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    encoder = load_encoder("team/tiny")
    assert (encoder.spec.fingerprint.model, encoder.spec.fingerprint.revision) == ("team/tiny", COMMIT)
    assert encoder.encode_texts(["a cat"]).shape == (1, 24)


def test_pulling_again_downloads_nothing(fake_hub, tmp_path):
    run("models", "pull", "team/tiny", home=tmp_path, endpoint=fake_hub.address)
    fake_hub.requests.clear()
    assert run("models", "pull", "team/tiny", home=tmp_path, offline=True).returncode == 0
    assert fake_hub.requests == []


def test_safetensors_that_only_the_hubs_own_bot_offers_are_found(fake_hub, tmp_path):
    """The main branch of openai/clip-vit-base-patch32, for example, has only pickled weights."""
    result = run("models", "pull", "team/pickled", home=tmp_path, endpoint=fake_hub.address)
    assert result.returncode == 0, result.stderr
    assert any("refs/pr/7" in request.path for request in fake_hub.requests)
    assert not any("refs/pr/2" in request.path for request in fake_hub.requests)
    assert run("models", "pull", "team/pickled", home=tmp_path, offline=True).returncode == 0


def test_pickled_weights_are_not_downloaded_and_their_safe_twin_is_named(pickled, online):
    models = ["facebook/metaclip-b32-400m", "team/unknown", "team/empty"]
    with hub_stand_in(
        {**{model: {"main": pickled} for model in models[:2]}, "team/empty": {"main": pickled / "x"}}
    ) as served:
        online(served)
        messages = []
        for model in models:
            with pytest.raises(ModelError) as error:
                hub.fetch(model)
            messages.append(str(error.value))
        assert "pytorch_model.bin" not in served.fetched()
    assert "has only pickled weights, which could run code" in messages[0]
    assert "safe in timm/vit_base_patch32_clip_224.metaclip_400m" in messages[0]
    assert "https://huggingface.co/spaces/safetensors/convert" in messages[1]
    assert "team/empty has no safetensors" in messages[2]


def test_weights_that_were_changed_on_the_way_are_refused_and_not_kept(fake_hub, online):
    online(fake_hub).tampers = True
    with pytest.raises(ModelError, match=r"the downloaded model\.safetensors is not the file"):
        hub.fetch("team/tiny")
    assert hub.cached_folder("team/tiny") is None
    fake_hub.tampers = False
    assert load_encoder(hub.fetch("team/tiny")).spec.dim == 24


def test_an_interrupted_download_goes_on_where_it_ended(fake_hub, online, monkeypatch, checkpoint):
    """huggingface_hub itself begins again in a new process."""
    import huggingface_hub.constants
    import huggingface_hub.file_download

    def give_up(_seconds):
        raise KeyboardInterrupt

    weights = checkpoint / "model.safetensors"
    online(fake_hub).cut_after = weights.stat().st_size // 2
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    with monkeypatch.context() as patch:
        patch.setattr(huggingface_hub.file_download, "time", SimpleNamespace(sleep=give_up))
        with pytest.raises(KeyboardInterrupt):
            hub.fetch("team/tiny")
    assert hub.cached_folder("team/tiny") is None
    fake_hub.cut_after = None
    fake_hub.requests.clear()
    folder = hub.fetch("team/tiny")
    assert (folder / "model.safetensors").read_bytes() == weights.read_bytes()
    start = fake_hub.last_start()
    assert weights.stat().st_size // 2 - 1000 < start <= weights.stat().st_size // 2
    assert [path.name for path in (folder.parents[1] / "blobs").glob("*.incomplete")] == []


def test_a_repository_with_both_layouts_and_other_precisions_costs_one_set_of_weights(checkpoint, online, tmp_path):
    """LAION's repositories have the same weights in both layouts, beside pickled ones."""
    both = shutil.copytree(checkpoint, tmp_path / "both")
    (both / "open_clip_config.json").write_text(json.dumps(configuration("clip")))
    others = ("open_clip_model.safetensors", "model.fp16.safetensors", "pytorch_model.bin", "onnx/model.safetensors")
    (both / "onnx").mkdir()
    for name in others:
        (both / name).write_bytes(name.encode())
    with hub_stand_in({"team/both": {"main": both}}) as served:
        online(served)
        folder = hub.fetch("team/both")
        fetched = [name for name in served.fetched() if name.endswith((".safetensors", ".bin"))]
    assert fetched == ["model.safetensors"]
    one = Checkpoint(folder, "team/both")
    assert (one.model_type, one.digest) == ("clip", Checkpoint(checkpoint).digest)
    assert Checkpoint(both, "team/both").digest == one.digest  # of a folder that has all of them
    with hub_stand_in({}) as served:  # a cache that has all of them needs no hub
        online(served)
        shutil.rmtree(folder)
        shutil.copytree(both, folder)
        assert find_checkpoint("team/both") == (folder, commit_of("team/both")) and served.requests == []


def test_open_clips_weights_are_fetched_if_the_other_configuration_is_of_an_unknown_family(online, tmp_path):
    """timm's repositories hold the image tower alone as model.safetensors."""
    for name, text in {
        "open_clip_config.json": json.dumps(configuration("clip")), "config.json": '{"architecture": "vit"}',
        "open_clip_model.safetensors": "both towers", "model.safetensors": "one tower",
    }.items():  # fmt: skip
        (tmp_path / "timm" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "timm" / name).write_text(text)
    with hub_stand_in({"team/timm": {"main": tmp_path / "timm"}}) as served:
        online(served)
        folder = hub.fetch("team/timm")
    assert [file.name for file in folder.glob("*.safetensors")] == ["open_clip_model.safetensors"]
    assert hub.cached_folder("team/timm") == folder


def test_the_parts_that_an_index_names_are_one_set(checkpoint, online, tmp_path):
    parts = shutil.copytree(checkpoint, tmp_path / "parts")
    (parts / "model.safetensors").unlink()
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    for name in [*names, "model.fp16-00001-of-00001.safetensors"]:
        (parts / name).write_bytes(name.encode())
    (parts / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {name: name for name in names}}))
    with hub_stand_in({"team/parts": {"main": parts}}) as served:
        online(served)
        folder = hub.fetch("team/parts")
    assert sorted(file.name for file in folder.glob("*.safetensors")) == names


def test_a_full_disk_is_reported_before_the_weights_are_downloaded(fake_hub, online, monkeypatch, checkpoint):
    online(fake_hub)
    size = (checkpoint / "model.safetensors").stat().st_size
    monkeypatch.setattr(hub_download.shutil, "disk_usage", lambda _: SimpleNamespace(free=size - 1))
    with pytest.raises(ModelError, match=r"team/tiny needs 0\.3 MB, and the disk of .* has 0\.3 MB left"):
        hub.fetch("team/tiny")
    assert "model.safetensors" not in fake_hub.fetched()


def test_a_token_is_sent_to_the_hub_and_not_to_its_storage(fake_hub, online, monkeypatch):
    online(fake_hub)
    monkeypatch.setenv("HF_TOKEN", "hf_token")
    hub.fetch("team/tiny")
    stored = [request for request in fake_hub.requests if request.path.startswith("/lfs/")]
    assert stored and not any(request.token for request in stored)
    assert all(
        request.token for request in fake_hub.requests if request not in stored and request.path != "/api/models"
    )


def test_without_links_the_weights_are_kept_once(fake_hub, online, monkeypatch, checkpoint):
    """As on Windows."""
    import huggingface_hub.file_download

    online(fake_hub)
    monkeypatch.setattr(huggingface_hub.file_download, "are_symlinks_supported", lambda *_: False)
    folder = hub.fetch("team/tiny")
    size = (checkpoint / "model.safetensors").stat().st_size
    assert [path for path in folder.parents[1].rglob("*") if path.is_file() and path.stat().st_size == size] == [
        folder / "model.safetensors"
    ]
    fake_hub.requests.clear()
    assert hub.fetch("team/tiny") == folder and "model.safetensors" not in fake_hub.fetched()


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


def test_a_model_the_hub_does_not_have_is_one_clear_sentence(fake_hub, online, monkeypatch):
    """The hub does not tell those who are not logged in whether a model exists."""
    online(fake_hub)
    with pytest.raises(ModelError, match="does not show team/none without a login") as error:
        hub.fetch("team/none")
    assert "check the name" in str(error.value)
    monkeypatch.setenv("HF_TOKEN", "hf_token")
    with pytest.raises(ModelError, match="there is no model 'team/none' on the hub"):
        hub.fetch("team/none")


def test_offline_a_missing_model_names_the_three_ways_out(tmp_path):
    result = run("models", "pull", "team/tiny", home=tmp_path, offline=True)
    assert result.returncode == 1
    for way in ("clipsearch models pull team/tiny", "--model PATH", "--model mini"):
        assert way in result.stderr


@pytest.mark.parametrize("name", ["../../etc", "a/b/c", "no-such-name", "team/", "https://x/y"])
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


def test_a_new_index_takes_the_default_model_if_the_hub_answers(fake_hub, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_ENDPOINT", fake_hub.address)
    assert choose_default_model() == DEFAULT_MODEL


def test_a_new_index_takes_the_default_model_if_it_is_cached_whole(monkeypatch, tmp_path, checkpoint):
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
