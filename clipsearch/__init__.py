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
    from clipsearch.analysis.duplicates import Copy, CopyGroup, Duplicates
    from clipsearch.analysis.labels import LabelledImage, LabelMatch
    from clipsearch.analysis.optimization import OptimizeReport
    from clipsearch.analysis.statistics import Breakdown, Stats, ValueCount
    from clipsearch.client import Client
    from clipsearch.conditions import (
        All,
        Among,
        Below,
        Condition,
        Contains,
        Either,
        InAlbum,
        Known,
        Located,
        Near,
        Not,
        Test,
        Within,
    )
    from clipsearch.distributed.indexing import ClusterReport
    from clipsearch.encoders import load_encoder
    from clipsearch.encoders.base import Encoder, ModelSpec
    from clipsearch.encoders.unread import TextPiece
    from clipsearch.engine import SearchEngine
    from clipsearch.errors import (
        Cancelled,
        CatalogUnreadable,
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
        UnknownAlbum,
        UnknownModel,
    )
    from clipsearch.images.files import ReadLimits
    from clipsearch.indexing.model_change import ModelChange
    from clipsearch.indexing.report import SyncReport
    from clipsearch.indexing.rule_changes import RuleChanges
    from clipsearch.indexing.status import RootStatus, Status
    from clipsearch.indexing.walk import WalkRules
    from clipsearch.milvus.pull import PullReport
    from clipsearch.milvus.push import PushReport
    from clipsearch.query.filters import parse_where
    from clipsearch.query.hits import Explanation, Hits, QueryNote
    from clipsearch.query.keywords import SearchKeywords
    from clipsearch.query.outline import Outline
    from clipsearch.query.sentences.understood import Fact, Understood
    from clipsearch.store.albums import Albums
    from clipsearch.store.approximate.index import ApproximateStatus
    from clipsearch.store.approximate.info import ApproximateInfo, IndexShape, Measurement
    from clipsearch.terms import Query, Term
    from clipsearch.transfer.export import ExportReport
    from clipsearch.transfer.import_ import ImportReport, RefusedRow
    from clipsearch.types import (
        Embeddings,
        Failure,
        Fingerprint,
        FoundIn,
        Hit,
        ImageFile,
        ImageInfo,
        ImageRecord,
        IndexPreview,
        Moment,
        PixelSpec,
        SkippedFile,
    )

__all__ = [
    "Albums",
    "All",
    "Among",
    "ApproximateInfo",
    "ApproximateStatus",
    "Below",
    "Breakdown",
    "CancelToken",
    "Cancelled",
    "CatalogUnreadable",
    "Client",
    "ClipsearchError",
    "ClipsearchWarning",
    "ClusterReport",
    "CollectionBusy",
    "CollectionDamaged",
    "CollectionError",
    "CollectionNotFound",
    "Condition",
    "Contains",
    "Copy",
    "CopyGroup",
    "DecodersUnavailable",
    "Duplicates",
    "Either",
    "Embeddings",
    "Encoder",
    "Explanation",
    "ExportReport",
    "Fact",
    "Failure",
    "Fingerprint",
    "FoundIn",
    "Hit",
    "Hits",
    "ImageError",
    "ImageFile",
    "ImageInfo",
    "ImageRecord",
    "ImportReport",
    "InAlbum",
    "IndexPreview",
    "IndexShape",
    "Known",
    "LabelMatch",
    "LabelledImage",
    "Located",
    "Measurement",
    "ModelChange",
    "ModelError",
    "ModelMismatch",
    "ModelSpec",
    "Moment",
    "Near",
    "Not",
    "OptimizeReport",
    "Outline",
    "PixelSpec",
    "PullReport",
    "PushReport",
    "Query",
    "QueryError",
    "QueryNote",
    "ReadLimits",
    "RefusedRow",
    "RootStatus",
    "RuleChanges",
    "SearchEngine",
    "SearchKeywords",
    "SidecarError",
    "SkippedFile",
    "Stats",
    "Status",
    "StorageError",
    "StoreUnreachable",
    "SyncRefused",
    "SyncReport",
    "Term",
    "Test",
    "TextPiece",
    "Understood",
    "UnknownAlbum",
    "UnknownModel",
    "ValueCount",
    "WalkRules",
    "Within",
    "load_encoder",
    "parse_where",
]

_HOMES = {
    "Albums": "store.albums",
    "All": "conditions",
    "Among": "conditions",
    "ApproximateInfo": "store.approximate.info",
    "ApproximateStatus": "store.approximate.index",
    "Below": "conditions",
    "Breakdown": "analysis.statistics",
    "CancelToken": "_internal.cancel",
    "Cancelled": "errors",
    "CatalogUnreadable": "errors",
    "Client": "client",
    "ClipsearchError": "errors",
    "ClipsearchWarning": "errors",
    "ClusterReport": "distributed.indexing",
    "CollectionBusy": "errors",
    "CollectionDamaged": "errors",
    "CollectionError": "errors",
    "CollectionNotFound": "errors",
    "Condition": "conditions",
    "Contains": "conditions",
    "Copy": "analysis.duplicates",
    "CopyGroup": "analysis.duplicates",
    "DecodersUnavailable": "errors",
    "Duplicates": "analysis.duplicates",
    "Either": "conditions",
    "Encoder": "encoders.base",
    "Explanation": "query.hits",
    "ExportReport": "transfer.export",
    "Fact": "query.sentences.understood",
    "Hits": "query.hits",
    "ImageError": "errors",
    "ImportReport": "transfer.import_",
    "InAlbum": "conditions",
    "IndexShape": "store.approximate.info",
    "Known": "conditions",
    "LabelMatch": "analysis.labels",
    "LabelledImage": "analysis.labels",
    "Located": "conditions",
    "Measurement": "store.approximate.info",
    "ModelChange": "indexing.model_change",
    "ModelError": "errors",
    "ModelMismatch": "errors",
    "ModelSpec": "encoders.base",
    "Near": "conditions",
    "Not": "conditions",
    "OptimizeReport": "analysis.optimization",
    "Outline": "query.outline",
    "PullReport": "milvus.pull",
    "PushReport": "milvus.push",
    "Query": "terms",
    "QueryError": "errors",
    "QueryNote": "query.hits",
    "ReadLimits": "images.files",
    "RefusedRow": "transfer.import_",
    "RootStatus": "indexing.status",
    "RuleChanges": "indexing.rule_changes",
    "SearchEngine": "engine",
    "SearchKeywords": "query.keywords",
    "SidecarError": "errors",
    "Stats": "analysis.statistics",
    "Status": "indexing.status",
    "StorageError": "errors",
    "StoreUnreachable": "errors",
    "SyncRefused": "errors",
    "SyncReport": "indexing.report",
    "Term": "terms",
    "Test": "conditions",
    "TextPiece": "encoders.unread",
    "Understood": "query.sentences.understood",
    "UnknownAlbum": "errors",
    "UnknownModel": "errors",
    "ValueCount": "analysis.statistics",
    "WalkRules": "indexing.walk",
    "Within": "conditions",
    "load_encoder": "encoders",
    "parse_where": "query.filters",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # it takes longer to import than all of this

    value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'types')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
