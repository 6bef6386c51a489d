"""Search a photo folder by describing the picture.

    import clipsearch

    with clipsearch.SearchEngine.open("~/Photos") as engine:
        engine.index()
        for hit in engine.search("a dog on a beach", top_k=5):
            print(hit.rank, hit.score, hit.path)

Importing this package is cheap: what a name needs is imported when the name is first used.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Libraries that report to their makers read these when they are loaded, and so do the processes that are started from here.
# No answer to them is taken from elsewhere: nothing is sent.
os.environ |= {
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime from 1.29 on, see its Privacy.md
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub says what else is installed, and by which assistant it is run
    "DISABLE_SAFETENSORS_CONVERSION": "1",  # transformers asks the hub to convert a model
    "RAY_USAGE_STATS_ENABLED": "0",
}
# OpenVINO reports that it was imported, and has no switch. It does without this package where the package cannot be imported.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

if TYPE_CHECKING:
    from clipsearch.encoders import load_encoder
    from clipsearch.engine import SearchEngine
    from clipsearch.errors import ClipsearchError, ClipsearchWarning
    from clipsearch.hits import Hits
    from clipsearch.images.discover import WalkRules
    from clipsearch.schema import Embeddings, Failure, Hit, ImageFile, ImageInfo, ImageRecord, Query, Term
    from clipsearch.status import Status
    from clipsearch.sync import SyncReport
    from clipsearch.where import parse_where

__all__ = [
    "ClipsearchError",
    "ClipsearchWarning",
    "Embeddings",
    "Failure",
    "Hit",
    "Hits",
    "ImageFile",
    "ImageInfo",
    "ImageRecord",
    "Query",
    "SearchEngine",
    "Status",
    "SyncReport",
    "Term",
    "WalkRules",
    "load_encoder",
    "parse_where",
]

_HOMES = {
    "ClipsearchError": "errors",
    "ClipsearchWarning": "errors",
    "Hits": "hits",
    "SearchEngine": "engine",
    "Status": "status",
    "SyncReport": "sync",
    "WalkRules": "images.discover",
    "load_encoder": "encoders",
    "parse_where": "where",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'schema')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
