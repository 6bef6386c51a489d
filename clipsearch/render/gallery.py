"""Photos, hits or labelled photos as one self-contained HTML file to look through: no other files, no network, no server."""

from __future__ import annotations

import base64
import hashlib
import heapq
import os
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from html import escape
from itertools import islice
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

from PIL import Image

from clipsearch._internal.atomic_files import require_suffix
from clipsearch._internal.cpu import cores
from clipsearch._internal.paths import is_remote
from clipsearch._internal.windows import plain
from clipsearch.images.outputs import replacing_outputs, require_output
from clipsearch.images.thumbnails import each_thumbnail, jpeg_data_url
from clipsearch.render.grouping import NO_DAY, GroupBy, grouped
from clipsearch.render.text import (
    all_found_words,
    cosine,
    counted,
    day,
    human_bytes,
    minute,
    percent,
    place,
    printable,
    short_path,
    stars,
    with_moment,
)
from clipsearch.types import Failure, Hit, ImageRecord, Moment

MOST = 1000
"""Photos in one file, at most. The page gives the number of the others."""

SIZES = ((60, 1280), (250, 800), (MOST, 400))
"""(photos, pixels): the longest side of a picture if there are at most so many photos."""

_ASSETS = Path(__file__).resolve().parent / "assets"
# Width / height of a tile. A tile shows only the middle of a picture beyond that; the larger view shows all of it.
_NARROWEST, _WIDEST = 0.66, 2.4
_PATH_KEY = "<dt><kbd>c</kbd></dt><dd>in the larger view: copy the path</dd>\n"
_AT_ONCE = 16  # pictures that are encoded at the same time


