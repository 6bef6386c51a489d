"""Draw pictures with text: documents, receipts, slides, chats, and signs in photos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from photo_library.fonts import PACKAGES, Font, fonts
from photo_library.texts import TextPicture

_SPACELESS = ("Chinese", "Japanese")  # scripts whose lines may break anywhere
_PHOTO_WIDTH = 1100  # of the photos on which signs and papers are laid
_PAPERS = ((255, 255, 255), (252, 250, 243), (245, 243, 235))
_BOARDS = (
    ((0, 70, 140), (255, 255, 255)), ((250, 205, 20), (20, 20, 20)), ((170, 20, 25), (255, 255, 255)),
    ((20, 95, 50), (250, 250, 240)), ((245, 245, 245), (25, 25, 25)),
)  # fmt: skip
_CHARCOAL, _GREY = (30, 30, 30), (110, 110, 110)


def draw_texts(
    pictures: Sequence[TextPicture], backgrounds: Sequence[Path], library: Path, seed: int = 0
) -> tuple[dict[str, str], list[str]]:
    """Draw the pictures into the library. Returns the file name of each one's font by its path, and what was left out, why."""
    used: dict[str, str] = {}
    missing: dict[str, int] = {}
    for picture in pictures:
        random = Random(f"draw {seed} {picture.number}")
        font = _font(picture, random)
        if font is None:
            missing[picture.script] = missing.get(picture.script, 0) + 1
            continue
        image = _draw(picture, font, random)
        if picture.photographed:
            with Image.open(random.choice(backgrounds)) as background:
                image = _photographed(image, background.convert("RGB"), picture, random)
        path = library / picture.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".png":
            image.save(path)
        else:
            image.save(path, quality=random.choice((60, 75, 88, 94)))
        used[picture.path] = font.file.name
    advice = [f"{count} {script} pictures: no font. Debian has: {PACKAGES}" for script, count in missing.items()]
    return used, advice


