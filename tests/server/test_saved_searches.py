"""Saved searches."""

import json

import pytest

from clipsearch.store import saved_searches
from clipsearch.store.saved_searches import SavedSearches


def test_a_search_is_saved_found_and_forgotten(client):
    assert client.get("/api/saved-searches").json() == {"searches": []}
    parameters = {"q": "a dog", "like": ["3", "2:5"], "top_k": 20, "relevant": True}
    for name in ("dogs", "a/b ü?#", ".."):
        answer = client.put(f"/api/saved-searches/{_quoted(name)}", json={"parameters": parameters})
        assert answer.status_code == 200 and answer.json() == {"name": name, "parameters": parameters}
    searches = client.get("/api/saved-searches").json()["searches"]
    assert [search["name"] for search in searches] == ["..", "a/b ü?#", "dogs"]
    assert client.get("/api/saved-searches/dogs").json() == {"name": "dogs", "parameters": parameters}
    assert client.put("/api/saved-searches/dogs", json={"parameters": {"q": "cat"}}).status_code == 200
    assert client.get("/api/saved-searches/dogs").json()["parameters"] == {"q": "cat"}
    assert client.delete("/api/saved-searches/dogs").status_code == 204
    assert client.delete("/api/saved-searches/dogs").status_code == 404
    assert client.get("/api/saved-searches/dogs").json()["error"]["code"] == "no-such-search"


def test_spaces_at_the_ends_of_a_name_are_left_out_but_of_one_from_before(client, service):
    saved = client.put("/api/saved-searches/%20dogs%20", json={"parameters": {"q": "dog"}})
    assert saved.json()["name"] == client.get("/api/saved-searches/dogs%20").json()["name"] == "dogs"
    assert client.put("/api/saved-searches/%20", json={"parameters": {}}).status_code == 422
    service.saved._write({"dogs": {"q": "dog"}, "dogs ": {"q": "old"}})  # as an earlier version could make it
    assert client.get("/api/saved-searches/dogs%20").json() == {"name": "dogs ", "parameters": {"q": "old"}}
    assert client.put("/api/saved-searches/dogs%20", json={"parameters": {"q": "new"}}).json()["name"] == "dogs "
    assert client.delete("/api/saved-searches/dogs%20").status_code == 204
    assert list(service.saved.all()) == ["dogs"]


def _quoted(name):
    from urllib.parse import quote

    return quote(name, safe="").replace(".", "%2E")


NO_SEARCHES = (
    ("x", {"parameters": {"rm": "1"}}),
    ("x", {}),
    ("x", {"parameters": {"q": {"a": 1}}}),
    ("x", []),
    ("x" * 201, {"parameters": {"q": "a"}}),
    ("x", {"parameters": {"q": "a" * 3000}}),
    ("x", {"parameters": {}, "y": 1}),
)


def test_what_is_no_search_is_not_saved(client):
    for name, body in NO_SEARCHES:
        answer = client.put(f"/api/saved-searches/{name}", json=body)
        assert answer.status_code == 422 and answer.json()["error"]["message"], (name, body)
    for body in (b'{"parameters": {"min_score": NaN}}', b"{", b"\xff", b"[" * 50_000):
        headers = {"Content-Type": "application/json"}
        answer = client.put("/api/saved-searches/x", content=body, headers=headers)
        assert answer.status_code in (400, 422) and answer.json()["error"]["message"], body[:30]
    assert client.get("/api/saved-searches").json() == {"searches": []}


def test_each_index_has_its_own_and_another_server_sees_them(tmp_path):
    first, second = SavedSearches(tmp_path / "a", tmp_path), SavedSearches(tmp_path / "a", tmp_path)
    first.put("red", {"q": "red"})
    second.put("blue", {"q": "blue"})
    assert list(first.all()) == ["blue", "red"]
    assert SavedSearches(tmp_path / "b", tmp_path).all() == {}
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"searches": 3}', '{"searches": {"a": 3}}', '{"searches": {"a": [1]}}']
)
def test_a_broken_file_counts_as_none(tmp_path, text):
    searches = SavedSearches(tmp_path / "a", tmp_path)
    searches.put("red", {})
    (file,) = tmp_path.glob("*.json")
    file.write_text(text)
    assert searches.all() == {}
    searches.put("blue", {"q": "blue"})
    assert json.loads(file.read_text()) == {"searches": {"blue": {"q": "blue"}}}


def test_there_are_not_too_many(client, monkeypatch):
    monkeypatch.setattr(saved_searches, "MOST", 2)
    body = {"parameters": {"q": "a"}}
    assert [client.put(f"/api/saved-searches/{name}", json=body).status_code for name in "abca"] == [200, 200, 409, 200]
