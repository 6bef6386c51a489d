"""Addresses of stores, and how their secrets stay hidden."""

import pytest

from clipsearch import SearchEngine
from clipsearch.errors import ClipsearchError
from clipsearch.milvus.address import is_address, parse_address


@pytest.mark.parametrize(
    ("text", "uri", "collection", "database", "token", "shown"),
    [
        ("milvus://host/photos", "http://host:19530", "photos", "", "", "milvus://host:19530/photos"),
        ("milvus://host:1/db/photos", "http://host:1", "photos", "db", "", "milvus://host:1/db/photos"),
        ("milvuss://host/photos", "https://host:19530", "photos", "", "", "milvuss://host:19530/photos"),
        ("milvus://host/photos?tls=1", "https://host:19530", "photos", "", "", "milvuss://host:19530/photos"),
        ("milvus://t%40ken@host/p", "http://host:19530", "p", "", "t@ken", "milvus://host:19530/p"),
        ("milvus://root:a%3Ab@[::1]:5/p", "http://[::1]:5", "p", "", "root:a:b", "milvus://[::1]:5/p"),
    ],
)
def test_parts_of_an_address(text, uri, collection, database, token, shown):
    parsed = parse_address(text)
    assert (parsed.uri, parsed.collection, parsed.database, parsed.token) == (uri, collection, database, token)
    assert str(parsed) == shown and is_address(text)
    assert not token or token not in repr(parsed)


def test_the_token_may_be_in_the_environment(monkeypatch):
    monkeypatch.setenv("CLIPSEARCH_STORE_TOKEN", "root:secret")
    assert parse_address("milvus://host/photos").token == "root:secret"
    assert parse_address("milvus://mine@host/photos").token == "mine"


def test_milvus_lite_is_in_a_folder_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parsed = parse_address("milvus+lite:my photos/all")
    assert (parsed.uri, parsed.collection, parsed.is_local) == (str(tmp_path / "my photos.db"), "all", True)
    assert parse_address(f"milvus+lite://{tmp_path}/a.db/all").uri == str(tmp_path / "a.db")
    assert parse_address(str(parsed)) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "milvus://", "milvus://host", "milvus://host/", "milvus:photos", "milvus://host/a/b/c", "milvus://host/ph;otos",
        "milvus://host:99999/p", "milvus://secret@host/1p", "milvus://host/p?tls=2", "milvus://host/p?timeout=0", "milvus://host/p?timeout=x",
        "milvus://host/p?user=x", "milvus+lite:photos",
        "milvuss://secret@host/p?tls=0", "milvus://secret@host/p#x", "milvus+lite:a/b c",
    ],
)  # fmt: skip
def test_an_invalid_address_is_refused_without_showing_secrets(text):
    with pytest.raises(ClipsearchError) as refusal:
        parse_address(text)
    assert "secret" not in str(refusal.value)


def test_a_store_only_answers_queries(tmp_path):
    assert not is_address("/photos") and not is_address(tmp_path)
    what_to_do = "clipsearch pull --store milvus://host:19530/photos"
    with SearchEngine.open("milvus://host/photos") as engine, pytest.raises(ClipsearchError, match=what_to_do):
        engine.stats()
    with pytest.raises(ClipsearchError, match="not both"):
        SearchEngine(tmp_path, store="milvus://host/photos")
