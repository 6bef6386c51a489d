"""Fonts for text on pictures."""

import pytest

from clipsearch.render import fonts
from clipsearch.render.fonts import choose_font, fit


@pytest.fixture
def no_system_fonts(monkeypatch):
    monkeypatch.setattr(fonts, "_SYSTEM_FONTS", ())


def test_plain_names_are_drawn_with_the_font_that_pillow_brings():
    font, text = choose_font("IMG_1234 (2).jpg", 20)
    assert text == "IMG_1234 (2).jpg" and font.getname()[0] == "Aileron"


def test_what_no_font_can_draw_is_escaped(no_system_fonts):
    assert choose_font("東京 a.jpg", 20)[1] == "\\u6771\\u4eac a.jpg"


def test_a_system_font_is_taken_for_what_it_can_draw():
    names = {font.getname()[0]: text for font, text in (choose_font("café Ж.jpg", 20),)}
    if "Aileron" in names:
        pytest.skip("there is no system font here")
    assert list(names.values()) == ["café Ж.jpg"]


@pytest.mark.parametrize("text", ["x" * 300 + ".jpg", "東京の写真" * 30, "a.jpg", "", "\u0301" * 40])
@pytest.mark.parametrize("width", [60, 200])
def test_a_name_is_cut_to_its_room(text, width):
    font, shown = fit(text, 20, width)
    assert font.getlength(shown) <= width
    assert shown == choose_font(text, 20)[1] or "…" in shown or "..." in shown
