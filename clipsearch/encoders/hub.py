"""Checkpoints from the Hugging Face hub: what is cached, whether the hub answers, and fetching.

The cache and its location are huggingface_hub's own (HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_HUB_OFFLINE are honoured).
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

from clipsearch.encoders import checkpoint
from clipsearch.errors import ModelError

HUB_PATIENCE = 0.8
"""Seconds the hub has to answer before it counts as out of reach; name resolution included."""

_WANTED = ["*.json", "*.safetensors", "*.txt", "*.model", "LICENSE*", "README.md"]
_NOT_WANTED = ["*/*"]  # repositories keep other runtimes' weights in subfolders


def cached_folder(model: str, revision: str = "main") -> Path | None:
    """The folder of a checkpoint in the local cache, of this revision or else of any; None unless one is there whole."""
    cache = cache_folder() / f"models--{model.replace('/', '--')}"
    references = [cache / "refs" / revision, *sorted(path for path in (cache / "refs").rglob("*") if path.is_file())]
    for reference in references:
        try:
            folder = cache / "snapshots" / reference.read_text("utf-8").strip()
        except OSError:
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


def fetch(model: str, revision: str = "main") -> Path:
    """Download a checkpoint into the cache, with progress, or what is missing of it; its folder.

    ModelError with the ways out where the hub cannot be reached or does not have it.
    """
    if not hub_answers():
        raise ModelError(unreachable(model))
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

    try:
        if not any(name.endswith(".safetensors") for name in HfApi().list_repo_files(model, revision=revision)):
            revision = _conversion(model) or revision
        folder = Path(snapshot_download(model, revision=revision, allow_patterns=_WANTED, ignore_patterns=_NOT_WANTED))
    except GatedRepoError as error:
        raise ModelError(f"{model} needs an account that accepted its terms: log in with `hf auth login`") from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise ModelError(
            f"there is no model {model!r} on the hub, nor a folder of that name here; `clipsearch models` lists some"
        ) from error
    except Exception as error:  # of the network, of the disk, or an answer that is not what a hub says
        raise ModelError(f"{model} could not be downloaded ({error}); run the same command again to go on") from error
    checkpoint.weight_files(folder)
    return folder


def unreachable(model: str) -> str:
    """What to tell a user who wants a model that is not here while the hub cannot be reached."""
    return (
        f"the model {model} is not on this machine and the hub cannot be reached. Three ways out: go online and run "
        f"`clipsearch models pull {model}`; copy the checkpoint here and give its folder with --model PATH; or use the "
        "small model that ships with clipsearch: --model mini"
    )


def _conversion(model: str) -> str | None:
    """The pull request in which the hub's own bot offers a model's pickled weights as safetensors."""
    from huggingface_hub import HfApi

    requests = HfApi().get_repo_discussions(model, author="SFconvertbot", discussion_type="pull_request")
    return next((request.git_reference for request in requests if request.author == "SFconvertbot"), None)


def _is_whole(folder: Path) -> bool:
    if not checkpoint.is_checkpoint(folder):
        return False
    parts = folder / "model.safetensors.index.json"
    if parts.is_file():
        try:
            names = set(json.loads(parts.read_text("utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, AttributeError):
            return False
        return all((folder / name).is_file() for name in names)
    return any(folder.glob("*.safetensors"))
