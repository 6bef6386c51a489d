"""`smart` queries: facts in their texts become filters, and the rest is looked for."""

from datetime import date
from pathlib import Path

import pytest

from clipsearch import Query, Term
from clipsearch.conditions import All, Either, Located, Test
from clipsearch.gazetteer import find
from clipsearch.query.language import parse_query, texts_of
from clipsearch.query.sentences.smart import understand
from clipsearch.query.sentences.understood import Understood
from tests.query.sentences.test_spoken_names import INDEX, PEOPLE, find_places, with_photos

TODAY = date(2026, 11, 29)


def understood(text, **fields):
    query = parse_query(text)
    return understand(Query(query.terms, **fields), TODAY)


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("beach last summer", "taken: 2026-06..2026-08, looking for: beach"),
        ("Christmas 2019", "taken: 2019-12-24..2019-12-26, looking for: all photos"),
        ("photos from 3 May 2020", "taken: 2020-05-03, looking for: all photos"),
        ("all my photos of last week", "taken: 2026-11-16..2026-11-22, looking for: all photos"),
        ("Bilder aus dem Jahr 2019", "taken: 2019, looking for: all photos"),
        ("toutes les photos de 2019", "taken: 2019, looking for: all photos"),
        ("fotos de la semana pasada", "taken: 2026-11-16..2026-11-22, looking for: all photos"),
        ("in 2019, a dog with a ball", "taken: 2019, looking for: a dog with a ball"),
        ("a dog from 2018 and 2019", "taken: 2018 or 2019, looking for: a dog"),
        ("after 2010 but before 2012", "taken: 2011, looking for: all photos"),
        ("nach 2015 und vor 2018", "taken: 2016..2017, looking for: all photos"),
        ("after May 2015 and before June 2016", "taken: 2015-06..2016-05, looking for: all photos"),
        ("dog since 2015 before 2018", "taken: 2015..2017, looking for: dog"),
        ("before 2018 dogs since 2015", "taken: 2015..2017, looking for: dogs"),
        ("before 2010 or after 2020", "taken: before 2010 or from 2021, looking for: all photos"),
        ("before 2010 and after 2020", "taken: before 2010 or from 2021, looking for: all photos"),
        ("since 2010 or before 2015", "taken: from 2010 or before 2015, looking for: all photos"),
        ("Katze nicht später als 2014", "taken: before 2015, looking for: Katze"),
        ("photos not older than 3 months", "taken: 2026-08-29..2026-11-29, looking for: all photos"),
        ("dogs, not later than 2018, in snow", "taken: before 2019, looking for: dogs, in snow"),
        ("a dog in May and June 2018", "taken: 2018-05 or 2018-06, looking for: a dog"),
        ("dogs in August with a ball 2018", "taken: August of any year, taken: 2018, looking for: dogs with a ball"),
        ("winter 2018-2019", "taken: 2018-12..2019-02, looking for: all photos"),
        ("summer 2018-2019", "taken: 2018-06..2019-08, looking for: all photos"),
        ("May 2018\u20132019", "taken: 2018-05..2019-05, looking for: all photos"),
        ("from 3 May 2018-2019", "taken: 2018-05-03..2019-05-03, looking for: all photos"),
        ("Weihnachten 2018-2019", "taken: 2018-12-24..2019-12-26, looking for: all photos"),
        ("Sommer 2018/2019", "looking for: Sommer 2018/2019"),
        ("not in May and in June 2018", "taken: 2018-06, taken: not 2018-05, looking for: all photos"),
        ("photos from 2016 and a dog", "taken: 2016, looking for: a dog"),
        ("a dog and photos from 2016", "taken: 2016, looking for: a dog"),
        ("photos from 2016, a dog", "taken: 2016, looking for: a dog"),
        ("photos from 2016 with a dog", "taken: 2016, looking for: photos with a dog"),
        ("the dog and photos of a cat from 2016", "taken: 2016, looking for: the dog and photos of a cat"),
        ("beach in August 2018, sunset", "taken: 2018-08, looking for: beach, sunset"),
        ("2:beach 2019 - people", "taken: 2019, looking for: 2:beach - people"),
        ("beach 2018 + boats", "taken: 2018, looking for: beach + boats"),
        ("a dog on a beach", "looking for: a dog on a beach"),
        ("a dog - people in 2019", "looking for: a dog - people in 2019"),
        ('"beach 2019"', 'looking for: "beach 2019"'),
    ],
)
def test_what_was_understood_is_said_in_one_line(text, summary):
    assert str(understood(text)[1]) == summary


