"""Why no photo meets the filters: which of them alone leaves nothing, and facts and values that photos do have instead."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from clipsearch.conditions import (
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
    Test,
    Within,
    leaves_of,
    literal_glob,
)
from clipsearch.query.hits import QueryNote
from clipsearch.query.vector_store import SelectionT, VectorStore
from clipsearch.render.text import counted, day
from clipsearch.store.full_text import pieces, unaccented

if TYPE_CHECKING:
    from clipsearch.store.image_table import Listed

_NO: dict[Listed, str] = {
    "camera": 'no camera is called "{}"',
    "format": "no photo has the format {}",
    "keyword": 'no photo has the keyword "{}"',
    "person": 'no photo shows "{}"',
}
_FACTS: dict[Field, str] = {"taken": "date", "place": "place", "latitude": "place", "camera": "camera"}
"""The facts that many photos lack, and what people call them."""
_RARE: dict[Field, str] = {
    "person": "names a person",
    **{field: f"has a {field}" for field in ("keyword", "rating", "label", "title", "description", "caption")},
}
"""Facts that perhaps no photo has, and what people say of a photo that has them."""
_MOST = 3  # values that are named
_DISTANCES = tuple(digit * 10.0**zeros for zeros in range(-2, 5) for digit in (1, 2, 5) if digit * 10**zeros <= 20_000)
"""Kilometres around a point in which photos are looked for if a smaller distance has none: half the earth at most."""
_CLASS = re.compile(r"\[(.)\]")  # "[*]", a wildcard that is meant literally


def unmet_notes(filters: Sequence[Condition], store: VectorStore[SelectionT]) -> list[QueryNote]:
    """If no photo meets some filters: why each that alone leaves nothing does so, or that they only have no photo together."""
    everything = All(tuple(filters))
    if len(store.select(everything)):  # the query left out its own photo
        return []
    empty = list(dict.fromkeys(_empty(everything, store)))
    if empty == [everything] and not _is_dates(everything):
        return [QueryNote("values", "each filter alone has photos, but no photo meets all of them", "")]
    longer = {leaf: note for leaf in empty if isinstance(leaf, Test) and (note := _longer(leaf, store))}
    values = unmet([leaf for leaf in empty if leaf not in longer], store)
    notes: list[QueryNote | None] = [_no_name(empty)]
    for condition in empty:
        if _is_dates(condition):
            notes.append(_dates(condition, store) or _unknown("taken", store))
        elif isinstance(condition, Contains):
            notes.append(no_words(condition.text, store))
        elif not (condition in longer or _subject(condition) in values or _is_name(condition)):
            field = _needed_fact(condition)
            if field == "latitude" and len(store.select(Known(field))):
                notes.append(_no_position(condition, store))
                continue
            unknown = _unknown(field, store) if field else None
            if unknown and isinstance(condition, Test) and condition.operator == "!=":
                other = f"no photo has another {_FACTS[condition.field]}; {unknown.message}"
                unknown = replace(unknown, message=other)
            notes.append(unknown or _not_met(condition, store))
    if any(isinstance(condition, Contains) for condition in empty) and not len(store.select(Known("text"))):
        unread = "the text in the pictures has not been read; `clipsearch index --ocr` reads it"
        notes.append(QueryNote("unknown", unread, "text"))
    return [note for note in (*notes, *longer.values(), *values.values()) if note]


def _empty(condition: Condition, store: VectorStore[SelectionT]) -> Iterator[Condition]:
    """The smallest parts of a condition that no photo meets, if no photo meets it. Dates that belong together are one part."""
    if isinstance(condition, Either):
        for part in condition.conditions:
            yield from _empty(part, store)
        return
    if not isinstance(condition, All) or _is_dates(condition):
        yield condition
        return
    required = list(_required(condition))
    dates = [part for part in required if _is_dates(part)]
    others = [part for part in required if part not in dates]
    empty = [part for part in (*([All(tuple(dates))] if dates else []), *others) if not len(store.select(part))]
    if not empty:
        yield condition
    for part in empty:
        yield from _empty(part, store)


def _required(condition: Condition) -> Iterator[Condition]:
    """The conditions that must all hold for a condition."""
    if isinstance(condition, All):
        for part in condition.conditions:
            yield from _required(part)
    elif isinstance(condition, Either) and len(condition.conditions) == 1:
        yield from _required(condition.conditions[0])
    else:
        yield condition


def _is_dates(condition: Condition) -> bool:
    """Whether a condition is about the date alone, as a range is."""
    tests = condition.conditions if isinstance(condition, All) else (condition,)
    return bool(tests) and all(isinstance(test, Test) and test.field == "taken" for test in tests)


def _is_name(condition: Condition) -> bool:
    return isinstance(condition, Test) and condition.field == "name" and condition.operator in ("=", "~")


def _no_name(conditions: Sequence[Condition]) -> QueryNote | None:
    """The names of files that none has."""
    names = [_CLASS.sub(r"\1", str(test.value)) for test in conditions if isinstance(test, Test) and _is_name(test)]
    if not names:
        return None
    more = f" and {len(names) - _MOST:,} more" if len(names) > _MOST else ""
    listed = ", ".join(names[:_MOST]) + more
    what = "one of these names:" if len(names) > 1 else "a name like" if re.search(r"[*?]", listed) else "the name"
    return QueryNote("values", f"no file has {what} {listed}", "")


def _subject(condition: Condition) -> str:
    """The key of a condition's note in what `unmet` returns."""
    if isinstance(condition, Below):
        return condition.folder
    return "place" if isinstance(condition, Located) else condition.field if isinstance(condition, Test) else ""


