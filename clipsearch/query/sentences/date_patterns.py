"""Patterns of single dates and of what joins them, for a text in small letters and without accents: see `spoken_dates.py`.

A name such as "may" in a match may be another word: the tables of `date_words.py` say what it is.
"""

from __future__ import annotations

import re

from clipsearch.query.sentences.date_words import DATES_BY_NAME, DAYS_AGO, HOLIDAYS, MONTHS, UNITS, WEEKDAYS
from clipsearch.query.sentences.only_photos import PHOTOS
from clipsearch.query.sentences.open_dates import BOUND, any_of

ALL_MONTHS = {word: number for language in MONTHS.values() for word, number in language.items()}
MONTH = (
    r"(?P<month>[a-z]+)\b\.?"  # the tables say whether a word is a month: patterns with all words take long to compile
)
NAME = rf"(?P<name>{any_of(word for word in (*UNITS, *HOLIDAYS) if not word.isalpha())}|[a-z]+)(?![\w-])"
NUMBER = r"(?P<number>\d{1,4}|[a-z]+)"
YEAR = r"(?P<year>(?:19|20)\d\d|'\d\d)(?!\w|[.,:/]\d)"
OF = r"(?:,? (?:(?:of|de|del|d'|im jahre?|of the year|en l'an|de l'an|de l'annee|del ano|de l'annee) ?)?)"
IN = rf"(?:{OF}|,? in )"
ORDINAL = r"(?:st|nd|rd|th|er|\.)?"

PREFIX = re.compile(
    r"(?:(?:in|on|at|from|of|during|over|taken|dated|the|(?<!new )year|im|am|an|aus|vom|von|zu|an|wahrend|aufgenommen|der|die"
    r"|das|dem|den|des|jahre?s?|en|au|aux|a|cours|le|la|les|du|de|dans|pendant|durant|prises?|annees?|el|los|las|del|durante|tomadas?|ano"
    r"|month of|monat|mois de|mes de|within|throughout|sometime|courant|innerhalb|innert|tout au long) "
    r"|d'|l')"
    rf"|{any_of(WEEKDAYS)},? (?=(?:(?:the|den|der|le|el) )?\d\d?\b|[a-z]+ \d)"
)
LOS_ANGELES = re.compile(r"LA (?![A-Z]{2})")
"""As in "LA 2018": no Spanish or French article."""

_OTHER_PREPOSITIONS = re.compile(
    r"(?:on|during|over|within|throughout|sometime|taken|dated|an|zu|uber|wahrend|innerhalb|innert|aufgenommen|pendant|durant"
    r"|tout au long|prises?|durante|tomadas?) "
)
MOST_PREFIXES = 5  # "taken in the year of ..."
BEFORE_A_YEAR = re.compile(
    r"(?:^|.*[ '])(?:in|from|of|during|taken|dated|year|im|aus|vom|von|jahre?|en|dans|du|de|annees?|durante|del|ano) "
    r"(?:l'|el )?$"
)
_PHOTOS = rf"{any_of(PHOTOS)}(?=$|[,;.!?)]| (?:of|from|with|in|at|by|von|vom|mit|aus|im|de|du|avec|con|en)\b)"
"""As in "my 2018 photos of Anna", but not in "a 2018 photo book"."""

AFTER_A_YEAR = re.compile(
    rf"$|[,;.!?)]| ?&| (?:{_PHOTOS}|aufgenommene?n?|entstanden|gemacht|in|at|with|from|near|on|by|and|or|nor|im|am|an|auf|mit"
    r"|bei|von|aus|und|oder|noch|en|a|au|aux|avec|dans|et|ou|ni|con|y|o|the"
    r"|without|but|except|excluding|not|no|ohne|aber|ausser|nicht|keine?|sans|mais|sauf|pas|sin|pero|excepto|salvo|menos)\b"
)

ARTICLE = re.compile(
    r"(?:the|in|on|im|am|dem|der|den|des|zum|zur|le|la|les|l'|el|los|las|du|del|de|en|year|jahre?s?|ano|annee)(?:(?<=') ?| )"
)
BETWEEN = re.compile(r"(?:between|zwischen|entre) ")
AND = re.compile(r" (?:and|und|et|y|e|&) ")
FROM = re.compile(r"(?:from|since|von|vom|seit|ab|de|du|depuis|desde|del) ")
TO = re.compile(
    r" ?(?:-|\u2013|\u2014|\.\.\.?|\u2026) ?| (?:to|until|till|through|bis|jusqu'en|jusqu'a|jusqu'au|hasta) "
)
TO_AFTER_FROM = re.compile(
    r" ?(?:-|\u2013|\u2014|\.\.\.?) ?| (?:to|until|till|through|bis|a|au|al|jusqu'en|jusqu'a|jusqu'au|hasta) "
)
BUT = re.compile(r",? (?:(?:and|but|to|until|till|und|aber|bis|et|mais|y|pero|&) )?")
FROM_BEFORE = re.compile(rf"(?:^|.*[ ']){FROM.pattern}(?:{ARTICLE.pattern})*$")
DAY_ONLY = re.compile(r"(?P<day>\d{1,2})(?:st|nd|rd|th|er|\.)?(?= ?-| ?\u2013| ?[,&] ?\d| [a-z])")

MONTH_BEFORE = re.compile(rf"(?:.*\W)?{any_of(ALL_MONTHS)} $")
DAY_BEFORE = re.compile(r"(?:.*\D)?\d{1,2}(?:st|nd|rd|th|er|\.)? (?:of |de )?$")