def test_facts_are_filters_beside_those_of_the_query_and_the_rest_is_text():
    wide = Test("width", ">", 1000)
    query, _ = understood("beach in 2019", filters=(wide,), smart=True, diverse=True, min_match=0.5)
    year = All((Test("taken", ">=", "2019-01-01T00:00:00"), Test("taken", "<", "2020-01-01T00:00:00")))
    assert query == Query((Term("beach"),), (wide, year), diverse=True, min_match=0.5)


def test_two_dates_are_alternatives_but_a_month_of_any_year_narrows_a_year():
    (dates,) = understood("dogs 2018 or 2019")[0].filters
    assert isinstance(dates, Either) and len(dates.conditions) == 2
    august, year = understood("dogs in August with a ball 2018")[0].filters
    assert august == Test("taken", "~", "????-08-*") and isinstance(year, All)


def test_a_query_of_facts_alone_lists_photos_so_limits_of_scores_are_dropped():
    query, _ = understood("last week", min_score=0.2, min_match=0.5, diverse=True)
    assert (query.terms, query.min_score, query.min_match, query.diverse) == ((), None, None, False)


def test_pictures_and_embeddings_stay_as_they_are():
    query, said = understand(Query((Term(Path("2019.jpg")), Term("2018"))), TODAY)
    assert query.terms == (Term(Path("2019.jpg")),) and str(said) == "taken: 2018, looking for: a picture"


def test_a_text_without_facts_is_searched_as_it_was_typed():
    query = Query((Term("a  dog, and"), Term(".")))
    assert understand(query, TODAY)[0] == query


def test_what_was_understood_travels_as_json():
    _, said = understood("beach last summer")
    assert said.to_json()["facts"] == [
        {"kind": "taken", "words": "last summer", "meaning": "2026-06..2026-08", "denied": False}
    ]
    assert Understood.from_json(said.to_json()) == said


def known(text):
    """What is understood with the people and places of `test_spoken_names`."""
    return understand(parse_query(text), TODAY, find_places, PEOPLE)


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("beach in Italy last summer", "place: Italy, taken: 2026-06..2026-08, looking for: beach"),
        ("Ben in Rome", "place: Rome, Italy, person: Ben, looking for: all photos"),
        ("Ben and a dog in Italy in 2019", "place: Italy, person: Ben, taken: 2019, looking for: a dog"),
        ("photos of Ben with Rose", "person: Ben, person: Rose, looking for: all photos"),
        ("Ben or Rose", "person: Ben or Rose, looking for: all photos"),
        ("Anna in the snow", "person: Anna Müller or Anna Schmidt, looking for: in the snow"),
        ("a train in Paris", "place: Paris, France or Paris, Texas, United States, looking for: a train"),
        ("a train in Paris, France", "place: Paris, France, looking for: a train"),
        ("a train in Rome or Paris, France", "place: Rome, Italy or Paris, France, looking for: a train"),
        ("Italy 2019", "place: Italy, taken: 2019, looking for: all photos"),
        (
            "Weihnachten 2019 in der Schweiz",
            "place: Switzerland, taken: 2019-12-24..2019-12-26, looking for: all photos",
        ),
        ("Dora in Berlin", "looking for: Dora in Berlin"),
        ("Ben & Rose", "person: Ben, person: Rose, looking for: all photos"),
        ("Ben & a dog", "person: Ben, looking for: a dog"),
        ("photos of Ben and a dog", "person: Ben, looking for: a dog"),
        ("Fotos aus Rome und ein Hund", "place: Rome, Italy, looking for: ein Hund"),
        ("a train from Paris to Rome", "looking for: a train from Paris to Rome"),
        ("von Rome nach Paris", "looking for: von Rome nach Paris"),
        ("a farm between Rome and Paris", "looking for: a farm between Rome and Paris"),
        ("a dog between Ben and Rose", "person: Ben, person: Rose, looking for: a dog between"),
        ("10 km around Rome", "looking for: 10 km around Rome"),
        ("im Umkreis von 10 km um Rome", "looking for: im Umkreis von 10 km um Rome"),
        ("in Rome or 2018", "looking for: in Rome or 2018"),
        ("Ben or in Rome", "looking for: Ben or in Rome"),
        ("Ben in Rome or Rose in Italy", "looking for: Ben in Rome or Rose in Italy"),
        ("in August or 2018", "looking for: in August or 2018"),
        ("Berlin or Rome", "place: Rome, Italy, looking for: Berlin"),
        ("in Rome or in Berlin", "place: Rome, Italy, looking for: in Berlin"),
        ("in Rome or a beach", "looking for: in Rome or a beach"),
        ("a dog or Ben", "looking for: a dog or Ben"),
        ("Ben oder ein Hund", "looking for: Ben oder ein Hund"),
        ("a cat or a dog in Rome", "place: Rome, Italy, looking for: a cat or a dog"),
        ("sunset in Rome + boats in Italy", "place: Rome, Italy or Italy, looking for: sunset + boats"),
    ],
)
def test_people_and_places_are_understood(text, summary):
    assert str(known(text)[1]) == summary


