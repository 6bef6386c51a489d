"""Facts inside photos and films, written by ExifTool as photo managers do."""

import io
import struct
import zlib
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from PIL import Image

from clipsearch.images import embedded
from clipsearch.images.files import ReadLimits
from clipsearch.images.raw import read_raw
from clipsearch.images.reader import decode_image, read_facts
from tests.images import raw_files
from tests.images.exiftool import exiftool
from tests.images.test_special_formats import photoshop

PACKET = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/></rdf:RDF></x:xmpmeta>'
)
MANAGER = [
    "-XMP-dc:Title=A title", "-XMP-dc:Description=Über den\nFluß", "-XMP-dc:Subject=Lake", "-XMP-xmp:Rating=4",
    "-XMP-lr:HierarchicalSubject=Places|France|Paris", "-XMP-xmp:Label=Red", "-XMP-iptcExt:PersonInImage=Anna",
    "-XMP-exif:GPSLatitude=48.858", "-XMP-exif:GPSLongitude=-2.294", "-XMP-photoshop:DateCreated=2020:01:02 03:04:05",
]  # fmt: skip


def facts_of(path):
    return decode_image(path.read_bytes(), None, ReadLimits())[1]


def picture(path, **options):
    Image.new("RGB", (64, 48), "red").save(path, **options)
    return path


def jpeg(tmp_path, *arguments):
    path = picture(tmp_path / "photo.jpg")
    exiftool(*arguments, path)
    return facts_of(path)


@pytest.fixture(scope="module")
def managed(tmp_path_factory):
    """A folder with one picture of each format, in which a photo manager has written."""
    folder = tmp_path_factory.mktemp("managed")
    suffixes = ["jpg", "png", "webp", "tif", "gif"]
    for suffix in suffixes:
        picture(folder / f"photo.{suffix}")
    for suffix, module, options in (
        ("heic", "pillow_heif", {}),
        ("avif", "PIL.AvifImagePlugin", {}),
        ("jxl", "pillow_jxl", {}),
    ):
        plug_in = pytest.importorskip(module) if suffix == "heic" else _module(module)
        if plug_in:
            if suffix == "heic":
                plug_in.register_heif_opener()
            picture(folder / f"photo.{suffix}", **options)
            suffixes.append(suffix)
    pixels = np.zeros((3, 24, 32))
    (folder / "photo.psd").write_bytes(photoshop(pixels, 8))
    for kind in ("cr2", "nef", "arw", "orf", "pef", "raf", "dng"):
        (folder / f"photo.{kind}").write_bytes(getattr(raw_files, kind)())
    exiftool(*MANAGER, folder)
    return folder


def _module(name):
    try:
        return __import__(name)
    except ImportError:
        return None


@pytest.mark.parametrize(
    "suffix",
    ["jpg", "png", "webp", "tif", "gif", "heic", "avif", "jxl", "psd", "cr2", "nef", "arw", "orf", "pef", "raf", "dng"],
)
def test_what_a_photo_manager_writes_is_read_in_every_format(managed, suffix):
    path = managed / f"photo.{suffix}"
    if not path.exists():
        pytest.skip(f"nothing here writes {suffix}")
    info = facts_of(path)
    assert read_facts(path.read_bytes()) == replace(info, content_hash="")
    assert (info.title, info.description, info.rating, info.label) == ("A title", "Über den Fluß", 4, "Red")
    assert (info.keywords, info.people) == (("Lake", "Places", "France", "Paris"), ("Anna",))
    if suffix not in ("cr2", "nef", "arw", "orf", "pef", "raf", "dng"):  # these have a camera's date and place
        assert (info.taken_at, info.taken_from) == (datetime(2020, 1, 2, 3, 4, 5), "xmp")
        assert info.gps == (48.858, -2.294)
    else:
        assert info.taken_from == "exif"


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_facts_alone_are_those_of_decoding_however_the_picture_is_turned(format, orientation):
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x010E] = orientation, "Canon", "Lake"
    Image.new("RGB", (64, 48)).save(stream, format, exif=exif)
    info = decode_image(stream.getvalue(), None, ReadLimits())[1]
    assert read_facts(stream.getvalue()) == replace(info, content_hash="")
    assert (info.camera, info.description) == ("Canon", "Lake")


@pytest.mark.parametrize("kind", ["cr3", "rw2", "x3f", "crw", "nrw", "sr2", "srw", "hasselblad", "iiq"])
def test_facts_alone_of_a_raw_file_are_those_of_decoding(kind):
    data = getattr(raw_files, kind)()
    assert read_facts(data) == replace(decode_image(data, (64, 64), ReadLimits())[1], content_hash="")


def test_the_packet_of_a_cr3_is_in_a_box():
    photo = read_raw(raw_files.cr3() + raw_files.box(b"uuid", embedded.XMP_BOX + PACKET))
    assert photo.packets.xmp == (PACKET,)


