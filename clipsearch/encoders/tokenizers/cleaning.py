"""What OpenCLIP does with a text before it is tokenized: quotes, widths and entities are made plain.

Its models were trained on such texts. Source: `open_clip/tokenizer.py`, and `fix_text` of the ftfy library with its defaults,
except for its repair of text that was decoded wrongly, such as `Ã©` for `é`.
"""

from __future__ import annotations

import re
import string
import unicodedata

from clipsearch.encoders.plan import Cleaning
from clipsearch.encoders.tokenizers.base import Tokenizer
from clipsearch.encoders.unread import TextPiece

_LIGATURES = "ĲĳŉǱǲǳǄǅǆǇǈǉǊǋǌﬀﬁﬂﬃﬄﬆ"  # Unicode's own form of ﬅ is not ftfy's
_WIDE = f"[{_LIGATURES}\u3000\uff01-\uffef]"
_SINGLE_QUOTES, _DOUBLE_QUOTES = "[\u02bc\u2018-\u201b]", "[\u201c-\u201f]"
_WINDOWS_SIGNS = "[\x80\x82-\x8c\x8e\x91-\x9c\x9e\x9f]"  # controls that stand for signs of Windows-1252
_TERMINAL_ESCAPES = r"\x1b\[(?:\d|;)*[a-zA-Z]"
_CONTROLS = "[\x00-\x08\x0b\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffc]"
_PUNCTUATION = str.maketrans("", "", string.punctuation)


class CleaningTokenizer:
    """See Tokenizer. Texts are cleaned as OpenCLIP does, and encoded by another tokenizer."""

    def __init__(self, tokenizer: Tokenizer, cleaning: Cleaning) -> None:
        self._tokenizer, self._cleaning = tokenizer, cleaning

    @property
    def padding(self) -> int:
        """See Tokenizer."""
        return self._tokenizer.padding

    def encode(self, texts: list[str]) -> list[list[int]]:
        """See Tokenizer."""
        return self._tokenizer.encode([clean(text, self._cleaning) for text in texts])

    def pieces(self, text: str) -> list[TextPiece]:
        """See Tokenizer. They are those of the text as it is, so that they tell its own characters."""
        return self._tokenizer.pieces(text)


def clean(text: str, cleaning: Cleaning) -> str:
    """A text as OpenCLIP gives it to a tokenizer."""
    text = _plain(text)
    if cleaning == "canonicalize":
        text = text.replace("_", " ").translate(_PUNCTUATION).lower()
    text = " ".join(text.split())
    return text.lower() if cleaning == "lower" else text


def _plain(text: str) -> str:
    if "<" not in text:
        text = _without_entities(text)
    text = re.sub(_TERMINAL_ESCAPES, "", text)
    if not text.isascii():
        text = re.sub(_WINDOWS_SIGNS, lambda match: match[0].encode("latin-1").decode("cp1252"), text)
        text = re.sub(_WIDE, lambda match: unicodedata.normalize("NFKC", match[0]), text)
        text = re.sub(_SINGLE_QUOTES, "'", re.sub(_DOUBLE_QUOTES, '"', text))
    text = unicodedata.normalize("NFC", re.sub(_CONTROLS, "", text))
    return _without_entities(_without_entities(text))


def _without_entities(text: str) -> str:
    if "&" not in text:
        return text
    import html  # few texts need its table of two thousand names

    return html.unescape(text)
