"""Filters from text to conditions: one function for each filter, and the small language of `--where`.

    expression := all { "or" all }
    all        := test { "and" test }
    test       := "not" test | "(" expression ")" | FIELD "is" ["not"] "known" | FIELD OPERATOR VALUE | WORD VALUE
    WORD       := "contains" | "near" | "within"
    OPERATOR   := = | != | < | <= | > | >= | ~
    VALUE      := a word, or anything between quotes, 'so' or "so"

Case does not matter for fields and words of the language. FIELD is a `Field` of `clipsearch.conditions`, or album.
"~" compares with a glob.
A size may end in kB, MB or GB. A date may be a year, a month, a day or a minute (2024, 2024-07, 2024-07-15, 2024-07-15T12:30)
and stands for all of that time: taken = 2024-07 is any moment of July, taken < 2024-07 any before, taken > 2024-07 any after.
"=" and "!=" also compare dates and numbers with a range: 2019..2021, 2019.. or ..2021, both ends included.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn, get_args

from clipsearch._internal.arguments import require_number, short
from clipsearch._internal.expression_tokens import tokens_of
from clipsearch._internal.paths import is_remote
from clipsearch.conditions import (
    NUMBERS,
    All,
    Below,
    Condition,
    Contains,
    Either,
    Field,
    InAlbum,
    Known,
    Located,
    Near,
    Not,
    Operator,
    Test,
    Within,
    literal_glob,
)
from clipsearch.errors import QueryError
from clipsearch.query.format_filter import of_format

_FIELDS = frozenset(get_args(Field))
_ALBUM = "album"  # compared as a field, but what an album has is not a fact of photos
_UNITS = {"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_DEEPEST = 50  # brackets and "not" within each other


def parse_where(text: str) -> Condition:
    """Read an expression such as "taken >= 2024 and width > 2000". QueryError shows the position of the first mistake."""
    if not isinstance(text, str):
        raise QueryError(f"an expression must be a text (str), such as 'taken >= 2024', not {short(text)}")
    return _Parser(text).parse()


def chosen(
    *,
    folders: Iterable[str] = (),
    names: Iterable[str] = (),
    places: Iterable[str] = (),
    keywords: Iterable[str] = (),
    people: Iterable[str] = (),
    min_width: int | None = None,
    min_height: int | None = None,
    **texts: str | Iterable[str] | None,
) -> tuple[Condition, ...]:
    """The usual filters as conditions that must all hold.

    In any of the folders, with any of the names, in any of the places, with all of the keywords and people, and so on. `texts`
    are taken, after, before, camera, near, within, rating, text, orientation, format, album and where, each None
    if it is not wanted. Each may be several: any of them for a name in ALTERNATIVES, otherwise all.
    """
    alternatives = map(in_folder, folders), map(named, names), map(taken_at, places)
    conditions: list[Condition] = [condition for several in alternatives for condition in either(several)]
    conditions += [*map(keyworded, keywords), *map(showing, people)]
    after, before = texts.get("after"), texts.get("before")
    for name, read in _READERS.items():
        value = texts.pop(name, None)
        several = [read(text) for text in ((value,) if isinstance(value, str) else value or ())]
        conditions += either(several) if name in ALTERNATIVES and len(several) > 1 else several
    if isinstance(after, str) and isinstance(before, str):
        require_order(after, before)
    if texts:
        raise TypeError(f"there are no filters {', '.join(texts)}")
    least: tuple[tuple[Field, int | None], ...] = (("width", min_width), ("height", min_height))
    conditions += [at_least(field, pixels) for field, pixels in least if pixels is not None]
    return tuple(conditions)


def either(conditions: Iterable[Condition]) -> list[Condition]:
    """At least one of the conditions, as a list for joining: empty if there are no conditions."""
    several = tuple(conditions)
    return [Either(several)] if several else []


def at_least(field: Field, pixels: float) -> Condition:
    """At least so many pixels wide or high. QueryError below 1, which would ask for nothing."""
    require_number(f"the least {field} in pixels", pixels, 1)
    return Test(field, ">=", float(pixels))


def in_folder(folder: str | os.PathLike[str]) -> Condition:
    """In a folder or anywhere below it. It may be a URL, or an archive."""
    if not os.fspath(folder).strip():
        raise QueryError("the folder is empty; give the path of a folder, or . for this one")
    if is_remote(os.fspath(folder)):
        return Below(os.fspath(folder).rstrip("/"))
    return Below(str(Path(os.path.abspath(os.path.expanduser(folder)))))


def named(glob: str) -> Condition:
    """A file name, as a glob."""
    return Test("name", "~", _filled("name", glob))


def taken_in(period: str) -> Condition:
    """Taken within a date, 2024-07, or from one to another, 2024-06..2024-08, both included; 2024.. and ..2024 are open."""
    first, last = _ends(period)
    start, end = _period(first)[0] if first else None, _period(last)[1] if last else None
    if start and end and start >= end:
        raise QueryError(f"{period!r} ends before it begins")
    return _between("taken", start, "<", end)


def taken_from(date: str) -> Condition:
    """Taken on a date or after."""
    return Test("taken", ">=", _period(date)[0])


def taken_before(date: str) -> Condition:
    """Taken before a date begins."""
    return Test("taken", "<", _period(date)[0])


def require_order(after: str, before: str) -> None:
    """QueryError if no time is left between two dates, from which on and before which photos were taken."""
    if _period(after)[0] >= _period(before)[0]:
        raise QueryError(f"the time from `after={after}` to `before={before}` ends before it begins")


def taken_by(text: str) -> Condition:
    """A camera whose name contains a text; in double quotes, one of exactly this name."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        return Test("camera", "=", _filled("camera", text[1:-1]))
    return Test("camera", "~", f"*{literal_glob(_filled('camera', text))}*")


