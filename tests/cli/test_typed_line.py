"""The command line as typed, with other words."""

import click
import pytest

from clipsearch.cli.query import query
from clipsearch.cli.typed_line import TypedLine


def line_of(*arguments, line=""):
    """The typed line of these arguments, as `query` reads them."""
    with click.Context(query, info_name="query") as context:
        query.parse_args(context, list(arguments))
        return TypedLine.current(line)


@pytest.mark.parametrize(
    ("arguments", "proposed"),
    [
        (["dgo", "-k", "1"], "new -k 1"),
        (["-k1", "--in", "dgo", "dgo", "--index=a b"], '-k1 --in dgo new "--index=a b"'),
        (["-0k5", "a", "dgo", "--preview", "--json"], "-0 -k5 new --preview --json"),
        (["--json", "--", "dgo", "-", "cat"], "--json new"),
        (["- dgo", "--where", "-x", "--smart"], "new --where -x --smart"),
        (["--unlike", "cat", "dgo", "--like=x", "-q"], "new -q"),
        (["--like", "dgo", "--sort", "date"], "new --sort date"),
        (["-", "--top-k", "3"], "new --top-k 3"),
    ],
)
def test_only_the_words_change(arguments, proposed):
    assert line_of(*arguments).with_words(["new"]) == f"clipsearch query {proposed}"


def test_words_that_look_like_options_stand_last():
    assert line_of("a", "-k1").with_words(["-x"], "--smart") == "clipsearch query -k1 --smart -- -x"


def test_without_words_the_options_about_a_text_go():
    line = line_of("a", "--relevant", "--min-match", "0.3", "--smart", "--diverse", "--taken", "2019", "--sort", "date")
    assert line.with_words([], "--name", "b") == "clipsearch query --taken 2019 --sort date --name b"
    assert line.has("smart") and not line.has("hybrid")


def test_parts_have_signs_and_a_piped_line_is_the_query(tmp_path):
    photo = tmp_path / "a b.jpg"
    photo.touch()
    parts = line_of(f"2:{photo}", "+", "a dog - cat", "--unlike", "sea").parts
    assert [(part.sign, part.text, part.is_picture) for part in parts] == [
        ("", f"2:{photo}", True), ("+", "a dog", False), ("-", "cat", False), ("-", "sea", False),
    ]  # fmt: skip
    assert [part.text for part in line_of("-", "-k1", line='a dog - "x - y"').parts] == ["a dog", '"x - y"']


def test_parts_keep_apart_in_another_order():
    line = line_of("snow", "-", "a dog here")
    parts = [*line.without("snow"), *line.without("a dog here")]
    assert line.with_parts(parts) == 'clipsearch query - "a dog here" + snow'
