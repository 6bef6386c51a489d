"""How long decoding takes: raw files by their previews beside a JPEG of the sensor's size, profiles, pages, HEIC, TIFF, PNG.

    python benchmarks/measure_decoding.py [--repeats 9]

Each figure is the median of the seconds of CPU that one photo of 24 megapixels takes to become a model's input, 224 x 224. The
raw files are laid out as cameras do it (tests/images/raw_files.py), with a photo from data/photos as their picture. Of files
with several pictures, all pictures that are indexed become inputs. HEIC is of 12 megapixels and noisy, in tiles of 512 pixels,
as phones write it. Its decoders are measured alone: libheif, and FFmpeg if PyAV (the extra `video`) is installed.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pillow_heif
from PIL import Image, ImageChops

from clipsearch.images.files import ReadLimits
from clipsearch.images.libraw import has_libraw
from clipsearch.images.preprocess import resize_and_crop
from clipsearch.images.reader import decode_image, decode_pictures, read_facts
from clipsearch.images.rgb import to_rgb
from clipsearch.types import PixelSpec

ROOT = Path(__file__).parents[1]
SENSOR, MEDIUM, THUMBNAIL = (6000, 4000), (1620, 1080), (160, 120)
PHONE, TILE, PHONE_QUALITY = (4032, 3024), 512, 48  # HEIC of some 2 MB
FACTS_BYTES = 256 * 1024  # of a JPEG, that are read for its facts
XMP = (ROOT / "tests" / "seeds" / "facts" / "xmp").read_bytes()
SPEC = PixelSpec(224, None, (224, 224), 3, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def photo(size: tuple[int, int], **options: object) -> bytes:
    """A JPEG of this size."""
    picture = (
        Image.open(ROOT / "data" / "photos" / "mountain-trail.jpg")
        .convert("RGB")
        .resize(size, Image.Resampling.BICUBIC)
    )
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=92, **options)
    return stream.getvalue()


def whole(data: bytes) -> None:
    """Decode every pixel, like programs that do not shrink while decoding."""
    resize_and_crop(to_rgb(Image.open(io.BytesIO(data))), SPEC)


def as_indexed(data: bytes) -> None:
    """Decode as `clipsearch index` does."""
    decode_image(data, (224, 224), ReadLimits(), resize=lambda picture: resize_and_crop(picture, SPEC))


def all_pictures(data: bytes) -> None:
    """Decode every page, or the frames that are taken, as `clipsearch index` does."""
    decode_pictures(data, (224, 224), ReadLimits(), resize=lambda picture: resize_and_crop(picture, SPEC))


def facts_alone(data: bytes) -> None:
    """Read the date, the keywords and so on, as for a photo that is embedded already."""
    read_facts(data[:FACTS_BYTES])


def pages(count: int) -> bytes:
    """A TIFF with pages of A4 at 200 dpi."""
    page = Image.open(ROOT / "data" / "photos" / "mountain-trail.jpg").convert("L").resize((1654, 2339))
    stream = io.BytesIO()
    page.save(stream, "TIFF", save_all=True, append_images=[page] * (count - 1), compression="tiff_lzw")
    return stream.getvalue()


def animation(image_format: str, frames: int, size: tuple[int, int]) -> bytes:
    """A photo that moves across the frames."""
    picture = Image.open(ROOT / "data" / "photos" / "mountain-trail.jpg").convert("RGB").resize((2 * size[0], size[1]))
    shown = [picture.crop((at, 0, at + size[0], size[1])) for at in range(0, size[0], max(size[0] // frames, 1))][
        :frames
    ]
    stream = io.BytesIO()
    shown[0].save(stream, image_format, save_all=True, append_images=shown[1:], duration=50)
    return stream.getvalue()


def noisy(size: tuple[int, int]) -> Image.Image:
    """A photo of this size with the grain of a camera, which decides how long lossless formats and HEIC take."""
    picture = Image.open(ROOT / "data" / "photos" / "canyon.jpg").convert("RGB").resize(size, Image.Resampling.BICUBIC)
    grain = Image.merge("RGB", [Image.effect_noise(size, 6) for _ in range(3)])
    return ImageChops.add(picture, grain, offset=-128)


def encoded(picture: Image.Image, file_format: str, **options: object) -> bytes:
    """The picture as a file."""
    stream = io.BytesIO()
    picture.save(stream, file_format, **options)
    return stream.getvalue()


def libheif_alone(data: bytes) -> None:
    """Decode HEIC to RGB, without a picture of Pillow."""
    pillow_heif.HeifFile(io.BytesIO(data), remove_stride=False)[0].load()


def ffmpeg_alone(data: bytes) -> None:
    """Decode the tiles of HEIC to YCbCr, without putting them together."""
    import av

    with av.open(io.BytesIO(data)) as container:
        tiles = [stream for stream in container.streams.video if stream.width == TILE]
        decoder = av.CodecContext.create("hevc", "r")
        decoder.extradata = tiles[0].codec_context.extradata
        decoder.thread_count = 1
        packets = [av.Packet(bytes(packet)) for packet in container.demux(tiles) if packet.size]
    frames = sum(len(decoder.decode(packet)) for packet in [*packets, None])
    assert frames == len(packets)


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    for name, (decode, data) in cases().items():
        decode(data)
        seconds = []
        for _ in range(repeats):
            start = time.process_time()
            decode(data)
            seconds.append(time.process_time() - start)
        print(f"{name:<44} {1000 * statistics.median(seconds):7.1f} ms   file {len(data) / 1e6:5.1f} MB")


def cases() -> dict[str, tuple[Callable[[bytes], None], bytes]]:
    """The measurements: a name for people, the function, and the file."""
    sys.path.insert(0, str(ROOT))
    from tests.images import raw_files
    from tests.images.profiles import profile

    raw_files.SENSOR, raw_files.MEDIUM, raw_files.FULL = SENSOR, MEDIUM, SENSOR
    raw_files.COLOURS = dict.fromkeys((THUMBNAIL, MEDIUM, SENSOR), (90, 90, 90))
    pictures = {size: photo(size) for size in (THUMBNAIL, MEDIUM, SENSOR)}
    raw_files.jpeg = lambda size, colour=None, **options: photo(size, **options) if options else pictures[size]
    noise = raw_files.noise(24_000_000)  # a compressed sensor takes about a byte a pixel
    raw_files.noise = lambda count: noise
    jpeg = pictures[SENSOR]
    tiff = raw_files.Tiff()
    sensor = raw_files.sensor(tiff, 32770)
    tiff.blob(pictures[MEDIUM])
    hidden = tiff.finish(tiff.directory(sensor | raw_files.facts(tiff, b"SAMSUNG", b"NX500")))
    managed = photo(SENSOR, exif=raw_files.exif_of_camera(b"Canon", b"EOS 5D"), xmp=XMP)
    cases: dict[str, tuple[Callable[[bytes], None], bytes]] = {
        "JPEG, every pixel": (whole, jpeg),
        "JPEG, as indexed": (as_indexed, jpeg),
        **{
            f"{name} by a preview of 1620 x 1080": (as_indexed, raw_files.FILES[name]())
            for name in ("ARW", "CR3", "NEF", "RW2")
        },
        "SRW by a preview that no tag names": (as_indexed, hidden),
        "CR2 by a preview of the sensor's size": (as_indexed, raw_files.cr2()),
        "JPEG with EXIF and XMP, as indexed": (as_indexed, managed),
        "JPEG with EXIF and XMP, its facts alone": (facts_alone, managed),
        "JPEG with a Display P3 profile": (as_indexed, photo(SENSOR, icc_profile=profile("Display P3"))),
        "JPEG with a ProPhoto profile": (as_indexed, photo(SENSOR, icc_profile=profile("ProPhoto"))),
    }
    cases |= {
        "TIFF of 50 pages": (all_pictures, pages(50)),
        "GIF of 200 frames, 480 x 360": (all_pictures, animation("GIF", 200, (480, 360))),
        "WebP of 200 frames, 480 x 360": (all_pictures, animation("WEBP", 200, (480, 360))),
        "PNG of 200 frames, 480 x 360": (all_pictures, animation("PNG", 200, (480, 360))),
    }
    if has_libraw():
        cases["DNG without a preview, by LibRaw"] = as_indexed, raw_files.dng(previews=(), size=SENSOR)
    return cases | lossless_and_heic()


def lossless_and_heic() -> dict[str, tuple[Callable[[bytes], None], bytes]]:
    """The measurements of formats that cannot be shrunk while they are decoded."""
    pillow_heif.register_heif_opener()
    pillow_heif.options.DECODE_THREADS = 1
    heic = encoded(noisy(PHONE), "HEIF", quality=PHONE_QUALITY, tile_size=TILE)
    cases: dict[str, tuple[Callable[[bytes], None], bytes]] = {
        "HEIC, every pixel": (whole, heic),
        "HEIC, as indexed": (as_indexed, heic),
    }
    cases["HEIC, libheif alone"] = libheif_alone, heic
    if find_spec("av"):
        cases["HEIC, FFmpeg alone"] = ffmpeg_alone, heic
    picture = noisy(SENSOR)
    grey = picture.convert("L").convert("I").point(lambda value: value * 257).convert("I;16")
    files = {
        "TIFF, uncompressed": encoded(picture, "TIFF"),
        "TIFF, LZW": encoded(picture, "TIFF", compression="tiff_lzw"),
        "TIFF, deflate": encoded(picture, "TIFF", compression="tiff_adobe_deflate"),
        "TIFF, uncompressed, grey of 16 bits": encoded(grey, "TIFF"),
        "PNG": encoded(picture, "PNG"),
        "PNG with transparency": encoded(picture.convert("RGBA"), "PNG"),
    }
    for name, data in files.items():
        cases[f"{name}, every pixel"] = whole, data
        cases[f"{name}, as indexed"] = as_indexed, data
    return cases


if __name__ == "__main__":
    main()
