"""Which words of a photo's texts were found."""

from dataclasses import replace

from clipsearch.query.filters import chosen, parse_where
from clipsearch.query.matching_words import found_in, wanted_phrases
from clipsearch.types import FoundIn, ImageInfo

PHOTO = ImageInfo(
    4,
    3,
    "JPEG",
    "aa",
    title="Café by the sea",
    keywords=("Sea", "New York"),
    text="GLEIS 9 " * 30 + "Fahrkarte nach Köln",
)


def fields(info, *conditions, words=""):
    return found_in(info, wanted_phrases(conditions, words))


def found(*what, **more):
    return next(iter(fields(*what, **more)), None)


def marked(found):
    return [found.excerpt[begin:end] for begin, end in found.marks]


def test_the_field_with_most_of_the_words_is_shown_with_its_words_marked():
    assert found(PHOTO, *chosen(text="sea")) == FoundIn("title", "Café by the sea", ((12, 15),))
    assert found(PHOTO, *chosen(text="york sea")).excerpt == "Sea, New York"  # the title has one of the words
    assert found(PHOTO, *chosen(text='"new york"')) == FoundIn("keywords", "New York", ((0, 8),))
    assert marked(found(PHOTO, words="cafe sea")) == ["Café", "sea"]


def test_other_fields_with_words_follow():
    both = fields(PHOTO, *chosen(text="york sea"))
    assert [part.field for part in both] == ["keywords", "title"] and marked(both[1]) == ["sea"]


def test_names_of_the_place_are_found():
    assert found(replace(PHOTO, place="DE/02/2867714"), words="munich").field == "place"


def test_all_keywords_that_have_words_are_shown():
    photo = replace(PHOTO, keywords=("Dog", "Winter", "North Beach"), people=("Bo",))
    both = found(photo, words="a dog on the beach")
    assert both.excerpt == "Dog, North Beach" and marked(both) == ["Dog", "Beach"]
    assert found(photo, *chosen(text='dog "beach dog"')).excerpt == "Dog"
    assert found(photo, *chosen(text='dog beach "dog north"')).marks == both.marks  # no phrase spans two keywords


def test_a_long_text_is_cut_around_the_first_word():
    excerpt = found(PHOTO, *chosen(text="fahrk* koln"))
    assert excerpt.field == "text" and marked(excerpt) == ["Fahrkarte", "Köln"]
    assert excerpt.excerpt.startswith("…") and excerpt.excerpt.endswith("Köln") and len(excerpt.excerpt) <= 82
    first = found(PHOTO, *chosen(text="gleis"))
    assert first.excerpt.startswith("GLEIS 9") and first.excerpt.endswith("…") and len(first.excerpt) <= 82
    whole = found(replace(PHOTO, keywords=(), text="x" * 50 + " " + "y" * 300), *chosen(text="y*"))
    assert "y" in marked(whole)[0]


def test_only_words_that_must_be_there_count():
    assert found(PHOTO, parse_where("not contains sea")) is None
    assert found(PHOTO, parse_where("rating > 3 or contains sea")).field == "title"
    assert found(PHOTO, *chosen(text="nothing")) is None and found(PHOTO) is None
