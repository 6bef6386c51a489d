"""Favourites and albums over HTTP."""

from tests.server.conftest import found_names, ids


def test_an_album_is_filled_searched_listed_and_removed(client, photos):
    number = ids(client)
    answer = client.post("/api/albums/a%20b", json={"add": [number["red.jpg"], number["blue.jpg"]]})
    for change in ({"add": [number["red.jpg"], 999]}, {"remove": [999]}, {"add": [999], "name": "c"}):
        refused = client.post(f"/api/albums/{'a b' if 'name' in change else 'other'}", json=change)
        assert refused.status_code == 404 and "there is no photo 999" in refused.json()["error"]["message"]
    assert answer.json() == {"name": "a b", "ids": [number["red.jpg"], number["blue.jpg"]]}
    assert (
        client.get("/api/albums").json()["albums"] == [answer.json()]
        and client.get("/api/albums/a b").status_code == 200
    )
    assert found_names(client.get("/api/search?q=blue&album=a b")) == ["blue.jpg", "red.jpg"]
    assert found_names(client.get(f"/api/similar?id={number['blue.jpg']}&album=a b")) == ["red.jpg"]
    assert client.get("/api/images?album=a b").json()["considered"] == 2
    assert set(client.get("/api/outline?album=a b").json()["ids"]) == {number["red.jpg"], number["blue.jpg"]}
    assert client.get("/api/facets?album=a b").json()["images"] == 2
    assert client.get("/api/images?album=a b&name=red*").json()["considered"] == 1
    for condition in ({"among": [number["red.jpg"]]}, {"all": [{"album": "a b"}, {"not": {"album": "Favourites"}}]}):
        body = {"terms": [{"text": "red"}], "filters": [condition], "top_k": 1}
        assert found_names(client.post("/api/search", json=body)) == ["red.jpg"]
    listed = client.get("/api/albums/a b/playlist")
    assert listed.text.splitlines() == ["#EXTM3U", str(photos / "red.jpg"), str(photos / "blue.jpg")]
    assert listed.headers["content-disposition"].startswith('attachment; filename="a b.m3u8"')
    assert client.post("/api/albums/A B", json={"add": [number["red.jpg"]]}).json() == answer.json()  # no second album
    left = client.post("/api/albums/a b", json={"remove": [number["red.jpg"]]})
    assert left.json()["ids"] == client.get("/api/outline?album=a b").json()["ids"] == [number["blue.jpg"]]
    assert client.delete("/api/albums/a b").status_code == 204 and (photos / "blue.jpg").exists()
    assert client.delete("/api/albums/a b").status_code == 404


def test_answers_say_which_photos_are_favourites(client):
    number = ids(client)
    red, blue = number["red.jpg"], number["blue.jpg"]

    def favourites():
        answers = [
            client.get(f"/api/{path}").json().get("favourites")
            for path in (
                "images?favourites=true",
                "search?q=blue&favourites=true",
                "outline",
                "images?name=red*&favourites=1",
            )
        ]
        assert (
            "favourites" not in client.get("/api/images").json()
            and "favourites" not in client.get("/api/search?q=a").json()
        )
        return [sorted(answer) for answer in answers]

    assert favourites() == [[], [], [], []]
    client.post("/api/albums/Favourites", json={"add": [red, blue]})
    assert favourites() == [sorted([red, blue])] * 3 + [[red]]
    client.post("/api/albums/Favourites", json={"remove": [red]})
    assert favourites() == [[blue]] * 3 + [[]]


def test_an_album_is_renamed(client):
    number = ids(client)["red.jpg"]
    client.post("/api/albums/a", json={"add": [number]})
    saved_before = {
        "inside": {"q": "red", "album": "a"},
        "other": {"album": "Favourites"},
        "where": {"where": "not album = a and name ~ 'album = a*' or ALBUM != \"a\""},
    }
    for saved, parameters in saved_before.items():
        client.put(f"/api/saved-searches/{saved}", json={"parameters": parameters})
    answer = client.post("/api/albums/a", json={"name": "b/c"})
    assert answer.json() == {"name": "b/c", "ids": [number]}
    assert client.get("/api/albums").json()["albums"] == [answer.json()]
    searches = {search["name"]: search["parameters"] for search in client.get("/api/saved-searches").json()["searches"]}
    assert searches == {  # they follow
        "inside": {"q": "red", "album": "b/c"},
        "other": {"album": "Favourites"},
        "where": {"where": 'not album = "b/c" and name ~ \'album = a*\' or ALBUM != "b/c"'},
    }
    for name, new_name, message in (("a", "x", "no album"), ("b/c", " ", "letters"), ("b/c", "Favourites", "hearts")):
        answer = client.post(f"/api/albums/{name}", json={"name": new_name})
        assert answer.status_code == 400 and message in answer.json()["error"]["message"]


def test_a_name_may_have_slashes(client):
    number = ids(client)["red.jpg"]
    answer = client.post("/api/albums/Italy%2F2016%20%C3%BC%3F%23", json={"add": [number]})
    assert answer.json() == {"name": "Italy/2016 ü?#", "ids": [number]}
    assert client.get("/api/albums/Italy%2F2016%20%C3%BC%3F%23").json() == answer.json()
    listed = client.get("/api/albums/Italy%2F2016%20%C3%BC%3F%23/playlist")
    assert listed.text.startswith("#EXTM3U") and "Italy_2016" in listed.headers["content-disposition"]
    assert client.get("/api/images", params={"album": answer.json()["name"]}).json()["considered"] == 1


def test_an_answer_spells_an_album_as_it_is(client):
    client.post("/api/albums/Kitties", json={"add": [ids(client)["red.jpg"]]})
    assert client.get("/api/albums/kITTies").json()["name"] == "Kitties"
    assert "Kitties.m3u8" in client.get("/api/albums/kITTies/playlist").headers["content-disposition"]


def test_an_album_that_is_not_there_is_said_to_be(client):
    for address in ("/api/albums/x", "/api/albums/x/playlist"):
        answer = client.get(address)
        assert answer.status_code == 404 and answer.json()["error"]["code"] == "no-such-album"
    answer = client.get("/api/images?album=x")
    assert answer.status_code == 400 and "there is no album" in answer.json()["error"]["message"]
    assert answer.json()["error"]["parameter"] == "album"  # the page can remove it
    for more in ({"where": "album = x"}, {"filters": '[{"album": "x"}]'}):
        assert client.get("/api/images", params=more).json()["error"]["parameter"] == next(iter(more))
    assert client.get("/api/albums/Favourites").json() == {"name": "Favourites", "ids": []}
    for name in ("%0A", "a%0Ab", "%20"):
        assert client.post(f"/api/albums/{name}", json={"add": [1]}).status_code in (400, 404, 422), name
    del client.headers["Clipsearch-Client"]
    assert client.post("/api/albums/x", json={"add": [1]}).status_code == 403
