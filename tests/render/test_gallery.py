"""The gallery as a file: its contents, and that hostile names stay plain text."""

import base64
import hashlib
import io
import os
import re
import sys
from html.parser import HTMLParser
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest
from PIL import Image

from clipsearch.errors import ClipsearchError
from clipsearch.render import gallery as module
from clipsearch.render.gallery import SIZES, LabelledPhotos, check_gallery, hits_gallery, photos_gallery, save_gallery
from clipsearch.types import Moment
from tests.conftest import COLOURS, save_pages, save_photo
from tests.render.support import ANOTHER_DAY, hit

EXPLAINED = {"considered": 47, "images": 47, "model": "mini", "filters": []}
HOSTILE = (
    "</script><script>alert(1)</script>.jpg", '"><img src=x onerror=alert(1)>.jpg', "'; alert(1);.jpg", "\u202egpj.exe",
    "a\nb\x1b[31m.jpg", "caf\udce9.jpg", "$title $$ ${style}.jpg", "--><!--.jpg", "\u0085\r.jpg",
)  # fmt: skip


class Page(HTMLParser):
    """Parses a page: its elements as (tag, attributes), and the text of each style, script and title."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self._open = [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._open = tag

    def handle_data(self, data):
        self.texts.setdefault(self._open, []).append(data)

    def handle_endtag(self, tag):
        self._open = None

    def all(self, tag, **attributes):
        return [values for name, values in self.elements if name == tag and attributes.items() <= values.items()]


def saved(hits, tmp_path, title="a query", **more):
    path = tmp_path / "page.html"
    save_gallery(hits_gallery(hits, title, EXPLAINED, **more), path, force=True)
    return path.read_text("utf-8")


def pictures(page):
    sources = [found["src"] for found in page.all("img")]
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    return [Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) for source in sources]


def test_each_photo_is_there_with_what_is_known_of_it(photos, tmp_path):
    hits = [
        hit(1, photos / "red.jpg", 0.31, 0.97, ANOTHER_DAY, "Pixel 8", (48.14, -11.58)),
        hit(2, photos / "trip" / "grey.png", 0.2),
    ]
    text = saved(hits, tmp_path)
    page = Page(text)
    assert page.texts["title"] == ["a query"] and "2 of 47 photos" in text
    for said in (
        "red.jpg",
        "trip/grey.png",
        "97%",
        "0.3100",
        "0.20",
        "2024-07-15 12:30",
        "Pixel 8",
        "48.1400° N, 11.5800° W",
    ):
        assert said in text
    colours = [np.asarray(picture.convert("RGB")).mean(axis=(0, 1)) for picture in pictures(page)]
    assert np.allclose(colours, [COLOURS["red"], COLOURS["grey"]], atol=8)


def test_cards_are_light_and_the_larger_view_has_every_digit(photos, tmp_path):
    hits = [
        hit(1, photos / "red.jpg", 0.3123, 0.97, ANOTHER_DAY, "Pixel 8", (48.14, -11.58)),
        hit(2, photos / "trip" / "grey.png", 0.2345),
    ]
    text = saved(hits, tmp_path)
    cards = re.findall(r'<p class="(?:caption|more)">.*?</p>', text)
    assert "<dd>40 x 30</dd>" in text  # megapixels would be 0.0
    assert len(cards) == 3 and not [card for card in cards if re.search(r"\d\.\d{3}|Pixel|/grey|\u00b0", card)]
    assert "0.3123" in text and "0.2345" in text and "48.1400\u00b0 N" in text and "Pixel 8" in text


def test_nothing_comes_from_elsewhere_and_only_our_own_script_runs(photos, tmp_path):
    page = Page(saved([hit(1, photos / "red.jpg")], tmp_path))
    (policy,) = [found["content"] for found in page.all("meta") if "http-equiv" in found]
    for tag in ("style", "script"):
        (text,) = page.texts[tag]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert not {tag for tag, _ in page.elements} & {"link", "iframe", "object", "base", "form"}
    assert not [found for _, found in page.elements if "style" in found or any(name.startswith("on") for name in found)]
    assert not page.all("script")[0]


def test_no_name_and_no_title_is_more_than_text(tmp_path):
    plain = Page(saved([hit(1, f"/photos/{number}.jpg", camera="c") for number in range(len(HOSTILE))], tmp_path))
    hits = [hit(1, f"/photos/{name}", camera=name) for name in HOSTILE]
    for title in HOSTILE:
        text = saved(hits, tmp_path, title)
        page = Page(text)
        assert [(tag, sorted(values)) for tag, values in page.elements] == [
            (tag, sorted(values)) for tag, values in plain.elements
        ]
        assert all(character.isprintable() or character == "\n" for character in text)
    assert len(page.all("script")) == 1 and "${style}.jpg" in text


@pytest.mark.skipif(sys.platform != "linux", reason="names that other systems do not take")
def test_links_lead_to_the_photos_byte_for_byte(tmp_path):
    names = ["a b#c?.jpg", "caf\udce9 100%.jpg", "x:y.jpg", "\u6771\n.jpg"]
    for name in names:
        save_photo(tmp_path / "plain.jpg").rename(tmp_path / name)
    below = Page(saved([hit(1, tmp_path / name) for name in names], tmp_path)).all("li")
    assert [unquote_to_bytes(item["data-href"]) for item in below] == [b"./" + os.fsencode(name) for name in names]
    assert below[0]["data-relative"] == names[0] and below[0]["data-path"] == str(tmp_path / names[0])
    (beside,) = Page(saved([hit(1, "/else/where #1.jpg")], tmp_path)).all("li")
    assert beside["data-href"] == "file:///else/where%20%231.jpg" and "data-relative" not in beside


def test_a_photo_that_cannot_be_read_keeps_its_place_and_says_why(photos, tmp_path):
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff no more")
    text = saved([hit(1, photos / "gone.jpg"), hit(2, photos / "broken.jpg"), hit(3, photos / "red.jpg")], tmp_path)
    assert len(pictures(Page(text))) == 1
    assert (
        "cannot be read: it is not there any more, or its drive is not connected" in text
        and text.count("cannot be read") == 2
    )


def test_a_photo_whose_drive_is_away_says_so_without_the_folders_above(tmp_path):
    text = saved([hit(1, tmp_path / "drive" / "trip" / "a.jpg")], tmp_path)
    assert '<span class="missing">cannot be read: the folder drive is away; mount its drive</span>' in text


def test_tiles_have_the_shape_of_their_photos(tmp_path):
    hits = []
    for rank, size in enumerate([(40, 30), (30, 40), (400, 10), (10, 400)], 1):
        photo = hit(rank, save_photo(tmp_path / f"{rank}.png", size=size))
        object.__setattr__(photo.record.info, "width", size[0])
        object.__setattr__(photo.record.info, "height", size[1])
        hits.append(photo)
    text = saved(hits, tmp_path)
    assert [item["class"] for item in Page(text).all("li")] == ["r133", "r75", "r240 whole", "r66 whole"]
    assert ".r133 { --r: 1.33; }" in text


def test_many_photos_are_smaller_ones_and_too_many_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SIZES", ((1, 200), (2, 100)))
    monkeypatch.setattr(module, "MOST", 3)
    path = save_photo(tmp_path / "a.jpg", size=(400, 300))
    sizes = [
        {picture.size for picture in pictures(Page(saved([hit(1, path)] * count, tmp_path)))} for count in (1, 2, 3)
    ]
    assert sizes == [{(200, 150)}, {(100, 75)}, {(100, 75)}]
    grouped = [hit(rank, path, taken_at=ANOTHER_DAY if rank < 3 else None) for rank in range(1, 6)]
    page = hits_gallery(grouped, "t", EXPLAINED, "day")
    assert [(section.title, section.note) for section in page.sections] == [
        ("2024-07-15", "2 photos"),
        ("no date", "3 photos"),
    ]
    assert save_gallery(page, tmp_path / "b.html") == 2
    assert "and 2 more photos" in (tmp_path / "b.html").read_text("utf-8")
    assert SIZES[-1][0] == 1000


def test_labels_keep_their_likeliest_photos(tmp_path, monkeypatch):
    monkeypatch.setattr("clipsearch.render.gallery.MOST", 2)
    page = LabelledPhotos(["cat", "dog", "cow"])
    for rank, (label, match) in enumerate([("dog", 0.72), ("cat", 0.09), ("dog", 0.81), ("cat", 0.7)], 1):
        page.add(hit(rank, f"/{rank}.jpg").record, [(label, match, 0.9), ("cow", 0.05, 0.1)])
    gallery = page.gallery("mini")
    shown = [
        (section.title, section.note, [card.record.image_id for card in section.cards]) for section in gallery.sections
    ]
    assert shown == [("dog", "2 photos", [3, 1])]  # dogs: 0.81 and 0.72; cats: only 0.7 and 0.09
    assert "4 photos" in gallery.about[0]


def test_an_empty_answer_is_a_page_that_says_so(tmp_path):
    assert "no photo was found" in saved([], tmp_path)


@pytest.mark.parametrize(
    ("name", "message"), [("a.txt", "an .html file"), ("no/a.html", "no folder"), ("d.html", "is a folder")]
)
def test_wrong_names_are_told_before_a_search(tmp_path, name, message):
    (tmp_path / "d.html").mkdir()
    with pytest.raises(ClipsearchError, match=message):
        check_gallery(tmp_path / name, force=False)


def test_a_file_is_replaced_only_by_force_and_never_by_half(photos, tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    path.write_text("mine")
    page = hits_gallery([hit(1, photos / "red.jpg")], "t", EXPLAINED)
    with pytest.raises(ClipsearchError, match="force=True"):
        save_gallery(page, path)
    monkeypatch.setattr(module, "_img", lambda picture: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_gallery(page, path, force=True)
    assert path.read_text() == "mine"
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_file()] == ["page.html"]


def test_moments_are_counted_as_moments_of_files(photos):
    moments = [hit(rank, photos / "red.jpg") for rank in (1, 2)]
    assert hits_gallery(moments, "t", {**EXPLAINED, "all_moments": True}).about[0].startswith("2 moments of 47 photos")
    assert photos_gallery([one.record for one in moments], "t").about[0].startswith("2 moments of 1 photo ")


def test_a_moment_is_shown_named_and_played_from(tmp_path):
    scan = save_pages(tmp_path / "scan.tif", "red", "blue")
    film = tmp_path / "film.mp4"
    page = Page(
        saved([hit(1, scan, moment=Moment("page", 2)), hit(2, film, moment=Moment("second", 42.104))], tmp_path)
    )
    (picture,) = pictures(page)
    assert np.allclose(picture.getpixel((5, 5)), COLOURS["blue"], atol=6)
    assert [button["aria-label"] for button in page.all("button", **{"class": "picture"})] == [
        "1 scan.tif (page 2)",
        "2 film.mp4 (at 0:42)",
    ]
    assert [tile["data-href"] for tile in page.all("li")] == ["./scan.tif", "./film.mp4#t=42.104"]
    assert "at 0:42" in page.texts["dd"] and {"page 2", "at 0:42"} <= set(page.texts["p"])
