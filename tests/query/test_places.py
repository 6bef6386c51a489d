"""Photos by the names of the places where they were taken: `--place`, `--where`, and the same over JSON."""

import json
import os
from unittest.mock import MagicMock

import pytest

from clipsearch import SearchEngine
from clipsearch.analysis.statistics import count_photos
from clipsearch.conditions import All, Contains, Either, Known, Located, Not
from clipsearch.errors import QueryError
from clipsearch.gazetteer import find, label, near_spellings, nearest
from clipsearch.gazetteer.data import gazetteer
from clipsearch.query.filters import chosen, named, parse_where, taken_at
from clipsearch.query.json_form import condition_to_json
from clipsearch.query.unmet import unmet
from clipsearch.render.explain import condition_text
from clipsearch.store.collection import Collection
from clipsearch.store.rows import Place
from clipsearch.store.verify import verify
from clipsearch.terms import Query
from clipsearch.types import ImageFile, ImageInfo
from tests.cli.running import run_here
from tests.conftest import give_facts
from tests.store.support import random_units, writer

POINTS = {
    "eiffel": (48.8584, 2.2945), "montmartre": (48.8867, 2.3431), "lyon": (45.764, 4.8357), "texas": (33.66, -95.555),
    "munich": (48.1374, 11.5755), "atlantic": (0.0, -30.0), "nowhere": None,
}  # fmt: skip
PARIS, TEXAS = "FR/11/2988507", "US/TX/4717560"


@pytest.fixture
def index(tmp_path):
    folder = tmp_path / "photos" / ".clipsearch"
    with writer(folder, 8) as collection:
        for (name, gps), vector in zip(POINTS.items(), random_units(len(POINTS), 8), strict=True):
            info = ImageInfo(4, 3, "JPEG", "aa", gps=gps)
            collection.add(Place(1, "", f"{name}.jpg"), ImageFile(name, 3, 0), info, vector, "1")
        collection.commit()
    return folder


def found(index, condition):
    with Collection(index) as collection:
        records = collection.records(collection.ids(condition).tolist())
        return {record.file.name.removesuffix(".jpg") for record in records.values()}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Paris", {"eiffel", "montmartre", "texas"}), ("paris, france", {"eiffel", "montmartre"}),
        ("Paris, Texas", {"texas"}), ("Montmartre", {"montmartre"}), ("Frankreich", {"eiffel", "montmartre", "lyon"}),
        ("Île-de-France", {"eiffel", "montmartre"}), ("Bayern", {"munich"}), ("München", {"munich"}), ("Japan", set()),
    ],
)  # fmt: skip
def test_a_name_finds_the_photos_of_its_places_and_of_the_places_within(index, name, expected):
    assert found(index, taken_at(name)) == expected
    assert found(index, parse_where(f'place = "{name}"')) == expected
    others = {"eiffel", "montmartre", "lyon", "texas", "munich"} - expected
    assert found(index, parse_where(f'place != "{name}"')) == others
    assert found(index, Not(taken_at(name))) == others | {"atlantic", "nowhere"}


def test_several_places_are_alternatives(index):
    assert found(index, All(chosen(places=("Munich", "Lyon")))) == {"munich", "lyon"}
    assert found(index, Either((Located(()), Located(("FR/84", "US"))))) == {"lyon", "texas"}
    assert found(index, Located(())) == set()


def test_a_photo_far_out_at_sea_has_no_place(index):
    assert found(index, Not(Known("place"))) == {"atlantic", "nowhere"}
    assert found(index, parse_where("place is known")) == POINTS.keys() - {"atlantic", "nowhere"}


def test_a_code_is_not_the_beginning_of_a_longer_one(index):
    assert found(index, Located(("FR/1",))) == set() == found(index, Located((PARIS[:-1], "F")))


def test_texts_find_the_names_of_places(index):
    assert found(index, Contains("bayern")) == {"munich"} and found(index, Contains("france")) == {
        "eiffel", "montmartre", "lyon",
    }  # fmt: skip
    assert verify(index).damages == ()


def test_a_given_place_is_kept_and_wrong_coordinates_have_none(tmp_path):
    folder = tmp_path / "photos" / ".clipsearch"
    with writer(folder, 8) as collection:
        for name, info in {
            "given": ImageInfo(4, 3, "JPEG", "aa", gps=(48.8, 2.3), place="DE/02"),
            "wrong": ImageInfo(4, 3, "JPEG", "bb", gps=(148.8, 2.3)),
        }.items():
            collection.add(Place(1, "", name), ImageFile(name, 3, 0), info, random_units(1, 8)[0], "1")
        collection.commit()
    assert found(folder, Known("place")) == {"given"} == found(folder, Located(("DE",)))


