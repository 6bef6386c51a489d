"""What runs clipsearch as a service: the Dockerfile, and the unit in the documentation."""

import json
import re
import shlex

import click

from clipsearch.cli import cli
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "how-to" / "service.md").read_text("utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")


def parsed(words):
    """The values of a command's options, without running it."""
    group = click.Context(cli, info_name="clipsearch")
    command = cli.get_command(group, words[0])
    return command.make_context(words[0], list(words[1:]), parent=group).params


def test_the_containers_command_is_one_that_others_reach_and_that_needs_a_token():
    (command,) = (json.loads(line[4:]) for line in DOCKERFILE.splitlines() if line.startswith("CMD "))
    values = parsed(command)
    assert command[0] == "serve" and values["host"] == "0.0.0.0" and values["watch"] and values["no_open"]
    assert "CLIPSEARCH_TOKEN=" in PAGE and f"EXPOSE {values['port']}" in DOCKERFILE


def test_the_image_gets_the_files_that_it_copies_and_no_others():
    kept = set(re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text("utf-8"), re.MULTILINE))
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    assert {name for names in copied for name in names.split()} == kept
    assert all((ROOT / name).exists() for name in kept)


def test_the_unit_of_systemd_starts_a_server():
    (line,) = re.findall(r"^ExecStart=(.*)$", PAGE, re.MULTILINE)
    program, *words = shlex.split(line)
    assert program.endswith("/clipsearch") and parsed(words)["index_folder"] == "%h/Photos"


def test_what_the_first_block_of_the_readme_runs_needs_no_extra():
    pyproject = (ROOT / "pyproject.toml").read_text("utf-8")
    installed = pyproject[pyproject.index("\ndependencies = [") : pyproject.index("[project.optional-dependencies]")]
    for library in ("fastapi", "uvicorn", "prometheus-client", "watchfiles", "textual"):
        assert f'"{library}>=' in installed, library
