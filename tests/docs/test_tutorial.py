"""The tutorial's commands run in order and print what it shows: scores and matches too, but other times and sizes."""

import os
import re
import shlex
import shutil
import sys

import pytest

from tests.cli.running import run_here
from tests.conftest import PHOTOS, ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the examples are for a Unix shell")

PROGRESS = re.compile(r" of \d+ photos\b.* left$")  # said every half minute on a slow machine


def sessions(page):
    """(command, the lines below it) for each `$ clipsearch ...` in the console blocks of a page."""
    for block in re.findall(r"^```console\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *shown = part.rstrip("\n").split("\n")
            if command.startswith("clipsearch "):
                yield command, shown


def figures(lines):
    """The scores of hits, and their matches, from 0 to 1."""
    scores = [float(score) for line in lines for score in re.findall(r"^\d+ +(0\.\d{4})\b", line)]
    return scores + [int(match) / 100 for line in lines for match in re.findall(r"^\d+ +0\.\d{4} +(\d+)%", line)]


def without_figures(lines):
    """Replace every figure by # and every run of spaces by one space. Figures differ from machine to machine."""
    figures = [re.sub(r"<?\b[0-9]+(\.[0-9]+)?\b%?", "#", re.sub(r"\b[0-9a-f]{12}\b", "DIGEST", line)) for line in lines]
    return [" ".join(line.replace("# segments", "# segment").split()) for line in figures]


def test_it_prints_what_the_tutorial_shows(tmp_path):
    home, clone = tmp_path / "home", tmp_path / "home" / "me" / "clipsearch"
    shutil.copytree(PHOTOS, clone / "data" / "photos")
    changed = {"HOME": home / "me", "HF_HUB_OFFLINE": "1", "HF_HOME": home / "hub"}
    changed |= {f"XDG_{name}_HOME": home / name for name in ("STATE", "DATA", "CACHE")}
    ran = 0
    for command, shown in sessions((ROOT / "docs" / "tutorial.md").read_text("utf-8")):
        status, output, errors = run_here(*shlex.split(command)[1:], cwd=clone, **changed)
        assert status == 0, (command, errors)
        printed = [text.decode(errors="replace") if isinstance(text, bytes) else text for text in (output, errors)]
        printed = [text.replace(os.fspath(home), "/home").splitlines() for text in printed]
        printed = [[line for line in lines if not PROGRESS.search(line)] for lines in printed]
        if shown:
            # A terminal may show output and errors in either order.
            both = (printed[0] + printed[1], printed[1] + printed[0])
            assert without_figures(shown) in map(without_figures, both), (command, both[0])
            assert figures(printed[0]) == pytest.approx(figures(shown), abs=0.015), command
        ran += 1
    assert ran > 6
