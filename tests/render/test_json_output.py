"""Hits and failures become JSON and are read back."""

import json
from dataclasses import replace

from clipsearch.render.gallery import photo_facts
from clipsearch.render.json_output import (
    failure_from_json,
    failure_to_json,
    hit_from_json,
    hit_to_json,
    hits_to_json,
    hits_to_jsonl,
    json_line,
)
from clipsearch.render.text import all_found_words
from clipsearch.types import Failure, FoundIn, ImageFile, Moment
from tests.render.support import ANOTHER_DAY, hit

HOSTILE = '/photos/a\n"b",;\r\x1b[31m\u202egpj.\u2028\udcff =1+1.jpg'


def test_json_keeps_the_agreed_keys_and_any_name():
    text = json_line(hits_to_json([hit(1, HOSTILE, 0.25, 0.5)], "q", "mini", "/photos/.clipsearch"))
    assert text.count("\n") == 1
    text.encode("utf-8")  # valid UTF-8, although the name is not
    value = json.loads(text)
    assert list(value) == ["query", "model", "index", "hits"]
    assert list(value["hits"][0]) == [
        "rank", "score", "match", "id", "path", "width", "height", "format", "size", "taken_at", "camera", "gps",
        "content_hash",
    ]  # fmt: skip
    assert value["hits"][0]["path"] == HOSTILE and value["hits"][0]["match"] == 0.5
    assert hits_to_json([hit(1, HOSTILE, caption="a dog")], "q", "m", "/i")["hits"][0]["caption"] == "a dog"
    (film,) = hits_to_json([hit(1, "/a.mp4", moment=Moment("second", 42.104))], "q", "m", "/i")["hits"]
    assert film["moment"] == {"unit": "second", "at": 42.104}


def test_json_names_the_place_and_comes_back_with_its_code():
    photo = hit(1, "/a.jpg", gps=(48.8867, 2.3431), place="FR/11/2988507/3029374")
    value = hit_to_json(photo)
    assert value["gps"] == [48.8867, 2.3431] and hit_from_json(value) == photo
    section = "Paris 18 Buttes-Montmartre"
    names = {"section": section, "city": "Paris", "region": "Île-de-France", "country": "France"}
    assert value["place"] == {"code": "FR/11/2988507/3029374", **names}
    assert hit_to_json(hit(1, "/a.jpg", place="FR"))["place"] == {
        "code": "FR", "city": None, "region": None, "country": "France",
    }  # fmt: skip


def test_people_see_the_names_of_a_place_in_place_of_degrees():
    record = hit(1, "/a.jpg", gps=(48.1374, 11.5755), place="DE/02/2867714").record
    assert ("place", "Munich, Bavaria, Germany") in photo_facts(record)
    assert ("place", "0.5000° S, 30.0000° W") in photo_facts(hit(1, "/a.jpg", gps=(-0.5, -30.0)).record)


def test_json_has_groups_and_an_explanation_where_asked_for():
    hits = [hit(1, "/photos/b/1.jpg", taken_at=ANOTHER_DAY), hit(2, "/photos/2.jpg")]
    value = hits_to_json(hits, "q", "mini", "/i", group_by="day", explanation={"model": "mini"})
    assert [photo["group"] for photo in value["hits"]] == ["2024-07-15", None]
    assert value["explanation"] == {"model": "mini"}
    lines = hits_to_jsonl(hits, "q", group_by="folder").splitlines()
    assert [json.loads(line)["group"] for line in lines] == ["/photos/b", "/photos"]
    assert list(json.loads(lines[0]))[:3] == ["query", "rank", "score"]


def test_json_has_an_inverse():
    first = hit(1, HOSTILE, 0.1234567, 0.7654321, ANOTHER_DAY, "Canon", (-33.5, 151.25), "a dog")
    film, page = hit(3, "/photos/c.mp4", moment=Moment("second", 42.104)), hit(4, "/d.tif", moment=Moment("page", 3))
    words = (FoundIn("title", "A train", ((2, 7),)), FoundIn("text", "TRAIN 9", ((0, 5),)))
    found = replace(hit(5, "/e.jpg"), found_in=words[0], also_found_in=words[1:])
    assert all_found_words(found) == "title: A train; text: TRAIN 9" and all_found_words(first) == ""
    for whole in (first, hit(2, "/photos/b.jpg"), film, page, found):
        values = json.loads(json_line(hit_to_json(whole, exact=True)))
        assert hit_from_json(values) == whole
        rounded = hit_from_json(hit_to_json(whole))
        assert rounded.record == whole.record and rounded.score == round(whole.score, 6)
    failure = Failure(ImageFile(HOSTILE, 7, 0), "truncated", "access", attempts=2, kept=True, since=ANOTHER_DAY)
    assert failure_from_json(json.loads(json_line(failure_to_json(failure)))) == failure
