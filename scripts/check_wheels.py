"""Check that everything that clipsearch needs has wheels for the systems in docs/install.md, for each Python.

    pip install uv && python scripts/check_wheels.py

uv resolves the dependencies of pyproject.toml for each system, from wheels alone, and downloads none of them. It takes some
minutes. The exit status is 1 if an answer differs from the expected answer below.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
SYSTEMS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "Linux x86-64, glibc 2.28": ("x86_64-manylinux_2_28", "", PYTHONS),
    "Linux x86-64, glibc 2.17": ("x86_64-manylinux_2_17", "", ()),
    "Linux ARM64, glibc 2.28": ("aarch64-manylinux_2_28", "", PYTHONS),
    "Linux x86-64, musl": ("x86_64-unknown-linux-musl", "", ()),
    "Linux ARM64, musl": ("aarch64-unknown-linux-musl", "", ()),
    "macOS 14, Apple silicon": ("aarch64-apple-darwin", "14.0", PYTHONS),
    "macOS 13, Apple silicon": ("aarch64-apple-darwin", "13.0", ()),
    "macOS 13, Intel": ("x86_64-apple-darwin", "13.0", ("3.10", "3.11", "3.12", "3.13")),
    "Windows x86-64": ("x86_64-pc-windows-msvc", "", PYTHONS),
    "Windows ARM64": ("aarch64-pc-windows-msvc", "", ("3.12", "3.13", "3.14")),
}
"""Name → what uv calls it, the version of macOS, and the Pythons for which it installs."""

SHOWN = ("faiss-cpu", "openvino", "torch")


def resolved(system: str, python: str) -> tuple[bool, str]:
    """Whether everything has wheels there, and the versions of the deciding packages, or uv's explanation."""
    platform, macos, _ = SYSTEMS[system]
    pyproject = Path(__file__).resolve().parents[1] / "pyproject.toml"
    command = [
        "uv", "pip", "compile", "--quiet", "--only-binary", ":all:", "--no-annotate", "--no-header", "--python-platform",
        platform, "--python-version", python, str(pyproject),
    ]  # fmt: skip
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, **({"MACOSX_DEPLOYMENT_TARGET": macos} if macos else {})},
    )
    if done.returncode == 0:
        return True, ", ".join(line for line in done.stdout.splitlines() if line.startswith(SHOWN))
    return False, " ".join(done.stderr.split())[:200]


def main() -> int:
    """Resolve for each system and Python, and compare."""
    cases = [(system, python) for system in SYSTEMS for python in PYTHONS]
    wrong = 0
    with ThreadPoolExecutor(4) as threads:
        for (system, python), (works, output) in zip(
            cases, threads.map(lambda case: resolved(*case), cases), strict=True
        ):
            expected = python in SYSTEMS[system][2]
            wrong += works != expected
            print(
                f"{'ok   ' if works == expected else 'WRONG'} {system}, Python {python}: "
                f"{output if works else f'no ({output})'}"
            )
    print(f"{wrong} of {len(cases)} are not as docs/install.md says" if wrong else "all are as docs/install.md says")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
