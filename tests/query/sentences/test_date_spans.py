"""Parts of a date in a sentence: a week or weekend is read, all that is less certain stays text, and nothing else is read."""

from datetime import date

import pytest

from clipsearch.query.sentences.spoken_dates import spoken_dates
from clipsearch.query.sentences.whole_dates import opening_date

TODAY = date(2026, 11, 30)


def times(text):
    return [str(spoken.when) for spoken in spoken_dates(text, TODAY)]


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("the weekend of 25 December 2011", "2011-12-24..2011-12-25"),
        ("a party on the weekend of 25-26 June 2011", "2011-06-25..2011-06-26"),
        ("the weekend of 24-26 June 2011", "2011-06-24..2011-06-26"),
        ("the week of 3 May 2011", "2011-05-02..2011-05-08"),
        ("our trip in the week of May 3, 2011", "2011-05-02..2011-05-08"),
        ("week of 2011-05-03", "2011-05-02..2011-05-08"),
        ("a dog, week of 3 May 2011, on grass", "2011-05-02..2011-05-08"),
        ("week of Christmas 2012", "2012-12-24..2012-12-30"),
        ("the week of last Monday", "2026-11-23..2026-11-29"),
        ("the week from 3 May to 9 May 2011", "2011-05-03..2011-05-09"),
        ("das Wochenende vom 25. Dezember 2011", "2011-12-24..2011-12-25"),
        ("die Woche vom 3. Mai 2011", "2011-05-02..2011-05-08"),
        ("le week-end du 25 d\u00e9cembre 2011", "2011-12-24..2011-12-25"),
        ("la semaine du 3 mai 2011", "2011-05-02..2011-05-08"),
        ("el fin de semana del 25 de diciembre de 2011", "2011-12-24..2011-12-25"),
        ("la semana del 3 de mayo de 2011", "2011-05-02..2011-05-08"),
        ("the second half of 2012", "2012-07..2012-12"),
        ("beginning of 2010", "2010-01..2010-04"),
        ("mid-July 2011", "2011-07-11..2011-07-20"),
        ("end of 2012", "2012-09..2012-12"),
        ("Easter weekend 2011", "2011-04-22..2011-04-25"),
        ("Easter Monday 2011", "2011-04-25"),
        ("Christmas Day 2011", "2011-12-25"),
        ("the month of May 2011", "2011-05"),
        ("im Monat Mai 2011", "2011-05"),
        ("au mois de mai 2011", "2011-05"),
        ("jour de l'an 2019", "2019-01-01"),
        ("the year of 2018", "2018"),
        ("baby's first Christmas 2019", "2019-12-24..2019-12-26"),
        ("the first snow of 2018", "2018"),
        ("the last day of school in June 2018", "2018-06"),
        ("a week in August 2011", "2011-08"),
        ("the week of the wedding in May 2011", "2011-05"),
        ("a price tag from 2018", "2018"),
        ("on Sunday 3 May 2020", "2020-05-03"),
        ("letztes Jahr", "2025"),
    ],
)
def test_a_week_or_weekend_is_the_one_that_has_all_of_the_date(text, time):
    assert times(text) == [time]


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("first week of August", "1..7 August of any year"),
        ("first week of August 2011", "2011-08-01..2011-08-07"),
        ("the 2nd week in August 2011", "2011-08-08..2011-08-14"),
        ("dogs, first week August 2011", "2011-08-01..2011-08-07"),
        ("the last week of August 2011", "2011-08-25..2011-08-31"),
        ("the last week of February", "22..29 February of any year"),
        ("the last week of 2012", "2012-12-25..2012-12-31"),
        ("the last weekend of June 2012", "2012-06-30..2012-07-01"),
        ("the first weekend of May 2011", "2011-05-07..2011-05-08"),
        ("the first Sunday in May 2011", "2011-05-01"),
        ("the 5th Sunday of May 2011", "2011-05-29"),
        ("last Sunday of May 2011", "2011-05-29"),
        ("the last day of 2011", "2011-12-31"),
        ("last month of 2011", "2011-12"),
        ("the first quarter of 2012", "2012-01..2012-03"),
        ("Q3 2012", "2012-07..2012-09"),
        ("a harbour, 2012 Q1", "2012-01..2012-03"),
        ("second half of may", "16..31 May of any year"),
        ("the last third of May 2012", "2012-05-21..2012-05-31"),
        ("since the last week of August 2011", "from 2011-08-25"),
        ("until the last week of August 2011", "before 2011-09"),
        ("before the week of 3 May 2011", "before 2011-05-02"),
        ("die erste Woche im August 2011", "2011-08-01..2011-08-07"),
        ("letztes Wochenende im Juni 2012", "2012-06-30..2012-07-01"),
        ("in der letzten Woche des Jahres 2012", "2012-12-25..2012-12-31"),
        ("1. Quartal 2012", "2012-01..2012-03"),
        ("erstes Halbjahr 2012", "2012-01..2012-06"),
        ("la premi\u00e8re semaine d'ao\u00fbt 2011", "2011-08-01..2011-08-07"),
        ("le dernier week-end de juin 2012", "2012-06-30..2012-07-01"),
        ("avant le premier trimestre 2012", "before 2012"),
        ("la \u00faltima semana de agosto de 2011", "2011-08-25..2011-08-31"),
        ("el primer fin de semana de mayo de 2012", "2012-05-05..2012-05-06"),
    ],
)
def test_a_part_with_a_number_is_read(text, time):
    assert times(text) == [time]


