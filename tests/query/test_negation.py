"""What a sentence denies: found in four languages, subtracted by a smart query, and never shown as likely."""

from datetime import date, datetime

import pytest

from clipsearch import SearchEngine
from clipsearch.query.language import parse_query, parse_terms, split_words, terms_text
from clipsearch.query.negation import languages_read, without_negations
from clipsearch.query.sentences.smart import understand
from clipsearch.query.sentences.understood import Understood
from clipsearch.terms import Query, Term
from tests.conftest import give_facts, names
from tests.query.sentences.test_spoken_names import PEOPLE, find_places

TODAY = date(2026, 11, 29)


def meant(text, *languages):
    terms = without_negations(parse_query(text).terms, *languages)
    return terms_text(terms)


@pytest.mark.parametrize(
    ("text", "subtracted"),
    [
        ("a beach without people", "a beach - people"),
        ("no people", "- people"),
        ("a dog not on grass", "a dog - grass"),
        ("a dog that is not black", "a dog - black"),
        ("a beach without people and dogs at sunset", "a beach at sunset - people - dogs"),
        ("a street with no cars in the rain", "a street in the rain - cars"),
        ("a kitchen, no people, no animals", "a kitchen - people - animals"),
        ("a house that doesn't have a garden", "a house - a garden"),
        ("without people and with a dog", "a dog - people"),
        ("a car without wheels but with a roof", "a car with a roof - wheels"),
        ("nobody on the beach", "on the beach - people"),
        ("there are no clouds", "- clouds"),
        ("2:snow without people + 'tis", "2:snow - 2:people + 'tis"),
        ("ein Strand ohne Menschen und ohne Hunde", "ein Strand - Menschen - Hunde"),
        ("ein Hund, nicht auf Gras", "ein Hund - Gras"),
        ("kein Hund im Schnee", "im Schnee - Hund"),
        ("une plage sans personnes", "une plage - personnes"),
        ("pas d'arbres dans la rue", "dans la rue - arbres"),
        ("una playa sin gente", "una playa - gente"),
        ("no hay gente en la playa", "en la playa - gente"),
        ("neither a dog nor a cat", "- a dog - a cat"),
        ("a beach with neither people nor boats", "a beach - people - boats"),
        ("no photos of dogs", "- dogs"),
        ("without people, dogs or cats", "- people - dogs - cats"),
        ("without people, above clouds or water", "above clouds or water - people"),
        ("ohne Menschen, nach Regen oder Schnee", "nach Regen oder Schnee - Menschen"),
        ("sans chiens, apr\u00e8s la pluie ou la neige", "apr\u00e8s la pluie ou la neige - chiens"),
        ("sin gente, hacia el mar o la costa", "hacia el mar o la costa - gente"),
        ("weder Hund noch Katze", "- Hund - Katze"),
        ("ni chien ni chat", "- chien - chat"),
        ("tout sauf l'eau", "- eau"),
        ("el perro no est\u00e1 en la playa", "el perro - playa"),
        ('a "no dogs" sign', 'a "no dogs" sign'),
        ('a sign "no dogs" without people', 'a sign "no dogs" - people'),
        ('a wall without "no dogs" on it', 'a wall on it - "no dogs"'),
    ],
)
def test_what_is_denied_is_subtracted(text, subtracted):
    assert meant(text) == subtracted


@pytest.mark.parametrize(
    "text",
    [
        "a dog",
        "a no smoking sign",
        "no parking",
        "forget me not",
        "a house not far from the sea",
        "not only dogs",
        "Dr. No",
        "no. 5",
        "whether or not",
        "without",
        "Pas de Calais",
        "sans serif",
        "sin city",
        '"a beach without people"',
        "a knot in a rope",
        "a dog outside a house",
        "nothing but snow",
        "more trees than houses",
        "a ni hao sign",
        "with or without people",
        "a part of a car",
        "- dogs without a leash",
    ],
)
def test_other_words_deny_nothing(text):
    assert meant(text) == terms_text(parse_query(text).terms)


