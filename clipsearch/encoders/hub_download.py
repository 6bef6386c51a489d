"""Download a file with weights into huggingface_hub's cache, so that another run can go on after an interruption.

huggingface_hub 2 begins a file anew in each process. If the finished file is in `blobs`, it only links to it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from clipsearch.errors import ModelError


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A file with weights, as the hub describes it."""

    name: str
    size: int  # bytes; 0 if the hub does not say it
    sha256: str  # "" if the hub does not publish it


def download(model: str, commit: str, file: WeightsFile, repository: Path, endpoint: str) -> None:
    """Download a file of a model into the `blobs` of its folder in the cache, unless it is there. Shows progress.

    Without a published sha256, by which a part is recognised, nothing is done. Raises what huggingface_hub does.
    """
    if not file.sha256 or _is_here(file, commit, repository):
        return
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import WeakFileLock, build_hf_headers  # type: ignore[attr-defined]

    blob, part = repository / "blobs" / file.sha256, _part(file, repository)
    lock = repository.parent / ".locks" / repository.name / f"{file.sha256}.lock"
    for folder in (blob.parent, lock.parent):
        folder.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(lock):
        if blob.exists():  # another process downloaded it meanwhile
            return
        if part.exists() and part.stat().st_size > file.size:
            part.unlink()
        with part.open("ab") as stream:
            http_get(
                hf_hub_url(model, file.name, revision=commit, endpoint=endpoint),
                stream,
                resume_size=stream.tell(),
                headers=build_hf_headers(),
                expected_size=file.size,
                displayed_filename=file.name,
            )
        os.replace(part, blob)


def drop_second_copy(file: WeightsFile, folder: Path, repository: Path) -> None:
    """Delete the file in `blobs` if the folder of the commit does not link to it: Windows may not allow links."""
    if file.sha256 and (folder / file.name).is_file() and not (folder / file.name).is_symlink():
        (repository / "blobs" / file.sha256).unlink(missing_ok=True)


def require_space(model: str, commit: str, files: Iterable[WeightsFile], repository: Path) -> None:
    """Raise ModelError if the disk of the cache has no room for what is still missing of these files."""
    missing = 0
    for file in files:
        if not _is_here(file, commit, repository):
            part = _part(file, repository)
            missing += file.size - (part.stat().st_size if part.exists() else 0)
    free = shutil.disk_usage(repository).free
    if missing > free:
        raise ModelError(
            f"{model} needs {_megabytes(missing)}, and the disk of {repository.parent} has {_megabytes(free)} left; free "
            "some space, or name a folder on another disk in HF_HOME"
        )


def _is_here(file: WeightsFile, commit: str, repository: Path) -> bool:
    return (repository / "blobs" / file.sha256).is_file() or (repository / "snapshots" / commit / file.name).is_file()


def _part(file: WeightsFile, repository: Path) -> Path:
    """What an interrupted download has left. huggingface_hub 1.x has the same name for it."""
    return repository / "blobs" / f"{file.sha256}.incomplete"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