def taken_near(text: str, *, is_expression: bool = False) -> Condition:
    """LATITUDE,LONGITUDE or LATITUDE,LONGITUDE,KM; without KM, within one kilometre.

    QueryError for anything else. For the name of a place it proposes a filter, or with `is_expression` a test of `place`.
    """
    try:
        latitude, longitude, *more = (float(part) for part in text.split(","))
        (km,) = more or [1.0]
    except ValueError:
        raise QueryError(f"{text!r} is not coordinates; {_instead_of_coordinates(text, is_expression)}") from None
    if not (abs(latitude) <= 90 and abs(longitude) <= 180 and 0 < km < math.inf):
        raise QueryError(
            f"{text!r} is not coordinates: latitudes go from -90 to 90, longitudes from -180 to 180, and KM is above 0"
        )
    return Near(latitude, longitude, km)


def _instead_of_coordinates(text: str, is_expression: bool) -> str:
    """What to give in place of a text that is not coordinates: the filter for names, if it is the name of a place."""
    from clipsearch.gazetteer import find  # right coordinates do not need it

    if find(text):
        if is_expression:
            return f"for a name use: place = '{text}'" if "'" not in text else f'for a name use: place = "{text}"'
        return f"for a name use `place{f'={text}' if text.isalpha() else ''}`"
    return "give LATITUDE,LONGITUDE or LATITUDE,LONGITUDE,KM in degrees"


def taken_within(text: str) -> Within:
    """SOUTH,WEST,NORTH,EAST in degrees: a rectangle of a map, which crosses the date line if WEST is above EAST."""
    try:
        south, west, north, east = (float(part) for part in text.split(","))
    except ValueError:
        raise QueryError(f"{text!r} is not a rectangle; give SOUTH,WEST,NORTH,EAST in degrees") from None
    return rectangle(south, west, north, east)


def rectangle(south: float, west: float, north: float, east: float) -> Within:
    """A rectangle of a map, in degrees. QueryError if these edges make no rectangle."""
    if not (-90 <= south <= north <= 90 and abs(west) <= 180 and abs(east) <= 180):
        raise QueryError(
            f"{south:g},{west:g},{north:g},{east:g} is not a rectangle: latitudes go from -90 to 90, the southern one first, "
            "and longitudes from -180 to 180"
        )
    return Within(south, west, north, east)


