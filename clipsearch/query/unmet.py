"""Why no photo meets a filter: values that no photo has, with those that photos do have."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from clipsearch.conditions import Below, Condition, Contains, Known, Located, Test
from clipsearch.query.hits import QueryNote
from clipsearch.query.vector_store import SelectionT, VectorStore
from clipsearch.render.text import counted
from clipsearch.store.full_text import pieces, unaccented

if TYPE_CHECKING:
    from clipsearch.store.file_tables import Listed

_NO: dict[Listed, str] = {
    "camera": 'no camera is called "{}"',
    "format": "no photo has the format {}",
    "keyword": 'no photo has the keyword "{}"',
    "person": 'no photo shows "{}"',
}
_MOST = 3  # values that are named
_CLASS = re.compile(r"\[(.)\]")  # "[*]", a wildcard that is meant literally


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
    return QueryNote("values", f"no photo is below {folder}{others}", named[0] if named else "")


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
