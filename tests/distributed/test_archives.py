"""Tar files are read as folders of photos, even if they are damaged or hostile. The cluster is this process."""

import io
import os
import tarfile

import pytest

from clipsearch import SearchEngine
from clipsearch.distributed import archives
from clipsearch.distributed.archives import ArchiveChunk
from clipsearch.errors import StorageError, SyncRefused
from clipsearch.images.files import ReadLimits
from clipsearch.types import ImageFile
from tests.conftest import give_captions, names, save_photo
from tests.distributed.conftest import content, jpeg, run, save_tar

pytest.importorskip("pyarrow")


def read(archive):
    """Read a tar file and return its names, its captions and its failures."""
    file = ImageFile(str(archive), archive.stat().st_size, 1)
    with ArchiveChunk(file).open(ReadLimits()) as photos:
        inside = [file.path.removeprefix(f"{archive}/") for file in photos.files]
        captions = {path.removeprefix(f"{archive}/"): text for path, text in photos.captions.items()}
        return inside, captions, photos.failures


def header(name, size=0, kind=tarfile.REGTYPE):
    """A header as GNU tar writes it, of any size, even a negative one."""
    info = tarfile.TarInfo(name)
    info.type = kind
    data = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    data[124:136] = tarfile.itn(size, 12, tarfile.GNU_FORMAT)
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data)
    return bytes(data)


def padded(data):
    return data + bytes(-len(data) % tarfile.BLOCKSIZE)


def with_raw_name(raw, data):
    """A member whose name is given as bytes in a pax header."""
    records = b""
    for key, value in ((b"hdrcharset", b"BINARY"), (b"path", raw)):
        record = b" " + key + b"=" + value + b"\n"
        records += b"%d" % (len(record) + 2) + record
    before = tarfile.TarInfo("pax")
    before.type, before.size = tarfile.XHDTYPE, len(records)
    info = tarfile.TarInfo("x.jpg")
    info.size = len(data)
    return before.tobuf(tarfile.USTAR_FORMAT) + padded(records) + info.tobuf(tarfile.USTAR_FORMAT) + padded(data)


def captions_of(index):
    return {path.rpartition("/")[2]: caption for path, (_, _, caption, _) in content(index)[0].items()}


def test_a_tar_file_is_a_folder_of_its_photos(tmp_path, in_place):
    archive = save_tar(
        tmp_path / "set" / "00000.tar",
        [
            ("000.jpg", jpeg("red")), ("000.txt", "a red\nwall"), ("000.json", {"caption": "not this one"}),
            ("001.jpg", jpeg("green")), ("001.json", {"caption": "a lawn"}),
            ("sub/002.png", jpeg("blue")), ("003.jpg", b"no picture"), ("notes.pdf", b"%PDF"),
            ("../../004.jpg", jpeg("yellow")), ("copy.jpg", jpeg("red")),
        ],
    )  # fmt: skip
    save_photo(tmp_path / "set" / "beside.jpg")
    report = run(tmp_path / "index", archive)
    indexed, failures = content(tmp_path / "index")
    assert {path.removeprefix(f"{archive}/"): caption for path, (_, _, caption, _) in indexed.items()} == {
        "000.jpg": "a red wall",
        "001.jpg": "a lawn",
        "sub/002.png": None,
        "004.jpg": None,
        "copy.jpg": None,
    }
    assert list(failures) == [f"{archive}/003.jpg"] and report.failed == 1 and report.copied == 1

    in_place.done.clear()
    assert run(tmp_path / "index", archive).unchanged == 5 and not in_place.done
    with SearchEngine(tmp_path / "index") as engine:
        report = engine.index()  # one machine changes neither archives nor the files beside them
        assert (report.removed, report.added, len(content(tmp_path / "index")[0])) == (0, 0, 5)
        from clipsearch.query.filters import in_folder
        from clipsearch.terms import Query, Term

        query = Query((Term("red"),), filters=(in_folder(archive / "sub"),))
        assert names(engine.search(query)) == ["002.png"]

    save_tar(archive, [("000.jpg", jpeg("red")), ("000.txt", "a red wall"), ("009.jpg", jpeg("grey"))])
    os.utime(archive, ns=(5, 5))
    with SearchEngine(tmp_path / "index") as engine:
        assert engine.index().removed == 0  # the archive has changed, but only a cluster reads it again
    with pytest.raises(SyncRefused):
        run(tmp_path / "index", archive)
    report = run(tmp_path / "index", archive, prune=True)
    assert (report.added, report.updated, report.removed) == (1, 1, 4)
    archive.unlink()
    with SearchEngine(tmp_path / "index") as engine, pytest.raises(SyncRefused):
        engine.index()


