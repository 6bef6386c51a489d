"""What is said to a store: nothing that anybody typed is in it but as hexadecimal digits."""

import re

import pytest

from clipsearch.milvus.filters import EVERYTHING, NOTHING, Expressions, both, text_key
from clipsearch.types import All, Below, Either, Known, Near, Not, Test
from tests.store.test_filters import LEAVES

ATTACKS = [
    'x" or row > 0 or name == "', "' or 1 == 1 --", "\\", "\\\\", "%", "_", "100%_\\", '"', "''", "a\nb", "\0", "{a}", "\udcff",
    "ä", "] or row in [1", "x%' like '",
]  # fmt: skip
PLAIN = re.compile(r'(?:[a-z_]+|"x?[0-9a-f%]*"|-?\d+(?:\.\d+)?|==|!=|<=|>=|[<>(),\[\]]|\s)+')


def expressions(infix=True, cameras=("Canon", 'a" or 1'), formats=("JPEG",)):
    return Expressions(lambda folder: [(1, folder.strip("/"))], cameras, formats, infix=infix)


@pytest.mark.parametrize("text", ATTACKS)
@pytest.mark.parametrize("infix", [True, False])
def test_no_text_leaves_its_place(text, infix):
    fields = ("name", "folder", "path", "caption", *(("camera", "format", "orientation", "taken") if infix else ()))
    tests = [Test(field, operator, text) for field in fields for operator in ("=", "!=", "~")]
    for condition in [
        *tests,
        Test("taken", "<", text),
        Test("name", "~", f"*{text}*b"),
        Test("caption", "~", f"*{text}*b"),
        Below(f"/{text}"),
    ]:
        for one in (condition, Not(condition), All((condition, Known("camera"))), Either((Not(condition), condition))):
            said = expressions(infix).of(one)
            assert PLAIN.fullmatch(said.text), said.text
            assert said.text.isascii() and said.text.count("(") == said.text.count(")")


def test_every_condition_of_the_catalog_has_an_expression():
    for condition in (*LEAVES, All(()), Either(()), Not(All(()))):
        assert PLAIN.fullmatch(expressions().of(condition).text)


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
        (Test("width", "<", float("nan")), NOTHING),
        (Test("latitude", ">", -1e-9), "latitude < 999.0 and latitude > -0.000000001"),
        (Test("latitude", "<=", 48), "latitude < 999.0 and latitude <= 48.0"),
    ],
)
def test_numbers_are_compared_as_the_catalog_compares_them(test, expected):
    assert expressions().of(test).text == expected


def test_megapixels_are_divided_as_the_catalog_divides():
    for pixels in (1, 3, 70000, 123457, 11999999, 12000000, 2**40 + 1):
        said = expressions().of(Test("megapixels", "=", pixels / 1e6))
        assert said.text == f"pixels == {pixels}"


def test_what_cannot_be_said_is_said_more_widely():
    said = expressions()
    assert not said.of(Test("name", "~", "*a?b*")).exact
    assert said.of(Test("name", "~", "IMG_*.jpg")).text == 'name_folded like "696d675f%2e6a7067"'
    assert expressions(infix=False).of(Test("name", "~", "IMG_*.jpg")).text == 'name_folded like "696d675f%"'
    assert expressions(infix=False).of(Test("name", "~", "*.jpg")).text == EVERYTHING
    for glob in ("a[^]x]b*", "a[!]x]b*", "a[]x]b*", "a[^x]b*"):
        assert said.of(Test("name", "~", glob)).text == 'name_folded like "61%62%"'
    assert said.of(Not(Test("name", "~", "a*"))).text == EVERYTHING
    assert said.of(Not(All((Test("name", "~", "a*"), Known("taken"))))).text == f'({EVERYTHING}) or (not (taken != ""))'
    assert said.of(Test("caption", "~", "*Dog*")).text == '(caption != "") and (caption_folded like "x%646f67%")'
    assert (
        expressions(infix=False).of(Test("caption", "~", "*dog*")).text
        == '(caption != "") and (caption_folded like "x%")'
    )
    assert said.of(Not(Known("caption"))).exact and said.of(Test("caption", "!=", "a dog")).exact
    assert not said.of(Near(48, 11, 5)).exact
    assert not expressions(cameras=None).of(Test("camera", "=", "x")).exact
    assert said.of(Test("camera", "~", "*CANON*")).text == f'camera in ["{text_key("Canon")}"]'
    assert (
        said.of(Test("name", "=", "abc.jpg")).exact and not said.of(Test("name", "=", "k.jpg")).exact
    )  # the Kelvin sign
    assert both("a", "b or c") == "(a) and (b or c)"
