"""/api/search and similar addresses give the same answers as the command line."""

import asyncio
import base64
import json
import os
import re
import shutil
from datetime import datetime
from unicodedata import normalize

import pytest
from click.testing import CliRunner

from clipsearch import SearchEngine
from clipsearch._internal.commands import quoted
from clipsearch.cli import cli
from clipsearch.server.app import make_app
from clipsearch.store.collection import Collection
from clipsearch.store.repair import repair
from tests.conftest import give_captions, give_facts, save_pages, save_photo
from tests.server.conftest import found_names, ids


def command_line(engine, *arguments):
    """The parsed output of `clipsearch query ... --json`."""
    result = CliRunner().invoke(
        cli, ["query", "--json", "--index", str(engine.index_folder), *arguments], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    ("words", "flags", "parameters"),
    [
        (["red"], [], {}),
        (["a", "+", "2:red", "-", "blue"], [], {}),
        (["red"], ["-k", "2", "--offset", "1"], {"top_k": 2, "offset": 1}),
        (["red"], ["--name", "*e*", "--name", "y*", "--format", "jpeg"], {"name": ["*e*", "y*"], "format": "jpeg"}),
        (["red"], ["--where", "width >= 32 and not format = png"], {"where": "width >= 32 and not format = png"}),
        (["red"], ["--min-score", "0.5", "--sort", "name"], {"min_score": 0.5, "sort": "name"}),
        (["red"], ["--group-by", "folder", "--diverse"], {"group_by": "folder", "diverse": True}),
        (["red"], ["--one-per-shot"], {"one_per_shot": True}),
        (["red"], ["--all-moments"], {"all_moments": True}),
        (["red"], ["--ensemble", "--prompt", "a red {}"], {"ensemble": True, "prompt": "a red {}"}),
        (["red"], ["--min-width", "30", "--orientation", "landscape"], {"min_width": 30, "orientation": "landscape"}),
        (["red"], ["--relevant"], {"relevant": True}),
        (["red", "since", "2019"], ["--smart"], {"smart": True}),
        (["red"], ["--hybrid"], {"hybrid": True}),
    ],
)
def test_a_search_answers_as_the_command_line_does(client, engine, words, flags, parameters):
    answer = client.get("/api/search", params={"q": " ".join(words), "top_k": 10, **parameters})
    assert answer.status_code == 200, answer.text
    result = answer.json()
    assert 0 <= result.pop("considered") <= 5 and result.pop("seconds") >= 0
    assert result == command_line(engine, *flags, "--", *words)
    assert answer.headers["Server-Timing"].startswith("search;dur=")


def test_a_photo_has_a_caption_where_a_data_set_gave_one(client, engine):
    give_captions(engine.index_folder, {"red.jpg": "A red <b>wall</b>", "blue.jpg": "the sea"})
    result = client.get("/api/search", params={"q": "red", "where": 'caption ~ "*WALL*"'}).json()
    assert [hit["caption"] for hit in result["hits"]] == ["A red <b>wall</b>"] and result["considered"] == 1
    assert client.get(f"/api/images/{result['hits'][0]['id']}").json()["caption"] == "A red <b>wall</b>"
    others = client.get("/api/images", params={"where": "caption is not known"}).json()["images"]
    assert len(others) == 3 and not any("caption" in photo for photo in others)


def test_a_folder_and_an_explanation(client, engine, photos):
    result = client.get("/api/search", params={"q": "grey", "in": str(photos / "trip"), "explain": True}).json()
    printed = command_line(engine, "grey", "--in", str(photos / "trip"), "--explain")
    assert result["considered"] == 1 and result["hits"] == printed["hits"] and len(result["hits"]) == 1
    for explanation in (result["explanation"], printed["explanation"]):
        del explanation["seconds"]
    assert result["explanation"] == printed["explanation"]


def test_a_photo_is_a_query_without_itself_and_its_copies(client, engine, photos):
    red = (photos / "red.jpg").read_bytes()
    (photos / "trip" / "copy.jpg").write_bytes(red)
    engine.index()
    number = ids(client)["red.jpg"]
    for address in (f"/api/similar?id={number}", f"/api/search?like={number}"):
        assert sorted(found_names(client.get(address))) == ["blue.jpg", "green.jpg", "grey.png", "yellow.jpg"]
    both = found_names(client.get(f"/api/similar?id={number}&keep_own=true"))
    assert sorted(both[:2]) == ["copy.jpg", "red.jpg"]
    printed = command_line(engine, str(photos / "red.jpg"))["hits"]
    assert client.get(f"/api/similar?id={number}&top_k=10").json()["hits"] == printed