def test_only_languages_that_the_model_reads_count():
    assert languages_read("mini") == ("English",)
    assert meant("ein Strand ohne Menschen", languages_read("mini")) == "ein Strand ohne Menschen"
    assert "Spanish" in languages_read("google/siglip2-base-patch16-224")


@pytest.mark.parametrize(
    "text", ["a dog + 2:snow - people", '"salt + pepper" - "2:1"', '3:"2 dogs" + x', '- "a - b"', "a t-shirt"]
)
def test_terms_become_the_text_that_they_were(text):
    terms = parse_terms(split_words(text))
    again = parse_terms(split_words(terms_text(terms)))
    assert [(term.content, term.weight) for term in again] == [(term.content, term.weight) for term in terms]


def understood(text):
    return understand(parse_query(text), TODAY, find_places, PEOPLE)


def test_a_smart_query_subtracts_and_says_so():
    query, said = understood("a beach without people last summer")
    assert [(term.content, term.weight) for term in query.terms] == [("a beach", 1), ("people", -1)]
    assert str(said) == "taken: 2026-06..2026-08, without: people, looking for: a beach - people"


def test_a_fact_that_is_denied_must_not_be_known(engine, photos):
    query, said = understood("a beach not in Italy")
    assert str(said) == "place: not Italy, looking for: a beach" and Understood.from_json(said.to_json()) == said
    give_facts(engine.index_folder, "red.jpg", place="IT/07/3")
    give_facts(engine.index_folder, "blue.jpg", place="FR/11/75")
    not_known = {"green.jpg", "yellow.jpg", "grey.png"}
    assert set(names(engine.search(query))) == {"blue.jpg", *not_known}
    give_facts(engine.index_folder, "red.jpg", taken_at=datetime(2018, 7, 1))
    give_facts(engine.index_folder, "blue.jpg", taken_at=datetime(2019, 7, 1))
    query, _ = understood("not in 2018")
    assert set(names(engine.search(query))) == {"blue.jpg", *not_known}
    query, said = understood("a beach without Ben")
    assert str(said) == "person: not Ben, looking for: a beach"


def test_what_is_denied_is_never_shown_as_likely(engine):
    hits = engine.search("red without blue", 5)
    assert hits and {hit.match for hit in hits} == {None}
    (note,) = hits.explanation.notes
    assert (note.code, note.value) == ("negation", "red - blue") and '"without"' in note.message
    assert engine.search(Query((Term("red without blue"),), min_match=0.5)) == []
    assert {hit.match for hit in engine.search('"red without blue"', 5)} != {None}
    assert names(engine.search(Query((Term("red without blue"),), smart=True), 1)) == ["red.jpg"]


def test_photos_with_what_is_denied_as_a_keyword_are_left_out(engine):
    """The model may not see it in them, but their keywords say that it is there."""
    give_facts(engine.index_folder, "green.jpg", keywords=("Blue",))
    hits = engine.search("red without blue", smart=True)
    assert set(names(hits)) == {"red.jpg", "blue.jpg", "yellow.jpg", "grey.png"}
    assert str(hits.explanation.understood) == "without: blue, also as a keyword, looking for: red - blue"
    assert "green.jpg" in names(engine.search("red - blue", smart=True))  # only signs


