"""Words of texts, as the full-text table of the catalog has them, and its queries.

Words are folded here, and not by SQLite, so that all versions of SQLite find the same. Case and the accents of Latin, Greek and
Cyrillic letters do not count, nor do strokes through letters (ł, ø) and the points of Hebrew and Arabic. In scripts that are
written without spaces, and in Hangul, each character is a word of its own: a query is then found anywhere in a text, whatever
its length.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from clipsearch._internal.letters import LETTERS
from clipsearch.errors import QueryError

_VERSION = 2  # of the folding below

FOLDING = f"{_VERSION}, Unicode {unicodedata.unidata_version}"
"""How texts are folded. It differs if other words may come of it."""

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua9e0-\ua9ff\uac00-\ud7a3\uf900-\ufaff"
    "\uff66-\uff9f\U00020000-\U0003ffff"
)
"""Thai, Lao, Burmese, Khmer, kana, Chinese characters and Hangul."""

_IGNORED = re.compile("[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670]")
_LONGEST_WORD = 64  # characters; the rest of a longer one is a word of its own
_ASCII_WORD = re.compile(rf"[a-z0-9]{{1,{_LONGEST_WORD}}}")
_WITH_VOWEL_SIGNS = (
    "\u0900-\u0963\u0966-\u0dff"  # scripts of India: the signs are no letters to Unicode, but parts of words
)
_BETWEEN = "\ue000"
"""A word between two texts of a column, so that no phrase goes from one to the next. No query has it."""

_PART = re.compile(r'"([^"]*)"?(\*?)|(\S+)')  # a phrase between quotes, or a word


@lru_cache(1)
def _word() -> re.Pattern[str]:
    """A word. Compiling it takes some milliseconds, which a plain query does not need."""
    letter = rf"(?![{_UNSPACED}])(?:[^\W_]|[{_WITH_VOWEL_SIGNS}])"
    return re.compile(rf"[{_UNSPACED}]|(?:{letter}){{1,{_LONGEST_WORD}}}")


class Phrase(NamedTuple):
    """Words that follow each other; with `is_prefix`, the last one may go on.

    `former` are the words as an index has them whose texts were folded by an older version, if they differ: "łukasz".
    """

    words: tuple[str, ...]
    is_prefix: bool = False
    former: tuple[str, ...] = ()


def phrase_of(text: str, is_prefix: bool = False) -> Phrase | None:
    """The words of a text as a phrase; None if it has no words."""
    parts, former = tuple(words(text)), tuple(former_words(text))
    return Phrase(parts, is_prefix, former if former != parts else ()) if parts else None


def words(text: str) -> list[str]:
    """The folded words of a text, in their order."""
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    return [word for word, _ in located_words(text)]


def former_words(text: str) -> list[str]:
    """The words of a text as older versions folded them: with the strokes through letters, as in "łukasz"."""
    if text.isascii():
        return words(text)
    return _word().findall("".join(_folded(character, {}) for character in text))


def located_words(text: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """The folded words of a text with where each begins and ends in it."""
    folded: list[str] = []
    origin: list[int] = []  # of each folded character in `text`
    for position, character in enumerate(text):
        for part in _folded(character):
            folded.append(part)
            origin.append(position)
    for match in _word().finditer("".join(folded)):
        yield match[0], (origin[match.start()], origin[match.end() - 1] + 1)


def _folded(character: str, letters: dict[int, str] = LETTERS) -> str:
    if character < "\u0080":
        return character.lower()
    if "\uac00" <= character <= "\ud7a3":
        return character
    folded = unicodedata.normalize("NFKD", character).casefold().translate(letters)
    return unicodedata.normalize("NFC", _IGNORED.sub("", folded))


def unaccented(text: str) -> str:
    """A name without case and accents, as keywords and people are compared. Wildcards in it stay, and no others appear."""
    if text.isascii():
        return text.casefold()
    folded = unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).casefold()).translate(LETTERS)
    return unicodedata.normalize("NFC", _IGNORED.sub("", folded))


def column(texts: Iterable[Any]) -> str:
    """Texts as a column of the full-text table has them. What is no text is left out: damage may have put it there."""
    return f" {_BETWEEN} ".join(" ".join(words(text)) for text in texts if isinstance(text, str) and text)


def phrases(text: str) -> tuple[Phrase, ...]:
    """What `--text` asks for: words and "phrases", each perhaps with a * at its end. QueryError if it has no words."""
    found = []
    for quoted, star, bare in _PART.findall(text):
        if phrase := phrase_of(quoted or bare, bool(star) or (quoted or bare).endswith("*")):
            found.append(phrase)
    if not found:
        raise QueryError(f"{text!r} has no words to look for; give at least one letter or digit")
    return tuple(found)


def pieces(text: str) -> list[str]:
    """The words and "phrases" of what `--text` asks for, as they were typed, each once."""
    typed = (match[0] for match in _PART.finditer(text))
    return list(dict.fromkeys(piece for piece in typed if words(piece)))


def expression(wanted: Iterable[Phrase], *, any_of: bool = False) -> str:
    """Phrases as an expression of SQLite's FTS5: all of them are needed, or one is enough."""
    joined = " OR " if any_of else " AND "
    return joined.join(map(_expression, wanted))


def _expression(phrase: Phrase) -> str:
    forms = [phrase.words, phrase.former] if phrase.former else [phrase.words]
    quoted = " OR ".join(f'"{" ".join(form)}"{" *" if phrase.is_prefix else ""}' for form in forms)
    return f"({quoted})" if phrase.former else quoted


def occurrences(text: str, wanted: Iterable[Phrase]) -> list[tuple[int, int]]:
    """Where phrases are in a text: (begin, end) of each, in order; places that overlap are one."""
    located = list(located_words(text))
    found: list[tuple[int, int]] = []
    for phrase in wanted:
        length = len(phrase.words)
        for start in range(len(located) - length + 1):
            here = tuple(word for word, _ in located[start : start + length])
            same_last = here[-1].startswith(phrase.words[-1]) if phrase.is_prefix else here[-1] == phrase.words[-1]
            if same_last and here[:-1] == phrase.words[:-1]:
                found.append((located[start][1][0], located[start + length - 1][1][1]))
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(found):
        if merged and begin <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((begin, end))
    return merged
