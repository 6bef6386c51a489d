"""Hits in a notebook and as a data frame."""

import base64
import io
import sys
from datetime import datetime, timezone
from html.parser import HTMLParser
from math import nan

import numpy as np
import pytest
from PIL import Image

from clipsearch.errors import ClipsearchError
from clipsearch.render.csv_output import FIELDS, FLOATS
from clipsearch.render.notebook import MOST
from clipsearch.types import Moment
from tests.conftest import COLOURS, save_pages
from tests.render.support import ANOTHER_DAY, answer, hit


class Page(HTMLParser):
    """The tags of a page and its text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_a_notebook_shows_thumbnails_that_need_no_other_file(photos):
    page = Page(answer(hit(1, photos / "red.jpg", 0.25, 0.87), hit(2, photos / "gone.jpg"))._repr_html_())
    (source,) = [attributes["src"] for tag, attributes in page.tags if tag == "img"]
    kind, _, data = source.partition(",")
    assert kind == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (32, 24)
    assert "87%, 0.2500" in page.text and "cannot be read" in page.text and "gone.jpg" in page.text


def test_a_notebook_shows_the_page_of_a_hit(tmp_path):
    scan = save_pages(tmp_path / "scan.tif", "red", "blue")
    page = Page(answer(hit(1, scan, moment=Moment("page", 2)))._repr_html_())
    (source,) = [attributes["src"] for tag, attributes in page.tags if tag == "img"]
    picture = Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))
    assert np.allclose(picture.getpixel((5, 5)), COLOURS["blue"], atol=6) and "scan.tif (page 2)" in page.text


@pytest.mark.parametrize("name", ['<img src=x onerror="alert(1)">.jpg', "a\"'><script>.jpg", "a\n\udcff.jpg"])
def test_a_name_is_only_ever_text(name):
    html = answer(hit(1, f"/photos/{name}"))._repr_html_()
    html.encode("utf-8")
    page = Page(html)
    assert {tag for tag, _ in page.tags} == {"div", "figure", "figcaption", "b", "br"}
    assert all(set(attributes) <= {"style", "title"} for _, attributes in page.tags)


def test_a_notebook_shows_only_so_many(photos):
    html = answer(*(hit(rank, photos / "gone.jpg") for rank in range(1, MOST + 4)))._repr_html_()
    assert html.count("<figure") == MOST and "and 3 more" in html
    assert "no photos" in answer()._repr_html_()


def test_a_data_frame_has_a_row_a_hit():
    pandas = pytest.importorskip("pandas")
    hits = answer(
        hit(1, "/photos/a.jpg", 0.123456789, 0.5, ANOTHER_DAY, gps=(1.5, -2.5)),
        hit(2, "/photos/b.jpg", taken_at=datetime(2020, 1, 1)),
        hit(3, "/photos/c.jpg", taken_at=datetime(2022, 1, 1, tzinfo=timezone.utc)),
    )
    frame = hits.to_pandas()
    assert tuple(frame.columns) == FIELDS and list(frame["rank"]) == [1, 2, 3]
    assert frame["score"][0] == 0.123456789 and pandas.isna(frame["match"][1])
    assert frame["taken_at"].dt.year.tolist() == [2024, 2020, 2022]
    assert frame.sort_values("taken_at")["rank"].tolist() == [2, 3, 1]
    listed = answer(hit(1, "/photos/a.jpg", nan, None, None)).to_pandas()
    assert {str(listed[name].dtype) for name in FLOATS} == {"float64"} and listed["taken_at"].isna().all()
    nothing = answer().to_pandas()
    assert tuple(nothing.columns) == FIELDS
    assert nothing.dtypes.to_dict() == listed.dtypes.to_dict() == frame.dtypes.to_dict()
    assert nothing["path"].str.endswith(".jpg").sum() == 0 and nothing["width"].dtype == "int64"
    assert all(name in (answer().to_pandas.__doc__ or "") for name in FIELDS)  # the reference names them


def test_a_missing_pandas_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ClipsearchError, match=r"clipsearch\[pandas\]"):
        answer().to_pandas()
