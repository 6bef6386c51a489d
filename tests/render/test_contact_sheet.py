"""Sheets of thumbnails."""

import os

import numpy as np
import pytest
from PIL import Image

from clipsearch.errors import ClipsearchError
from clipsearch.render import contact_sheet
from clipsearch.render.contact_sheet import A4, MOST, check_sheet, draw_sheets, one_sheet, save_contact_sheet
from clipsearch.types import Moment
from tests.conftest import COLOURS, save_pages
from tests.render.support import hit


@pytest.fixture
def hits(photos):
    return [hit(1, photos / "red.jpg", 0.31, 0.99), hit(2, photos / "gone.jpg", 0.3), hit(3, photos / "blue.jpg", 0.29)]


def test_photos_are_in_order_and_a_missing_one_keeps_its_place(hits):
    layout = one_sheet(len(hits))
    (sheet,) = draw_sheets(hits, "a query", layout)
    assert sheet.size == layout.size
    y = layout.margin + layout.title + layout.tile[1] // 2
    step = layout.tile[0] + layout.gap
    middles = [sheet.getpixel((layout.margin + layout.tile[0] // 2 + place * step, y)) for place in (0, 2)]
    assert np.allclose(middles, [COLOURS["red"], COLOURS["blue"]], atol=6)
    x = layout.margin + step
    missing = np.asarray(sheet.crop((x, y - 20, x + layout.tile[0], y + 20)))
    assert missing.max() == 240 and missing.min() < 180  # a tile with words on it


def test_the_page_of_a_hit_is_drawn(tmp_path):
    scan = save_pages(tmp_path / "scan.tif", "red", "green", "blue")
    layout = one_sheet(2)
    hits = [hit(1, scan, moment=Moment("page", 3)), hit(2, scan, moment=Moment("page", 2))]
    (sheet,) = draw_sheets(hits, "a query", layout)
    y, step = layout.margin + layout.title + layout.tile[1] // 2, layout.tile[0] + layout.gap
    middles = [sheet.getpixel((layout.margin + layout.tile[0] // 2 + place * step, y)) for place in (0, 1)]
    assert middles == [COLOURS["blue"], COLOURS["green"]]


def test_there_is_text_over_and_under_the_pictures(hits):
    layout = one_sheet(len(hits))
    (sheet,) = draw_sheets(hits, "a query", layout)
    below = layout.margin + layout.title + layout.tile[1]
    for box in ((0, 0, sheet.width, layout.margin + layout.title), (0, below + 2, sheet.width, below + layout.caption)):
        assert np.asarray(sheet.crop(box)).min() < 100


@pytest.mark.parametrize("count", [1, 2, 3, 5, 10, 37, MOST])
def test_one_sheet_has_room_for_all_and_no_empty_row(count):
    layout = one_sheet(count)
    assert layout.columns * (layout.rows - 1) < count <= layout.columns * layout.rows
    assert max(layout.size) < 65_000  # JPEG's limit is 65,535


def test_any_name_can_be_drawn(photos):
    names = ["x" * 250 + ".jpg", "東京\n\x1b[31m.jpg", "caf\udce9.jpg", "صورة.jpg", "\u202egpj.exe", " "]
    (sheet,) = draw_sheets(
        [hit(rank, f"/photos/{name}") for rank, name in enumerate(names, 1)], "\n" * 500, one_sheet(6)
    )
    assert sheet.getpixel((sheet.width - 1, 50)) == (255, 255, 255)  # the margin stays free


@pytest.mark.parametrize(("suffix", "kind"), [(".jpg", "JPEG"), (".JPEG", "JPEG"), (".png", "PNG")])
def test_the_suffix_says_the_format(hits, tmp_path, suffix, kind):
    path = tmp_path / f"sheet{suffix}"
    assert save_contact_sheet(hits, path, "q") == 1
    with Image.open(path) as sheet:
        sheet.load()
        assert sheet.format == kind


@pytest.mark.parametrize(("count", "pages"), [(1, 1), (20, 1), (21, 2), (45, 3)])
def test_a_pdf_has_as_many_pages_as_it_needs(photos, tmp_path, count, pages):
    hits = [hit(rank, photos / "red.jpg") for rank in range(1, count + 1)]
    assert A4.columns * A4.rows == 20 and A4.size[0] <= 1654 and A4.size[1] <= 2339
    assert save_contact_sheet(hits, tmp_path / "s.pdf", "q (1) \\ \u6771") == pages
    from PIL.PdfParser import PdfParser

    with PdfParser(os.fspath(tmp_path / "s.pdf")) as pdf:
        assert len(pdf.pages) == pages
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["s.pdf"]


def test_a_file_is_overwritten_only_by_force(hits, tmp_path):
    path = tmp_path / "sheet.png"
    path.write_text("mine")
    with pytest.raises(ClipsearchError, match="force=True"):
        save_contact_sheet(hits, path, "q")
    assert path.read_text() == "mine"
    save_contact_sheet(hits, path, "q", force=True)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_sheet_that_fails_leaves_what_was_there(hits, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("no space")

    monkeypatch.setattr(contact_sheet, "_draw", fail)
    before = set(tmp_path.iterdir())
    for name in ("new.jpg", "new.pdf"):
        with pytest.raises(ClipsearchError, match="no space"):
            save_contact_sheet(hits, tmp_path / name, "q")
    assert set(tmp_path.iterdir()) == before
    (tmp_path / "old.jpg").write_text("mine")
    with pytest.raises(ClipsearchError, match="no space"):
        save_contact_sheet(hits, tmp_path / "old.jpg", "q", force=True)
    assert (tmp_path / "old.jpg").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "message"),
    [("sheet.gif", "a .jpg, .png or .pdf"), ("no/sheet.jpg", "no folder"), ("sheet", "rename sheet")],
)
def test_wrong_names_are_told_before_a_search(tmp_path, name, message):
    with pytest.raises(ClipsearchError, match=message):
        check_sheet(tmp_path / name, force=False)


def test_too_few_and_too_many_photos(tmp_path):
    with pytest.raises(ClipsearchError, match="no photo was found"):
        save_contact_sheet([], tmp_path / "a.jpg", "q")
    with pytest.raises(ClipsearchError, match=r"write a \.pdf"):
        save_contact_sheet([hit(1, "/a.jpg")] * (MOST + 1), tmp_path / "a.jpg", "q")
    assert not list(tmp_path.iterdir())
