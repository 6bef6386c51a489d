"""The vulnerability check of scripts/check covers installed versions and the versions that pyproject.toml allows."""

import re
import sys
from datetime import date
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
import check_vulnerabilities as check

SCRIPTS = Path(check.__file__).parent


def advisory(fixed="2.0", **more):
    return check.Advisory("thing", fixed, ("CVE-1",), "it falls over", **more)


@pytest.mark.parametrize(
    ("version", "fixed", "is_one"),
    [
        ("1.9", "2.0", True),
        ("2.0", "2.0", False),
        ("2.0rc1", "2.0", True),
        ("2.0+cpu", "2.0", False),
        ("99", None, True),
    ],
)
def test_an_installed_version_before_the_fix_is_named(version, fixed, is_one):
    problems = check.problems([advisory(fixed)], [], {"thing": Version(version), "other": Version("1")})
    assert len(problems) == is_one and all(f"thing {version} is installed: CVE-1" in line for line in problems)


@pytest.mark.parametrize(
    ("asked", "is_one"),
    [("thing", True), ("thing>=1.5", True), ("Thing>=2.0", False), ("thing>=2.1,<3", False), ("thing<3", True),
     ("thing==1.0", True), ("thing~=2.0", False), ("other", False), ("thing>=1; python_version > '3'", True)],
)  # fmt: skip
def test_a_bound_that_lets_one_in_is_named(asked, is_one):
    assert len(check.problems([advisory()], [Requirement(asked)], {})) == is_one


def test_what_is_never_reached_needs_a_reason_and_is_then_none():
    harmless = advisory(not_reached="that function is never called")
    assert check.problems([harmless], [Requirement("thing")], {"thing": Version("1")}) == []


def test_where_there_is_no_fix_only_that_environment_is_let_off():
    old = advisory(no_fix_where="python_version < '3.0'")
    requirements = [Requirement("thing>=1; python_version < '3.0'"), Requirement("thing>=1; python_version >= '3.0'")]
    assert len(check.problems([old], requirements, {})) == 1
    assert len(check.problems([old], [], {"thing": Version("1")})) == 1  # the marker describes another environment
    here = advisory(no_fix_where="python_version >= '3.0'")
    assert check.problems([here], [], {"thing": Version("1")}) == []


def test_the_list_is_dated_and_each_entry_has_its_number():
    as_of, advisories = check.read(SCRIPTS / "advisories.json")
    assert date.fromisoformat(as_of) <= date.today()
    for item in advisories:
        assert all(
            re.fullmatch(r"CVE-\d{4}-\d{4,}|GHSA(-[0-9a-z]{4}){3}|PYSEC-\d{4}-\d+", number) for number in item.ids
        )
        assert (
            item.about
            and (item.fixed is None or Version(item.fixed))
            and item.package == check.normalised(item.package)
        )
    assert {"pillow", "pillow-heif", "torch", "transformers"} <= {item.package for item in advisories}


def test_nothing_installed_or_asked_for_here_has_a_known_vulnerability(capsys):
    assert check.main() == 0, capsys.readouterr().out


def test_weights_are_never_unpickled_as_the_list_has_it():
    """The reason given for advisories of torch.load."""
    for file in (SCRIPTS.parent / "clipsearch").rglob("*.py"):
        assert not re.search(r"\btorch\.load\b|\bpickle\b|torch\.export", file.read_text("utf-8")), file