def test_all_people_must_be_there_and_any_of_the_places():
    ben, rose = Test("person", "=", "Ben"), Test("person", "=", "Rose")
    assert known("Ben and Rose")[0].filters == (ben, rose)
    assert known("Ben or Rose")[0].filters == (Either((ben, rose)),)
    assert known("Rome or New York")[0].filters == (Either((Located(("IT/07/3",)), Located(("US/NY",)))),)
    assert known("Rome and Italy")[0].filters == (Located(("IT",)),)
    assert known("Rome, Italy")[0].filters == (Located(("IT/07/3",)),)


_ANY_OF_THREE = "person: Ben or Rose or Carla Bruni"


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("Ben, Rose or Carla Bruni", _ANY_OF_THREE),
        ("Ben, Rose oder Carla Bruni", _ANY_OF_THREE),
        ("Ben, Rose ou Carla Bruni", _ANY_OF_THREE),
        ("Ben, Rose o Carla Bruni", _ANY_OF_THREE),
        ("photos of Ben, Rose, or Carla Bruni in 2019", f"{_ANY_OF_THREE}, taken: 2019"),
        ("without Ben, Rose or Carla Bruni", "person: not Ben or Rose or Carla Bruni"),
        ("Ben, Rose, Carla Bruni", "person: Ben, person: Rose, person: Carla Bruni"),
        ("Ben, Rose and Carla Bruni", "person: Ben, person: Rose, person: Carla Bruni"),
        ("Ben, with Rose or Carla Bruni", "person: Ben, person: Rose or Carla Bruni"),
        ("Ben or Rose, Carla Bruni", "person: Ben or Rose, person: Carla Bruni"),
        ("Rome, Paris, France or New York", "place: Rome, Italy or Paris, France or New York, United States"),
    ],
)
def test_the_names_of_a_list_with_or_are_alternatives(text, facts):
    assert str(known(text)[1]) == f"{facts}, looking for: all photos"


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("2016 & 2017", "taken: 2016 or 2017"),
        ("Rome 2016&2017", "place: Rome, Italy, taken: 2016 or 2017"),
        ("between 2016 & 2018", "taken: 2016..2018"),
        ("from 2015 & before 2018", "taken: 2015..2017"),
        ("2016 & later", "taken: from 2016"),
        ("from 2015 on & Ben", "person: Ben, taken: from 2015"),
        ("3 & 4 May 2018", "taken: 2018-05-03 or 2018-05-04"),
        ("in rome & 2016", "place: Rome, Italy, taken: 2016"),
    ],
)
def test_an_ampersand_is_and(text, facts):
    assert str(known(text)[1]) == str(known(text.replace("&", " and "))[1]) == f"{facts}, looking for: all photos"


def test_an_ampersand_between_parts_of_a_date_leaves_them_text_as_and_does():
    text = "the first & second week of May 2018"
    assert str(known(text)[1]) == f"looking for: {text}"


