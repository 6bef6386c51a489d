"""Write a planned library to a folder: pictures, exiftool's tags, sidecars and JSON files."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from PIL import Image
from pillow_heif import register_heif_opener

from photo_library.layouts import Tag, written
from photo_library.plan import Photo

_FILE_TIME = datetime(2025, 3, 1, 12).timestamp()  # of every file: the day when the library was copied to a new disk


def write_photos(photos: Sequence[Photo], pictures: Path, library: Path) -> None:
    """Write the photos with their facts. RuntimeError if exiftool does not take one of the facts."""
    register_heif_opener()
    commands: list[str] = []
    for photo in photos:
        path = library / photo.path
        path.parent.mkdir(parents=True, exist_ok=True)
        _copy(pictures / photo.source, path)
        facts = written(photo)
        if facts.tags:
            commands += _command(path, facts.tags)
        if facts.sidecar and facts.sidecar_tags:
            commands += _command(path.with_name(facts.sidecar), facts.sidecar_tags)
        if facts.json_name and facts.json_text:
            path.with_name(facts.json_name).write_text(facts.json_text, "utf-8")
    run_exiftool(commands)


def set_file_times(library: Path) -> None:
    """Give all files the same time, so that it tells nothing about the photos."""
    for path in library.rglob("*"):
        if path.is_file():
            os.utime(path, (_FILE_TIME, _FILE_TIME))


def run_exiftool(commands: Sequence[str]) -> None:
    """Run exiftool once for many files. Each command ends with `-execute`."""
    if not commands:
        return
    with tempfile.TemporaryDirectory() as folder:
        arguments = Path(folder) / "arguments"
        arguments.write_text("\n".join(commands) + "\n", "utf-8")
        options = ["-charset", "filename=utf8", "-charset", "utf8"]
        common = ["-common_args", "-overwrite_original", "-q", "-n", "-m"]
        done = subprocess.run(
            ["exiftool", *options, "-@", str(arguments), *common], capture_output=True, text=True, check=False
        )
    if done.stderr.strip():
        raise RuntimeError(f"exiftool did not write everything:\n{done.stderr.strip()[:2000]}")


def _command(path: Path, tags: Sequence[Tag]) -> list[str]:
    # The first value of a list replaces what is there, each further one is added: that is what "=" does in one command.
    return [*(f"-{name}={value}" for name, value in tags), str(path), "-execute"]


def _copy(source: Path, target: Path) -> None:
    suffix = target.suffix.lower()
    if suffix in (".jpg", ".jpeg"):
        shutil.copyfile(source, target)
        return
    with Image.open(source) as image:
        if suffix == ".heic":
            image.save(target, format="HEIF", quality=85)
        else:
            image.save(target)
