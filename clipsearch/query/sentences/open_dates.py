"""Words of dates with an open end, in small letters and without accents: "older than 2010", "ab 2022", "2010 ou avant".

Also words that make a date less than certain: "around 2010", "the week before Christmas 2019". All of it stays text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, TypeAlias

from clipsearch.query.sentences.date_words import HOLIDAYS, NUMBERS, SEASONS, UNITS, WEEKDAYS
from clipsearch.query.sentences.only_photos import PHOTOS
from clipsearch.query.sentences.periods import Period

Bound: TypeAlias = Literal["since", "after", "before", "until"]

_OPPOSITES: dict[Bound, Bound] = {"since": "before", "before": "since", "after": "until", "until": "after"}

_AGE = {
    "older": r"(?:earlier|older) than|(?:fruher|alter) als|plus (?:ancien(?:ne)?s?|vieux|vieilles?|tot) que|anterieure?s? au?"
    r"|mas (?:antigu[oa]s?|viej[oa]s?|temprano) (?:que|de)|anterior(?:es)? al?",
    "newer": r"(?:later|newer|younger|more recent) than|(?:spater|neuer|junger) als|plus (?:recente?s?|jeunes?|tard) que"
    r"|posterieure?s? au?|mas (?:recientes?|nuev[oa]s?|tarde) (?:que|de)|posterior(?:es)? al?",
}
_WHEN = {
    "since": r"(?:after|since) or in|(?:(?:since|from) )?at least|fruhestens|mindestens|au plus tot|(?:ever )?since|as of"
    r"|(?:starting|beginning)(?: in| on| from| with)?|(?:in|on|at) or after"
    r"|seit|ab|depuis|a partir (?:de|du|del|d')|desde|como pronto",
    "after": r"after|post-?|nach|apres|despues del?",
    "until": r"until(?: and including)?|till|up to(?: and including)?|(?:in|on|at) or before|before or in|at most|at the latest"
    r"|bis(?: einschlie(?:ss|\u00df)lich)?|spatestens|hochstens|jusqu'en|jusqu'au?|au plus tard|hasta"
    "|a mas tardar|como muy tarde",
    "before": r"before|prior to|pre-?|vor|avant|antes del?",
}
_NOTHING = "nothing|none|nichts|rien|nada"


def _groups(patterns: dict[str, str]) -> str:
    return "|".join(f"(?P<{name}>{pattern})" for name, pattern in patterns.items())


BOUND = re.compile(
    r"(?=(?P<count>(?:at (?:least|most)|mindestens|hochstens|pre|post)\b)?)"
    rf"(?:(?P<denied>(?:(?P<nothing>{_NOTHING})|not?|nicht|pas) ))?(?:{_groups(_WHEN | _AGE)}|(?P<des>des))(?: |(?<=['-]))"
)
"""What stands before a date with an open end. `bound_of` says what it means.

