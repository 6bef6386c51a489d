"""Names of places as they are compared: without case, accents and punctuation."""

from __future__ import annotations

import re
from unicodedata import category, normalize

from clipsearch._internal.letters import LETTERS

_QUOTES = re.compile("['`\u00b4\u02bb-\u02bf\u2018\u2019\u2032]")  # in the middle of words: "L'Aquila" is "laquila"
_OTHERS = re.compile(r"[\W_]+")


def fold(name: str) -> str:
    """A name as it is compared. Names that differ only in case, accents or punctuation are folded to the same text."""
    text = normalize("NFKD", name).casefold().translate(LETTERS)
    if not text.isascii():
        text = "".join(letter for letter in normalize("NFKD", text) if category(letter) != "Mn")
    return _OTHERS.sub(" ", _QUOTES.sub("", text)).strip()
