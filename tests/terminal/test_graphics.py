"""Pictures for terminals, decoded as a terminal decodes them."""

import base64
import io
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from clipsearch.render.text import columns
from clipsearch.terminal.graphics import blocks, iterm2, kitty, sixel
from clipsearch.terminal.preview import Screen, preview
from tests.conftest import COLOURS, PHOTOS
from tests.render.support import hit


@pytest.fixture(scope="module")
def photo():
    with Image.open(PHOTOS / "coffee.jpg") as image:
        return image.convert("RGB").resize((160, 107))


def from_kitty(text):
    """Decode kitty commands as a terminal does. Returns the picture and the keys of the first command."""
    commands = re.findall(r"\x1b_G([^;]*);([A-Za-z0-9+/=]*)\x1b\\", text)
    assert "".join(f"\x1b_G{keys};{data}\x1b\\" for keys, data in commands) == text
    assert all(len(data) <= 4096 for _, data in commands)
    assert [keys[-3:] for keys, _ in commands] == ["m=1"] * (len(commands) - 1) + ["m=0"]
    assert all(len(data) % 4 == 0 for _, data in commands)
    keys = dict(pair.split("=") for pair in commands[0][0].split(","))
    return Image.open(io.BytesIO(base64.b64decode("".join(data for _, data in commands)))), keys


def from_sixel(text):
    """The pixels of a sixel string, and a mask of the drawn ones."""
    match = re.fullmatch(r'\x1bP0;1;0q"1;1;(\d+);(\d+)(.*)\x1b\\', text, re.DOTALL)
    width, height = int(match[1]), int(match[2])
    pixels, drawn = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), bool)
    palette, colour, x, y = {}, None, 0, 0
    for token in re.finditer(r"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)([?-~])|([?-~])|([$])|(-)", match[3]):
        if token[1]:
            palette[token[1]] = [round(int(token[part]) * 255 / 100) for part in (2, 3, 4)]
        elif token[5]:
            colour = palette[token[5]]
        elif token[9]:
            x = 0
        elif token[10]:
            x, y = 0, y + 6
        else:
            count, bits = (int(token[6]), ord(token[7]) - 63) if token[6] else (1, ord(token[8]) - 63)
            for bit in range(6):
                if bits >> bit & 1:
                    pixels[y + bit, x : x + count] = colour
                    drawn[y + bit, x : x + count] = True
            x += count
    return pixels, drawn


def from_blocks(lines):
    """The pixels (2 * lines, cells, 3) of lines of half-blocks. The 256 colours are those of xterm."""
    picture = []
    for line in lines:
        ground, upper, lower = {}, [], []
        for token in re.finditer(r"\x1b\[([0-9;]*)m|(▀)|( )", line):
            if token[2]:
                upper.append(ground["38"])
                lower.append(ground["48"])
                continue
            parts = (token[1] or "0").split(";")
            while parts and parts[0] != "0":
                which, kind = parts[:2]
                taken = 5 if kind == "2" else 3
                ground[which] = [int(part) for part in parts[2:taken]] if kind == "2" else xterm(int(parts[2]))
                parts = parts[taken:]
        picture += [upper, lower]
    return np.array(picture)


