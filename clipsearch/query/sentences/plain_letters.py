"""Letters of a sentence as its patterns have them: small, without accents."""

from __future__ import annotations

import unicodedata

from clipsearch._internal.letters import LETTERS


def folded(text: str) -> str:
    """A text in small letters and without accents and strokes. It has as many characters as the text in the form NFC."""
    letters = []
    for sign in unicodedata.normalize("NFC", text):
        simple = unicodedata.normalize("NFKD", sign)[:1].casefold()
        plain = simple if sign.isascii() else simple.translate(LETTERS)
        letters.append(plain if len(plain) == 1 else sign)
    return "".join(letters).replace("\u2019", "'")
