"""Words with letters in the wrong order, missing or too many."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from clipsearch.encoders.mini.encoder import MiniEncoder
from clipsearch.query.hits import QueryNote
from clipsearch.query.misspelt import with_places, without_slips
from clipsearch.query.notes import spelling_notes, with_facts
from clipsearch.terms import Query, Term
from tests.conftest import ROOT, shared


@pytest.fixture(scope="module")
def mini():
    return MiniEncoder()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("dgo on a baech", "dog on a beach"),
        ("a mountian at sunest, in snwo", "a mountain at sunset, in snow"),
        ("a moutain and an umbrela", "a mountain and an umbrella"),
        ("a woooden bridge at sunsett", "a wooden bridge at sunset"),
        ("excercise in a resaurant", "exercise in a restaurant"),
        (
            "a beached boat, potted plants, robins, a turban, sandals",
            "a beached boat, potted plants, robins, a turban, sandals",
        ),
        ("a heater, a sandal and a moustache", "a heater, a sandal and a moustache"),
        ("a tarp, a bale and a sled", "a tarp, a bale and a sled"),
        ("Alcie at the sea", "Alcie at the sea"),
        ("x-ary dgo's dgo2", "x-ary dgo's dgo2"),
    ],
)
def test_slips_are_mended(mini, text, meant):
    assert without_slips(text, mini.text_pieces) == meant


def test_plain_queries_and_captions_have_next_to_no_false_alarm(mini):
    queries = (ROOT / "data" / "plain" / "queries.txt").read_text("utf-8").splitlines()
    assert [query for query in queries if without_slips(query, mini.text_pieces) != query] == []
    lines = shared("data/flickr8k/captions.jsonl").read_text("utf-8").splitlines()[:100]
    captions = [caption for line in lines for caption in json.loads(line)["captions"]]
    assert sum(without_slips(text, mini.text_pieces) != text for text in captions) <= len(captions) / 250


def test_a_note_says_what_was_meant_if_nothing_is_likely(mini, engine):
    query = Query((Term(Path("a.jpg")), Term("dgo"), Term("a baech", -1)))
    (likely,) = engine.search("red", 1)
    unlikely = [type(likely)(1, 0.1, likely.record, 0.2)]
    (note,) = spelling_notes(query, unlikely, mini)
    assert (note.code, note.value) == ("misspelt", "dog - a beach")
    assert note.message == 'no photo is a likely match; did you mean "dog - a beach"?'
    assert spelling_notes(query, [type(likely)(1, 0.1, likely.record, 0.6)], mini) == []
    assert spelling_notes(replace(query, offset=10), unlikely, mini) == []
    assert spelling_notes(Query((Term("ein hund im baech"),)), unlikely, mini) == []
    assert spelling_notes(query, [], mini) == [] == spelling_notes(Query((Term("dog"),)), unlikely, mini)


def test_no_query_is_proposed_that_is_still_misspelt(mini, engine):
    (likely,) = engine.search("red", 1)
    unlikely = [type(likely)(1, 0.1, likely.record, 0.2)]

    def meant(text):
        return [note.value for note in spelling_notes(Query((Term(text),)), unlikely, mini)]

    assert meant("a dgo on the bech") == []  # a beach or a bench?
    assert meant("a dgo and a labradoodle, beached, with sandals") == ["a dog and a labradoodle, beached, with sandals"]
    assert meant("a dgo on the baech") == ["a dog on the beach"]


def test_what_was_meant_keeps_the_facts_that_became_filters():
    typed, searched = Query.parse("a dgo in 2019, in snwo - the dgo"), Query.parse("a dgo, in snwo - the dgo")
    (note,) = with_facts([QueryNote("misspelt", "", "a dog, in snow - the dog")], searched, typed, None)
    assert note.value == "a dog in 2019, in snow - the dog"


def test_the_name_of_a_place_that_photos_have_is_meant_by_one_slip_of_it(mini, engine):
    codes = ["DE/02/muc", "IT/07"]
    text = "a dgo in Bavaraia, from Itally or near Lazio, with Bavaraia in Ghana"
    assert with_places(text, lambda: codes) == "a dgo in Bavaria, from Italy or near Lazio, with Bavaraia in Ghana"
    assert with_places("in Austria and in Germnay", lambda: ["AU", "IT"]) == "in Austria and in Germnay"
    assert with_places("a dog on a beach", lambda: 1 / 0) == "a dog on a beach"
    (likely,) = engine.search("red", 1)
    unlikely = [type(likely)(1, 0.1, likely.record, 0.2)]
    (note,) = spelling_notes(Query((Term("a dgo in Bavaraia"),)), unlikely, mini, lambda: codes)
    assert note.value == "a dog in Bavaria"


def test_what_is_no_word_is_not_looked_at(mini):
    """A pasted token of 1,500 letters took twenty seconds, and other searches waited."""
    asked = []

    def tokenize(text):
        asked.append(text)
        return mini.text_pieces(text)

    assert without_slips("qzxj" * 400 + " baech", tokenize) == "qzxj" * 400 + " beach"
    assert max(map(len, asked)) < 10
