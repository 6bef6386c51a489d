"""Checkpoints from the Hugging Face hub: find cached ones, ask whether the hub answers, and download.

The cache and its location are huggingface_hub's own (HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_HUB_OFFLINE are honoured).
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

from clipsearch._internal.checksums import file_sha256
from clipsearch._internal.untrusted_files import read_plain
from clipsearch.encoders.checkpoint import (
    find_open_clip_weights,
    find_weights,
    has_open_clip_layout,
    safetensors_files,
    weights_to_fetch,
)
from clipsearch.encoders.hub_download import WeightsFile, download, drop_second_copy, require_space
from clipsearch.encoders.hub_trouble import (
    HUB,
    HubTrouble,
    OfflineSetting,
    endpoint,
    http_status,
    hub_trouble,
    offline_variable,
)
from clipsearch.encoders.pickled_weights import advice_for_model, has_pickled
from clipsearch.errors import ModelError, UnknownModel, one_line

if TYPE_CHECKING:
    from huggingface_hub.hf_api import HfApi, ModelInfo

logger = logging.getLogger(__name__)

HUB_PATIENCE = 0.8
"""Seconds within which the hub must answer, name resolution included, to be asked for the default model."""

FETCH_PATIENCE = 10.0
"""Seconds within which it must answer if a model is to be downloaded."""

_BESIDE_WEIGHTS = ["*.json", "*.txt", "*.model", "LICENSE*", "README.md"]
_UNAUTHORIZED = 401  # the HTTP status
_SUBFOLDERS = ("*/*",)  # repositories keep other runtimes' weights there
OTHER_RUNTIMES = ("onnx/*", "openvino/*")
"""The subfolders with other runtimes' weights, in a repository whose other subfolders belong to the model."""


def cached_folder(model: str, revision: str = "main") -> Path | None:
    """The folder of a complete checkpoint in the local cache: of this revision, or else of any other."""
    cache = _repository(model)
    if _is_complete(cache / "snapshots" / revision):  # the cache has no reference for a commit
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


def _repository(model: str) -> Path:
    """The folder of a model in the cache."""
    return cache_folder() / f"models--{model.replace('/', '--')}"


def hub_answers() -> bool:
    """Whether the hub answers within HUB_PATIENCE."""
    return hub_error() is None


def hub_error(patience: float = HUB_PATIENCE) -> Exception | None:
    """Why the hub does not answer within `patience` seconds; None if it does."""
    if offline_variable() == "HF_HUB_OFFLINE":
        return OfflineSetting()
    import http.client  # a query does not need them
    import urllib.request

    errors: list[Exception] = []
    answered = threading.Event()

    def request() -> None:
        try:
            with urllib.request.build_opener().open(f"{endpoint()}/api/models?limit=1", timeout=patience):
                pass
        except (OSError, ValueError, http.client.HTTPException) as error:  # the last for an address that cannot be
            logger.info("the hub at %s does not answer: %s", endpoint(), error)
            errors.append(error)
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # it holds the answer
        answered.set()

    # In a thread, because name resolution has no time limit of its own.
    threading.Thread(target=request, daemon=True).start()
    if not answered.wait(patience):
        return TimeoutError()
    return errors[0] if errors else None


def fetch(
    model: str,
    revision: str = "main",
    sha256s: Mapping[str, str] | None = None,
    leave_out: Sequence[str] = _SUBFOLDERS,
) -> Path:
    """Download a checkpoint, or its missing files, into the cache, with progress. Returns its folder.

    If the repository has the weights several times, one set is downloaded. So are the weights in subfolders. Files whose
    names match a pattern of `leave_out` are not downloaded. An interrupted download goes on where it ended.

    Every weights file must have the sha256 that the hub publishes, and the one in `sha256s`, if it names the file. Raises
    ModelError, with what to do, if a file differs, the hub cannot be reached, or it does not have the model.
    """
    silence = hub_error(FETCH_PATIENCE)
    if silence is not None and not hasattr(
        silence, "code"
    ):  # an HTTP status is an answer; the download shows its meaning
        raise _unreachable(model, silence) from silence
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

    hub = HfApi(endpoint=endpoint())
    try:
        info = hub.model_info(model, revision=revision, files_metadata=True)
        if not _has_safetensors(info):
            revision = _safetensors_conversion(hub, model) or revision
            info = hub.model_info(model, revision=revision, files_metadata=True)
        _require_safetensors(model, info)
        logger.info("downloading %s at %s", model, info.sha)
        folder = _download_files(model, revision, _BESIDE_WEIGHTS, leave_out)
        weights = _one_set(info, folder, leave_out)
        commit, repository = str(info.sha), _repository(model)
        require_space(model, commit, weights, repository)
        for file in weights:
            download(model, commit, file, repository, hub.endpoint)
        folder = _download_files(model, revision, [escape(file.name) for file in weights])
        for file in weights:
            drop_second_copy(file, folder, repository)
    except ModelError:
        raise
    except (RepositoryNotFoundError, HFValidationError) as error:
        if isinstance(error, GatedRepoError) or http_status(error) == _UNAUTHORIZED:
            raise _not_downloaded(model, error) from error
        raise _missing(model) from error
    except Exception as error:  # the network, the disk, or an invalid answer
        raise _not_downloaded(model, error) from error
    require_published(folder, {file.name: file.sha256 for file in weights if file.sha256})
    require_published(folder, sha256s or {})
    safetensors_files(folder)
    return folder