@pytest.mark.parametrize(
    "text",
    [
        "the weekend of 3 May 2011",
        "week of Christmas 2011",
        "the first days of May 2011",
        "the first few days of May 2011",
        "the last two weeks of August 2011",
        "the last summer of the 90s",
        "the third of May 2011",
        "the eve of Christmas 2011",
        "most of 2011",
        "week commencing 3 May 2011",
        "the week from 3 May 2011",
        "Sundays in 2011",
        "Christmas week 2011",
        "Christmas holidays 2011",
        "Christmas 2011 weekend",
        "August 2011, first week",
        "the start of the week of 3 May 2011",
        "week of 3 May 2011 and 10 May 2011",
        "the first week of May and June 2011",
        "from the week of 3 May 2011 to June 2011",
        "New Year's week 2018",
        "week 3 of 2018",
        "KW 12 2018",
        "Christmas to New Year 2018",
        "Weihnachten bis Silvester 2018",
        "on the Monday after Easter 2018",
        "the twenty-fifth of December 2011",
        "dos de mayo de 2011",
        "am f\u00fcnfundzwanzigsten Dezember 2011",
        "los primeros d\u00edas de mayo de 2011",
        "the fifth week of August 2011",
        "the second to last week of May 2012",
        "l'avant-derni\u00e8re semaine de juin 2012",
        "the fifth Saturday of June 2012",
        "the first and second week of May 2011",
        "the first week of May and the last week of June 2011",
        "from the first week of May 2011 to the last week of June 2011",
        "the first quarter of 2012 and of 2013",
        "the last weekend of June",
        "the first Sunday in May",
        "the fifth week of May",
        "until the last week of August",
        "before the last days of 2012",
        "the third week of 2012",
        "the second quarter of May 2012",
        "first day of summer 2011",
        "around the first week of May 2011",
        "last week this year",
        "letzte Woche dieses Jahr",
        "erste Augustwoche 2011",
        "zweite Maih\u00e4lfte 2012",
    ],
)
def test_a_part_of_a_date_that_is_not_certain_is_no_date(text):
    assert times(text) == []


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("Christmas in Germany", "24..26 December of any year"),
        ("August in Germany", "August of any year"),
        ("Weihnachten", "24..26 December of any year"),
        ("No\u00ebl en France", "24..26 December of any year"),
        ("Navidad con la familia", "24..26 December of any year"),
        ("christmas, a dog", "24..26 December of any year"),
        ("Juli in den Alpen", "July of any year"),
        ("december on the beach", "December of any year"),
        ("Christmas Eve in Rome", "24 December of any year"),
        ("Halloween", "31 October of any year"),
    ],
)
def test_a_month_or_holiday_that_begins_a_text_is_that_of_any_year(text, time):
    assert times(text) == [time]


@pytest.mark.parametrize(
    "text",
    [
        "Christmas tree",
        "Christmas market in Germany",
        "Christmas dinner at home",
        "Christmas and a dog",
        "Christmas, Easter and Halloween",
        "Weihnachtsbaum",
        "a girl named August",
        "August in a red coat",
        "April on a horse",
        "June with a dog",
        "Noel with a dog",
        "May in Paris",
        "March in Washington",
        "Mars in the night sky",
        "Easter in Rome",
        "Halloween costume",
    ],
)
def test_a_month_or_holiday_that_may_be_something_else_is_text(text):
    assert times(text) == []


def test_a_month_in_another_month_and_the_name_of_a_known_person_are_no_beginnings():
    assert times("Christmas in July") == ["July of any year"]
    assert opening_date("August in Germany", ["Anna", "August M\u00fcller"]) is None
