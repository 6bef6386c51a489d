"""The machine, the installation and the health of an index, for a bug report.

Reports never name a photo or a secret. Nothing here raises: if a fact cannot be determined, the report says why.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from clipsearch._internal.commands import with_flags
from clipsearch._internal.cpu import cores
from clipsearch._internal.paths import is_remote
from clipsearch.errors import CollectionDamaged, CollectionError, CollectionNotFound
from clipsearch.store.validation import without_advice

OPTIONAL = ("pyarrow", "pandas", "sentencepiece", "rawpy", "pillow-jxl-plugin", "av")
PACKAGES = (
    *("clipsearch", "numpy", "faiss-cpu", "pillow", "pillow-heif", "openvino", "tokenizers"),
    *("safetensors", "torch", "transformers", "huggingface-hub", "click", "tqdm", "platformdirs"),
    *("fastapi", "uvicorn", "prometheus-client", "watchfiles", "textual"),
    *OPTIONAL,
)
RUNTIMES = {
    "numpy": "numpy",
    "faiss": "faiss",
    "Pillow": "PIL.Image, PIL._imaging",
    "HEIC": "pillow_heif",
    "tokenizers": "tokenizers",
    "OpenVINO": "openvino",
}
"""Libraries that must load → the modules to import. torch is left out: it takes seconds, and few commands need it."""

WITHOUT_WHEELS = {
    ("linux", "aarch64"): frozenset({"openvino"}),
    ("darwin", "x86_64"): frozenset({"torch", "transformers"}),
    ("win32", "ARM64"): frozenset({"openvino", "torch", "transformers"}),
}
"""(system, processor) → packages that have no wheels there, as in pyproject.toml. `mini` needs none of them."""

_SHOWN_VARIABLES = ("HF_HUB_OFFLINE", "OMP_NUM_THREADS", "CLIPSEARCH_DEBUG", "PYTHONUTF8", "LANG", "LC_ALL")
# Others may hold a token, a password or a folder's name, so a report only says that they are set.
_NAMED_VARIABLES = re.compile(r"CLIPSEARCH_|HF_|HUGGINGFACE_|https?_proxy|HTTPS?_PROXY|CUDA_VISIBLE_DEVICES")
# As in a command, clipsearch is imported first: it tells the libraries not to collect telemetry.
_IMPORT = "import sys; sys.path[:] = sys.argv[1:]; import clipsearch"
_LOAD_SECONDS = 20.0  # a cold disk may take some
_CPU_FLAGS = ("avx", "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "asimd", "asimddp", "bf16", "i8mm")


@dataclass(frozen=True, slots=True)
class IndexHealth:
    """The health of an index, as far as it shows without reading its vectors or rows.

    `state` is "well", "damaged", "none" (there is no index), or "unknown" if it could not be examined. `beyond_repair` is what
    helps if `repair` can keep nothing of a damaged index, empty if a problem says it; else None. `repairable` is False if only
    files of the user's own making are damaged, which `repair` leaves as they are; the problems say what to do.
    """

    state: str
    facts: dict[str, Any]
    problems: tuple[str, ...] = ()
    beyond_repair: str | None = None
    repairable: bool = True


def environment() -> dict[str, Any]:
    """The machine, the system and Python."""
    total, available = _memory()
    return {
        "system": _attempt(platform.platform),
        "processor": _attempt(_processor),
        "cores": _attempt(cores),
        "memory": total,
        "memory_available": available,
        "memory_of_decoders": _attempt(_memory_of_decoders),
        "python": f"{platform.python_implementation()} {platform.python_version()} ({sysconfig.get_platform()})",
        "virtual_environment": sys.prefix != sys.base_prefix,
        "file_names": f"{sys.getfilesystemencoding()}, {sys.getfilesystemencodeerrors()}",
        "output": str(getattr(sys.stdout, "encoding", None)),
        "nvidia": shutil.which("nvidia-smi") is not None,
        "variables": {
            name: os.environ[name] if name in _SHOWN_VARIABLES else "(set)"
            for name in sorted(os.environ)
            if name in _SHOWN_VARIABLES or _NAMED_VARIABLES.match(name)
        },
    }


def packages() -> dict[str, str | None]:
    """The installed versions, from their metadata; None for a package that is not installed."""
    return {name: _version(name) for name in PACKAGES}


def runtimes() -> dict[str, str]:
    """Whether each library loads: "ok", or its error. Each loads in its own process, since a broken one may crash."""
    with ThreadPoolExecutor(2) as threads:
        absent = {name for name in optional() if _version(name) is None}
        modules = {name: module for name, module in RUNTIMES.items() if module not in absent}
        return dict(zip(modules, threads.map(_try_import, modules.values()), strict=True))


def optional() -> frozenset[str]:
    """The packages that do not have to be installed on this machine."""
    return frozenset(OPTIONAL) | WITHOUT_WHEELS.get((sys.platform, platform.machine()), frozenset())


def models(*, ask_hub: bool = False) -> dict[str, Any]:
    """The cache of checkpoints. With `ask_hub`, also whether the hub answers within a second; else this is None."""
    try:
        from clipsearch.encoders import hub
        from clipsearch.encoders.mini.encoder import FOLDER as MINI
    except Exception as error:
        return {"cache": f"cannot be determined ({_describe(error)})"}

    def cached() -> list[str]:
        from clipsearch.encoders.recommended import MODELS

        return [entry.model for entry in MODELS if hub.cached_folder(entry.model, entry.revision)]

    folder = hub.cache_folder()
    return {
        "cache": without_home(str(folder)),
        "cache_exists": _attempt(folder.is_dir),
        "cache_free": _free(folder),
        "cached": _attempt(cached),
        "hub_answers": _attempt(hub.hub_answers) if ask_hub else None,
        "mini": _attempt(lambda: _mini_is_whole(MINI)),
    }


def index_health(folder: Path, *, look_at_vectors: bool = True) -> IndexHealth:
    """The health of an index: whether it opens, its version, its counts, and whether its files have their lengths.

    `look_at_vectors` opens every segment as well. `store.verify` reads everything.
    """
    facts: dict[str, Any] = {
        "folder": without_home(str(folder)),
        "free": _free(folder),
        "writable": os.access(folder, os.W_OK),
    }
    problems: list[str] = []
    try:
        _examine(folder, facts, problems, look_at_vectors)
    except CollectionNotFound as error:
        return IndexHealth("none", facts, (_describe(error),))
    except CollectionDamaged as error:
        problems.append(_describe(error))
    except Exception as error:  # no rights, a missing device, a newer format, a library that does not load
        return IndexHealth("damaged" if problems else "unknown", facts, (*problems, _describe(error)))
    if own := _own_problems(folder):
        beyond_repair = _beyond_repair(folder) if problems else None
        return IndexHealth("damaged", facts, (*problems, *own), beyond_repair, repairable=bool(problems))
    return (
        IndexHealth("damaged", facts, tuple(problems), _beyond_repair(folder))
        if problems
        else IndexHealth("well", facts)
    )


def without_home(text: str) -> str:
    """A text with `~` in place of the home folder, which contains the user's name."""
    home = os.path.expanduser("~")
    return text.replace(home + os.sep, f"~{os.sep}") if len(home) > 1 else text


