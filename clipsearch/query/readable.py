"""Which terms of a query a model can read. What it cannot read finds photos at random, so it counts for no match."""

from __future__ import annotations

from clipsearch.encoders.base import Encoder
from clipsearch.encoders.recommended import languages_of
from clipsearch.encoders.unread import unread_words
from clipsearch.query.relevance import ARTICLES
from clipsearch.terms import Query, Term


def unread_in(text: str, encoder: Encoder) -> list[str]:
    """The words of a text that a model cannot read."""
    spec = encoder.spec
    is_english = languages_of(spec.text_model or spec.fingerprint.model) == "English"
    return unread_words(text, encoder.text_pieces, is_english=is_english)


def is_readable(term: Term, encoder: Encoder) -> bool:
    """Whether a model reads a term: a picture, or a text with a readable word other than an article."""
    if not isinstance(term.content, str) or term.content.isascii():
        return True
    unread = unread_in(term.content, encoder)
    others = set(term.content.split()) - set(unread)
    return not unread or any(word.lower() not in ARTICLES and any(map(str.isalpha, word)) for word in others)


def reads_nothing(query: Query, encoder: Encoder) -> bool:
    """Whether a query looks for something, and the model reads nothing of that."""
    wanted = [term for term in query.terms if term.weight > 0]
    return bool(wanted) and not any(is_readable(term, encoder) for term in wanted)
