"""Notes about a query: words like a file name, a minus without a space, words that the model cannot read."""

import json
import math
import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from clipsearch import SearchEngine
from clipsearch.conditions import All, Contains, Test
from clipsearch.encoders.other_languages import words_of_other_languages
from clipsearch.encoders.prompts import everyday_texts, query_bank
from clipsearch.encoders.recommended import find_entry
from clipsearch.encoders.unread import TextPiece
from clipsearch.errors import QueryError
from clipsearch.gazetteer.data import gazetteer
from clipsearch.query.filters import chosen, named, parse_where
from clipsearch.query.notes import _limit_below
from clipsearch.terms import Query, Term
from tests.conftest import give_facts, names, save_photo, shared

TOGETHER = "each filter alone has photos, but no photo meets all of them"


@pytest.fixture
def camera_photos(photos, engine):
    """Photos whose names a camera gave."""
    for number, colour in ((4, "red"), (5, "blue")):
        save_photo(photos / f"IMG_000{number}.jpg", colour, note=str(number))
    save_photo(photos / "odd [1234] name.jpg", "green", note="odd")
    engine.index()
    return engine


def notes(engine, text):
    return [(note.code, note.value) for note in engine.search(text, 3).explanation.notes]


@pytest.mark.parametrize(
    ("text", "glob", "words"),
    [
        ("IMG_0004", "IMG_0004*", "1 photo has such a name"),
        ("img_0004.JPG", "img_0004.JPG", "1 photo has such a name"),
        ("IMG_000", "IMG_000*", "2 photos have such a name"),
        ("0005", "*0005*", "1 photo has such a name"),
        ("red.jpg", "red.jpg", "1 photo has such a name"),
        ("IMG*4.jpg", "IMG*4.jpg", "1 photo has such a name"),
        ("DSC01234", "", "no photo has such a name"),
        ("giraffe.jpg", "", "no photo has such a name"),
        ("[1234]", None, ""),
    ],
)
def test_a_text_like_a_file_name_says_so_and_gives_the_filter(camera_photos, text, glob, words):
    if glob is None:
        assert notes(camera_photos, text) == []
        return
    (note,) = camera_photos.search(text, 3).explanation.notes
    assert (note.code, note.value) == ("file-name", glob)
    assert note.message == f'"{text}" looks like a file name, but was searched as a description; {words}'
    if glob:
        listed = camera_photos.search(Query((), (named(glob),)))
        assert len(listed) == int(words.split()[0])


@pytest.mark.parametrize(
    "text",
    ["a dog", "red", "2024", "2024-07", "2024-07-15", "1950s", "route 66", "boeing747", "0009", "a photo of IMG_0004"],
)
def test_other_words_numbers_and_dates_are_no_file_names(camera_photos, text):
    assert "file-name" not in dict(notes(camera_photos, text))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("a dog -people", "a dog - people"),
        ("a dog -people at night", "a dog at night - people"),
        ("cat -snow -ice", "cat -ice - snow"),
    ],
)
def test_a_minus_without_a_space_says_what_was_probably_meant(engine, text, meant):
    assert notes(engine, text) == [("minus", meant)]


@pytest.mark.parametrize(
    ("text", "code", "meant"),
    [
        ("a dog +snow", "plus", "a dog + snow"),
        ("a dog \u2013 people", "minus", "a dog - people"),
        ("a dog \u2212people", "minus", "a dog - people"),
    ],
)
def test_other_signs_that_were_searched_as_words_are_told_too(engine, text, code, meant):
    assert notes(engine, text) == [(code, meant)]


@pytest.mark.parametrize(
    ("query", "meant"),
    [
        (Query.parse("sky + 2:a dog -people + snow"), ["sky + 2:a dog - people + snow"]),
        (Query.parse("a dog -people", smart=True), ["a dog - people"]),
        (Query.parse("red \u2013 people in 2019", smart=True), ["red in 2019 - people", "taken"]),
        (Query((Term("red +snow"), Term(np.eye(1, 4)[0]))), ["red + snow"]),
        (Query.parse("blue - red -people"), [""]),
        (Query.parse("-people"), ["- people"]),
    ],
)
def test_the_query_that_was_meant_keeps_its_other_parts_and_facts(engine, query, meant):
    assert [note.value for note in engine.search(query, 3).explanation.notes] == meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("3:red 2018 - 2020", "3:red 2018-2020"),
        ("red 2020 - 2018 - blue", "red 2018-2020 - blue"),
        ("red 2018 \u2013 2020", "red 2018-2020"),
        ("2018 - 2020 red", "2018-2020 red"),
    ],
)
def test_a_minus_between_two_years_says_what_was_probably_meant(engine, text, meant):
    (note,) = engine.search(text).explanation.notes
    assert (note.code, note.value) == ("facts", meant)
    assert " was read as " in note.message and note.message.endswith(", not as the photos from 2018 to 2020")
    assert engine.understand(meant)[1].facts[0].meaning == "2018..2020"


