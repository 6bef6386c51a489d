"""Recognise pictures by their names or first bytes."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec

from clipsearch._internal.windows import opened_as

RAW_FORMATS = (
    "CR2", "CR3", "CRW", "NEF", "NRW", "ARW", "SR2", "RAF", "RW2", "ORF", "DNG", "PEF", "SRW", "X3F", "3FR", "IIQ",
)  # fmt: skip
"""Cameras' raw formats. Their suffixes are the same names."""

OTHER_RAW = "RAW"
"""The format of a raw file on top of TIFF by another maker, such as Epson, Kodak, Leaf or Mamiya."""

VIDEO_FORMATS = ("MP4", "M4V", "MOV", "3GP", "WEBM", "MKV", "AVI", "WMV", "MPEG", "MTS")
"""The formats of films, as the index has them."""


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A format that clipsearch reads: its name for people, its suffixes, and a remark."""

    name: str
    suffixes: str  # separated by spaces
    note: str = ""


_FRAMES = "Of an animation, up to 8 frames."
_VIDEOS = ".3gp .avi .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .webm .wmv"

# A file with one of these suffixes counts as a photo, unless OPTIONAL_DECODERS says that its decoder is missing. If it then
# cannot be read, the user hears of the failure.
FORMATS = (
    FileFormat("JPEG", ".jpg .jpeg .jpe .jfif", "8 bits a colour. With 12 bits, by a preview inside it."),
    FileFormat("HEIC", ".heic .heif .hif", "Every picture of a collection, up to 100."),
    FileFormat("PNG", ".png .apng", _FRAMES),
    FileFormat("WebP", ".webp", _FRAMES),
    FileFormat("AVIF", ".avif .avifs", _FRAMES),
    FileFormat("JPEG XL", ".jxl", "Needs the extra `jxl`. Of an animation, the first frame."),
    FileFormat(
        "TIFF",
        ".tif .tiff",
        "Every page, up to 100. Also of floating-point values, without compression or with deflate.",
    ),
    FileFormat("GIF", ".gif", _FRAMES),
    FileFormat(
        "camera raw",
        " ".join(f".{name.lower()}" for name in RAW_FORMATS),
        "By the preview that the camera wrote. The extra `raw` develops files without one that is large enough.",
    ),
    FileFormat(
        "Photoshop",
        ".psd .psb",
        "The merged picture, of 8, 16 or 32 bits. Without one, save with 'Maximize compatibility'.",
    ),
    FileFormat(
        "video",
        _VIDEOS,
        "Frames spread over its shots: at most 12 of a minute, and 240 of a film. Needs the extra `video`.",
    ),
    FileFormat("JPEG 2000", ".jp2 .j2k .j2c .jpc .jpf .jpx"),
    FileFormat("BMP", ".bmp .dib"),
    FileFormat("MPO", ".mpo"),
    FileFormat("TGA", ".tga .vda .vst"),
    FileFormat("DDS", ".dds"),
    FileFormat("QOI", ".qoi"),
    FileFormat("PCX", ".pcx .dcx"),
    FileFormat("portable maps", ".pbm .pgm .pnm .ppm .pfm"),
    FileFormat("icons", ".ico .icns .cur"),
    FileFormat("SGI", ".sgi .rgb .rgba"),
    FileFormat("FITS", ".fit .fits"),
    FileFormat("FLI", ".fli .flc"),
    FileFormat("Photo CD", ".pcd"),
    FileFormat("others", ".im .msp .pxr .ras .xbm .xpm"),
)

COMMON_FORMATS = ("JPEG", "HEIC", "PNG", "WebP", "AVIF", "JPEG XL", "TIFF", "GIF", "Photoshop", "video", "camera raw")
"""Names of the formats that most photos have."""

# Large numbers of these files often lie beside photos. They are not opened to look for a picture inside.
_OTHERS = """
    .7z .aac .aae .db .doc .docx .eps .flac .gz .ini .json .jsonl .m4a .mp3 .ogg .pdf .ps .py .pyc .rar .sqlite .tar .thm .wav
    .xlsx .xmp .zip
