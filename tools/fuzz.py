"""Fuzz everything that reads bytes or text from strangers.

    python tools/fuzz.py [TARGET ...] [--seconds 60]

If atheris is installed (pip install atheris; Linux, some Pythons only), it guides the fuzzer by coverage. Otherwise a simple
mutator of our own does, and a message says so. Each target starts from its seeds in tests/seeds/TARGET, which
tests/tools/test_seeds.py runs as well. An input that makes a target fail is saved there as crash-*: fix the fault and keep it.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

SEEDS = ROOT / "tests" / "seeds"
_STRANGE = (b"\0", b"\xff", b"\x7f\xff\xff\xff", b"\xff" * 8, b"'", b"(")
SLOW = 10.0  # seconds; an input that takes longer is a hang


def read_photo(data: bytes) -> None:
    """A file's bytes to upright pictures, or a film's to its frames, and the last of them by its moment, or ImageError."""
    from clipsearch.errors import ImageError
    from clipsearch.images.file_types import VIDEO_HEAD_BYTES, looks_like_video
    from clipsearch.images.files import ReadLimits
    from clipsearch.images.reader import decode_image, decode_pictures
    from clipsearch.images.video import read_film, read_frame

    limits = ReadLimits(max_pixels=4_000_000)
    is_film = looks_like_video(data[:VIDEO_HEAD_BYTES])
    try:
        if is_film:
            pictures, info, _ = read_film(data, (64, 64), limits, lambda: None, lambda picture: picture)
        else:
            pictures, info = decode_pictures(data, (64, 64), limits)
    except ImageError:
        return
    assert len(pictures) == max(len(info.moments), 1)
    if is_film:
        with contextlib.suppress(ImageError):  # a broken film may not be searchable
            read_frame(data, info.moments[-1].at, (64, 64), limits, lambda: None)
    elif info.moments:
        picture, _ = decode_image(data, (64, 64), limits, at=info.moments[-1].at)
        assert picture.tobytes() == pictures[-1].tobytes()


def read_exif(data: bytes) -> None:
    """An EXIF block to time, camera and place. Blocks that Pillow refuses are skipped: our reader never gets them."""
    from PIL import Image

    from clipsearch.images import exif

    tags = Image.Exif()
    try:
        tags.load(data)
        main, more, gps = dict(tags), dict(tags.get_ifd(exif.EXIF_IFD)), dict(tags.get_ifd(exif.GPS_IFD))
    except Exception:  # the reader treats it as a picture without EXIF
        return
    taken, camera, place = exif.capture_time(main, more), exif.camera(main), exif.position(gps)
    assert exif.texts(main).rating in (None, -1, 0, 1, 2, 3, 4, 5)
    assert taken is None or taken.isoformat()
    assert camera is None or (camera.isprintable() and len(camera) <= 401)
    assert place is None or (-90 <= place[0] <= 90 and -180 <= place[1] <= 180)


def read_facts(data: bytes) -> None:
    """Any bytes as an XMP packet, IPTC records, Takeout's JSON, a file name, or a photo with these, without its pixels."""
    from clipsearch.errors import ImageError
    from clipsearch.images.embedded import find_packets
    from clipsearch.images.facts import LONGEST_KEYWORD, MOST_KEYWORDS, Facts
    from clipsearch.images.file_name_dates import facts_in_name
    from clipsearch.images.iptc import read_iptc
    from clipsearch.images.reader import read_facts
    from clipsearch.images.takeout import read_takeout
    from clipsearch.images.xmp_facts import read_xmp
    from clipsearch.types import LONGEST_CAPTION

    found: list[Facts | None] = [read_iptc(data), facts_in_name(data.decode("utf-8", "surrogateescape"))]
    for read in (read_takeout, lambda packet: read_xmp(packet, "xmp")):
        with contextlib.suppress(ValueError):
            found.append(read(data))
    find_packets(data)
    with contextlib.suppress(ImageError):
        info = read_facts(data)
        found.append(
            Facts("exif", info.taken_at, info.gps, None, info.title, info.description, info.keywords, info.people)
        )
    for facts in filter(None, found):
        assert facts.taken_at is None or facts.taken_at.isoformat()
        assert facts.gps is None or (abs(facts.gps[0]) <= 90 and abs(facts.gps[1]) <= 180)
        assert all(text is None or len(text) <= LONGEST_CAPTION for text in (facts.title, facts.description))
        assert max(len(facts.keywords), len(facts.people)) <= MOST_KEYWORDS
        assert all(0 < len(word) <= LONGEST_KEYWORD and word.isprintable() for word in facts.keywords)
        assert facts.rating in (None, -1, 0, 1, 2, 3, 4, 5)