def test_a_note_says_if_a_text_that_is_subtracted_changes_nothing(index_of_data):
    """Otherwise "a dog without people" would seem to leave out people of which the model is not sure."""
    with SearchEngine(index_of_data) as engine:
        likely = engine.search("mountain", min_match=0.5)
        kept = engine.search("mountain - astronaut", min_match=0.5)
        fewer = engine.search("mountain - waterfall", min_match=0.5)
    assert set(names(kept)) == set(names(likely)) > set(names(fewer))
    assert [(note.code, note.message) for note in kept.explanation.notes] == [
        ("kept", 'the model is not sure of "astronaut" in any of the likely photos, so all of them stay')
    ]
    assert likely.explanation.notes == fewer.explanation.notes == ()


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("a beach outside Italy", "place: not Italy, looking for: a beach"),
        ("everything outside of Italy", "place: not Italy"),
        ("anywhere but Italy", "place: not Italy"),
        ("outside the USA in 2018", "taken: 2018, place: not United States"),
        ("au\u00dferhalb von Italien", "place: not Italy"),
        ("hors d'Italie", "place: not Italy"),
        ("fuera de Italy", "place: not Italy"),
        ("a dog outside in Italy", "place: Italy, looking for: a dog outside"),
        ("neither Ben nor Rose", "person: not Ben, person: not Rose"),
        ("weder Ben noch Rose", "person: not Ben, person: not Rose"),
        ("ni Ben ni Rose en la playa", "person: not Ben, person: not Rose, looking for: en la playa"),
        ("neither in Italy nor in France", "place: not Italy or France"),
        ("neither 2018 nor 2019", "taken: not 2018, taken: not 2019"),
        ("weder 2018 noch 2019", "taken: not 2018, taken: not 2019"),
        ("everything from before 2012", "taken: before 2012"),
        ("tout sauf 2012", "taken: not 2012"),
        ("no photos of Ben", "person: not Ben"),
        ("no photos before 2015", "taken: not before 2015"),
        ("none of Ben", "person: not Ben"),
        ("keine Fotos von Ben", "person: not Ben"),
        ("aucune photo de Ben", "person: not Ben"),
        ("ninguna foto de Ben", "person: not Ben"),
        ("without Ben and Rose", "person: not Ben, person: not Rose"),
        ("ohne Ben und Rose", "person: not Ben, person: not Rose"),
        ("without Ben, Carla, and Rose", "person: not Ben, person: not Carla Bruni, person: not Rose"),
        ("without Ben and with Rose", "person: Rose, person: not Ben"),
        ("without Ben and in 2018", "taken: 2018, person: not Ben"),
        ("Ben, not Rose, in Italy", "place: Italy, person: Ben, person: not Rose"),
        ("not in Rome, Italy", "place: not Rome, Italy"),
        ("not with Ben or with Rose", "person: not Ben or Rose"),
        ("not Ben but Rose", "person: Rose, person: not Ben"),
        ("pas en Italie", "place: not Italy"),
        ("pas \u00e0 Rome", "place: not Rome, Italy"),
        ("pas avec Ben", "person: not Ben"),
        ("partout sauf en Italie", "place: not Italy"),
        ("sauf l'Italie", "place: not Italy"),
        ("no en Italy", "place: not Italy"),
        ("Ben no est\u00e1 en Rome", "person: Ben, place: not Rome, Italy"),
        ("no pictures taken in Rome", "place: not Rome, Italy"),
        ("pas de photos de Ben", "person: not Ben"),
        ("pas l'Italie", "place: not Italy"),
        ("ni \u00e0 Rome ni en Italie", "place: not Italy"),
        ("nothing from Italy", "place: not Italy"),
        ("never in Italy", "place: not Italy"),
        ("not taken in Italy", "place: not Italy"),
        ("nirgends in Italien", "place: not Italy"),
        ("no dogs of Ben", "person: Ben, without: dogs, looking for: - dogs"),
    ],
)  # fmt: skip
def test_a_filter_is_never_the_opposite_of_a_denial(text, summary):
    said = str(understood(text)[1])
    assert said == (summary if "looking" in summary else f"{summary}, looking for: all photos")


@pytest.mark.parametrize(
    "text",
    [
        "away from Rome",
        "loin de Rome",
        "no longer in Rome",
        "photos where Ben is missing",
        "Ben was not there in 2018",
        "Fotos, auf denen Ben nicht ist",
        "with or without Ben",
        "without Ben or in Italy",
    ],
)
def test_a_denial_that_is_not_certain_stays_text(text):
    assert understood(text)[0].filters == () and str(understood(text)[1]) == f"looking for: {text}"
