"""The `clipsearch` command, also as `python -m clipsearch`. It answers Ctrl-C while the command line itself is imported."""

from __future__ import annotations

TYPE_CHECKING = False  # as in clipsearch/__init__.py
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and exit. Ctrl-C before or after a command ends the process like one during it."""
    try:
        from clipsearch._internal.early_interrupt import answer_at_once

        answer_at_once()
        from clipsearch.cli import main as run

        run()
    except KeyboardInterrupt:
        from clipsearch._internal.early_interrupt import end_at_once

        end_at_once()


if __name__ == "__main__":
    main()
