"""Raw files as cameras lay them out: real containers with real JPEG previews. The sensor's data is noise, except in the DNG."""

import io
import struct
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

SENSOR = 4000, 3000
THUMBNAIL, MEDIUM, FULL = (160, 120), (1280, 960), (4000, 3000)
TAKEN = "2021:06:05 10:11:12"
EXIF_ORIENTATION = 6
COLOURS = {THUMBNAIL: (200, 30, 30), MEDIUM: (30, 200, 30), FULL: (30, 30, 200)}

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 1, 2, 3, 4, 5, 7
_SIZES = {BYTE: 1, ASCII: 1, SHORT: 2, LONG: 4, RATIONAL: 8, UNDEFINED: 1}
_LETTERS = {BYTE: "B", SHORT: "H", LONG: "I"}


def jpeg(size, colour=None, **options):
    """A JPEG of one colour with a white left third, so that a turn can be seen."""
    image = Image.new("RGB", size, colour or COLOURS.get(size, (90, 90, 90)))
    image.paste((255, 255, 255), (0, 0, size[0] // 3, size[1]))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=90, **options)
    return stream.getvalue()


def lossless_jpeg(size):
    """The head of a lossless JPEG, as sensor data has it."""
    frame = struct.pack(">BHHB", 14, size[1], size[0], 1) + bytes([1, 0x11, 0])
    return b"\xff\xd8\xff\xc3" + struct.pack(">H", len(frame) + 2) + frame + b"\xff\xda\0\x08\1\1\0\1\0\0" + noise(2000)


def noise(count):
    return np.random.default_rng(3).integers(0, 255, count, np.uint8).tobytes().replace(b"\xff\xd8", b"\xff\0")


@dataclass
class Tiff:
    """A TIFF structure that is written from its leaves to its head. Offsets count from its first byte."""

    order: str = "<"
    magic: bytes = b"*\0"
    extra: bytes = b""  # after the offset of the first directory
    shift: int = 0  # added to all offsets, if the structure begins later in its file
    body: bytearray = field(default_factory=bytearray)

    def __post_init__(self):
        head = (b"II" + self.magic if self.order == "<" else b"MM" + self.magic[::-1]) + bytes(4) + self.extra
        self.body += head

    def blob(self, data):
        """Append the data and return its offset."""
        self.body += bytes(len(self.body) % 2)
        at = len(self.body)
        self.body += data
        return at + self.shift

    def directory(self, entries, following=0):
        """Write {tag: (type, values)} and return its offset. ASCII and UNDEFINED values are bytes, RATIONAL values pairs."""
        rows = []
        for tag, (kind, values) in sorted(entries.items()):
            if kind in (ASCII, UNDEFINED):
                data, count = values + (b"\0" if kind == ASCII else b""), len(values) + (kind == ASCII)
            elif kind == RATIONAL:
                data = b"".join(struct.pack(f"{self.order}II", *pair) for pair in values)
                count = len(values)
            else:
                values = values if isinstance(values, (list, tuple)) else [values]
                data, count = struct.pack(f"{self.order}{len(values)}{_LETTERS[kind]}", *values), len(values)
            if len(data) > 4:
                data = struct.pack(f"{self.order}I", self.blob(data))
            rows.append(struct.pack(f"{self.order}HHI", tag, kind, count) + data.ljust(4, b"\0"))
        return self.blob(
            struct.pack(f"{self.order}H", len(rows)) + b"".join(rows) + struct.pack(f"{self.order}I", following)
        )

    def finish(self, first):
        struct.pack_into(f"{self.order}I", self.body, 4, first)
        return bytes(self.body)


def gps():
    return {
        1: (ASCII, b"N"), 2: (RATIONAL, [(48, 1), (30, 1), (0, 1)]), 3: (ASCII, b"E"), 4: (RATIONAL, [(9, 1), (15, 1), (0, 1)]),
    }  # fmt: skip


def facts(tiff, make, model, *, size=True, note=None):
    """Entries of a main directory, with an EXIF and a GPS directory."""
    exif = {0x9003: (ASCII, TAKEN.encode())}
    if size:
        exif |= {0xA002: (LONG, SENSOR[0]), 0xA003: (LONG, SENSOR[1])}
    if note:
        exif[0x927C] = (UNDEFINED, note)
    return {
        0x010F: (ASCII, make), 0x0110: (ASCII, model), 0x0112: (SHORT, EXIF_ORIENTATION), 0x0132: (ASCII, TAKEN.encode()),
        0x8769: (LONG, tiff.directory(exif)), 0x8825: (LONG, tiff.directory(gps())),
    }  # fmt: skip


def sensor(tiff, compression=1):
    """Entries of a directory with sensor data."""
    size, data = SENSOR, noise(4000)
    return {
        0x00FE: (LONG, 0), 0x0100: (LONG, size[0] + 48), 0x0101: (LONG, size[1] + 24), 0x0102: (SHORT, 14),
        0x0103: (SHORT, compression), 0x0106: (SHORT, 32803), 0x0111: (LONG, tiff.blob(data)), 0x0115: (SHORT, 1),
        0x0116: (LONG, size[1]), 0x0117: (LONG, len(data)),
    }  # fmt: skip


def linked_jpeg(tiff, size):
    """The two entries that name a JPEG."""
    data = jpeg(size)
    return {0x0201: (LONG, tiff.blob(data)), 0x0202: (LONG, len(data))}


def jpeg_strip(tiff, size):
    """Entries of a directory whose only strip is a JPEG."""
    data = jpeg(size)
    return {
        0x00FE: (LONG, 1), 0x0100: (LONG, size[0]), 0x0101: (LONG, size[1]), 0x0102: (SHORT, [8, 8, 8]), 0x0103: (SHORT, 7),
        0x0106: (SHORT, 6), 0x0111: (LONG, tiff.blob(data)), 0x0115: (SHORT, 3), 0x0116: (LONG, size[1]),
        0x0117: (LONG, len(data)),
    }  # fmt: skip


def rgb_strip(tiff, size):
    """Entries of a directory with plain pixels."""
    image = Image.new("RGB", size, COLOURS[size])
    image.paste((255, 255, 255), (0, 0, size[0] // 3, size[1]))
    data = image.tobytes()
    return {
        0x00FE: (LONG, 1), 0x0100: (LONG, size[0]), 0x0101: (LONG, size[1]), 0x0102: (SHORT, [8, 8, 8]), 0x0103: (SHORT, 1),
        0x0106: (SHORT, 2), 0x0111: (LONG, tiff.blob(data)), 0x0115: (SHORT, 3), 0x0116: (LONG, size[1]),
        0x0117: (LONG, len(data)), 0x011C: (SHORT, 1),
    }  # fmt: skip


def cr2():
    tiff = Tiff(extra=b"CR\2\0" + bytes(4))
    raw = tiff.directory({0x0103: (SHORT, 6), 0x0111: (LONG, tiff.blob(lossless_jpeg(SENSOR))), 0x0117: (LONG, 2000)})
    small = tiff.directory(linked_jpeg(tiff, THUMBNAIL), raw)
    full = jpeg_strip(tiff, FULL) | {0x0103: (SHORT, 6)}
    del full[0x00FE]
    return tiff.finish(tiff.directory(full | facts(tiff, b"Canon", b"Canon EOS 5D"), small))


def nef(make=b"NIKON CORPORATION", model=b"NIKON D750", thumbnail_compression=1):
    tiff = Tiff(">")
    inner = Tiff("<")
    preview = inner.directory(linked_jpeg(inner, MEDIUM))
    note = b"Nikon\0\2\x10\0\0" + inner.finish(inner.directory({0x0011: (LONG, preview)}))
    full = tiff.directory({0x00FE: (LONG, 1), 0x0103: (SHORT, 6)} | linked_jpeg(tiff, FULL))
    raw = tiff.directory(sensor(tiff, 34713))
    main = rgb_strip(tiff, THUMBNAIL) | facts(tiff, make, model, size=False, note=note)
    main |= {0x014A: (LONG, [full, raw]), 0x0103: (SHORT, thumbnail_compression)}
    return tiff.finish(tiff.directory(main))


def nrw():
    return nef(b"NIKON", b"COOLPIX P7800", thumbnail_compression=6)


def arw(model=b"ILCE-7M4"):
    tiff = Tiff()
    full = tiff.directory(linked_jpeg(tiff, FULL))
    small = tiff.directory(linked_jpeg(tiff, THUMBNAIL), full)
    main = linked_jpeg(tiff, MEDIUM) | facts(tiff, b"SONY", model) | {0x0103: (SHORT, 6)}
    return tiff.finish(tiff.directory(main | {0x014A: (LONG, tiff.directory(sensor(tiff, 32767)))}, small))


def sr2():
    return arw(b"DSC-R1")


def orf():
    tiff = Tiff(magic=b"RO")
    data = jpeg(MEDIUM)
    # the first directory of the note is at a fixed place, so it is written by hand
    head = struct.pack("<HHHII", 1, 0x2020, LONG, 1, 0) + bytes(4)
    moved = Tiff()
    moved.body[:] = b"OLYMPUS\0II\3\0" + head
    start = moved.blob(data)
    settings = moved.directory({0x0100: (LONG, 1), 0x0101: (LONG, start), 0x0102: (LONG, len(data))})
    struct.pack_into("<I", moved.body, 12 + 2 + 8, settings)
    raw = sensor(tiff)
    del raw[0x0106]
    main = raw | facts(tiff, b"OLYMPUS CORPORATION", b"E-M1MarkII", note=bytes(moved.body))
    return tiff.finish(tiff.directory(main))


def pef():
    tiff = Tiff(">")
    preview = jpeg(MEDIUM)
    at = tiff.blob(preview)
    note = b"AOC\0MM" + struct.pack(">H", 3)
    for tag, kind, value in ((2, SHORT, 0), (3, LONG, len(preview)), (4, LONG, at)):
        note += struct.pack(">HHII", tag, kind, 1, value if kind == LONG else value << 16)
    small = tiff.directory(linked_jpeg(tiff, THUMBNAIL))
    main = sensor(tiff, 65535) | facts(tiff, b"PENTAX", b"PENTAX K-1", note=note + bytes(4))
    return tiff.finish(tiff.directory(main, small))


def srw():
    tiff = Tiff()
    medium = tiff.directory({0x00FE: (LONG, 1), 0x0103: (SHORT, 6)} | linked_jpeg(tiff, MEDIUM))
    raw = tiff.directory(sensor(tiff, 32770))
    main = linked_jpeg(tiff, THUMBNAIL) | facts(tiff, b"SAMSUNG", b"NX500") | {0x014A: (LONG, [medium, raw])}
    return tiff.finish(tiff.directory(main))


def hasselblad():
    tiff = Tiff(">")
    main = rgb_strip(tiff, MEDIUM) | facts(tiff, b"Hasselblad", b"X1D", size=False)
    return tiff.finish(tiff.directory(main | {0x014A: (LONG, tiff.directory(sensor(tiff)))}))


def iiq():
    tiff = Tiff(extra=b"IIIITwaR" + bytes(8))
    small = tiff.directory(jpeg_strip(tiff, MEDIUM))
    return tiff.finish(tiff.directory(sensor(tiff) | facts(tiff, b"Phase One", b"IQ3 100MP"), small))


def rw2():
    tiff = Tiff(magic=b"U\0")
    main = facts(tiff, b"Panasonic", b"DC-G9", size=False)
    main |= {2: (SHORT, SENSOR[0] + 60), 3: (SHORT, SENSOR[1] + 30), 4: (SHORT, 8), 5: (SHORT, 4),
             6: (SHORT, SENSOR[1] + 8), 7: (SHORT, SENSOR[0] + 4), 0x002E: (UNDEFINED, jpeg(MEDIUM)),
             0x0118: (LONG, tiff.blob(noise(4000)))}  # fmt: skip
    return tiff.finish(tiff.directory(main))


def exif_of_camera(make, model):
    tiff = Tiff()
    return b"Exif\0\0" + tiff.finish(tiff.directory(facts(tiff, make, model)))


def raf():
    picture = jpeg(FULL, exif=exif_of_camera(b"FUJIFILM", b"X-T4"))
    records = struct.pack(">I", 2) + struct.pack(">HHHH", 0x0100, 4, SENSOR[1] + 20, SENSOR[0] + 30)
    records += struct.pack(">HHHH", 0x0111, 4, SENSOR[1], SENSOR[0])
    head = b"FUJIFILMCCD-RAW 0201FF393101" + b"X-T4".ljust(32, b"\0") + b"0100" + bytes(20)
    start = len(head) + 36
    places = struct.pack(">IIIIII", start, len(picture), start + len(picture), len(records), 0, 0) + bytes(12)
    return head + places + picture + records + noise(4000)


def box(kind, content):
    return struct.pack(">I", 8 + len(content)) + kind + content


CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
PREVIEW = bytes.fromhex("eaf42b5e1c984b88b9fbb7dc406e4d16")


def tiff_box(kind, entries):
    tiff = Tiff()
    return box(kind, tiff.finish(tiff.directory(entries)))


def cr3():
    exif = {0x9003: (ASCII, TAKEN.encode()), 0xA002: (LONG, SENSOR[0]), 0xA003: (LONG, SENSOR[1])}
    main = {0x0100: (LONG, SENSOR[0]), 0x0101: (LONG, SENSOR[1]), 0x010F: (ASCII, b"Canon"), 0x0110: (ASCII, b"Canon EOS R5"),
            0x0112: (SHORT, EXIF_ORIENTATION), 0x0132: (ASCII, TAKEN.encode())}  # fmt: skip
    small, medium, full = jpeg(THUMBNAIL), jpeg(MEDIUM), jpeg(FULL)
    thumbnail = box(b"THMB", struct.pack(">IHHII", 0, *THUMBNAIL, len(small), 0) + small)
    canon = box(b"uuid", CANON + box(b"CNCV", b"CanonCR3_001/00.09.00/00.00.00") + tiff_box(b"CMT1", main)
                + tiff_box(b"CMT2", exif) + tiff_box(b"CMT4", gps()) + thumbnail)  # fmt: skip
    preview = box(b"PRVW", struct.pack(">IHHHHI", 0, 1, *MEDIUM, 1, len(medium)) + medium)
    preview = box(b"uuid", PREVIEW + struct.pack(">II", 0, 1) + preview)
    start = box(b"ftyp", b"crx \0\0\0\1crx isom")

    def movie(offset):
        sizes = box(b"stsz", struct.pack(">III", 0, len(full), 1)) + box(b"co64", struct.pack(">IIQ", 0, 1, offset))
        track = box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", sizes))))
        return box(b"moov", canon + track)

    offset = len(start) + len(movie(0)) + len(preview) + 8
    return start + movie(offset) + preview + box(b"mdat", full + noise(4000))


def x3f():
    picture = jpeg(MEDIUM, exif=exif_of_camera(b"SIGMA", b"SIGMA DP2"))
    head = b"FOVb" + struct.pack("<I16sIIII", 0x00020003, bytes(16), 0, *SENSOR, 90)
    head = head.ljust(64, b"\0")
    section = b"SECi" + struct.pack("<IIIIII", 0x00020000, 2, 18, *MEDIUM, 0) + picture
    entry = struct.pack("<II4s", len(head), len(section), b"IMA2")
    directory = len(head) + len(section)
    return head + section + b"SECd" + struct.pack("<II", 0x00020000, 1) + entry + struct.pack("<I", directory)


def crw():
    def block(records):
        body, entries = b"", b""
        for tag, data in records:
            entries += struct.pack("<HII", tag, len(data), len(body))
            body += data
        return body + struct.pack("<H", len(records)) + entries + struct.pack("<I", len(body))

    info = struct.pack("<IIfiIIi", *SENSOR, 1.0, 90, 0, 0, 0)
    seconds = 1622887872  # 2021-06-05 10:11:12
    properties = block(
        [
            (0x2807, block([(0x080A, b"Canon\0Canon EOS D60\0")])),
            (0x1810, info),
            (0x180E, struct.pack("<III", seconds, 0, 0)),
        ]
    )
    heap = block([(0x2005, noise(4000)), (0x2007, jpeg(MEDIUM)), (0x2008, jpeg(THUMBNAIL)), (0x300A, properties)])
    return b"II" + struct.pack("<I", 26) + b"HEAPCCDR" + struct.pack("<II", 0x00010002, 0) + bytes(4) + heap


def dng(previews=(THUMBNAIL, MEDIUM), size=(640, 480)):
    """A DNG whose sensor data is real: a colour gradient, which LibRaw develops."""
    tiff = Tiff()
    across = np.broadcast_to(np.arange(size[0]), (size[1], size[0]))
    bayer = (4000 + 40000 * across / size[0]).astype("<u2")  # dark at the left, bright at the right
    data = bayer.tobytes()
    raw = {
        0x00FE: (LONG, 0), 0x0100: (LONG, size[0]), 0x0101: (LONG, size[1]), 0x0102: (SHORT, 16), 0x0103: (SHORT, 1),
        0x0106: (SHORT, 32803), 0x0111: (LONG, tiff.blob(data)), 0x0115: (SHORT, 1), 0x0116: (LONG, size[1]),
        0x0117: (LONG, len(data)), 0x828D: (SHORT, [2, 2]), 0x828E: (BYTE, [0, 1, 1, 2]), 0xC61A: (LONG, 0),
        0xC61D: (LONG, 65535),
        0xC620: (LONG, list(size)),
    }  # fmt: skip
    below = [tiff.directory(raw)] + [tiff.directory(jpeg_strip(tiff, preview)) for preview in previews]
    main = facts(tiff, b"Ricoh", b"GR", size=False) | {
        0x014A: (LONG, below),
        0xC612: (BYTE, [1, 4, 0, 0]),
        0xC613: (BYTE, [1, 1, 0, 0]),
        0xC614: (ASCII, b"Ricoh GR"),
        0xC628: (RATIONAL, [(1, 1), (1, 1), (1, 1)]),
        0xC65A: (SHORT, 21),
    }
    return tiff.finish(tiff.directory(main))


FILES = {
    "CR2": cr2, "CR3": cr3, "CRW": crw, "NEF": nef, "NRW": nrw, "ARW": arw, "SR2": sr2, "RAF": raf, "RW2": rw2, "ORF": orf,
    "PEF": pef, "SRW": srw, "X3F": x3f, "3FR": hasselblad, "IIQ": iiq, "DNG": dng,
}  # fmt: skip
