"""`clipsearch albums`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clipsearch._internal.commands import command as command_text
from clipsearch.cli.choose_index import open_engine
from clipsearch.cli.command import OUTPUT, FilePath, argument, command, flag, option
from clipsearch.cli.exit_status import ended
from clipsearch.cli.files import force_option
from clipsearch.cli.hints import hint
from clipsearch.cli.options import at_most_one, index_option, json_option
from clipsearch.cli.output import (
    note,
    print_json,
    print_paths,
    print_report,
    remark,
    remark_summary,
    terminal_width,
)
from clipsearch.errors import SidecarError
from clipsearch.images.outputs import replacing_outputs
from clipsearch.render.json_output import photo_to_json
from clipsearch.render.text import columns, counted, pad, printable, shorten, told_apart

if TYPE_CHECKING:
    from clipsearch.engine import SearchEngine
    from clipsearch.types import ImageRecord


@command()
def albums(
    name: str | None = argument("name", required=False, metavar="[ALBUM]"),
    m3u: str | None = option(
        "--m3u", "FILE", "Write the photos' paths as a list, which players and scripts read.", OUTPUT, type=FilePath()
    ),
    rename: str | None = option("--rename", "NAME", "Give the album another name.", OUTPUT),
    write_rating: int | None = option(
        "--write-rating",
        "STARS",
        "Give 1 to 5 stars, in photo.jpg.xmp, to photos without a rating.",
        OUTPUT,
        type=click.IntRange(1, 5),
    ),
    force: bool = force_option("--m3u"),
    index_folder: str | None = index_option,
    as_json: bool = json_option,
    print0: bool = flag("-0 --print0", "End paths with NULs.", OUTPUT),
) -> int:
    """The albums that were made on the page, and the paths of the photos in one.

    \b
    clipsearch albums
    clipsearch albums Favourites
    clipsearch albums Favourites --m3u favourites.m3u8
    clipsearch albums Favourites --write-rating 5
    clipsearch albums Italy --rename "Italy 2016"

    `Favourites` is the album of the hearts. Photos that are not in the index are left out.

    --write-rating makes photo.jpg.xmp beside photo.jpg, or adds to it, for darktable, digiKam and others. It changes no photo,
    and none gets stars that has a rating already, in the index or in a sidecar (photo.jpg.xmp or photo.xmp). The next
    `clipsearch index` reads the sidecars. Exit status 3: some could not be written.
    """
    is_renamed = {"--rename": rename is not None}
    tasks = {"--write-rating": write_rating is not None, "--json": as_json, "-0": print0}
    typed = at_most_one(is_renamed | tasks, "choose one of them")
    typed += at_most_one(is_renamed | {"--m3u": m3u is not None}, "choose one of them")
    if name is None:
        if typed not in ([], ["--json"]):
            values = {"--m3u": m3u, "--rename": rename, "--write-rating": write_rating}
            words = [
                str(word) for flag in dict.fromkeys(typed) for word in (flag, values.get(flag)) if word is not None
            ]
            raise click.UsageError(f"say which album: `{command_text('albums', 'ALBUM', *words, index=index_folder)}`")
        return _list(index_folder, as_json)
    if rename is not None:
        with open_engine(index_folder) as engine:
            _require_readable(engine)
            name = engine.albums.spelled(name)
            engine.albums.rename(name, rename)
        remark(f"the album {printable(name)} is now called {printable(rename.strip())}")
        return 0
    with open_engine(index_folder) as engine:
        _require_readable(engine)
        name = engine.albums.spelled(name)
        ids = engine.album(name).ids
        records = engine.records(ids)
    photos = [records[number] for number in ids if number in records]
    paths = [record.file.path for record in photos]
    if m3u is not None:
        from clipsearch.store.albums import fits_playlist, playlist

        with replacing_outputs([Path(m3u)], force=force) as (unfinished,):
            unfinished.write_bytes(playlist(paths))
        left_out = [path for path in paths if not fits_playlist(path)]
        remark(f"wrote {m3u}, with {counted(len(paths) - len(left_out), 'photo')}")
        for path in left_out:
            remark(f"{printable(path)} is not in it: a playlist cannot have a name with a line break")
    if write_rating is not None:
        return ended(_rate(photos, write_rating))
    if as_json:
        print_json({"index": str(engine.index_folder), "album": name, "photos": list(map(photo_to_json, photos))})
    elif print0 or m3u is None:
        if not paths and not print0:
            remark(f"the album {printable(name)} has no photo that is in the index")
        print_paths(paths, b"\0" if print0 else b"\n")
    return 0


def _require_readable(engine: SearchEngine) -> None:
    """Raise CollectionDamaged if the index cannot be read. The file of albums alone does not show that."""
    engine.browse(top_k=1)


def _list(index_folder: str | None, as_json: bool) -> int:
    with open_engine(index_folder) as engine:
        _require_readable(engine)
        counts = {name: len(engine.album(name).ids) for name in engine.albums.names()}
    value = {
        "index": str(engine.index_folder),
        "albums": [{"name": name, "photos": count} for name, count in counts.items()],
    }
    if not counts and not as_json:
        remark_summary(f"no albums yet; the page makes them: {command_text('serve', index=engine.index_folder)}")
    print_report(as_json, value, _table(counts, terminal_width()))
    return 0


def _table(counts: Mapping[str, int], terminal: int | None) -> str:
    """A line for each album. A `terminal` that is narrower gets the names shortened in the middle."""
    photos = {name: counted(count, "photo") for name, count in counts.items()}
    width = max((columns(printable(name)) for name in counts), default=0)
    if terminal is not None:
        width = min(width, terminal - 2 - max(map(len, photos.values()), default=0))
    shown = told_apart({printable(name): shorten(printable(name), width) for name in photos}, width)
    return "".join(f"{pad(shown[printable(name)], width)}  {count}\n" for name, count in photos.items())


def _rate(photos: Sequence[ImageRecord], stars: int) -> list[str]:
    """Write stars into the sidecars of photos that have no rating, and sum up; the photos that failed."""
    from clipsearch.images.companions import rated_by_sidecars
    from clipsearch.images.xmp import add_rating

    unrated = [record.file.path for record in photos if not record.info.rating]
    rated = rated_by_sidecars(unrated)  # some since they were indexed
    written, failed = 0, list[str]()
    for path in unrated:
        try:
            written += path not in rated and add_rating(path, stars)
        except SidecarError as error:
            failed.append(path)
            note(f"{path}: {error}")
    kept = len(photos) - written - len(failed)
    remark(f"{counted(written, 'sidecar')} written, {kept:,} had a rating, {len(failed):,} failed")
    if written:
        remark(f"to find photos by these stars, update the index: {hint('index')}")
    return failed
