"""The command line as typed, with other words."""

import shlex
from contextlib import contextmanager
from pathlib import Path

import click
import pytest

from clipsearch.cli.note_commands import note_text
from clipsearch.cli.query import query
from clipsearch.cli.typed_line import TypedLine, is_picture
from clipsearch.query.hits import QueryNote
from clipsearch.terms import Term


@contextmanager
def running(*arguments):
    """As while `query` runs with these arguments."""
    with click.Context(query, info_name="query") as context:
        query.parse_args(context, list(arguments))
        yield


def line_of(*arguments, line=""):
    """The typed line of these arguments, as `query` reads them."""
    with running(*arguments):
        return TypedLine.current(line)


@pytest.mark.parametrize(
    ("arguments", "proposed"),
    [
        (["dgo", "-k", "1"], "new -k 1"),
        (["-k1", "--in", "dgo", "dgo", "--index=a b", "--in=x"], 'new -k 1 --in dgo --in x --index "a b"'),
        (["-0k5", "a", "dgo", "--preview", "--json"], "new -0 -k 5 --preview --json"),
        (["--preview=kitty", "-vv", "a", "--top-k", "5"], "new --preview kitty -v -v -k 5"),
        (["--json", "--", "dgo", "-", "cat"], "new --json"),
        (["- dgo", "--where", "-x", "--smart"], "new --where -x --smart"),
        (["--unlike", "cat", "dgo", "--like=x", "-q"], "new -q"),
        (["--like", "dgo", "--sort", "date"], "new --sort date"),
        (["-", "--top-k", "3"], "new -k 3"),
    ],
)
def test_only_the_words_change(arguments, proposed):
    assert line_of(*arguments).with_terms([Term("new")]) == f"clipsearch query {proposed}"


def test_words_that_look_like_options_stand_last():
    assert line_of("a", "-k1").with_terms([Term("-x")], "--smart") == "clipsearch query -k 1 --smart -- -x"


def test_without_words_the_options_about_a_text_go():
    line = line_of("a", "--relevant", "--min-match", "0.3", "--smart", "--diverse", "--taken", "2019", "--sort", "date")
    assert line.with_terms([], "--name", "b") == "clipsearch query --taken 2019 --sort date --name b"
    assert line.has("smart") and not line.has("hybrid")


def test_terms_have_signs_and_a_piped_line_is_the_query(tmp_path):
    photo = tmp_path / "a - b.jpg"
    photo.touch()
    line = line_of(f"2:{photo}", "+", "a dog - cat", "--unlike", "sea", "--like", "0.5:sky")
    assert line.terms == (Term(Path(photo), 2), Term("a dog"), Term("cat", -1), Term("sky", 0.5), Term("sea", -1))
    assert line.with_terms(line.terms[:1] + line.terms[3:]) == f'clipsearch query "2:{photo}" + 0.5:sky - sea'
    assert [term.content for term in line_of("-", "-k1", line='a dog - "x - y"').terms] == ["a dog", "x - y"]
    assert line_of("-", line=str(photo)).terms == (Term(photo),) and line_of("-").terms == ()
    assert is_picture(line.terms[0]) and is_picture(Term("HTTPS://a/b")) and not is_picture(Term("sea"))


def test_terms_keep_apart_in_another_order():
    line = line_of("snow", "-", "a dog here")
    terms = [*line.without("snow"), *line.without("a dog here")]
    assert line.with_terms(terms) == 'clipsearch query - "a dog here" + snow'


@pytest.mark.parametrize(
    ("code", "value", "typed", "proposed"),
    [
        ("keyword", "big sky", ["2:big  sky in 2019", "--smart"], "2:in 2019 --smart --keyword big sky"),
        ("keyword", "a [b]*", ["a [b]*"], "--keyword a [[]b][*]"),
        ("facts", "Paris", ["paris", "-k1"], "Paris -k 1 --smart"),
        ("facts", "red + Paris", ["red", "+", "paris", "--smart"], "red + Paris --smart"),
        ("plus", "red here + cat - dog", ["red +cat here", "-", "dog"], "red here + cat - dog"),
        ("minus", "", ["sky", "-", "red -cat"], ""),
        ("negation", "sea - cars", ["sea without cars", "+", "http://a/b"], "sea - cars + http://a/b"),
        ("misspelt", "beach, 2019", ["beahc, 2019", "--smart"], "beach, 2019 --smart"),
        ("misspelt", "beach", ["+2 -1"], "beach"),
    ],
)  # fmt: skip
def test_a_note_proposes_the_typed_command_with_what_was_meant(code, value, typed, proposed):
    with running(*typed):
        text = note_text(QueryNote(code, "note", value), " ".join(typed))
    command = text.split("`")[1] if "`" in text else ""
    assert " ".join(shlex.split(command)[2:]) == proposed