LAST = "last|past|previous|letzte[nrsm]?|vorige[nrsm]?|vergangene[nrsm]?|derniere?s?|passee?s?|pasad[oa]s?|ultim[oa]s?"
THIS = "this|diese[nrsm]?|cette|cet|ce|est[ea]"
ISO = re.compile(r"(?P<year>(?:19|20)\d\d)-(?P<month>\d\d)(?:-(?P<day>\d\d))?(?![\w-])")
NUMERIC = re.compile(r"(?P<first>\d{1,2})(?P<sign>[./])(?P<second>\d{1,2})(?P=sign)(?P<year>(?:19|20)\d\d)(?![\w/])")
MONTH_OF_YEAR = re.compile(r"(?P<month>\d{1,2})/(?P<year>(?:19|20)\d\d)(?![\w/])")
DAY_MONTH = re.compile(rf"(?P<day>\d{{1,2}}){ORDINAL} ?(?:of |de )?{MONTH}(?:{OF}{YEAR})?")
MONTH_DAY = re.compile(
    rf"{MONTH} (?:the )?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?!\w|[.:]\d| [a-z]+ ago\b)(?:{OF}{YEAR})?"
)
MONTH_YEAR = re.compile(rf"{MONTH}{OF}{YEAR}")
MONTH_ALONE = re.compile(
    r"(?:{} (?P<English>{})|{} (?P<German>{})|{}(?P<French>{})|{} (?P<Spanish>{}))\b".format(
        *("(?:in|during|every)(?: the month of)?", any_of(MONTHS["English"])),
        *("(?:im|jeden)(?: monat)?", any_of(MONTHS["German"])),
        *("(?:(?:en|au mois de|pendant) |au mois d')", any_of(MONTHS["French"])),
        *("(?:en|durante)(?: el mes de)?", any_of(MONTHS["Spanish"])),
    )
)
HAS_YEAR = re.compile(r"(?=.*[a-z]).*\D(?:(?:19|20)\d\d|'\d\d)")
NAME_YEAR = re.compile(rf"{NAME}{IN}{YEAR}")
OTHER_NEW_YEAR = re.compile(r"(?:.*\W)?(?:chinese|lunar|vietnamese|korean|jewish|islamic|persian|thai|tibetan|a|the) $")
YEAR_NAME = re.compile(rf"{YEAR} {NAME}")
WINTER_OF_TWO_YEARS = re.compile(rf"{NAME}{IN}(?P<year>(?:19|20)\d\d)(?:/|-|\u2013)(?P<next>(?:19|20)?\d\d)(?!\w)")
DATE_BY_NAME = re.compile(rf"(?P<name>{any_of(DATES_BY_NAME)})(?!\w)")
AT_HOLIDAY = re.compile(rf"(?:at|over|on|an|zu|uber|a|en|durante) (?:la )?{NAME}")
FOUR_DIGITS = re.compile(r"(?P<decade>(?:19|20)\d0)(?:'?s|er[ns]?(?: jahren?)?)\b")
TWO_DIGITS = re.compile(
    r"(?:(?:the |')(?P<a>[03-9]0)s|(?P<b>[3-9]0)er[ns]?(?: jahren?)?|(?:annees|anos) (?P<c>(?:19|20)\d0|[3-9]0))\b"
)
NAMED_DECADE = re.compile(
    r"(?:the |den |die |der |anos )(?P<name>[a-z]+?)(?: ?jahren?)?\b|(?P<german>[a-z]+?) ?jahren?\b"
)
DECADE_AFTER_PART = re.compile(r"(?:(?P<tens>[3-9]0)s|(?P<name>[a-z]+))\b")
RELATIVE_DAY = re.compile(rf"(?P<word>{any_of(DAYS_AGO)})(?:'s)?(?!\w)")
LAST_NAME = re.compile(rf"(?:(?P<last>{LAST})|(?P<this>{THIS})) {NAME}(?:'s)?(?!\w)")
NAME_LAST = re.compile(rf"{NAME} (?:derniere?|passee?|pasad[oa])(?!\w)")
LAST_FEW = re.compile(rf"(?:{LAST}) {NUMBER} (?P<unit>[a-z]+)(?!\w)")
FEW_LAST = re.compile(rf"{NUMBER} (?:{LAST}) (?P<unit>[a-z]+)(?!\w)")
AGO = re.compile(rf"{NUMBER} (?P<unit>[a-z]+) ago(?!\w)")
AGO_FIRST = re.compile(rf"(?:vor|il y a|hace) (?:genau |exactement |exactamente )?{NUMBER} (?P<unit>[a-z]+)(?!\w)")
BARE_YEAR = re.compile(YEAR)
BARE_MONTH = re.compile(MONTH)
FRENCH = re.compile(r"\b(?:le|la|les|des|du|une|au|aux|et|mon|ma|mes|avec|photos? d')|l'|d'")
GERMAN = re.compile(r"\b(?:der|die|das|den|dem|ein|eine|und|ist|im|am|auf|mit)\b")


def has_preposition(text: str, start: int) -> bool:
    """Whether a date that begins here in a folded text has a preposition that says when it is: "before 2015", "during May".

    Not "in", "from" and the like, which stand before places, too.
    """
    return any(pattern.match(text, start) for pattern in (BOUND, BETWEEN, _OTHER_PREPOSITIONS))


def is_french(text: str, start: int) -> bool:
    """Whether the "hier" that begins here is yesterday: in German it is "here"."""
    rest = text[:start] + text[start + len("hier") :]
    return not rest.strip() or (FRENCH.search(rest) is not None and not GERMAN.search(rest))
