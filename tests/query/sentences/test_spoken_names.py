"""Names of people and places in sentences."""

from typing import NamedTuple

import pytest

from clipsearch.gazetteer import find
from clipsearch.query.sentences.plain_letters import folded
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
    first, *wholes = (PLACES.get(folded(part.strip()), []) for part in name.split(","))
    return [place for place in first if all(_is_in_one_of(place, places) for places in wholes)]


def _is_in_one_of(place, places):
    return any(place.code.startswith(f"{whole.code}/") for whole in places)


def names_in(text, places=find_places, people=PEOPLE):
    return spoken_names(text, places, people, places)


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
    (found,) = names_in(text)
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
    assert names_in(text) == []


def test_a_usual_word_is_a_place_if_what_holds_it_follows_or_another_place_is_before_it():
    def found(text):
        return [name.name for name in names_in(text)]

    assert found("Nice, France") == found("a dog, Nice, France") == ["Nice, France"]
    for text in ("a dog in Rome or Nice", "in Rome and Nice at night", "in Rome, Nice"):
        assert found(text) == ["Rome", "Nice"]
    assert found("in Rome and Nice boats") == found("in Rome and nice") == ["Rome"]
    assert found("Nice, Italy") == ["Italy"] and found("nice, France") == found("Nice, old France") == ["France"]


def test_a_person_with_the_name_of_a_place_is_not_that_place():
    (paris,) = names_in("a photo of Paris Hilton in Paris")
    assert (paris.start, paris.name) == (24, "Paris")
    assert [name.kind for name in names_in("Ben Paris")] == ["person", "place"]


def test_a_first_name_is_of_everyone_who_has_it():
    (anna,) = names_in("Anna")
    assert anna.people == ("Anna Müller", "Anna Schmidt")
    (anna,) = names_in("Anna Müller")
    assert anna.people == ("Anna Müller",)


def test_a_name_in_a_script_without_capitals_is_found():
    (found,) = names_in("田中陽子 with a dog", people=["田中陽子"])
    assert found.kind == "person" and found.people == ("田中陽子",)


def test_people_and_places_are_found_in_their_order():
    found = names_in("Anna and Ben in Paris, France and Rome")
    assert [(name.kind, name.name) for name in found] == [
        ("person", "Anna"), ("person", "Ben"), ("place", "Paris, France"), ("place", "Rome"),
    ]  # fmt: skip


def test_without_people_and_places_nothing_is_found():
    assert names_in("Anna in Paris", lambda name: (), ()) == []


INDEX = ("FR/11/2988507", "CA/08/6058560", "IT/07/3169070", "CH/ZH/2657896", "DE/02/2867714", "DE/05/2925533")
"""Paris in France, London in Ontario, Rome, Zurich, Munich, Frankfurt am Main."""


def with_photos(codes):
    """The places of a name that an index of these cities has photos of."""
    return lambda name: [
        place for place in find(name) if any(f"{code}/".startswith(f"{place.code}/") for code in codes)
    ]


def in_index(text, codes=INDEX):
    """The names in a text, and of places that the index has no photo of their labels."""
    found = spoken_names(text, with_photos(codes), ["Anna Meyer"], find)
    return [(name.name, name.places[0].label) if name.is_absent else name.name for name in found]


