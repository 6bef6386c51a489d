"""The list of formats matches the code, and the documentation is written from it."""

from PIL import Image

from clipsearch.images.file_types import COMMON_FORMATS, FORMATS, RAW_FORMATS, is_image_name
from tests.conftest import ROOT

VIDEOS = next(kind.suffixes.split() for kind in FORMATS if kind.name == "video")
BY_OTHERS = {".heic", ".heif", ".hif", ".jxl", ".psb", *(f".{name.lower()}" for name in RAW_FORMATS), *VIDEOS}
SUFFIXES = [suffix for kind in FORMATS for suffix in kind.suffixes.split()]


def test_every_suffix_is_of_a_format_that_is_decoded():
    Image.init()
    assert set(SUFFIXES) - BY_OTHERS <= {*Image.EXTENSION, ".cur", ".dcx", ".fli", ".flc"}
    assert set(SUFFIXES) >= BY_OTHERS
    assert len(SUFFIXES) == len(set(SUFFIXES))


def test_a_file_with_any_of_them_counts_as_a_photo():
    assert all(is_image_name(f"x{suffix}") and is_image_name(f"X{suffix.upper()}") for suffix in SUFFIXES)


def test_the_readme_names_the_common_formats_and_the_page_names_all():
    readme = (ROOT / "README.md").read_text("utf-8")
    page = (ROOT / "docs" / "reference" / "formats.md").read_text("utf-8")
    assert set(COMMON_FORMATS) <= {kind.name for kind in FORMATS}
    assert all(name in readme for name in (*COMMON_FORMATS, *RAW_FORMATS))
    assert all(f"`{suffix}`" in page for suffix in SUFFIXES)