def _examine(folder: Path, facts: dict[str, Any], problems: list[str], look_at_vectors: bool) -> None:
    from clipsearch.store.catalog_file import has_catalog
    from clipsearch.store.collection import Collection
    from clipsearch.store.database import require_no_lost_catalog

    require_no_lost_catalog(folder)
    if not has_catalog(folder):
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
            roots = list(collection.roots().values())
            away = [root for root in roots if not (is_remote(root) or os.path.isdir(root))]
            facts["folders"], facts["folders_there"] = len(roots), len(roots) - len(away)
            facts["folders_away"] = list(map(without_home, away))
            infos = collection.segment_infos()
            facts["segments"], facts["vectors"] = len(infos), sum(info.rows for info in infos)
            facts["tombstones"] = len(collection.tombstones())
            facts["approximate"] = _approximate(folder)
            dim = fingerprint.dim if fingerprint else 0
            for info in infos:
                problems += _segment_problems(folder / "segments", info, dim, look_at_vectors)
    except CollectionError:
        raise
    except (TypeError, ValueError) as error:
        problems.append(f"the catalog has values that clipsearch never writes ({_describe(error)})")
    from clipsearch.indexing.status import bytes_below  # it needs libraries, which may be broken

    facts["bytes"], facts["files"] = bytes_below(folder)


