"""Facts about photos: keywords, people, texts and the like are kept, found, and never wrong."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime

import pytest

from clipsearch.conditions import All, Contains, Either, Known, Not, Test
from clipsearch.errors import CollectionDamaged, QueryError
from clipsearch.query.filters import chosen, parse_where
from clipsearch.store import fact_table, full_text
from clipsearch.store.collection import Collection
from clipsearch.store.fact_table import FOLDED
from clipsearch.store.filters import without_later
from clipsearch.store.full_text import occurrences, phrases, words
from clipsearch.store.repair import repair
from clipsearch.store.rows import Place
from clipsearch.store.verify import verify
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import ImageFile, ImageInfo
from tests.store.support import random_units, writer

VECTORS = random_units(8, 8)
ANNA = ImageInfo(
    4, 3, "JPEG", "aa", datetime(2024, 7, 1), "Canon", (48.0, 2.0), taken_from="exif", title="Holiday in Málaga",
    description="Train ticket and \"coffee\"", keywords=("Sea", "New York"), people=("Anna Müller", "Bo"), rating=4,
    label="Red", place="FR/11/2988507", text="GLEIS 9 東京タワー",
)  # fmt: skip
BO = ImageInfo(4, 3, "JPEG", "bb", caption="dog on a beach", keywords=("sea", "Dog"), people=("Bo",), rating=2, text="")
PLAIN = ImageInfo(4, 3, "JPEG", "cc")
INFOS = {"anna.jpg": ANNA, "bo.jpg": BO, "plain.jpg": PLAIN}


@pytest.fixture
def index(tmp_path):
    folder = tmp_path / "photos" / ".clipsearch"
    with writer(folder, 8) as collection:
        for (name, info), vector in zip(INFOS.items(), VECTORS, strict=False):
            collection.add(Place(1, "", name), ImageFile(name, 3, 0), info, vector, "1")
        collection.commit()
    return folder


def found(index, condition):
    with Collection(index) as collection:
        return names(collection, collection.ids(condition).tolist())


def names(collection, ids):
    records = collection.records(ids)
    return [records[image_id].file.name.removesuffix(".jpg") for image_id in ids]


def sql(index, *statements):
    with closing(sqlite3.connect(index / "catalog.sqlite", isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)


def test_facts_come_back_as_they_were_given(index):
    with Collection(index) as collection:
        infos = {record.file.name: record.info for record in collection.all_records()}
        (record,) = collection.records([1]).values()
    assert infos == INFOS and record.info == ANNA


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("keyword = sea", ["anna", "bo"]),
        ("keyword = 'new york'", ["anna"]),
        ("keyword ~ 'd*'", ["bo"]),
        ("keyword != sea", []),
        ("keyword != dog", ["anna"]),
        ("not keyword = dog", ["anna", "plain"]),
        ("person = 'ANNA MÜLLER'", ["anna"]),
        ("person = 'anna mu\u0308ller'", ["anna"]),
        ("person = 'anna muller'", ["anna"]),
        ("person = 'Bó'", ["anna", "bo"]),
        ("person != 'anna muller'", ["bo"]),
        ("person ~ 'ANNA MU*'", ["anna"]),
        ("person ~ 'anna m?ller'", ["anna"]),
        ("person ~ 'änna m[u]ll*'", ["anna"]),
        ("person ~ '*u?ller'", []),
        ("keyword ~ 'sé*'", ["anna", "bo"]),
        ("rating >= 3", ["anna"]),
        ("rating is not known", ["plain"]),
        ("label = red and title ~ '*ALAGA'", []),
        ("label = red and title ~ '*málaga'", ["anna"]),
        ("text ~ 'gleis*'", ["anna"]),
        ("source = exif", ["anna"]),
        ("keyword is known", ["anna", "bo"]),
        ("text is known", ["anna"]),
        ("description is known or caption is known", ["anna", "bo"]),
        ("contains 'train tick*'", ["anna"]),
        ("contains malaga and rating = 4", ["anna"]),
    ],
)
def test_where_knows_facts(index, where, expected):
    assert found(index, parse_where(where)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ticket", ["anna"]),
        ("TICKET train", ["anna"]),
        ('"train ticket"', ["anna"]),
        ('"ticket train"', []),
        ("tick*", ["anna"]),
        ("tick", []),
        ("paris france", ["anna"]),
        ("malaga muller", ["anna"]),
        ("京タ", ["anna"]),
        ("東", ["anna"]),
        ("京都", []),
        ("sea", ["anna", "bo"]),
        ('"sea new"', []),
        ("beach -dog", ["bo"]),
        ("gleis coffee york", ["anna"]),
        ("beach coffee", []),
    ],
)
def test_text_must_contain_all_words_and_phrases(index, text, expected):
    assert found(index, Contains(text)) == expected


def test_a_text_without_words_is_refused():
    with pytest.raises(QueryError, match="no words"):
        chosen(text="- !")


@pytest.mark.parametrize(
    ("stars", "expected"), [("4", ["anna"]), ("2..", ["anna", "bo"]), ("..3", ["bo", "plain"]), ("3..4", ["anna"])]
)
def test_a_rating_is_a_number_or_a_range(index, stars, expected):
    (condition,) = chosen(rating=stars)
    assert found(index, condition) == expected


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("rating = 0", ["bo", "plain"]),
        ("rating = 0..0", ["bo", "plain"]),
        ("rating = 0..", ["anna", "bo", "plain"]),
        ("rating = ..5", ["anna", "bo", "plain", "rejected"]),
        ("rating != 4", ["bo", "plain", "rejected"]),
        ("rating != 3..5", ["bo", "plain", "rejected"]),
        ("rating != 0", ["anna", "rejected"]),
        ("rating < 3", ["bo", "plain", "rejected"]),
        ("rating > 0", ["anna"]),
        ("rating >= 0", ["anna", "bo", "plain"]),
        ("rating < 0", ["rejected"]),
        ("rating = -1", ["rejected"]),
        ("not rating = 4", ["bo", "plain", "rejected"]),
        ("rating is known", ["anna", "rejected"]),
        ("rating is not known", ["bo", "plain"]),
        ("rating = 0 and rating is known", []),
    ],
)
def test_a_photo_without_a_rating_has_0_stars_whether_its_file_says_so_or_nothing(tmp_path, where, expected):
    folder = tmp_path / "photos" / ".clipsearch"
    with writer(folder, 8) as collection:
        infos = {"anna": ANNA, "bo": replace(BO, rating=0), "plain": PLAIN, "rejected": replace(PLAIN, rating=-1)}
        for (name, info), vector in zip(infos.items(), VECTORS, strict=False):
            collection.add(Place(1, "", f"{name}.jpg"), ImageFile(name, 3, 0), info, vector, "1")
        collection.commit()
    assert found(folder, parse_where(where)) == expected
    with Collection(folder) as collection:
        ratings = {record.file.name: record.info.rating for record in collection.all_records()}
    assert ratings == {"anna.jpg": 4, "bo.jpg": None, "plain.jpg": None, "rejected.jpg": -1}


def test_in_an_index_that_is_too_old_for_ratings_all_photos_have_0_stars():
    assert without_later(Test("rating", "<", 3.0), 7) == All(())
    assert without_later(Test("rating", ">", 0.0), 7) == without_later(Known("rating"), 7) == Either(())


@pytest.mark.parametrize("stars", ["", "..", "good", "4-", "2...4"])
def test_other_ratings_are_refused(stars):
    with pytest.raises(QueryError, match="not a rating"):
        chosen(rating=stars)


def test_keywords_and_people_must_all_be_there(index):
    (sea, dog) = chosen(keywords=["sea", "dog"])
    assert found(index, sea) == ["anna", "bo"] and found(index, dog) == ["bo"]
    assert found(index, chosen(people=["anna*"])[0]) == ["anna"]


def test_changed_facts_replace_the_former_ones_everywhere(index):
    for turn, word in enumerate(["hill", "lake", "wood"]):
        with CollectionWriter(index) as collection:
            collection.set_facts(1, ImageInfo(4, 3, "JPEG", "aa", keywords=(word,), title=f"{word} {turn}"), "2")
            collection.commit()
        assert found(index, Contains("ticket")) == [] and found(index, Test("keyword", "=", "sea")) == ["bo"]
        assert found(index, Contains(word)) == ["anna"] == found(index, Test("keyword", "=", word))
    assert found(index, Known("taken")) == [] and verify(index).damages == ()


def test_removed_images_leave_nothing_to_find(index):
    with CollectionWriter(index) as collection:
        collection.remove([1])
        collection.commit()
    assert found(index, Contains("ticket")) == [] and found(index, Not(Known("keyword"))) == ["plain"]
    assert verify(index).damages == ()


def test_what_is_rolled_back_was_never_there(index):
    with CollectionWriter(index) as collection:
        collection.set_facts(3, ANNA, "1")
        collection.rollback()
        assert collection.ids(Contains("ticket")).tolist() == [1]
    assert verify(index).damages == ()


def test_texts_are_ranked_by_their_words(index):
    with Collection(index) as collection:
        assert names(collection, collection.full_text_ranking("the sea and a dog")) == ["bo", "anna"]
        assert names(collection, collection.full_text_ranking("sea", Test("rating", "=", 4.0))) == ["anna"]
        assert names(collection, collection.full_text_ranking("sea", limit=1)) == ["bo"]
        assert collection.full_text_ranking("... !") == []
        assert names(collection, collection.full_text_ranking("sea dog", least_words=2)) == ["bo"]
        assert collection.full_text_ranking(" ".join(["sea", *map(str, range(2000))])) != []


def test_the_full_text_table_is_made_anew_when_most_of_it_is_outdated(index, monkeypatch):
    monkeypatch.setattr(fact_table, "_FEW_OUTDATED", 1)
    with CollectionWriter(index) as collection:
        for word in ("one", "two", "three", "four", "five"):
            collection.set_facts(1, ImageInfo(4, 3, "JPEG", "aa", title=word))
        collection.commit()
    with closing(sqlite3.connect(index / "catalog.sqlite")) as database:
        assert database.execute("SELECT COUNT(*) FROM full_text_docsize").fetchone() == (2,)
    assert found(index, Contains("five")) == ["anna"] and verify(index).damages == ()


def test_texts_that_a_photo_has_no_more_are_not_found(index):
    with CollectionWriter(index) as collection:
        collection.set_facts(1, ImageInfo(4, 3, "JPEG", "aa"))
        collection.commit()
    assert found(index, Contains("ticket")) == [] and verify(index).damages == ()
    with CollectionWriter(index) as collection:
        collection.set_facts(1, ANNA)
        collection.commit()
    assert found(index, Contains("ticket")) == ["anna"] and verify(index).damages == ()


def test_other_folding_is_replaced_by_the_next_writer(index):
    with CollectionWriter(index) as collection:
        collection.set_meta(FOLDED, "0")
        collection.commit()
    sql(index, "INSERT INTO full_text (full_text) VALUES ('delete-all')")
    assert found(index, Contains("ticket")) == []
    with CollectionWriter(index):
        pass
    assert found(index, Contains("ticket")) == ["anna"] and verify(index).damages == ()


LUKASZ = ImageInfo(
    4, 3, "JPEG", "dd", title="Smørrebrød in Đakovo", keywords=("Fußball", "Œuvre"), people=("Łukasz Nowak",)
)


@pytest.mark.parametrize(
    "where",
    [
        "person = 'lukasz nowak'",
        "person = 'Łukasz Nowak'",
        "person ~ 'LUKASZ*'",
        "keyword = fussball",
        "keyword = oeuvre",
        "contains lukasz",
        "contains 'ŁUKASZ now*'",
        "contains 'smorrebrod in dakovo'",
        "contains 'fussball oeuvre'",
    ],
)
def test_strokes_and_joined_letters_do_not_count(index, where):
    with CollectionWriter(index) as collection:
        collection.set_facts(3, LUKASZ)
        collection.commit()
    assert found(index, parse_where(where)) == ["plain"] and verify(index).damages == ()


def test_texts_folded_with_strokes_answer_and_are_folded_anew_by_the_next_writer(index, monkeypatch):
    today, as_before = full_text.words, full_text.former_words
    with monkeypatch.context() as patched:
        patched.setattr(full_text, "words", lambda text: today(text) if text.isascii() else as_before(text))
        patched.setattr("clipsearch.store.fact_table.FOLDING", "1, Unicode 15")
        with CollectionWriter(index) as collection:
            collection.set_facts(3, LUKASZ)
            collection.commit()
    typed = [Contains("Łukasz"), Contains("Nowak"), Contains("lukasz")]
    assert [found(index, condition) for condition in typed] == [["plain"], ["plain"], []]
    with Collection(index) as collection:
        hits = collection.text_search(VECTORS[:1], full_text.former_words("Łukasz")[0], None, 5)
        assert [record.image_id for _, record in hits] == [3]
    with CollectionWriter(index):
        pass
    assert [found(index, condition) for condition in typed] == [["plain"]] * 3 and verify(index).damages == ()


def test_counts_by_facts(index):
    with Collection(index) as collection:
        assert collection.count_by("keyword") == [("Dog", 1), ("New York", 1), ("Sea", 2)]
        assert collection.count_by("person", Test("rating", ">", 2.0)) == [("Anna Müller", 1), ("Bo", 1)]
        assert collection.count_by("rating") == [(2, 1), (4, 1)]
        assert collection.count_by("source") == [("exif", 1)]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE facts SET title = 'Other' WHERE image_id = 1",
        "DELETE FROM image_tags WHERE image_id = 1",
        "UPDATE tags SET folded = 'ocean' WHERE folded = 'sea'",
        "INSERT INTO full_text (full_text) VALUES ('delete-all')",
        "INSERT INTO full_text (rowid, names) VALUES (3 << 12 | 1, 'ticket')",
        "UPDATE facts SET text_version = 7 WHERE image_id = 1",
    ],
)
def test_damage_is_told_and_repaired(index, damage):
    sql(index, damage)
    if "rowid" in damage:  # of a text that no photo has: it is never found
        assert found(index, Contains("ticket")) == ["anna"]
        return
    whats = [one.what for one in verify(index).damages]
    assert whats and ("UPDATE facts" not in damage or "what its file says of it is not as it was written" in whats)
    repair(index)
    assert verify(index).damages == ()
    expected = [] if "UPDATE facts" in damage else ["anna"]  # a row that is not as written is read again from the file
    assert found(index, Contains("ticket")) == expected and found(index, Contains("dog")) == ["bo"]


def test_a_damaged_row_is_not_shown(index):
    sql(index, "UPDATE facts SET rating = 5 WHERE image_id = 1")
    with Collection(index) as collection, pytest.raises(CollectionDamaged, match="facts of image 1"):
        collection.records([1])


def test_facts_that_were_not_read_as_usual_are_named(index):
    with CollectionWriter(index) as collection:
        assert collection.facts_from(1, "1") == {}
        collection.set_facts(1, ANNA, "1:sidecar")
        collection.move(2, Place(1, "sub", "new.jpg"), ImageFile("new.jpg", 3, 0))
        collection.commit()
        assert collection.facts_from(1, "1") == {"": {"anna.jpg": "1:sidecar"}, "sub": {"new.jpg": ""}}
    sql(index, "DELETE FROM facts WHERE image_id = 3")
    with Collection(index) as collection:
        assert collection.facts_from(1, "1")[""] == {"anna.jpg": "1:sidecar", "plain.jpg": ""}


def test_words_are_folded_alike_in_texts_and_queries():
    assert words("Straße, São-Paulo ﬁne 東京 हिन्दी") == ["strasse", "sao", "paulo", "fine", "東", "京", "हिन्दी"]


def test_places_of_words_in_a_text_are_those_of_its_own_letters():
    text = "Fußball — TRAIN  tickets für Zoë"
    assert [text[begin:end] for begin, end in occurrences(text, phrases('"train tick*" zoe fussball'))] == [
        "Fußball", "TRAIN  tickets", "Zoë",
    ]  # fmt: skip