def test_texts_and_photos_are_weighed_together(client):
    number = ids(client)
    answer = client.get(
        "/api/search", params={"q": "grey", "like": f"3:{number['blue.jpg']}", "unlike": number["red.jpg"]}
    )
    assert answer.json()["query"] == f"grey + 3:{number['blue.jpg']} - {number['red.jpg']}"
    assert found_names(answer)[0] in ("green.jpg", "grey.png") and "blue.jpg" not in found_names(answer)


def test_marks_are_parameters_and_fields(client):
    number = ids(client)
    marks = {"right": [number["blue.jpg"], number["grey.png"]], "wrong": [number["red.jpg"]]}
    answer = client.get("/api/search", params={"q": "red", **marks, "explain": True, "exact": True})
    body = client.post("/api/search", json={"terms": [{"text": "red"}], **marks})
    assert found_names(answer) == found_names(body) and "red.jpg" not in found_names(answer)
    assert answer.json()["hits"] == body.json()["hits"]
    assert {name: answer.json()["explanation"][name] for name in marks} == marks
    both = {"right": [number["red.jpg"]], "wrong": [number["red.jpg"]]}
    for refused in (
        client.get("/api/search", params={"q": "red", **both}),
        client.post("/api/search", json={"terms": [{"text": "red"}], **both}),
    ):
        assert refused.status_code == 400 and "is both right and wrong; it can only be one of them" in refused.text
    similar = client.get("/api/similar", params={"id": number["green.jpg"], "wrong": number["red.jpg"]})
    assert "red.jpg" not in found_names(similar) and similar.json()["considered"] == 3  # of five
    for name, considered in (("*.jpg", 2), ("r*", 0), ("b*", 1)):
        about = {"id": number["green.jpg"], "wrong": number["red.jpg"], "name": name}
        assert client.get("/api/similar", params=about).json()["considered"] == considered


def test_photos_without_a_query_come_newest_first_in_pages(client, engine, photos):
    for number, day in enumerate(("2021:05:01", "2023:05:01", "2022:05:01")):
        from PIL import Image

        image = Image.new("RGB", (20, 20), (number, 0, 0))
        exif = image.getexif()
        exif[0x0132] = f"{day} 10:00:00"
        exif.get_ifd(0x8769)[0x9003] = f"{day} 10:00:00"
        image.save(photos / f"dated{number}.jpg", exif=exif)
    engine.index()
    answer = client.get("/api/images?top_k=3").json()
    assert [photo["taken_at"][:4] for photo in answer["images"]] == ["2023", "2022", "2021"] and answer[
        "considered"
    ] == 8
    assert "rank" not in answer["images"][0] and "score" not in answer["images"][0]
    second = client.get("/api/images?top_k=3&offset=3&sort=name").json()
    assert [os.path.basename(photo["path"]) for photo in second["images"]] == ["dated2.jpg", "green.jpg", "grey.png"]
    assert client.get("/api/images?taken=2022").json()["considered"] == 1
    facets = client.get("/api/facets").json()
    assert facets["facets"]["year"] == [{"value": year, "images": 1} for year in ("2021", "2022", "2023")]
    assert facets["images"] == 8 and {count["value"] for count in facets["facets"]["format"]} == {"JPEG", "PNG"}
    assert client.get("/api/facets?format=png").json()["images"] == 1


def test_facets_count_keywords_people_ratings_and_sources_of_dates(client, engine):
    give_facts(engine.index_folder, "red.jpg", keywords=("Sea", "Sky"), people=("Anna",), rating=4, taken_from="name")
    give_facts(engine.index_folder, "blue.jpg", keywords=("sea",))
    facets = client.get("/api/facets").json()["facets"]
    assert facets["keyword"] == [{"value": "Sea", "images": 2}, {"value": "Sky", "images": 1}]
    assert facets["person"] == [{"value": "Anna", "images": 1}] and facets["rating"] == [{"value": "4", "images": 1}]
    assert facets["source"] == [{"value": "name", "images": 1}]
    assert client.get("/api/facets?keyword=sky&top=1").json()["facets"]["keyword"] == [{"value": "Sea", "images": 1}]


