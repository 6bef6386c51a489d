"""The reference pages match the code that they are made from."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT


def test_the_reference_is_current():
    for library in ("fastapi", "uvicorn", "starlette"):
        pytest.importorskip(library)
    check = subprocess.run(
        [sys.executable, "tools/write_reference.py", "--check"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert check.returncode == 0, check.stdout + check.stderr
