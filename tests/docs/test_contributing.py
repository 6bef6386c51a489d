"""The map in CONTRIBUTING.md matches the package."""

import re

import click
import pytest

from clipsearch.cli import cli
from tests.conftest import ROOT

PACKAGE = ROOT / "clipsearch"
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
ROWS = re.findall(r"^\| (`[a-z_/]+(?:/|\.py)`.*?) \|(.*)$", TEXT.partition("## Recipes")[0], re.MULTILINE)


def test_every_entry_of_the_package_is_on_the_map():
    mapped = {name.partition("/")[0] for entries, _ in ROWS for name in re.findall(r"`([\w./]+)`", entries)}
    there = {path.name for path in PACKAGE.iterdir() if not path.name.startswith("__") and path.name != "py.typed"}
    assert mapped == there


@pytest.mark.parametrize(("entries", "rest"), ROWS)
def test_every_file_on_the_map_is_there(entries, rest):
    folder = PACKAGE / re.match(r"`([\w./]+)`", entries)[1]
    for name in re.findall(r"`([\w/]+(?:/|\.py))`", rest):
        assert (folder / name).exists() or any(folder.rglob(name)), name


@pytest.mark.parametrize(("entries", "rest"), ROWS)
def test_every_file_of_a_folder_is_on_the_map(entries, rest):
    folder = PACKAGE / re.match(r"`([\w./]+)`", entries)[1]
    others = [PACKAGE / name for name in re.findall(r"`([\w/]+)/`", " ".join(row for row, _ in ROWS))]
    inside = [other for other in others if folder in other.parents]  # with rows of their own
    files = {path.name for path in folder.rglob("*.py") if not any(other in path.parents for other in inside)}
    files -= {"__init__.py"}
    if folder.name == "cli":  # commands are found by their names
        files -= {f"{name}.py" for name in cli.list_commands(click.Context(cli))} | {"import_.py", "version.py"}
    assert not [name for name in sorted(files) if f"`{name}`" not in rest and f"/{name}`" not in rest]


def test_the_import_rule_is_the_one_that_is_checked():
    rule = re.search(r"^`(cli → .*)`$", TEXT, re.MULTILINE)[1]
    contract = re.search(
        r"^layers = \[\n(.*?)^\]", (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )[1]
    layers = [line.replace("clipsearch.", "") for line in re.findall(r'"(.*)"', contract)]
    assert [set(layer.split(" | ")) for layer in rule.split(" → ")] == [
        set(layer.split(" | ")) for layer in layers if layer != "__main__"
    ]
