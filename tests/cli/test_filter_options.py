"""Filters on the command line: ranges, repeated options, empty values, and the exit statuses that scripts tell apart."""

import shutil

import pytest

from clipsearch.cli.exit_status import ExitStatus
from tests.cli.running import run_here


@pytest.fixture
def indexed(indexed_photos, encoder):
    """A folder of five photos with an index that knows colours."""
    return indexed_photos


@pytest.fixture
def paths(indexed):
    """The names that a list of photos by these filters has, in order."""

    def run(*filters):
        status, output, errors = run_here("query", *filters, "--sort", "name", "--paths", cwd=indexed)
        assert status == 0, errors
        return output.decode().split()

    return run


def refused(folder, *words):
    status, output, errors = run_here(*words, cwd=folder)
    assert status == ExitStatus.WRONG_USE and output == b"", errors
    return errors


def test_several_values_of_a_filter_mean_any_of_them(indexed, paths):
    jpegs, pngs = paths("--format", "jpeg"), paths("--format", "png")
    assert jpegs and pngs
    assert sorted(paths("--format", "jpeg", "--format", "png")) == sorted(jpegs + pngs)
    both = paths("--orientation", "square", "--orientation", "landscape", "--orientation", "portrait")
    assert sorted(both) == sorted(paths("--name", "*"))
    assert paths("--where", "format = jpeg", "--where", "format = png") == []


@pytest.mark.parametrize("options", [("--after", "2019", "--after", "2020"), ("--min-width", "1", "--min-width", "2")])
def test_a_second_value_of_a_filter_that_has_one_is_refused(indexed, options):
    assert f"`query` takes one {options[0]}" in refused(indexed, "query", "red", *options)


def test_of_other_options_the_last_value_counts_so_that_an_alias_can_be_overruled(paths):
    assert len(paths("--format", "png", "--format", "jpeg", "-k", "1", "--top-k", "2")) == 2


def test_an_order_by_score_of_photos_without_one_is_noticed(indexed):
    for order in ("score", "likely"):
        errors = run_here("query", "--name", "*", "--sort", order, cwd=indexed)[2]
        assert f"there is no {'score' if order == 'score' else 'likely photo'}, so the newest are first" in errors
    for line in (["--name", "*"], ["--name", "*", "--sort", "date"], ["red", "--sort", "likely"]):
        assert "newest are first" not in run_here("query", *line, cwd=indexed)[2]


@pytest.mark.parametrize(
    ("options", "note"),
    [
        (["--all-moments"], "--all-moments lists each film, and each file with pages, once"),
        (["--hybrid"], "without a text, --hybrid does nothing"),
        (["--ensemble"], "without a text, --prompt or --ensemble does nothing"),
    ],
)
def test_an_option_that_does_nothing_without_a_text_is_noticed(indexed, options, note):
    status, output, errors = run_here("query", "--name", "*", *options, cwd=indexed)
    assert status == 0 and output and note in errors
    assert "note: without" not in run_here("query", "red", "--name", "*", *options, cwd=indexed)[2]


@pytest.mark.parametrize(
    "option", ["--camera", "--in", "--format", "--place", "--keyword", "--album", "--name", "--index"]
)
def test_an_empty_value_is_refused(indexed, option):
    errors = refused(indexed, "query", "red", option, "")
    assert "empty" in errors and f"{option}: " in errors


def test_a_script_can_tell_a_mistake_from_an_empty_answer(indexed):
    nothing = ("query", "--taken", "1950", "--fail-if-none")
    assert run_here(*nothing, cwd=indexed)[0] == ExitStatus.ERROR
    for wrong in (("--taken", "195x"), ("--colour",), ("--index", "nowhere")):
        assert run_here(*nothing[:1], *wrong, "red", "--fail-if-none", cwd=indexed)[0] == ExitStatus.WRONG_USE


def test_every_command_says_by_its_status_that_the_index_is_damaged(indexed, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(indexed, damaged)
    next(damaged.rglob("catalog.sqlite")).write_bytes(bytes(range(256)) * 50)
    for words in (("query", "red"), ("stats",), ("status",), ("failures",), ("duplicates",), ("index", ".")):
        assert run_here(*words, cwd=damaged)[0] == ExitStatus.DAMAGED, words


def test_a_page_after_the_end_says_where_the_list_ends(indexed):
    for words in (("red", "--offset", "100"), ("--name", "*", "--page", "11")):
        errors = run_here("query", *words, cwd=indexed)[2]
        assert "the list ends at photo 5 or before, and the first 100 are skipped" in errors


def test_the_note_of_an_empty_answer_names_the_true_cause(indexed):
    errors = run_here("query", "red", "--where", "taken >= 2024 and taken < 2020", cwd=indexed)[2]
    assert "no photo can be taken on 2024-01-01 or later and also before 2020-01-01" in errors
    errors = run_here("query", "red", "--name", "x", "--taken", "1950", cwd=indexed)[2]
    assert "no file has the name x" in errors
    errors = run_here("query", "red", "--name", "red*", "--in", indexed / "trip", cwd=indexed)[2]
    assert errors.startswith("clipsearch: each filter alone has photos, but no photo meets all of them\n")
    assert "`clipsearch index --ocr` reads it" in run_here("query", "--text", "ticket", cwd=indexed)[2]


def test_a_time_that_ends_before_it_begins_is_refused_however_it_is_given(indexed):
    refusal = "the time from --after 2015 to --before 2014 ends before it begins"
    assert refusal in refused(indexed, "query", "red", "--after", "2015", "--before", "2014")
    assert refusal in refused(indexed, "stats", "--after", "2015", "--before", "2014")
    assert "ends before it begins" in refused(indexed, "query", "red", "--after", "2015", "--before", "2015-01")
    assert run_here("query", "red", "--after", "2015", "--before", "2015-02", cwd=indexed)[0] == 0


def test_a_name_is_not_coordinates(indexed):
    message = refused(indexed, "query", "red", "--near", "Paris")
    assert "--near: 'Paris' is not coordinates; for a name use --place Paris" in " ".join(message.split())
    assert "for a name use --place" in " ".join(refused(indexed, "query", "red", "--near", "New York").split())
    assert "for a name use: place = 'New York'" in refused(indexed, "query", "red", "--where", "near 'New York'")
    assert "give LATITUDE,LONGITUDE" in refused(indexed, "query", "red", "--near", "qzxj")
    page = run_here("query", "--help", cwd=indexed)[1].decode()
    assert "--near, --within DEGREES" in page


def test_a_match_may_be_a_percentage(indexed):
    assert run_here("query", "red", "--min-match", "50%", cwd=indexed)[0] == 0
    assert "as 0.5 or 50%" in refused(indexed, "query", "red", "--min-match", "50")
    assert "only texts have a match, so `similar` has no --relevant" in refused(
        indexed, "similar", "red.jpg", "--relevant"
    )


def test_what_the_shell_or_a_minus_made_of_a_query_is_explained(indexed):
    assert "To leave 1:cat out, put a space after the minus" in refused(indexed, "query", "red", "-1:cat")
    assert "your shell expanded it" in refused(indexed, "query", "--name", "red.jpg", "blue.jpg", "green.jpg")
    errors = run_here("query", "--", "-dog", "-k", "2", cwd=indexed)[2]
    assert "-dog was searched as a word" in errors and "clipsearch query" not in errors
