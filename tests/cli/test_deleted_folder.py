"""Commands in a deleted folder work if they need no current folder; otherwise they explain the problem."""

import json
import sys

import pytest

from clipsearch.cli import FOLDER_GONE, cli
from tests.cli.running import run_here
from tests.conftest import save_photo

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a folder in use cannot be deleted there")
HOSTED = {"serve": "runs until it is stopped", "mcp": "runs until it is stopped", "push": "needs a store"}


@pytest.fixture
def here(tmp_path):
    folder = tmp_path / "deleted"
    folder.mkdir()
    return folder


def needing(photos, tmp_path):
    """Command lines with relative paths, or without `--index`, so that they need the current folder."""
    return [
        ["index"], ["index", "."], ["index", "x"], ["query", "red"], ["query", "x.jpg", "--index", photos],
        ["similar", "x.jpg", "--index", photos], ["label", "--label", "red"], ["duplicates"], ["stats"], ["status"],
        ["failures"], ["forget", "x"], ["forget", "x", "--index", photos], ["optimize"], ["export", tmp_path / "e.npy"],
        ["export", "e.npy", "--index", photos], ["import", tmp_path / "e.npy"], ["import", "e.jsonl", "--index", photos],
        ["verify"], ["repair"], ["query", "red", "--index", "x"], ["query", "red", "--index", photos, "--in", "x"],
        ["query", "red", "--index", photos, "--copy-to", "x"], ["query", "red", "--index", photos, "--html", "x.html"],
        ["query", "red", "--index", photos, "--contact-sheet", "x.jpg"], ["stats", "--index", photos, "--png", "x.png"],
        ["pull", "--store", "milvus://127.0.0.1:1/x", "--index", "x"], ["eval", "x.jsonl", "--images", photos], ["browse"],
        ["models", "pull", "./x"], ["albums"],
    ]  # fmt: skip


def absolute(photos, tmp_path):
    """(command line, exit status) of commands that need no current folder."""
    at, export = ["--index", photos], tmp_path / "e.npy"
    return [
        (["index", photos], 0), (["index", *at, "--json"], 0), (["query", "red", *at], 0),
        (["query", "red", *at, "--json"], 0), (["query", "red", *at, "--preview=blocks"], 0),
        (["query", "red", *at, "--html", tmp_path / "h.html"], 0),
        (["query", "red", *at, "--in", photos, "--copy-to", tmp_path / "copies"], 0),
        (["similar", photos / "red.jpg", *at], 0), (["label", "--label", "red", *at], 0),
        (["label", "--label", "red", *at, "--html", tmp_path / "l.html"], 0), (["duplicates", *at], 0),
        (["stats", *at, "--png", tmp_path / "s.png"], 0), (["status", *at], 0), (["failures", *at], 0),
        (["export", export, *at], 0), (["import", export, *at], 0), (["optimize", "--remove", *at], 0),
        (["verify", *at], 0), (["repair", *at], 0), (["models"], 0), (["help"], 0), (["version"], 0),
        (["eval", tmp_path / "captions.jsonl", "--images", photos, "--model", "mini"], 0),
        (["forget", photos / "red.jpg", *at], 0),
    ]  # fmt: skip


def test_every_command_says_that_the_current_folder_was_deleted(engine, photos, tmp_path, here):
    lines = needing(photos, tmp_path)
    # doctor reports the problem; completion and help need no folder.
    assert set(cli.list_commands(None)) <= {line[0] for line in lines} | {*HOSTED, "doctor", "completion", "help"}
    for line in lines:
        here.mkdir(exist_ok=True)
        status, output, errors = run_here(*line, cwd=here, gone=True)
        assert status in (1, 2) and output == b"", (line, errors)
        assert FOLDER_GONE in errors and "[Errno" not in errors, (line, errors)


def test_what_needs_no_current_folder_works_in_a_deleted_one(engine, photos, tmp_path, here):
    (tmp_path / "captions.jsonl").write_text(json.dumps({"image": "red.jpg", "captions": ["red"]}))
    for line, expected in absolute(photos, tmp_path):
        if line[0] == "index":
            save_photo(photos / "new.jpg", "yellow", note=str(line))
        here.mkdir(exist_ok=True)
        status, _, errors = run_here(*line, cwd=here, gone=True)
        assert (status, FOLDER_GONE in errors) == (expected, False), (line, errors)


def test_doctor_says_of_the_index_that_the_current_folder_was_deleted(here):
    status, output, errors = run_here("doctor", cwd=here, gone=True)
    assert status == 1 and FOLDER_GONE in errors
    assert b"PROBLEM  index: the current folder was deleted" in output and b"[Errno" not in output
