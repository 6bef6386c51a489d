"""The texts of --help and `help` are short and grouped, and match the commands."""

import re
from itertools import pairwise

import pytest

from clipsearch.cli import cli
from clipsearch.cli.exit_status import ExitStatus
from clipsearch.cli.formatter import fitted
from clipsearch.cli.help import TOPICS, topic_text
from clipsearch.conditions import Field
from tests.cli.running import run_here

GROUPS = ["What to look for", "Which photos count", "Order and pages", "Output", "Where to search", "Other options"]


def help_of(*arguments, cwd):
    status, output, _ = run_here(*arguments, "--help", cwd=cwd, COLUMNS=80)
    assert status == 0
    return output.decode()


def test_the_help_of_query_is_grouped_and_fits_two_screens(tmp_path):
    lines = help_of("query", cwd=tmp_path).splitlines()
    assert len(lines) <= 80 and max(map(len, lines)) <= 80
    assert [line[:-1] for line in lines if re.fullmatch(r"[A-Z][a-z ]+:", line)] == GROUPS
    assert lines.index('  clipsearch query "a dog on a beach"') < 8  # examples come first


def test_help_fits_a_narrow_terminal_and_its_examples_stay_commands(tmp_path):
    for words in (("query", "--help"), ("import", "--help"), ("label", "--help"), ("help", "duplicates"), ("--help",)):
        text = run_here(*words, cwd=tmp_path, COLUMNS=40)[1].decode()
        assert max(map(len, text.splitlines())) <= 40
    text = help_of("query", cwd=tmp_path)
    narrow = run_here("query", "--help", cwd=tmp_path, COLUMNS=40)[1].decode()
    examples = re.findall(r"^  (clipsearch .*)$", text, re.MULTILINE)
    assert len(examples) == 5 and all(example in re.sub(r" \\\n +", " ", narrow) for example in examples)


@pytest.mark.parametrize("name", cli.list_commands(None))
def test_every_command_with_many_options_lists_them_under_headings(name, tmp_path):
    text = help_of(name, cwd=tmp_path)
    options = re.findall(r"^  (?:-\w, )?--[a-z0-9-]+", text, re.MULTILINE)
    assert ("\nOptions:\n" in text) == (len(options) <= 12)
    assert "-v, --verbose" in text and "-q, --quiet" in text
    for width in (40, 80, 120):
        lines = run_here(name, "--help", cwd=tmp_path, COLUMNS=width)[1].decode().splitlines()
        assert max(map(len, lines)) <= width
        assert not [line for line in lines if re.search(r"\w-$", line)]  # names of options stay whole
        assert all(line == line.rstrip() for line in lines)
        assert not [
            line for line in lines if "#" in line and line.endswith("\\")
        ]  # a backslash does not continue a comment
        begun = [line for above, line in pairwise(lines) if line.endswith("\\") and not above.endswith("\\")]
        assert all(line.startswith("  clipsearch ") for line in begun)  # only a command goes on after a backslash
        alone = [line for line in lines if line.startswith("  -") and "  " not in line.strip()]
        assert width == 40 or all(len(line) > 32 for line in alone)  # only an option with long names has its text below


@pytest.mark.parametrize("topic", TOPICS)
def test_every_topic_is_plain_text_and_named_by_help(topic, tmp_path):
    output = run_here("help", topic, cwd=tmp_path)[1].decode()
    assert f"# {output}" == topic_text(topic)  # the heading's sign is for the documentation
    status, _, errors = run_here("help", topic, "more", cwd=tmp_path)
    assert status == 2 and f"{topic} is a topic; give its name alone: clipsearch help {topic}" in errors
    assert max(map(len, output.splitlines())) <= 128
    assert topic in help_of("help", cwd=tmp_path)


def test_a_mistyped_topic_is_told_with_the_one_that_was_meant(tmp_path):
    assert "did you mean: clipsearch help filters" in run_here("help", "filter", cwd=tmp_path)[2]


def test_the_topic_of_exit_statuses_lists_them_all():
    assert [int(number) for number in re.findall(r"^ +(\d+)  ", topic_text("exit-statuses"), re.MULTILINE)] == list(
        ExitStatus
    )


def test_the_topic_of_filters_names_every_field():
    assert f"Fields: {', '.join((*Field.__args__, 'album'))}." in " ".join(topic_text("filters").split())


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("width", [50, 80])
def test_every_topic_fits_a_terminal_and_its_words_stay_whole(topic, width):
    text = topic_text(topic).removeprefix("# ")
    narrow = fitted(text, width)
    assert max(map(len, narrow.splitlines())) <= width
    words = narrow.replace(" \\\n", " ").split()  # commands go on after a backslash
    assert words == text.split()
    assert fitted(text, 130) == text
