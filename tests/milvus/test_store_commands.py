"""`push`, `pull` and `--store`, as a user runs them."""

import json
from dataclasses import replace

import pytest

from clipsearch.milvus.address import parse_address
from clipsearch.milvus.table import Table
from clipsearch.render.json_output import FACTS
from tests.cli.conftest import clipsearch  # noqa: F401
from tests.conftest import PHOTOS
from tests.lazy import require_library
from tests.milvus.support import push_index

require_library("pymilvus", reason="needs pymilvus: pip install 'clipsearch[milvus]'")


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("cat.png", "giraffe.jpg", "coffee.jpg", "wave.jpg"):
        (folder / name).write_bytes((PHOTOS / name).read_bytes())
    return folder


def test_a_store_that_does_not_answer(clipsearch, photos):
    assert clipsearch("index", photos, "--model", "mini")[0] == 0
    store = "milvus://root:top-secret@127.0.0.1:9/photos?timeout=2"
    for command in (
        ("query", "a cat", "--store", store),
        ("status", "--store", store),
        ("push", "--index", photos, "--store", store),
        ("pull", "--index", "copy", "--store", store),
        ("similar", photos / "cat.png", "--store", store),
    ):
        status, out, err = clipsearch(*command)
        assert (status, out) == (5, ""), err
        assert "the store milvus://127.0.0.1:9/photos does not answer" in err and "secret" not in err
        assert len(err.splitlines()) == 1
    assert not (photos.parent / "copy").exists()


def test_options_that_exclude_each_other(clipsearch, photos):
    store = "milvus://127.0.0.1:9/photos"
    for command in (
        ("query", "a cat", "--store", store, "--index", photos),
        ("index", photos, "--watch", "--store", store),
    ):
        status, _, err = clipsearch(*command)
        assert status == 2 and "exclude each other" in err
    status, _, err = clipsearch("query", "a cat", "--store", "milvus://top-secret@host")
    assert status == 2 and "name of a collection" in err and "secret" not in err


def test_to_a_store_and_back(clipsearch, photos, milvus_lite, monkeypatch):
    monkeypatch.setattr("clipsearch.milvus.push.GRACE_SECONDS", 0.0)  # no reader needs the old rows
    store = f"milvus+lite:{milvus_lite.with_suffix('')}/commands"
    status, out, err = clipsearch("index", photos, "--model", "mini", "--store", store)
    assert status == 0, err
    assert "4 sent and read back" in out and "4 photos, checksum" in out
    mine = clipsearch("query", "a cat", "--index", photos, "--json", "--where", "width > 10 and name ~ '*a*'")
    theirs = clipsearch("query", "a cat", "--store", store, "--json", "--where", "width > 10 and name ~ '*a*'")
    mine, theirs = json.loads(mine[1]), json.loads(theirs[1])
    assert theirs.pop("index") == f"milvus+lite:{milvus_lite}/commands" and mine.pop("index")
    for hit in mine["hits"]:
        for fact in FACTS:  # a store does not have them
            hit.pop(fact, None)
    assert mine == theirs and len(mine["hits"]) == 3
    state = json.loads(clipsearch("status", "--store", store, "--json")[1])
    assert (state["images"], state["version"], state["outdated"], state["unpublished"]) == (4, 1, 0, 0)
    assert "4 (" in clipsearch("status", CLIPSEARCH_STORE=store)[1]
    (photos / "wave.jpg").unlink()
    clipsearch("index", photos)
    report = json.loads(clipsearch("push", "--index", photos, "--store", store, "--json")[1])
    assert (report["removed"], report["unchanged"], report["images"]) == (1, 3, 3)
    status, out, err = clipsearch("pull", "--store", store, "--index", "copy")
    assert status == 0 and "3 fetched" in out, err
    assert report["digest"][:12] in out
    assert clipsearch("verify", "--index", "copy")[0] == 0
    copied = json.loads(clipsearch("similar", photos / "cat.png", "--index", "copy", "--json")[1])["hits"]
    assert copied == json.loads(clipsearch("similar", photos / "cat.png", "--store", store, "--json")[1])["hits"]
    assert [hit["path"] for hit in copied] and str(photos / "cat.png") not in [hit["path"] for hit in copied]


def test_control_characters_of_a_store_do_not_reach_the_terminal(clipsearch, milvus_lite, index):
    store = f"milvus+lite:{milvus_lite.with_suffix('')}/escapes"
    push_index(index, store)
    table = Table(parse_address(store))
    table.publish(replace(table.manifest(), sequence=2, pushed_at="\x1b]0;owned\x07now"))
    table.close()
    out = clipsearch("status", "--store", store)[1]
    assert "owned" in out and "\x1b" not in out and "\x07" not in out