@pytest.mark.parametrize(
    "text", ["3:red 2018 - 20", "red 2018 - blue", "red - 2018", '3:"red 2018" - 2020', "red 2018 + 2020"]
)
def test_other_numbers_after_a_minus_are_no_years(engine, text):
    assert engine.search(text).explanation.notes == ()


def test_a_minus_between_two_years_is_told_with_smart_too(engine):
    notes = engine.search("red 2018 - 2020", smart=True).explanation.notes
    assert [note.value for note in notes if note.code == "facts"] == ["red 2018-2020"]
    notes = engine.search("red 2018 \u2013 2020", smart=True).explanation.notes
    assert not [note for note in notes if note.code == "facts"]


@pytest.mark.parametrize("text", ["a t-shirt", "at -5 degrees", "red - green", "one -- two", "C++", '"a dog -people"'])
def test_other_minus_signs_are_left_alone(engine, text):
    assert notes(engine, text) == []


def test_words_that_the_model_cannot_read_are_named_with_a_model_that_can(engine, encoder):
    encoder.text_pieces = lambda word: [TextPiece(0, len(word), not word.isascii())]
    (note,) = engine.search("ein собака red", 3).explanation.notes
    assert note.code == "unread" and find_entry(note.value).languages == "many"
    assert (
        note.message
        == f'the model colours cannot read "собака"; it reads only the other words. {note.value} reads many languages'
    )
    (note,) = engine.search("собака на", 3).explanation.notes
    assert (
        'cannot read "собака на", so these photos are no better than random ones, and no match is given' in note.message
    )


@pytest.mark.parametrize(
    ("text", "is_random"),
    [
        ("собака", True),
        ("a собака!", True),
        ("🐕 2", True),
        ("собака - red", True),
        ("red собака", False),
        ("red - собака", False),
        ("red + собака", False),
    ],
)
def test_what_the_model_cannot_read_gives_no_match(engine, encoder, text, is_random):
    encoder.text_pieces = lambda word: [TextPiece(0, len(word), not word.isascii())]
    hits = engine.search(text, 5)
    assert hits and ({hit.match for hit in hits} == {None}) == is_random
    (note,) = hits.explanation.notes
    assert ("no match is given" in note.message) == is_random
    kept = engine.search(replace(hits.query, min_match=0.01), 5)
    assert bool(kept) != is_random and "best-match" not in {note.code for note in kept.explanation.notes}
    if text == "red - собака":  # only what is read counts
        assert {hit.path: hit.match for hit in hits} == pytest.approx(
            {hit.path: hit.match for hit in engine.search("red", 5)}
        )


