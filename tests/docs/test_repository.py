"""The files for the hosting service and the hooks parse, pin their actions and ask for the fewest permissions."""

import re

import pytest

from tests.conftest import ROOT

FILES = [*(ROOT / ".github").rglob("*.yml"), ROOT / ".pre-commit-config.yaml"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_parses(path):
    yaml = pytest.importorskip("yaml")
    assert isinstance(yaml.safe_load(path.read_text("utf-8")), dict)


WORKFLOWS = ROOT / ".github" / "workflows"


@pytest.mark.parametrize("path", sorted(WORKFLOWS.glob("*.yml")), ids=lambda path: path.name)
def test_a_workflow_has_pinned_actions_may_only_read_and_gets_no_secret(path):
    text = path.read_text("utf-8")
    actions = re.findall(r"uses: (\S+)", text)
    assert actions and all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in actions)
    assert re.findall(r"permissions:\n((?:  .*\n)+)", text) == ["  contents: read\n"]
    assert "secrets." not in text


def test_a_workflow_runs_the_gate_on_every_python():
    text = (WORKFLOWS / "check.yml").read_text("utf-8")
    assert "run: scripts/check" in text
    supported = re.findall(r"Python :: (3\.\d+)|>=(3\.\d+)", (ROOT / "pyproject.toml").read_text("utf-8"))
    assert supported and '"3.10", "3.11", "3.12", "3.13", "3.14"' in text


def test_a_bug_report_asks_for_doctor():
    assert "clipsearch doctor" in (ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml").read_text("utf-8")
