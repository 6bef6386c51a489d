"""The page on JSON names each key that commands print."""

import json
import re
from collections.abc import Iterator
from typing import Any, get_args

from clipsearch.query.sentences.understood import Fact, FactKind, Understood
from tests.cli.running import run_here
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "reference" / "json.md").read_text()
_CODE = re.findall(r"```.+?```|`[^`]+`", PAGE, re.DOTALL)
NAMED = set(re.findall(r"\w+", " ".join(_CODE)))
"""Words between backticks, and in the examples."""


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            if key not in ("seconds", "by"):  # their keys are parts of a search, and properties of photos
                yield from _keys(inner)
    elif isinstance(value, list):
        for item in value:
            yield from _keys(item)


def test_the_page_names_each_kind_and_key_of_what_was_understood():
    understood = Understood((Fact("without", "no people", "people", True),), "a beach")
    assert {*get_args(FactKind), *_keys(understood.to_json())} <= NAMED


def test_the_page_names_each_key_that_a_command_prints(photos_with_mini):
    for arguments in (
        ["query", "a red wall", "--explain"],
        ["status"],
        ["failures"],
        ["duplicates"],
        ["label", "--label", "red"],
        ["stats"],
        ["verify"],
    ):
        _, output, _ = run_here(*arguments, "--json", cwd=photos_with_mini)
        missing = sorted(set(_keys(json.loads(output))) - NAMED)
        assert not missing, arguments


def test_the_section_of_a_command_names_each_key_that_it_prints(photos_with_mini):
    (photos_with_mini / "broken.jpg").write_bytes(b"no picture")
    (photos_with_mini / "notes.txt").write_text("no picture either")
    run_here("index", cwd=photos_with_mini)
    (photos_with_mini / "broken.jpg").write_bytes(b"still no picture")
    for heading, arguments in {
        "index, import, push and pull": ["index", "--dry-run"],
        "status": ["status"],
        "failures": ["failures"],
        "albums": ["albums"],
        "label": ["label", "--label", "red"],
        "stats": ["stats"],
        "verify": ["verify"],
        "repair": ["repair"],
    }.items():
        section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
        named = {"index", *re.findall(r"\w+", " ".join(re.findall("`[^`]+`", section)))}
        printed = json.loads(run_here(*arguments, "--json", cwd=photos_with_mini)[1])
        assert set(_keys(printed)) <= named, heading


def test_the_row_of_an_explanation_names_each_of_its_keys(photos_with_mini):
    (row,) = [line for line in PAGE.splitlines() if line.startswith("| `explanation` |")]
    _, output, _ = run_here("query", "a red wall", "--explain", "--json", cwd=photos_with_mini)
    assert set(json.loads(output)["explanation"]) <= set(re.findall(r"`(\w+)`", row))