def _not_met(condition: Condition, store: VectorStore[SelectionT]) -> QueryNote:
    """That no photo has the fact that a condition is about, or the condition itself."""
    if (
        isinstance(condition, Test)
        and (what := _RARE.get(condition.field))
        and not len(store.select(Known(condition.field)))
    ):
        return QueryNote("unknown", f"no photo {what}", condition.field)
    if isinstance(condition, InAlbum):
        return QueryNote("values", f"the album {condition.name} has no photos", "")
    from clipsearch.render.explain import condition_text

    return QueryNote("values", f"no photo meets this filter: {condition_text(condition)}", "")


def _needed_fact(leaf: Condition) -> Field | None:
    """The fact without which no photo meets a condition, if many photos lack it."""
    if isinstance(leaf, Located):
        return "place"
    if isinstance(leaf, (Near, Within)) or (isinstance(leaf, Test) and leaf.field in ("latitude", "longitude")):
        return "latitude"
    return leaf.field if isinstance(leaf, Test) and leaf.field in _FACTS else None


def _no_position(condition: Condition, store: VectorStore[SelectionT]) -> QueryNote:
    """That no photo is in a part of the map, and a distance from a point that has photos."""
    from clipsearch.render.explain import condition_text

    message = f"no photo {'has' if isinstance(condition, Test) else 'is'} {condition_text(condition)}"
    wider, around = _wider(condition, store) if isinstance(condition, Near) else ("", "")
    images = len(store)
    missing = images - len(store.select(Known("latitude")))
    lack = f"; {_lacking(missing, images)} a place" if missing else ""
    return QueryNote("near" if wider else "values", message + around + lack, wider)


def _wider(near: Near, store: VectorStore[SelectionT]) -> tuple[str, str]:
    """The filter for a larger distance from the same point, which has photos, and how many they are; "" if none has any."""
    for km in _DISTANCES:
        if km > near.km and (count := len(store.select(replace(near, km=km)))):
            be = "is" if count == 1 else "are"
            return f"{near.latitude:.10g},{near.longitude:.10g},{km:g}", f"; {count:,} {be} within {km:,g} km"
    return "", ""


def _unknown(field: Field, store: VectorStore[SelectionT]) -> QueryNote | None:
    """How many photos lack a fact."""
    images = len(store)
    missing = images - len(store.select(Known(field)))
    if not missing:
        return None
    name = _FACTS[field]
    lack = f"no photo has a {name}" if missing == images else f"{_lacking(missing, images)} a {name}"
    return QueryNote("unknown", f"{lack}, so no filter by {name} finds them", field)


def _lacking(missing: int, images: int) -> str:
    return f"{missing:,} of {images:,} photos {'lacks' if missing == 1 else 'lack'}"