def _own_problems(folder: Path) -> list[str]:
    """What is wrong with the albums and the saved searches, and what to do."""
    try:
        from clipsearch.store.verify import own_damages

        damages = list(own_damages(folder))
    except Exception as error:  # a library that does not load
        return [_describe(error)]
    return [without_home(f"{damage.where}: {damage.what}; {damage.advice}") for damage in damages]


def _beyond_repair(folder: Path) -> str | None:
    from clipsearch.store.verify import beyond_repair

    try:
        return beyond_repair(folder)
    except Exception:  # its problems say what is wrong
        return None


def _segment_problems(inside: Path, info: Any, dim: int, open_it: bool) -> list[str]:
    from clipsearch.store.segments import Segment

    try:
        size = (inside / info.name).stat().st_size
        if size != info.size:
            return [f"segment {info.name} is {size:,} bytes long and should be {info.size:,}"]
        if open_it:
            Segment(inside, info, dim)
    except FileNotFoundError:
        return [f"segment {info.name} is missing"]
    except CollectionError as error:
        return [_describe(error)]
    return []


def _approximate(folder: Path) -> str | None:
    """A description of the approximate index, or why it cannot be read; None without one."""
    from clipsearch.store.approximate.index import FOLDER
    from clipsearch.store.approximate.info import read_info

    try:
        info = read_info(folder / FOLDER)
        size = (folder / FOLDER / info.file).stat().st_size
    except FileNotFoundError as error:
        return "its file is missing" if str(error.filename).endswith(".vectors") else None
    except (OSError, ValueError) as error:
        return f"not used: {_describe(error)}"
    recall = f"recall@{info.measured.k} {info.measured.text:.3f} for texts, {info.measured.image:.3f} for images"
    return f"{info.shape.kind} of {info.shape.rows:,} pictures, {recall}, {size:,} bytes, made {info.made}"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except Exception:  # not installed, or a broken installation left metadata behind
        return None


def _try_import(module: str) -> str:
    try:
        done = subprocess.run(
            [sys.executable, "-c", f"{_IMPORT}, {module}", *sys.path],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LOAD_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"does not load within {_LOAD_SECONDS:g} s"
    except OSError as error:
        return _describe(error)
    if done.returncode == 0:
        return "ok"
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    message = without_home(lines[-1])[:300] if lines else "without a message"
    return f"fails: {message}" if done.returncode > 0 else f"crashes (signal {-done.returncode})"


def _mini_is_whole(folder: Path) -> bool:
    return any(folder.glob("*.safetensors")) and all(path.stat().st_size for path in folder.iterdir() if path.is_file())


def _processor() -> str:
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return name
    about = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    supported = set((about.get("flags") or about.get("Features") or "").split())
    flags = " ".join(flag for flag in _CPU_FLAGS if flag in supported)
    return f"{about.get('model name', name)}{f' ({flags})' if flags else ''}"


def _memory() -> tuple[int | None, int | None]:
    """(bytes of memory, bytes available); None if unknown."""
    try:
        lines = (line.split() for line in Path("/proc/meminfo").read_text("ascii").splitlines())
        sizes = {words[0]: int(words[1]) * 1024 for words in lines if len(words) > 2}
        return sizes["MemTotal:"], sizes.get("MemAvailable:")
    except (OSError, ValueError, KeyError):
        pass
    try:
        sysconf = getattr(os, "sysconf", lambda name: 0)  # Windows does not have it
        return sysconf("SC_PAGE_SIZE") * sysconf("SC_PHYS_PAGES") or None, None
    except (OSError, ValueError):
        return None, None


def _memory_of_decoders() -> str:
    from clipsearch.images.files import ReadLimits
    from clipsearch.images.memory import how_limited

    return how_limited(ReadLimits().memory)


def _free(folder: Path) -> int | None:
    """Free bytes on the disk of a folder that may not exist yet."""
    try:
        return shutil.disk_usage(next(parent for parent in (folder, *folder.parents) if parent.exists())).free
    except (OSError, StopIteration):
        return None


def _attempt(function: Callable[[], Any]) -> Any:
    try:
        return function()
    except Exception as error:
        return f"cannot be determined ({_describe(error)})"


def _describe(error: BaseException) -> str:
    text = " ".join(with_flags(without_advice(str(error))).split())
    return without_home(text or type(error).__name__)[:500]
