"""A Query as the parameters that clipsearch's server takes for it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

from clipsearch.errors import QueryError
from clipsearch.query.language import parse_terms, split_words
from clipsearch.types import All, Below, Condition, Either, Known, Near, Not, Query, Term, Test

if TYPE_CHECKING:
    from PIL.Image import Image

Parameters: TypeAlias = list[tuple[str, str]]
"""Names and values; a name may be there several times."""


def search_parameters(query: Query, top_k: int) -> tuple[Parameters, list[tuple[Term, str]]]:
    """What to ask for, and the pictures of the query, which must be uploaded, each with the parameter that then names it.

    QueryError for what cannot be said so: an embedding, folders within brackets.
    """
    if query.own:
        raise QueryError("a server finds out by itself which photos are a query's own")
    said: Parameters = [("q", text)] if (text := _texts(query.terms)) else []
    pictures = [
        (term, "unlike" if term.weight < 0 else "like") for term in query.terms if not isinstance(term.content, str)
    ]
    said += filter_parameters(query.filters)
    said += [("prompt", prompt) for prompt in query.prompts]
    limits = (("min_score", query.min_score), ("min_match", query.min_match))
    said += [(name, repr(float(value))) for name, value in limits if value is not None]
    said += [(name, "true") for name, wanted in (("diverse", query.diverse), ("keep_own", query.keep_own)) if wanted]
    said += [("approximate", "false")] if query.exact else []
    return [*said, ("offset", str(query.offset)), ("top_k", str(top_k)), ("sort", query.sort)], pictures


def filter_parameters(filters: Sequence[Condition]) -> Parameters:
    """Conditions that must all hold: folders and a place as parameters of their own, the others as an expression."""
    said: Parameters = []
    expressions = []
    for condition in map(_simplest, filters):
        folders = condition.conditions if isinstance(condition, Either) else (condition,)
        if all(isinstance(one, Below) for one in folders):
            some = [("in", one.folder) for one in folders if isinstance(one, Below)]
        elif isinstance(condition, Near):
            some = [("near", f"{condition.latitude!r},{condition.longitude!r},{condition.km!r}")]
        else:
            expressions.append(_expression(condition))
            continue
        if any(name == some[0][0] for name, _ in said):
            raise QueryError("a server takes one choice of folders and one place; ask for less at once")
        said += some
    if len(expressions) == 1:
        said.append(("where", expressions[0]))
    elif expressions:
        said.append(("where", " and ".join(f"({one})" for one in expressions)))
    return said


def picture_name(term: Term, token: str) -> str:
    """The value of `like` or `unlike` for an uploaded picture."""
    weight = abs(term.weight)
    return f"upload:{token}" if weight == 1 else f"{_number(weight)}:upload:{token}"


def _texts(terms: Sequence[Term]) -> str:
    """The texts among some terms, in the query language; "" if there are none. QueryError where it cannot say them."""
    texts = [term for term in terms if isinstance(term.content, str)]
    parts = []
    for term in texts:
        weight = "" if abs(term.weight) == 1 else f"{_number(abs(term.weight))}:"
        content = str(term.content)
        quoted = content if '"' in content else f'"{content}"'
        parts.append(f"{'-' if term.weight < 0 else '+'} {weight}{quoted}")
    text = " ".join(parts).removeprefix("+ ")
    if texts and parse_terms(split_words(text)) != tuple(texts):
        raise QueryError(
            'a text with both double quotes and signs or weights cannot be sent to a server; leave out the "'
        )
    return text


def _number(value: float) -> str:
    return format(Decimal(repr(value)), "f")


def _simplest(condition: Condition) -> Condition:
    """A condition without brackets around a single one."""
    if isinstance(condition, Not):
        return Not(_simplest(condition.condition))
    if not isinstance(condition, All | Either):
        return condition
    inside = tuple(map(_simplest, condition.conditions))
    return inside[0] if len(inside) == 1 else type(condition)(inside)


def _expression(condition: Condition) -> str:
    """A condition as `parse_where` reads it. QueryError where it cannot be said."""
    from clipsearch.query.filters import parse_where

    text = _written(condition)
    if parse_where(text) != condition:
        raise QueryError(f"this filter cannot be sent to a server: {text}")
    return text


def _written(condition: Condition) -> str:
    if isinstance(condition, Test):
        value = condition.value if isinstance(condition.value, str) else repr(condition.value)
        return f"{condition.field} {condition.operator} {_quoted(value)}"
    if isinstance(condition, Known):
        return f"{condition.field} is known"
    if isinstance(condition, Not):
        return f"not ({_written(condition.condition)})"
    if isinstance(condition, All | Either):
        word = " and " if isinstance(condition, All) else " or "
        return word.join(f"({_written(one)})" for one in condition.conditions)
    raise QueryError(
        "folders and places within an expression cannot be sent to a server; give them as filters of their own"
    )


def _quoted(text: str) -> str:
    if re.fullmatch(r"[^\s()=<>!~'\"]+", text):
        return text
    if "'" in text and '"' in text:
        raise QueryError(f"a filter with both kinds of quotes cannot be sent to a server: {text}")
    return f'"{text}"' if "'" in text else f"'{text}'"


def picture_bytes(content: str | os.PathLike[str] | Image | object) -> bytes:
    """A query's picture, as a file's bytes. QueryError for an embedding."""
    if isinstance(content, os.PathLike):
        with open(content, "rb") as stream:
            return stream.read()
    from PIL.Image import Image

    if not isinstance(content, Image):
        raise QueryError("an embedding cannot be sent to a server; send its text or picture")
    import io

    from clipsearch.images.reader import to_rgb

    file = io.BytesIO()
    to_rgb(content).save(file, format="PNG")
    return file.getvalue()