def test_a_model_that_reads_many_languages_is_not_told_of_another(engine, encoder):
    encoder.text_pieces = lambda word: [TextPiece(0, len(word), True)]
    fingerprint = replace(encoder.spec.fingerprint, model="google/siglip2-base-patch16-224")
    with SearchEngine(engine.index_folder) as other:
        other.search("red")
        encoder.spec = replace(encoder.spec, fingerprint=fingerprint)
        (note,) = other.search("собака", 3).explanation.notes
    assert note.value == "" and note.message.endswith("no better than random ones, and no match is given")


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("Hund auf dem Sofa", "Hund auf"),
        ("Strand, Geburtstag!", "Geburtstag"),
        ("Strand ohne Menschen", "ohne Menschen"),
        ("plage sans voitures", "plage voitures"),
        ("playa con gente", "gente"),
        ("pessoas na praia", "pessoas"),
        ("spiaggia senza persone", "spiaggia senza persone"),
        ("strand zonder mensen", "zonder mensen"),
        ("perro en la playa", "perro"),
        ("ragazza in bicicletta", "ragazza bicicletta"),
        ("un chien avec un ballon", "chien avec"),
        ("una playa", "una playa"),
        ("les enfants jouent", "les enfants jouent"),
        ("bambini che giocano", "bambini che giocano"),
        ("Kinder am Strand", "Kinder am Strand"),
        ("KÖPEK", "KÖPEK"),
        ("Stra\u00dfe mit Ba\u0308umen, Ma\u0308dchen", "Straße Mädchen"),
    ],
)
def test_a_model_of_english_says_that_a_text_is_in_another_language(engine, encoder, text, foreign):
    fingerprint = replace(encoder.spec.fingerprint, model="openai/clip-vit-base-patch32")
    engine.search("red")
    encoder.spec = replace(encoder.spec, fingerprint=fingerprint)
    (note,) = engine.search(text, 3).explanation.notes
    assert note.code == "unread" and find_entry(note.value).languages == "many"
    assert f'reads English only, and "{foreign}" is not English: describe the photo in English' in note.message
    assert notes(engine, f"the dog of {text}") == [], "an English text may quote another language"
    several = engine.search(f"Hund + {text} + Katze + Hund", 3).explanation.notes
    (message,) = (note.message for note in several if note.code == "unread")  # one for all parts
    assert f'only, and "Hund", "{foreign}" and "Katze" are not English: describe' in message
    encoder.text_pieces = lambda word: [TextPiece(0, len(word), not word.isascii())]
    (message,) = (note.message for note in engine.search("red Собака + Hund", 3).explanation.notes)
    assert 'cannot read "Собака"; it reads only the other words, and "Hund" is not English. ' in message


def test_a_model_of_many_or_unknown_languages_says_nothing_of_other_languages(engine):
    assert notes(engine, "Hund auf dem Sofa") == []


@pytest.mark.parametrize(
    "text",
    [
        "rio de janeiro",
        "los angeles las vegas",
        "el capitan",
        "les paul guitar",
        "van der waals",
        "notre dame de paris",
        "piñata party",
        "café crème",
        "comic con",
        "big sur",
        "mit campus",
        "enfant terrible",
        "la tomatina",
        "frankfurt am main",
        "zell am see",
        "vietri sul mare",
        "los palacios y villafranca",
        "playa del carmen",
        "comic con los angeles",
        "pain au chocolat",
        "en route la traffic",
        "i am at a kinder shop",
        "che guevara",
        "uma thurman",
        "il duomo di firenze",
    ],
)
def test_names_and_loan_words_are_english(text):
    assert words_of_other_languages(text) == []


def test_no_large_city_is_taken_for_another_language():
    """Nor is an everyday text of the package."""
    places = gazetteer()
    large = (places.array("population") >= 100_000).nonzero()[0].tolist()
    cities = [places.texts("city_name")[row] for row in large]
    assert len(cities) > 3000
    assert [text for text in (*cities, *everyday_texts(), *query_bank()) if words_of_other_languages(text)] == []


def test_no_english_caption_is_taken_for_another_language():
    captions = shared("data/flickr8k/captions.jsonl")
    texts = [text for line in captions.read_text().splitlines() for text in json.loads(line)["captions"]]
    assert len(texts) > 40_000 and not any(map(words_of_other_languages, texts))


def test_each_text_of_a_query_has_its_notes_and_pictures_have_none(camera_photos, photos):
    query = Query((Term("IMG_0004"), Term("red -blue"), Term(photos / "red.jpg"), Term(np.ones(4, np.float32))))
    assert [note.code for note in camera_photos.search(query, 3).explanation.notes] == ["file-name", "minus"]


def test_the_query_s_own_pictures_are_named_and_are_no_hits(engine, photos, tmp_path):
    shutil.copy(photos / "red.jpg", photos / "trip" / "again.jpg")
    engine.index()
    elsewhere = Path(shutil.copy(photos / "red.jpg", tmp_path / "sent to me.jpg"))
    for picture in (elsewhere, photos / "red.jpg"):
        hits = engine.search(picture, 10)
        assert {record.file.name for record in hits.explanation.own_photos} == {"red.jpg", "again.jpg"}
        assert "red.jpg" not in names(hits) and "again.jpg" not in names(hits)
    explained = engine.search(elsewhere, 10).explain()
    assert [Path(photo["path"]).name for photo in explained["own_photos"]] == ["red.jpg", "again.jpg"]
    kept = engine.search(Query((Term(elsewhere),), keep_own=True), 10)
    assert len(kept) == len(engine.search("red", 20)) and len(kept.explanation.own_photos) == 2
    assert engine.search("red").explanation.own_photos == ()
    assert engine.search(save_photo(tmp_path / "new.jpg", "red", note="new")).explanation.own_photos == ()


