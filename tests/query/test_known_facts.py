"""Notes on facts that an index knows and that a plain query names."""

import pytest

from clipsearch.query.filters import keyworded
from clipsearch.query.sentences.understood import dates_in_words
from clipsearch.terms import Query
from tests.conftest import give_facts, names


@pytest.fixture
def facts_of(engine):
    """The notes of a query as (code, value, message), over photos with facts."""
    facts = {"people": ("Anna Meyer",), "place": "DE/02/2867714", "keywords": ("Holidays",)}
    give_facts(engine.index_folder, "red.jpg", **facts)
    give_facts(engine.index_folder, "blue.jpg", keywords=("holidays", "a [b]*"))

    def found(text, **keywords):
        return [(note.code, note.value, note.message) for note in engine.search(text, 3, **keywords).explanation.notes]

    return found


@pytest.mark.parametrize(
    ("text", "meant", "fact"),
    [
        ("Munich", "Munich", "the place Munich, Bavaria, Germany"),
        ("munich", "Munich", "the place Munich, Bavaria, Germany"),
        ("munich and munich", "Munich and Munich", "the place Munich, Bavaria, Germany"),
        ("Anna", "Anna", "the person Anna Meyer"),
        ("a mug in Munich", "a mug in Munich", "the place Munich, Bavaria, Germany"),
        ("Anna in Munich", "Anna in Munich", "the place Munich, Bavaria, Germany and the person Anna Meyer"),
        ("anna in munich", "Anna in Munich", "the place Munich, Bavaria, Germany and the person Anna Meyer"),
        ("a photo of anna", "a photo of Anna", "the person Anna Meyer"),
        (
            "show me pictures of anna in munich",
            "show me pictures of Anna in Munich",
            "the place Munich, Bavaria, Germany and the person Anna Meyer",
        ),
    ],
)
def test_a_query_that_names_a_known_fact_says_how_many_photos_have_it(facts_of, engine, text, meant, fact):
    message = f'"{text}" was searched as a description, but the index has 1 photo with {fact}'
    assert facts_of(text) == [("facts", meant, message)] == facts_of(text, min_match=0.5)[1:]
    assert names(engine.search(meant, smart=True)) == ["red.jpg"]


def test_a_keyword_is_named_whatever_its_case_and_signs(facts_of, engine):
    ((code, value, message),) = facts_of("holidays")
    assert (code, value) == ("keyword", "holidays") and message.endswith('2 photos with the keyword "holidays"')
    assert [code for code, *_ in facts_of("holidays", smart=True)] == ["keyword"]
    ((_, _, message),) = facts_of('"holidays"')
    assert message.startswith('"holidays" was searched as a description')
    assert facts_of("holidays", hybrid=True) == []  # it has looked for the keyword
    ((_, _, message),) = facts_of("Munich", hybrid=True)
    assert message.startswith(
        '"Munich" was searched as a description and as words of the photos\' texts, but the index'
    )
    ((_, value, _),) = facts_of("a [b]*")
    assert names(engine.search(Query((), (keyworded("a [[]b][*]"),)))) == ["blue.jpg"] and value == "a [b]*"


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2024-07-14", "on 14 July 2024"),
        ("summer 2011", "from June to August 2011"),
        ("winter 2018/19", "from December 2018 to February 2019"),
        ("3-7 May 2019", "from 3 to 7 May 2019"),
        ("2019 or May 2012", "in 2019 or in May 2012"),
        ("before 2015", "before 2015"),
        ("since 2024", "from 2024 on"),
        ("in the nineties", "from 1990 to 1999"),
    ],
)
def test_a_date_without_photos_says_so_in_words(facts_of, text, date):
    message = f'"{text}" was searched as a description, and the index has no photo with a date {date}'
    assert facts_of(text) == [("facts", "", message)]


@pytest.mark.parametrize(
    ("meaning", "words"),
    [
        ("2019-12-30..2020-01-02", "from 30 December 2019 to 2 January 2020"),
        ("2019-05-30..2019-06-02", "from 30 May to 2 June 2019"),
        ("2019-05-03T08:00..2019-05-03T11:59", "from 3 May 2019, 08:00 to 3 May 2019, 11:59"),
        ("24..26 December of any year", "from 24 to 26 December of any year"),
        ("31 December..1 January of any year", "from 31 December to 1 January of any year"),
        ("3 May of any year", "on 3 May of any year"),
        ("May of any year", "in May of any year"),
        ("before 2015-03", "before March 2015"),
    ],
)
def test_dates_are_put_into_words(meaning, words):
    assert dates_in_words(meaning) == words


def test_a_note_counts_what_meets_the_filters_and_proposes_all_that_was_asked(facts_of, engine):
    give_facts(engine.index_folder, "green.jpg", people=("Anna Meyer",), keywords=("Holidays",))
    ((code, value, message),) = facts_of("anna in Munich", smart=True)
    assert (code, value) == ("facts", "Anna in Munich") and names(engine.search(value, smart=True)) == ["red.jpg"]
    assert message.endswith("has 1 photo with the place Munich, Bavaria, Germany and the person Anna Meyer")
    ((_, value, message),) = facts_of("anna", place="Munich")
    assert value == "Anna" and message.endswith("has 1 photo that meets the filters with the person Anna Meyer")
    ((_, value, message),) = facts_of("photos of anna not in Munich", smart=True)
    assert value == "photos of Anna not in Munich" and names(engine.search(value, smart=True)) == ["green.jpg"]
    assert message.endswith("has 1 photo with the person Anna Meyer and without the place Munich, Bavaria, Germany")
    ((_, value, message),) = facts_of("outside munich")
    assert value == "outside munich" and message.endswith("has 4 photos without the place Munich, Bavaria, Germany")
    ((code, _, message),) = facts_of("holidays", person="Anna Meyer")
    assert code == "keyword" and message.endswith('2 photos that meet the filters with the keyword "holidays"')


def test_a_filter_that_holds_already_is_not_proposed(facts_of):
    for text in ("munich in Munich", "a munich in Munich", "anna with Anna", "Holidays in Munich with Anna"):
        found = facts_of(text, smart=True)
        assert [code for code, *_ in found] == (["keyword"] if "Holidays" in text else []), (text, found)
    assert facts_of("a mug in Munich", place="Munich") == facts_of("holidays", keyword="Holidays") == []
    ((code, value, _),) = facts_of("Anna in Munich", place="Munich")
    assert (code, value) == ("facts", "Anna in Munich")


@pytest.mark.parametrize("text", ['"Munich"', "Munich red", "Berlin", "a mug", "a mug in 2024"])
def test_literals_likely_matches_and_unknown_names_get_no_note(facts_of, text):
    assert facts_of(text) == []
