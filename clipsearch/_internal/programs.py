"""Starting other programs, without a shell."""

from __future__ import annotations

_PATIENCE = 2.0  # seconds within which an opener fails, if it does


def started(command: list[str]) -> int | None:
    """Start a program that outlives this one. Its exit status, if it ends soon; None if it runs on, as viewers do."""
    import subprocess

    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
    try:
        return process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        return None
