"""Fonts for text on pictures."""

import pytest

from clipsearch.render import fonts
from clipsearch.render.fonts import choose_font, drawable, fit


@pytest.fixture
def no_system_fonts(monkeypatch):
    monkeypatch.setattr(fonts, "_SYSTEM_FONTS", ())


def test_plain_names_are_drawn_with_the_font_that_pillow_brings():
    assert choose_font("IMG_1234 (2).jpg", 20).getname()[0] == "Aileron"


def test_what_no_font_can_draw_is_a_box_and_no_code(no_system_fonts):
    font, text = fit(drawable("\U0001f469\u200d\U0001f680 \u2600\ufe0f a.jpg"), 20, 400)
    assert text == "\U0001f469\U0001f680 \u2600 a.jpg"  # what joins them would be boxes of its own
    assert (
        bytes(font.getmask("\U0001f680"))
        == bytes(font.getmask("\U0010ffff"))
        != bytes(len(bytes(font.getmask("\U0001f680"))))
    )
    assert drawable("two\nlines") == "two\\nlines"


def test_a_system_font_is_taken_for_what_it_can_draw():
    font = choose_font("café Ж.jpg", 20)
    if font.getname()[0] == "Aileron":
        pytest.skip("there is no system font here")
    assert bytes(font.getmask("Ж")) != bytes(font.getmask("\U0010ffff"))


@pytest.mark.parametrize("text", ["x" * 300 + ".jpg", "東京の写真" * 30, "a.jpg", "", "\u0301" * 40])
@pytest.mark.parametrize("width", [60, 200])
def test_a_name_is_cut_to_its_room(text, width):
    font, shown = fit(text, 20, width)
    assert font.getlength(shown) <= width
    assert shown == text or "…" in shown or "..." in shown