"""

_IMAGE_SUFFIXES = frozenset(suffix for kind in FORMATS for suffix in kind.suffixes.split())
_USUAL_SUFFIX = re.compile(r"\.[a-z0-9_+-]{1,12}")
_OTHER_SUFFIXES = frozenset(_OTHERS.split())
_VIDEO_SUFFIXES = frozenset(_VIDEOS.split())


@dataclass(frozen=True, slots=True)
class OptionalDecoder:
    """A decoder that may be missing, and the suffixes of the files that are skipped without it."""

    suffixes: frozenset[str]
    extra: str | None = None  # clipsearch's extra that installs it; None if clipsearch has no such decoder yet
    module: str | None = None  # which the extra installs

    @property
    def is_missing(self) -> bool:
        """Whether it is not installed."""
        return self.module is None or find_spec(self.module) is None


OPTIONAL_DECODERS = (OptionalDecoder(_VIDEO_SUFFIXES, "video", "av"),)
"""The decoders that may be missing. Without one, a walk passes over its files."""

SIGNATURE_BYTES = 16

_SIGNATURES = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"II*\0",
    b"MM\0*",
    b"BM",
    b"8BPS",
    b"qoif",
    b"DDS ",
    b"\0\0\0\x0cjP  \r\n",
    b"\xff\x4f\xff\x51",
    b"icns",
    b"\x59\xa6\x6a\x95",
    b"\0\0\0\x0cJXL \r\n\x87\n",
    *(b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"FUJIFILMCCD-RAW", b"FOVb"),  # raw files of RW2, ORF, RAF and X3F
    *(b"P%d%c" % (kind, space) for kind in range(1, 8) for space in b" \t\r\n"),  # portable maps
)
VIDEO_HEAD_BYTES = 4096
"""Bytes of a file's beginning that `video_container` looks at."""

_MOVIE_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")  # at the beginning of QuickTime's films
_PICTURE_BRANDS = (
    *(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1", b"miaf"),
    *(b"avif", b"avis", b"jxl ", b"jp2 ", b"jpx ", b"jpm ", b"crx "),
)
_SOUND_BRANDS = (b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B ")
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_SYNC = 0x47  # the first byte of each packet of a transport stream
_PACKETS = ((188, 0), (192, 4))  # sizes of packets, and where the sync byte stands: plain, and after a time
_CHECKED_PACKETS = 4

_FTYP_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1", b"avif", b"avis", b"crx ")


def is_image_name(name: str) -> bool | None:
    """Whether a file's name says that it is a picture; None if only its content can tell."""
    dot = name.rfind(".")
    return is_image_suffix(name[dot:]) if dot > 0 and name[:dot].strip(".") else None  # the rule of os.path.splitext


@lru_cache(1024)
def is_image_suffix(suffix: str) -> bool | None:
    """Whether a suffix, such as ".jpg", says that a file is a picture; None if only the content can tell."""
    suffix = suffix.lower()
    if suffix in _IMAGE_SUFFIXES:
        return missing_decoder(suffix) is None
    return False if suffix in _OTHER_SUFFIXES else None


def is_video_name(name: str) -> bool:
    """Whether a file's name says that it is a video."""
    return suffix_of(name) in _VIDEO_SUFFIXES


def suffix_of(name: str) -> str:
    """A file name's suffix in lower case, such as ".jpg"; "" if it has no suffix, or an unusual one."""
    dot = name.rfind(".")
    suffix = name[dot:].lower() if dot > 0 else ""
    return suffix if _USUAL_SUFFIX.fullmatch(suffix) else ""


@lru_cache(1024)
def missing_decoder(suffix: str) -> OptionalDecoder | None:
    """The missing decoder for files with a suffix (in lower case); None if no decoder is missing."""
    return next((decoder for decoder in OPTIONAL_DECODERS if suffix in decoder.suffixes and decoder.is_missing), None)


def looks_like_image(head: bytes) -> bool:
    """Whether a file's first SIGNATURE_BYTES bytes are those of a picture."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return True
    if head[4:8] == b"ftyp":
        return head[8:12] in _FTYP_BRANDS
    if head[6:14] == b"HEAPCCDR":  # a raw file of CRW
        return True
    return head.startswith(_SIGNATURES)


def looks_like_video(head: bytes) -> bool:
    """Whether a file's first VIDEO_HEAD_BYTES bytes are those of a video. Fewer bytes do not show a transport stream."""
    return video_container(head) is not None


def video_container(head: bytes) -> str | None:
    """FFmpeg's name of the demuxer for a video that begins with `head`; None for files of other kinds."""
    kind = head[4:8]
    if kind in _MOVIE_BOXES:
        return None if kind == b"ftyp" and head[8:12] in _PICTURE_BRANDS + _SOUND_BRANDS else "mov"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    if head.startswith(_ASF):
        return "asf"
    if head.startswith(b"\0\0\1\xba"):
        return "mpeg"
    return "mpegts" if _is_transport_stream(head) else None


def is_sound(head: bytes) -> bool:
    """Whether a file's brand says that it holds only sound."""
    return head[4:8] == b"ftyp" and head[8:12] in _SOUND_BRANDS


def _is_transport_stream(head: bytes) -> bool:
    for size, offset in _PACKETS:
        places = range(offset, offset + _CHECKED_PACKETS * size, size)
        if len(head) > places[-1] and all(head[place] == _SYNC for place in places):
            return True
    return False


def has_image_signature(path: str) -> bool:
    """Whether a file begins like a picture. Raises OSError if it cannot be read."""
    descriptor = os.open(opened_as(path), os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        return looks_like_image(os.read(descriptor, SIGNATURE_BYTES))
    finally:
        os.close(descriptor)