def xterm(code):
    if code >= 232:
        return [8 + 10 * (code - 232)] * 3
    steps = (0, 95, 135, 175, 215, 255)
    return [steps[(code - 16) // 36], steps[(code - 16) // 6 % 6], steps[(code - 16) % 6]]


@pytest.mark.parametrize("size", [(1, 1), (160, 107)])
def test_kitty_gets_every_pixel(photo, size):
    picture = photo.resize(size)
    decoded, keys = from_kitty(kitty(picture, columns=30))
    assert np.array_equal(np.asarray(decoded), np.asarray(picture))
    assert (keys["a"], keys["f"], keys["q"], keys["c"]) == ("T", "100", "2", "30") and "r" not in keys
    assert from_kitty(kitty(picture, rows=7))[1]["r"] == "7"


def test_iterm2_gets_the_picture_and_its_room(photo):
    match = re.fullmatch(
        r"\x1b\]1337;File=inline=1;size=(\d+);width=30;height=11;preserveAspectRatio=1:(.*)\x07", iterm2(photo, 30, 11)
    )
    data = base64.b64decode(match[2])
    assert len(data) == int(match[1])
    assert np.abs(np.asarray(Image.open(io.BytesIO(data))).astype(int) - np.asarray(photo)).mean() < 4


@pytest.mark.parametrize("height", [1, 5, 6, 7, 107])
def test_sixel_draws_every_pixel_in_nearly_its_colour(photo, height):
    picture = photo.crop((0, 0, 160, height))
    pixels, drawn = from_sixel(sixel(picture))
    assert drawn.all() and pixels.shape == (height, 160, 3)
    assert np.abs(pixels.astype(int) - np.asarray(picture)).mean() < 8


def test_sixel_of_one_colour_is_short():
    text = sixel(Image.new("RGB", (300, 60), (255, 0, 0)))
    assert np.array_equal(from_sixel(text)[0], np.full((60, 300, 3), (255, 0, 0))) and len(text) < 200


@pytest.mark.parametrize("height", [1, 106, 107])
def test_blocks_show_every_pixel(photo, height):
    picture = photo.crop((0, 0, 160, height))
    lines = blocks(picture, all_colours=True)
    assert len(lines) == (height + 1) // 2 and all(line.endswith("\x1b[0m") for line in lines)
    assert np.array_equal(from_blocks(lines)[:height], np.asarray(picture))


def test_256_colours_are_the_nearest_ones(photo):
    pixels = from_blocks(blocks(photo.crop((0, 0, 40, 40)), all_colours=False))
    every = np.array([xterm(code) for code in range(16, 256)])
    wanted = np.asarray(photo.crop((0, 0, 40, 40))).reshape(-1, 1, 3).astype(int)
    best = ((every - wanted) ** 2).sum(axis=-1).min(axis=1)
    assert (((pixels.reshape(-1, 3) - wanted[:, 0]) ** 2).sum(axis=-1) <= best + 60).all()  # a grey may be a step off


def test_tiles_stand_side_by_side_with_their_captions(photos):
    hits = [
        hit(1, photos / "red.jpg", 0.31, 0.97),
        hit(2, photos / "gone.jpg", 0.3),
        hit(3, photos / "\u6771\u4eac.jpg"),
        hit(4, photos / "blue.jpg", 0.1),
        hit(5, photos / "a\x1b[31m.jpg"),
    ]
    texts = list(preview(hits, str(photos), Screen("blocks", 120)))
    assert len(texts) == 2
    lines = texts[0].splitlines()
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    assert all(columns(line) <= 120 for line in plain)
    assert plain[-3].split() == ["1", "0.3100", "97%", "2", "cannot", "be", "read", "3", "cannot", "be", "read"]
    assert (
        plain[-2].startswith("red.jpg   ")
        and "gone.jpg: it" in plain[-2]
        and plain[-2].endswith("drive is not connected")
    )
    assert "\x1b[31m" not in texts[1] and "a\\x1b[31m." in texts[1]
    middle = from_blocks([line for line in lines if "▀" in line])
    assert np.allclose(middle.reshape(-1, 3), COLOURS["red"], atol=6)


def test_a_tile_shows_the_name_of_a_file_in_a_deep_folder(photos, tmp_path):
    shutil.copy(photos / "red.jpg", tmp_path / "a-horse-on-the-beach.jpg")
    (text,) = preview([hit(1, tmp_path / "a-horse-on-the-beach.jpg")], "", Screen("blocks", 26))
    assert text.splitlines()[-2] == "…/a-horse-on-the-beach.jpg"


@pytest.mark.parametrize("protocol", ["kitty", "iterm2", "sixel"])
def test_graphics_are_drawn_into_room_that_was_made_for_them(photos, protocol):
    hits = [hit(1, photos / "red.jpg"), hit(2, photos / "gone.jpg"), hit(3, photos / "blue.jpg")]
    (text,) = preview(hits, "/", Screen(protocol, 100, (10, 20)))
    made = re.match(r"(\n+)\x1b\[(\d+)A\x1b7(.*)\x1b8\x1b7\x1b\[(\d+)C(.*)\x1b8\x1b\[(\d+)B\r", text, re.DOTALL)
    rows = len(made[1])
    assert int(made[2]) == int(made[6]) == rows and int(made[4]) == 68
    for drawing, colour in ((made[3], "red"), (made[5], "blue")):
        if protocol == "kitty":
            picture, keys = from_kitty(drawing)
            assert int(keys.get("r", 0)) <= rows and int(keys.get("c", 0)) <= 32
        elif protocol == "sixel":
            picture = Image.fromarray(from_sixel(drawing)[0])
            assert picture.height <= 20 * rows and picture.width <= 10 * 32
        else:
            picture = Image.open(io.BytesIO(base64.b64decode(drawing.partition(":")[2].removesuffix("\x07"))))
        assert np.allclose(np.asarray(picture.convert("RGB")).mean(axis=(0, 1)), COLOURS[colour], atol=8)


@pytest.mark.parametrize("width", [1, 5, 20, 29, 30, 61, 62, 400])
def test_no_terminal_is_too_narrow(photos, width):
    for text in preview([hit(1, photos / "red.jpg"), hit(2, photos / "blue.jpg")], "/", Screen("blocks", width)):
        assert all(columns(re.sub(r"\x1b\[[0-9;]*m", "", line)) <= width for line in text.splitlines())