def wrapped(text: str, font: ImageFont.FreeTypeFont, width: int, spaceless: bool) -> list[str]:
    """The text in lines that are at most `width` pixels wide, if its words are."""
    parts = list(text) if spaceless else [f"{word} " for word in text.split()]
    lines = [""]
    for part in parts:
        if lines[-1] and font.getlength((lines[-1] + part).rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return [line.strip() for line in lines]


def _font(picture: TextPicture, random: Random) -> Font | None:
    candidates = list(fonts(picture.script))
    if picture.kind == "receipt" and picture.script not in ("Chinese", "Japanese", "Korean"):
        candidates = list(fonts("monospaced")) or candidates
    random.shuffle(candidates)
    return next((font for font in candidates if font.writes(picture.lines)), None)


def _draw(picture: TextPicture, font: Font, random: Random) -> Image.Image:
    return {"document": _document, "receipt": _receipt, "sign": _sign, "slide": _slide, "chat": _chat}[picture.kind](
        picture, font, random
    )


def _document(picture: TextPicture, font: Font, random: Random) -> Image.Image:
    size = picture.text_height
    width, margin = 42 * size, 4 * size
    page = Image.new("RGB", (width, round(width * 1.3)), random.choice(_PAPERS))
    draw = ImageDraw.Draw(page)
    firm, reference, *sentences, sender = picture.lines
    draw.text((margin, margin), firm, _CHARCOAL, font.at(round(1.6 * size)))
    draw.text((margin, margin + 3 * size), reference, _GREY, font.at(size))
    y = margin + 7 * size
    for sentence in sentences:
        for line in wrapped(sentence, font.at(size), width - 2 * margin, picture.script in _SPACELESS):
            draw.text((margin, y), line, _CHARCOAL, font.at(size))
            y += round(1.5 * size)
        y += random.choice((0, size))
    draw.text((margin, y + 3 * size), sender, _CHARCOAL, font.at(size))
    return page


def _receipt(picture: TextPicture, font: Font, random: Random) -> Image.Image:
    size = picture.text_height
    face = font.at(size)
    rows = [line.split("  ") for line in picture.lines]
    width = round(max(sum(face.getlength(part) for part in row) + (3 * size if len(row) > 1 else 0) for row in rows))
    width += 4 * size
    page = Image.new("RGB", (width, round((len(rows) + 4) * 1.7 * size)), random.choice(_PAPERS))
    draw = ImageDraw.Draw(page)
    shade = random.choice((_CHARCOAL, _GREY, (60, 60, 90)))
    for number, (first, *rest) in enumerate(rows):
        y = round((2 + number) * 1.7 * size)
        x = 2 * size if rest else (width - face.getlength(first)) / 2
        draw.text((x, y), first, shade, face)
        if rest:
            draw.text((width - 2 * size - face.getlength(rest[0]), y), rest[0], shade, face)
    return page


def _sign(picture: TextPicture, font: Font, random: Random) -> Image.Image:
    size = picture.text_height
    face = font.at(size)
    (text,) = picture.lines
    lines = wrapped(text, face, random.choice((6, 9, 14)) * size, picture.script in _SPACELESS)
    width = round(max(face.getlength(line) for line in lines)) + 2 * size
    board, ink = random.choice(_BOARDS)
    page = Image.new("RGB", (width, round(len(lines) * 1.35 * size + 1.2 * size)), board)
    draw = ImageDraw.Draw(page)
    draw.rectangle((3, 3, page.width - 4, page.height - 4), outline=ink, width=max(2, size // 14))
    for number, line in enumerate(lines):
        draw.text(((width - face.getlength(line)) / 2, 0.5 * size + number * 1.35 * size), line, ink, face)
    return page


def _slide(picture: TextPicture, font: Font, random: Random) -> Image.Image:
    size = picture.text_height
    paper, ink = random.choice(
        (((255, 255, 255), _CHARCOAL), ((24, 32, 52), (240, 240, 245)), ((240, 236, 225), _CHARCOAL))
    )
    page = Image.new("RGB", (1280, 720), paper)
    draw = ImageDraw.Draw(page)
    title, *points = picture.lines
    draw.text((70, 50), title, ink, font.at(round(1.4 * size)))
    draw.rectangle((70, 60 + 2 * size, 1210, 64 + 2 * size), fill=(210, 80, 50))
    y = 100 + 2 * size
    for point in points:
        draw.ellipse((78, y + size // 2, 90, y + size // 2 + 12), fill=(210, 80, 50))
        for line in wrapped(point, font.at(size), 1060, picture.script in _SPACELESS):
            draw.text((110, y), line, ink, font.at(size))
            y += round(1.3 * size)
        y += size // 2
    return page


def _chat(picture: TextPicture, font: Font, random: Random) -> Image.Image:
    size = picture.text_height
    page = Image.new("RGB", (720, 1280), random.choice(((236, 229, 221), (255, 255, 255), (16, 22, 28))))
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, 720, 96), fill=(7, 94, 84))
    y = 140
    for message in picture.lines:
        lines = wrapped(message, font.at(size), 440, picture.script in _SPACELESS)
        width = round(max(font.at(size).getlength(line) for line in lines)) + 2 * size
        height = round((1.35 * len(lines) + 0.9) * size)
        mine = random.random() < 0.5
        left = 690 - width if mine else 30
        draw.rounded_rectangle(
            (left, y, left + width, y + height), size // 2, (220, 248, 198) if mine else (228, 230, 235)
        )
        for number, line in enumerate(lines):
            draw.text((left + size, y + 0.35 * size + number * 1.35 * size), line, _CHARCOAL, font.at(size))
        y += height + random.choice((18, 40))
    return page


def _photographed(page: Image.Image, background: Image.Image, picture: TextPicture, random: Random) -> Image.Image:
    """The page seen by a camera: turned, a little in perspective, on a photo, with grain and blur."""
    turned = _in_perspective(page, random).rotate(picture.angle, Image.Resampling.BICUBIC, expand=True)
    if picture.kind == "sign":
        scale = max(_PHOTO_WIDTH / background.width, 1.3 * turned.width / background.width)
        scene = background.resize(
            (round(background.width * scale), round(background.height * scale * 0.75)), Image.Resampling.BICUBIC
        )
        room = (max(0, scene.width - turned.width), max(0, scene.height - turned.height))
        place = (random.randint(0, room[0]), random.randint(0, room[1]))
    else:  # a paper fills most of its photo
        scene = background.resize((round(turned.width * 1.15), round(turned.height * 1.15)), Image.Resampling.BICUBIC)
        scene = scene.filter(ImageFilter.GaussianBlur(6))
        place = (round(turned.width * 0.07), round(turned.height * 0.07))
    scene.paste(turned, place, turned.getchannel("A"))
    scene = scene.filter(ImageFilter.GaussianBlur(random.choice((0.0, 0.4, 0.8))))
    pixels = np.asarray(scene, np.float32)
    light = np.linspace(random.uniform(0.75, 1.0), random.uniform(0.9, 1.05), scene.width, dtype=np.float32)
    grain = np.random.default_rng(picture.number).normal(0, random.choice((2, 5, 8)), pixels.shape).astype(np.float32)
    return Image.fromarray(np.clip(pixels * light[None, :, None] + grain, 0, 255).astype(np.uint8))


def _in_perspective(page: Image.Image, random: Random) -> Image.Image:
    """The page with its corners moved by up to 3% of its size; transparent around it."""
    width, height = page.size
    corners = [(0, 0), (width, 0), (width, height), (0, height)]
    moved = [(abs(x - random.uniform(0, 0.03) * width), abs(y - random.uniform(0, 0.03) * height)) for x, y in corners]
    rows, right = [], []
    for (x, y), (u, v) in zip(moved, corners, strict=True):  # from a place in the result to one in the page
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    coefficients = np.linalg.solve(np.array(rows), np.array(right))
    page = page.convert("RGBA")
    return page.transform(page.size, Image.Transform.PERSPECTIVE, tuple(coefficients), Image.Resampling.BICUBIC)
