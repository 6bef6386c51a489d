#!/usr/bin/env python3
"""Run clipsearch on Windows' own Python, under Wine, from Linux. It is not a part of the gate.

    python tools/wine.py setup                       # some minutes, 2 GB; needs debootstrap, mingw-w64 and root
    python tools/wine.py walk                        # what a user does, in places with awkward names
    python tools/wine.py test tests/store -m "not long"
    python tools/wine.py run -m clipsearch --help    # any arguments for Windows' Python

Wine 10 or later comes from Debian 13, in a folder of its own, unless --wine names an installed one. Everything is kept in one
folder, by default clipsearch-wine in the user's cache folder; delete it to start again.

Wine is not Windows: it lacks a console with Ctrl-C, junctions, and the limit on the length of paths. But like Windows it
refuses to replace or delete files that are open or mapped.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from wine_lab.environment import REPOSITORY, Windows


def main() -> None:
    """Run the command in the first argument."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clipsearch-wine"
    folder = os.environ.get("CLIPSEARCH_WINE") or cache
    parser.add_argument(
        "--folder", type=Path, default=folder, help=f"where everything is kept (CLIPSEARCH_WINE; {folder})"
    )
    parser.add_argument("--wine", help="an installed wine, 10 or later, to use instead of Debian's")
    parser.add_argument("--mirror", help="Debian mirror for debootstrap; default: this system's")
    parser.add_argument("action", choices=["setup", "walk", "test", "run"])
    parser.add_argument("rest", nargs=argparse.REMAINDER, help="arguments for pytest, or for Windows' Python")
    arguments = parser.parse_args()
    windows = Windows(arguments.folder, arguments.wine)
    windows.set_up(arguments.mirror)
    if arguments.action == "run":
        sys.exit(windows.run(*arguments.rest))
    if arguments.action == "test":
        temporary = windows.path(windows.folder / "tests")
        sys.exit(windows.run("-m", "pytest", "-p", "no:cacheprovider", "--basetemp", temporary, *arguments.rest))
    if arguments.action == "walk":
        work = windows.prefix / "drive_c" / "walk"
        own = work.with_name("walk share")
        own.mkdir(exist_ok=True)
        shares = ["--share", windows.share("walk", work), "--own-share", windows.share("own", own)]
        photos = windows.path(REPOSITORY / "data" / "photos")
        script = windows.path(Path(__file__).parent / "wine_lab" / "walk.py")
        sys.exit(windows.run(script, "--photos", photos, "--work", "C:\\walk", *shares))


if __name__ == "__main__":
    main()
