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

TYPE_CHECKING = False  # typing takes longer to import than all of this, and Ctrl-C is not caught meanwhile

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
    from typing import Any

    from clipsearch._internal.cancel import CancelToken
    from clipsearch.client import Client
    from clipsearch.encoders import load_encoder
    from clipsearch.encoders.base import Encoder, ModelSpec
    from clipsearch.engine import SearchEngine
    from clipsearch.errors import (
        Cancelled,
        ClipsearchError,
        ClipsearchWarning,
        CollectionBusy,
        CollectionDamaged,
        CollectionError,
        CollectionNotFound,
        DecodersUnavailable,
        ImageError,
        ModelError,
        ModelMismatch,
        QueryError,
        SidecarError,
        StorageError,
        StoreUnreachable,
        SyncRefused,
        UnknownModel,
    )
    from clipsearch.images.files import ReadLimits
    from clipsearch.indexing.report import SyncReport
    from clipsearch.indexing.status import Status
    from clipsearch.indexing.walk import WalkRules
    from clipsearch.query.filters import parse_where
    from clipsearch.query.hits import Explanation, Hits, QueryNote
    from clipsearch.query.keywords import SearchKeywords
    from clipsearch.query.understood import Understood
    from clipsearch.types import (
        All,
        Among,
        Below,
        Condition,
        Contains,
        Either,
        Embeddings,
        Failure,
        Fingerprint,
        FoundIn,
        Hit,
        ImageFile,
        ImageInfo,
        ImageRecord,
        InAlbum,
        Known,
        Located,
        Moment,
        Near,
        Not,
        PixelSpec,
        Query,
        Term,
        Test,
        Within,
    )

__all__ = [
    "All",
    "Among",
    "Below",
    "CancelToken",
    "Cancelled",
    "Client",
    "ClipsearchError",
    "ClipsearchWarning",
    "CollectionBusy",
    "CollectionDamaged",
    "CollectionError",
    "CollectionNotFound",
    "Condition",
    "Contains",
    "DecodersUnavailable",
    "Either",
    "Embeddings",
    "Encoder",
    "Explanation",
    "Failure",
    "Fingerprint",
    "FoundIn",
    "Hit",
    "Hits",
    "ImageError",
    "ImageFile",
    "ImageInfo",
    "ImageRecord",
    "InAlbum",
    "Known",
    "Located",
    "ModelError",
    "ModelMismatch",
    "ModelSpec",
    "Moment",
    "Near",
    "Not",
    "PixelSpec",
    "Query",
    "QueryError",
    "QueryNote",
    "ReadLimits",
    "SearchEngine",
    "SearchKeywords",
    "SidecarError",
    "Status",
    "StorageError",
    "StoreUnreachable",
    "SyncRefused",
    "SyncReport",
    "Term",
    "Test",
    "Understood",
    "UnknownModel",
    "WalkRules",
    "Within",
    "load_encoder",
    "parse_where",
]

_HOMES = {
    "CancelToken": "_internal.cancel",
    "Cancelled": "errors",
    "Client": "client",
    "ClipsearchError": "errors",
    "ClipsearchWarning": "errors",
    "CollectionBusy": "errors",
    "CollectionDamaged": "errors",
    "CollectionError": "errors",
    "CollectionNotFound": "errors",
    "DecodersUnavailable": "errors",
    "Encoder": "encoders.base",
    "Explanation": "query.hits",
    "Hits": "query.hits",
    "ImageError": "errors",
    "ModelError": "errors",
    "ModelMismatch": "errors",
    "ModelSpec": "encoders.base",
    "QueryError": "errors",
    "QueryNote": "query.hits",
    "ReadLimits": "images.files",
    "SearchEngine": "engine",
    "SearchKeywords": "query.keywords",
    "SidecarError": "errors",
    "Status": "indexing.status",
    "StorageError": "errors",
    "StoreUnreachable": "errors",
    "SyncRefused": "errors",
    "UnknownModel": "errors",
    "SyncReport": "indexing.report",
    "Understood": "query.understood",
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