def test_every_value_of_a_facet_finds_the_photos_that_it_counts(client, engine):
    odd = (
        "a*b",
        "[x]",
        "?",
        "'\"",
        "back\\slash",
        "50%_off",
        "a, b & c=d",
        "é\u0301\u202e",
        "+plus",
        "#",
        "-1",
        "two spaces",
    )
    give_facts(
        engine.index_folder, "red.jpg", keywords=odd, people=odd, camera="X'\" *[Pro]\\", gps=(48.85, 2.35), rating=4
    )
    give_facts(engine.index_folder, "blue.jpg", keywords=("ab", "x"), people=("-1",), camera="X", gps=(35.71, 139.79))
    give_facts(engine.index_folder, "grey.png", rating=-1, taken_at=datetime(2019, 7, 5))
    facets = client.get("/api/facets").json()["facets"]
    assert {count["value"] for count in facets["keyword"]} >= {"a*b", "'\"", "back\\slash"}
    parameters = {
        "country": "place",
        "region": "place",
        "folder": "in",
        "year": "taken",
        "month": "taken",
        "source": None,
    }
    for facet, counts in facets.items():
        name = parameters.get(facet, facet)
        for count in counts if name else ():
            value = count["value"]
            if facet in ("keyword", "person"):
                value = re.sub(r"[*?[]", r"[\g<0>]", value)  # as the page does
            found = client.get("/api/images", params={name: value})
            assert found.status_code == 200, (facet, value, found.text)
            at_least = facet in ("camera", "folder")  # whose name contains the text, and what is below it
            number = found.json()["considered"]
            assert number == count["images"] or (at_least and number > count["images"]), (facet, value)


def test_facets_count_only_what_is_asked_for(client, engine, monkeypatch):
    give_facts(engine.index_folder, "red.jpg", keywords=("Sea", "Sky"))
    counted = []
    real = Collection.count_by
    monkeypatch.setattr(
        Collection, "count_by", lambda self, value, *rest: counted.append(value) or real(self, value, *rest)
    )
    answer = client.get("/api/facets?by=format&by=orientation").json()
    assert list(answer["facets"]) == ["format", "orientation"] and answer["images"] == 5
    assert counted == ["format", "shape"]
    assert list(client.get("/api/facets?by=keyword").json()["facets"]["keyword"]) == [
        {"value": "Sea", "images": 1},
        {"value": "Sky", "images": 1},
    ]


def test_counts_are_those_of_the_hits(client, engine, photos):
    save_pages(photos / "pages.tif", "blue", "red")  # the second page is the hit, and the file counts
    engine.index()
    search = {"q": "red", "min_match": 0.5}
    hits = client.get("/api/search", params={**search, "top_k": 100}).json()["hits"]
    facets = client.get("/api/facets", params={**search, "by": ["format", "folder"]}).json()
    assert facets["images"] == len(hits) > 0
    assert sum(count["images"] for count in facets["facets"]["format"]) == len(hits)
    assert client.get("/api/facets?q=red&nearest=2").json()["images"] == 2
    number = ids(client)["red.jpg"]
    assert client.get(f"/api/facets?like={number}&nearest=1").json()["images"] == 1
    assert client.get("/api/facets?q=red&format=tiff&by=format").json()["facets"]["format"] == [
        {"value": "TIFF", "images": 1}
    ]


def test_a_map_has_the_largest_places_and_no_tiles(client):
    answer = client.get("/api/map?within=47,10,49,13").json()
    names = [place["name"] for place in answer["names"]]
    assert names[0] == "Munich" and "Augsburg" in names and len(names) <= 120 and answer["tiles"] is None
    assert all(47 <= place["latitude"] <= 49 and 10 <= place["longitude"] <= 13 for place in answer["names"])
    fiji = client.get("/api/map?within=-20,176,-15,-173").json()["names"]
    assert "Suva" in [place["name"] for place in fiji] and {place["longitude"] > 0 for place in fiji} == {True, False}
    assert client.get("/api/map?within=2,1,1,2").status_code == 400 and client.get("/api/map").status_code == 422


def test_a_list_has_one_photo_for_each_shot_if_that_is_wanted(client, engine, photos):
    for name, colour in (("IMG_1.png", "red"), ("IMG_1.jpg", "blue"), ("IMG_1-edited.jpg", "green")):
        save_photo(photos / name, colour, note=name)
    engine.index()
    plain = client.get("/api/images?sort=name").json()
    assert len(plain["images"]) == plain["considered"] == 8 and not any("others" in photo for photo in plain["images"])
    answer = client.get("/api/images?sort=name&one_per_shot=true").json()
    assert answer["considered"] == 8 and len(answer["images"]) == 6
    (shot,) = (photo for photo in answer["images"] if "others" in photo)
    files = [os.path.basename(photo["path"]) for photo in (shot, *shot["others"])]
    assert files == ["IMG_1-edited.jpg", "IMG_1.jpg", "IMG_1.png"]
    pages = [client.get(f"/api/images?sort=name&one_per_shot=true&top_k=2&offset={offset}") for offset in (0, 2, 4, 6)]
    assert [photo for page in pages for photo in page.json()["images"]] == answer["images"]
    filtered = client.get("/api/images?one_per_shot=true&format=jpeg&name=IMG*").json()
    assert len(filtered["images"]) == 1 and len(filtered["images"][0]["others"]) == 1


