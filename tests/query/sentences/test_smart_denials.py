"""What `smart` queries deny: "without dogs", "not in 2018"."""

import pytest

from clipsearch.conditions import Test
from clipsearch.query.language import parse_query
from clipsearch.query.sentences.smart import understand
from tests.query.sentences.test_smart import TODAY, known


@pytest.mark.parametrize(
    ("denied", "keywords"),
    [
        ("dogs", ["dog"]), ("dog", ["dogs", "dog"]), ("people", ["person"]), ("beaches", ["beach"]), ("horses", ["horse"]),
        ("berries", ["berry"]), ("city", ["cities"]), ("box", ["boxes"]), ("grass", ["grass"]), ("toys", ["toy"]),
    ],
)  # fmt: skip
def test_what_is_denied_is_left_out_as_a_keyword_in_the_singular_and_the_plural(denied, keywords):
    query, said = understand(parse_query(f"a hill without {denied}"), TODAY, has_keyword=keywords.__contains__)
    tests = {Test("keyword", "=", keyword) for keyword in keywords}
    (condition,) = query.filters
    inner = condition.condition
    assert ({inner} if len(tests) == 1 else set(inner.conditions)) == tests
    assert str(said) == f"without: {denied}, also as a keyword, looking for: a hill - {denied}"


def test_what_no_photo_has_as_a_keyword_is_only_subtracted():
    query, said = understand(parse_query("a hill without dogs"), TODAY, has_keyword=lambda keyword: False)
    assert query.filters == () and str(said) == "without: dogs, looking for: a hill - dogs"


_NOT_ITALY = "place: Rome, Italy, place: not Italy"
_NOT_2018 = "taken: before 2015, taken: not 2018"


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("not in 2018, before 2015", _NOT_2018),
        ("not from 2018, since 2015", "taken: from 2015, taken: not 2018"),
        ("not from 2018 since 2015", "taken: from 2015, taken: not 2018"),
        ("in Italy, not in 2011, after 2009", "place: Italy, taken: from 2010, taken: not 2011"),
        ("not in 2018, older than 2015", _NOT_2018),
        ("not in 2018, not later than 2014", _NOT_2018),
        ("not in 2018, between 2014 and 2016", "taken: 2014..2016, taken: not 2018"),
        ("not in 2018, taken in 2015", "taken: 2015, taken: not 2018"),
        ("not on 3 May 2015, on 4 May 2015", "taken: 2015-05-04, taken: not 2015-05-03"),
        ("not before 2010, before 2015", "taken: before 2015, taken: not before 2010"),
        ("since 2010, not in 2012, before 2015", "taken: 2010..2014, taken: not 2012"),
        ("nicht 2018, vor 2015", _NOT_2018),
        ("nicht 2018, seit 2015", "taken: from 2015, taken: not 2018"),
        ("pas en 2018, avant 2015", _NOT_2018),
        ("pas en 2018, depuis 2015", "taken: from 2015, taken: not 2018"),
        ("no en 2018, antes de 2015", _NOT_2018),
        ("no en 2018, desde 2015", "taken: from 2015, taken: not 2018"),
        ("not in Italy, close to Rome", _NOT_ITALY),
        ("not in Italy, near Rome", _NOT_ITALY),
        ("pas en Italie, pr\u00e8s de Rome", _NOT_ITALY),
        ("no en Italie, cerca de Rome", _NOT_ITALY),
        ("without Ben, with Rose", "person: Rose, person: not Ben"),
        ("ohne Ben, mit Rose", "person: Rose, person: not Ben"),
        ("sans Ben, avec Rose", "person: Rose, person: not Ben"),
        ("sin Ben, con Rose", "person: Rose, person: not Ben"),
    ],
)
def test_a_denial_ends_before_a_fact_with_a_preposition_of_its_own(text, facts):
    assert str(known(text)[1]) == f"{facts}, looking for: all photos"


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("not in 2018, 2019 and 2020", "taken: not 2018, taken: not 2019, taken: not 2020"),
        ("not on 3 May 2018, 4 May 2018", "taken: not 2018-05-03, taken: not 2018-05-04"),
        ("not before 2010 or after 2015", "taken: not before 2010, taken: not from 2016"),
        ("not before 2010, or after 2015", "taken: not before 2010, taken: not from 2016"),
        ("nicht vor 2010 oder nach 2015", "taken: not before 2010, taken: not from 2016"),
        ("nicht nach 2015", "taken: not from 2016"),
        ("ni en 2018 ni avant 2015", "taken: not 2018, taken: not before 2015"),
        ("not in Italy, France", "place: not Italy or France"),
        ("without Ben, Rose", "person: not Ben, person: not Rose"),
    ],
)
def test_a_denial_reaches_all_of_a_list(text, facts):
    assert str(known(text)[1]) == f"{facts}, looking for: all photos"


@pytest.mark.parametrize(
    "text",
    [
        "dogs not before 2010, after 2015", "dogs not before 2010 and after 2015", "dogs not in 2018 and since 2015",
        "Hunde nicht 2018 und vor 2015", "dogs not before 2010, 2015", "dogs not in August before 2015",
    ],
)  # fmt: skip
def test_it_stays_text_if_a_denial_may_be_one_of_the_next_date(text):
    assert str(known(text)[1]) == f"looking for: {text}"
