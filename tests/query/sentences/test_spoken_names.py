"""Names of people and places in sentences."""

from typing import NamedTuple

import pytest

from clipsearch.query.sentences.spoken_names import spoken_names


class Place(NamedTuple):
    """As the gazetteer has them."""

    code: str
    kind: str
    label: str


PLACES = {
    "italy": [Place("IT", "country", "Italy")],
    "italien": [Place("IT", "country", "Italy")],
    "italie": [Place("IT", "country", "Italy")],
    "schweiz": [Place("CH", "country", "Switzerland")],
    "japon": [Place("JP", "country", "Japan")],
    "espana": [Place("ES", "country", "Spain")],
    "us": [Place("US", "country", "United States"), Place("FR/11/3", "city", "Us, France")],
    "united states": [Place("US", "country", "United States")],
    "usa": [Place("US", "country", "United States")],
    "paris": [Place("FR/11/1", "city", "Paris, France"), Place("US/TX/2", "city", "Paris, Texas, United States")],
    "france": [Place("FR", "country", "France")],
    "rome": [Place("IT/07/3", "city", "Rome, Italy")],
    "new york": [Place("US/NY", "region", "New York, United States")],
    "la rochelle": [Place("FR/75/4", "city", "La Rochelle, France")],
    "nice": [Place("FR/93/5", "city", "Nice, France")],
    "strand": [Place("NO/14/6", "city", "Strand, Norway")],
    "sand": [Place("DE/02/7", "city", "Sand, Germany")],
    "anna": [Place("US/TX/8", "city", "Anna, Texas, United States")],
    "essen": [Place("DE/07/9", "city", "Essen, Germany")],
}
PEOPLE = ["Anna Müller", "Anna Schmidt", "Ben", "Rose", "Carla Bruni", "田中陽子", "Łukasz Nowak", "Jörg Strauß"]


def find_places(name):
    from clipsearch.query.sentences.plain_letters import folded

    return PLACES.get(folded(name), [])


@pytest.mark.parametrize(
    ("text", "rest", "kind", "name"),
    [
        ("beach in Italy", "beach |", "place", "Italy"),
        ("beach in italy", "beach |", "place", "italy"),
        ("beach in italy with dogs", "beach | with dogs", "place", "italy"),
        ("Italy beach", "| beach", "place", "Italy"),
        ("Hund in der Schweiz", "Hund |", "place", "Schweiz"),
        ("plage en Italie", "plage |", "place", "Italie"),
        ("temple au Japon", "temple |", "place", "Japon"),
        ("playa de España", "playa |", "place", "España"),
        ("a car in the USA", "a car |", "place", "USA"),
        ("a car in the US", "a car |", "place", "US"),
        ("a car in the U.S.A", "a car |", "place", "U.S.A"),
        ("a car in the States", "a car |", "place", "States"),
        ("montagnes pr\u00e8s de Rome", "montagnes |", "place", "Rome"),
        ("cerca de Rome", "|", "place", "Rome"),
        ("Berge in der N\u00e4he von Rome", "Berge |", "place", "Rome"),
        ("a house close to Rome", "a house |", "place", "Rome"),
        ("lights of New York at night", "lights | at night", "place", "New York"),
        ("lights of Paris in the rain", "lights | in the rain", "place", "Paris"),
        ("Golden Gate Bridge New York", "Golden Gate Bridge |", "place", "New York"),
        ("Jack, Paris", "Jack, |", "place", "Paris"),
        ("Jack in Paris", "Jack |", "place", "Paris"),
        ("port à La Rochelle", "port |", "place", "La Rochelle"),
        ("lukasz nowak on a beach", "| on a beach", "person", "lukasz nowak"),
        ("a dog with Jorg Strauss", "a dog |", "person", "Jorg Strauss"),
        ("boats in Nice", "boats |", "place", "Nice"),
        ("Mittag in Essen", "Mittag |", "place", "Essen"),
        ("Anna on a beach", "| on a beach", "person", "Anna"),
        ("anna müller on a beach", "| on a beach", "person", "anna müller"),
        ("a dog with Ben", "a dog |", "person", "Ben"),
        ("a dog with Ben at home", "a dog | at home", "person", "Ben"),
        ("Ben's birthday", "| birthday", "person", "Ben"),
        ("photos d'Anna", "photos |", "person", "Anna"),
        ("a dinner in Paris", "a dinner |", "place", "Paris"),
        ("田中陽子 with a dog", "| with a dog", "person", "田中陽子"),
        ("犬 田中陽子", "犬 |", "person", "田中陽子"),
        ("carla bruni", "|", "person", "carla bruni"),
    ],
)
def test_a_name_is_found_with_the_words_that_belong_to_it(text, rest, kind, name):
    (found,) = spoken_names(text, find_places, PEOPLE)
    assert (text[: found.start] + "|" + text[found.end :], found.kind, found.name) == (rest, kind, name)


@pytest.mark.parametrize(
    "text",
    [
        "italy beach",  # a small letter needs "in"
        "boats in nice weather",
        "a house in sand",
        "from italy to me",
        "Nice boats",
        "a nice beach",
        "with us in the snow",
        "LET US GO",
        "Hund am Strand",  # a city has no article
        "a dog in the sand",
        "beim Essen",
        "Paris Hilton",  # the name goes on
        "a photo of Paris Hilton",
        "Jack Paris",  # a first name that no one in the index has
        "a book by Jack New York",
        "a rose in a vase",
        "anna on a beach",  # nor has a first name in small letters
        "Berlin at night",  # the index has no photo of it
        "Anna Karenina",
        "Dora on a beach",
        "in",
        "",
    ],
)
def test_what_may_be_something_else_stays_text(text):
    assert spoken_names(text, find_places, PEOPLE) == []


def test_a_usual_word_is_a_place_if_a_comma_and_what_holds_it_follow():
    def found(text):
        return [name.name for name in spoken_names(text, find_places, PEOPLE)]

    assert found("Nice, France") == found("a dog, Nice, France") == ["Nice", "France"]
    assert found("Nice, Italy") == ["Italy"] and found("nice, France") == found("Nice, old France") == ["France"]


def test_a_person_with_the_name_of_a_place_is_not_that_place():
    (paris,) = spoken_names("a photo of Paris Hilton in Paris", find_places, PEOPLE)
    assert (paris.start, paris.name) == (24, "Paris")
    assert [name.kind for name in spoken_names("Ben Paris", find_places, PEOPLE)] == ["person", "place"]


def test_a_first_name_is_of_everyone_who_has_it():
    (anna,) = spoken_names("Anna", find_places, PEOPLE)
    assert anna.people == ("Anna Müller", "Anna Schmidt")
    (anna,) = spoken_names("Anna Müller", find_places, PEOPLE)
    assert anna.people == ("Anna Müller",)


def test_a_name_in_a_script_without_capitals_is_found():
    (found,) = spoken_names("田中陽子 with a dog", find_places, ["田中陽子"])
    assert found.kind == "person" and found.people == ("田中陽子",)


def test_people_and_places_are_found_in_their_order():
    found = spoken_names("Anna and Ben in Paris, France", find_places, PEOPLE)
    assert [(name.kind, name.name) for name in found] == [
        ("person", "Anna"), ("person", "Ben"), ("place", "Paris"), ("place", "France"),
    ]  # fmt: skip


def test_without_people_and_places_nothing_is_found():
    assert spoken_names("Anna in Paris", lambda name: (), ()) == []