@dataclass(frozen=True, slots=True)
class PhotoCard:
    """A photo and its texts: `label`, its name and `worth` in the first line under it, `more` in the second.

    `facts` are (name, value) for the larger view. `share`, 0 to 1, is drawn as a bar. `badge` is a mark on the picture.
    """

    record: ImageRecord
    facts: tuple[tuple[str, str], ...]
    label: str = ""
    worth: str = ""
    more: str = ""
    share: float | None = None
    badge: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Photos that belong together. The only section of a gallery needs no title."""

    cards: tuple[PhotoCard, ...]
    title: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Gallery:
    """A page: its title, lines about the whole of it, and its photos. `side_by_side` sections share the width of the screen."""

    title: str
    about: tuple[str, ...]
    sections: tuple[Section, ...]
    for_others: bool = False  # then it has the photos' names, and no folders and no links to the files
    side_by_side: bool = False


def check_gallery(path: str | os.PathLike[str], *, force: bool) -> None:
    """QueryError if a gallery cannot be written: another suffix, no folder, or a file that exists."""
    path = Path(path)
    require_suffix(path, (".html", ".htm"), "a gallery must be an .html file")
    require_output(path, force=force)


def save_gallery(
    gallery: Gallery,
    path: str | os.PathLike[str],
    *,
    force: bool = False,
    on_failure: Callable[[Failure], object] = lambda failure: None,
) -> int:
    """Write a gallery of at most MOST photos, whole or not at all; the number of photos that are left out.

    An existing file is replaced only with `force`. A photo that cannot be read becomes a tile with the reason, which
    `on_failure` gets too. Links to photos below the gallery's folder are relative, so that both can be moved together.
    ClipsearchError if the file cannot be written.
    """
    check_gallery(path, force=force)
    sections = tuple(_limited(gallery.sections))
    left = sum(len(section.cards) for section in gallery.sections) - sum(len(section.cards) for section in sections)
    rest = f"and {counted(left, 'more photo')}, which {'is' if left == 1 else 'are'} not on this page"
    about = (*gallery.about, rest) if left else gallery.about
    with (
        replacing_outputs([Path(path)], force=force) as (unfinished,),
        unfinished.open("w", encoding="utf-8", newline="\n") as file,
    ):
        page = replace(gallery, about=about, sections=sections)
        file.writelines(_page(page, os.path.abspath(os.path.dirname(path)), on_failure))
    return left


def _limited(sections: Iterable[Section]) -> Iterator[Section]:
    room = MOST
    for section in sections:
        cards = section.cards[:room]
        room -= len(cards)
        if cards:
            yield replace(section, cards=cards)


def _page(gallery: Gallery, folder: str, on_failure: Callable[[Failure], object]) -> Iterator[str]:
    cards = [card for section in gallery.sections for card in section.cards]
    style = (_ASSETS / "gallery.css").read_text("utf-8") + _ratio_rules(cards)
    script = (_ASSETS / "gallery.js").read_text("utf-8")
    policy = (
        f"default-src 'none'; img-src data:; style-src {_source(style)}; script-src {_source(script)}; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'"
    )
    about = "\n".join(f'<p class="about">{_text(line)}</p>' for line in gallery.about)
    start, end = (_ASSETS / "gallery.html").read_text("utf-8").split("$sections")
    values = {"title": _text(gallery.title), "policy": policy, "style": style, "about": about}
    main = ' class="side-by-side"' if gallery.side_by_side else ""
    yield Template(start).substitute(values, side_by_side=main)
    common = None  # cards have the photos' names, but of copies also the folders, which tell them apart
    if gallery.side_by_side and not gallery.for_others:
        common = _common_folder([card.record.file.path for card in cards])
    with closing(_pictures(cards)) as pictures:
        for number, section in enumerate(gallery.sections):
            named = f' aria-labelledby="section-{number}"' if section.title else ""
            yield f"<section{named}>\n"
            if section.title:
                note = f" <small>{_text(section.note)}</small>" if section.note else ""
                yield f'<h2 id="section-{number}">{_text(section.title)}{note}</h2>\n'
            yield '<ol class="photos">\n'
            for card in section.cards:
                picture = next(pictures)
                if isinstance(picture, Failure):
                    on_failure(picture)
                yield _tile(card, picture, None if gallery.for_others else folder, common)
            yield "</ol>\n</section>\n"
    if not cards:
        yield '<p class="note">no photo was found</p>\n'
    yield Template(end).substitute(script=script, path_key="" if gallery.for_others else _PATH_KEY)


def _tile(card: PhotoCard, picture: str | Failure, folder: str | None, common: str | None) -> str:
    """A photo in its list. `folder` is that of the page, from which links are relative; None for a page without any."""
    record = card.record
    name = _text(record.file.name if common is None else short_path(record.file.path, common))
    title = with_moment(record.file.name, record.moment)
    shown = (
        f'<span class="missing">cannot be read: {_text(picture.reason)}</span>'
        if isinstance(picture, Failure)
        else picture
    )
    badge = f'<span class="badge">{_text(card.badge)}</span>' if card.badge else ""
    bar = ""
    if card.share is not None:
        bar = (
            '<svg class="bar" viewBox="0 0 100 3" preserveAspectRatio="none" aria-hidden="true">'
            f'<rect width="{100 * card.share:.1f}" height="3"/></svg>'
        )
    label = f"<b>{_text(card.label)}</b> " if card.label else ""
    worth = f' <span class="worth">{_text(card.worth)}</span>' if card.worth else ""
    more = f'<p class="more">{_text(card.more)}</p>' if card.more else ""
    facts = "".join(f"<dt>{_text(key)}</dt><dd>{_text(value)}</dd>" for key, value in card.facts)
    where = "" if folder is None else _where(record, folder)
    return (
        f'<li class="r{_ratio(record)}{" whole" if _is_strip(record) else ""}{" marked" if card.badge else ""}"{where}>'
        f'<button type="button" class="picture" aria-label="{_text(f"{card.label} {title}".strip())}">'
        f"{shown}{badge}</button>{bar}"
        f'<p class="caption">{label}<span class="name">{name}</span>{worth}</p>{more}<dl hidden>{facts}</dl></li>\n'
    )


def _where(record: ImageRecord, folder: str) -> str:
    """Attributes with a photo's paths and its address."""
    relative = short_path(record.file.path, folder)
    also = f' data-relative="{_text(relative)}"' if relative != record.file.path else ""
    address = escape(_address(record.file.path, relative) + _start(record.moment))
    return f' data-path="{_text(record.file.path)}"{also} data-href="{address}"'


