"""Clipsearch reads files from strangers: a pipe does not hang it, and JSON does not crash it."""

import json
import os
from pathlib import Path

import platformdirs
import pytest

from clipsearch._internal import untrusted_files as untrusted
from clipsearch.analysis.evaluation import read_captions
from clipsearch.cli.find_index import find_index
from clipsearch.client import _error
from clipsearch.encoders import hub, precision
from clipsearch.errors import ClipsearchError, CollectionNotFound
from clipsearch.store.lock import _holder
from clipsearch.store.saved_searches import SavedSearches

DEEP = "[" * 100_000
pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")


def write(path, content):
    """Write a file with this content, or make a pipe if it is None."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path) if content is None else path.write_text(content)
    return path


BAD = pytest.mark.parametrize("content", [pytest.param(None, marks=pipes), DEEP, "", "[]", "null", "1" * 10_000])


def test_only_plain_files_of_a_bounded_size_are_read(tmp_path):
    assert untrusted.read_json(write(tmp_path / "x.json", "[1]"), 3) == [1]
    (tmp_path / "link.json").symlink_to("x.json")
    assert untrusted.read_json(tmp_path / "link.json", 3) == [1]
    with pytest.raises(ValueError, match="larger than 2 bytes"):
        untrusted.read_json(tmp_path / "x.json", 2)
    with pytest.raises(ValueError, match="nested too deeply"):
        untrusted.read_json(write(tmp_path / "x.json", DEEP), 1_000_000)
    with pytest.raises(FileNotFoundError):
        untrusted.read_json(tmp_path / "none.json", 1)


@pipes
def test_pipes_devices_and_folders_are_not_read(tmp_path):
    write(tmp_path / "pipe", None)
    (tmp_path / "zero").symlink_to("/dev/zero")
    for path in (tmp_path / "pipe", tmp_path / "zero", tmp_path):
        with pytest.raises(ValueError, match="not a file"):
            untrusted.read_plain(path, 10)


@BAD
def test_what_was_measured_of_precisions_may_be_anything(content, tmp_path, monkeypatch):
    path = write(tmp_path / "cache" / "precision.json", content)
    monkeypatch.setattr(precision, "_cache_file", lambda: path)
    assert precision.load_choice("key") is None
    precision.save_choice("key", "fp32", None)
    assert precision.load_choice("key") == ("fp32", None)


@BAD
def test_saved_searches_may_be_anything(content, tmp_path):
    searches = SavedSearches(tmp_path / "index", tmp_path / "saved")
    write(searches._file, content)
    assert searches.all() == {}


@BAD
def test_the_note_of_the_index_used_last_may_be_anything(content, tmp_path):
    write(Path(platformdirs.user_state_dir("clipsearch", appauthor=False)) / "last-index", content)
    with pytest.raises(CollectionNotFound):
        find_index(start=tmp_path)


@BAD
def test_the_note_of_who_holds_a_lock_may_be_anything(content, tmp_path):
    assert _holder(write(tmp_path / "writer.lock", content)) == ""


@BAD
def test_a_reference_in_the_hubs_cache_may_be_anything(content, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    write(tmp_path / "models--team--tiny" / "refs" / "main", content)
    assert hub.cached_folder("team/tiny") is None


@pytest.mark.parametrize("weight_map", [[], {"a": 5}, {"a": []}, {"a": "../x.safetensors"}, None])
def test_an_index_of_weights_in_the_hubs_cache_may_be_anything(weight_map, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--team--tiny" / "snapshots" / "main"
    write(folder / "config.json", "{}")
    write(folder / "model.safetensors.index.json", json.dumps({"weight_map": weight_map}))
    assert hub.cached_folder("team/tiny") is None


def test_a_line_of_captions_that_is_nested_is_named(tmp_path):
    with pytest.raises(ClipsearchError, match="line 1: not JSON"):
        read_captions(write(tmp_path / "captions.jsonl", DEEP))


def test_a_servers_answer_that_is_nested_is_no_crash():
    assert isinstance(_error(500, DEEP.encode()), ClipsearchError)