@pytest.mark.parametrize("text", ["Ben, Rose, or a dog", "in Rome, or a beach"])
def test_a_comma_before_or_makes_nothing_certain(text):
    assert str(known(text)[1]) == f"looking for: {text}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("boats in Rome and New York", ["Rome and New York"]),
        ("a train in Paris, France", ["Paris, France"]),
        ("Ben oder Rose", ["Ben oder Rose"]),
        ("dogs in 2018 and 2019", ["in 2018 and 2019"]),
        ("dogs since 2015 but before 2018", ["since 2015 but before 2018"]),
        ("boats in Rome + dogs in New York", ["Rome \u2026 New York"]),
    ],
)
def test_the_words_of_a_fact_are_those_that_were_typed(text, words):
    assert [fact.words for fact in known(text)[1].facts] == words


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ('a "summer 2018" sign', 'looking for: a "summer 2018" sign'),
        ('dog "in Rome"', 'looking for: dog "in Rome"'),
        ('sign "Rome 2018" on a wall', 'looking for: sign "Rome 2018" on a wall'),
        ('"Ben" on a shirt', 'looking for: "Ben" on a shirt'),
        ('a "no dogs" sign in Rome, 2018', 'place: Rome, Italy, taken: 2018, looking for: a "no dogs" sign'),
        ('a beach without "2018"', 'without: "2018", looking for: a beach - "2018"'),
        ('not "in Rome"', 'without: "in Rome", looking for: - "in Rome"'),
        ('"Rome" in Rome', 'place: Rome, Italy, looking for: "Rome"'),
        ('in Rome, dog "or" cat', 'place: Rome, Italy, looking for: dog "or" cat'),
        ('"far from" Rome', 'place: Rome, Italy, looking for: "far from"'),
        ('"summer" 2018', 'taken: 2018, looking for: "summer"'),
        ('since "2018"', 'looking for: since "2018"'),
        ("a sign \u201cRome 2018\u201d", "looking for: a sign \u201cRome 2018\u201d"),
        ("ein Schild \u201eSommer 2018\u201c", "looking for: ein Schild \u201eSommer 2018\u201c"),
        ("un panneau \u00ab \u00e9t\u00e9 2018 \u00bb", "looking for: un panneau \u00ab \u00e9t\u00e9 2018 \u00bb"),
        ('a 5" and a 7" print in 2018', 'taken: 2018, looking for: a 5" and a 7" print'),
        ('a "2018', 'looking for: a "2018"'),  # a quote that is not closed reaches to the end
        ("a \ue000 sign in 2018", "taken: 2018, looking for: a \ue000 sign"),
    ],
)
def test_nothing_is_read_in_a_part_in_double_quotes(text, summary):
    assert str(known(text)[1]) == summary