def test_places_are_those_of_the_filters_or_of_a_search(client, engine, photos):
    from PIL import Image

    image = Image.new("RGB", (20, 20), (210, 20, 20))
    exif = image.getexif()
    exif[0x8825] = {1: "N", 2: (48.0, 8.0, 0.0), 3: "E", 4: (11.0, 30.0, 0.0)}
    image.save(photos / "munich.jpg", exif=exif)
    engine.index()
    number = ids(client)["munich.jpg"]
    (place,) = client.get("/api/places").json()["places"]
    assert place["id"] == number and place["latitude"] == pytest.approx(48 + 8 / 60) and place["longitude"] == 11.5
    assert client.get("/api/places?q=red").json() == {"places": [place], "images": 1}
    assert client.get("/api/places?format=png").json() == {"places": [], "images": 0}
    assert client.get("/api/places?within=48,11,49,12").json()["places"] == [place]
    assert client.get("/api/places?within=48,12,49,11").json()["places"] == []  # the other way round the world
    photo = client.get(f"/api/images/{number}").json()
    assert photo["gps"] == [place["latitude"], place["longitude"]] and photo["exif"]["gps"] == photo["gps"]


def test_a_name_and_an_impossible_time_are_refused_in_the_words_of_a_request(client):
    error = client.get("/api/images?near=Paris").json()["error"]
    assert error["parameter"] == "near"
    assert error["message"] == "'Paris' is not coordinates; for a name use place=Paris"
    answer = client.get("/api/search?q=red&after=2015&before=2014")
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "the time from after=2015 to before=2014 ends before it begins"


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("filters", "notjson", "filters: this is not JSON"),
        ("filters", '[{"known":"width"}', "filters: this is not JSON, after character 18"),
        ("filters", '[{"field":"width","operator":">","value":"abc"}]', "filters.0"),
        ("format", "banana", "there is no format 'banana'; there are jpeg, heic"),
        ("in", "relative", "absolute"),
        ("orientation", "upright", "landscape"),
    ],
)
def test_the_parameter_of_a_wrong_filter_is_named(client, parameter, value, message):
    answer = client.get("/api/search", params={"q": "a dog", parameter: value})
    assert answer.json()["error"]["parameter"] == parameter and message in answer.json()["error"]["message"]


