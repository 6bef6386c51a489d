"""`clipsearch duplicates`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from clipsearch.cli.exit_status import ExitStatus
from clipsearch.cli.filters import filter_options
from clipsearch.cli.find_index import existing_index
from clipsearch.cli.galleries import check_html, duplicates_gallery, html_option, write_html
from clipsearch.cli.hints import hint
from clipsearch.cli.options import index_option, json_option
from clipsearch.cli.output import current_folder, note, print_json, print_paths, progress_bar, say
from clipsearch.types import all_of

if TYPE_CHECKING:
    from clipsearch.analysis.duplicates import CopyGroup, Duplicates
    from clipsearch.types import Condition, ImageRecord


@click.command()
@index_option
@filter_options
@click.option("--exact", is_flag=True, help="Only files with the same bytes. It takes no time, and decodes nothing.")
@click.option(
    "--min-cosine",
    type=click.FloatRange(-1, 1),
    help="Look closer at photos that are so near each other. Default: 0.8 for mini, 0.9 for other models.",
)
@click.option("--jobs", type=click.IntRange(1), help="Photos decoded at once. Default: one a core.")
@click.option("--paths", is_flag=True, help="Print only the paths of the copies, one a line; never those of the best.")
@click.option(
    "-0", "--print0", is_flag=True, help="Print only the paths of the copies, each ended by a NUL, for xargs -0."
)
@html_option
@click.option("-q", "--quiet", is_flag=True, help="No progress bar and no summary.")
@json_option
@click.pass_context
def duplicates(
    context: click.Context, index_folder: str | None, filters: tuple[Condition, ...], exact: bool, min_cosine: float | None,
    jobs: int | None, paths: bool, print0: bool, html: str | None, force: bool, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Find photos that are copies of each other. Nothing is ever deleted.

    Exact copies have the same bytes. Near-copies are re-encoded, resized, slightly cropped, framed or touched up: their
    embeddings are near, and so are their perceptual hashes, for which they are decoded again. Mirrored ones, and those with
    more than a few percent cropped off, are not found; of animations, the first picture counts.

    Of each group the best is printed first: the one with the most pixels, then the one that knows more of its date, camera and
    place, then the largest file; one in an archive or in storage elsewhere only where there is no other. Files that are gone or
    have changed since they were indexed are in no group.

    \b
    clipsearch duplicates
    clipsearch duplicates --exact --in ~/Photos/phone
    clipsearch duplicates -0 | xargs -0 ls -l       # the copies, without the best of each group
    clipsearch duplicates --html copies.html        # side by side, to look at
    """
    from clipsearch.analysis.duplicates import CHANGED, GONE
    from clipsearch.engine import SearchEngine
    from clipsearch.render.text import human_bytes

    check_html(html, force)
    with SearchEngine(existing_index(index_folder)) as engine, _StageBar(quiet) as bar:
        found = engine.duplicates(
            all_of(filters), exact_only=exact, least_cosine=min_cosine, jobs=jobs, progress=bar.show
        )
    if html is not None:
        write_html(duplicates_gallery(found), html, force)
    for failure in found.failures:
        note(f"{failure.file.path}: {failure.reason}")
    if any(failure.reason in (CHANGED, GONE) for failure in found.failures):
        note(f"to update the index: {hint('index')}")
    if as_json:
        print_json(_duplicates_object(str(engine.index_folder), found))
    elif paths or print0:
        copies = (copy.record.file.path for group in found.groups for copy in group.copies)
        print_paths(copies, b"\0" if print0 else b"\n")
    else:
        say("\n".join(_group_table(group) for group in found.groups))
        if not quiet:
            groups = f"{len(found.groups):,} group{'' if len(found.groups) == 1 else 's'}"
            what = f"{found.copies:,} cop{'y' if found.copies == 1 else 'ies'} of {human_bytes(found.spare_bytes)}"
            note(f"{found.images:,} photos, {groups}, {what}; nothing was deleted")
    if found.failures:
        context.exit(ExitStatus.SOME_FAILED)


class _StageBar:
    """A bar for each stage."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._stage = ""
        self._bar: Any = None

    def show(self, stage: str, done: int, total: int) -> None:
        """A duplicates.Progress."""
        if self._quiet:
            return
        if stage != self._stage:
            self.close()
            unit = " pairs" if stage == "comparing" else " photos"
            self._bar = progress_bar(desc=stage, total=total, unit=unit, unit_scale=True)
            self._stage = stage
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Take the bar off the screen."""
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> _StageBar:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _group_table(group: CopyGroup) -> str:
    """One line a photo: what it is to its group, cosine, pixels, size, path."""
    from clipsearch.render.text import human_bytes, printable, short_path

    rows = [("best", "", group.best)]
    rows += [
        ("same" if copy.exact else "near", "" if copy.exact else f"{copy.cosine:.4f}", copy.record)
        for copy in group.copies
    ]
    folder = current_folder()
    return "".join(
        f"{kind:<4}  {cosine:<6}  {f'{record.info.width} x {record.info.height}':>13}  "
        f"{human_bytes(record.file.size):>7}  {printable(short_path(record.file.path, folder))}\n"
        for kind, cosine, record in rows
    )


def _duplicates_object(index: str, found: Duplicates) -> dict[str, Any]:
    """{"index", "images", "copies", "bytes", "groups": [{"best", "copies": [...]}], "failures"}. Keys are only ever added."""
    return {
        "index": index,
        "images": found.images,
        "copies": found.copies,
        "bytes": found.spare_bytes,
        "groups": [
            {
                "best": _photo(group.best),
                "copies": [
                    {
                        **_photo(copy.record),
                        "exact": copy.exact,
                        "cosine": round(copy.cosine, 6),
                        "differing_bits": copy.differing_bits,
                    }
                    for copy in group.copies
                ],
            }
            for group in found.groups
        ],
        "failures": [{"path": failure.file.path, "reason": failure.reason} for failure in found.failures],
    }


def _photo(record: ImageRecord) -> dict[str, Any]:
    from clipsearch.render.json_output import photo_to_json

    return {key: value for key, value in photo_to_json(record).items() if key in _PHOTO_KEYS}


_PHOTO_KEYS = ("path", "width", "height", "format", "size", "content_hash")
"""What a photo's JSON says of a copy."""