def _text(text: str) -> str:
    """Text for HTML: markup and characters that cannot be shown are escaped."""
    return escape(printable(text))


def _source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"


def _ratio(record: ImageRecord) -> int:
    """Width / height of a photo's tile, in hundredths."""
    ratio = record.info.width / max(1, record.info.height)
    return round(100 * min(max(ratio, _NARROWEST), _WIDEST))


def _is_strip(record: ImageRecord) -> bool:
    """Whether more than half of a photo would be cut off in its tile."""
    ratio = record.info.width / max(1, record.info.height)
    return ratio > 2 * _WIDEST or ratio < _NARROWEST / 2


def _ratio_rules(cards: Iterable[PhotoCard]) -> str:
    """CSS rules in place of style attributes, which the security policy forbids."""
    return "".join(
        f".r{ratio} {{ --r: {ratio / 100:g}; }}\n" for ratio in sorted({_ratio(card.record) for card in cards})
    )


def _common_folder(paths: Sequence[str]) -> str:
    try:
        return os.path.commonpath([os.path.dirname(path) for path in paths])
    except ValueError:  # no paths, or paths on several drives
        return os.sep


def _address(path: str, relative: str) -> str:
    """The URL of a photo, exact to the byte."""
    if is_remote(path):
        return quote(path, safe=":/")
    if relative != path:
        return "./" + quote(os.fsencode(relative.replace(os.sep, "/")))
    if os.sep == "\\":
        path = plain(path).replace(os.sep, "/")
        if path.startswith("//"):  # on another machine; its name comes first
            return "file:" + quote(os.fsencode(path), safe="/")
    return "file://" + quote(os.fsencode("/" * (not path.startswith("/")) + path), safe="/:")


def _start(moment: Moment | None) -> str:
    """What a film's URL ends with, so that it plays from a moment: https://www.w3.org/TR/media-frags/."""
    return f"#t={moment.at:.10g}" if moment and moment.unit == "second" else ""


def _pictures(cards: Sequence[PhotoCard]) -> Generator[str | Failure, None, None]:
    """An img element for each card in turn, or its failure. Reading, resizing and encoding run at the same time."""
    side = next((pixels for most, pixels in SIZES if len(cards) <= most), SIZES[-1][1])
    outcomes = each_thumbnail([card.record for card in cards], (side, side))
    with closing(outcomes), ThreadPoolExecutor(cores(), thread_name_prefix="clipsearch-encode") as threads:
        while batch := list(islice(outcomes, _AT_ONCE)):
            yield from threads.map(_img, batch)


def _img(picture: Image.Image | Failure) -> str | Failure:
    if isinstance(picture, Failure):
        return picture
    size = f'width="{picture.width}" height="{picture.height}"'
    return f'<img alt="" decoding="async" {size} src="{jpeg_data_url(picture)}">'


def hits_gallery(
    hits: Sequence[Hit], title: str, explained: dict[str, Any], group_by: GroupBy | None = None
) -> Gallery:
    """Hits in their order, or in groups in the order of their first hits. `explained` is the result of Hits.explain()."""
    sections = tuple(
        Section(
            tuple(map(_hit_card, members)),
            (group or NO_DAY) if group_by else "",
            counted(len(members), "photo") if group_by else "",
        )
        for group, members in grouped(hits, group_by).items()
    )
    number = counted(len(hits), "moment") if explained.get("all_moments") else f"{len(hits):,}"
    considered = f"{number} of {counted(explained['considered'], 'photo')}"
    if explained["considered"] != explained["images"]:
        considered += f" that pass the filters, of {explained['images']:,}"
    about = [joined(considered, *_model_and_day(explained["model"]))]
    if explained["filters"]:
        about.append("only: " + "; ".join(explained["filters"]))
    return Gallery(title, tuple(about), sections)