def test_a_body_that_is_no_json_is_told_in_plain_words(client):
    for content, where in (('{"term":1', ", after character 9"), ("dog", "")):
        answer = client.post("/api/search", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422 and answer.json()["error"]["message"] == f"the body is no JSON{where}"


WRONG = (
    ("/api/search", 400, "bad-query", "q or like"),
    ("/api/search?q=", 400, "bad-query", "empty"),
    ("/api/search?q=a+%2B", 400, "bad-query", "nothing after the +"),
    ("/api/search?q=a&taken=never", 400, "bad-query", "not a date"),
    ("/api/search?q=a&where=colour%3Dred", 400, "bad-query", "no field"),
    ("/api/search?q=a&in=relative", 400, "bad-query", "absolute"),
    ("/api/images?filters=[", 400, "bad-query", "not JSON"),
    ('/api/facets?filters=[{"known":"colour"}]', 400, "bad-query", "filters.0.known"),
    (
        '/api/facets?filters=[{"knwon":"camera"}]',
        400,
        "bad-query",
        "filters.0 has no field 'knwon'; did you mean known?",
    ),
    ("/api/search?q=a&prompt=none", 400, "bad-query", "exactly one"),
    ("/api/search?like=1&relevant=true", 400, "bad-query", "only texts have a match; leave relevant and min_match out"),
    ("/api/search?q=-+red&relevant=true", 400, "bad-query", "only says what to leave out"),
    ("/api/search?q=red&unlike=0.5:99", 404, "no-such-photo", "99"),
    ("/api/search?like=0:1", 400, "bad-query", "weight"),
    ("/api/search?like=upload:abc", 404, "no-such-upload", "upload:abc"),
    ("/api/search?like=red.jpg", 422, "bad-parameter", "like.0: 'red.jpg' is not the id of a photo or upload:TOKEN"),
    ("/api/search?q=a&tpo_k=2", 422, "unknown-parameter", "did you mean top_k"),
    ("/api/places?top=2", 422, "unknown-parameter", "there is no parameter 'top' here"),
    ("/api/search?q=a&q=b", 422, "bad-parameter", "more than once"),
    ("/api/search?q=a&top_k=0", 422, "bad-parameter", "top_k: give at least 1"),
    ("/api/search?q=a&top_k=1001", 422, "bad-parameter", "top_k: give at most 1000"),
    ("/api/search?q=a&min_width=99999999999999999999", 422, "bad-parameter", "min_width"),
    ("/api/search?q=a&min_width=wide", 422, "bad-parameter", "min_width: give a whole number"),
    ("/api/search?q=a&min_score=nan", 422, "bad-parameter", "min_score: give a number"),
    ("/api/search?q=a&hybrid=maybe", 422, "bad-parameter", "hybrid: give true or false"),
    ("/api/search?q=a&sort=size", 422, "bad-parameter", "sort: there is no 'size'; choose 'score', 'likely', 'date'"),
    (f"/api/search?q={'a' * 2001}", 422, "bad-parameter", "q: it is too long; give at most 2,000 characters"),
    ("/api/thumbnails?ids=a", 422, "bad-parameter", "ids: 'a' is not ids of photos with commas between them"),
    ("/api/similar", 400, "bad-query", "either id or upload"),
    ("/api/similar?id=1&upload=x", 400, "bad-query", "either id or upload"),
    ("/api/similar?id=99", 404, "no-such-photo", "99"),
    ("/api/images/99", 404, "no-such-photo", "99"),
    ("/api/images/0", 422, "bad-parameter", "id"),
    ("/api/status?scan=true", 422, "unknown-parameter", "scan"),
    ("/api/nothing", 404, "not-found", "address"),
)


def test_what_makes_no_sense_is_said_in_one_shape(client):
    for address, status, code, message in WRONG:
        answer = client.get(address)
        assert answer.status_code == status, (address, answer.text)
        error = answer.json()["error"]
        assert error["code"] == code and message in error["message"], (address, error)
    assert client.get("/api/search?q=a+%2B").json()["error"]["parameter"] == "q"
    assert (
        client.get("/api/places?top=2").json()["error"]["message"].endswith(" here")
    )  # others take it, so it is no mistake


def test_a_browser_that_opens_an_address_is_told_what_is_wrong_on_a_page(client):
    as_browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    for address, status, message in (
        ("/photos/12", 404, "There is nothing at this address."),
        ("/static/gone.js", 404, "There is no such file."),
        ("/api/images/99/file", 404, "There is no photo 99 in the index."),
        ("/api/downloads", 405, "This address does not take GET."),
        ("/api/search?q=a&%3Cb%3E=1", 422, "There is no parameter &#x27;&lt;b&gt;&#x27; here."),
        ("/api/search?q=a&q=b", 422, "The parameter q is there more than once; give it once."),
    ):
        answer = client.get(address, headers=as_browser)
        assert answer.status_code == status and answer.headers["content-type"].startswith("text/html"), address
        assert message in answer.text and 'href="/">All photos' in answer.text and "{" not in answer.text, answer.text
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert client.get(address).json()["error"]  # programs get what they can read
    elsewhere = client.get("/", headers={**as_browser, "Host": "evil.example"})
    assert elsewhere.status_code == 421 and "<p hidden>" in elsewhere.text  # no page is there to go on to
    for address in ("/?format=a&format=b&unknown=1", "/static/icon.svg?a=1&a=2"):
        assert client.get(address, headers=as_browser).status_code == 200


def test_a_search_as_json_finds_what_its_parameters_do(client, photos):
    number = ids(client)
    parameters = {"q": "grey", "like": f"3:{number['blue.jpg']}", "in": str(photos), "explain": True, "exact": True}
    body = {
        "terms": [{"text": "grey"}, {"id": number["blue.jpg"], "weight": 3}],
        "filters": [{"below": str(photos)}],
        "top_k": 50,
    }
    by_get, by_post = client.get("/api/search", params=parameters).json(), client.post("/api/search", json=body).json()
    for answer in (by_get, by_post):
        del answer["seconds"], answer["explanation"]["seconds"]
    assert by_get == by_post and len(by_post["hits"]) == 4


def test_a_picture_may_come_with_the_search(client, photos):
    red = (photos / "red.jpg").read_bytes()
    token = client.post("/api/uploads", content=red, headers={"Content-Type": "image/jpeg"}).json()["token"]
    number = ids(client)["red.jpg"]
    answers = []
    for term in ({"image": base64.b64encode(red).decode()}, {"upload": token}, {"id": number}):
        answer = client.post("/api/search", json={"terms": [term]})
        assert answer.status_code == 200, answer.text
        answers.append(answer.json()["hits"])
    assert answers[0] == answers[1] == answers[2] and number not in [hit["id"] for hit in answers[0]]
    broken = client.post("/api/search", json={"terms": [{"image": base64.b64encode(b"nothing").decode()}]})
    assert broken.status_code == 422 and broken.json()["error"]["code"] == "no-picture"


def test_filters_without_terms_list_photos(client, photos):
    body = {"terms": [], "filters": [{"field": "name", "operator": "~", "value": "*r*"}], "sort": "name", "top_k": 2}
    answer = client.post("/api/search", json=body).json()
    listed = [(os.path.basename(hit["path"]), hit["score"]) for hit in answer["hits"]]
    assert listed == [("green.jpg", None), ("grey.png", None)]
    assert (answer["query"], answer["considered"]) == ("", 3)
    parameters = {"name": "*r*", "sort": "name", "top_k": 2}
    listed = client.get("/api/images", params=parameters).json()
    assert [photo["id"] for photo in listed["images"]] == [hit["id"] for hit in answer["hits"]]


def test_a_list_without_photos_has_the_notes_of_the_command_line(client, engine):
    give_facts(engine.index_folder, "red.jpg", camera="Canon EOS 70D", gps=(48.0, 11.0))
    for parameters, flags in (
        ({"camera": "cannon"}, ["--camera", "cannon"]),
        ({"near": "48.1,11"}, ["--near", "48.1,11"]),
        ({"camera": "canon", "name": "blue.jpg"}, ["--camera", "canon", "--name", "blue.jpg"]),
    ):
        notes = client.get("/api/images", params=parameters).json()["notes"]
        result = CliRunner().invoke(cli, ["query", "--index", str(engine.index_folder), *flags])
        assert notes and all(note["message"] in result.stderr for note in notes), result.output
    assert "notes" not in client.get("/api/images", params={"camera": "canon"}).json()


def test_an_explanation_says_that_a_picture_is_here_and_what_a_text_looks_like(client, photos):
    red = (photos / "red.jpg").read_bytes()
    token = client.post("/api/uploads", content=red, headers={"Content-Type": "image/jpeg"}).json()["token"]
    body = {"terms": [{"image": base64.b64encode(red).decode()}, {"text": "blue.jpg"}]}
    for answer in (
        client.get("/api/search", params={"q": "blue.jpg", "like": f"upload:{token}", "explain": True}).json(),
        client.post("/api/search", json=body).json(),
    ):
        explanation = answer["explanation"]
        assert [photo["path"] for photo in explanation["own_photos"]] == [str(photos / "red.jpg")]
        assert str(photos / "red.jpg") not in [hit["path"] for hit in answer["hits"]]
        assert [(note["code"], note["value"]) for note in explanation["notes"]] == [("file-name", "blue.jpg")]
        assert "1 photo has such a name" in explanation["notes"][0]["message"]


WRONG_BODIES = (
    ({"term": [{"text": "dog"}]}, "the body has no field 'term'; did you mean terms?"),
    (
        {"terms": [{"foo": "dog"}]},
        "the body's terms.0 has no field 'foo'; there are text, embedding, image, upload, id",
    ),
    ({"terms": [{"txt": "dog"}]}, "the body's terms.0 has no field 'txt'; did you mean text?"),
    (
        {"terms": [], "filters": [{"near": {"lat": 1}}]},
        "the body's filters.0.near has no field 'lat'; there are latitude, longitude, km",
    ),
    ({"filters": []}, "the body's terms: it is missing"),
    ({"terms": [{"text": ""}]}, "the body's terms.0.text: it is empty"),
    ({"terms": [{"upload": "a b"}]}, "the body's terms.0.upload: 'a b' is not the token of an upload"),
    ({"terms": 3}, "the body's terms: give a list"),
    ([], "the body: give an object"),
    ({}, "terms"),
    ({"terms": []}, "terms"),
    ({"terms": [{}]}, "one of text"),
    ({"terms": [{"text": "a", "id": 1}]}, "one of text"),
    ({"terms": [{"text": "a", "wait": 2}]}, "terms.0 has no field 'wait'; did you mean weight?"),
    ({"terms": [{"text": "a", "weight": "2"}]}, "terms.0.weight"),
    ({"terms": [{"text": "a" * 2001}]}, "terms.0.text"),
    ({"terms": [{"image": "?"}]}, "base64"),
    ({"terms": [{"embedding": [1, None]}]}, "terms.0.embedding.1"),
    ({"terms": [{"embedding": [1, 2, 3]}]}, "3 values"),
    ({"terms": [{"text": "a"}], "limit": 3}, "limit"),
    ({"terms": [{"text": "a"}], "top_k": 0}, "top_k"),
    ({"terms": [{"text": "a"}], "diverse": 1}, "diverse"),
    ({"terms": [{"text": "a"}], "filters": {"known": "camera"}}, "filters"),
    ({"terms": [{"text": "a"}], "filters": [{"known": "colour"}]}, "filters.0.known"),
    ({"terms": [{"text": "a"}], "filters": [{"not": {"below": "here"}}]}, "absolute"),
    ({"terms": [{"text": "a"}], "filters": [{"field": "width", "operator": "=", "value": "x"}]}, "number"),
    ({"terms": [{"text": "a"}], "filters": [{"field": "name", "operator": "<", "value": "x"}]}, "text"),
    ({"terms": [{"text": "a"}], "filters": [{"near": {"latitude": 91, "longitude": 0, "km": 1}}]}, "latitude"),
    ("a dog", "the body: give an object"),
)


def test_a_body_that_makes_no_sense_is_refused_with_the_field_that_is_wrong(client):
    for body, message in WRONG_BODIES:
        answer = client.post("/api/search", json=body)
        assert answer.status_code in (400, 422) and message in answer.json()["error"]["message"], (body, answer.text)
    deep = {"all": []}
    for _ in range(100):
        deep = {"not": deep}
    body = {"terms": [{"text": "a"}], "filters": [deep]}
    assert "within conditions" in client.post("/api/search", json=body).json()["error"]["message"]
    headers = {"Content-Type": "application/json"}
    deepest = b'{"terms": ' + b"[" * 100_000
    for content in (b"", b"{", deepest, b'{"terms": [{"text": "\xff"}]}'):
        answer = client.post("/api/search", content=content, headers=headers)
        assert answer.status_code in (400, 422) and answer.json()["error"]["message"], content[:20]


def test_a_search_as_json_is_of_that_type(client):
    body = b'{"terms": [{"text": "red"}]}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = client.post("/api/search", content=body, headers={"Content-Type": kind})
        assert answer.status_code == 415 and answer.json()["error"]["code"] == "wrong-type"
    kind = {"Content-Type": "application/json; charset=utf-8"}
    assert client.post("/api/search", content=body, headers=kind).status_code == 200
    del client.headers["Clipsearch-Client"]
    assert client.post("/api/search", content=body, headers=kind).status_code == 403


def test_status_and_failures_are_what_the_command_line_says(client, engine, photos):
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    engine.index()
    printed = json.loads(
        CliRunner().invoke(cli, ["status", "--quick", "--json", "--index", str(engine.index_folder)]).stdout
    )
    assert client.get("/api/status").json() == printed and printed["failures"] == 1
    (failure,) = client.get("/api/failures").json()["failures"]
    assert failure["path"] == str(photos / "broken.jpg") and failure["reason"]


def test_answers_follow_what_another_process_commits(client, engine, photos):
    assert len(found_names(client.get("/api/search?q=red"))) == 5
    save_photo(photos / "ruby.jpg", (219, 19, 20), note="new")
    engine.index()
    assert "ruby.jpg" in found_names(client.get("/api/search?q=red"))
    assert client.get("/api/images").json()["considered"] == 6
    os.unlink(photos / "red.jpg")
    engine.index()
    assert "red.jpg" not in found_names(client.get("/api/search?q=red"))


def test_answers_follow_a_repair(client, engine):
    import sqlite3

    number = client.get("/api/search?q=red").json()["hits"][0]["id"]
    with sqlite3.connect(engine.index_folder / "catalog.sqlite") as catalog:
        catalog.execute("UPDATE images SET width = 99999 WHERE image_id = ?", (number,))
    catalog.close()
    answer = client.get("/api/search?q=red")
    assert answer.status_code == 503 and answer.json()["error"]["code"] == "index-damaged"
    assert f"`clipsearch repair --index {quoted(engine.index_folder)}`" in answer.json()["error"]["message"]
    repair(engine.index_folder)
    hits = client.get("/api/search?q=red").json()["hits"]
    assert len(hits) == 4 and number not in [hit["id"] for hit in hits]
    assert client.get("/api/images").json()["considered"] == 4


def test_an_empty_index_answers(client, engine, photos):
    engine.forget(photos)
    assert client.get("/api/search?q=red").json()["hits"] == []
    assert client.get("/api/images").json() == {"images": [], "considered": 0}
    assert client.get("/api/facets").json()["images"] == 0


def test_an_index_without_a_model_answers(tmp_path, encoder):
    from starlette.testclient import TestClient

    from clipsearch import SearchEngine
    from clipsearch.server.app import make_app
    from clipsearch.server.service import Service

    (tmp_path / "empty").mkdir()
    with SearchEngine.open(tmp_path / "empty") as engine:
        engine.index(keep_empty=True)
    service = Service(tmp_path / "empty" / ".clipsearch")
    assert service.load() == (None, 0) or service.load()[1] == 0
    app = make_app(service, host="127.0.0.1", port=8100)
    with TestClient(app, base_url="http://127.0.0.1:8100", headers={"Clipsearch-Client": "t"}) as client:
        for address in ("/api/search?q=red", "/api/images", "/api/facets", "/api/places", "/api/status", "/metrics"):
            assert client.get(address).status_code == 200, address
        assert client.get("/api/similar?id=1").status_code == 404


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_and_folders_are_found_however_their_accents_are_written(client, engine, photos, form):
    save_photo(photos / "u\u0308ber" / "Mu\u0308ller 1.jpg", "red", note="1")
    save_photo(photos / "u\u0308ber" / "M\u00fcller 2.jpg", "red", note="2")
    engine.index()
    for parameters in (
        {"name": normalize(form, "m\u00fcller*")},
        {"where": normalize(form, "name ~ 'M\u00fcller*'")},
        {"in": normalize(form, str(photos / "\u00fcber"))},
    ):
        names = found_names(client.get("/api/search", params={"q": "red", **parameters}))
        assert sorted(normalize("NFC", name) for name in names) == ["M\u00fcller 1.jpg", "M\u00fcller 2.jpg"], (
            parameters
        )
    assert found_names(client.get("/api/search", params={"q": "red", "name": "mu*"})) == []


def test_hits_and_lists_say_which_words_were_found(client, engine):
    give_facts(engine.index_folder, "red.jpg", title="A train ticket", keywords=("Sea",))
    expected = {"field": "title", "excerpt": "A train ticket", "marks": [[2, 14]]}
    for address in ('/api/images?text="train+ticket"', '/api/images?text="train+ticket"&one_per_shot=true'):
        assert [photo["found_in"] for photo in client.get(address).json()["images"]] == [expected]
    for address in ('/api/search?q=red&text="train+ticket"', "/api/search?q=train+ticket&hybrid=true"):
        hit, *others = client.get(address).json()["hits"]
        assert hit["found_in"]["field"] == "title" and not any("found_in" in other for other in others)
        assert "also_found_in" not in hit
    for address in ("/api/images?text=sea+ticket", "/api/search?q=red&text=sea+ticket"):
        answer = client.get(address).json()
        (photo,) = answer.get("images") or answer["hits"]
        assert photo["found_in"]["field"] == "title" and photo["also_found_in"] == [
            {"field": "keywords", "excerpt": "Sea", "marks": [[0, 3]]}
        ]
    assert "found_in" not in client.get("/api/search?q=train+ticket").json()["hits"][0]
    assert "found_in" not in client.get("/api/images?keyword=sea").json()["images"][0]


def test_copies_are_found_in_groups_and_nothing_is_deleted(client, engine, photos):
    shutil.copy(photos / "red.jpg", photos / "again.jpg")
    engine.index()
    before = sorted(os.listdir(photos))
    answer = client.get("/api/duplicates").json()
    (group,) = answer["groups"]
    assert (answer["images"], answer["copies"], answer["bytes"]) == (6, 1, (photos / "red.jpg").stat().st_size)
    assert os.path.basename(group["best"]["path"]) == "red.jpg" and group["reason"] == "the oldest file"
    (copy,) = group["copies"]
    assert copy["id"] == ids(client)["again.jpg"] and copy["exact"] and copy["cosine"] == 1
    assert client.get("/api/duplicates?only_exact=1&name=blue*").json()["groups"] == []
    assert sorted(os.listdir(photos)) == before


def test_looking_for_copies_stops_if_the_client_leaves(service, engine, monkeypatch):
    tokens = []

    def find(self, condition, *, exact_only, cancel):
        tokens.append(cancel)
        cancel.wait(10)
        cancel.check()

    monkeypatch.setattr(SearchEngine, "duplicates", find)

    async def leave():
        yielded = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive():
            if yielded:
                return yielded.pop()
            while not tokens:
                await asyncio.sleep(0.01)
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        sent = []
        scope = {
            "type": "http", "method": "GET", "path": "/api/duplicates", "raw_path": b"/api/duplicates", "query_string": b"",
            "headers": [(b"host", b"127.0.0.1:8100")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8100),
            "scheme": "http", "root_path": "", "http_version": "1.1", "asgi": {"version": "3.0"},
        }  # fmt: skip
        await make_app(service, host="127.0.0.1", port=8100)(scope, receive, send)

    asyncio.run(leave())
    assert tokens[0].cancelled
