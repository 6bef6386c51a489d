"""Explanations of a query, as plain values and as text."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipsearch.conditions import All, Among, Below, Either, InAlbum, Known, Near, Not, Test, Within
from clipsearch.query.filters import parse_where
from clipsearch.render.explain import condition_text, explain_text
from clipsearch.terms import Query, Term
from tests.render.support import answer


def test_every_part_of_a_query_is_said():
    query = Query(
        (
            Term("a dog"), Term(Path("/photos/cat.jpg"), -0.5), Term(Image.new("RGB", (4, 3)), 2),
            Term(np.ones(8, np.float32)),
        ),
        filters=(Below("/photos/my trip"), Test("width", ">=", 2000.0)), prompts=("a photo of a {}",), min_match=0.5,
        offset=10, diverse=True, sort="date",
    )  # fmt: skip
    explained = answer(query=query).explain()
    assert json.loads(json.dumps(explained)) == explained
    assert [term["kind"] for term in explained["terms"]] == ["text", "image", "image", "embedding"]
    text = explain_text(explained)
    for part in (
        '"a dog" x 1', "image /photos/cat.jpg x -0.5", "4 x 3 pixels x 2", "8 values", "in '/photos/my trip'", "width >= 2000",
        "a photo of a {}", "match at least 0.5", "first 10", "near-copies", "sorted by date", "1,200", "4.9 MB",
        "encode 12.1 ms", "mini",
    ):  # fmt: skip
        assert part in text
    assert len({line.index(line.split(maxsplit=1)[1]) for line in text.splitlines()}) == 1  # aligned


def test_all_moments_are_a_limit_that_is_said():
    assert "every moment of a film" in explain_text(answer(query=Query((Term("a dog"),), all_moments=True)).explain())
    assert "moment" not in explain_text(answer().explain())


def test_the_order_says_that_more_than_the_score_counts():
    plain = answer().explain()
    assert "order" not in explain_text(plain)
    assert "likely photos first, then by score\n" in explain_text({**plain, "sort": "likely"})
    both = explain_text({**plain, "sort": "likely", "text_words": "dog snow"})
    assert "likely photos first, then by score and words in texts together" in both and "sorted by" not in both


def test_filters_count_what_they_leave():
    explained = {**answer().explain(), "considered": 12}
    assert "1,200, 12 of them pass the filters" in explain_text(explained)
    assert "1,200, 1 of them passes the filters" in explain_text({**explained, "considered": 1})


def test_hostile_texts_take_one_line():
    text = explain_text(answer(query=Query((Term("a\n\x1b[31mdog"),))).explain())
    assert "\x1b" not in text and "a\\n" in text


@pytest.mark.parametrize(
    "condition",
    [
        Test("camera", "~", "*canon eos*"),
        Test("size", ">", 5e6),
        Within(-20, 170.5, 1e-7, -170),
        All((Known("taken"), Not(Either((Test("format", "=", "PNG"), Test("width", "<", 100.0)))))),
        InAlbum("Italy's best"),
        Either((All((Test("name", "~", "a's*"), Test("height", "=", 30.0))), Not(Known("camera")))),
    ],
)
def test_a_condition_is_said_as_where_would_read_it(condition):
    assert parse_where(condition_text(condition)) == condition


def test_places_are_said_in_words():
    assert condition_text(Near(48.137, 11.575, 5)) == "within 5 km of 48.137,11.575"
    assert condition_text(Among((3, 4))) == "among 2 chosen photos"
