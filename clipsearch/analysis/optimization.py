"""Making an approximate index that is as good as was asked for: several kinds are built and tuned, the quickest is kept."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from clipsearch.encoders.base import Encoder
from clipsearch.encoders.prompts import embed_with_prompts, query_bank
from clipsearch.errors import ClipsearchError
from clipsearch.store.approximate.build import Source, Tell, build, expected_bytes
from clipsearch.store.approximate.description import KINDS, Card, Kind, read_card
from clipsearch.store.approximate.file_format import CODES
from clipsearch.store.approximate.folder import making, put
from clipsearch.store.approximate.index import FOLDER, Approximate
from clipsearch.store.approximate.tune import Questions, Tried, exact_milliseconds, questions, tune
from clipsearch.store.collection import Collection
from clipsearch.types import Embeddings

LEAST_IMAGES = 20_000
"""Below it all vectors are looked at in a millisecond or two."""

MOST_FOR_A_GRAPH = 250_000
"""Images up to which a graph is tried unasked: building one takes ten times as long as an inverted file."""

_IMAGE_QUERIES = 256
_SUBJECTS = (
    "a black dog", "two cats", "a bird", "a horse and its rider", "an old man", "a young woman", "a boy on a bicycle",
    "a girl with a balloon", "a group of tourists", "a couple holding hands", "a family having a picnic", "a baby asleep",
    "a street musician", "a cook", "a cyclist", "a runner", "a fisherman", "workers in helmets", "a red car", "a white van",
    "a yellow taxi", "an old truck", "a motorcycle", "a train", "a small boat", "a cruise ship", "an aeroplane", "a caravan",
    "a wooden bench", "a bunch of flowers", "a bowl of fruit", "a cup of tea", "a plate of food", "a birthday cake",
    "a laptop", "an open book", "a lamp", "a stone bridge", "a tall building", "a church tower", "a market stall",
    "a flag", "a traffic sign", "a fountain", "a large tree", "colourful umbrellas", "a pile of suitcases", "a snowman",
)  # fmt: skip
_PLACES = (
    "on a beach", "in the snow", "in a city street", "in the forest", "by a lake", "in a living room", "at night",
    "in black and white", "under a blue sky", "in the rain", "on a mountain", "in a crowd", "in a garden", "at sunset",
    "in front of a shop", "seen from above",
)  # fmt: skip
_EACH = 8  # places for each subject

Progress = Tell


@dataclass(frozen=True, slots=True)
class OptimizeReport:
    """What was tried, and what is searched by from now on."""

    images: int
    exact_milliseconds: float | None  # of a text query; None where nothing was measured
    chosen: Card | None  # None: nothing was made, or changed
    reason: str  # why not; "" where something was
    tried: tuple[Card, ...]  # each kind at its best setting
    skipped: dict[str, str]  # kind → why it was not tried
    seconds: float


def text_bank() -> tuple[str, ...]:
    """Everyday descriptions of photos to measure by: the query bank, and as many as three times more, made of parts."""
    made = (
        f"{subject} {_PLACES[(number + step * (1 + 2 * (number % 4))) % len(_PLACES)]}"
        for number, subject in enumerate(_SUBJECTS)
        for step in range(_EACH)
    )
    return tuple(dict.fromkeys((*query_bank(), *made)))


def optimize(
    collection: Collection, encoder: Callable[[], Encoder], *, recall: float, max_milliseconds: float | None = None,
    max_bytes: int | None = None, kinds: Sequence[Kind] | None = None, force: bool = False, progress: Progress | None = None,
) -> OptimizeReport:  # fmt: skip
    """Build approximate indexes of a collection, tune each by measuring, and keep the quickest that reaches a recall@10.

    The recall must be reached for text queries, and for stored images as queries, within a median of `max_milliseconds` and
    with a file of `max_bytes` at most; ClipsearchError, with nothing changed, where none does. Nothing is made, which is no
    error, for few images or where the exact search is as quick, unless `force`. `encoder` is asked for when texts are encoded.
    """
    if not 0 < recall <= 1:
        raise ClipsearchError(f"the recall is {recall:g}; give a share, as 0.99")
    start, tell = time.monotonic(), progress or (lambda what, done, total: None)
    images = len(collection)
    fingerprint = collection.fingerprint
    if fingerprint is None or images < 2 or (images < LEAST_IMAGES and not force):
        reason = (
            f"{images:,} photos are searched exactly as quickly; an approximate index is for {LEAST_IMAGES:,} and more"
        )
        reason += _stays(collection.folder / FOLDER)
        return OptimizeReport(images, None, None, reason, (), {}, time.monotonic() - start)
    with making(collection.folder) as folder:
        source = Source(collection.snapshot(), fingerprint.digest)
        texts, pictures = _questions(source, encoder(), tell)
        exact_ms = exact_milliseconds(source.snapshot, texts.vectors)
        tried: list[Tried] = []
        best: Tried | None = None
        skipped: dict[str, str] = {}
        for kind in kinds or KINDS:
            if why := _why_not(kind, source, max_bytes, asked=kinds is not None):
                skipped[kind] = why
                continue
            card = build(folder, kind, source, tell)
            done = tune(  # by an index of its own, because Windows deletes no file that is mapped
                Approximate(folder, card), source.snapshot, texts, pictures, recall, exact_ms, max_milliseconds,
                lambda what: tell(what, 0, 0),
            )  # fmt: skip
            if max_bytes is not None and done.card.size > max_bytes:
                done = replace(done, fits=False)
            tried.append(done)
            worse = done
            if done.fits and (best is None or _ms(done) < _ms(best)):
                worse, best = best or done, done
            if worse is not best:
                with contextlib.suppress(OSError):  # somebody looks at it just now; it is swept away later
                    (folder / worse.card.file).unlink()
        cards = tuple(one.card for one in tried)
        if best is None:
            raise ClipsearchError(_unreached(recall, max_milliseconds, max_bytes, cards, skipped))
        reason = ""
        if _ms(best) >= exact_ms and not force:
            reason = (
                f"an exact search takes {exact_ms:.1f} ms, and the quickest approximate one of that recall {_ms(best):.1f}: "
                "nothing was made"
            ) + _stays(folder)
        else:
            put(folder, best.card)
        chosen = None if reason else best.card
        return OptimizeReport(images, exact_ms, chosen, reason, cards, skipped, time.monotonic() - start)


def _questions(source: Source, encoder: Encoder, tell: Tell) -> tuple[Questions, Questions]:
    """Texts of the bank, and stored images, each with its exact answer."""
    bank, encoded = text_bank(), 0

    def count(some: int) -> None:
        nonlocal encoded
        encoded += some
        tell("encoding texts", encoded, len(bank))

    texts = embed_with_prompts(encoder, bank, progress=count)
    random = np.random.default_rng(0)
    chosen = np.sort(random.choice(len(source.ids), min(_IMAGE_QUERIES, len(source.ids)), replace=False))
    vectors = _rows(source, chosen)
    own = source.ids[chosen].tolist()
    snapshot = source.snapshot
    return (
        questions(snapshot, texts, (), lambda done, total: tell("answering texts exactly", done, total)),
        questions(snapshot, vectors, own, lambda done, total: tell("answering images exactly", done, total)),
    )


def _rows(source: Source, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Embeddings:
    """Some of a source's vectors, by their ascending place among all."""
    taken, start = [], 0
    for ids, vectors in source.blocks():
        here = rows[(rows >= start) & (rows < start + len(ids))] - start
        taken.append(vectors[here])
        start += len(ids)
    return np.concatenate(taken)