DATES = {
    "-ExifIFD:DateTimeOriginal=2001:01:01 01:00:00": ("exif", 2001),
    "-ExifIFD:CreateDate=2002:01:01 01:00:00": ("exif", 2002),
    "-XMP-exif:DateTimeOriginal=2003:01:01 01:00:00": ("xmp", 2003),
    "-XMP-photoshop:DateCreated=2004:01:01 01:00:00": ("xmp", 2004),
    "-XMP-xmp:CreateDate=2005:01:01 01:00:00": ("xmp", 2005),
    "-IPTC:DateCreated=2006:01:01": ("iptc", 2006),
    "-IPTC:DigitalCreationDate=2007:01:01": ("iptc", 2007),
    "-IFD0:ModifyDate=2008:01:01 01:00:00": ("changed", 2008),
}


def test_the_first_of_several_dates_counts(tmp_path):
    """One file loses its dates one after the other."""
    tags = list(DATES)
    paths = [picture(tmp_path / f"{number}.jpg") for number in range(len(tags))]
    arguments = []
    for number, path in enumerate(paths):
        arguments += [*tags[number:], path, "-execute"]
    exiftool(*arguments, "-ver", "-common_args", "-overwrite_original", "-m", "-q")
    for path, expected in zip(paths, DATES.values(), strict=True):
        info = facts_of(path)
        assert (info.taken_from, info.taken_at.year) == expected


def test_dates_keep_their_own_zones(tmp_path):
    tokyo = timezone(timedelta(hours=9))
    exif = ["-ExifIFD:DateTimeOriginal=2024:07:01 12:00:00", "-ExifIFD:OffsetTimeOriginal=+09:00"]
    assert jpeg(tmp_path, *exif, "-ExifIFD:OffsetTime=+01:00").taken_at == datetime(2024, 7, 1, 12, tzinfo=tokyo)
    iptc = jpeg(tmp_path, "-IPTC:DateCreated=2024:07:01", "-IPTC:TimeCreated=12:00:00+09:00")
    assert iptc.taken_at == datetime(2024, 7, 1, 12, tzinfo=tokyo)
    assert jpeg(tmp_path, "-XMP-xmp:CreateDate=2024:07:01 12:00:00").taken_at.tzinfo is None


def test_texts_are_those_of_xmp_then_of_iptc_then_of_exif(tmp_path):
    exif = ["-IFD0:ImageDescription=exif", "-IFD0:XPTitle=exif", "-IFD0:XPKeywords=exif;both", "-IFD0:Rating=2"]
    iptc = ["-IPTC:ObjectName=iptc", "-IPTC:Caption-Abstract=iptc", "-IPTC:Keywords=iptc", "-IPTC:Keywords=Both"]
    xmp = ["-XMP-dc:Title=xmp", "-XMP-dc:Description=xmp", "-XMP-dc:Subject=xmp", "-XMP-xmp:Rating=5"]
    info = jpeg(tmp_path, *exif)
    assert (info.title, info.description, info.keywords, info.rating) == ("exif", "exif", ("exif", "both"), 2)
    info = jpeg(tmp_path, *exif, *iptc)
    assert (info.title, info.description, info.keywords, info.rating) == ("iptc", "iptc", ("iptc", "Both", "exif"), 2)
    info = jpeg(tmp_path, *exif, *iptc, *xmp)
    assert (info.title, info.description, info.rating) == ("xmp", "xmp", 5)
    assert info.keywords == ("xmp", "iptc", "Both", "exif")


def test_what_windows_writes_is_read(tmp_path):
    windows = [
        "-IFD0:XPTitle=Zürich 東京", "-IFD0:XPComment=Am See", "-IFD0:XPKeywords=Boot;Äpfel", "-IFD0:RatingPercent=75",
        "-XMP-microsoft:LastKeywordXMP=Places/Switzerland", "-XMP-microsoft:RatingPercent=75",
        "-RegionInfoMP={Regions=[{PersonDisplayName=Anna,Rectangle=0.1 0.1 0.2 0.2},{PersonDisplayName=Ben}]}",
    ]  # fmt: skip
    info = jpeg(tmp_path, *windows)
    assert (info.title, info.description, info.rating) == ("Zürich 東京", "Am See", 4)
    assert (info.keywords, info.people) == (("Places", "Switzerland", "Boot", "Äpfel"), ("Anna", "Ben"))


def test_what_digikam_writes_is_read(tmp_path):
    area = "Area={X=.5,Y=.5,W=.1,H=.1,Unit=normalized}"
    info = jpeg(
        tmp_path,
        "-XMP-digiKam:TagsList=Places/Neckar",
        "-XMP-digiKam:TagsList=People/Anna",
        f"-RegionInfo={{RegionList=[{{{area},Name=Anna,Type=Face}},{{{area},Name=Rex,Type=Pet}},{{{area},Name=Ben}}]}}",
    )
    assert info.keywords == ("Places", "Neckar", "People", "Anna")
    assert info.people == ("Anna", "Ben")


@pytest.mark.parametrize("arguments", [(), ("-IPTC:CodedCharacterSet=UTF8",), ("-charset", "iptc=Latin")])
def test_iptc_is_read_in_utf_8_and_in_latin_1(tmp_path, arguments):
    info = jpeg(tmp_path, *arguments, "-IPTC:Keywords=Äpfel", "-IPTC:ObjectName=Fluß")
    assert (info.keywords, info.title) == (("Äpfel",), "Fluß")


