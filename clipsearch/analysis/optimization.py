"""Build several kinds of approximate index, tune each, and keep the fastest that reaches the requested recall."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from clipsearch._internal.arguments import listed, require_number, require_one_of
from clipsearch._internal.cancel import CancelToken
from clipsearch.encoders.base import Encoder
from clipsearch.encoders.prompts import embed_with_prompts, query_bank
from clipsearch.errors import ClipsearchError, QueryError
from clipsearch.store.approximate.build import VectorSource, build, expected_bytes
from clipsearch.store.approximate.file_format import CODES
from clipsearch.store.approximate.index import FOLDER, ApproximateIndex, making, put
from clipsearch.store.approximate.info import KINDS, ApproximateInfo, Kind, read_info
from clipsearch.store.approximate.tune import TuningQueries, TuningResult, exact_milliseconds, tune, tuning_queries
from clipsearch.store.collection import Collection
from clipsearch.types import Progress, StageProgress

logger = logging.getLogger(__name__)

MIN_IMAGES = 20_000
"""An exact search of fewer pictures takes a millisecond or two."""

MAX_GRAPH_IMAGES = 250_000
"""Images up to which a graph is tried by default: building one takes ten times as long as an inverted file."""

_IMAGE_QUERIES = 256


@dataclass(frozen=True, slots=True)
class OptimizeReport:
    """The kinds of index that were tried, and the one that was kept."""

    images: int
    exact_milliseconds: float | None  # of a text query; None if nothing was measured
    chosen: ApproximateInfo | None  # None if nothing was made or changed
    reason: str  # why nothing was made; "" if something was
    tried: tuple[ApproximateInfo, ...]  # each kind at its best setting
    skipped: dict[str, str]  # kind → why it was not tried
    seconds: float


@cache
def text_bank() -> tuple[str, ...]:
    """512 everyday descriptions of photos to measure with: the query bank, and those of tuning_queries.txt."""
    more = Path(__file__).resolve().with_name("tuning_queries.txt").read_text("utf-8").splitlines()
    return tuple(dict.fromkeys((*query_bank(), *more)))


def optimize(
    collection: Collection,
    encoder: Callable[[], Encoder],
    recall: float,
    max_milliseconds: float | None = None,
    max_bytes: int | None = None,
    kinds: Sequence[Kind] | None = None,
    force: bool = False,
    progress: StageProgress | None = None,
    cancel: CancelToken | None = None,
) -> OptimizeReport:
    """Build approximate indexes of a collection, tune each by measuring, and keep the fastest that reaches a recall@10.

    Unless `force` is set, nothing is made for fewer than MIN_IMAGES images, or if the exact search is as fast. `encoder` is
    called once, when texts are encoded.
    """
    kinds = None if kinds is None else listed(kinds)
    if kinds is not None and not kinds:
        raise QueryError(f"kinds is empty; name at least one of {', '.join(KINDS)}, or leave it out")
    for wanted in kinds or ():
        require_one_of("kinds", wanted, KINDS)
    require_number("recall", recall, 0, 1, above=True)
    start, report = time.monotonic(), (cancel or CancelToken()).checked(progress)
    images, pictures = len(collection), collection.count_pictures()
    fingerprint = collection.fingerprint
    if fingerprint is None or images < 2 or (pictures < MIN_IMAGES and not force):
        kind = "photos" if pictures == images else "pictures"
        reason = f"an exact search of {pictures:,} {kind} is as fast; an approximate index pays from {MIN_IMAGES:,} {kind} on"
        reason += _stays(collection.folder / FOLDER)
        return OptimizeReport(images, None, None, reason, (), {}, time.monotonic() - start)
    with making(collection.folder) as folder:
        source = VectorSource(collection.snapshot(), fingerprint.digest)
        texts, stored = _queries(source, encoder(), report)
        exact_ms = exact_milliseconds(source.snapshot, texts.vectors)
        tried: list[ApproximateInfo] = []
        best: TuningResult | None = None
        skipped: dict[str, str] = {}
        for kind in kinds or KINDS:
            if reason := _reason_to_skip(kind, source, max_bytes, requested=kinds is not None):
                skipped[kind] = reason
                continue
            result = tune(
                # No variable holds the open index: Windows cannot delete a file that is mapped.
                ApproximateIndex(folder, build(folder, kind, source, report)),
                source.snapshot,
                texts,
                stored,
                recall=recall,
                exact_ms=exact_ms,
                max_ms=max_milliseconds,
                progress=lambda stage: report(stage, 0, 0),
            )
            if max_bytes is not None and result.info.size > max_bytes:
                result = replace(result, fits=False)
            logger.info("tried %s: fits %s, %s", kind, result.fits, result.info.measured)
            tried.append(result.info)
            worse: TuningResult | None = result
            if result.fits and (best is None or _ms(result) < _ms(best)):
                worse, best = best, result
            if worse:
                with contextlib.suppress(OSError):  # another process has it open; a later run deletes it
                    (folder / worse.info.file).unlink()
        if best is None:
            raise ClipsearchError(_unreached(recall, max_milliseconds, max_bytes, tried, skipped))
        chosen, reason = None, ""
        if _ms(best) < exact_ms or force:
            chosen = best.info
            put(folder, chosen)
        else:
            reason = (
                f"an exact search takes {exact_ms:.1f} ms, and the fastest approximate one of that recall {_ms(best):.1f}: "
                f"nothing was made{_stays(folder)}"
            )
        return OptimizeReport(images, exact_ms, chosen, reason, tuple(tried), skipped, time.monotonic() - start)


def _queries(source: VectorSource, encoder: Encoder, report: StageProgress) -> tuple[TuningQueries, TuningQueries]:
    """Text queries from the bank, and stored images as queries, each with its exact answer."""
    bank, encoded = text_bank(), 0

    def count(sentences: int) -> None:
        nonlocal encoded
        encoded += sentences
        report("encoding texts", encoded, len(bank))

    def answered(kind: str) -> Progress:
        return lambda done, total: report(f"answering {kind} exactly", done, total)

    snapshot = source.snapshot
    texts = embed_with_prompts(encoder, bank, progress=count)
    random = np.random.default_rng(0)
    rows = np.sort(random.choice(len(source.ids), min(_IMAGE_QUERIES, len(source.ids)), replace=False))
    ids = source.ids[rows]
    return (
        tuning_queries(snapshot, texts, (), answered("texts")),
        tuning_queries(snapshot, snapshot.vectors(ids), ids.tolist(), answered("images")),
    )


def _reason_to_skip(kind: Kind, source: VectorSource, max_bytes: int | None, *, requested: bool) -> str:
    """Why a kind is not tried; "" if it is."""
    if kind == "hnsw-sq8":
        if not requested and len(source.ids) > MAX_GRAPH_IMAGES:
            return f"building a graph of more than {MAX_GRAPH_IMAGES:,} photos takes long; name the kind to try it"
    else:
        from clipsearch.store.approximate.ivf import supports

        if not supports(kind, source.dim):
            return "the installed faiss cannot make it from these vectors"
    if kind == "ivf-pq" and len(source.ids) < CODES:
        return f"its codes are learned from at least {CODES} photos"
    if max_bytes is not None and (size := expected_bytes(kind, source)) > max_bytes:
        return f"it would have {size / 1e9:.3g} GB"
    return ""


def _stays(folder: Path) -> str:
    """A note about the earlier approximate index, if it stays in use."""
    try:
        before = read_info(folder)
    except (OSError, ValueError):
        return ""
    kept = f"; the one made before, for a recall of {before.measured.asked:g}, stays in use"
    return f"{kept} (`clipsearch optimize --remove` deletes it)"


def _ms(tried: TuningResult) -> float:
    return tried.info.measured.milliseconds


def _unreached(
    recall: float,
    max_ms: float | None,
    max_bytes: int | None,
    tried: Sequence[ApproximateInfo],
    skipped: dict[str, str],
) -> str:
    limits = [f"{max_ms:g} ms"] if max_ms is not None else []
    limits += [f"{max_bytes / 1e9:g} GB"] if max_bytes is not None else []
    within = f" within {' and '.join(limits)}" if limits else ""
    text = f"no approximate index reaches a recall of {recall:g}{within}"
    if not tried:
        return f"{text}: " + "; ".join(f"{kind}: {reason}" for kind, reason in skipped.items())
    best = max(
        tried, key=lambda info: (min(info.measured.text, info.measured.image, recall), -info.measured.milliseconds)
    )
    measured = best.measured
    return (
        f"{text}. The best was {best.shape.kind} with {measured.text:.3f} for texts and "
        f"{measured.image:.3f} for images, {measured.milliseconds:.1f} ms and {best.size / 1e9:.3g} GB; the exact search takes "
        f"{measured.exact_milliseconds:.1f} ms"
    )
