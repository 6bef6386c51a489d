"""Machines for which torch, transformers or OpenVINO have no wheels."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from clipsearch.analysis import diagnosis
from tests.conftest import save_photo
from tests.encoders.support import make_need_torch, save_checkpoint

WITHOUT = """
import sys

class Refuses:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("openvino", "torch", "transformers"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuses())
"""


def run(script, *arguments):
    """Run a script in a process that cannot import torch, transformers or OpenVINO. Return its stdout and stderr."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT + script, *map(str, arguments)], capture_output=True, text=True
    )
    return done.stdout, done.stderr


def test_mini_indexes_and_answers_without_torch_and_openvino(tmp_path):
    for colour in ("red", "green", "blue"):
        save_photo(tmp_path / "photos" / f"{colour}.jpg", colour)
    script = """
import contextlib
from clipsearch.cli import main

folder = sys.argv[1]
for words in (["index", folder, "--model", "mini"], ["query", "something red", "--index", f"{folder}/.clipsearch"]):
    sys.argv[1:] = words
    with contextlib.suppress(SystemExit):
        main()
"""
    output, errors = run(script, tmp_path / "photos")
    assert "3 added" in output and "red.jpg" in output, errors


def test_another_model_says_what_is_missing_and_how_to_get_it(tmp_path):
    clip, other = (save_checkpoint(tmp_path / name) for name in ("clip", "other"))
    make_need_torch(other)
    script = """
import numpy as np
from clipsearch import load_encoder
from clipsearch.errors import ModelError
clip = load_encoder(sys.argv[1])
print("texts", len(clip.encode_texts(["a dog"])))
size = clip.spec.pixels.output_size
for attempt in (lambda: clip.embed_pixels(np.zeros((1, 3, *size), np.float32)), lambda: load_encoder(sys.argv[2])):
    try:
        attempt()
    except ModelError as error:
        print(error)
"""
    output, errors = run(script, clip, other)
    assert output.startswith("texts 1\n"), errors
    first, second = output.splitlines()[1:]
    assert "openvino" in first and "pip install torch transformers" in first and "model='mini'" in first
    assert "pip install torch transformers" in second and "Traceback" not in errors


def test_a_new_index_takes_mini_where_nothing_runs_larger_models():
    script = "from clipsearch.encoders import choose_default_model; print(choose_default_model())"
    output, errors = run(script)
    assert output == "mini\n" and "openvino, or torch and transformers" in errors


@pytest.mark.parametrize(
    ("system", "processor"),
    [*diagnosis.WITHOUT_WHEELS, ("darwin", "arm64"), ("win32", "AMD64"), ("linux", "x86_64")],
)
def test_doctor_misses_only_what_the_installation_brings_there(monkeypatch, system, processor):
    tomllib = pytest.importorskip("tomllib", reason="Python 3.11 reads TOML")
    requirements = pytest.importorskip("packaging.requirements")
    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    listed = tomllib.loads(pyproject.read_text("utf-8"))["project"]["dependencies"]
    here = {"sys_platform": system, "platform_machine": processor, "python_version": "3.12", "extra": ""}
    needed = {
        requirement.name
        for requirement in map(requirements.Requirement, listed)
        if not requirement.marker or requirement.marker.evaluate(here)
    }
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(diagnosis.platform, "machine", lambda: processor)
    assert set(diagnosis.PACKAGES) - diagnosis.optional() - {"clipsearch"} == needed


def test_the_systems_of_the_install_page_are_those_whose_wheels_are_checked():
    top = Path(__file__).parents[2]
    lines = re.findall(
        r"^\| ((?:Linux|macOS|Windows) [^|]+) \| (3\.\d+) to (3\.\d+) \|",
        (top / "docs" / "install.md").read_text("utf-8"),
        re.M,
    )
    checked = runpy.run_path(str(top / "scripts" / "check_wheels.py"))["SYSTEMS"]
    installs = [(name, pythons[0], pythons[-1]) for name, (_, _, pythons) in checked.items() if pythons]
    assert [(name.replace(" or newer", ""), *pythons) for name, *pythons in lines] == installs
