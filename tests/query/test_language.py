"""The query language: terms, weights, quotes."""

import re
from pathlib import Path

import numpy as np
import pytest

from clipsearch.errors import QueryError
from clipsearch.query.language import parse_query, parse_terms, shell_words, terms_text
from clipsearch.terms import Query, Term


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("a dog on a beach", [("a dog on a beach", 1)]),
        ("golden retriever + pool - fruit", [("golden retriever", 1), ("pool", 1), ("fruit", -1)]),
        ("2:snow + .5:a blue sky", [("snow", 2), ("a blue sky", 0.5)]),
        ("1e3:dog + 2.5E-1:a cat - 1e1:'b'", [("dog", 1000), ("a cat", 0.25), ("'b'", -10)]),
        ('1e2:"a + b" + "nan:dog" + "-1:dog"', [("a + b", 100), ("nan:dog", 1), ("-1:dog", 1)]),
        ("1e3:45 dogs + banana:dog + nan: dog", [("1e3:45 dogs", 1), ("banana:dog", 1), ("nan: dog", 1)]),
        ("beach - 1.5:people", [("beach", 1), ("people", -1.5)]),
        ("- people + beach", [("people", -1), ("beach", 1)]),
        ('"salt + pepper" - "2:1"', [("salt + pepper", 1), ("2:1", -1)]),
        ('3:"a - b"', [("a - b", 3)]),
        ("C++ and t-shirts", [("C++ and t-shirts", 1)]),
        ("12:30 on a clock + 16:9", [("12:30 on a clock", 1), ("16:9", 1)]),
        ('a 12" pizza', [('a 12" pizza', 1)]),
        ('"salt + pepper', [("salt + pepper", 1)]),  # a quote that is not closed reaches to the end
        ('"unclosed + -', [("unclosed + -", 1)]),
        ('a dog - 2:"a + b ', [("a dog", 1), ("a + b", -2)]),
        ('one "two + three', [('one "two + three"', 1)]),
        ('"', [('"', 1)]),
        ("10 : 1", [("10 : 1", 1)]),
        ("ein Café + 犬", [("ein Café", 1), ("犬", 1)]),
    ],
)
def test_a_text_is_read_as_terms(text, terms):
    assert [(term.content, term.weight) for term in parse_query(text).terms] == terms


@pytest.mark.parametrize("text", ["", "  ", "+", "-", "a +", "a + - b", "a - ", '""', 'a + ""', "0:snow", '2:""'])
def test_what_asks_for_nothing_is_refused(text):
    with pytest.raises(QueryError):
        parse_query(text)


@pytest.mark.parametrize(
    "weight", ["0", "0.0", "1e999", "1e-999", "nan", "NaN", "inf", "Infinity", "-inf", "-2", "+2", "-1e3", "1,5"]
)
def test_a_number_that_is_no_weight_is_named(weight):
    for text in (f"{weight}:dog", f"a cat + {weight}:a dog"):
        with pytest.raises(QueryError, match=re.escape(f"the weight {weight} makes no sense; give a number above 0")):
            parse_query(text)
    texts = terms_text([Term(f"{weight}:dog"), Term("snow", 1e6)])
    assert [term.content for term in parse_query(texts).terms] == [f"{weight}:dog", "snow"]


def test_a_long_number_is_read_at_once():
    assert parse_query("1" * 100_000).terms[0].weight == 1  # an ambiguous pattern takes minutes


def test_a_sign_without_a_part_is_named_at_its_place():
    with pytest.raises(QueryError, match=r"nothing after the \+; .* at: a dog >>> \+ - a cat$"):
        parse_query("a dog + - a cat")
    with pytest.raises(QueryError, match=r"nothing after the -; .* at: >>> - \+ a$"):
        parse_query("- + a")


def test_a_quote_of_an_argument_that_is_never_closed_ends_with_it():
    assert shell_words(['a "salt', "+", "people"], lambda name: False) == ["a", '"salt"', "+", "people"]


def test_a_shells_words_keep_what_was_quoted_there():
    terms = parse_terms(["a", "dog", "+", "salt + pepper", "-", "2:wet snow"])
    assert [(term.content, term.weight) for term in terms] == [("a dog", 1), ("salt + pepper", 1), ("wet snow", -2)]


def test_a_term_may_be_a_picture_and_quotes_say_that_it_is_none():
    def picture(text):
        return Path(text) if text.endswith(".jpg") else text

    terms = parse_terms(["2:cat.jpg", "+", '"cat.jpg"', "+", "my", "cat.jpg", "+", "a", "cat"], picture)
    assert [term.content for term in terms] == [Path("cat.jpg"), "cat.jpg", Path("my cat.jpg"), "a cat"]
    assert terms[0].weight == 2


def test_pictures_embeddings_and_queries_stay_what_they_are():
    vector = np.ones(4, np.float32)
    assert parse_query(vector).terms[0].content is vector
    assert parse_query(Path("a.jpg")).terms == (Term(Path("a.jpg")),)
    query = Query((Term("a + b"),))
    assert parse_query(query) is query


@pytest.mark.parametrize(
    "arguments",
    [
        ["a dog - grass"],
        ["a", "dog", "-", "grass"],
        ["a dog", "- grass"],
        ['"salt + pepper" - 2:snow'],
        ['"salt + pepper"', "-", "2:snow"],
        ['a 12" pizza'],
        ['"salt', "+", 'pepper"', "-", "2:snow"],
    ],
)
def test_a_text_means_the_same_as_one_argument_or_several(arguments):
    assert parse_terms(shell_words(arguments, lambda name: False)) == parse_query(" ".join(arguments)).terms


def test_an_argument_that_is_the_name_of_a_file_stays_whole():
    words = shell_words(["2:me - you.jpg", "+", "a - b"], lambda name: name == "me - you.jpg")
    assert words == ["2:me - you.jpg", "+", "a", "-", "b"]


@pytest.mark.parametrize(
    "make", [lambda: parse_query("2:"), lambda: Term("cat", weight=0), lambda: parse_query("cat + 2:")]
)
def test_a_weight_of_nothing_is_refused(make):
    with pytest.raises(QueryError, match="weight"):
        make()
