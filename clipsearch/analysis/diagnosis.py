"""What this machine and installation are like, and whether an index is well at a glance: for a bug report.

Nothing here names a photo or says a secret, and nothing raises: what cannot be found out says why.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from clipsearch._internal.cpu import cores

PACKAGES = (
    "clipsearch", "numpy", "faiss-cpu", "pillow", "pillow-heif", "onnxruntime", "openvino", "tokenizers", "safetensors",
    "torch", "transformers", "huggingface-hub", "click", "tqdm", "platformdirs", "pyarrow", "pandas", "sentencepiece",
)  # fmt: skip
OPTIONAL = frozenset({"pyarrow", "pandas", "sentencepiece"})
RUNTIMES = {
    "numpy": "numpy",
    "faiss": "faiss",
    "Pillow": "PIL.Image, PIL._imaging",
    "HEIC": "pillow_heif",
    "tokenizers": "tokenizers",
    "ONNX Runtime": "onnxruntime",
    "OpenVINO": "openvino",
}
"""What must load, and the import that shows it. Not torch: that takes seconds, and most commands never need it."""

WITHOUT_WHEELS = {
    ("linux", "aarch64"): frozenset({"openvino"}),
    ("darwin", "x86_64"): frozenset({"torch", "transformers"}),
    ("win32", "ARM64"): frozenset({"openvino", "torch", "transformers"}),
}
"""(system, processor) → what need not be installed there, as pyproject.toml says too. `mini` needs none of it."""

_SAID = ("HF_HUB_OFFLINE", "OMP_NUM_THREADS", "CLIPSEARCH_DEBUG", "PYTHONUTF8", "LANG", "LC_ALL")
_NAMED = (
    "CLIPSEARCH_",
    "HF_",
    "HUGGINGFACE_",
    "http_proxy",
    "https_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "CUDA_VISIBLE_DEVICES",
)
# A library is imported as a command does it: with clipsearch before it, which tells it not to report.
_LAUNCH = "import sys; sys.path[:] = sys.argv[1:]; import clipsearch"
_PATIENCE = 20.0  # seconds for a library to load; a cold disk may take some
_FLAGS = ("avx", "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "asimd", "asimddp", "bf16", "i8mm")


@dataclass(frozen=True, slots=True)
class IndexHealth:
    """What a look at an index found, without reading its vectors or rows.

    `state` is "well", "damaged", "none" (there is none), or "unknown" where something else kept it from being looked at.
    """

    state: str
    facts: dict[str, Any]
    problems: tuple[str, ...] = ()


def environment() -> dict[str, Any]:
    """The machine, the system and Python."""
    total, available = _memory()
    return {
        "system": _tried(platform.platform),
        "processor": _tried(_processor),
        "cores": _tried(cores),
        "memory": total,
        "memory_available": available,
        "memory_of_decoders": _tried(_memory_of_decoders),
        "python": f"{platform.python_implementation()} {platform.python_version()} ({sysconfig.get_platform()})",
        "virtual_environment": sys.prefix != sys.base_prefix,
        "file_names": f"{sys.getfilesystemencoding()}, {sys.getfilesystemencodeerrors()}",
        "output": str(getattr(sys.stdout, "encoding", None)),
        "nvidia": shutil.which("nvidia-smi") is not None,
        "variables": {
            name: os.environ[name]
            if name in _SAID
            else "(set)"  # others may hold a token, a password or a folder's name
            for name in sorted(os.environ)
            if name in _SAID or name.startswith(_NAMED)
        },
    }


def packages() -> dict[str, str | None]:
    """The installed versions, from their metadata; None for what is not installed."""
    return {name: _version(name) for name in PACKAGES}


def runtimes() -> dict[str, str]:
    """Whether each library loads: "ok", or what it said. Each in a process of its own, since a broken one may crash it."""
    with ThreadPoolExecutor(2) as threads:
        left_out = {name for name in optional() if _version(name) is None}
        wanted = {name: what for name, what in RUNTIMES.items() if what not in left_out}
        return dict(zip(wanted, threads.map(_loads, wanted.values()), strict=True))


def optional() -> frozenset[str]:
    """The packages that need not be installed on this machine."""
    return OPTIONAL | WITHOUT_WHEELS.get((sys.platform, platform.machine()), frozenset())


def models(*, ask_hub: bool = False) -> dict[str, Any]:
    """The cache of checkpoints, and with `ask_hub` whether the hub answers within a second; else that is None."""
    try:
        from clipsearch.encoders import hub
        from clipsearch.encoders.mini.encoder import FOLDER as MINI
    except Exception as error:
        return {"cache": f"cannot be found out ({_said(error)})"}

    def cached() -> list[str]:
        from clipsearch.encoders.registry import MODELS

        return [entry.model for entry in MODELS if hub.cached_folder(entry.model, entry.revision)]

    folder = hub.cache_folder()
    return {
        "cache": without_home(str(folder)),
        "cache_exists": _tried(folder.is_dir),
        "cache_free": _free(folder),
        "cached": _tried(cached),
        "hub_answers": _tried(hub.hub_answers) if ask_hub else None,
        "mini": _tried(lambda: _mini_is_whole(MINI)),
    }


def index_health(folder: Path, *, look_at_vectors: bool = True) -> IndexHealth:
    """How an index is at a glance: that it opens, its version, its counts, and that its files have their lengths.

    `look_at_vectors` opens every segment as well; without, only their lengths are compared. `store.verify` reads everything.
    """
    facts: dict[str, Any] = {
        "folder": without_home(str(folder)),
        "free": _free(folder),
        "writable": os.access(folder, os.W_OK),
    }
    try:
        from clipsearch.errors import CollectionDamaged, CollectionNotFound
    except Exception as error:
        return IndexHealth("unknown", facts, (_said(error),))
    problems: list[str] = []
    try:
        _look(folder, facts, problems, look_at_vectors)
    except CollectionNotFound as error:
        return IndexHealth("none", facts, (_said(error),))
    except CollectionDamaged as error:
        return IndexHealth("damaged", facts, (*problems, _said(error)))
    except Exception as error:  # no rights, no such device, a newer format, a library that does not load
        return IndexHealth("damaged" if problems else "unknown", facts, (*problems, _said(error)))
    return IndexHealth("damaged" if problems else "well", facts, tuple(problems))


def without_home(text: str) -> str:
    """A text without the name that a home folder gives away."""
    home = os.path.expanduser("~")
    return text.replace(home + os.sep, f"~{os.sep}") if len(home) > 1 else text


def _look(folder: Path, facts: dict[str, Any], problems: list[str], look_at_vectors: bool) -> None:
    from clipsearch.errors import CollectionError, CollectionNotFound
    from clipsearch.store.collection import Collection

    if not (folder / "catalog.sqlite").is_file():
        raise CollectionNotFound("there is no catalog.sqlite there")
    try:
        with Collection(folder) as collection, collection.reading():
            facts["format"] = collection.format_version
            problems += [f"the catalog's table {name} is not as it was written" for name in collection.unsound_tables()]
            fingerprint = collection.fingerprint
            facts["model"] = fingerprint and without_home(fingerprint.model)
            facts["precision"] = fingerprint and fingerprint.precision
            facts["digest"] = fingerprint and fingerprint.digest[:12]
            facts["photos"], facts["failures"], _ = collection.counts()
            roots = collection.roots().values()
            facts["folders"], facts["folders_there"] = len(roots), sum(map(os.path.isdir, roots))
            infos = collection.segment_infos()
            facts["segments"], facts["vectors"] = len(infos), sum(info.rows for info in infos)
            facts["tombstones"] = len(collection.tombstones())
            facts["approximate"] = _approximate(folder)
            for info in infos:
                _look_at_segment(
                    folder / "segments", info, fingerprint.dim if fingerprint else 0, problems, look_at_vectors
                )
    except CollectionError:
        raise
    except (TypeError, ValueError) as error:  # values that clipsearch never writes
        problems.append(f"the catalog holds what cannot be understood ({_said(error)})")
    sizes = [entry.stat().st_size for entry in _files(folder)]
    facts["bytes"], facts["files"] = sum(sizes), len(sizes)


def _look_at_segment(inside: Path, info: Any, dim: int, problems: list[str], open_it: bool) -> None:
    from clipsearch.errors import CollectionError
    from clipsearch.store.segments import Segment

    try:
        size = (inside / info.name).stat().st_size
        if size != info.size:
            problems.append(f"segment {info.name} is {size:,} bytes long and should be {info.size:,}")
        elif open_it:
            Segment(inside, info, dim)
    except FileNotFoundError:
        problems.append(f"segment {info.name} is missing")
    except CollectionError as error:
        problems.append(_said(error))


def _approximate(folder: Path) -> str | None:
    """What an approximate index says of itself, or why it cannot be read; None where there is none."""
    from clipsearch.store.approximate.description import read_card
    from clipsearch.store.approximate.index import FOLDER

    try:
        card = read_card(folder / FOLDER)
        size = (folder / FOLDER / card.file).stat().st_size
    except FileNotFoundError as error:
        return "its file is missing" if str(error.filename).endswith(".vectors") else None
    except (OSError, ValueError) as error:
        return f"not used: {_said(error)}"
    recall = f"recall@{card.measured.k} {card.measured.text:.3f} for texts, {card.measured.image:.3f} for images"
    return f"{card.shape.kind} of {card.shape.rows:,} photos, {recall}, {size:,} bytes, made {card.made}"


def _files(folder: Path) -> Iterable[os.DirEntry[str]]:
    for inside in (folder, folder / "segments", folder / "approximate"):
        if not inside.is_dir():
            continue
        with os.scandir(inside) as entries:
            yield from (entry for entry in entries if entry.is_file(follow_symlinks=False))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except Exception:  # not installed, or metadata that a broken installation has left behind
        return None


def _loads(what: str) -> str:
    try:
        done = subprocess.run(
            [sys.executable, "-c", f"{_LAUNCH}, {what}", *sys.path],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return f"does not load within {_PATIENCE:g} s"
    except OSError as error:
        return _said(error)
    if done.returncode == 0:
        return "ok"
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    said = without_home(lines[-1])[:300] if lines else "without a word"
    return f"fails: {said}" if done.returncode > 0 else f"crashes (signal {-done.returncode})"


def _mini_is_whole(folder: Path) -> bool:
    return any(folder.glob("*.onnx")) and all(path.stat().st_size for path in folder.iterdir() if path.is_file())


def _processor() -> str:
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return name
    about = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    has = set((about.get("flags") or about.get("Features") or "").split())
    flags = " ".join(flag for flag in _FLAGS if flag in has)
    return f"{about.get('model name', name)}{f' ({flags})' if flags else ''}"


def _memory() -> tuple[int | None, int | None]:
    """Bytes of memory, and of those that are free or can be freed; as much as can be found out."""
    try:
        lines = (line.split() for line in Path("/proc/meminfo").read_text("ascii").splitlines())
        found = {words[0]: int(words[1]) * 1024 for words in lines if len(words) > 2}
        return found["MemTotal:"], found.get("MemAvailable:")
    except (OSError, ValueError, KeyError):
        pass
    try:
        ask = getattr(os, "sysconf", lambda name: 0)  # which Windows lacks
        return ask("SC_PAGE_SIZE") * ask("SC_PHYS_PAGES") or None, None
    except (OSError, ValueError):
        return None, None


def _memory_of_decoders() -> str:
    from clipsearch.images.files import ReadLimits
    from clipsearch.images.memory import how_limited

    return how_limited(ReadLimits().memory)


def _free(folder: Path) -> int | None:
    """Bytes free on the disk where a folder is, or would be."""
    try:
        return shutil.disk_usage(next(place for place in (folder, *folder.parents) if place.exists())).free
    except (OSError, StopIteration):
        return None


def _tried(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except Exception as error:
        return f"cannot be found out ({_said(error)})"


def _said(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return without_home(text or type(error).__name__)[:500]
