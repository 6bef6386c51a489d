"""What tests of the command line share: running it as a process."""

import os
import subprocess
import sys

import pytest


@pytest.fixture
def clipsearch(tmp_path):
    """Run `clipsearch ...` in a folder; (exit status, stdout, stderr)."""

    def run(*arguments, cwd=tmp_path, **environment):
        result = subprocess.run(
            [sys.executable, "-m", "clipsearch", *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=120,
            env={**os.environ, "PYTHONUTF8": "1", **environment},
        )  # fmt: skip
        assert "Traceback" not in result.stderr, result.stderr
        return result.returncode, result.stdout, result.stderr

    return run
