"""Check that every package that clipsearch installs has a permissive licence, or is listed below with a reason.

    python scripts/check_licences.py

It reads the metadata of clipsearch's packages and of their requirements, and downloads nothing. It recognises native libraries
inside wheels by their names, since the metadata seldom names their licences.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata

PERMISSIVE = frozenset(
    (
        "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC-BY-4.0", "CC0-1.0", "CNRI-Python", "HPND", "ISC",
        "LLVM-exception", "MIT", "MIT-CMU", "PSF-2.0", "Python-2.0", "Unicode-3.0", "Unlicense", "Zlib",
    )
)  # fmt: skip
"""SPDX identifiers."""

WORDS = {
    r"apache.*2|apache software": "Apache-2.0",
    r"(3-clause|new|modified).*bsd|bsd.*3": "BSD-3-Clause",
    r"bsd.*2|(2-clause|simplified).*bsd": "BSD-2-Clause",
    r"^bsd( license)?$": "BSD-3-Clause",
    r"^(the )?mit\b": "MIT",
    r"\bisc\b": "ISC",
    r"python software foundation": "PSF-2.0",
    r"^(hpnd|historical permission)": "HPND",
}
"""What older metadata says, and the SPDX identifier that it means."""

ALLOWED = {
    "tqdm": "MPL-2.0 in part: copyleft by the file, and its files are used as they are",
    "certifi": "MPL-2.0: a list of certificates, used as it is",
    "pathspec": "MPL-2.0: used as it is, and by developers only",
    "hypothesis": "MPL-2.0: used as it is, and by developers only",
    "pillow-jxl-plugin": "GPL-3.0: installed only if the user asks for the extra jxl; we do not pass it on, pip fetches it",
}
ALLOWED_FAMILIES = {
    "nvidia-": "CUDA's libraries: proprietary and free to use; only where torch's CUDA build is chosen",
}
COPYLEFT_LIBRARIES = re.compile(
    r"(?:^|/)lib(x26[45]|avcodec|avformat|readline|fftw3|mysqlclient)[-.\w]*\.(so|dylib)|x26[45]\S*\.dll"
)
ALLOWED_LIBRARIES = {
    (
        "pillow-heif",
        "x265",
    ): "GPL-2.0: an encoder, which clipsearch never calls; we do not pass the wheel on, pip fetches it. "
    "pi-heif is without it, but its last release (1.4.0) has older decoders, and decoding is what meets strangers' bytes",
    ("opencv-python-headless", "avcodec"): "LGPL-2.1: FFmpeg, which clipsearch never calls; RapidOCR needs the package",
    (
        "opencv-python-headless",
        "avformat",
    ): "LGPL-2.1: FFmpeg, which clipsearch never calls; RapidOCR needs the package",
}
EXTRAS = ("", "jxl", "mcp", "milvus", "ocr", "pandas", "parquet", "raw", "ray", "siglip", "tui", "watch", "web")


def needed(name: str, extras: tuple[str, ...] = ("",)) -> dict[str, metadata.Distribution]:
    """The installed packages that a package needs, itself included, by their normalised names."""
    from packaging.requirements import Requirement

    packages: dict[str, metadata.Distribution] = {}
    waiting = [(name, extras)]
    done = set()
    while waiting:
        name, extras = waiting.pop()
        key = normalised(name)
        if (key, extras) in done:
            continue
        done.add((key, extras))
        try:
            packages[key] = package = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # of an extra, or of another system
            continue
        for text in package.requires or ():
            wanted = Requirement(text)
            if wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append((wanted.name, ("", *sorted(wanted.extras))))
    return packages


def normalised(name: str) -> str:
    """A package's name in the form that all tools agree on."""
    return re.sub(r"[-_.]+", "-", name).lower()


def licence(package: metadata.Distribution) -> str:
    """The licence in a package's metadata, from the most exact field that is set; "" if all are empty."""
    about = package.metadata
    classifiers = [
        line.split(" :: ")[-1]
        for line in about.get_all("Classifier") or ()
        if line.startswith("License ::") and line != "License :: OSI Approved"
    ]
    first, *_ = [*(about.get("License") or "").strip().splitlines(), ""]
    candidates = (about.get("License-Expression"), " AND ".join(classifiers), first.removeprefix("OSI Approved :: "))
    return next((candidate for candidate in candidates if candidate), "")


def is_permissive(expression: str) -> bool:
    """Whether permissive licences alone satisfy a licence expression."""
    choices = (re.split(r"\bAND\b|\bWITH\b", choice) for choice in re.split(r"\bOR\b", expression))
    return any(all(_identifier(part) in PERMISSIVE for part in choice) for choice in choices)


def _identifier(part: str) -> str:
    part = part.strip(" ()")
    if part in PERMISSIVE:
        return part
    return next((spdx for pattern, spdx in WORDS.items() if re.search(pattern, part, re.I)), part)


def libraries(package: metadata.Distribution) -> set[str]:
    """Copyleft libraries inside a package's files."""
    matches = (COPYLEFT_LIBRARIES.search(str(file)) for file in package.files or ())
    return {match[1] or "x265" for match in matches if match}


def problems(packages: dict[str, metadata.Distribution]) -> list[str]:
    """A line for each licence that is neither permissive nor listed."""
    lines = []
    for name, package in sorted(packages.items()):
        expression = licence(package)
        if name not in ALLOWED and not name.startswith(tuple(ALLOWED_FAMILIES)) and not is_permissive(expression):
            lines.append(f"{name} {package.version}: {expression or 'says no licence'}")
        copyleft = sorted(library for library in libraries(package) if (name, library) not in ALLOWED_LIBRARIES)
        lines += [f"{name} {package.version}: brings the library {library}, which is copyleft" for library in copyleft]
    return lines


def main() -> int:
    """Print every problem; 1 if there are any."""
    packages = needed("clipsearch", EXTRAS)
    lines = problems(packages)
    for line in lines:
        print(line)
    print(f"{len(packages)} packages, {len(lines)} with a licence that is neither permissive nor listed in {__file__}")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
