"""The command line, run in this process: a new one takes most of a second to import what this one has at hand."""

import io
import os
import subprocess
import sys
import warnings

import pytest

from clipsearch.cli import main


def run_here(*arguments, cwd, **environment):
    """`clipsearch ...` in a folder, with nothing to read from standard input: (exit status, output in bytes, errors)."""
    output, errors = (io.TextIOWrapper(io.BytesIO(), "utf-8", errors="surrogateescape") for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(), pytest.raises(SystemExit) as ended:
        patch.chdir(cwd)
        for name, value in {"OPENBLAS_NUM_THREADS": os.environ.get("OPENBLAS_NUM_THREADS", "1"), **environment}.items():
            patch.setenv(name, str(value))
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
        patch.setattr(sys, "stdout", output)
        patch.setattr(sys, "stderr", errors)
        main([str(argument) for argument in arguments])
    for stream in (output, errors):
        stream.flush()
    said = errors.buffer.getvalue().decode()
    assert "unexpected" not in said, said
    return ended.value.code or 0, output.buffer.getvalue(), said


def run_process(*arguments, cwd, **environment):
    """The same as a user meets it, in a process of its own, with text for output."""
    result = subprocess.run(
        [sys.executable, "-m", "clipsearch", *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONUTF8": "1", **environment},
    )  # fmt: skip
    assert "Traceback" not in result.stderr, result.stderr
    return result.returncode, result.stdout, result.stderr