def _why_not(kind: Kind, source: Source, max_bytes: int | None, *, asked: bool) -> str:
    """Why a kind is not tried; "" where it is."""
    if kind == "hnsw-sq8":
        if not asked and len(source.ids) > MOST_FOR_A_GRAPH:
            return f"building a graph of more than {MOST_FOR_A_GRAPH:,} photos takes long; name it to have it tried"
    else:
        from clipsearch.store.approximate.ivf import supports

        if not supports(kind, source.dim):
            return "the faiss that is here cannot make it of these vectors"
    if kind == "ivf-pq" and len(source.ids) < CODES:
        return f"its codes are learned from {CODES} photos at least"
    if max_bytes is not None and (size := expected_bytes(kind, source)) > max_bytes:
        return f"it would have {size / 1e9:.3g} GB"
    return ""


def _stays(folder: Path) -> str:
    """What is to be said of an index that was made before and goes on being used."""
    try:
        before = read_card(folder)
    except (OSError, ValueError):
        return ""
    return f"; the one made before, for a recall of {before.measured.asked:g}, stays in use (--remove takes it away)"


def _ms(tried: Tried) -> float:
    return tried.card.measured.milliseconds


def _unreached(
    recall: float, max_ms: float | None, max_bytes: int | None, cards: Sequence[Card], skipped: dict[str, str]
) -> str:
    limits = [f"{max_ms:g} ms"] if max_ms is not None else []
    limits += [f"{max_bytes / 1e9:g} GB"] if max_bytes is not None else []
    text = f"no approximate index reaches a recall of {recall:g}" + (
        f" within {' and '.join(limits)}" if limits else ""
    )
    if not cards:
        return f"{text}: " + "; ".join(f"{kind}: {why}" for kind, why in skipped.items())
    best = max(
        cards, key=lambda card: (min(card.measured.text, card.measured.image, recall), -card.measured.milliseconds)
    )
    found = best.measured
    return (
        f"{text}. The best was {best.shape.kind} with {found.text:.3f} for texts and {found.image:.3f} for images, "
        f"{found.milliseconds:.1f} ms and {best.size / 1e9:.3g} GB; the exact search takes {found.exact_milliseconds:.1f} ms"
    )