def parse_queries(data: bytes) -> None:
    """A query's text, and the expression and dates of its filters, or QueryError. SQLite must accept the resulting SQL."""
    import sqlite3

    from clipsearch.errors import QueryError
    from clipsearch.query import filters as where
    from clipsearch.query.language import parse_query
    from clipsearch.store.database import Database
    from clipsearch.store.filters import to_sql
    from clipsearch.store.rows import IMAGE_COLUMNS

    text = data.decode("utf-8", "surrogateescape")
    for parse in (
        where.taken_in,
        where.taken_from,
        where.taken_before,
        where.taken_near,
        where.taken_by,
        where.of_format,
        parse_query,
    ):
        try:
            parse(text)
        except QueryError:
            continue
    try:
        sql, values = to_sql(where.parse_where(text), lambda folder: [(1, "")])
    except QueryError:
        return
    database = Database(sqlite3.connect(":memory:"))
    database.execute(f"CREATE TABLE images ({IMAGE_COLUMNS}, caption)")
    try:
        text.encode()
        database.execute(f"SELECT image_id FROM images WHERE {sql}", values).fetchall()
    except UnicodeEncodeError:
        return
    finally:
        database.close()


def open_catalog(data: bytes) -> None:
    """Any bytes as an index's catalog: read to the end, verified and repaired, or refused with our own error."""
    from clipsearch.errors import CollectionError
    from clipsearch.store.collection import Collection
    from clipsearch.store.repair import repair
    from clipsearch.store.verify import verify

    with tempfile.TemporaryDirectory(prefix="fuzz-") as base:
        folder = Path(base) / "photos" / ".clipsearch"
        (folder / "segments").mkdir(parents=True)
        (folder / "catalog.sqlite").write_bytes(data)
        try:
            with Collection(folder) as collection:
                list(collection.all_records())
                collection.failures()
                collection.segment_infos()
        except CollectionError:
            pass
        verify(folder)
        with contextlib.suppress(CollectionError):
            repair(folder)


def read_rows(data: bytes) -> None:
    """A sound catalog with changed values, three bytes of input a change: read, verified and repaired, or refused."""
    from clipsearch.analysis.statistics import ALL_BY, count_photos
    from clipsearch.errors import CollectionError
    from clipsearch.store.collection import Collection
    from clipsearch.store.repair import repair
    from clipsearch.store.verify import verify
    from tests.store.crafted import COLUMNS, NASTY, craft
    from tests.store.support import add, random_units, writer

    changes = [
        (*COLUMNS[data[at] % len(COLUMNS)], NASTY[data[at + 1] % len(NASTY)], bool(data[at + 2] % 2))
        for at in range(0, min(len(data), 30) - 2, 3)
    ]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as base:
        folder = Path(base) / "photos" / ".clipsearch"
        with writer(folder, 4) as collection:
            add(collection, ["a.jpg", "b.jpg", "c.jpg"], random_units(3, 4))
            collection.commit()
        craft(folder / "catalog.sqlite", *changes)
        for read in (
            lambda opened: list(opened.all_records()),
            lambda opened: opened.failures(),
            lambda opened: opened.search(random_units(1, 4, seed=1), 2),
            lambda opened: list(opened.scan()),
            lambda opened: count_photos(opened, ALL_BY),
            lambda opened: opened.counts(),
        ):
            with contextlib.suppress(CollectionError), Collection(folder) as collection:
                read(collection)
        verify(folder)
        with contextlib.suppress(CollectionError):
            repair(folder)
            if damages := verify(folder).damages:
                raise AssertionError(f"repair has left {damages}")


def open_segment(data: bytes) -> None:
    """Any bytes as a segment of four vectors of eight values, or as its compact copy. Reads must stay inside the bytes."""
    import numpy as np

    from clipsearch.errors import CollectionDamaged
    from clipsearch.store.segments import Segment, SegmentInfo, require_compact

    with tempfile.TemporaryDirectory(prefix="fuzz-") as base:
        folder = Path(base)
        (folder / "000001.faiss").write_bytes(data)
        for rows in (4, -1):
            try:
                segment = Segment(folder, SegmentInfo("000001.faiss", rows, len(data), ""), 8)
            except CollectionDamaged:
                continue
            segment.rows_of(np.array([1, 2], np.int64))
            if rows > 0:
                segment.search(np.ones((1, 8), np.float32), 2, None)
        try:
            require_compact(folder / "000001.faiss", 8, 4)
        except ValueError:
            return


