"""What tests of the command line share: running it."""

import os
import subprocess
import sys

import pytest

from tests.cli.running import run_here


@pytest.fixture
def clipsearch(tmp_path):
    """Run `clipsearch ...` in a folder; (exit status, stdout, stderr)."""

    def run(*arguments, cwd=tmp_path, **environment):
        status, output, errors = run_here(*arguments, cwd=cwd, **environment)
        return status, output.decode("utf-8", "surrogateescape"), errors

    return run


@pytest.fixture
def clipsearch_process(tmp_path):
    """The same as a user meets it: in a process of its own."""

    def run(*arguments, cwd=tmp_path, **environment):
        result = subprocess.run(
            [sys.executable, "-m", "clipsearch", *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=120,
            env={**os.environ, "PYTHONUTF8": "1", **environment},
        )  # fmt: skip
        assert "Traceback" not in result.stderr, result.stderr
        return result.returncode, result.stdout, result.stderr

    return run