@pytest.mark.parametrize(
    ("text", "name", "place"),
    [
        ("a church in Paris, Texas", "Paris, Texas", "Paris, Texas, United States"),
        ("Paris, TX", "Paris, TX", "Paris, Texas, United States"),
        ("Paris, TX, USA", "Paris, TX, USA", "Paris, Texas, United States"),
        ("PARIS, TX", "PARIS, TX", "Paris, Texas, United States"),
        ("in paris, texas", "paris, texas", "Paris, Texas, United States"),
        ("Paris (Texas)", "Paris (Texas)", "Paris, Texas, United States"),
        ("Paris (in Texas)", "Paris (in Texas)", "Paris, Texas, United States"),
        ("Paris [Texas]", "Paris [Texas]", "Paris, Texas, United States"),
        ("Paris, texas", "Paris, texas", "Paris, Texas, United States"),
        ("London, U.K.", "London, U.K", "London, England, United Kingdom"),
        ("London (U.K.)", "London (U.K.)", "London, England, United Kingdom"),
        ("London, the United Kingdom", "London, the United Kingdom", "London, England, United Kingdom"),
        ("Paris/Texas", "Paris/Texas", "Paris, Texas, United States"),
        ("Paris Texas", "Paris Texas", "Paris, Texas, United States"),
        ("Paris au Texas", "Paris au Texas", "Paris, Texas, United States"),
        ("Rome, Georgia", "Rome, Georgia", "Rome, Georgia, United States"),
        ("London, UK at night", "London, UK", "London, England, United Kingdom"),
        ("a bridge in London in England", "London in England", "London, England, United Kingdom"),
        ("London in Inglaterra", "London in Inglaterra", "London, England, United Kingdom"),
        ("Frankfurt (Oder)", "Frankfurt (Oder)", "Frankfurt (Oder), Brandenburg, Germany"),
        ("in Frankfurt an der Oder", "Frankfurt an der Oder", "Frankfurt (Oder), Brandenburg, Germany"),
        ("Zurich, Kansas, USA", "Zurich, Kansas, USA", "Zurich, Kansas, United States"),  # too small for the gazetteer
        ("Munich, North Dakota", "Munich, North Dakota", "Munich, North Dakota, United States"),
        ("Zurich, KS", "Zurich, KS", "Zurich, Kansas, United States"),
        ("Paris, Tex. in summer", "Paris, Tex", "Paris, Texas, United States"),
        ("Rome, N.Y.", "Rome, N.Y", "Rome, New York, United States"),
        ("London, Ky.", "London, Ky", "London, Kentucky, United States"),
        ("Berlin, Germany", "Berlin, Germany", "State of Berlin, Germany"),  # no photo is from any Berlin
        ("near Hamburg (Germany)", "Hamburg (Germany)", "Hamburg, Germany"),
    ],
)
def test_a_city_with_its_region_or_country_is_not_another_city_of_that_name(text, name, place):
    assert in_index(text) == [(name, place)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Paris, France", ["Paris, France"]),
        ("Paris, \u00cele-de-France, France", ["Paris, \u00cele-de-France, France"]),
        ("London (Ontario) at night", ["London (Ontario)"]),
        ("Frankfurt am Main", ["Frankfurt am Main"]),
        ("in Paris in France", ["Paris in France"]),
        ("London, ON", ["London, ON"]),
        ("London, Ont.", ["London, Ont"]),
        ("Paris, London", ["Paris", "London"]),
        ("in paris and london", ["paris", "london"]),
        ("in Paris, london or rome at night", ["Paris", "london", "rome"]),
        ("Paris and london", ["Paris", "london"]),
        ("en italie et france", ["italie", "france"]),
        ("in italien und der schweiz", ["italien", "schweiz"]),
        ("en italie, la suisse et le canada", ["italie", "suisse", "canada"]),
        ("en suisse et l'italie", ["suisse", "italie"]),
        ("en suisse et au canada", ["suisse", "canada"]),
        ("in der schweiz oder italien", ["schweiz", "italien"]),
        ("in italy and the paris", ["italy"]),  # a city has no article
        ("in italy and the center", ["italy"]),
        ("in the center", []),
        ("outside munich", ["munich"]),
        ("outside of munich", ["munich"]),
        ("hors de paris", ["paris"]),
        ("not from munich", ["munich"]),
        ("from munich", []),
        ("New York pizza in Rome", ["Rome"]),
        ("Paris and London pizza in Rome", ["Rome"]),
        ("Paris fashion show in Rome", ["Rome"]),
        ("Italy flag in Rome", ["Rome"]),
        ("Rome trip from Paris", ["Rome", "Paris"]),
        ("Rome player behind a Paris player", ["Rome", "Paris"]),
        ("London, pizza in Rome", ["London", "Rome"]),
        ("London and pizza in Rome", ["London", "Rome"]),
        ("Italy beaches not in Rome", ["Italy", "Rome"]),
        ("Paris dogs, Rome", ["Paris", "Rome"]),
        ("in paris and nice weather", ["paris"]),
        ("in paris with rome", ["paris"]),
        ("Soho, London", ["London"]),
        ("London, Paris and Rome", ["London", "Paris", "Rome"]),
        ("Paris / London", ["Paris", "London"]),
        ("Paris, France or Texas", ["Paris, France"]),
        ("Rome, Italy and France", ["Rome, Italy", "France"]),
        ("PARIS OR LONDON", ["LONDON"]),  # not Paris in Oregon
        ("Rome in Summer", ["Rome"]),
        ("in Paris, in Texas", ["Paris"]),
        ("Anna, Paris", ["Anna", "Paris"]),
    ],
)
def test_a_city_that_the_index_has_is_found_with_what_it_is_in_and_beside_others(text, names):
    assert in_index(text) == names


@pytest.mark.parametrize("text", ["in St. Louis", "St Louis", "St. Louis, Missouri", "St. Louis (U.S.)"])
def test_a_name_with_a_word_that_is_cut_short_is_found(text):
    assert in_index(text, ["US/MO/4407066"]) == [text.removeprefix("in ")]


def test_the_whole_name_of_a_place_is_found_if_its_first_word_alone_is_another_place():
    assert in_index("Frankfurt (Oder)", ["DE/11/2925535"]) == ["Frankfurt (Oder)"]


def test_two_names_are_two_places_if_the_index_has_photos_of_both_cities():
    assert in_index("Rome, New York", (*INDEX, "US/NY/5128581")) == ["Rome", "New York"]
    assert in_index("Rome, New York") == [("Rome, New York", "Rome, New York, United States")]
    assert in_index("Paris, Texas", (*INDEX, "US/TX/4671654")) == [("Paris, Texas", "Paris, Texas, United States")]


def test_a_code_after_a_comma_is_a_state_also_beside_photos_of_a_city_of_that_name():
    for text in ("Paris, NY", "in paris, ny", "Paris, N.Y."):
        ((_, place),) = in_index(text, (*INDEX, "US/NY/5128581"))
        assert place.casefold() == "paris, new york, united states"
    assert in_index("Paris, NY, USA", (*INDEX, "US/NY/5128581")) == [
        ("Paris, NY, USA", "Paris, New York, United States")
    ]
    assert in_index("Berlin, NH", ("DE/16/2950159",)) == [("Berlin, NH", "Berlin, New Hampshire, United States")]
    assert in_index("in paris, me and you") == ["paris"]
