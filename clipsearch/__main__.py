"""The `clipsearch` command, also as `python -m clipsearch`. It answers Ctrl-C while the command line itself is imported."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # as in clipsearch/__init__.py
if TYPE_CHECKING:
    from typing import NoReturn

_INTERRUPTED = 130  # the table is in clipsearch/cli/exit_status.py, which may not be imported yet


def main() -> NoReturn:
    """Run the command line and exit. Ctrl-C before or after a command ends the process like one during it."""
    try:
        from clipsearch.cli import main as run

        run()
    except KeyboardInterrupt:
        try:
            os.write(2, b"\nclipsearch: interrupted\n")
        finally:
            os._exit(_INTERRUPTED)  # modules may be imported in part, so Python's own ending might not work


if __name__ == "__main__":
    main()