def test_filters_without_a_text_list_photos(engine, encoder):
    hits = engine.search(Query((), (named("*e*"),), sort="name"), 3)
    assert names(hits) == ["blue.jpg", "green.jpg", "grey.png"] and [hit.rank for hit in hits] == [1, 2, 3]
    assert all(np.isnan(hit.score) and hit.match is None for hit in hits)
    explanation = hits.explanation
    assert (explanation.model, explanation.images, explanation.considered) == ("colours", 5, 5)
    assert names(engine.search(Query((), (named("*e*"),), sort="name", offset=3), 3)) == ["red.jpg", "yellow.jpg"]
    assert engine.search(Query((), (parse_where("width > 10000"),))) == []


def test_a_list_has_one_hit_a_shot_if_the_query_says_so(engine, photos):
    for name, colour in (("IMG_1.png", "red"), ("IMG_1.jpg", "blue"), ("IMG_2.jpg", "green"), ("IMG_2.png", "red")):
        save_photo(photos / name, colour, note=name)
    engine.index()
    query = Query((), (named("*.*"),), sort="name")
    assert len(engine.search(query, 20)) == 9 and not any(hit.others for hit in engine.search(query, 20))
    shots = replace(query, one_per_shot=True)
    hits = engine.search(shots, 3)
    assert names(hits) == ["IMG_1.jpg", "IMG_2.jpg", "blue.jpg"] and hits.explanation.considered == 9
    assert [[other.file.name for other in hit.others] for hit in hits] == [["IMG_1.png"], ["IMG_2.png"], []]
    second = engine.search(replace(shots, offset=1), 2)
    assert [(hit.rank, hit.record.file.name) for hit in second] == [(2, "IMG_2.jpg"), (3, "blue.jpg")]
    with pytest.raises(QueryError, match="one file of each shot"):
        engine.search(replace(shots, offset=10_001), 1)
    shots, count = engine.browse_shots(sort="name", top_k=3)
    assert [len(shot) for shot in shots] == [2, 2] and count == 9
    with pytest.raises(QueryError):
        engine.browse_shots(top_k=0)


def test_a_list_comes_among_searches_and_loads_no_model(engine, monkeypatch):
    listing = Query((), (named("red*"),))
    answers = engine.search_many([Query((Term("green"),)), listing, Query((Term("red"),))], 1)
    assert [names(hits) for hits in answers] == [["green.jpg"], ["red.jpg"], ["red.jpg"]]
    with SearchEngine(engine.index_folder) as other:
        monkeypatch.setattr(SearchEngine, "encoder", property(lambda engine: pytest.fail("the model was loaded")))
        assert names(other.search(listing)) == ["red.jpg"]


@pytest.mark.parametrize(
    "wrong", [{"filters": ()}, {"min_score": 0.1}, {"diverse": True}, {"min_match": 0.5}, {"offset": -1}]
)
def test_a_list_with_nothing_to_compare_has_no_limits_of_scores(engine, wrong):
    with pytest.raises(QueryError):
        engine.search(replace(Query((), (named("red*"),)), **wrong))


def test_a_name_that_photos_have_in_a_longer_one_is_told(engine):
    engine.index()
    give_facts(engine.index_folder, "red.jpg", people=("Anna Schmidt",), keywords=("New York",))
    for filters, value in ((Test("person", "=", "Anna"), "*Anna*"), (Test("keyword", "=", "york"), "*york*")):
        (note,) = engine.search(Query((), (filters,)), 3).explanation.notes
        assert (note.code, note.value) == ("longer", value) and f'"{value}"' in note.message


