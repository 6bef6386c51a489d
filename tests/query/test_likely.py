"""How many photos are likely matches: as many as the same query finds with a `min_match` of 0.5."""

import itertools
from dataclasses import replace

import pytest

from clipsearch import Query, Term
from clipsearch.query import search as searching
from clipsearch.query.language import parse_terms, split_words
from clipsearch.query.relevance import RELEVANT
from tests.conftest import give_facts, save_photo


@pytest.fixture
def colours(engine, photos):
    """Twenty red photos of ten shots, twenty blue ones, and two with a title."""
    for number in range(20):
        save_photo(photos / f"IMG_{number // 2:04}.{'png' if number % 2 else 'jpg'}", (220, number, 20))
        save_photo(photos / f"blue{number}x.jpg", (20, number, 220))
    engine.index()
    give_facts(engine.index_folder, "green.jpg", title="Train ticket")
    give_facts(engine.index_folder, "blue3x.jpg", title="Red train ticket")
    return engine


def likely(query, engine):
    explanation = engine.search(query, 100).explanation
    return explanation.likely, explanation.more_likely


def test_as_many_are_likely_as_relevant_finds(colours):
    texts = ["red", "red - blue", "red + blue", "train ticket", "red train", "nothing"]
    for text, hybrid in itertools.product(texts, [False, True]):
        query = Query(parse_terms(split_words(text)), hybrid=hybrid, one_per_shot=True)
        found = colours.search(replace(query, min_match=RELEVANT), 100)
        most = replace(query, min_match=0.9)
        assert likely(most, colours) == (len(colours.search(most, 100)), False)
        assert likely(query, colours) == (len(found), False) == (found.explanation.likely, False), (text, hybrid)
    files, shots = (likely(Query((Term("red"),), one_per_shot=flag), colours)[0] for flag in (False, True))
    assert 0 < shots < files


def test_a_hybrid_query_counts_all_likely_photos_however_few_are_shown(colours):
    query = Query((Term("blue"),), hybrid=True)
    everything = likely(query, colours)
    explanation = colours.search(query, 1).explanation
    assert (explanation.likely, explanation.more_likely) == everything and everything[0] > 1


def test_if_even_the_last_of_those_that_count_are_likely_there_may_be_more(colours, monkeypatch):
    monkeypatch.setattr(searching, "CANDIDATES", 6)
    monkeypatch.setattr(searching, "_LAST", 1)
    explanation = colours.search(Query((Term("red"),), min_match=RELEVANT), 1).explanation
    assert (explanation.likely, explanation.more_likely) == (6, True)


def test_what_has_no_match_and_a_few_photos_of_many_are_not_counted(colours, photos):
    for query in (
        Query((Term(photos / "red.jpg"),)),
        Query((Term("red"),), diverse=True),
    ):
        assert likely(query, colours) == (None, False)
    assert colours.search("red", 2).explanation.likely is None


def test_the_words_of_a_photo_do_not_make_up_for_what_it_must_not_show(colours):
    found = {}
    for text in ("train ticket", "train ticket - green"):
        query = Query(parse_terms(split_words(text)), hybrid=True, min_match=RELEVANT)
        found[text] = {hit.record.file.name for hit in colours.search(query, 100)}
        assert likely(query, colours) == (len(found[text]), False)
    assert found["train ticket"] >= {"green.jpg", "blue3x.jpg"}  # by their titles
    assert "green.jpg" not in found["train ticket - green"] and "blue3x.jpg" in found["train ticket - green"]
