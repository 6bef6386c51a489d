"""Conditions as SQL over the catalog's images. Values are always bound, never part of the text."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, TypeAlias
from unicodedata import normalize

from clipsearch._internal.paths import IN_UTF8, as_utf8
from clipsearch.conditions import (
    NUMBERS,
    All,
    Among,
    Below,
    Condition,
    Contains,
    Either,
    InAlbum,
    Known,
    Located,
    Near,
    Not,
    Test,
    Within,
    literals,
)
from clipsearch.errors import QueryError
from clipsearch.store.full_text import expression, phrases, unaccented

Sql: TypeAlias = tuple[str, list[Any]]
"""An expression and the values that are bound to it."""

FolderLookup: TypeAlias = Callable[[str], Iterable[tuple[int, str]]]
"""From an absolute folder to where its photos are: (root_id, folder below that root), for every root at, above or below it."""

DEEPEST = 60
"""How deep conditions may be nested. With more, SQLite's parser could run out of its stack."""

EARTH_KM = 6371.0088  # mean radius, IUGG
_KM_A_DEGREE = EARTH_KM * math.pi / 180
_AT_ONCE = 30  # expressions in a row
_COLUMNS = {  # the other fields have a column of their name
    "name": "CAST(name AS TEXT)",
    "folder": "CAST(folder AS TEXT)",
    "path": "CASE WHEN folder = x'' THEN CAST(name AS TEXT) ELSE CAST(folder AS TEXT) || '/' || CAST(name AS TEXT) END",
    "orientation": "CASE WHEN width > height THEN 'landscape' WHEN width < height THEN 'portrait' ELSE 'square' END",
    "megapixels": "width * height / 1e6",
    "taken": "taken_at",
}
_CLASS = re.compile(r"\[(?:(?:([!^])|(?![!^]))(.[^]]*\]))?", re.DOTALL)  # in a glob: its sign, and what it is made of
_SAME, _GLOB, _ASCII_GLOB, _UNACCENTED, _UNACCENTED_GLOB = range(5)  # how `fits` compares
_OPERATORS = {"=": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_OPPOSITES = {"=": "!=", "!=": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def to_sql(condition: Condition, folders: FolderLookup) -> Sql:
    """A condition as an SQL expression that is 0 or 1, never NULL, with its values."""
    if isinstance(condition, (Test, Known)) and condition.field in _TAGS:
        return _tag(condition)
    if isinstance(condition, Test) and condition.field == "rating":
        return _rating(condition)
    if isinstance(condition, (Test, Known)) and condition.field in _FACTS:
        return _fact(condition)
    if isinstance(condition, Test):
        return _test(condition)
    if isinstance(condition, Contains):
        return _CONTAINS, [expression(phrases(condition.text))]
    if isinstance(condition, Known):
        return f"{_COLUMNS.get(condition.field, condition.field)} IS NOT NULL", []
    if isinstance(condition, Not):
        sql, values = to_sql(condition.condition, folders)
        return f"NOT ({sql})", values
    if isinstance(condition, (All, Either)):
        # Deepest first: SQLite's parser then needs less memory.
        parts = [to_sql(part, folders) for part in sorted(condition.conditions, key=_depth, reverse=True)]
        return _joined("AND", parts, "1") if isinstance(condition, All) else _joined("OR", parts, "0")
    if isinstance(condition, Below):
        return _joined("OR", [below(root_id, folder) for root_id, folder in folders(condition.folder)], "0")
    if isinstance(condition, Located):
        return _joined("OR", [_located(code) for code in condition.codes], "0")
    if isinstance(condition, Among):
        return "image_id IN (SELECT value FROM json_each(?))", [f"[{','.join(map(str, condition.ids))}]"]
    if isinstance(condition, Within):
        return _within(condition)
    if isinstance(condition, InAlbum):
        raise QueryError("only an index has albums")
    return _near(condition)


def require_shallow(condition: Condition) -> None:
    """Raise QueryError if conditions are nested too deeply."""
    try:
        deep = _depth(condition) > DEEPEST
    except RecursionError:
        deep = True
    if deep:
        raise QueryError("the query has too many conditions within conditions")


def _depth(condition: Condition) -> int:
    """How much of the parser's stack a condition takes: 1 for every `All` and `Either` around another, 2 for a `Not`."""
    if isinstance(condition, Not):
        return 2 + _depth(condition.condition)
    if isinstance(condition, (All, Either)):
        return 1 + max(map(_depth, condition.conditions), default=0)
    return 0


def without_later(condition: Condition, version: int) -> Condition:
    """The condition for an index of an older format, which knows nothing of captions (before 5) or facts (before 8)."""

    def known(leaf: Condition) -> Condition:
        if isinstance(leaf, (Test, Known)):
            since = 8 if leaf.field in _TAGS or leaf.field in _FACTS else 5 if leaf.field == "caption" else 0
        else:
            since = 8 if isinstance(leaf, (Contains, Located)) else 0
        if version >= since:
            return leaf
        return All(()) if _takes_unrated(leaf) else Either(())

    return with_leaves(condition, known)


def with_albums(condition: Condition, album: Callable[[str], Iterable[int]]) -> Condition:
    """The condition with the ids of photos in place of albums' names. QueryError if it is nested too deeply."""
    require_shallow(condition)
    return with_leaves(condition, lambda leaf: Among(tuple(album(leaf.name))) if isinstance(leaf, InAlbum) else leaf)


def with_leaves(condition: Condition, change: Callable[[Condition], Condition]) -> Condition:
    """The condition with each part changed that is not made of others."""
    if isinstance(condition, (All, Either)):
        return type(condition)(tuple(with_leaves(part, change) for part in condition.conditions))
    if isinstance(condition, Not):
        return Not(with_leaves(condition.condition, change))
    return change(condition)


def km_between(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Kilometres between two points in degrees along a great circle, by the haversine formula."""
    a, b = math.radians(latitude), math.radians(other_latitude)
    across = math.sin(math.radians(other_longitude - longitude) / 2) ** 2
    share = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * across
    return 2 * EARTH_KM * math.asin(math.sqrt(min(1.0, share)))


def _joined(word: str, parts: list[Sql], empty: str) -> Sql:
    """Expressions as one, or `empty`. Many are joined in groups of groups: a long chain would nest too deeply for SQLite."""
    while len(parts) > _AT_ONCE:
        groups = [parts[start : start + _AT_ONCE] for start in range(0, len(parts), _AT_ONCE)]
        parts = [_joined(word, group, empty) for group in groups]
    return f" {word} ".join(f"({sql})" for sql, _ in parts) or empty, [value for _, values in parts for value in values]


def _test(test: Test) -> Sql:
    column = _COLUMNS.get(test.field, test.field)
    if test.field in ("name", "folder", "path"):
        test = replace(test, value=as_utf8(str(test.value)))
    if test.field in NUMBERS:
        sql, values = f"{column} {_OPERATORS[test.operator]} ?", [test.value]
    elif test.field in _FEW_VALUES:
        sql, values = _text_test("value", test)
        sql = f"{column} IN ({_FEW_VALUES[test.field]} SELECT value FROM found WHERE {sql})"
    else:
        sql, values = _text_test(column, test)
    # A comparison with NULL is NULL, and its negation is NULL too.
    return (f"{sql} AND {column} IS NOT NULL" if test.field in _OPTIONAL else sql), values


def _fact(condition: Test | Known) -> Sql:
    """A condition on a column of the table of facts, which has no row for a photo whose facts are not known."""
    column = _FACTS[condition.field]
    if isinstance(condition, Known):
        nothing = "0" if condition.field == "rating" else "''"  # 0 stars is unrated, and a picture without text has ""
        sql = f"{column} <> {nothing}"
        values: list[Any] = []
    else:
        sql, values = _text_test(column, condition)
    return f"image_id IN (SELECT image_id FROM facts WHERE {sql})", values


def _rating(test: Test) -> Sql:
    """A test of the stars. A photo without a rating has 0, whether its file says so or says nothing.

    If 0 passes, the photos with a rating that fails are left out, so that the index of ratings answers both ways.
    """
    if _takes_unrated(test):
        sql = f"image_id NOT IN (SELECT image_id FROM facts WHERE rating {_OPERATORS[_OPPOSITES[test.operator]]} ?)"
    else:
        sql = f"image_id IN (SELECT image_id FROM facts WHERE rating {_OPERATORS[test.operator]} ?)"
    return sql, [test.value]


def _takes_unrated(condition: Condition) -> bool:
    """Whether a condition is a test of the rating that 0 stars pass."""
    if not isinstance(condition, Test) or condition.field != "rating":
        return False
    return _COMPARISONS[condition.operator](0, float(condition.value))


def _located(code: str) -> Sql:
    """In a place or anywhere within it: "0" is the character after "/"."""
    head = _bytes(code)
    sql = f"image_id IN (SELECT image_id FROM facts WHERE place >= {_TEXT} AND place < {_TEXT})"
    return sql, [head, head + b"0"]


def _tag(condition: Test | Known) -> Sql:
    """A condition on keywords or people. A photo may have several; "!=" holds if it has others only.

    Case and accents do not count. Python compares only the few values that are not ASCII.
    """
    field = _TAGS[condition.field]
    known = f"image_id IN (SELECT image_id FROM image_tags CROSS JOIN tags USING (tag_id) WHERE field = '{field}')"
    if isinstance(condition, Known):
        return known, []
    text = unaccented(str(condition.value))
    if condition.operator == "~":
        same, values = _ascii_glob("folded", text)
        how, wanted = _UNACCENTED_GLOB, _bytes(negated_by("!", text))
    else:
        same, values = f"folded = {_TEXT}", [_bytes(text)]
        how, wanted = _UNACCENTED, _bytes(text)
    sql = f"CASE WHEN {_is_not_ascii('folded')} THEN {_fits('folded', how)} ELSE {same} END"
    values = [wanted, *values]
    sql = f"SELECT tag_id FROM tags WHERE field = '{field}' AND ({sql})"
    sql = f"image_id IN (SELECT image_id FROM image_tags WHERE tag_id IN ({sql}))"
    return (f"{known} AND NOT {sql}" if condition.operator == "!=" else sql), values


def _text_test(column: str, test: Test) -> Sql:
    text, is_glob = str(test.value), test.operator == "~"
    value = _bytes(text)
    if test.field != "taken" and not text.isascii():  # SQLite ignores the case of ASCII only
        sql = _fits(column, _GLOB if is_glob else _SAME)
        wanted = _bytes(negated_by("!", text)) if is_glob else value
        return (f"NOT {sql}" if test.operator == "!=" else sql), [wanted]
    if is_glob and test.field != "taken" and ("?" in text or "[" in text):
        return _letter_by_letter(column, text)
    if not is_glob:
        same = "" if test.field == "taken" else " COLLATE NOCASE"
        return f"{column} {_OPERATORS[test.operator]} {_TEXT}{same}", [value]
    if test.field != "taken" and any(_may_be_accented(piece) for piece in literals(text)[:-1]):
        return _without_accents(column, text)
    return _ascii_glob(column, text)


def _may_be_accented(piece: str) -> bool:
    """Whether an accent that follows a text may belong to its last letter, as in a name that macOS writes."""
    return piece[-1:].isalpha() or (piece[-1:] != "" and piece[-1:] in "<=>")


def _without_accents(column: str, text: str) -> Sql:
    """A glob with letters before a wildcard: "Mu*" matches no "Müller", also if its accent is a character of its own."""
    sql, values = _ascii_glob(column, text)
    accented = f"CASE WHEN {_is_not_ascii(column)} THEN {_fits(column, _ASCII_GLOB)} ELSE 1 END"
    return f"{sql} AND {accented}", [*values, _bytes(negated_by("!", text)).lower()]


def _is_not_ascii(column: str) -> str:
    return f"length({column}) < length(CAST({column} AS BLOB))"


def _letter_by_letter(column: str, text: str) -> Sql:
    """A glob that counts letters: a letter may be several characters of a name (see `fits`).

    Most names are ruled out quickly, because they lack the texts between the wildcards.
    """
    sql, values = _ascii_glob(column, text)
    rest, pieces = _ascii_glob(column, "*".join(literals(text)))
    counted = f"CASE WHEN {_is_not_ascii(column)} THEN {_fits(column, _ASCII_GLOB)} ELSE {sql} END"
    return f"{rest} AND {counted}", [*pieces, _bytes(negated_by("!", text)).lower(), *values]


def _fits(column: str, how: int) -> str:
    return f"fits(CAST({column} AS BLOB), ?, {how})"


def _ascii_glob(column: str, text: str) -> Sql:
    if "[" in text:
        return f"lower({column}) GLOB {_TEXT}", [_bytes(negated_by("^", text)).lower()]
    # LIKE needs no lower(), and takes half the time.
    pattern = re.sub(r"([\\%_])", r"\\\1", text).replace("*", "%").replace("?", "_")
    return f"{column} LIKE {_TEXT} ESCAPE '\\'", [_bytes(pattern)]


def _bytes(text: str) -> bytes:
    """A text as the catalog has it. QueryError if no name can have it."""
    try:
        return text.encode(*IN_UTF8)
    except UnicodeEncodeError:
        raise QueryError(f"{text!r} holds half of a character, which no name or text does") from None


def negated_by(sign: str, glob: str) -> str:
    """A glob whose classes are negated by `sign`: fnmatch knows "!", SQLite "^". A bracket that is not closed is literal."""
    return _CLASS.sub(lambda match: f"[{sign if match[1] else ''}{match[2]}" if match[2] else "[[]", glob)


def fits(value: bytes | None, wanted: bytes, how: int) -> bool | None:
    """Whether a text equals another, or matches a glob, ignoring case. The catalog's SQL calls it.

    Composed and decomposed accents are equal; macOS writes file names with decomposed ones. For the two ways without accents,
    `wanted` has none.
    """
    if value is None:
        return None
    if how in (_UNACCENTED, _UNACCENTED_GLOB):
        text, other = unaccented(value.decode(*IN_UTF8)), wanted.decode(*IN_UTF8)
        return fnmatchcase(text, other) if how == _UNACCENTED_GLOB else text == other
    if how == _ASCII_GLOB:  # ignores the case of ASCII only, as SQLite does for other globs of ASCII
        return fnmatchcase(composed(value.lower().decode(*IN_UTF8)), wanted.decode(*IN_UTF8))
    text, other = (composed(octets.decode(*IN_UTF8).lower()) for octets in (value, wanted))
    return fnmatchcase(text, other) if how == _GLOB else text == other


def composed(text: str) -> str:
    """A text with composed accents (NFC): for comparing, not for storing."""
    return text if text.isascii() else normalize("NFC", text)


def _values_of(column: str) -> str:
    """All values of a column that has few: each is one step through the column's index, which is not read as a whole."""
    return (
        f"WITH RECURSIVE found(value) AS (SELECT MIN({column}) FROM images WHERE {column} IS NOT NULL UNION ALL SELECT "
        f"(SELECT MIN({column}) FROM images WHERE {column} > value) FROM found WHERE value IS NOT NULL)"
    )


_FEW_VALUES = {"camera": _values_of("camera"), "format": _values_of("format")}
_FACTS = {
    "rating": "rating", "label": "label", "title": "title", "description": "description", "text": "words",
    "source": "taken_from", "place": "place",
}  # fmt: skip
_TAGS = {"keyword": "keyword", "person": "person"}
_CONTAINS = (
    "image_id IN (SELECT facts.image_id FROM full_text CROSS JOIN facts ON facts.image_id = full_text.rowid >> 12 "
    "AND facts.text_version = full_text.rowid & 4095 WHERE full_text MATCH ?)"
)
"""See `store.fact_table`: a number in the full-text table is an image's id and the version of its texts."""

_TEXT = "CAST(? AS TEXT)"  # of bytes, since a name need not be valid Unicode
_OPTIONAL = {"taken", "camera", "latitude", "longitude", "caption"}


def below(root_id: int, folder: str) -> Sql:
    """Images in a root's folder ("" for the root itself) and below it: "0" is the character after "/"."""
    if not folder:
        return "root_id = ?", [root_id]
    head = _bytes(as_utf8(folder))
    sql = "(root_id = ? AND folder = ? OR root_id = ? AND folder >= ? AND folder < ?)"  # each side is answered by an index
    return sql, [root_id, head, root_id, head + b"/", head + b"0"]


def box_around(near: Near) -> tuple[float, float, tuple[float, float] | None]:
    """South, north and (west, east) of a box around all points that are near, in degrees.

    The last is None close to a pole or the date line, where the box has all longitudes.
    """
    reach = near.km / _KM_A_DEGREE * 1.0001  # degrees, with room for rounding
    south, north = near.latitude - reach, near.latitude + reach
    if south > -89 and north < 89:
        sine = math.sin(math.radians(min(reach, 90))) / math.cos(math.radians(near.latitude))
        sideways = math.degrees(math.asin(min(1.0, sine)))
        west, east = near.longitude - sideways, near.longitude + sideways
        if west >= -180 and east <= 180:
            return south, north, (west, east)
    return south, north, None


def _within(box: Within) -> Sql:
    sides = (
        "longitude BETWEEN ? AND ?"
        if box.west <= box.east
        else "(longitude BETWEEN ? AND 180 OR longitude BETWEEN -180 AND ?)"
    )
    sql = f"latitude BETWEEN ? AND ? AND {sides} AND latitude IS NOT NULL AND longitude IS NOT NULL"
    return sql, [box.south, box.north, box.west, box.east]


def _near(near: Near) -> Sql:
    """A box first, which an index answers; then the distance."""
    south, north, sides = box_around(near)
    sql, values = "latitude BETWEEN ? AND ?", [south, north]
    if sides:
        sql += " AND longitude BETWEEN ? AND ?"
        values += sides
    sql += " AND latitude IS NOT NULL AND km_between(latitude, longitude, ?, ?) <= ?"
    return sql, [*values, near.latitude, near.longitude, near.km]
