"""Run the command line in this process: a new process takes most of a second to import modules that are loaded here."""

import io
import os
import subprocess
import sys
import warnings

import pytest

from clipsearch.cli import main


def run_here(*arguments, cwd, encoding="utf-8", output=None, gone=False, given=b"", **environment):
    """`clipsearch ...` in a folder, with `given` as standard input: (exit status, output in bytes, errors).

    `encoding` is the encoding of the streams, as PYTHONIOENCODING would set it; `output` replaces standard output.
    With `gone`, the folder is deleted before the command begins.
    """
    output, errors = (stream or io.TextIOWrapper(io.BytesIO(), encoding, errors="strict") for stream in (output, None))
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(), pytest.raises(SystemExit) as ended:
        patch.chdir(cwd)
        if gone:
            os.rmdir(cwd)
        for name, value in {"OPENBLAS_NUM_THREADS": os.environ.get("OPENBLAS_NUM_THREADS", "1"), **environment}.items():
            patch.setenv(name, str(value))
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        patch.setattr(sys, "stdout", output)
        patch.setattr(sys, "stderr", errors)
        main([str(argument) for argument in arguments])
    errors.flush()
    messages = errors.buffer.getvalue().decode(encoding)
    assert "This is a bug" not in messages and "Traceback" not in messages, messages
    return ended.value.code or 0, output.buffer.getvalue() if isinstance(output.buffer, io.BytesIO) else b"", messages


def run_process(*arguments, cwd, **environment):
    """`clipsearch ...` in a process of its own, as a user runs it: (exit status, output as text, errors)."""
    result = subprocess.run(
        [sys.executable, "-m", "clipsearch", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONUTF8": "1", **environment},
    )
    assert "Traceback" not in result.stderr, result.stderr
    return result.returncode, result.stdout, result.stderr