def taken_at(name: str, codes: Sequence[str] = ()) -> Condition:
    """In any of the places of a name, such as "Paris" or "Paris, Texas".

    QueryError if there is no such place. Its message proposes similar names, first those of the places with `codes`.
    """
    from clipsearch.gazetteer import find, near_spellings  # few queries need it

    if not name.strip():
        raise QueryError("the place is empty; give the name of a city, a region or a country")
    found = [place.code for place in find(name)]
    if not found:
        similar = [f'"{spelling}"' for spelling in near_spellings(name, codes=codes)]
        hint = f"similar names: {', '.join(similar)}" if similar else "give a city, a region or a country"
        raise QueryError(f'no place called "{name}" is known; {hint}')
    # A city is left out if the region or country around it has the same name.
    return Located(tuple(code for code in found if not any(code.startswith(f"{whole}/") for whole in found)))


def keyworded(keyword: str) -> Condition:
    """With a keyword; a glob if it has a wildcard."""
    return _of_several("keyword", keyword)


def showing(person: str) -> Condition:
    """With a person of this name; a glob if it has a wildcard."""
    return _of_several("person", person)


def _of_several(field: Field, text: str) -> Condition:
    name = " ".join(_filled(field, text).split())
    return Test(field, "~" if re.search(r"[*?\[]", name) else "=", name)


def rated(text: str) -> Condition:
    """So many stars: 4, or from 2..4, 4.. or ..2."""
    match = re.fullmatch(r"\s*(-1|[0-5])?\s*(\.\.)?\s*(-1|[0-5])?\s*", text)
    if not match or not (match[1] or match[3]) or bool(match[3]) > bool(match[2]):
        raise QueryError(f"{text!r} is not a rating; give stars from 0 to 5, as 5, 4.. or 2..4; -1 is rejected")
    return _numbers_in("rating", text)


def containing(text: str) -> Condition:
    """With all of these words and "phrases" in its texts."""
    if not re.search(r"[^\W_]", text):
        raise QueryError(f"{text!r} has no words to look for; give at least one letter or digit")
    return Contains(text)


def in_album(name: str) -> Condition:
    """In an album of the index, by its name. Whether there is such an album shows when the index is searched."""
    if not name.strip():
        raise QueryError("the album is empty; give the name of an album, such as Favourites")
    return InAlbum(name)


def oriented(orientation: str) -> Condition:
    """Landscape, portrait or square."""
    return Test("orientation", "=", orientation.lower())


_READERS: dict[str, Callable[[str], Condition]] = {
    "taken": taken_in,
    "after": taken_from,
    "before": taken_before,
    "camera": taken_by,
    "near": taken_near,
    "within": taken_within,
    "rating": rated,
    "text": containing,
    "orientation": oriented,
    "format": of_format,
    "album": in_album,
    "where": parse_where,
}
ALTERNATIVES = frozenset(_READERS.keys() - {"after", "before", "text", "where"})
"""Names of filters of which several mean any of them."""


def _filled(name: str, text: str) -> str:
    if not text.strip():
        raise QueryError(f"the {name} is empty; give a {name}")
    return text


def _ends(text: str) -> tuple[str, str]:
    """The first and the last value of a range, "" for an open end; both are the same for one value."""
    first, dots, last = (part.strip() for part in text.partition(".."))
    if not (dots or first):
        raise QueryError("it is empty; give one value, or a range such as 2019.., ..2024 or 2019..2024")
    if dots and not (first or last):
        raise QueryError("the range .. has neither a beginning nor an end; give at least one, such as 2019..")
    return first, last if dots else first


def _numbers_in(field: Any, text: str) -> Condition:
    """A number, or a range of numbers. QueryError if it ends before it begins."""
    first, last = (_number(field, end) if end else None for end in _ends(text))
    if ".." not in text:
        return Test(field, "=", float(first or 0))
    if first is not None and last is not None and first > last:
        raise QueryError(f"{text!r} ends before it begins")
    return _between(field, first, "<=", last)


def _between(field: Any, start: str | float | None, operator: Operator, end: str | float | None) -> Condition:
    """From a value up to another; None is an open end."""
    limits: list[Condition] = [Test(field, ">=", start)] if start is not None else []
    return All((*limits, *([Test(field, operator, end)] if end is not None else [])))