def test_words_that_no_text_has_are_told_before_texts_that_were_not_read(engine):
    engine.index()
    give_facts(engine.index_folder, "red.jpg", title="A train", people=("Anna Schmidt",))
    give_facts(engine.index_folder, "blue.jpg", title="Ticket")

    def messages(words, *others):
        return [note.message for note in engine.search(Query((), (Contains(words), *others))).explanation.notes]

    unread = "the text in the pictures has not been read; `clipsearch index --ocr` reads it"
    assert messages("tikcet") == ['no title, description, keyword, person or place has "tikcet"', unread]
    assert messages('ticket "trian ticket" tri*')[0].endswith(' has "trian ticket", "tri*"')
    assert messages("ticket anna") == ['no photo has all of these words in its texts: "ticket", "anna"', unread]
    assert messages("ticket", named("red*")) == [TOGETHER]
    give_facts(engine.index_folder, "blue.jpg", title="Ticket", text="GLEIS")
    assert messages("tikcet") == ['no title, description, keyword, person, place or text in a picture has "tikcet"']


@pytest.mark.parametrize(
    ("filters", "message", "value"),
    [
        ({"camera": "cannon"}, 'no camera is called "cannon"; there are Canon EOS 70D and NIKON D90', "Canon EOS 70D"),
        ({"people": ["Bo"]}, 'no photo shows "Bo"; there is Anna Schmidt', "Anna Schmidt"),
        ({"people": ["Zoé*"]}, 'no photo shows "Zoé*"; there is Anna Schmidt', "Anna Schmidt"),
        ({"keywords": ["snw"]}, 'no photo has the keyword "snw"; there are snow and Łódź', "snow"),
        ({"keywords": ["Lodzz"]}, 'no photo has the keyword "Lodzz"; there are Łódź and snow', "Łódź"),
        ({"format": "bmp"}, "no photo has the format BMP; there are JPEG and PNG", "JPEG"),
        ({"format": "raw"}, "no photo has one of these formats; there are JPEG and PNG", "JPEG"),
    ],
)
def test_a_value_that_no_photo_has_is_told_with_those_that_photos_have(engine, filters, message, value):
    engine.index()
    give_facts(engine.index_folder, "red.jpg", people=("Anna Schmidt",), keywords=("snow",), camera="Canon EOS 70D")
    give_facts(engine.index_folder, "blue.jpg", keywords=("Łódź",), camera="NIKON D90")
    (note,) = engine.search(Query((Term("red"),), chosen(**filters)), 3).explanation.notes
    assert (note.code, note.message, note.value) == ("values", message, value)


@pytest.mark.parametrize(
    ("filters", "messages"),
    [
        ({"names": ["x"], "taken": "2014"}, ["no file has the name x"]),
        ({"names": ["x*", "y"], "taken": "2014"}, ["no file has one of these names: x*, y"]),
        ({"names": ["DSC[0-9]*", "blue.jpg"], "taken": "2014"}, [TOGETHER]),
        ({"names": ["blue.jpg"], "taken": "2014"}, [TOGETHER]),
        (
            {"names": ["red.jpg"], "taken": "2015"},
            ["the photos with a date are from 2014-05-01 to 2014-05-01; 4 of 5 photos lack a date"],
        ),
        ({"taken": "2014", "rating": "4.."}, ["no photo has a rating"]),
        ({"taken": "2014", "people": ["Bo"]}, ["no photo names a person"]),
        ({"taken": "2014", "min_width": 9000}, ["no photo meets this filter: width >= 9000"]),
        ({"taken": "2014", "near": "48,11"}, ["no photo has a place, so no filter by place finds them"]),
        (
            {"where": "camera != Leica"},
            ["no photo has another camera; 4 of 5 photos lack a camera, so no filter by camera finds them"],
        ),
        ({"where": "taken = 2014 and name = x"}, ["no file has the name x"]),
        (
            {"where": "(name = red.jpg and name = blue.jpg) or name ~ x*"},
            ["no file has a name like x*", "no photo meets this filter: name = red.jpg and name = blue.jpg"],
        ),
        ({"where": "name = red.jpg and not taken is known"}, [TOGETHER]),
        ({"where": "not width > 0", "names": ["red*"]}, ["no photo meets this filter: not width > 0"]),
    ],
)
def test_only_the_filter_that_alone_leaves_nothing_is_blamed(engine, filters, messages):
    give_facts(engine.index_folder, "red.jpg", taken_at=datetime(2014, 5, 1), camera="Leica")
    assert [note.message for note in engine.search(Query((), chosen(**filters))).explanation.notes] == messages


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Halloween 2012", "no photo is from 2012-10-31; the nearest are from 2011-12-20 and 2014-05-01"),
        ("photos of 2012", "no photo is from 2012; the nearest are from 2011-12-20 and 2014-05-01"),
        ("summer 2012", "no photo is from 2012-06 to 2012-08; the nearest are from 2011-12-20 and 2014-05-01"),
        ("3-7 May 2012", "no photo is from 2012-05-03 to 2012-05-07; the nearest are from 2011-12-20 and 2014-05-01"),
        ("Halloween 2010", "the photos with a date are from 2011-12-20 to 2014-05-01"),
        ("before 2010", "the photos with a date are from 2011-12-20 to 2014-05-01"),
        (
            "Christmas",
            "no photo is from this time of any year; the photos with a date are from 2011-12-20 to 2014-05-01",
        ),
        (
            "dogs in August with a ball 2011",
            "no photo is from these dates; the photos with a date are from 2011-12-20 to 2014-05-01",
        ),
    ],
)
def test_a_time_without_photos_is_told_with_the_nearest_that_have_some(engine, text, message):
    give_facts(engine.index_folder, "red.jpg", taken_at=datetime(2011, 12, 20, 18, 30))
    give_facts(engine.index_folder, "blue.jpg", taken_at=datetime(2014, 5, 1, 9))
    notes = engine.search(text, smart=True).explanation.notes
    assert [note.message for note in notes] == [f"{message}; 3 of 5 photos lack a date"]
    odd = All((Test("taken", ">=", "2012-02-30"), Test("taken", "<", "2012-02-31")))  # days that do not exist
    (note,) = engine.search(Query((), (odd,))).explanation.notes
    assert note.message.startswith("no photo is from 2012-02-30 until before 2012-02-31; ")