def photos_gallery(records: Sequence[ImageRecord], title: str) -> Gallery:
    """Photos in their order, without a query. It may be given to others: nothing says where the photos are on this machine."""
    cards = tuple(
        PhotoCard(record, photo_facts(record), more=joined(str(record.moment or ""), *_when_and_where(record)))
        for record in records
    )
    return Gallery(title, (joined(_counted_files(records), date.today().isoformat()),), (Section(cards),), True)


def _counted_files(records: Sequence[ImageRecord]) -> str:
    """How many photos there are; 9 moments of 8 photos if several are of one film."""
    files = len({record.file.path for record in records})
    photos = counted(files, "photo")
    return photos if files == len(records) else f"{counted(len(records), 'moment')} of {photos}"


class LabelledPhotos:
    """Collects the likeliest photos of each label, MOST in all."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = labels
        self._counts: Counter[str] = Counter()
        self._best: list[tuple[float, int, str, PhotoCard]] = []  # a heap, the least likely first

    @property
    def is_empty(self) -> bool:
        """Whether no photo was added."""
        return not self._best

    def add(self, record: ImageRecord, best: Sequence[tuple[str, float, float]]) -> None:
        """Add a photo with its labels, (label, match, share), the likeliest first."""
        label, match, _ = best[0]
        self._counts[label] += 1
        facts = (*((name, percent(likely)) for name, likely, _ in best), *photo_facts(record))
        card = PhotoCard(record, facts, worth=percent(match), more=joined(*_when_and_where(record)), share=match)
        entry = (match, -record.image_id, label, card)
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
        about = f"{counted(count, 'photo')} by their likeliest label"
        return Gallery("Photos by label", (joined(about, *_model_and_day(model)),), tuple(sections))


def photo_facts(record: ImageRecord) -> tuple[tuple[str, str], ...]:
    """What the index knows about a photo, as (name, value). Unknown facts are left out."""
    info = record.info
    pixels = f"{info.width} x {info.height}"
    if (megapixels := info.width * info.height / 1e6) >= 0.1:
        pixels += f", {megapixels:.1f} megapixels"
    known = (
        ("title", info.title or ""),
        ("description", info.description or ""),
        ("caption", info.caption or ""),
        ("people", ", ".join(info.people)),
        ("keywords", ", ".join(info.keywords)),
        ("rating", stars(info.rating)),
        ("label", info.label or ""),
        ("moment", str(record.moment or "")),
        ("taken", minute(info.taken_at)),
        ("camera", info.camera or ""),
        ("place", place(info)),
        ("pixels", pixels),
        ("file", f"{info.format}, {human_bytes(record.file.size)}"),
    )
    return tuple((name, value) for name, value in known if value)


def joined(*parts: str) -> str:
    """The parts that are not empty, in one line."""
    return " · ".join(part for part in parts if part)


def _hit_card(hit: Hit) -> PhotoCard:
    match, score = percent(hit.match), cosine(hit.score)
    facts = (
        ("rank", str(hit.rank)),
        *([("match", f"{match}, how likely the photo shows this")] if match else []),
        *([("score", score)] if score else []),
        *([("words found", all_found_words(hit))] if hit.found_in else []),
        *photo_facts(hit.record),
        *([("same shot", ", ".join(other.file.name for other in hit.others))] if hit.others else []),
    )
    others = f"+{counted(len(hit.others), 'file')}" if hit.others else ""
    more = joined(str(hit.record.moment or ""), *_when_and_where(hit.record), others)
    return PhotoCard(hit.record, facts, label=str(hit.rank), worth=match or score[:-2], more=more, share=hit.match)


def _when_and_where(record: ImageRecord) -> tuple[str, str]:
    """The day and the name of the place. The camera and degrees are facts for the larger view."""
    return day(record.info.taken_at), place(record.info) if record.info.place is not None else ""


def _model_and_day(model: str) -> tuple[str, str]:
    return f"model {model or 'none'}", date.today().isoformat()
