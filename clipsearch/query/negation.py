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
from clipsearch.query.quoted import masked, unmasked
from clipsearch.terms import Query, Term

Language: TypeAlias = Literal["English", "German", "French", "Spanish"]

LANGUAGES: tuple[Language, ...] = ("English", "German", "French", "Spanish")

GAP = "\0"
"""A character of a text that stands for a fact, such as a date, which was found in it before."""

PLACE_GAP, PERSON_GAP = "\1", "\2"
"""The same for places and people."""

OWN_GAP = "\3"
"""The first character of a gap for a fact with a preposition that is in no table of stops, as in "before 2015".

A list of what is denied ends before it: "not in 2018, before 2015" is before 2015.
"""

GAPS = GAP + PLACE_GAP + PERSON_GAP + OWN_GAP

_BE = r"(?:(?:that|who|which|there)\s+)?(?:is|are|was|were)"
_DO = r"(?:(?:that|who|which)\s+)?(?:does|do|did)"
_ALL = r"(?:any|every)"
_BEFORE_PLACE = (
    r"(?=(?:\s+(?:of|the|von|der|den|dem|de|la|le|les|du|des|del|el|los|las)\b|\s+[dl]['\u2019])*"
    rf"\s*{OWN_GAP}?{PLACE_GAP})"
)
_BEFORE_FACT = (
    r"(?=\s+(?:(?:in|at|on|near|from|of|with|en|sobre|con|im|am|bei|mit|aus|von|dans|sur|avec|\u00e0|au|aux)\b"
    rf"|[{GAPS}]))"
)
_BEFORE_NAME = (
    r"(?=(?:\s+(?:in|at|from|of|with|en|con|im|am|mit|aus|von|dans|avec|\u00e0|au|aux|the|der|de|du|la|le|les|el)\b"
    rf"|\s+[dl]['\u2019])*\s*[{GAPS}])"
)
_SIGNS = "smoking|parking|entry|exit|trespassing|swimming|fishing|dogs\\s+allowed"  # of which there are photos
_CUES: dict[Language, tuple[str, ...]] = {
    "English": (
        r"(?:but\s+)?without(?:\s+any)?",
        rf"{_DO}(?:\s+not|n['\u2019]t)\s+(?:have|show|contain|include)(?:\s+any)?",
        rf"{_BE}(?:\s+not|n['\u2019]t)(?:\s+(?:any|taken|shot))?",
        rf"(?:(?:{_BE}|but|and|with|has|have|having|contain(?:s|ing)|show(?:s|ing))\s+)?(?<!dr )(?<!dr\. )no"
        rf"(?!\.?\s*\d|\s+(?:{_SIGNS}|name|doubt|longer|more|less|one|matter|idea|way|time|to|of)\b)",
        r"(?:but\s+|and\s+)?(?<!forget me )(?<!whether or )(?<!if )(?<!why )not"
        r"(?!\s+(?:only|just|far|yet|much|too|quite|very|really|all|so|even|to|necessarily|always|unlike|a\s+lot)\b)"
        r"(?:\s+(?:with|showing|any|taken|shot)\b)?",
        r"(?:with\s+)?neither",
        rf"nothing{_BEFORE_NAME}",
        r"none(?=\s+(?:of|with|from|in|at)\b)",
        rf"(?:never|nowhere){_BEFORE_FACT}",
        rf"(?:{_ALL}(?:where|thing)\s+)?outside(?:\s+of)?{_BEFORE_PLACE}",
        rf"{_ALL}(?:where|thing|one|body)\s+but|all\s+but(?=\s+(?:in\s+)?[{GAPS}])",
        rf"(?:{_ALL}(?:where|thing)\s+)?(?:except(?:\s+for)?|excluding|apart\s+from|aside\s+from|other\s+than)",
        r"with\s+the\s+exception\s+of|(?:rather\s+than|instead\s+of)",
    ),
    "German": (
        r"ohne(?!\s+dass)(?:\s+(?:jede[nrs]?|irgendwelche))?",
        "(?:mit\\s+|und\\s+|aber\\s+)?keine?[nmrs]?",
        r"(?:aber\s+|und\s+)?nicht(?!\s+(?:nur|weit|sehr|so|mehr|ganz|auch|immer|viel|zu)\b)",
        "(?:(?:\u00fcberall|alles)\\s+)?au(?:\u00df|ss)er(?!\\s+(?:dem|sich|betrieb)\\b)",
        rf"(?:\u00fcberall\s+)?au(?:\u00df|ss)erhalb{_BEFORE_PLACE}",
        rf"(?:niemals|nie|nirgends|nirgendwo){_BEFORE_FACT}",
        rf"weder|nichts{_BEFORE_NAME}",
        r"mit\s+ausnahme\s+von|abgesehen\s+von",
    ),
    "French": (
        r"(?:mais\s+)?sans(?!\s+(?:serif|que)\b)(?:\s+aucune?)?",
        r"(?:(?:(?:il\s+)?n['\u2019]y\s+a|mais)\s+)?(?<!deux )(?<!quelques )"
        r"(?:n['\u2019]est\s+|ne\s+sont\s+)?pas(?:\s+prise?s?)?"
        rf"(?=\s+(?:d['\u2019]|(?:l['\u2019]|l[ae]s?\s+)?[{GAPS}]|(?:de(?!\s+(?:deux|calais)\b)|du|des|sur|dans|avec|\u00e0|au|aux|en)\b))",
        rf"(?:mais\s+)?(?:jamais|nulle\s+part){_BEFORE_FACT}|rien{_BEFORE_NAME}",
        "(?:avec\\s+)?aucune?",
        rf"(?:(?:partout|tout)\s+)?(?:sauf|hormis|except\u00e9)|(?:mis(?:es?)?\s+)?\u00e0\s+part{_BEFORE_FACT}",
        rf"(?:en\s+de)?hors{_BEFORE_PLACE}",
        r"\u00e0\s+l['\u2019]exception\s+(?:de|du|des)",
        r"ni(?=\s.*\sni\s)",
    ),
    "Spanish": (
        r"(?:pero\s+)?(?<!original )(?<!deadly )sin(?!\s+(?:city|embargo)\b)(?:\s+ning[u\u00fa]n(?:a|o)?)?",
        r"(?:(?:que|donde)\s+)?no\s+hay(?:\s+ning[u\u00fa]n(?:a|o)?)?",
        rf"(?:pero\s+)?no(?:\s+tomad[ao]s?)?(?=\s+(?:en|sobre|con)\b|\s+[{GAPS}])",
        r"que\s+no\s+sean?\b|(?:que\s+)?no\s+(?:est[a\u00e1]n?|es|son|aparecen?|salen?)\b",
        rf"(?:pero\s+)?nunca{_BEFORE_FACT}|nada{_BEFORE_NAME}|en\s+ninguna\s+parte{_BEFORE_PLACE}",
        r"ning[u\u00fa]n(?:a|o)?",
        r"(?:todo\s+)?(?:excepto|salvo)|todo\s+menos",
        rf"menos{_BEFORE_FACT}|(?:a\s+)?fuera{_BEFORE_PLACE}",
        r"(?:a|con)\s+excepci[o\u00f3]n\s+de",
        r"ni(?=\s.*\sni\s)",
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
    "English": (
        "no",
        "n't",
        "n\u2019t",
        "out",
        "exc",
        "neither",
        "never",
        " but",
        "apart",
        "aside",
        "than ",
        "instead",
    ),
    "German": ("ohne", "kein", "nicht", "au\u00dfer", "ausser", "nie", "nirgend", "weder", "ausnahme", "abgesehen"),
    "French": ("sans", "pas", "aucun", "sauf", "hors", "hormis", "exc", "jamais", "part", "rien", "ni "),
    "Spanish": ("sin", "no", "ning", "exc", "salvo", "nadie", "nunca", "nada", "menos", "fuera", "ni "),
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
) | frozenset(["of", "von", "d", "del"])  # "none of Anna"
"""Words that are left out before what is denied."""

_ELIDED = re.compile("^[dl]['\u2019]", re.IGNORECASE)
_JOINING = frozenset(("and", "or", "nor", "und", "oder", "noch", "et", "ou", "ni", "y", "o", "&"))
_OR = frozenset(("or", "oder", "ou", "o"))
_NOR = frozenset(("nor", "noch", "ni"))
_AFTER_OR = re.compile(r"(?:^|\s)(?:or|oder|ou|o)\s*$", re.IGNORECASE)
_LINKS = frozenset(("of", "from", "by", "von", "aus", "de", "d", "del", "du", "to", "nach", "desde", "vers"))
"""Words before a fact that belong to it, not to the text before."""

_PHOTOS_OF = (
    r"(?:\s+(?:(?:a|single|de|des|eine?[nrsm]?)\s+|d['\u2019])?(?:photo(?:graph)?s?|pictures?|pics?|images?|(?:snap)?shots?|fotos?|bild(?:er)?|aufnahmen?"
    r"|fotografien?|clich\u00e9s?|im[a\u00e1]gen(?:es)?|fotograf[i\u00ed]as?)"
    r"(?:\s+(?:taken|shot|aufgenommen|prises?|tomad[ao]s?))?"
    rf"(?=\s+(?:(?:of|with|from|in|at|von|mit|aus|im|de|du|des|en|\u00e0|avec|con)\b|d['\u2019]|[{GAPS}])))?"
)
"""As in "no photos of dogs": these words are not what is denied."""

_FEW_WORDS = rf"(?:\s+[^\s,;.:!?{GAPS}]+){{1,3}}"
_PREPOSITIONS = (
    "above|after|before|below|beneath|beyond|since|through|till|to|towards?|until|within"
    "|ab|bis|durch|f\u00fcr|gegen|innerhalb|nach|seit|um|zum?|zur"
    "|apr\u00e8s|avant|chez|contre|depuis|jusqu|parmi|pour|vers|antes|contra|desde|despu\u00e9s|entre|hacia|hasta|para|tras"
)
"""Words that are no stops, with which a sentence goes on after a comma."""

_LIST = rf",(?!\s+(?:{_PREPOSITIONS})\b)(?={_FEW_WORDS}(?:,{_FEW_WORDS})*,?\s+(?:or|nor|oder|ou|o|ni)\s)"
"""The comma of a list, as in "without people, dogs or cats", but not in "without people, after rain or snow"."""

_AT_ENDS = re.compile(
    r"^(?:[\s,;.]|(?:and|und|et|y|or|oder|but|aber|mais|pero|with|mit|avec|con)\b)+"
    r"|(?:[\s,;]|\b(?:and|und|et|or|oder|but|aber|mais|pero)(?=[\s,;]*$))+$",
    re.IGNORECASE,
)
_DENYING = (
    r"(?<!\w)(?:not|no|never|longer|none|neither|nor|without|except|excluding|minus|nicht|mehr|nie|niemals|keine?[nmrs]?|weder|ohne"
    r"|au(?:\u00df|ss)er|au(?:\u00df|ss)erhalb|pas|jamais|ni|sans|sauf|hors|hormis|sin|nunca|tampoco|fuera|excepto|salvo"
    r"|(?:is|are|was|were|do|does|did)n['\u2019]t)(?:\s+(?:the|of|der|die|den|dem|le|la|les|el|los|las|taken)|\s+[dl]['\u2019])*\s*$"
)
_FAR_FROM = (
    r"(?<!not )(?<!nicht )(?<!pas )(?<!no )(?<!non )\b(?:far|away|weit|weg|loin|lejos)\s+"
    r"(?=(?:from|von|vom|de|du|del)\b|d['\u2019])"
)
_DIRECTION = (
    r"(?:(?<!in )(?<!the )(?<!north[ -])(?<!south[ -])|to the )"
    r"(?:(?:north|south)[ -]?(?:east|west)|north|south|east|west)"
    r"|(?:(?:nord|s(?:\u00fc|ue?)d)?(?:(?:\u00f6|oe?)st|west)|n(?:\u00f6|oe?)rd|s(?:\u00fc|ue?)d)lich"
    r"|au\s+(?:nord|sud)(?:[ -]?(?:est|ouest))?|\u00e0\s+l['\u2019](?:est|ouest)"
    r"|al\s+(?:norte|sur|(?:nor|sur)?(?:este|oeste))"
)
_NUMBER = (
    r"(?:\d+|an?|one|two|three|four|five|few|several|eine[rn]?|zwei|drei|vier|f\u00fcnf|une|deux|trois|quatre|cinq"
    r"|una|dos|tres|cuatro|cinco)"
)
_DISTANCE = (
    rf"(?:{_NUMBER}[\s-]*(?:m|met(?:er|re)s?|m\u00e8tres?|metros?|h|hours?|stunden?|heures?|horas?|min(?:ute)?[sn]?|minutos?)"
    r"|(?:\d+[\s-]*)?(?:kms?|kilomet(?:er|re)[sn]?|kilom\u00e8tres?|kil\u00f3metros?|miles?|meilen?))"
    r"(?:['\u2019]s)?(?:\s+(?:drive|ride|walk|flight|entfernt))?"
)
_BESIDE = (
    rf"(?<!\w)(?:{_DIRECTION}|{_DISTANCE})\s+(?:um\s+|(?=(?:of|from|around|von|vom|de|du|del)\b|d['\u2019]))"
    r"|(?<!\w)(?:leaving|quittant|saliendo)\s+(?!(?:in|at|near|around|from|to|en|\u00e0|dans|desde|a)\b)"
)
"""Words before a place that a photo may be near to: "north of Rome", "an hour from Rome", "leaving Rome".

But "the north of Italy" is in Italy.
"""

_DENYING_AFTER = (
    r"\s+(?:is|was|are)(?:\s+not|n['\u2019]t)\s+(?:there|present|visible|shown|in\s+(?:it|them))\b"
    r"|\s+(?:(?:not|no|nicht|non|pas)|(?:is|was|are)(?:\s+not|n['\u2019]t)|(?:is|was|are)\s+(?:absent|missing|gone)|nicht\s+(?:ist|war|sind|dabei|drauf|da|zu\s+sehen)(?:\s+(?:ist|war|sind))?"
    r"|fehlt|n['\u2019](?:est|appara[i\u00ee]t)\s+pas(?:\s+l\u00e0)?|no\s+(?:est[a\u00e1]|aparece|sale)|falta)\s*(?:$|[,.;!?)])"
)
_TOKEN = re.compile(
    rf"{OWN_GAP}?(?:{GAP}+|{PLACE_GAP}+|{PERSON_GAP}+)|[,;:.!?()\u2013\u2014]+|[dl]['\u2019](?=[{GAPS}])|[^\s,;:.!?()\u2013\u2014{GAPS}]+",
    re.IGNORECASE,
)


class Negation(NamedTuple):
    """A part text[start:end] of a text that denies something."""

    start: int
    end: int
    cue: str  # the words that deny: "without"
    denied: tuple[str, ...]  # "people", "cars"
    gaps: tuple[int, ...] = ()  # where facts begin that are denied


def negations(text: str, languages: Collection[Language] = LANGUAGES) -> list[Negation]:
    """What a text denies, in its order. They do not overlap. A fact that was found before is a run of a character of GAPS.

    No word in double quotes denies anything, but all of the quoted text may be denied.
    """
    found: list[Negation] = []
    text, quoted = masked(text)
    folded = text.lower()
    if not any(sign in folded for language in languages for sign in _SIGNS_OF_CUES[language]):
        return found
    end = 0
    for match in _cues(tuple(languages)).finditer(text):
        if match.start() < end:
            continue
        if (either := _AFTER_OR.search(text, 0, match.start())) and not (found and either.start() <= end):
            continue  # "with or without people"
        language = _language(match)
        if match.groupdict().get(f"Nobody{language}"):
            negation = Negation(match.start(), match.end(), match[0], (_NOBODY[language][1],))
        else:
            negation = _read(text, match, language, tuple(languages))
        if negation.denied or negation.gaps:
            found.append(negation._replace(denied=tuple(unmasked(what, quoted) for what in negation.denied)))
            end = negation.end
    return found


def may_be_denied(text: str, start: int, end: int) -> bool:
    """Whether words beside text[start:end], which no negation has, may deny it: "far from Rome", "north of Rome"."""
    words = (_FAR_FROM, _BESIDE)
    is_elsewhere = any(found.end() == start for each in words for found in _pattern(each).finditer(text, 0, end))
    return is_elsewhere or bool(_pattern(_DENYING).search(text, 0, start) or _pattern(_DENYING_AFTER).match(text, end))


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
def _pattern(words: str) -> re.Pattern[str]:
    """A pattern that few queries need, so that a plain one does not wait for it."""
    return re.compile(words, re.IGNORECASE)


@cache
def _cues(languages: tuple[Language, ...]) -> re.Pattern[str]:
    """One pattern for all cues; a group names the language of its cue."""
    parts = [f"(?P<Nobody{name}>{_NOBODY[name][0]})" for name in languages if name in _NOBODY]
    # Other languages come first: Spanish "no hay" is longer than "no".
    parts += [f"(?P<{language}>{'|'.join(_CUES[language])})" for language in reversed(languages)]
    return re.compile(rf"(?<![\w-])(?:{'|'.join(parts)})(?![\w-]){_PHOTOS_OF}", re.IGNORECASE)


def _language(match: re.Match[str]) -> Language:
    groups = match.groupdict()
    return next(name for name in LANGUAGES if groups.get(name) or groups.get(f"Nobody{name}"))


def _read(text: str, match: re.Match[str], language: Language, languages: tuple[Language, ...]) -> Negation:
    """What is denied after a cue: up to a sign, the next cue, or a word with which the sentence goes on."""
    is_ni = match[0].lower() == "ni"  # of French and of Spanish
    stops = (f"{_STOPS['French']} {_STOPS['Spanish']}" if is_ni else _STOPS[language]).split()
    items: list[list[re.Match[str]]] = [[]]
    gaps: list[int] = []
    end, last_gap, joined_by = match.end(), "", ""
    first_words = {match[0].split()[-1].lower()}  # "not with Anna or with Ben", "not in Italy or in France"
    following = _cues(languages).search(text, match.end())
    limit = following.start() if following else len(text)
    tokens = list(_tokens(text, match.end(), limit))
    for place, token in enumerate(tokens):
        word = token[0].lower().rstrip("'\u2019") or token[0]
        at_start = not items[-1] and not last_gap
        if word[0] in ",;:.!?()\u2013\u2014":
            following_words = [following[0].lower() for following in tokens[place + 1 : place + 3]]
            joint = following_words.pop(0) if len(following_words) > 1 and following_words[0] in _JOINING else ","
            fact = following_words[0] if following_words else ""
            is_same = last_gap and fact.endswith(last_gap) and (fact[0] != OWN_GAP or joint in _OR | _NOR)
            if word == "," and (is_same or (items[-1] and _pattern(_LIST).match(text, token.start()))):
                items.append([])  # "without Anna, Ben and Rose" denies all of them
                last_gap, joined_by = "", ","
                continue
            break
        if word[0] in GAPS:
            is_next = at_start and joined_by in ("", *_OR, *_NOR)  # not in "not in 2018 and before 2015"
            if not (is_next if word[0] == OWN_GAP else at_start or word[-1] == last_gap):
                while items[-1] and items[-1][-1][0].lower().rstrip("'\u2019") in _LINKS:
                    end = items[-1].pop().start()
                break
            gaps.append(token.start())
            last_gap = word[-1]
        elif word in stops:
            goes_on = joined_by in _NOR or (joined_by in _OR and word in first_words)
            if not at_start or (joined_by and not goes_on):  # "without people and with dogs"
                break
            first_words.add(word)
            continue
        elif word in _JOINING and (items[-1] or last_gap):
            items.append([])
            last_gap, joined_by = "", word
            continue
        elif word in _JOINING and joined_by == ",":
            joined_by = word
            continue
        elif last_gap:
            break
        elif not items[-1] and word in _LEFT_OUT:
            continue
        else:
            items[-1].append(token)
        end, joined_by = token.end(), ""
    denied = tuple(_ELIDED.sub("", " ".join(token[0] for token in item)) for item in items if item)
    return Negation(match.start(), end, match[0].strip(), denied, tuple(gaps))


def _tokens(text: str, start: int, end: int) -> Iterator[re.Match[str]]:
    return _TOKEN.finditer(text, start, end)
