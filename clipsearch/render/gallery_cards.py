"""Galleries of hits, and of photos with labels."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any

from clipsearch.render.gallery import MOST, Gallery, PhotoCard, Section
from clipsearch.render.grouping import NO_DAY, GroupBy, grouped
from clipsearch.render.text import counted, day, human_bytes, minute, percent, place
from clipsearch.types import Hit, ImageRecord


def hits_gallery(
    hits: Sequence[Hit], title: str, explained: dict[str, Any], group_by: GroupBy | None = None
) -> Gallery:
    """Hits in their order, or in groups in the order of their first hits. `explained` is the result of Hits.explain()."""
    groups = grouped(hits, group_by) if group_by else {"": hits}
    sections = tuple(
        Section(
            tuple(map(_hit_card, members)),
            NO_DAY if group is None else group,
            counted(len(members), "photo") if group_by else "",
        )
        for group, members in groups.items()
    )
    considered = f"{len(hits):,} of {counted(explained['considered'], 'photo')}"
    if explained["considered"] != explained["images"]:
        considered += f" that pass the filters, of {explained['images']:,}"
    about = [f"{considered} · model {explained['model'] or 'none'} · {date.today().isoformat()}"]
    if explained["filters"]:
        about.append("only: " + "; ".join(explained["filters"]))
    return Gallery(title, tuple(about), sections)


class LabelledPhotos:
    """Collects the likeliest photos of each label, MOST in all."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = labels
        self._counts: Counter[str] = Counter()
        self._best: list[tuple[float, int, str, PhotoCard]] = []  # a heap, the least likely first

    def add(self, record: ImageRecord, match: float, best: Sequence[tuple[str, float]]) -> None:
        """Add a photo with its match and its labels, (label, probability), the likeliest first."""
        label, probability = best[0]
        self._counts[label] += 1
        facts = (
            *((name, percent(likely)) for name, likely in best),
            ("match", f"{percent(match)}, how likely the photo shows one of the labels at all"),
            *photo_facts(record),
        )
        share = probability * match
        more = joined(f"match {percent(match)}", *_when_and_where(record))
        card = PhotoCard(record, facts, worth=percent(probability), more=more, share=share)
        entry = (share, -record.image_id, label, card)
        (heapq.heappush if len(self._best) < MOST else heapq.heappushpop)(self._best, entry)

    def gallery(self, model: str) -> Gallery:
        """A section for each label that is the likeliest of a photo. In each, the likeliest photos are first."""
        cards: dict[str, list[PhotoCard]] = {label: [] for label in self._labels}
        for _, _, label, card in sorted(self._best, key=lambda entry: entry[:2], reverse=True):
            cards[label].append(card)
        sections = []
        for label, shown in cards.items():
            left = self._counts[label] - len(shown)
            note = counted(len(shown), "photo") + (f", and {left:,} less likely ones" if left else "")
            sections += [Section(tuple(shown), label, note)] if shown else []
        count = sum(self._counts.values())
        about = (
            f"{counted(count, 'photo')} by their likeliest label · model {model or 'none'} · {date.today().isoformat()}"
        )
        return Gallery("Photos by label", (about,), tuple(sections))


def photo_facts(record: ImageRecord) -> tuple[tuple[str, str], ...]:
    """What the index knows about a photo, as (name, value). Unknown facts are left out."""
    info = record.info
    pixels = f"{info.width} x {info.height}, {info.width * info.height / 1e6:.1f} megapixels"
    known = (
        ("caption", info.caption or ""),
        ("taken", minute(info.taken_at)),
        ("camera", info.camera or ""),
        ("place", place(info.gps)),
        ("pixels", pixels),
        ("file", f"{info.format}, {human_bytes(record.file.size)}"),
    )
    return tuple((name, value) for name, value in known if value)


def joined(*parts: str) -> str:
    """The parts that are not empty, in one line."""
    return " · ".join(part for part in parts if part)


def _hit_card(hit: Hit) -> PhotoCard:
    match = "" if hit.match is None else percent(hit.match)
    facts = (
        ("rank", str(hit.rank)),
        *([("match", f"{match}, how likely the photo shows this")] if match else []),
        ("score", f"{hit.score:.4f}"),
        *photo_facts(hit.record),
    )
    score = f"{hit.score:.4f}"
    more = joined(score if match else "", *_when_and_where(hit.record))
    return PhotoCard(hit.record, facts, label=str(hit.rank), worth=match or score, more=more, share=hit.match)


def _when_and_where(record: ImageRecord) -> tuple[str, str, str]:
    info = record.info
    return day(info.taken_at), info.camera or "", place(info.gps)
