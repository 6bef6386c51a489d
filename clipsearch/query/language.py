"""From the text that a user typed to a Query.

    query  := term { ("+" | "-") term }
    term   := [WEIGHT ":"] words | [WEIGHT ":"] '"' anything '"'

Put spaces around `+` and `-`. `2:snow` counts snow twice. Text in double quotes is searched literally: `"2:1"`,
`"salt + pepper"`. If the closing quote is missing, the quoted text reaches to the end: `"salt + pepper` is the same.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from clipsearch.errors import QueryError
from clipsearch.terms import Query, Term

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

EMPTY = "the query is empty; describe the photo you are looking for"
_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_WORD = re.compile(rf'(?:{_NUMBER}:)?(?:"[^"]*"(?=\s|$)|"(?P<open>\s*[^\s"][^"]*)$)|\S+')
_ONLY_WEIGHT = re.compile(rf"{_NUMBER}:")
_WEIGHT = re.compile(rf"({_NUMBER}):(?=[^\s\d])")  # "12:30" is a time
_NO_WEIGHT = re.compile(rf"([+-]{_NUMBER}|\d+,\d+|nan|NaN|[+-]?(?:inf|[iI]nfinity)):(?=[^\s\d])")
"""What looks like a weight, but cannot be one."""


def parse_query(content: str | os.PathLike[str] | Image | NDArray[np.float32] | Query) -> Query:
    """Make a Query of a text (in the language above), a picture (a Path or a PIL image) or an embedding (float32, (dim,)).

    QueryError if a text asks for nothing or cannot be understood.
    """
    if isinstance(content, Query):
        return content
    if isinstance(content, str):
        return Query(parse_terms(split_words(content)))
    return Query((Term(content),))


def split_words(text: str) -> list[str]:
    """Split a text into the words that `parse_terms` takes. A quote that is not closed is closed at the end."""
    return [f'{word[0].rstrip()}"' if word["open"] else word[0] for word in _WORD.finditer(text)]


def open_quote(text: str) -> str:
    """What follows a double quote that is not closed; "" if there is none."""
    return next((word["open"].strip() for word in _WORD.finditer(text) if word["open"]), "")


def shell_words(arguments: Sequence[str], is_whole: Callable[[str], bool]) -> list[str]:
    """The words of arguments as a shell gives them: each is read in the language above, so quotes of the shell do not count.

    An argument that `is_whole`, such as the name of a file, is one word; it gets the argument without its weight. A double
    quote may be closed in a later argument. If it is never closed, it is closed at the end of its own.
    """
    words: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if is_whole(without_weight(argument)):
            words.append(argument)
            continue
        if open_quote(argument):
            longer = (" ".join([argument, *rest[:end]]) for end in range(1, len(rest) + 1))
            taken = next((end for end, text in enumerate(longer, 1) if not open_quote(text)), 0)
            argument, rest = " ".join([argument, *rest[:taken]]), rest[taken:]
        words += split_words(argument)
    return words


def without_weight(argument: str) -> str:
    """An argument without the weight before it."""
    return _WEIGHT.sub("", argument, count=1)


def terms_text(terms: Sequence[Term]) -> str:
    """Terms in the language above; those that are no text are "a picture". `parse_terms` reads texts back as they were."""
    words = [word for term in terms for word in ("-" if term.weight < 0 else "+", part_text(term))]
    return " ".join(words[words[:1] == ["+"] :])


def texts_of(terms: Sequence[Term]) -> str:
    """Terms that are texts, in the language above."""
    return terms_text([term for term in terms if isinstance(term.content, str)])


def part_text(term: Term, picture: str = "a picture") -> str:
    """A term in the language above, without its sign; `picture` is what it is called if it is no text."""
    weight = "" if abs(term.weight) == 1 else f"{abs(term.weight):g}:"
    text = term.content
    if not isinstance(text, str):
        return weight + picture
    has_weight = _WEIGHT.match(text) or _NO_WEIGHT.match(text) or (weight and text[:1].isdigit())
    is_plain = not ({"+", "-"} & set(text.split()) or has_weight)
    return weight + (text if (is_plain and not term.literal) or '"' in text else f'"{text}"')


def parse_terms(
    words: Sequence[str], picture: Callable[[str], str | os.PathLike[str] | Image] = lambda word: word
) -> tuple[Term, ...]:
    """Make terms of words, as a shell or `split_words` splits them. A word with spaces in it was quoted by the user.

    `picture` may turn a term into a picture. It gets the term without its weight, and no terms in double quotes.
    QueryError if a sign has nothing after it, if a weight is not above 0, or if there are no terms.
    """
    terms: list[Term] = []
    sign = ""  # of the term that is being read; the first term may do without
    term_words: list[str] = []
    for place, word in enumerate([*words, None]):
        if word is not None and word not in ("+", "-"):
            term_words.append(word)
            continue
        if term_words:
            terms.append(_term(term_words, -1 if sign == "-" else 1, picture))
        elif sign:
            before, after = " ".join(words[: place - 1]), " ".join(words[place - 1 :])
            raise QueryError(
                f"there is nothing after the {sign}; put it in double quotes to search for it, "
                f"at: {before}{' ' if before else ''}>>> {after}"
            )
        sign, term_words = word or "", []
    if not terms:
        raise QueryError(EMPTY)
    return tuple(terms)


def _term(words: list[str], sign: int, picture: Callable[[str], str | os.PathLike[str] | Image]) -> Term:
    weight = 1.0
    if len(words) == 1 and _ONLY_WEIGHT.fullmatch(words[0]):
        raise QueryError(f"there is nothing after the weight {words[0]!r}; put it in double quotes to search for it")
    if wrong := _NO_WEIGHT.match(words[0]):
        raise QueryError(_wrong_weight(wrong[1]))
    if prefix := _WEIGHT.match(words[0]):
        weight = float(prefix[1])
        words = [words[0][prefix.end() :], *words[1:]]
        if not (0 < weight < math.inf):
            raise QueryError(_wrong_weight(prefix[1]))
    text = " ".join(words)
    is_literal = len(words) == 1 and len(text) > 1 and text[0] == text[-1] == '"'
    if is_literal:
        content: str | os.PathLike[str] | Image = text[1:-1]
    else:
        content = picture(text)
    if isinstance(content, str) and not content.strip():
        raise QueryError(EMPTY)
    return Term(content, sign * weight, is_literal)


def _wrong_weight(text: str) -> str:
    return (
        f"the weight {text} makes no sense; give a number above 0, such as 1.5, and - before what to avoid. "
        "Double quotes around the text search for it"
    )
