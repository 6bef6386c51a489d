"""Checkpoints from the Hugging Face hub: what is cached, whether the hub answers, and fetching.

The cache and its location are huggingface_hub's own (HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_HUB_OFFLINE are honoured).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from clipsearch._internal.checksums import file_sha256
from clipsearch._internal.untrusted_files import read_plain
from clipsearch.encoders import checkpoint
from clipsearch.errors import ModelError

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

HUB_PATIENCE = 0.8
"""Seconds the hub has to answer before it counts as out of reach; name resolution included."""

_WANTED = ["*.json", "*.safetensors", "*.txt", "*.model", "LICENSE*", "README.md"]
_NOT_WANTED = ["*/*"]  # repositories keep other runtimes' weights in subfolders


def cached_folder(model: str, revision: str = "main") -> Path | None:
    """The folder of a checkpoint in the local cache, of this revision or else of any; None unless one is there whole."""
    cache = cache_folder() / f"models--{model.replace('/', '--')}"
    if _is_whole(cache / "snapshots" / revision):  # a commit: no reference names it
        return cache / "snapshots" / revision
    references = [cache / "refs" / revision, *sorted(path for path in (cache / "refs").rglob("*") if path.is_file())]
    for reference in references:
        try:
            folder = cache / "snapshots" / read_plain(reference, 1000).decode().strip()
        except (OSError, ValueError):
            continue
        if _is_whole(folder):
            return folder
    return None


def cache_folder() -> Path:
    """Where huggingface_hub keeps checkpoints, found as it finds it, without the fifth of a second its import takes."""
    if explicit := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(explicit).expanduser()
    base = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("HF_HOME", f"{base}/huggingface")).expanduser() / "hub"


def hub_answers(patience: float = HUB_PATIENCE) -> bool:
    """Whether the hub can be reached now. It never takes longer than `patience` seconds."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        return False
    import urllib.request  # a query has no need of it

    answered = threading.Event()

    def ask() -> None:
        try:
            with urllib.request.urlopen(f"{endpoint()}/api/models?limit=1", timeout=patience):  # noqa: S310
                answered.set()
        except (OSError, ValueError):
            return

    # In a thread, because looking up a name has no time limit of its own.
    threading.Thread(target=ask, daemon=True).start()
    return answered.wait(patience)


def endpoint() -> str:
    """The hub's address."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def fetch(model: str, revision: str = "main", known: Mapping[str, str] | None = None) -> Path:
    """Download a checkpoint into the cache, with progress, or what is missing of it; its folder.

    Every weights file is held against the sha256 that the hub has of it, and against those `known` here, by name. ModelError
    with the ways out where it is another, or where the hub cannot be reached or does not have the model.
    """
    if not hub_answers():
        raise ModelError(unreachable(model))
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

    try:
        info = HfApi().model_info(model, revision=revision, files_metadata=True)
        if not _published(info):
            revision = _conversion(model) or revision
            info = HfApi().model_info(model, revision=revision, files_metadata=True)
        folder = Path(snapshot_download(model, revision=revision, allow_patterns=_WANTED, ignore_patterns=_NOT_WANTED))
    except GatedRepoError as error:
        raise ModelError(f"{model} needs an account that accepted its terms: log in with `hf auth login`") from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise ModelError(
            f"there is no model {model!r} on the hub, nor a folder of that name here; `clipsearch models` lists some"
        ) from error
    except Exception as error:  # of the network, of the disk, or an answer that is not what a hub says
        raise ModelError(f"{model} could not be downloaded ({error}); run the same command again to go on") from error
    require_published(folder, {name: sha256 for name, sha256 in _published(info).items() if sha256})
    require_published(folder, known or {})
    checkpoint.weight_files(folder)
    return folder


def require_published(folder: Path, sha256s: Mapping[str, str]) -> None:
    """Raise ModelError where a file of a checkpoint is not the one of that sha256 (name → hexadecimal), and delete the file."""
    for name, sha256 in sha256s.items():
        path = folder / name
        if path.is_file() and file_sha256(path) != sha256:
            found = path.resolve()  # the cache's own copy, which the folder only links to
            path.unlink()
            found.unlink(missing_ok=True)
            raise ModelError(
                f"{name} as it was downloaded is not the file that was published: its sha256 is not {sha256}. It was deleted; "
                "run the same command again, and if that does not help, do not use this connection or this model"
            )


def unreachable(model: str) -> str:
    """What to tell a user who wants a model that is not here while the hub cannot be reached."""
    return (
        f"the model {model} is not on this machine and the hub cannot be reached. Three ways out: go online and run "
        f"`clipsearch models pull {model}`; copy the checkpoint here and give its folder with --model PATH; or use the "
        "small model that ships with clipsearch: --model mini"
    )


def _published(info: ModelInfo) -> dict[str, str]:
    """The safetensors files of a revision: name → sha256, "" where the hub does not say."""
    files = {file.rfilename: file.lfs for file in info.siblings or ()}
    return {
        name: (stored.sha256 if stored else "")
        for name, stored in files.items()
        if name.endswith(".safetensors") and "/" not in name
    }


def _conversion(model: str) -> str | None:
    """The pull request in which the hub's own bot offers a model's pickled weights as safetensors."""
    from huggingface_hub import HfApi

    requests = HfApi().get_repo_discussions(model, author="SFconvertbot", discussion_type="pull_request")
    return next((request.git_reference for request in requests if request.author == "SFconvertbot"), None)


def _is_whole(folder: Path) -> bool:
    if not checkpoint.is_checkpoint(folder):
        return False
    try:
        return all(file.is_file() for file in checkpoint.tensor_files(folder))
    except ModelError:
        return False