def _period(text: str) -> tuple[str, str]:
    """The first instant of a date, and the first after it, as the catalog writes them."""
    text = text.strip()
    for form, step in (("%Y", 0), ("%Y-%m", 0), ("%Y-%m-%d", 86400), ("%Y-%m-%dT%H:%M", 60), ("%Y-%m-%dT%H:%M:%S", 1)):
        try:
            start = datetime.strptime(text.replace(" ", "T"), form)
            if form == "%Y":
                end = start.replace(year=start.year + 1)
            elif form == "%Y-%m":
                end = (start + timedelta(days=32)).replace(day=1)
            else:
                end = start + timedelta(seconds=step)
        except (ValueError, OverflowError):
            continue
        return start.isoformat(), end.isoformat()
    raise QueryError(f"{text!r} is not a date; give as much as you know: 2024, 2024-07, 2024-07-15 or 2024-07-15T12:30")


def _number(field: str, text: str) -> float:
    number = re.fullmatch(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*([a-z]*)", text.strip().lower())
    units = _UNITS if field == "size" else {"": 1}
    if not number or number[2] not in units or not math.isfinite(float(number[1])):
        raise QueryError(
            f"{field} is compared with a number{' such as 2.5MB' if field == 'size' else ''}, not {text!r}"
        )
    return float(number[1]) * units[number[2]]


def _test(field: Any, operator: Any, value: str) -> Condition:
    if ".." in value and operator != "~" and field in ("taken", *NUMBERS):
        if operator not in ("=", "!="):
            raise QueryError(f"{value!r} is a range, so {operator} does not go with it; use = or !=")
        inside = taken_in(value) if field == "taken" else _numbers_in(field, value)
        if field == "rating":  # photos without one have 0 stars
            return inside if operator == "=" else Not(inside)
        return inside if operator == "=" else All((Known(field), Not(inside)))
    if field == "taken":
        return _taken_test(operator, value)
    if field == "place":
        return place_test(operator, value)
    if field == _ALBUM:
        return album_test(operator, value)
    if field in NUMBERS:
        return replace(Test(field, operator, 0.0), value=_number(field, value))
    if field in ("path", "folder") and value.startswith("~/"):
        home = os.path.expanduser("~")
        value = f"{literal_glob(home) if operator == '~' else home}{value[1:]}"
    test = Test(field, operator, value)
    if field == "format" and operator != "~":
        of = of_format(value)
        return of if operator == "=" else Not(of)
    return test


def album_test(operator: Operator, name: str) -> Condition:
    """A comparison of the albums that a photo is in with a name. QueryError if the operator is neither = nor !=."""
    if operator not in ("=", "!="):
        raise QueryError(f"album is a name, so {operator} does not go with it; use = or !=")
    return in_album(name) if operator == "=" else Not(in_album(name))


def place_test(operator: Operator, name: str) -> Condition:
    """A comparison of the place with a name. QueryError if there is no such place, or the operator is neither = nor !=."""
    if operator not in ("=", "!="):
        raise QueryError(f"place is a name, so {operator} does not go with it; use = or !=")
    there = taken_at(name)
    return there if operator == "=" else All((Known("place"), Not(there)))


def _taken_test(operator: Operator, value: str) -> Condition:
    if operator == "~":
        return Test("taken", "~", value)
    start, end = _period(value)
    if operator in ("=", "!="):
        inside = _between("taken", start, "<", end)
        return inside if operator == "=" else All((Known("taken"), Not(inside)))
    return Test("taken", "<" if operator in ("<", "<=") else ">=", end if operator in ("<=", ">") else start)


def _comparisons(field: str) -> str:
    """What may follow a field in an expression, for messages."""
    if field == _ALBUM:
        return "= or !="
    ordered = "<, <=, >, >=, " if field in ("taken", *NUMBERS) else ""
    glob = "" if field in ("place", *NUMBERS) else "~, "
    return f"=, !=, {ordered}{glob}is known or is not known"


def _near_in_expression(text: str) -> Condition:
    return taken_near(text, is_expression=True)


_WORDS: dict[str, Callable[[str], Condition]] = {
    "contains": containing,
    "near": _near_in_expression,
    "within": taken_within,
}
"""Tests of an expression that have a word in place of a field and an operator."""


class _Parser:
    """Recursive descent over the tokens of an expression."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str, int]] = []  # (kind, text, where it begins); the last is ("end", "", ...)
        self._next = 0
        tokens, position = tokens_of(text)
        if text[position:].strip():
            self._fail("there is a quote that does not end, or a sign out of place", position)
        for match in tokens:
            kind = str(match.lastgroup)
            self._tokens.append((kind, match[kind], match.start(kind)))
        if not self._tokens:
            raise QueryError("the expression is empty; an example: taken >= 2024 and width > 2000")
        self._tokens.append(("end", "", len(text)))

    def parse(self) -> Condition:
        condition = self._expression(0)
        kind, _, position = self._tokens[self._next]
        if kind != "end":
            self._fail('here "and", "or" or the end was expected', position)
        return condition

    def _expression(self, depth: int) -> Condition:
        return self._joined("or", Either, lambda: self._joined("and", All, lambda: self._test(depth)))

    def _joined(self, word: str, kind: type[All | Either], part: Callable[[], Condition]) -> Condition:
        conditions = [part()]
        while self._skip(word):
            conditions.append(part())
        return conditions[0] if len(conditions) == 1 else kind(tuple(conditions))

    def _test(self, depth: int) -> Condition:
        if depth > _DEEPEST:
            raise QueryError("the expression has too many brackets within brackets")
        if self._skip("not"):
            return Not(self._test(depth + 1))
        if self._skip("(", "sign"):
            inside = self._expression(depth + 1)
            if not self._skip(")", "sign"):
                self._fail("a bracket is not closed")
            return inside
        if reader := self._reader_of_word():
            return self._of_word(reader)
        kind, field, position = self._take("a field")
        if kind != "word":
            self._fail("a field was expected here, such as taken or width", position)
        field = field.lower()
        if field not in (*_FIELDS, _ALBUM):
            from difflib import get_close_matches  # a right filter does not need it

            known_fields = sorted((*_FIELDS, _ALBUM))
            meant = get_close_matches(field, known_fields, 1, 0.7)
            advice = f"did you mean {meant[0]}?" if meant else f"there are {', '.join(known_fields)}"
            self._fail(f"there is no field {field!r}; {advice}", position)
        if field != _ALBUM and self._skip("is"):
            is_not = self._skip("not")
            if not self._skip("known"):
                self._fail('"is" goes with "known" or "not known"')
            known = Known(field)  # type: ignore[arg-type]
            return Not(known) if is_not else known
        comparisons = _comparisons(field)
        if self._reader_of_word():
            (_, word, position), (_, value, _) = self._tokens[self._next : self._next + 2]
            self._fail(f"{word} stands alone, without a field: {word} {value}".rstrip(), position)
        kind, operator, position = self._take(comparisons)
        if kind != "sign" or operator in "()":
            self._fail(f"after {field} comes {comparisons}", position)
        kind, value, position = self._take("a value")
        if kind == "sign":
            problem = f"after {field} {operator} comes a value; put it between quotes if it has signs or spaces"
            self._fail(problem, position)
        with self._pointing_at(position):
            return _test(field, operator, value[1:-1] if kind == "quoted" else value)

    def _reader_of_word(self) -> Callable[[str], Condition] | None:
        kind, word, _ = self._tokens[self._next]
        return _WORDS.get(word.lower()) if kind == "word" else None

    def _of_word(self, reader: Callable[[str], Condition]) -> Condition:
        _, word, _ = self._take("a word")
        kind, value, position = self._take("a text")
        if kind == "sign":
            self._fail(f"after {word} comes a text; put it between quotes if it has signs or spaces", position)
        with self._pointing_at(position):
            return reader(value[1:-1] if kind == "quoted" else value)

    @contextmanager
    def _pointing_at(self, position: int) -> Iterator[None]:
        """Add the place in the expression to what is wrong with a value."""
        try:
            yield
        except QueryError as error:
            self._fail(str(error), position)

    def _take(self, expected: str) -> tuple[str, str, int]:
        token = self._tokens[self._next]
        if token[0] == "end":
            self._fail(f"it ends where {expected} was expected")
        self._next += 1
        return token

    def _skip(self, text: str, kind: str = "word") -> bool:
        next_kind, next_text, _ = self._tokens[self._next]
        is_there = (next_kind, next_text.lower()) == (kind, text)
        self._next += is_there
        return is_there

    def _fail(self, problem: str, position: int | None = None) -> NoReturn:
        if position is None:
            position = self._tokens[self._next][2]
        before, after = self._text[:position].rstrip(), self._text[position:].lstrip()
        comma = "" if problem.endswith("?") else ","
        raise QueryError(f"{problem}{comma} at: {f'{before} ' if before else ''}>>> {after or '(the end)'}")
