"""Words for dates in English, German, French and Spanish, in small letters and without accents."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Literal, TypeAlias

Unit: TypeAlias = Literal["day", "week", "weekend", "month", "year"]
Season: TypeAlias = Literal["spring", "summer", "autumn", "winter"]


def _numbered(first: int, *languages: str) -> dict[str, int]:
    """Each language's words, in order, with their numbers."""
    return {word: number for words in languages for number, word in enumerate(words.split(), first)}


MONTHS = {
    "English": _numbered(1, "january february march april may june july august september october november december"),
    "German": {
        **_numbered(1, "januar februar marz april mai juni juli august september oktober november dezember"),
        **{"janner": 1, "feber": 2, "maerz": 3},
    },
    "French": _numbered(1, "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre"),
    "Spanish": {
        **_numbered(1, "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),
        "setiembre": 9,
    },
}
"""The months of each language, 1 to 12."""

MONTHS_THAT_ARE_WORDS = ("may", "march")
"""English months that are also other words: without a year, "in" or a capital letter they are no dates."""

SHORT_MONTHS = {
    **{
        "jan": 1,
        "feb": 2,
        "apr": 4,
        "jun": 6,
        "jul": 7,
        "aug": 8,
        "sep": 9,
        "sept": 9,
        "oct": 10,
        "nov": 11,
        "dec": 12,
    },
    **{"okt": 10, "dez": 12, "janv": 1, "fevr": 2, "avr": 4, "juil": 7, "ene": 1, "abr": 4, "dic": 12},
}
"""Short names of months. "mar" is the sea in Spanish, and "ago" is English, so they are not among them."""

SEASONS: dict[str, Season] = {
    **dict.fromkeys(("spring", "springtime", "fruhling", "fruhjahr", "fruehling", "printemps", "primavera"), "spring"),
    **dict.fromkeys(("summer", "summertime", "sommer", "ete", "verano"), "summer"),
    **dict.fromkeys(("autumn", "fall", "herbst", "automne", "otono"), "autumn"),
    **dict.fromkeys(("winter", "wintertime", "hiver", "invierno"), "winter"),
}

SEASON_BEGINS: dict[Season, int] = {"spring": 3, "summer": 6, "autumn": 9, "winter": 12}
"""The first of a season's three months, in the northern half of the earth."""

WEEKDAYS = _numbered(
    0,
    "monday tuesday wednesday thursday friday saturday sunday",
    "montag dienstag mittwoch donnerstag freitag samstag sonntag",
    "lundi mardi mercredi jeudi vendredi samedi dimanche",
    "lunes martes miercoles jueves viernes sabado domingo",
)
"""0 is Monday, as in `date.weekday`."""

UNITS: dict[str, Unit] = {
    **dict.fromkeys(("day", "days", "tag", "tage", "tagen", "jour", "jours", "dia", "dias"), "day"),
    **dict.fromkeys(("week", "weeks", "woche", "wochen", "semaine", "semaines", "semana", "semanas"), "week"),
    **dict.fromkeys(("weekend", "week-end", "wochenende", "fin de semana"), "weekend"),
    **dict.fromkeys(("month", "months", "monat", "monate", "monaten", "monats", "mois", "mes", "meses"), "month"),
    **dict.fromkeys(("year", "years", "jahr", "jahre", "jahren", "jahres", "an", "ans"), "year"),
    **dict.fromkeys(("annee", "annees", "ano", "anos"), "year"),
}

NUMBERS = {
    **_numbered(1, "one two three four five six seven eight nine ten eleven twelve"),
    **_numbered(1, "ein zwei drei vier funf sechs sieben acht neun zehn elf zwolf"),
    **_numbered(1, "un deux trois quatre cinq six sept huit neuf dix onze douze"),
    **_numbered(1, "uno dos tres cuatro cinco seis siete ocho nueve diez once doce"),
    **dict.fromkeys(("a", "an", "eine", "einem", "einer", "einen", "une", "una"), 1),
}

DAYS_AGO = {
    **dict.fromkeys(("today", "heute", "aujourd'hui", "hoy"), 0),
    **dict.fromkeys(("yesterday", "gestern", "hier", "ayer"), 1),
    **dict.fromkeys(("day before yesterday", "vorgestern", "avant-hier", "anteayer", "antier"), 2),
}

DECADES = {
    **dict.fromkeys(("fifties", "funfziger", "funfzigern", "cincuenta"), 1950),
    **dict.fromkeys(("sixties", "sechziger", "sechzigern", "sesenta"), 1960),
    **dict.fromkeys(("seventies", "siebziger", "siebzigern", "setenta"), 1970),
    **dict.fromkeys(("eighties", "achtziger", "achtzigern", "ochenta"), 1980),
    **dict.fromkeys(("nineties", "neunziger", "neunzigern", "noventa"), 1990),
}


def easter(year: int) -> date:
    """Easter Sunday in the Gregorian calendar, by the algorithm of Meeus, Jones and Butcher."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    weekday = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * weekday) // 451
    month, day = divmod(h + weekday - 7 * m + 114, 31)
    return date(year, month, day + 1)


def _fixed(month: int, day: int, days: int = 1) -> Callable[[int], tuple[date, date]]:
    return lambda year: (date(year, month, day), date(year, month, day) + timedelta(days))


def _from_easter(first: int, after: int) -> Callable[[int], tuple[date, date]]:
    return lambda year: (easter(year) + timedelta(first), easter(year) + timedelta(after))


def _around_new_year(year: int) -> tuple[date, date]:
    return date(year - 1, 12, 31), date(year, 1, 2)


HOLIDAYS: dict[str, Callable[[int], tuple[date, date]]] = {
    **dict.fromkeys(("christmas eve", "heiligabend", "nochebuena", "reveillon de noel"), _fixed(12, 24)),
    **dict.fromkeys(("christmas day", "jour de noel", "dia de navidad"), _fixed(12, 25)),
    **dict.fromkeys(("christmas", "xmas", "weihnachten", "noel", "navidad", "navidades"), _fixed(12, 24, 3)),
    **dict.fromkeys(
        ("new year's eve", "new years eve", "silvester", "saint-sylvestre", "nochevieja"), _fixed(12, 31, 2)
    ),
    **dict.fromkeys(("new year's day", "new years day", "neujahr", "jour de l'an", "ano nuevo"), _fixed(1, 1)),
    **dict.fromkeys(("new year", "new years"), _around_new_year),
    **dict.fromkeys(
        ("valentine's day", "valentines day", "valentinstag", "saint-valentin", "san valentin"), _fixed(2, 14)
    ),
    "halloween": _fixed(10, 31),
    **dict.fromkeys(("good friday", "karfreitag"), _from_easter(-2, -1)),
    **dict.fromkeys(("easter sunday", "ostersonntag"), _from_easter(0, 1)),
    **dict.fromkeys(("easter monday", "ostermontag"), _from_easter(1, 2)),
    **dict.fromkeys(
        ("easter", "easter weekend", "ostern", "osterwochenende", "paques", "week-end de paques", "pascua"),
        _from_easter(-2, 2),
    ),
    **dict.fromkeys(("pentecost", "whitsun", "pfingsten", "pentecote", "pentecostes"), _from_easter(48, 51)),
}
"""The first day of a year's holiday, and the day after its last. Easter begins on Friday, and New Year's Eve lasts two days."""

DATES_BY_NAME = (
    "new year's eve",
    "new years eve",
    "silvester",
    "saint-sylvestre",
    "nochevieja",
    "heiligabend",
    "nochebuena",
)
"""Holidays that are a date also without a year and without "at": their names have no other meaning."""

MOVABLE = tuple(
    name for name, days in HOLIDAYS.items() if days(2000)[0].timetuple()[1:3] != days(2001)[0].timetuple()[1:3]
)
"""Holidays with another date each year."""