def test_a_folder_without_photos_is_told_with_one_that_has_some(engine, photos):
    engine.index()
    (note,) = engine.search(Query((), chosen(folders=[photos / "tripp"])), 3).explanation.notes
    assert note.message == f"no photo is below {photos / 'tripp'}; there is {photos / 'trip'}"
    (note,) = engine.search(Query((), chosen(folders=[photos / "red.jpg"])), 3).explanation.notes
    assert note.message.startswith(f"{photos / 'red.jpg'} is a file, not a folder; there is ")
    for name in ("Apple/2021/May", "Apple/2022", "Cards"):  # Apple holds only folders
        save_photo(photos / name / "photo.jpg", "green", note=name)
    engine.index()
    (note,) = engine.search(Query((), chosen(folders=[photos / "Aple"])), 3).explanation.notes
    assert note.message.endswith(f"; there are {photos / 'Apple'}, {photos / 'trip'} and {photos / 'Cards'}")
    (note,) = engine.search(Query((), chosen(folders=["/nowhere/else"])), 3).explanation.notes
    assert all(str(photos / name) in note.message for name in ("Apple", "trip", "Cards")) and "more" not in note.message
    (note,) = engine.search(Query((), chosen(folders=[photos / "Apple" / "2031"])), 3).explanation.notes
    assert note.message.endswith(f"; there are {photos / 'Apple' / '2021'} and {photos / 'Apple' / '2022'}")


@pytest.mark.parametrize(
    ("best", "limit"),
    [
        (0.972563, "0.97"),
        (0.9759, "0.97"),
        (0.29, "0.29"),
        (0.12, "0.12"),
        (0.1, "0.1"),
        (0.0356, "0.035"),
        (0.00834, "0.0083"),
        (0.00001, "0"),
        (math.nextafter(0.97, 0), "0.96"),
        (-0.0512, "-0.052"),
    ],
)
def test_the_limit_that_shows_the_best_is_close_to_it(best, limit):
    assert _limit_below(best) == limit and float(limit) <= best


def test_a_limit_that_leaves_nothing_is_told_with_one_that_shows_the_best(engine):
    hits = engine.search(Query((Term("red"),), min_score=1.0))
    (note,) = hits.explanation.notes
    assert (
        hits == [] and note.code == "best-score" and engine.search(Query((Term("red"),), min_score=float(note.value)))
    )
    for terms in ((Term("dog"),), (Term("dog"), Term("a beach"))):
        hits = engine.search(Query(terms, min_match=0.5))
        (note,) = hits.explanation.notes
        assert hits == [] and note.code == "best-match" and 0 < float(note.value) < 0.5
        assert engine.search(Query(terms, min_match=float(note.value)))
