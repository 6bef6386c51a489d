"""Search a photo folder by describing the picture.

    import clipsearch

    with clipsearch.SearchEngine.open("~/Photos") as engine:
        engine.index()
        for hit in engine.search("a dog on a beach", top_k=5):
            print(hit.rank, hit.score, hit.path)

Importing this package is cheap: each name imports what it needs when it is first used.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Nothing is sent to the makers of libraries. They read these variables when they are loaded, in child processes too.
os.environ |= {
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub reports what else is installed, and which assistant runs it
    "DISABLE_SAFETENSORS_CONVERSION": "1",  # transformers asks the hub to convert a model
    "RAY_USAGE_STATS_ENABLED": "0",
}
# OpenVINO reports its import and has no switch for it. It works without this package if the package cannot be imported.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

if TYPE_CHECKING:
    from clipsearch._internal.cancel import CancelToken
    from clipsearch.encoders import load_encoder
    from clipsearch.engine import SearchEngine
    from clipsearch.errors import Cancelled, ClipsearchError, ClipsearchWarning
    from clipsearch.indexing.apply import SyncReport
    from clipsearch.indexing.status import Status
    from clipsearch.indexing.walk import WalkRules
    from clipsearch.query.filters import parse_where
    from clipsearch.query.hits import Hits
    from clipsearch.types import Embeddings, Failure, Hit, ImageFile, ImageInfo, ImageRecord, Query, Term

__all__ = [
    "CancelToken",
    "Cancelled",
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
    "CancelToken": "_internal.cancel",
    "Cancelled": "errors",
    "ClipsearchError": "errors",
    "ClipsearchWarning": "errors",
    "Hits": "query.hits",
    "SearchEngine": "engine",
    "Status": "indexing.status",
    "SyncReport": "indexing.apply",
    "WalkRules": "indexing.walk",
    "load_encoder": "encoders",
    "parse_where": "query.filters",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'types')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
