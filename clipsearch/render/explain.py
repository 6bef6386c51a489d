"""A query and its explanation, as JSON and as text."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from clipsearch.conditions import (
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
)
from clipsearch.render.text import human_bytes, printable
from clipsearch.terms import Query, Term, is_picture

_MOST_PLACES = 3  # that are named, of those that share a name
_LIMITS = (
    ("min_score", None, "score at least {:g}"),
    ("min_match", None, "match at least {:g}"),
    ("offset", 0, "skip the first {}"),
    ("diverse", False, "no near-copies"),
    ("one_per_shot", False, "one file of each shot"),
    ("all_moments", False, "every moment of a film, every page of a file"),
    ("sort", "score", "sorted by {}"),
)
"""Fields of a query, their usual values, and what an explanation says of another one."""


def query_to_json(query: Query) -> dict[str, Any]:
    """A query as JSON.

    {"terms": [{"kind": "text" | "image" | "embedding", "content", "weight"}], "filters": [text, ...], "prompts": [text, ...],
    "min_score", "min_match", "offset", "diverse", "one_per_shot", "all_moments", "sort", "right": [id, ...],
    "wrong": [id, ...], "exact", "hybrid"}
    """
    plain = ("min_score", "min_match", "offset", "diverse", "one_per_shot", "all_moments", "sort", "exact", "hybrid")
    return {
        "terms": [_term_object(term) for term in query.terms],
        "filters": [condition_text(condition) for condition in query.filters],
        "prompts": list(query.prompts),
        "right": list(query.right),
        "wrong": list(query.wrong),
        **{name: getattr(query, name) for name in plain},
    }


def notes_in_words(explained: dict[str, Any], words: Callable[[str], str]) -> dict[str, Any]:
    """`Hits.explain()` with the messages of its notes in other words, such as those of the command line (`with_flags`)."""
    return {**explained, "notes": [{**note, "message": words(note["message"])} for note in explained["notes"]]}


def explain_text(explained: dict[str, Any]) -> str:
    """`Hits.explain()` as lines of a name and a value; parameters of Python are between backticks."""
    photos = f"{explained['images']:,}"
    if explained["considered"] != explained["images"]:
        photos += (
            f", {explained['considered']:,} of them {'passes' if explained['considered'] == 1 else 'pass'} the filters"
        )
    lines = [
        *(("term", f"{_content(term)} x {term['weight']:g}") for term in explained["terms"]),
        *(("prompt", prompt) for prompt in explained["prompts"]),
        *(("word", f'searched as "{text}"') for text in explained.get("words", ())),
        *([("in texts", explained["text_words"])] if explained.get("text_words") else []),
        *((mark, f"photos {_numbers(explained[mark])}") for mark in ("right", "wrong") if explained.get(mark)),
        *(("filter", text) for text in explained["filters"]),
        *(
            ("limit", text.format(explained[name]))
            for name, usual, text in _LIMITS
            if explained[name] not in (usual, "likely")
        ),
        *([("order", order)] if (order := _order(explained)) else []),
        ("model", explained["model"]),
        *([("texts", f"by {explained['text_model']}")] if explained.get("text_model") else []),
        ("index", explained["index"]),
        ("photos", photos),
        ("search", _exactness(explained["approximate"])),
        ("scanned", f"{human_bytes(explained['bytes_scanned'])} of vectors"),
        ("time", ", ".join(f"{stage} {1000 * value:.1f} ms" for stage, value in explained["seconds"].items())),
    ]
    return "".join(f"{name:<8} {printable(text)}\n" for name, text in lines)


def _order(explained: dict[str, Any]) -> str:
    """Why a photo may stand before one with a higher score; "" if the scores alone count."""
    ways = "score and words in texts together (reciprocal rank fusion)" if explained.get("text_words") else "score"
    if explained["sort"] == "likely":
        return f"likely photos first, then by {ways}"
    return f"by {ways}" if explained.get("text_words") else ""


def _numbers(ids: list[int]) -> str:
    return ", ".join(map(str, ids))


def _exactness(approximate: dict[str, Any] | None) -> str:
    if approximate is None:
        return "exact"
    recall = f"recall@{approximate['k']} {approximate['recall']:.3f} measured on texts"
    return (
        f"approximate ({recall}, {approximate['kind']} of {approximate['made'][:10]}); `exact=True` searches all photos"
    )


def condition_text(condition: Condition) -> str:
    """A condition in the language of --where; places and folders in words."""
    if isinstance(condition, Test):
        value = condition.value if isinstance(condition.value, str) else f"{condition.value:.10g}"
        return f"{condition.field} {condition.operator} {_quoted(value)}"
    if isinstance(condition, Known):
        return f"{condition.field} is known"
    if isinstance(condition, Below):
        return f"in {_quoted(condition.folder)}"
    if isinstance(condition, Contains):
        return f"contains {_quoted(condition.text)}"
    if isinstance(condition, Located):
        return _place_text(condition)
    if isinstance(condition, Near):
        return f"within {condition.km:g} km of {condition.latitude:g},{condition.longitude:g}"
    if isinstance(condition, Within):
        return f"within {condition.south:g},{condition.west:g},{condition.north:g},{condition.east:g}"
    if isinstance(condition, InAlbum):
        return f"album = {_quoted(condition.name)}"
    if isinstance(condition, Among):
        return f"among {len(condition.ids):,} chosen photos"
    if isinstance(condition, Not):
        return f"not {_bracketed(condition.condition)}"
    word = " and " if isinstance(condition, All) else " or "
    return word.join(map(_bracketed, condition.conditions))


def _place_text(condition: Located) -> str:
    from clipsearch.gazetteer import label  # few queries need it

    labels = [_quoted(label(code)) for code in condition.codes]
    more = len(labels) - _MOST_PLACES
    places = [*labels[:_MOST_PLACES], *([f"{more} more places"] if more > 0 else [])]
    return f"in {' or '.join(places)}" if places else "in no place"


def _bracketed(condition: Condition) -> str:
    text = condition_text(condition)
    return f"({text})" if isinstance(condition, All | Either) else text


def _quoted(text: str) -> str:
    if re.fullmatch(r"[^\s()=<>!~'\"]+", text):
        return text
    return f'"{text}"' if "'" in text else f"'{text}'"


def _term_object(term: Term) -> dict[str, Any]:
    content = term.content
    if isinstance(content, str):
        kind, text = "text", content
    elif isinstance(content, np.ndarray) and is_picture(content):
        kind, text = "image", f"{content.shape[1]} x {content.shape[0]} pixels"
    elif isinstance(content, np.ndarray):
        kind, text = "embedding", f"{content.size} values"
    elif isinstance(content, os.PathLike):
        kind, text = "image", os.fspath(content)
    else:
        kind, text = "image", f"{content.width} x {content.height} pixels"
    return {"kind": kind, "content": text, "weight": term.weight}


def _content(term: dict[str, Any]) -> str:
    return f'"{term["content"]}"' if term["kind"] == "text" else f"{term['kind']} {term['content']}"
