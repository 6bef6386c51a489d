"""What a gallery says of photos: of hits, and of those with labels."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any

from clipsearch.render.gallery import MOST, Card, Gallery, Section
from clipsearch.render.grouping import NO_DAY, GroupBy, grouped
from clipsearch.render.text import counted, day, human_bytes, minute, percent, place
from clipsearch.types import Hit, ImageRecord


def hits_gallery(
    hits: Sequence[Hit], title: str, explained: dict[str, Any], group_by: GroupBy | None = None
) -> Gallery:
    """Hits in their order, or in groups in the order of their first ones. `explained` is what Hits.explain() says."""
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
        considered += f" that meet the filters, of {explained['images']:,}"
    about = [f"{considered} · model {explained['model'] or 'none'} · {date.today().isoformat()}"]
    if explained["filters"]:
        about.append("only: " + "; ".join(explained["filters"]))
    return Gallery(title, tuple(about), sections)


class LabelledPhotos:
    """The likeliest photos of each label: as many in all as a gallery has room for, however many come."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = labels
        self._counts: Counter[str] = Counter()
        self._best: list[tuple[float, int, str, Card]] = []  # a heap, the least likely first

    def add(self, record: ImageRecord, match: float, best: Sequence[tuple[str, float]]) -> None:
        """A photo with its match and its labels, (label, probability), the likeliest first."""
        label, probability = best[0]
        self._counts[label] += 1
        facts = (
            *((name, percent(likely)) for name, likely in best),
            ("match", f"{percent(match)}, what these labels keep where everyday scenes compete"),
            *photo_facts(record),
        )
        share = probability * match
        more = joined(f"match {percent(match)}", *_when_and_where(record))
        card = Card(record, facts, worth=percent(probability), more=more, share=share)
        entry = (share, -record.image_id, label, card)
        (heapq.heappush if len(self._best) < MOST else heapq.heappushpop)(self._best, entry)

    def gallery(self, model: str) -> Gallery:
        """A section for each label that is some photo's likeliest, in the order of the labels; the likeliest photos first."""
        cards: dict[str, list[Card]] = {label: [] for label in self._labels}
        for _, _, label, card in sorted(self._best, key=lambda entry: entry[:2], reverse=True):
            cards[label].append(card)
        sections = []
        for label, some in cards.items():
            left = self._counts[label] - len(some)
            note = counted(len(some), "photo") + (f", and {left:,} that are less likely" if left else "")
            sections += [Section(tuple(some), label, note)] if some else []
        count = sum(self._counts.values())
        about = (
            f"{counted(count, 'photo')} by their likeliest label · model {model or 'none'} · {date.today().isoformat()}"
        )
        return Gallery("Photos by label", (about,), tuple(sections))


def photo_facts(record: ImageRecord) -> tuple[tuple[str, str], ...]:
    """What the index knows of a photo, as (name, value); what it does not know is left out."""
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
    """What there is to say, in a line."""
    return " · ".join(part for part in parts if part)


def _hit_card(hit: Hit) -> Card:
    match = "" if hit.match is None else percent(hit.match)
    facts = (
        ("rank", str(hit.rank)),
        *([("match", f"{match}, how likely it is right")] if match else []),
        ("score", f"{hit.score:.4f}"),
        *photo_facts(hit.record),
    )
    score = f"{hit.score:.4f}"
    more = joined(score if match else "", *_when_and_where(hit.record))
    return Card(hit.record, facts, label=str(hit.rank), worth=match or score, more=more, share=hit.match)


def _when_and_where(record: ImageRecord) -> tuple[str, str, str]:
    info = record.info
    return day(info.taken_at), info.camera or "", place(info.gps)