def _dates(condition: Condition, store: VectorStore[SelectionT]) -> QueryNote | None:
    """If no photo is from some dates: that they exclude each other, or from when photos are. None if none has a date.

    Between photos, these are the nearest ones; else all that have a date.
    """
    limits = [leaf for leaf in leaves_of(condition) if isinstance(leaf, Test)]
    starts = [str(test.value) for test in limits if test.operator == ">="]
    ends = [str(test.value) for test in limits if test.operator == "<"]
    if starts and ends and max(starts) >= min(ends):
        message = f"no photo can be taken on {max(starts)[:10]} or later and also before {min(ends)[:10]}"
        return QueryNote("unknown", message, "taken")
    shown = []
    for order in ("oldest", "date"):
        records, dated = store.browse(Known("taken"), order, 0, 1)
        if not records or records[0].info.taken_at is None:
            return None
        shown.append(day(records[0].info.taken_at))
    images = len(store)
    lack = f"; {_lacking(images - dated, images)} a date" if dated < images else ""
    if starts and ends and len(starts) + len(ends) == len(limits):
        start, end = max(starts), min(ends)
        if near := _nearest_dates(start, end, store):
            return QueryNote(
                "unknown", f"no photo is from {_days(start, end)}; the nearest are from {near}{lack}", "taken"
            )
    reason = ""
    yearly = [test for test in limits if test.operator == "~" and str(test.value).startswith("????-")]
    if yearly:
        when = "this time of any year" if yearly == limits else "these dates"
        reason = f"no photo is from {when}; "
    return QueryNote("unknown", f"{reason}the photos with a date are from {shown[0]} to {shown[1]}{lack}", "taken")


def _nearest_dates(start: str, end: str, store: VectorStore[SelectionT]) -> str:
    """The dates of the last photo before a time and of the first after it; "" unless both exist."""
    before, _ = store.browse(Test("taken", "<", start), "date", 0, 1)
    after, _ = store.browse(Test("taken", ">=", end), "oldest", 0, 1)
    return f"{day(before[0].info.taken_at)} and {day(after[0].info.taken_at)}" if before and after else ""


def _days(start: str, end: str) -> str:
    """The days, months or years from one time until before another: "2012-10-31", "2012-06 to 2012-08"."""
    try:
        first, after = (datetime.fromisoformat(value + "0001-01-01T00:00:00"[len(value) :]) for value in (start, end))
        last = after - timedelta(seconds=1)
        next_day = last + timedelta(1)
    except (ValueError, OverflowError):  # a day that does not exist, such as 2012-02-30
        return f"{start} until before {end}"
    letters = 10
    if first.day == next_day.day == 1:
        letters = 4 if first.month == next_day.month == 1 else 7
    shown = [value.isoformat()[:letters] for value in (first, last)]
    return shown[0] if shown[0] == shown[1] else " to ".join(shown)


def _longer(test: Test, store: VectorStore[SelectionT]) -> QueryNote | None:
    """If no photo has a keyword or a person, but some have one with these words in it, how to find those."""
    if test.field not in ("keyword", "person") or test.operator != "=" or len(store.select(test)):
        return None
    glob = f"*{literal_glob(str(test.value))}*"
    count = len(store.select(Test(test.field, "~", glob)))
    if not count:
        return None
    have = "1 photo has it in a longer one" if count == 1 else f"{count:,} photos have it in a longer one"
    finds = "finds it" if count == 1 else "finds them"
    return QueryNote("longer", f'no photo has the {test.field} "{test.value}" alone; {have}: "{glob}" {finds}', glob)


def unmet(leaves: Sequence[Condition], store: VectorStore[SelectionT]) -> dict[str, QueryNote]:
    """A note for each fact or folder in the conditions that no photo has. It names the nearest values."""
    notes: dict[str, QueryNote] = {}
    wanted: dict[Listed, list[str]] = {}
    for leaf in leaves:
        if isinstance(leaf, Below) and not len(store.select(leaf)):
            notes[leaf.folder] = _no_folder(leaf.folder, store)
        elif isinstance(leaf, Located) and not len(store.select(leaf)) and (known := store.values_of("place")):
            notes["place"] = _no_place(leaf, known, len(store) - len(store.select(Known("place"))))
        elif not isinstance(leaf, Test) or leaf.operator not in ("=", "~") or leaf.field not in _NO:
            continue
        elif not len(store.select(leaf)):
            text = str(leaf.value)
            text = text.strip("*") if leaf.field == "camera" else text  # `--camera` puts the stars there
            wanted.setdefault(leaf.field, []).append(_CLASS.sub(r"\1", text))
    for field, values in wanted.items():
        known = store.values_of(field)
        if known and not (field == "format" and len(values) > 1 and any(value in known for value in values)):
            named = _nearest(values[0].strip("*"), known)
            what = _NO[field].format(values[0]) if len(values) == 1 else f"no photo has one of these {field}s"
            notes[field] = QueryNote("values", f"{what}; there {_listed(named, known)}", named[0])
    return notes