_PARIS = "place: Paris, France or Paris, Texas, United States"


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        *(
            (f"{photos} of Ben", "person: Ben")
            for photos in (
                "a photo", "the picture", "image", "pic", "a snapshot", "a shot", "my photo", "one photo", "any photo",
                "this picture", "photographs", "every picture", "all of my photos", "three photos", "the latest photos",
                "show me photos", "find pictures", "I'd like to see photos", "search for photos",
                "can you please show me the photos",
            )
        ),
        ("a photo from 2018", "taken: 2018"),
        ("my 2018 photos", "taken: 2018"),
        ("2018 photos of Ben", "person: Ben, taken: 2018"),
        ("which photos are from 2018?", "taken: 2018"),
        ("something from 2018", "taken: 2018"),
        ("a snapshot older than 2010", "taken: before 2010"),
        ("a picture in Paris", _PARIS),
        ("photos I took in Paris", _PARIS),
        ("a photo without Ben", "person: not Ben"),
        ("no snapshots of Ben", "person: not Ben"),
        ("pictures with Ben in them", "person: Ben"),
        ("Show me Ben!", "person: Ben"),
        ("photos of Ben and pictures of Rose together", "person: Ben, person: Rose"),
        ("where were we in 2018?", "taken: 2018"),
        ("Was haben wir 2018 gemacht?", "taken: 2018"),
        ("Photos Of Ben In Rome", "place: Rome, Italy, person: Ben"),
        ("ein Foto von Ben", "person: Ben"),
        ("mein Bild aus 2018", "taken: 2018"),
        ("zeig mir Ben", "person: Ben"),
        ("bitte zeige mir alle Aufnahmen aus Paris", _PARIS),
        ("Bilder, auf denen Ben zu sehen ist", "person: Ben"),
        ("Fotos, die 2018 aufgenommen wurden", "taken: 2018"),
        ("ein Foto ohne Ben", "person: not Ben"),
        ("une photo de 2018", "taken: 2018"),
        ("montre-moi toutes mes photos de 2018", "taken: 2018"),
        ("les photos que j'ai prises en 2018", "taken: 2018"),
        ("n\u2019importe quelle photo de 2018", "taken: 2018"),
        ("quelque chose de 2018", "taken: 2018"),
        ("una foto de 2018", "taken: 2018"),
        ("mu\u00e9strame las fotograf\u00edas tomadas en 2018", "taken: 2018"),
        ("cualquier imagen de 2018", "taken: 2018"),
        ("fotos en las que sale Ben", "person: Ben"),
        ("una foto que no sea de Ben", "person: not Ben"),
    ],
)  # fmt: skip
def test_words_that_say_nothing_of_what_is_in_a_photo_ask_for_all_photos(text, facts):
    query, said = known(text)
    assert query.terms == () and str(said) == f"{facts}, looking for: all photos"


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("a photo of a dog in Rome", "a photo of a dog"),
        ("a picture on a wall in Rome", "a picture on a wall"),
        ("photo frame in Rome", "photo frame"),
        ("picture book 2018", "picture book"),
        ("a shot of espresso in Rome", "a shot of espresso"),
        ("photos of my son in Rome", "photos of my son"),
        ("only Ben in Rome", "only"),
        ("together in Rome", "together"),
        ("a show in Rome", "a show"),
        ("photo show in Rome", "photo show"),
        ("a den in Rome", "a den"),
        ("une dame, Rome", "une dame"),
        ("hay photos from 2018", "hay photos"),
        ("a photo of 1850, 2018", "a photo of 1850"),
        ("LA in Rome", "LA"),
        ("\u2665 in Rome", "\u2665"),
    ],
)
def test_words_that_may_say_what_is_in_a_photo_stay(text, rest):
    assert known(text)[1].text == rest


@pytest.mark.parametrize(
    "text", ["a photo", "a picture on a wall", "photo frame", "a shot of espresso", "show me", "2018 photo book"]
)
def test_without_a_fact_words_for_photos_are_searched(text):
    assert str(known(text)[1]) == f"looking for: {text}"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("not before 2010, after 2015", 'whether "not" is also about "after 2015"'),
        ("a house far from Rome", 'whether "Rome" is wanted'),
        ("in 2015 or a dog", 'what "or" joins'),
        ("ein Hund oder in 2015", 'what "oder" joins'),
        ("a dog in 2015", ""),
        ("a dog", ""),
    ],
)
def test_what_is_not_certain_is_named(text, why):
    query, read = understand(parse_query(text), TODAY, find_places, PEOPLE)
    assert read.unclear == why and (not why or texts_of(query.terms) == text)


@pytest.mark.parametrize(
    "text",
    [
        "north of Rome", "South of Rome", "a farm north-west of Rome", "to the north of Rome", "n\u00f6rdlich von Rome",
        "Hof s\u00fcd\u00f6stlich von Rome", "au nord de Rome", "\u00e0 l'est de Rome", "al norte de Rome",
        "50 km from Rome", "within 50 km of Rome", "miles from Rome", "an hour from Rome", "a 2-hour drive from Rome",
        "an hour's drive from Rome", "50 km von Rome", "eine Stunde von Rome", "\u00e0 une heure de Rome",
        "a 50 km de Rome", "a una hora de Rome", "leaving Rome", "en quittant Rome", "saliendo de Rome",
    ],
)  # fmt: skip
def test_what_is_beside_a_place_is_not_in_it_so_it_stays_text(text):
    read = known(text)[1]
    assert (str(read), read.unclear) == (f"looking for: {text}", 'whether "Rome" is wanted')


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("the north of Rome", "the north"), ("in the north of Rome", "in the north"), ("im Norden von Rome", "im Norden"),
        ("the north west of Rome", "the north west"), ("dans le nord de Rome", "dans le nord"), ("a man from Rome", "a man"),
        ("a 5 km run in Rome", "a 5 km run"), ("golden hour from Rome", "golden hour"), ("leaving in Rome", "leaving"),
    ],
)  # fmt: skip
def test_what_is_in_a_part_of_a_place_is_in_it(text, rest):
    assert str(known(text)[1]) == f"place: Rome, Italy, looking for: {rest}"