def test_a_region_of_the_same_name_has_the_city_in_it():
    assert taken_at("Praha") == Located(("CZ/52",))
    assert [place.code for place in find("Praha")] == ["CZ/52", "CZ/52/3067696"]


@pytest.mark.parametrize(
    ("name", "says"),
    [("Pariss", 'similar names: "Paris"'), ("Xyzzyx", "give a city, a region or a country"), (" ", "is empty")],
)
def test_an_unknown_place_is_refused_with_similar_names(name, says):
    with pytest.raises(QueryError, match=says):
        taken_at(name)


def test_a_place_is_compared_with_a_name_alone():
    with pytest.raises(QueryError, match="place is a name, so ~ does not go with it"):
        parse_where("place ~ 'Par*'")


def test_a_place_is_explained_by_its_name():
    assert condition_text(taken_at("Munich")) == "in 'Munich, Bavaria, Germany'"
    assert "more places" in condition_text(taken_at("Springfield"))
    assert condition_text(Located(("XX/1",))) == "in XX/1"


def test_places_travel_as_json():
    pytest.importorskip("pydantic")
    from clipsearch.server.search_body import read_filters

    wanted = (taken_at("Paris"), Not(taken_at("Germany")))
    assert read_filters(json.dumps([condition_to_json(condition) for condition in wanted])) == wanted
    by_name = {"field": "place", "operator": "=", "value": "Munich"}
    assert read_filters(json.dumps([by_name])) == (taken_at("Munich"),)
    for wrong in ({"located": ["paris"]}, {"located": "FR"}, {"field": "place", "operator": "<", "value": "Munich"}):
        with pytest.raises(QueryError):
            read_filters(json.dumps([wrong]))


def test_the_command_line_takes_several_places(index):
    status, output, error = run_here("query", "--place", "Munich", "--place", "Paris, TX", "--paths", cwd=index.parent)
    assert status == 0, error
    assert {os.path.basename(line) for line in output.splitlines()} == {b"munich.jpg", b"texas.jpg"}
    status, _, error = run_here("query", "--place", "Pariss", cwd=index.parent)
    assert status == 2 and 'no place called "Pariss" is known; similar names: "Paris"' in error
    assert near_spellings("Rotta")[0] != "Rota" == near_spellings("Rotta", codes=["ES/51/2511700"])[0]
    status, _, error = run_here("query", "--place", "Bayrn", cwd=index.parent)  # photos are from Bavaria
    assert status == 2 and 'no place called "Bayrn" is known; similar names: "Bayern"' in error


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("Paris", ["Paris, Île-de-France, France", "Paris, Texas, United States"]),
        ("Munich", []), ("Paris, France", []), ("Frankreich", []),
    ],
)  # fmt: skip
def test_photos_from_several_places_of_a_name_are_noted(index, name, labels):
    with SearchEngine(index) as engine:
        notes = engine.search(Query((), (taken_at(name),)), 10).explanation.notes
    assert [(note.code, note.value) for note in notes] == [("places", label) for label in labels[:1]]
    if labels:
        assert notes[0].message == f"these photos are from 2 places of this name: {'; '.join(labels)}"
        _, _, error = run_here("query", "--place", name, "--paths", cwd=index.parent)
        assert f'For one of them: `clipsearch query --paths --place "{labels[0]}"`' in error


def test_places_of_several_typed_names_are_not_said_to_share_one(index):
    with SearchEngine(index) as engine:

        def noted(text):
            return [
                note.message for note in engine.search(text, 10, smart=True).explanation.notes if note.code == "places"
            ]

        assert noted("photos in Munich or Lyon") == []
        (message,) = noted("photos in Munich or Paris")
    assert message.startswith("these photos are from 2 places of this name: Paris") and "Munich" not in message