def no_words(text: str, store: VectorStore[SelectionT]) -> QueryNote | None:
    """If no photo's texts have all words of a text: those that none has, or that no photo has them together."""
    if len(store.select(Contains(text))):
        return None
    typed = pieces(text)
    missing = [piece for piece in typed if not len(store.select(Contains(piece)))]
    words = [piece.replace('"', "") for piece in missing or typed]
    more = f" and {len(words) - _MOST:,} more" if len(words) > _MOST else ""
    named = ", ".join(f'"{word}"' for word in words[:_MOST]) + more
    if not missing:
        return QueryNote("values", f"no photo has all of these words in its texts: {named}", "")
    fields = (
        "keyword, person, place or text in a picture"
        if len(store.select(Known("text")))
        else "keyword, person or place"
    )
    return QueryNote("values", f"no title, description, {fields} has {named}", "")


def _no_place(located: Located, known: Sequence[str], missing: int) -> QueryNote:
    from clipsearch.gazetteer import label  # few queries need it

    places = list(dict.fromkeys(map(label, known)))  # two codes may have one name
    named = places[:_MOST]
    asked = " or ".join(map(label, located.codes[:_MOST]))
    lack = f"; {counted(missing, 'photo')} {'has' if missing == 1 else 'have'} no place" if missing else ""
    most = f"the most frequent of {counted(len(places), 'place')} are" if len(places) > 1 else "the only place is"
    message = f"no photo is from {asked}; {most} {'; '.join(named)}{lack}"
    return QueryNote("values", message, named[0])


def _no_folder(folder: str, store: VectorStore[SelectionT]) -> QueryNote:
    holding = store.values_of("folder")  # photos; those above them count, too
    top = _common(holding)
    known = _with_those_above(holding, top) if top else holding
    near = [path for path in known if os.path.dirname(path) == os.path.dirname(folder)]
    near = near or [path for path in known if os.path.dirname(path) == top] or known
    named = _nearest(folder, near)
    others = f"; there {_listed(named, near)}" if named else ""
    what = f"{folder} is a file, not a folder" if os.path.isfile(folder) else f"no photo is below {folder}"
    return QueryNote("values", f"{what}{others}", named[0] if named else "")


def _common(folders: Sequence[str]) -> str:
    """The folder that all are in; "" if they share no folder but the root of the file system."""
    try:
        common = os.path.commonpath(folders)
    except ValueError:  # none, or on several drives
        return ""
    return common if os.path.dirname(common) != common else ""


def _with_those_above(folders: Sequence[str], top: str) -> list[str]:
    """Folders and the folders that they are in, below `top`, in the same order, without `top` itself."""
    known: dict[str, None] = {}
    for folder in folders:
        while folder not in known and len(folder) > len(top):
            known[folder] = None
            folder = os.path.dirname(folder)
    return list(known)


def _nearest(value: str, known: Sequence[str]) -> list[str]:
    """The values that are most like one, without case and accents, then the most frequent ones."""
    folded = {unaccented(other): other for other in reversed(known)}
    words = {word: other for other in reversed(known) for word in unaccented(other).split()}
    close = [folded[name] for name in difflib.get_close_matches(unaccented(value), folded, _MOST, 0.6)]
    close += [words[word] for word in difflib.get_close_matches(unaccented(value), words, _MOST, 0.7)]
    return list(dict.fromkeys([*close, *known]))[:_MOST]


def _listed(named: Sequence[str], known: Sequence[str]) -> str:
    """The values that are named, and how many more there are: "are JPEG, PNG and 2 more"."""
    more = [f"{len(known) - len(named):,} more"] if len(known) > len(named) else []
    *most, last = [*named, *more]
    names = f"{', '.join(most)} and {last}" if most else last
    return f"{'is' if len(known) == 1 else 'are'} {names}"