def test_a_tar_file_that_is_cut_short_is_a_failure_and_costs_nothing_that_was_known(tmp_path, in_place):
    archive = save_tar(tmp_path / "a.tar", [(f"{n}.jpg", jpeg((n, 9, 9), str(n) * 400, (300, 200))) for n in range(9)])
    run(tmp_path / "index", archive)
    data = archive.read_bytes()
    archive.write_bytes(data[: len(data) // 2])
    report = run(tmp_path / "index", archive)
    indexed, failures = content(tmp_path / "index")
    assert len(indexed) + len(failures) >= 9 and "tar file" in failures[str(archive)] and report.removed == 0
    archive.write_bytes(data)
    run(tmp_path / "index", archive)
    assert len(content(tmp_path / "index")[0]) == 9 and not content(tmp_path / "index")[1]


def test_equal_photos_in_two_archives_are_both_there(tmp_path, in_place):
    one = save_tar(tmp_path / "1.tar", [("a.jpg", jpeg("red"))])
    run(tmp_path / "index", one)
    two = save_tar(tmp_path / "2.tar", [("b.jpg", jpeg("red")), ("b.txt", "another caption")])
    report = run(tmp_path / "index", two)
    assert (report.added, report.copied, report.moved) == (1, 1, 0)
    assert {path: caption for path, (_, _, caption, _) in content(tmp_path / "index")[0].items()} == {
        f"{one}/a.jpg": None,
        f"{two}/b.jpg": "another caption",
    }


def test_an_archive_beside_an_indexed_folder_does_not_take_it_in(tmp_path, in_place):
    save_photo(tmp_path / "photos" / "red.jpg", "red")
    archive = save_tar(tmp_path / "a.tar", [("b.jpg", jpeg((1, 2, 3)))])
    run(tmp_path / "index", tmp_path / "photos")
    with pytest.raises(SyncRefused, match="a folder of its own"):
        run(tmp_path / "index", archive)
    assert run(tmp_path / "index").unchanged == 1
    run(tmp_path / "index", save_tar(tmp_path / "tars" / "a.tar", [("b.jpg", jpeg((1, 2, 3)))]))
    assert len(content(tmp_path / "index")[0]) == 2


def test_a_tar_file_elsewhere(memory, tmp_path, in_place):
    save_tar(tmp_path / "a.tar", [("a.jpg", jpeg("red"))])
    for name in ("0.tar", "1.tar"):
        memory.put_file(str(tmp_path / "a.tar"), f"/bucket/set/{name}")
    assert run(tmp_path / "index", "memory://bucket/set/*.tar").added == 2
    in_place.done.clear()
    assert run(tmp_path / "index").failed == 0 and not in_place.done
    assert sorted(content(tmp_path / "index")[0]) == [f"memory://bucket/set/{n}.tar/a.jpg" for n in (0, 1)]


# -- captions


def test_a_copy_has_the_caption_that_its_own_archive_says_and_no_other(tmp_path, in_place):
    archive = save_tar(tmp_path / "a.tar", [("a.jpg", jpeg("red")), ("a.txt", "first"), ("b.jpg", jpeg("red"))])
    run(tmp_path / "index", archive)
    assert captions_of(tmp_path / "index") == {"a.jpg": "first", "b.jpg": None}
    save_tar(archive, [("a.jpg", jpeg("red")), ("b.jpg", jpeg("red")), ("b.txt", "second")])
    os.utime(archive, ns=(5, 5))
    run(tmp_path / "index", archive)
    # A caption that was taken out of the archive is gone.
    assert captions_of(tmp_path / "index") == {"a.jpg": None, "b.jpg": "second"}


def test_a_photo_that_moves_inside_an_archive_has_the_caption_said_there(tmp_path, in_place):
    archive = save_tar(tmp_path / "a.tar", [("a.jpg", jpeg("red")), ("a.txt", "first")])
    run(tmp_path / "index", archive)
    save_tar(archive, [("z.jpg", jpeg("red"))])
    os.utime(archive, ns=(5, 5))
    assert run(tmp_path / "index", archive).moved == 1
    assert captions_of(tmp_path / "index") == {"z.jpg": None}


def test_a_folders_photos_keep_their_captions(tmp_path, in_place):
    """The photos are touched, moved, copied, and packed into an archive that has no captions for them."""
    folder, index = tmp_path / "photos", tmp_path / "index"
    archive = save_tar(folder / "set.tar", [("a.jpg", jpeg("red")), ("a.txt", "theirs")])
    run(index, archive)
    (folder / "mine.jpg").write_bytes(jpeg("red"))
    (folder / "packed.jpg").write_bytes(jpeg("green"))
    run(index, folder)
    give_captions(index, {"mine.jpg": "mine", "packed.jpg": "mine too"})
    os.utime(folder / "mine.jpg", ns=(7, 7))
    run(index, folder)
    assert captions_of(index) == {"a.jpg": "theirs", "mine.jpg": "mine", "packed.jpg": "mine too"}
    (folder / "mine.jpg").rename(folder / "moved.jpg")
    (folder / "packed.jpg").unlink()
    save_tar(folder / "set.tar", [("a.jpg", jpeg("red")), ("a.txt", "theirs"), ("p.jpg", jpeg("green"))])
    run(index, folder)
    assert captions_of(index) == {"a.jpg": "theirs", "moved.jpg": "mine", "p.jpg": "mine too"}


def test_suffixes_may_be_in_capitals(tmp_path):
    archive = save_tar(
        tmp_path / "a.tar", [("A.JPG", jpeg()), ("A.TXT", "a wall"), ("b.jpg", jpeg()), ("b.JSON", {"caption": "b"})]
    )
    assert read(archive)[1] == {"A.JPG": "a wall", "b.jpg": "b"}


# -- damaged and hostile archives


def cut_after_indexing(folder, index):
    """An archive that has lost half of its bytes since it was indexed, and its original bytes."""
    photos = [(f"{n}.jpg", jpeg((n, 9, 9), str(n) * 400, (300, 200))) for n in range(9)]
    archive = save_tar(folder / "a.tar", photos)
    save_photo(folder / "beside.jpg")
    run(index, folder, archive)
    data = archive.read_bytes()
    archive.write_bytes(data[: len(data) // 2])
    return archive, data


def test_what_is_wrong_with_an_archive_is_said_until_it_changes(tmp_path, in_place):
    folder, index = tmp_path / "photos", tmp_path / "index"
    archive, data = cut_after_indexing(folder, index)
    report = run(index, folder, archive)
    assert report.failed >= 1 and str(archive) in content(index)[1]
    known = content(index)
    in_place.done.clear()
    for sources in ([folder, archive], [folder], [archive], [], [folder, archive]):
        report = run(index, *sources)
        assert (report.known_failures, report.failed, in_place.done) == (len(known[1]), 0, []), sources
        assert report.unchanged == len(known[0]) - (sources == [archive])
        assert content(index) == known
    with SearchEngine(index) as engine:
        assert engine.index(folder).known_failures == len(known[1]) and content(index) == known
    archive.write_bytes(data)
    run(index, folder)
    assert not content(index)[1] and len(content(index)[0]) == 10
    archive.write_bytes(data[: len(data) // 2])
    run(index, folder)
    archive.unlink()
    run(index, folder, prune=True)
    assert not content(index)[1] and len(content(index)[0]) == 1


@pytest.mark.timeout(20)
def test_a_size_below_zero_ends_a_tar_file(tmp_path):
    """A negative size would lead back in the file. The reader could loop for ever or exceed the limit for a photo."""
    for size in (-512, -1):
        archive = tmp_path / f"{size}.tar"
        archive.write_bytes(header("a.txt") + header("b.jpg", size) + b"x" * 5000 + bytes(1024))
        indexed, _, failures = read(archive)
        assert indexed == [] and "an impossible size" in failures[0].reason


def test_headers_that_make_tarfile_fail_in_its_own_ways_are_a_failure(tmp_path, in_place):
    archive = tmp_path / "deep.tar"
    archive.write_bytes((header("././@LongLink", 2, tarfile.GNUTYPE_LONGNAME) + padded(b"a\0")) * 600 + header("x.jpg"))
    sparse = tmp_path / "sparse.tar"
    data = bytearray(header("x.jpg", 0, tarfile.GNUTYPE_SPARSE))
    data[482] = 1  # the header announces another one, which is missing
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data)
    sparse.write_bytes(bytes(data))
    report = run(tmp_path / "index", archive, sparse)
    assert report.failed == 2 and sorted(content(tmp_path / "index")[1]) == [str(archive), str(sparse)]


def test_a_disk_that_cannot_be_read_is_no_fault_of_the_archive(tmp_path, monkeypatch):
    class Failing(io.BytesIO):
        def read(self, *size):
            raise OSError(5, "Input/output error")

    archive = save_tar(tmp_path / "a.tar", [("a.jpg", jpeg())])
    monkeypatch.setattr(archives, "open_whole", lambda path: Failing(archive.read_bytes()))
    with pytest.raises(StorageError, match=r"a\.tar cannot be read: Input/output error"):
        read(archive)


def test_two_names_that_are_one_path_are_one_photo(tmp_path):
    """The other photo is not embedded, because its name would change on the way to the index."""
    archive = tmp_path / "a.tar"
    euro = "\N{EURO SIGN}.jpg".encode()
    archive.write_bytes(
        with_raw_name(euro[:2] + b"\0" + euro[2:], jpeg("red")) + with_raw_name(euro, jpeg("green")) + bytes(1024)
    )
    assert read(archive)[0] == ["\N{EURO SIGN}.jpg"]


def test_a_photo_of_an_archive_that_made_the_decoder_crash_is_tried_again(tmp_path, in_place, monkeypatch):
    from clipsearch.images import pool

    folder, index = tmp_path / "photos", tmp_path / "index"
    archive = save_tar(folder / "a.tar", [("in/a.jpg", jpeg("red")), ("b.jpg", jpeg("blue") + b"TROUBLE")])
    launch = pool._LAUNCH
    crash = (
        "import os, clipsearch.images.worker as w; decode = w.decode_pictures; w.decode_pictures = lambda data, *rest: "
        "os.kill(os.getpid(), 9) if data.endswith(b'TROUBLE') else decode(data, *rest)\n"
    )
    for sources in ([folder, archive], [archive], []):
        monkeypatch.setattr(pool, "_LAUNCH", crash + launch)
        report = run(index, *sources)
        assert (report.failed, report.known_failures, len(content(index)[1])) == (1, 0, 1), sources
    report = run(index)
    assert (report.failed, report.known_failures, report.unchanged) == (0, 1, 1)
    monkeypatch.setattr(pool, "_LAUNCH", launch)
    assert run(index).known_failures == 1
    assert run(index, retry=True).added == 1
    assert len(content(index)[0]) == 2 and not content(index)[1]


def test_a_damaged_archive_is_read_again_when_asked_and_can_be_forgotten(tmp_path, in_place):
    folder, index = tmp_path / "photos", tmp_path / "index"
    archive, _ = cut_after_indexing(folder, index)
    run(index, folder, archive)
    known = len(content(index)[0])
    assert run(index, folder).failed == 0
    assert run(index, folder, retry=True).failed >= 1
    assert len(content(index)[0]) == known
    with SearchEngine(index) as engine:
        assert engine.forget(archive) == known - 1
    assert [path for path in content(index)[0] if "a.tar" in path] == [] == list(content(index)[1])
