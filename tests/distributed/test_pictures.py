"""Files with several pictures on a cluster: pages in folders and archives, and what a part says of them."""

import hashlib
import io
import os

import numpy as np
import pytest
from PIL import Image

from clipsearch import SearchEngine
from clipsearch.distributed import parts
from clipsearch.distributed.parts import find_parts, read_files, read_part, write_part
from clipsearch.errors import ClipsearchError
from clipsearch.indexing.pipeline import Embedded
from clipsearch.store.collection import Collection
from clipsearch.store.verify import verify
from clipsearch.types import Failure, Fingerprint, ImageFile, ImageInfo, Moment
from tests.conftest import COLOURS, save_photo
from tests.distributed.conftest import InPlace, jpeg, run, save_tar
from tests.store.support import random_units

pytest.importorskip("pyarrow")

DIM = 6
MODEL = Fingerprint("m", "", "d", DIM, "fp32")


def pages(*colours):
    """The bytes of a TIFF with a page of each colour."""
    first, *others = (Image.new("RGB", (64, 48), COLOURS[colour]) for colour in colours)
    stream = io.BytesIO()
    first.save(stream, "TIFF", save_all=True, append_images=others, description=" ".join(colours))
    return stream.getvalue()


def pictures(index):
    """The content of an index: (path, moment) → vector."""
    with Collection(index) as collection:
        return {
            (record.file.path, str(record.moment)): vector.tobytes()
            for records, vectors in collection.scan(all_pictures=True)
            for record, vector in zip(records, vectors, strict=True)
        }


def test_every_page_in_a_folder_is_that_of_one_machine(tmp_path, in_place, encoder):
    folder = tmp_path / "photos"
    save_photo(folder / "a.jpg", "red")
    (folder / "scan.tif").write_bytes(pages("green", "blue", "yellow"))
    (folder / "copy.tif").write_bytes(pages("green", "blue", "yellow"))
    (folder / "two.tif").write_bytes(pages("grey", "red"))
    report = run(tmp_path / "index", folder)
    assert (report.added, report.failed) == (4, 0)
    with SearchEngine(tmp_path / "alone", model="colours") as engine:
        engine.index(folder)
    assert pictures(tmp_path / "index") == pictures(tmp_path / "alone")
    assert len(pictures(tmp_path / "index")) == 1 + 3 + 3 + 2
    assert verify(tmp_path / "index").damages == ()
    assert run(tmp_path / "index", folder).unchanged == 4


def test_pages_of_a_tiff_inside_an_archive_are_found(tmp_path, in_place):
    archive = save_tar(tmp_path / "a.tar", [("1.jpg", jpeg("red")), ("scan.tif", pages("green", "blue", "yellow"))])
    assert run(tmp_path / "index", archive).added == 2
    assert list(pictures(tmp_path / "index")) == [
        (f"{archive}/1.jpg", "None"), *((f"{archive}/scan.tif", f"page {number}") for number in (1, 2, 3)),
    ]  # fmt: skip
    with SearchEngine(tmp_path / "index") as engine:
        (best, *_) = engine.search("yellow", 2)
        assert best.path == f"{archive}/scan.tif" and str(best.record.moment) == "page 3"
    save_tar(archive, [("scan.tif", pages("grey", "blue"))])
    os.utime(archive, ns=(5, 5))
    report = run(tmp_path / "index", archive, prune=True)
    assert (report.updated, report.removed) == (1, 1)
    assert len(pictures(tmp_path / "index")) == 2 and verify(tmp_path / "index").damages == ()


# -- parts


def film(number, count, known=False):
    info = ImageInfo(
        64, 48, "MP4", hashlib.sha256(str(number).encode()).hexdigest(),
        moments=tuple(Moment("second", 0.1 + 1.7 * at) for at in range(count)),
    )  # fmt: skip
    return Embedded(
        ImageFile(f"/p/{number}.mp4", number, 7), info, None if known else random_units(count, DIM, seed=number)
    )


def outcomes():
    photo = ImageInfo(64, 48, "JPEG", "0" * 64)
    return [
        film(1, 3), Embedded(ImageFile("/p/a.jpg", 1, 2), photo, random_units(1, DIM)), film(2, 40), film(3, 1),
        film(4, 5, known=True), Failure(ImageFile("/p/b.mp4", 1, 2), "broken"), film(5, 2),
    ]  # fmt: skip


@pytest.mark.parametrize("size", [1, 4, 41, 512])
def test_a_part_says_what_the_worker_gave(tmp_path, monkeypatch, size):
    monkeypatch.setattr(parts, "_PICTURES", size)
    written = write_part(str(tmp_path), "a" * 32, outcomes(), {"/p/1.mp4": "a party"}, MODEL)
    assert (written.rows, written.failed) == (7, 1)
    (part,) = find_parts(str(tmp_path))
    assert [file.path for file in read_files(str(tmp_path), part)] == [outcome.file.path for outcome in outcomes()]
    read = [outcome for batch in read_part(str(tmp_path), part, MODEL) for outcome in batch]
    assert read[0].info.caption == "a party"
    for got, given in zip(read, outcomes(), strict=True):
        assert type(got) is type(given) and got.file == given.file
        if isinstance(given, Embedded):
            assert got.info.moments == given.info.moments
            assert (got.vectors is None) == (given.vectors is None)
            assert given.vectors is None or np.array_equal(got.vectors, given.vectors)


@pytest.mark.parametrize(
    "change, problem",
    [
        ({"moment_at": [1.0, 2.0]}, "for each of its pictures"),
        ({"moment_at": [3.0, 2.0, 1.0]}, "moments that make no sense"),
        ({"moment_unit": "hour"}, "moments that make no sense"),
        ({"moment_unit": None}, "moments that make no sense"),
        ({"moment_at": None}, "moments that make no sense"),
        ({"later_embeddings": None}, "for each of its pictures"),
        ({"later_embeddings": [1.0] * 2 * DIM}, "not a unit vector"),
        ({"later_embeddings": [None] * 2 * DIM}, "not a unit vector"),
    ],
)
def test_a_part_that_makes_no_sense_is_refused(tmp_path, monkeypatch, change, problem):
    values = parts._row_values
    monkeypatch.setattr(parts, "_row_values", lambda *arguments: values(*arguments) | change)
    write_part(str(tmp_path), "a" * 32, [film(1, 3)], {}, MODEL)
    (part,) = find_parts(str(tmp_path))
    with pytest.raises(ClipsearchError, match=problem):
        list(read_part(str(tmp_path), part, MODEL))


def test_parts_of_the_format_before_are_made_again(tmp_path, in_place, monkeypatch):
    folder, folder_of_parts = tmp_path / "photos", tmp_path / "parts"
    (tmp_path / "photos").mkdir()
    (folder / "scan.tif").write_bytes(pages("green", "blue"))
    with monkeypatch.context() as patch:
        patch.setattr("clipsearch.distributed.chunks._PART_FORMAT", 3)
        patch.setattr("clipsearch.distributed.indexing.apply_sync", interrupted)
        run(tmp_path / "index", folder, parts=str(folder_of_parts))
    assert len(find_parts(str(folder_of_parts))) == 1 == len(InPlace.done)
    report = run(tmp_path / "index", folder, parts=str(folder_of_parts))
    assert (report.reused, report.added) == (0, 1) and len(InPlace.done) == 2
    assert len(pictures(tmp_path / "index")) == 2


def interrupted(*arguments, **options):
    from clipsearch.errors import Cancelled

    raise Cancelled
