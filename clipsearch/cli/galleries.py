"""--html: what was found as a page to look through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from clipsearch.cli.output import note

if TYPE_CHECKING:
    from clipsearch.analysis.duplicates import CopyGroup, Duplicates
    from clipsearch.render.gallery import Gallery, Section

html_flag = click.option(
    "--html", type=click.Path(), metavar="FILE", help="Write a page to look through, all in one .html file."
)


def html_option(command: Any) -> Any:
    """--html and --force."""
    return html_flag(click.option("--force", is_flag=True, help="Let --html replace a file.")(command))


def check_html(path: str | None, force: bool) -> None:
    """ClipsearchError where the page could not be written, before anything is computed for nothing."""
    if path is not None:
        from clipsearch.render.gallery import check_gallery

        check_gallery(path, force=force)


def write_html(gallery: Gallery, path: str, force: bool) -> None:
    """Write the page, and say so, with how many photos it has no room for."""
    from clipsearch.render.gallery import MOST, save_gallery

    left = save_gallery(gallery, path, force=force)
    note(f"wrote {path}" + (f", with the first {MOST:,} photos" if left else ""))


def duplicates_gallery(found: Duplicates) -> Gallery:
    """A section for each group of copies, the best marked."""
    from clipsearch.render.gallery import Gallery
    from clipsearch.render.text import human_bytes

    groups = f"{len(found.groups):,} group{'' if len(found.groups) == 1 else 's'}"
    what = f"{found.copies:,} cop{'y' if found.copies == 1 else 'ies'} of {human_bytes(found.spare_bytes)}"
    about = (f"{found.images:,} photos, {groups}, {what}", "Nothing was deleted.")
    return Gallery("Copies", about, tuple(_copies_section(group) for group in found.groups))


def _copies_section(group: CopyGroup) -> Section:
    from clipsearch.render.gallery import Card, Section
    from clipsearch.render.gallery_cards import joined, photo_facts
    from clipsearch.render.text import human_bytes

    cards = []
    for record, worth, fact in (
        (group.best, "", ("best", group.reason)),
        *((copy.record, *_likeness(copy.exact, copy.cosine, copy.differing_bits)) for copy in group.copies),
    ):
        more = joined(f"{record.info.width} x {record.info.height}", human_bytes(record.file.size), record.info.format)
        badge = "best" if record is group.best else ""
        cards.append(Card(record, (fact, *photo_facts(record)), worth=worth, more=more, badge=badge))
    count = len(group.copies)
    note = f"{count} cop{'y' if count == 1 else 'ies'}, {human_bytes(group.spare_bytes)}; best: {group.reason}"
    return Section(tuple(cards), group.best.file.name, note)


def _likeness(exact: bool, cosine: float, bits: int) -> tuple[str, tuple[str, str]]:
    """What a copy is to its group's best, in a word and in full."""
    if exact:
        return "same", ("copy", "the same bytes as the best")
    return "near", ("copy", f"near the best: cosine {cosine:.4f}, {bits} of 256 bits of the picture differ")
