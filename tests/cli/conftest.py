"""Fixtures that run the command line."""

import pytest

from tests.cli.running import run_here, run_process


@pytest.fixture
def clipsearch(tmp_path):
    """Run `clipsearch ...` in a folder; (exit status, stdout, stderr)."""

    def run(*arguments, cwd=tmp_path, **environment):
        status, output, errors = run_here(*arguments, cwd=cwd, **environment)
        return status, output.decode("utf-8", "surrogateescape"), errors

    return run


@pytest.fixture
def clipsearch_process(tmp_path):
    """Run `clipsearch ...` in a process of its own, as a user does."""

    def run(*arguments, cwd=tmp_path, **environment):
        return run_process(*arguments, cwd=cwd, **environment)

    return run