def read_import(data: bytes) -> None:
    """Any bytes as lines of embeddings to import, or ClipsearchError."""
    from clipsearch.errors import ClipsearchError
    from clipsearch.transfer.admission import unit_blocks
    from clipsearch.transfer.import_ import open_embeddings

    with tempfile.TemporaryDirectory(prefix="fuzz-") as base:
        path = Path(base) / "x.jsonl"
        path.write_bytes(data)
        try:
            for _ in unit_blocks(open_embeddings(path), any_length=True):
                pass
        except ClipsearchError:
            return


TARGETS: dict[str, Callable[[bytes], None]] = {
    "reader": read_photo,
    "exif": read_exif,
    "facts": read_facts,
    "query": parse_queries,
    "catalog": open_catalog,
    "rows": read_rows,
    "segment": open_segment,
    "import": read_import,
}


def seeds(target: str) -> list[Path]:
    """The inputs that a target begins with."""
    return sorted(path for path in (SEEDS / target).iterdir() if path.is_file())


def keep(target: str, data: bytes) -> Path:
    """Keep an input that failed."""
    path = SEEDS / target / f"crash-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    return path


def with_atheris(target: str, seconds: int) -> int:
    """Run the target in its own process, because libFuzzer ends the process."""
    with tempfile.TemporaryDirectory(prefix="corpus-") as corpus:
        arguments = [
            corpus, str(SEEDS / target), f"-max_total_time={seconds}", f"-timeout={SLOW:.0f}", "-rss_limit_mb=4096",
            "-max_len=16384", f"-artifact_prefix={SEEDS / target}/crash-", "-verbosity=0",
        ]  # fmt: skip
        return subprocess.run([sys.executable, __file__, "--inside", target, *arguments]).returncode


def inside_atheris(target: str, arguments: list[str]) -> None:
    """Run a target under Atheris, in the process that `with_atheris` starts."""
    import atheris

    with atheris.instrument_imports(include=["clipsearch", "PIL"]):
        for path in seeds(target):  # the modules that it imports are instrumented now
            TARGETS[target](path.read_bytes())
    atheris.Setup([sys.argv[0], *arguments], TARGETS[target])
    atheris.Fuzz()


def with_own_mutator(target: str, seconds: int) -> int:
    """Run the target on seeds with a few bytes changed, cut, repeated or joined, without guidance by coverage."""
    chance = random.Random(0)
    pool = [path.read_bytes() for path in seeds(target)]
    count, start = 0, time.monotonic()
    while time.monotonic() - start < seconds:
        data = bytearray(chance.choice(pool))
        for _ in range(chance.randint(1, 8)):
            mutate(data, pool, chance)
        count += 1
        before = time.monotonic()
        try:
            TARGETS[target](bytes(data))
            wrong = "it took too long" if time.monotonic() - before > SLOW else ""
        except Exception:
            wrong = traceback.format_exc()
        if wrong:
            print(f"{wrong}\n{target}: kept as {keep(target, bytes(data))}")
            return 1
    print(f"{target}: {count:,} inputs, nothing found")
    return 0


def mutate(data: bytearray, pool: list[bytes], chance: random.Random) -> None:
    """Make one change to an input."""
    at = chance.randrange(len(data) + 1)
    kind = chance.randrange(5)
    if kind == 0 and data:
        data[at % len(data)] ^= 1 << chance.randrange(8)
    elif kind == 1:
        data[at : at + chance.choice((1, 2, 4, 8))] = chance.choice(_STRANGE)
    elif kind == 2:
        del data[at : at + chance.randrange(64)]
    elif kind == 3:
        data[at:at] = data[: chance.randrange(64)]
    else:
        other = chance.choice(pool)
        start = chance.randrange(len(other) + 1)
        data[at : at + 64] = other[start : start + 64]


def main() -> int:
    """Run targets one after another; 1 if a target failed."""
    if sys.argv[1:2] == ["--inside"]:
        inside_atheris(sys.argv[2], sys.argv[3:])
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"{', '.join(TARGETS)}; default: all")
    parser.add_argument("--seconds", type=int, default=60, help="seconds for each target")
    parser.add_argument("--own", action="store_true", help="use our own mutator even if atheris is installed")
    options = parser.parse_args()
    if wrong := set(options.targets) - set(TARGETS):
        parser.error(f"there is no target {', '.join(sorted(wrong))}; there are {', '.join(TARGETS)}")
    try:
        import atheris  # noqa: F401

        guided = not options.own
    except ImportError:
        guided = False
    if not guided:
        print("without atheris: inputs are changed at random, not guided by coverage")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    run = with_atheris if guided else with_own_mutator
    failed = [target for target in options.targets or TARGETS if run(target, options.seconds)]
    print(f"found something in: {', '.join(failed)}" if failed else "nothing found")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
