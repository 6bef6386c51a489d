"""Lines about the files that a walk skipped."""

from clipsearch.images.file_types import OptionalDecoder
from clipsearch.images.jpeg_xl import MISSING_DECODER
from clipsearch.render.skipped import counted_suffixes, excluded_lines, lacking_lines, skipped_lines
from clipsearch.types import Failure, ImageFile


def lines(files, links=0, left_alone=0, own=0):
    return list(skipped_lines(files, links, left_alone, own))


def test_files_are_counted_by_suffix_most_first():
    assert lines({".aae": 2, ".json": 5, ".xmp": 1}) == ["skipped 8 files: 5 .json, 2 .aae, 1 .xmp"]
    assert counted_suffixes({"": 1, ".b": 1, ".a": 1}) == "1 .a, 1 .b, 1 without a suffix"
    assert counted_suffixes({f".{number:02}": 1 for number in range(11)}).endswith("1 .07, 3 of other kinds")


def test_files_with_photos_names_that_are_no_files_are_told_apart():
    assert lines({".jpg": 2, ".txt": 1}) == [
        "skipped 2 .jpg: links to nothing, or not regular files",
        "skipped 1 file: 1 .txt",
    ]


def test_a_missing_decoder_is_named_by_its_extra(without_av):
    assert lines({".avi": 12, ".mov": 3}) == ["skipped 12 .avi, 3 .mov: pip install 'clipsearch[video]'"]


def test_without_a_decoder_the_line_names_no_extra(set_decoders):
    set_decoders(OptionalDecoder(frozenset({".avi", ".mov", ".mp4"})))
    assert lines({".avi": 12}) == ["skipped 12 .avi: there is no decoder for .avi yet"]
    assert lines({".mp4": 1, ".mov": 3}) == ["skipped 3 .mov, 1 .mp4: there is no decoder for .mov and .mp4 yet"]


def test_with_an_extra_the_line_says_what_to_install(set_decoders):
    set_decoders(OptionalDecoder(frozenset({".mov", ".raf"}), "video"), OptionalDecoder(frozenset({".jxl"})))
    assert lines({".raf": 12, ".mov": 3, ".jxl": 1, ".txt": 1}) == [
        "skipped 12 .raf, 3 .mov: pip install 'clipsearch[video]'",
        "skipped 1 .jxl: there is no decoder for .jxl yet",
        "skipped 1 file: 1 .txt",
    ]


def test_links_and_folders_that_are_left_alone():
    assert lines({}, links=1) == ["skipped 1 link to a folder: use --follow-links"]
    assert lines({}, 2, 3, 1) == [
        "skipped 2 links to folders: use --follow-links",
        "left alone 3 folders of deleted photos, thumbnails, the system and the like",
        "left alone 1 picture that clipsearch made",
    ]
    assert lines({}) == []


def test_names_that_leave_out_nothing_are_still_named():
    assert list(excluded_lines(["*.png"], {}, {})) == [
        "--exclude '*.png' is remembered; it left out nothing (--no-exclude takes it back)"
    ]
    assert list(excluded_lines(["a", "b"], {}, {})) == [
        "--exclude a, b are remembered; they left out nothing (--no-exclude takes it back)"
    ]
    assert list(excluded_lines(["a"], {}, {"a": 1})) == [
        "skipped the folder a: --exclude a (remembered; --no-exclude takes it back)"
    ]


def test_photos_that_need_an_extra_are_counted_for_each_extra():
    def failed(name, reason):
        return Failure(ImageFile(f"/photos/{name}", 1, 0), reason)

    raw = "a raw photo (CR2) with a small preview; to develop it, `pip install 'clipsearch[raw]'`"
    failures = [failed("a.CR2", raw), failed("b.cr2", raw), failed("c.nef", raw)]
    failures += [failed("d.jxl", MISSING_DECODER), failed("e.jpg", "truncated")]
    assert list(lacking_lines(failures)) == [
        "1 .jxl of these needs a decoder: pip install 'clipsearch[jxl]'",
        "2 .cr2, 1 .nef of these need a decoder: pip install 'clipsearch[raw]'",
    ]