def test_an_empty_answer_says_how_many_photos_lack_the_fact(index):
    def noted(*conditions):
        with SearchEngine(index) as engine:
            hits = engine.search(Query((), conditions), 10)
        return [note.message for note in hits.explanation.notes]

    (message,) = noted(taken_at("Japan"))
    with SearchEngine(index) as engine:
        (cities,) = engine.stats(["place"]).breakdowns
    assert (cities.counts[0].value, cities.counts[0].images, len(cities.counts)) == (
        "Paris, Île-de-France, France",
        2,
        4,
    )
    assert message.startswith(f"no photo is from Japan; the most frequent of 4 places are {cities.counts[0].value}; ")
    assert "Munich, Bavaria, Germany" in message and message.endswith("; 2 photos have no place")
    assert noted(*chosen(within="0,0,1,1")) == ["no photo is within 0,0,1,1; 1 of 7 photos lacks a place"]
    assert noted(*chosen(where="latitude > 89")) == ["no photo has latitude > 89; 1 of 7 photos lacks a place"]
    # photos are from Paris, so only the date is to blame
    assert noted(*chosen(taken="2024", places=["Paris"])) == ["no photo has a date, so no filter by date finds them"]
    assert noted(Not(taken_at("Japan")), named("x")) == ["no file has the name x"] and noted(taken_at("Munich")) == []


@pytest.mark.parametrize(
    ("near", "message", "wider"),
    [
        ("48.17,11.58", "no photo is within 1 km of 48.17,11.58; 1 is within NEXT", "48.17,11.58,5"),
        ("45.7,4.8,0.01", "no photo is within 0.01 km of 45.7,4.8; 1 is within NEXT", "45.7,4.8,10"),
        ("-40,-70,20", "no photo is within 20 km of -40,-70; 2 are within NEXT", "-40,-70,10000"),
    ],
)
def test_a_point_without_photos_near_it_is_told_with_a_distance_that_has_some(index, near, message, wider):
    with SearchEngine(index) as engine:
        (note,) = engine.search(Query((), chosen(near=near)), 10).explanation.notes
        assert engine.search(Query((), chosen(near=note.value)), 10)
    message = message.replace("NEXT", f"{float(wider.split(',')[2]):,g} km")
    assert (note.code, note.message, note.value) == ("near", f"{message}; 1 of 7 photos lacks a place", wider)
    _, _, error = run_here("query", "--near", near, "--paths", cwd=index.parent)
    assert f"To look that far: `clipsearch query --paths --near {wider}`" in error
    _, _, error = run_here("query", "--where", f"near '{near}'", cwd=index.parent)
    assert "no photo is within" in error and "To look" not in error


def test_the_name_that_a_place_is_shown_by_finds_it():
    places = gazetteer()
    largest = places.array("population").argsort()[-200:]
    for code in [*map(places.code_of, largest.tolist()), "FR/11", "US/TX", "DE", "MX/09", "JP/40"]:
        found = find(label(code))
        assert any(place.code == code or code.startswith(f"{place.code}/") for place in found), label(code)


def test_photos_are_counted_by_country_region_and_city(index):
    with Collection(index) as collection:
        countries, regions, cities = count_photos(collection, ("country", "region", "place")).breakdowns
    assert [(count.value, count.images) for count in countries.counts] == [
        ("France", 3), ("Germany", 1), ("United States", 1),
    ]  # fmt: skip
    assert countries.unknown == regions.unknown == cities.unknown == 2
    assert (regions.counts[0].value, regions.counts[0].images) == ("Île-de-France, France", 2)
    assert (cities.counts[0].value, cities.counts[0].images) == ("Paris, Île-de-France, France", 2)


def test_a_section_belongs_to_its_city():
    code = nearest(*POINTS["montmartre"])
    assert code is not None and code.startswith(f"{PARIS}/")


@pytest.mark.parametrize(
    ("codes", "says"),
    [
        (["DK/21/2624652"], "the only place is Århus, South Denmark, Denmark; 1 photo has no place"),
        (["DK/21/2624652", "FR"], "the most frequent of 2 places are Århus, South Denmark, Denmark; France; 1 photo"),
    ],
)
def test_one_place_and_one_photo_are_spoken_of_in_the_singular(codes, says):
    store = MagicMock(select=lambda condition: [0] if condition == Known("place") else [])
    store.__len__.return_value = 2  # photos, one without a place
    store.values_of.return_value = codes
    assert says in unmet([Located(("JP",))], store)["place"].message


def test_a_smart_query_says_that_no_photo_is_from_a_place_of_which_another_has_the_name(engine):
    give_facts(engine.index_folder, "red.jpg", place=PARIS)
    hits = engine.search("a square in Paris, Illinois", smart=True)
    (note,) = [note for note in hits.explanation.notes if note.code == "absent"]
    assert note.message == "no photo is from Paris, Illinois, United States, so the name was searched as text"
    assert not hits.query.filters and len(hits) == 5
    hits = engine.search("a square, not in Ghent", smart=True)
    (note,) = [note for note in hits.explanation.notes if note.code == "absent"]
    assert note.message == "no photo is from Gent, Flanders, Belgium, so there is nothing to leave out"
