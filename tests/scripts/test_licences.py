"""The licence check of scripts/check accepts some licences and rejects others."""

import importlib.util
from email.message import Message
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def check():
    path = Path(__file__).parents[2] / "scripts" / "check_licences.py"
    spec = importlib.util.spec_from_file_location("check_licences", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Package:
    version = "1.0"

    def __init__(self, expression="MIT", files=()):
        self.metadata = Message()
        self.metadata["License-Expression"] = expression
        self.files = files


@pytest.mark.parametrize(
    "said",
    ["MIT", "Apache-2.0 OR GPL-3.0-only", "BSD-3-Clause AND MIT", "Apache-2.0 AND Apache-2.0 WITH LLVM-exception",
     "MIT License",
     "Apache Software License", "BSD", "BSD 2-Clause License", "3-Clause BSD License", "ISC License (ISCL)"],
)  # fmt: skip
def test_permissive_licences_pass(check, said):
    assert check.is_permissive(said)


@pytest.mark.parametrize(
    "said",
    ["", "GPL-3.0-only", "AGPL-3.0-or-later", "MIT AND GPL-2.0-only", "LGPL-2.1-only", "MPL-2.0", "Proprietary", "UNKNOWN",
     "GNU General Public License v3 (GPLv3)", "Other/Proprietary License", "SSPL-1.0", "NVIDIA Proprietary Software"],
)  # fmt: skip
def test_others_do_not(check, said):
    assert not check.is_permissive(said)


def test_problems_are_named_and_listed_exceptions_are_none(check):
    packages = {"good": Package(), "bad": Package("GPL-3.0-only"), "tqdm": Package("MPL-2.0 AND MIT")}
    assert check.problems(packages) == ["bad 1.0: GPL-3.0-only"]


def test_copyleft_libraries_in_a_wheel_are_found(check):
    heif = Package("BSD-3-Clause", ["pillow_heif.libs/libx265-4883ecb5.so.217", "pillow_heif/heif.py"])
    assert check.problems({"other": heif}) == ["other 1.0: brings the library x265, which is copyleft"]
    assert check.problems({"pillow-heif": heif}) == []


def test_what_is_installed_here_passes(check):
    packages = check.needed("clipsearch", check.EXTRAS)
    assert {"numpy", "pillow", "torch", "click"} <= set(packages)
    assert check.problems(packages) == []