def in_index(text):
    """What is understood with the places of an index that has photos of Paris in France and of London in Ontario."""
    return understand(parse_query(text), TODAY, with_photos(INDEX), PEOPLE, known_places=find)[1]


_ONTARIO = "London, Ontario, Canada"
_GHENT = "Gent, Flanders, Belgium"
_TEXAS = "Paris, Texas, United States"


@pytest.mark.parametrize(
    ("text", "summary", "absent"),
    [
        ("a church in Paris, Texas", "looking for: a church in Paris, Texas", (_TEXAS,)),
        ("in Paris, Texas in 2018", "taken: 2018, looking for: in Paris, Texas", (_TEXAS,)),
        ("Paris, Texas or London", "place: London, Ontario, Canada, looking for: Paris, Texas", (_TEXAS,)),
        ("not in Paris, Texas", f"place: not {_TEXAS}, looking for: all photos", (_TEXAS,)),
        ("no photos of Paris (Texas)", f"place: not {_TEXAS}, looking for: all photos", (_TEXAS,)),
        ("a beach not in Ghent", f"place: not {_GHENT}, looking for: a beach", (_GHENT,)),
        ("no photos from Ghent", f"place: not {_GHENT}, looking for: all photos", (_GHENT,)),
        ("nicht in London oder Ghent", f"place: not {_ONTARIO}, place: not {_GHENT}, looking for: all photos", (_GHENT,)),
        ("a beach not in ghent", f"place: not {_GHENT}, looking for: a beach", (_GHENT,)),
        ("no photos from ghent", f"place: not {_GHENT}, looking for: all photos", (_GHENT,)),
        ("not in cottage", "without: cottage, looking for: - cottage", ()),
        ("not in heritage", "without: heritage, looking for: - heritage", ()),
        ("outside munich", "place: not Munich, Bavaria, Germany, looking for: all photos", ()),
        ("nicht in italien und der schweiz", "place: not Italy or Switzerland, looking for: all photos", ()),
        ("une plage en italie et la suisse", "place: Italy or Switzerland, looking for: une plage", ()),
        ("New York pizza in London", f"place: {_ONTARIO}, looking for: New York pizza", ()),
        ("not in Black", "without: Black, looking for: - Black", ()),
        ("pas de Mercedes", "without: Mercedes, looking for: - Mercedes", ()),
        ("a beach without dogs in Paris, TX", "without: dogs, looking for: a beach in Paris, TX - dogs", (_TEXAS,)),
        ("Paris, London", "place: Paris, \u00cele-de-France, France or London, Ontario, Canada, looking for: all photos", ()),
    ],
)  # fmt: skip
def test_a_place_that_no_photo_is_from_is_text_also_if_another_has_its_name(text, summary, absent):
    read = in_index(text)
    assert (str(read), read.absent) == (summary, absent)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("London (Ontario)", "all photos"), ("[London]", "all photos"), ("'London'", "all photos"),
        ("{London}", "all photos"), ("*London*", "all photos"), ("#London", "all photos"), ("London \u2014", "all photos"),
        ("London / Paris", "all photos"), ("London | Paris", "all photos"), ("<London>", "all photos"),
        ("London & Paris...", "all photos"), ("London + ( )", "( )"), ("London \u2665", "\u2665"),
        ("a dog (London)", "a dog"), ("a dog (with London)", "a dog"),
        ("a dog [London, Paris]", "a dog"), ("London \u2013 a dog", "a dog"),
        ("a dog / London", "a dog"), ("a dog (in 2018) and a cat", "a dog and a cat"),
        ("a dog (brown), London", "a dog (brown)"),
    ],
)  # fmt: skip
def test_signs_that_are_left_beside_facts_are_not_searched(text, rest):
    assert str(in_index(text)).rpartition("looking for: ")[2] == rest


def test_a_month_alone_is_a_person_if_the_index_has_one_of_that_name():
    for month in ("August", "April", "June"):
        assert str(understood(month)[1]) == f"taken: {month} of any year, looking for: all photos"
    assert str(understand(parse_query("August"), TODAY, people=["August Meyer"])[1]).startswith("person: August Meyer")
    assert str(understand(parse_query("April in 2018"), TODAY, people=["April"])[1]).startswith(
        "person: April, taken: 2018"
    )