def test_a_description_in_utf_8_or_latin_1_is_read(tmp_path):
    assert jpeg(tmp_path, "-IFD0:ImageDescription=Über den Fluß").description == "Über den Fluß"
    assert (
        jpeg(tmp_path, "-charset", "exif=Latin", "-IFD0:ImageDescription=Über den Fluß").description == "Über den Fluß"
    )


@pytest.mark.parametrize(
    "text",
    ["OLYMPUS DIGITAL CAMERA         ", "SONY DSC", "Created with GIMP", "KONICA MINOLTA DIGITAL CAMERA", "---", " "],
)
def test_what_a_camera_writes_by_itself_is_no_description(text):
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = text
    Image.new("RGB", (8, 8)).save(stream, "JPEG", exif=exif)
    assert decode_image(stream.getvalue(), None, ReadLimits())[1].description is None


def test_iptc_in_a_tiff_is_read(tmp_path):
    path = picture(tmp_path / "photo.tif")
    exiftool("-IPTC:Keywords=Lake", "-IPTC:DateCreated=2006:01:01", path)
    info = facts_of(path)
    assert (info.keywords, info.taken_from) == (("Lake",), "iptc")


def itxt(text, compressed):
    content = b"XML:com.adobe.xmp\0" + bytes([compressed, 0]) + b"\0\0" + (zlib.compress(text) if compressed else text)
    return struct.pack(">I", len(content)) + b"iTXt" + content + bytes(4)


@pytest.mark.parametrize("compressed", [False, True])
def test_the_packet_of_a_png_may_be_compressed(compressed):
    data = b"\x89PNG\r\n\x1a\n" + itxt(PACKET, compressed)
    assert embedded.find_packets(data).xmp == (PACKET,)


def test_a_packet_that_expands_without_end_is_cut():
    (packet,) = embedded.find_packets(b"\x89PNG\r\n\x1a\n" + itxt(bytes(50_000_000), True)).xmp
    assert len(packet) == 8_000_000


def test_a_packet_in_several_segments_is_put_together():
    def segment(content):
        return b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content

    main = PACKET.replace(b"xmp:Rating", b'xmlns:n="http://ns.adobe.com/xmp/note/" n:HasExtendedXMP="x" xmp:Label')
    half = len(PACKET) // 2
    parts = [
        segment(b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + struct.pack(">II", len(PACKET), at) + part)
        for at, part in ((half, PACKET[half:]), (0, PACKET[:half]))
    ]
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "JPEG", xmp=main)
    data = stream.getvalue()
    data = data.replace(b"\xff\xdb", b"".join(parts) + b"\xff\xdb", 1)
    info = decode_image(data, None, ReadLimits())[1]
    assert (info.label, info.rating) == ("4", 4)


def test_a_broken_packet_costs_nothing_else():
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "Lake"
    Image.new("RGB", (8, 8)).save(stream, "JPEG", exif=exif, xmp=b"<!DOCTYPE x><x/>")
    assert decode_image(stream.getvalue(), None, ReadLimits())[1].description == "Lake"


@pytest.fixture(scope="module")
def film_with_facts(tmp_path_factory):
    pytest.importorskip("av")
    from tests.images.films import film, pattern

    path = tmp_path_factory.mktemp("film") / "film.mp4"
    path.write_bytes(film([(pattern(1), 1)]))
    exiftool(
        "-XMP-dc:Subject=Lake", "-XMP-xmp:Rating=4", "-XMP-iptcExt:PersonInImage=Anna", "-Keys:Title=A title",
        "-Keys:Description=Am See", "-Keys:Keywords=boat,Summer", "-QuickTime:CreateDate=2020:01:02 03:04:05", path,
    )  # fmt: skip
    return path


def test_a_films_tags_and_packet_are_read(film_with_facts):
    from clipsearch.images.video import read_frame

    _, info, _ = read_frame(str(film_with_facts), None, None, ReadLimits(), lambda: None)
    assert (info.title, info.description, info.rating) == ("A title", "Am See", 4)
    assert (info.keywords, info.people) == (("boat", "Summer", "Lake"), ("Anna",))
    assert (info.taken_at, info.taken_from) == (datetime(2020, 1, 2, 3, 4, 5, tzinfo=timezone.utc), "container")


def test_a_films_facts_are_read_without_decoding(film_with_facts):
    from clipsearch.images import video

    _, info, _ = video.read_frame(str(film_with_facts), None, None, ReadLimits(), lambda: None)
    facts, file = video.read_facts(str(film_with_facts), ReadLimits(), lambda: None)
    assert facts == replace(info, moments=())
    assert file.size == film_with_facts.stat().st_size


def test_tags_of_other_containers_are_read_whatever_their_case():
    from clipsearch.images import film_facts

    tags = {"TITLE": "A title", "COMMENT": "Am See", "WM/SharedUserRating": "75", "keywords": "a; b", "rating": "1"}
    facts = film_facts.facts({}, tags)
    assert (facts.title, facts.description, facts.rating, facts.keywords) == ("A title", "Am See", 4, ("a", "b"))
