"""From what a user typed to a Query.

    query  := term { ("+" | "-") term }
    term   := [WEIGHT ":"] words | [WEIGHT ":"] '"' anything '"'

The signs stand alone, between spaces; within words they are only signs. `2:snow` counts snow twice. Between double quotes
everything is taken as it is: `"2:1"`, `"salt + pepper"`.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from clipsearch.errors import QueryError
from clipsearch.types import Query, Term

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

EMPTY = "the query is empty; describe the photo you are looking for"
_WORD = re.compile(r'(?:\d*\.?\d+:)?"[^"]*"(?=\s|$)|\S+')
_WEIGHT = re.compile(r"(\d+\.?\d*|\.\d+):(?=[^\s\d])")  # "12:30" is a time


def parse_query(content: str | os.PathLike[str] | Image | NDArray[np.float32] | Query) -> Query:
    """What to look for as a Query: text (str, in the language above), a picture (a Path or a PIL image), or an embedding.

    An embedding is float32 (dim,). QueryError for a text that asks for nothing or cannot be understood.
    """
    if isinstance(content, Query):
        return content
    if isinstance(content, str):
        return Query(parse_terms(split_words(content)))
    return Query((Term(content),))


def split_words(text: str) -> list[str]:
    """A text as the words that parse_terms takes."""
    return _WORD.findall(text)


def parse_terms(
    words: Sequence[str], picture: Callable[[str], str | os.PathLike[str] | Image] = lambda word: word
) -> tuple[Term, ...]:
    """Words, as a shell splits them or parse_query does, as terms. A word with spaces in it is one the user has quoted.

    `picture` may turn a term into a picture; it gets it without its weight, and only where it is not between double quotes.
    """
    terms: list[Term] = []
    sign = ""  # before the term that is being read; the first needs none, and may have one
    some: list[str] = []
    for word in [*words, None]:
        if word is not None and word not in ("+", "-"):
            some.append(word)
            continue
        if some:
            terms.append(_term(some, -1 if sign == "-" else 1, picture))
        elif sign:
            raise QueryError(
                f"there is nothing after the {sign} in {' '.join(words)!r}; put it between double quotes if you mean it"
            )
        sign, some = word or "", []
    if not terms:
        raise QueryError(EMPTY)
    return tuple(terms)


def _term(words: list[str], sign: int, picture: Callable[[str], str | os.PathLike[str] | Image]) -> Term:
    weight = 1.0
    if found := _WEIGHT.match(words[0]):
        weight = float(found[1])
        words = [words[0][found.end() :], *words[1:]]
        if not (0 < weight < math.inf):
            raise QueryError(f"the weight {found[1]} makes no sense; give a number above 0, and - before what to avoid")
    text = " ".join(words)
    if len(words) == 1 and len(text) > 1 and text[0] == text[-1] == '"':
        content: str | os.PathLike[str] | Image = text[1:-1]
    else:
        content = picture(text)
    if isinstance(content, str) and not content.strip():
        raise QueryError(EMPTY)
    return Term(content, sign * weight)