def _download_files(model: str, revision: str, patterns: Sequence[str], leave_out: Sequence[str] = ()) -> Path:
    """Download the files of these patterns, unless they are in the cache. Returns the folder of the revision."""
    from huggingface_hub import snapshot_download

    return Path(
        snapshot_download(
            model,
            revision=revision,
            cache_dir=cache_folder(),
            endpoint=endpoint(),
            allow_patterns=list(patterns),
            ignore_patterns=list(leave_out),
        )
    )


def require_published(folder: Path, sha256s: Mapping[str, str]) -> None:
    """Delete a file that does not have its given sha256 (file name → hexadecimal), and raise ModelError."""
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


def _unreachable(model: str, error: Exception) -> ModelError:
    """The error for a missing model if the hub does not answer: the reason, and the ways out."""
    trouble = hub_trouble(error, model) or HubTrouble(f"the hub cannot be reached ({one_line(error)})", "go online")
    return ModelError(
        f"the model {model} is not on this machine, and {trouble.reason}. What to do: {trouble.advice}, and run "
        f"`clipsearch models pull {model}`. Without the hub, copy the checkpoint here and pass its folder with `model=PATH`, "
        "or use the small model that ships with clipsearch: `model='mini'`"
    )


def _not_downloaded(model: str, error: Exception) -> ModelError:
    trouble = hub_trouble(error, model)
    if trouble is None:
        return ModelError(f"{model} could not be downloaded ({error}); run the same command again to go on")
    return ModelError(f"{model} could not be downloaded: {trouble.reason}. What to do: {trouble.advice}")


def _missing(model: str) -> UnknownModel:
    where = "" if endpoint() == HUB else f" at {endpoint()}, which HF_ENDPOINT names"
    return UnknownModel(
        f"there is no model {model!r} on the hub{where}, nor a folder of that name here; `clipsearch models` lists some. If it "
        "is private, log in with `hf auth login`"
    )


def _has_safetensors(info: ModelInfo) -> bool:
    return any(_is_safetensors(file.rfilename) and "/" not in file.rfilename for file in info.siblings or ())


def _require_safetensors(model: str, info: ModelInfo) -> None:
    if not _has_safetensors(info):
        pickled = has_pickled(file.rfilename for file in info.siblings or ())
        what = "only pickled weights, which could run code, so they are not downloaded" if pickled else "no safetensors"
        raise ModelError(f"{model} has {what}: {advice_for_model(model)}")


def _one_set(info: ModelInfo, folder: Path, leave_out: Sequence[str]) -> list[WeightsFile]:
    """The weights files to download of a revision. Its other files are in `folder`."""
    files = {file.rfilename: file for file in info.siblings or ()}
    chosen = weights_to_fetch(folder, files.keys())
    chosen += [name for name in files if "/" in name and _is_safetensors(name) and not _matches(name, leave_out)]
    return [
        WeightsFile(name, files[name].size or 0, (large.sha256 or "") if (large := files[name].lfs) else "")
        for name in chosen
        if name in files
    ]


def _is_safetensors(name: str) -> bool:
    return name.endswith(".safetensors")


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _safetensors_conversion(hub: HfApi, model: str) -> str | None:
    """The pull request in which the hub's own bot offers a model's pickled weights as safetensors."""
    requests = hub.get_repo_discussions(model, author="SFconvertbot", discussion_type="pull_request")
    return next((request.git_reference for request in requests if request.author == "SFconvertbot"), None)


def _is_complete(folder: Path) -> bool:
    try:
        if has_open_clip_layout(folder):
            return all(file.is_file() for file in find_open_clip_weights(folder))
        return (folder / "config.json").is_file() and all(file.is_file() for file in find_weights(folder))
    except ModelError:
        return False
