"""Checkpoints from the Hugging Face hub: what is cached, whether the hub answers, and downloads.

The cache and its location are huggingface_hub's own (HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_HUB_OFFLINE are honoured).
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from clipsearch._internal.checksums import file_sha256
from clipsearch._internal.untrusted_files import read_plain
from clipsearch.encoders.checkpoint import find_weights, safetensors_files
from clipsearch.errors import ModelError

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

logger = logging.getLogger(__name__)

HUB_PATIENCE = 0.8
"""Seconds within which the hub must answer, name resolution included."""

_ALLOWED = ["*.json", "*.safetensors", "*.txt", "*.model", "LICENSE*", "README.md"]
_IGNORED = ["*/*"]  # repositories keep other runtimes' weights in subfolders


def cached_folder(model: str, revision: str = "main") -> Path | None:
    """The folder of a complete checkpoint in the local cache, of this revision or else of any."""
    cache = cache_folder() / f"models--{model.replace('/', '--')}"
    if _is_complete(cache / "snapshots" / revision):  # a commit has no reference that names it
        return cache / "snapshots" / revision
    references = [cache / "refs" / revision, *sorted(path for path in (cache / "refs").rglob("*") if path.is_file())]
    for reference in references:
        try:
            folder = cache / "snapshots" / read_plain(reference, 1000).decode().strip()
        except (OSError, ValueError):
            continue
        if _is_complete(folder):
            return folder
    return None


def cache_folder() -> Path:
    """Where huggingface_hub keeps checkpoints. Computed here, because importing huggingface_hub takes a fifth of a second."""
    if explicit := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(explicit).expanduser()
    base = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("HF_HOME", f"{base}/huggingface")).expanduser() / "hub"


def hub_answers() -> bool:
    """Whether the hub answers within HUB_PATIENCE."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        return False
    import urllib.request  # a query does without it

    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    answered = threading.Event()

    def request() -> None:
        try:
            with urllib.request.urlopen(f"{endpoint}/api/models?limit=1", timeout=HUB_PATIENCE):  # noqa: S310
                answered.set()
        except (OSError, ValueError) as error:
            logger.info("the hub at %s does not answer: %s", endpoint, error)

    # In a thread, because name resolution has no time limit of its own.
    threading.Thread(target=request, daemon=True).start()
    return answered.wait(HUB_PATIENCE)


def fetch(model: str, revision: str = "main", sha256s: Mapping[str, str] | None = None) -> Path:
    """Download a checkpoint, or what is missing of it, into the cache, with progress. Returns its folder.

    Every weights file must have the sha256 that the hub publishes, and the one in `sha256s`, if it names the file. Raises
    ModelError, with what to do, if a file differs, the hub cannot be reached, or it does not have the model.
    """
    if not hub_answers():
        raise ModelError(
            f"the model {model} is not on this machine and the hub cannot be reached. Three ways out: go online and run "
            f"`clipsearch models pull {model}`; copy the checkpoint here and pass its folder with --model PATH; or use the "
            "small model that ships with clipsearch: --model mini"
        )
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

    try:
        info = HfApi().model_info(model, revision=revision, files_metadata=True)
        if not _published_sha256s(info):
            revision = _safetensors_conversion(model) or revision
            info = HfApi().model_info(model, revision=revision, files_metadata=True)
        logger.info("downloading %s at %s", model, info.sha)
        folder = Path(snapshot_download(model, revision=revision, allow_patterns=_ALLOWED, ignore_patterns=_IGNORED))
    except GatedRepoError as error:
        raise ModelError(f"{model} needs an account that accepted its terms: log in with `hf auth login`") from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise ModelError(
            f"there is no model {model!r} on the hub, nor a folder of that name here; `clipsearch models` lists some"
        ) from error
    except Exception as error:  # the network, the disk, or an answer that no hub gives
        raise ModelError(f"{model} could not be downloaded ({error}); run the same command again to go on") from error
    require_published(folder, {name: sha256 for name, sha256 in _published_sha256s(info).items() if sha256})
    require_published(folder, sha256s or {})
    safetensors_files(folder)
    return folder


def require_published(folder: Path, sha256s: Mapping[str, str]) -> None:
    """Raise ModelError for a file that does not have the sha256 (file name → hexadecimal) given for it, and delete it."""
    for name, sha256 in sha256s.items():
        path = folder / name
        if path.is_file() and file_sha256(path) != sha256:
            target = path.resolve()  # the folder only links to the cache's own copy
            path.unlink()
            target.unlink(missing_ok=True)
            raise ModelError(
                f"the downloaded {name} is not the file that was published: its sha256 is not {sha256}. It was deleted; "
                "run the same command again. If that does not help, do not use this connection or this model"
            )


def _published_sha256s(info: ModelInfo) -> dict[str, str]:
    """The safetensors files of a revision: name → sha256, or "" if the hub does not publish it."""
    files = {file.rfilename: file.lfs for file in info.siblings or ()}
    return {
        name: (stored.sha256 if stored else "")
        for name, stored in files.items()
        if name.endswith(".safetensors") and "/" not in name
    }


def _safetensors_conversion(model: str) -> str | None:
    """The pull request in which the hub's own bot offers a model's pickled weights as safetensors."""
    from huggingface_hub import HfApi

    requests = HfApi().get_repo_discussions(model, author="SFconvertbot", discussion_type="pull_request")
    return next((request.git_reference for request in requests if request.author == "SFconvertbot"), None)


def _is_complete(folder: Path) -> bool:
    try:
        return (folder / "config.json").is_file() and all(file.is_file() for file in find_weights(folder))
    except ModelError:
        return False
