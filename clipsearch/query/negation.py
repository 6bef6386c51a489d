"""Find what a sentence denies: "a beach without people", "ein Hund, nicht auf Gras", "une rue sans voitures".

Models take no notice of such words: photos of what is denied are among the best. A query that subtracts it does what was meant.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Literal, NamedTuple, TypeAlias

from clipsearch.encoders.base import ModelSpec
from clipsearch.encoders.recommended import languages_of
from clipsearch.terms import Query, Term

Language: TypeAlias = Literal["English", "German", "French", "Spanish"]

LANGUAGES: tuple[Language, ...] = ("English", "German", "French", "Spanish")

GAP = "\0"
"""A character of a text that stands for a fact, such as a date, which was found in it before."""

_BE = r"(?:(?:that|who|which|there)\s+)?(?:is|are|was|were)"
_DO = r"(?:(?:that|who|which)\s+)?(?:does|do|did)"
_SIGNS = "smoking|parking|entry|exit|trespassing|swimming|fishing|dogs\\s+allowed"  # of which there are photos
_CUES: dict[Language, tuple[str, ...]] = {
    "English": (
        r"(?:but\s+)?without(?:\s+any)?",
        rf"{_DO}(?:\s+not|n['\u2019]t)\s+(?:have|show|contain|include)(?:\s+any)?",
        rf"{_BE}(?:\s+not|n['\u2019]t)(?:\s+any)?",
        rf"(?:(?:{_BE}|but|and|with|has|have|having|contain(?:s|ing)|show(?:s|ing))\s+)?(?<!dr )(?<!dr\. )no"
        rf"(?!\.?\s*\d|\s+(?:{_SIGNS}|name|doubt|longer|more|less|one|matter|idea|way|time|to|of)\b)",
        r"(?:but\s+|and\s+)?(?<!forget me )(?<!whether or )(?<!if )(?<!why )not"
        r"(?!\s+(?:only|just|far|yet|much|too|quite|very|really|all|so|even|to|necessarily|always|unlike|a\s+lot)\b)"
        r"(?:\s+(?:with|showing|any)\b)?",
        r"except(?:\s+for)?",
        "excluding",
    ),
    "German": (
        r"ohne(?!\s+dass)(?:\s+(?:jede[nrs]?|irgendwelche))?",
        "(?:mit\\s+|und\\s+|aber\\s+)?keine?[nmrs]?",
        r"(?:aber\s+|und\s+)?nicht(?!\s+(?:nur|weit|sehr|so|mehr|ganz|auch|immer|viel|zu)\b)",
        "au(?:\u00df|ss)er(?!\\s+(?:dem|sich|betrieb)\\b)",
    ),
    "French": (
        r"(?:mais\s+)?sans(?!\s+(?:serif|que)\b)(?:\s+aucune?)?",
        r"(?:(?:(?:il\s+)?n['\u2019]y\s+a|mais)\s+)?pas(?=\s+(?:d['\u2019]|(?:de(?!\s+(?:deux|calais)\b)|du|des|sur|dans|avec|au|aux|en)\b))",
        "(?:avec\\s+)?aucune?",
        "sauf|hormis|except\u00e9",
    ),
    "Spanish": (
        r"(?:pero\s+)?(?<!original )(?<!deadly )sin(?!\s+(?:city|embargo)\b)(?:\s+ning[u\u00fa]n(?:a|o)?)?",
        r"(?:(?:que|donde)\s+)?no\s+hay(?:\s+ning[u\u00fa]n(?:a|o)?)?",
        r"(?:pero\s+)?no(?=\s+(?:en|sobre|con)\b)",
        r"ning[u\u00fa]n(?:a|o)?",
        "excepto|salvo",
    ),
}
"""Words that deny what follows them."""

_NOBODY: dict[Language, tuple[str, str]] = {
    "English": (r"(?:with\s+)?(?:nobody|no[ -]one)", "people"),
    "German": ("niemand(?:en|em)?", "Menschen"),
    "Spanish": (r"nadie", "personas"),
}
"""Words that deny a thing by themselves, and that thing."""

_SIGNS_OF_CUES: dict[Language, tuple[str, ...]] = {
    "English": ("no", "n't", "n\u2019t", "without", "exc"),
    "German": ("ohne", "kein", "nicht", "au\u00dfer", "ausser", "niemand"),
    "French": ("sans", "pas", "aucun", "sauf", "hormis", "exc"),
    "Spanish": ("sin", "no", "ning", "exc", "salvo", "nadie"),
}
"""Each cue has one of these in it. To compile the pattern of the cues takes longer than to find them in 10,000 photos."""

_STOPS: dict[Language, str] = {
    "English": "in on at by near under over behind beside during with from next along across through against around inside "
    "outside while as because when where that who which but",
    "German": "in im am an auf bei beim mit vor hinter unter \u00fcber neben aus zwischen w\u00e4hrend wo aber sondern",
    "French": "sur dans \u00e0 au aux avec devant derri\u00e8re sous pr\u00e8s pendant en mais o\u00f9",
    "Spanish": "en sobre con al junto cerca bajo detr\u00e1s delante durante pero donde",
}
"""Words that belong to the rest of a sentence again; directly after a cue they are only left out, as in "not on grass"."""

_LEFT_OUT = frozenset(
    ["the", "any", "der", "die", "das", "dem", "den", "le", "la", "les", "l", "de", "du", "des", "el", "los", "las"]
)
"""Words that are left out before what is denied."""

_ELIDED = re.compile("^[dl]['\u2019]", re.IGNORECASE)
_JOINING = frozenset(("and", "or", "nor", "und", "oder", "noch", "et", "ou", "ni", "y", "o", "&"))
_AT_ENDS = re.compile(
    r"^(?:[\s,;.]|(?:and|und|et|y|or|oder|but|aber|mais|pero|with|mit|avec|con)\b)+"
    r"|(?:[\s,;]|\b(?:and|und|et|or|oder|but|aber|mais|pero)(?=[\s,;]*$))+$",
    re.IGNORECASE,
)
_TOKEN = re.compile(rf"{GAP}+|[,;:.!?()\u2013\u2014]+|[^\s,;:.!?()\u2013\u2014{GAP}]+")


class Negation(NamedTuple):
    """A part text[start:end] of a text that denies something."""

    start: int
    end: int
    cue: str  # the words that deny: "without"
    denied: tuple[str, ...]  # "people", "cars"
    gaps: tuple[int, ...] = ()  # where facts begin that are denied


def negations(text: str, languages: Collection[Language] = LANGUAGES) -> list[Negation]:
    """What a text denies, in its order. They do not overlap. A fact that was found before is a run of GAP."""
    found: list[Negation] = []
    folded = text.lower()
    if not any(sign in folded for language in languages for sign in _SIGNS_OF_CUES[language]):
        return found
    end = 0
    for match in _cues(tuple(languages)).finditer(text):
        if match.start() < end:
            continue
        language = _language(match)
        if match.groupdict().get(f"Nobody{language}"):
            negation = Negation(match.start(), match.end(), match[0], (_NOBODY[language][1],))
        else:
            negation = _read(text, match, language, tuple(languages))
        if negation.denied or negation.gaps:
            found.append(negation)
            end = negation.end
    return found


def without_negations(terms: Sequence[Term], languages: Collection[Language] = LANGUAGES) -> tuple[Term, ...]:
    """The terms, with what their texts deny as terms of their own that are subtracted."""
    plain: list[Term] = []
    for term in terms:
        found = negations_of(term, languages)
        if not found:
            plain.append(term)
            continue
        text = str(term.content)
        if rest := cut(text, found):
            plain.append(replace(term, content=rest))
        plain += subtracted(term, found)
    return tuple(plain)


def negations_of(term: Term, languages: Collection[Language]) -> list[Negation]:
    """What a term denies. It reads only wanted texts, and nothing in double quotes."""
    if not isinstance(term.content, str) or term.weight <= 0 or term.literal:
        return []
    return negations(term.content, languages)


def subtracted(term: Term, found: Sequence[Negation]) -> list[Term]:
    """What a term denies as terms with the opposite weight."""
    return [replace(term, content=denied, weight=-term.weight) for negation in found for denied in negation.denied]


def cut(text: str, found: Sequence[Negation]) -> str:
    """A text without the parts that deny something."""
    for negation in reversed(found):
        text = f"{text[: negation.start].rstrip()} {text[negation.end :].lstrip()}"
    text = re.sub(r"\s+(?=[,;.!?])", "", " ".join(text.split()))
    text = re.sub(r"\b(?:but|aber|mais|pero) (?=(?:with|mit|avec|con)\b)", "", text)
    return _AT_ENDS.sub("", text)


def denies(query: Query, spec: ModelSpec) -> bool:
    """Whether a text of a query denies something in a language that its model reads."""
    languages = languages_read(spec.text_model or spec.fingerprint.model)
    return any(negations_of(term, languages) for term in query.terms)


def languages_read(model: str) -> tuple[Language, ...]:
    """The languages, of those that are known here, that a model reads. A model that nothing is known of may read all."""
    return LANGUAGES[:1] if languages_of(model) == "English" else LANGUAGES


@cache
def _cues(languages: tuple[Language, ...]) -> re.Pattern[str]:
    """One pattern for all cues; a group names the language of its cue."""
    parts = [f"(?P<Nobody{name}>{_NOBODY[name][0]})" for name in languages if name in _NOBODY]
    # Other languages come first: Spanish "no hay" is longer than "no".
    parts += [f"(?P<{language}>{'|'.join(_CUES[language])})" for language in reversed(languages)]
    return re.compile(rf"(?<![\w-])(?:{'|'.join(parts)})(?![\w-])", re.IGNORECASE)


def _language(match: re.Match[str]) -> Language:
    groups = match.groupdict()
    return next(name for name in LANGUAGES if groups.get(name) or groups.get(f"Nobody{name}"))


def _read(text: str, match: re.Match[str], language: Language, languages: tuple[Language, ...]) -> Negation:
    """What is denied after a cue: up to a sign, the next cue, or a word with which the sentence goes on."""
    stops = _STOPS[language].split()
    items: list[list[str]] = [[]]
    gaps: list[int] = []
    end, after_gap, is_joined = match.end(), False, False
    following = _cues(languages).search(text, match.end())
    limit = following.start() if following else len(text)
    for token in _tokens(text, match.end(), limit):
        word = token[0].lower()
        at_start = not items[-1] and not after_gap
        if word[0] in ",;:.!?()\u2013\u2014":
            break
        if word[0] == GAP:
            if not at_start:
                break
            gaps.append(token.start())
            after_gap = True
        elif word in stops:
            if not at_start or is_joined:  # "without people and with dogs" goes on
                break
            continue
        elif word in _JOINING and (items[-1] or after_gap):
            items.append([])
            after_gap, is_joined = False, True
            continue
        elif after_gap:
            break
        elif not items[-1] and word in _LEFT_OUT:
            continue
        else:
            items[-1].append(token[0] if items[-1] else _ELIDED.sub("", token[0]))
        end, is_joined = token.end(), False
    denied = tuple(" ".join(words) for words in items if words)
    return Negation(match.start(), end, match[0].strip(), denied, tuple(gaps))


def _tokens(text: str, start: int, end: int) -> Iterator[re.Match[str]]:
    return _TOKEN.finditer(text, start, end)
