"""Text in pictures is read, at many sizes, angles and colours, and photos without text say nothing."""

import logging
import socket
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from clipsearch.errors import ClipsearchError
from clipsearch.images import text_reader
from clipsearch.render.fonts import choose_font
from clipsearch.types import LONGEST_TEXT, clean_text
from tests.conftest import PHOTOS
from tests.lazy import require_library

PLATFORM = "Platform 9 departs at 14:32"


def drawn(*lines, size=(1200, 900), height=40, ink="black", paper="white", start=(60, 60)):
    """A picture with lines of text."""
    picture = Image.new("RGB", size, paper)
    pen = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        pen.text((start[0], start[1] + 1.6 * height * number), line, ink, ImageFont.load_default(height))
    return picture


@pytest.fixture(scope="module")
def reader():
    require_library("rapidocr", "needs the extra `ocr`: pip install -e '.[ocr]'")
    return text_reader.TextReader()


@pytest.mark.parametrize("height", [16, 24, 120])
def test_small_and_large_letters_are_read(reader, height):
    assert reader.read(drawn("Train ticket", height=height)) == "Train ticket"


def test_lines_are_read_from_top_to_bottom_and_columns_of_a_line_from_left_to_right(reader):
    picture = drawn("Coffee", "Bread", "Total")
    pen = ImageDraw.Draw(picture)
    for number, price in enumerate(("2.50", "1.20", "3.70")):
        pen.text((900, 63 + 64 * number), price, "black", ImageFont.load_default(40))
    assert reader.read(picture) == "Coffee 2.50 Bread 1.20 Total 3.70"


@pytest.mark.parametrize(("ink", "paper"), [("#ddd", "#121212"), ("yellow", "navy"), ("#888", "white")])
def test_light_letters_on_dark_and_pale_ones_are_read(reader, ink, paper):
    assert reader.read(drawn(PLATFORM, ink=ink, paper=paper)) == PLATFORM


@pytest.mark.parametrize("angle", [5, -12, 90, 180, 270])
def test_slanted_upright_and_overturned_lines_are_read(reader, angle):
    turned = drawn(PLATFORM, start=(250, 400)).rotate(angle, expand=True, fillcolor="white")
    assert reader.read(turned) == PLATFORM


@pytest.mark.parametrize(
    "text",
    ["Frühstück à Évry, señor: Größe 38 ç", "Święty Mikołaj, příští týden", "東京駅 出口", "火车票 北京"],
)
def test_letters_with_accents_chinese_and_japanese_are_read(reader, text):
    font = choose_font(text, 48)
    if any(bytes(font.getmask(letter)) == bytes(font.getmask("\U0010ffff")) for letter in text):
        pytest.skip("no font of this system has these letters")
    picture = Image.new("RGB", (1200, 300), "white")
    ImageDraw.Draw(picture).text((50, 100), text, "black", font)
    assert reader.read(picture).replace(" ", "") == text.replace(" ", "")


def test_a_sign_in_a_photo_is_read(reader):
    photo = Image.open(PHOTOS / "giraffe.jpg").convert("RGB").resize((1600, 1200))
    pen = ImageDraw.Draw(photo)
    pen.rectangle((700, 500, 1300, 620), "darkgreen")
    pen.text((730, 520), "Market Street", "white", ImageFont.load_default(80))
    assert "Market Street" in reader.read(photo)


def test_photos_without_text_say_nothing(reader):
    for name in ("cat.png", "coffee.jpg", "giraffe.jpg"):
        assert reader.read(Image.open(PHOTOS / name).convert("RGB")) == ""


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (900, 3), (31, 33)])
def test_tiny_and_thin_pictures_have_no_text(reader, size):
    assert reader.read(Image.new("RGB", size, "red")) == ""


def test_a_tall_screenshot_is_read_in_parts_that_cut_no_line(reader):
    lines = [f"Message number {number}" for number in range(65)]
    picture = drawn(*lines, size=(600, 3500), height=32, start=(30, 30))
    assert reader.read(picture).split() == " ".join(lines).split()


def test_a_picture_is_cut_between_two_lines():
    picture = drawn(*["lines of text"] * 100, size=(600, 6000), height=32, start=(30, 30))
    bands = list(text_reader._bands(picture))
    assert np.array_equal(np.concatenate([np.asarray(band) for band in bands]), np.asarray(picture))
    assert len(bands) >= 3
    for band in bands[:-1]:
        assert np.asarray(band.crop((0, band.height - 8, 600, band.height))).min() == 255


def test_lines_that_the_model_is_unsure_of_are_left_out():
    assert text_reader._is_sure("Exit", 0.8) and not text_reader._is_sure("Exit", 0.5)
    assert not text_reader._is_sure("8", 0.99)
    assert not text_reader._is_sure("•—", 0.99)


def test_reading_ends_once_the_text_is_as_long_as_an_index_keeps(reader, monkeypatch):
    read = []
    monkeypatch.setattr(reader, "_line", lambda picture, box: read.append(box) or "x" * (LONGEST_TEXT // 2 + 1))
    assert len(reader.read(drawn("one", "two", "three", "four"))) == LONGEST_TEXT
    assert len(read) == 3  # the first is tried before


def test_a_picture_is_not_searched_for_small_letters_if_no_line_of_its_small_copy_can_be_read(reader, monkeypatch):
    looks, boxes = [], reader._boxes
    monkeypatch.setattr(reader, "_boxes", lambda *given: looks.append(given[1]) or boxes(*given))
    monkeypatch.setattr(reader, "_line", lambda picture, box: "")
    assert reader.read(drawn("one", "two", "three")) == "" and len(looks) == 1


def test_text_is_one_clean_line():
    assert clean_text(" Train\n\tticket \x00\ud800") == "Train ticket"
    assert clean_text("") == ""
    assert len(clean_text("x" * LONGEST_TEXT * 2)) == LONGEST_TEXT


def test_the_reader_says_nothing_and_keeps_the_loggers_of_others(reader, capfd, caplog):
    reader.read(drawn(PLATFORM))
    reader.read(Image.new("RGB", (900, 900)))
    assert capfd.readouterr() == ("", "")
    assert not caplog.records and logging.getLogger().level == logging.WARNING


def test_reading_connects_to_nothing(reader, monkeypatch):
    def refuse(*_):
        raise AssertionError("a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert text_reader.TextReader().read(drawn("Train ticket")) == "Train ticket"


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself a Ctrl-C there")
def test_ctrl_c_is_heard_after_a_reader_is_released(reader):
    """OpenVINO's instances, one for each model, unmap the stack for signals of their thread when they are released."""
    code = (
        "import gc, signal\n"
        "from clipsearch.images.text_reader import TextReader\n"
        "for _ in range(2): TextReader().load(); gc.collect()\n"
        "try: signal.raise_signal(signal.SIGINT)\n"
        "except KeyboardInterrupt: print('heard')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "heard\n", "")


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setattr(text_reader, "find_spec", lambda name: None)
    with pytest.raises(ClipsearchError, match=r"pip install 'clipsearch\[ocr\]'"):
        text_reader.TextReader()


def test_a_package_without_its_models_is_an_error_and_nothing_is_downloaded(reader, monkeypatch):
    monkeypatch.setattr(text_reader, "_RECOGNISER", "PP-OCRv9.onnx")
    with pytest.raises(ClipsearchError, match=r"has no PP-OCRv9.onnx"):
        text_reader.TextReader()
