"""Filter expressions contain the user's words only as hexadecimal digits."""

import re

import pytest

from clipsearch.conditions import All, Among, Below, Either, Known, Near, Not, Test, Within
from clipsearch.errors import QueryError
from clipsearch.milvus.filters import EVERYTHING, NOTHING, FilterTranslator, both, text_key
from tests.store.test_filters import LEAVES

ATTACKS = [
    'x" or row > 0 or name == "', "' or 1 == 1 --", "\\", "\\\\", "%", "_", "100%_\\", '"', "''", "a\nb", "\0", "{a}", "\udcff",
    "ä", "] or row in [1", "x%' like '",
]  # fmt: skip
PLAIN = re.compile(r'(?:[a-z_]+|"x?[0-9a-f%]*"|-?\d+(?:\.\d+)?|==|!=|<=|>=|[<>(),\[\]]|\s)+')


def translate(condition, *, infix=True, cameras=("Canon", 'a" or 1')):
    translator = FilterTranslator(lambda folder: [(1, folder.strip("/"))], cameras, ("JPEG",), infix=infix)
    return translator.translate(condition)


@pytest.mark.parametrize("text", ATTACKS)
@pytest.mark.parametrize("infix", [True, False])
def test_a_text_cannot_become_part_of_the_expression(text, infix):
    fields = ("name", "folder", "path", "caption", *(("camera", "format", "orientation", "taken") if infix else ()))
    every = [(field, operator) for field in fields for operator in ("=", "!=", "~")]
    # Only the three orientations that there are, and times, can be compared, so no other text gets there.
    checked = ("orientation", "taken")
    tests = [Test(field, operator, text) for field, operator in every if field not in checked or operator == "~"]
    for condition in [
        *tests,
        Test("name", "~", f"*{text}*b"),
        Test("caption", "~", f"*{text}*b"),
        Below(f"/{text}"),
    ]:
        opposite = Not(condition)
        for compound in (condition, opposite, All((condition, Known("camera"))), Either((opposite, condition))):
            text = translate(compound, infix=infix).text
            assert PLAIN.fullmatch(text), text
            assert text.isascii() and text.count("(") == text.count(")")


def test_every_condition_of_the_catalog_has_an_expression():
    for condition in (*LEAVES, All(()), Either(()), Not(All(()))):
        assert PLAIN.fullmatch(translate(condition).text)


def test_texts_sort_as_their_bytes_do():
    dates = ["2023", "2023-12", "2023-12-31T23:59:59", "2024", "2024-01-01T00:00:00.5", "2024-01-01T00:00:00+02:00"]
    assert sorted(map(text_key, dates)) == list(map(text_key, sorted(dates)))
    assert text_key(None) < text_key("")


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        (Test("width", ">", 2.5), "width >= 3"),
        (Test("width", ">=", 3), "width >= 3"),
        (Test("width", ">", 3), "width >= 4"),
        (Test("width", "<", 2.5), "width < 3"),
        (Test("width", "<=", 2), "width < 3"),
        (Test("width", "=", 2.5), NOTHING),
        (Test("width", "!=", 2.5), EVERYTHING),
        (Test("size", "=", 2.5e6), "size == 2500000"),
        (Test("megapixels", ">=", 0.04), "pixels >= 40000"),
        (Test("megapixels", "=", 0.07), "pixels == 70000"),
        (Test("width", ">", 1e300), f"width >= {2**52 + 1}"),
        (Test("latitude", ">", -1e-9), "latitude < 999.0 and latitude > -0.000000001"),
        (Test("latitude", "<=", 48), "latitude < 999.0 and latitude <= 48.0"),
    ],
)
def test_numbers_are_compared_as_the_catalog_compares_them(test, expected):
    assert translate(test).text == expected


def test_megapixels_are_divided_as_the_catalog_divides():
    for pixels in (1, 3, 70000, 123457, 11999999, 12000000, 2**40 + 1):
        assert translate(Test("megapixels", "=", pixels / 1e6)).text == f"pixels == {pixels}"


def test_what_milvus_cannot_express_becomes_a_wider_expression():
    assert not translate(Test("name", "~", "*a?b*")).exact
    assert translate(Test("name", "~", "IMG_*.jpg")).text == 'name_folded like "696d675f%2e6a7067"'
    assert translate(Test("name", "~", "IMG_*.jpg"), infix=False).text == 'name_folded like "696d675f%"'
    assert translate(Test("name", "~", "*.jpg"), infix=False).text == EVERYTHING
    for glob in ("a[^]x]b*", "a[!]x]b*", "a[]x]b*", "a[^x]b*"):
        assert translate(Test("name", "~", glob)).text == 'name_folded like "61%62%"'
    assert translate(Not(Test("name", "~", "a*"))).text == EVERYTHING
    assert (
        translate(Not(All((Test("name", "~", "a*"), Known("taken"))))).text == f'({EVERYTHING}) or (not (taken != ""))'
    )
    assert translate(Test("caption", "~", "*Dog*")).text == '(caption != "") and (caption_folded like "x%646f67%")'
    assert (
        translate(Test("caption", "~", "*dog*"), infix=False).text == '(caption != "") and (caption_folded like "x%")'
    )
    assert translate(Not(Known("caption"))).exact and translate(Test("caption", "!=", "a dog")).exact
    assert not translate(Near(48, 11, 5)).exact
    assert translate(Within(-1, 170, 1e-7, -170)).text.endswith("(longitude >= 170.0 or longitude <= -170.0)")
    assert translate(Not(Within(1, 2, 3, 4))).exact
    with pytest.raises(QueryError, match="search the index itself"):
        translate(Among((1, 2)))
    assert not translate(Test("camera", "=", "x"), cameras=None).exact
    assert translate(Test("camera", "~", "*CANON*")).text == f'camera in ["{text_key("Canon")}"]'
    assert (
        translate(Test("name", "=", "abc.jpg")).exact and not translate(Test("name", "=", "k.jpg")).exact
    )  # the Kelvin sign
    assert both("a", "b or c") == "(a) and (b or c)"