After a `count`, a number may be one of people. "des" may be "dès".
"""

_OR = "(?:or|and|oder|und|ou|et|o|u|y|&)"
_LATER = (
    "later|newer|more recent|spater|neuer|junger|plus tard|plus recente?s?|mas tarde|mas recientes?|posterior(?:es)?"
)
_EARLIER = "earlier|older|fruher|alter|plus tot|plus ancien(?:ne)?s?|mas antigu[oa]s?|anterior(?:es)?"
BOUND_AFTER = re.compile(
    rf",? (?:(?P<since>{_OR} (?:{_LATER}|after(?:wards)?|onwards?|since|up|danach|seitdem|apres|depuis|despues|desde entonces)"
    r"|onwards?|en adelante|at the earliest|au plus tot|fruhestens"
    r"|(?:-|\u2013|to|until|till|bis|jusqu'a|hasta) (?:now|(?:the )?present|jetzt|maintenant|ahora))"
    rf"|(?P<until>{_OR} (?:{_EARLIER}|before|prior|davor|avant|antes)|at the latest|au plus tard|spatestens|como muy tarde)"
    r"|(?P<on>(?:and )?on|an))(?!\w)"
)
"""What stands behind a date with an open end. "on" needs "from" before the date, and more: `GOES_ON`."""

GOES_ON = re.compile(r"$|[,;.!?)]| ?&| (?:with|of|in|at|by|near|and|but|until|mit|im|bei|und|aber|bis)\b")
"""What may follow "from 2022 on". "from 2022 on the beach" is no open end."""

INCLUDED = re.compile(r",? (?:inclusive|included|inclus|einschlie(?:ss|\u00df)lich)(?!\w)")
"""What may follow the last date of a time, which is part of it."""

AGO = re.compile(
    r"(?:(?P<more>more than|over|at least) |(?P<less>(?:less|fewer|no more|not more) than|under|at most) )"
    r"(?P<number>\d{1,4}|[a-z]+) (?P<unit>[a-z]+) ago(?: today)?(?!\w)"
)
"""More or less than so many units before today."""

AGO_FIRST = re.compile(
    r"(?:vor (?:(?P<mehr>mehr als|uber|mindestens)|weniger als|hochstens) |il y a (?:(?P<plus>plus)|moins) (?:de |d')"
    r"|hace (?:(?P<mas>mas)|menos) de )(?P<number>\d{1,4}|[a-z]+) (?P<unit>[a-z]+)(?!\w)"
)
"""The same in German, French and Spanish."""


_PHOTO_AGE = re.compile(
    rf"(?P<denied>(?:not?|nicht|pas) )?(?:(?P<more>{_AGE['older']})|{_AGE['newer']}) "
    r"(?P<number>\d{1,4}|[a-z]+) (?P<unit>[a-z]+)(?!\w| ago\b)"
)


def any_of(words: Iterable[str]) -> str:
    """A pattern of words, the longest first."""
    return "(?:" + "|".join(map(re.escape, sorted(words, key=len, reverse=True))) + ")"


_OF_PHOTOS = re.compile(rf"(?:^|(?<!\w){any_of(PHOTOS)} (?:(?:that|which) are )?)$")
_A = r"(?:the|a|an|one|am|der|die|den|das|ein|einen?|la|le|l'|un|une|el|una)"
_SPANS = (
    "day|night|morning|evening|week|weekend|month|year|tag|abend|nacht|woche|wochenende|monat|jahr|jour|nuit|soir|semaine|mois"
    "|annee|dia|noche|semana|mes|ano|spring|summer|autumn|winter|fruhling|sommer|herbst|printemps|ete|automne|hiver|primavera"
    "|verano|otono|invierno"
)
_NARROWED = re.compile(
    rf"(?<!\w)(?:{_A} ?(?:{_SPANS}|{any_of(WEEKDAYS)})|(?:\d+|few|some|{any_of(NUMBERS)}) {any_of(UNITS)}"
    r"|just|shortly|soon|right|directly|immediately|not long|kurz|gleich|direkt|juste|peu|poco|justo|inmediatamente) $"
)
_NAME = re.compile(rf"(?<![\w-]){any_of((*HOLIDAYS, *SEASONS))} $")
_POST = re.compile(r"$|.*(?:[,;:]|[a-z]{3,}s) $")
_LINKS = (
    r"(?:(?:the|of|in|on|from|der|die|das|dem|den|des|im|am|le|la|les|de|du|del|en|el|los|las|a|au|year|jahre?s?|ano|annee)"
    r" |[dl]')*"
)
_VAGUE = (
    "around|about|earliest|latest|circa|ca\\.?|approximately|roughly|nearly|almost|by|beyond|past|between|um|gegen|etwa|ungefahr|zwischen|vers"
    "|environ|autour|alentours|entre|hacia|alrededor|(?:more|less|fewer) than|(?:mehr|weniger) als|(?:plus|moins|mas|menos) de"
    "|(?:beginning|start|middle|end|half)(?= of )|anfang|mitte|ende|halfte|debut|milieu|moitie|principios|comienzos|mediados"
    "|finales|mitad|veille|lendemain|vispera|vortag|pre|post"
    "|born|built|founded|geboren|gebaut|gegrundet|nee?s?|construite?s?|nacid[oa]s?|construid[oa]s?"
    "|number|room|flight|nummer|zimmer|flug|numero|chambre|vol|habitacion|vuelo"
)
_PART = "early|mid|late|beginning|start|middle|end|anfang|mitte|ende|debut|fin|principios|mediados|finales"
_UNSURE_BEFORE = re.compile(
    rf"(?:(?<![\w-])(?:{_VAGUE}|{'|'.join((_WHEN | _AGE).values())})(?: |(?<=['-])){_LINKS}"
    rf"|(?<![\w-]){any_of((*HOLIDAYS, *SEASONS))}(?: ?[-\u2013] ?| (?:to|until|till|through|bis|au?|hasta) ){_LINKS}"
    rf"|(?<![\w-])(?:{_PART})(?: of| de)? {_OR} {_LINKS}|[<>\u2264\u2265~]=? ?)$"
)
_UNSURE_AFTER = re.compile(
    rf"(?:-?ish|\+|,? {_OR} (?:{_LATER}|{_EARLIER}|so|thereabouts|more|less|mehr|weniger|plus|moins|mas|menos)"
    r"| (?:until|till|bis|jusqu'(?:a|au|en)|hasta)"
    r"| (?:week|weekend)(?= ?(?:$|[,;.]))|,? (?:the )?(?:first|second|third|fourth|last) (?:week|weekend|half|quarter))(?!\w)"
)
_LEADING = re.compile(_LINKS)
_REACH = 60  # letters before a date that are looked at


def age_at(text: str, start: int) -> re.Match[str] | None:
    """The age of photos at a place of a folded text: "photos older than 3 years". Children have ages, too."""
    match = _PHOTO_AGE.match(text, start)
    return match if match and _OF_PHOTOS.search(text[max(0, start - _REACH) : start]) else None


def bound_of(match: re.Match[str], before: str) -> Bound | None:
    """What a match of BOUND means after the text `before`; None if that is not certain, or if `negation.py` reads it."""
    kind = match.lastgroup
    if match["denied"] and not match["nothing"] and kind not in _AGE:  # "not before 2010"
        return None
    bound: Bound = {"older": "before", "newer": "after", "des": "since"}.get(str(kind), kind)  # type: ignore[assignment]
    if bound in ("before", "after") and _NARROWED.search(before[-_REACH:]):
        return None
    if bound == "until" and _NAME.search(before[-_REACH:]):  # "Christmas until New Year 2018"
        return None
    if match[0].startswith("post") and not _POST.match(before[-_REACH:]):  # "a lamp post 2020"
        return None
    return _OPPOSITES[bound] if match["denied"] else bound


def opened(period: Period, bound: Bound) -> Period:
    """All time since, after, before or until a period."""
    if bound in ("since", "after"):
        return Period(period.start if bound == "since" else period.end, None)
    return Period(None, period.start if bound == "before" else period.end)


def is_unsure(text: str, start: int, end: int) -> bool:
    """Whether words around the date text[start:end] say that it is not exactly that time: "around", "2010 or so", "> "."""
    links = _LEADING.match(text, start, end)
    before = text[max(0, start - _REACH) : links.end() if links else start]
    return bool(_UNSURE_BEFORE.search(before) or _UNSURE_AFTER.match(text, end))
