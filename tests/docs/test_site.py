"""The site builds without a warning, loads nothing from other servers, and names only files that exist."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from tests.conftest import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
_LOADED = {
    "audio": "src",
    "embed": "src",
    "iframe": "src",
    "img": "src",
    "link": "href",
    "object": "data",
    "script": "src",
}
_NOT_LOADED = {"canonical", "next", "prev", "author", "license"}


class _Loaded(HTMLParser):
    """The addresses that a browser fetches by itself for a page."""

    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "link" and attributes.get("rel") in _NOT_LOADED:
            return
        if address := attributes.get(_LOADED.get(tag)):
            self.addresses.append(address)
        self.addresses += re.findall(r"url\(([^)]*)\)", attributes.get("style") or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site. Its sources are copied, so that nothing is written into this folder."""
    pytest.importorskip("zensical")
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "docs", folder / "docs")
    for path in [*ROOT.glob("*.md"), ROOT / "zensical.toml", *(ROOT / "clipsearch").rglob("*.md")]:
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    build = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert build.returncode == 0, build.stdout + build.stderr
    return folder / "build" / "site"


def test_it_has_every_page(site):
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    assert len(pages) > 20
    assert not [page for page in pages if not (site / page).is_file()]


def test_no_page_loads_anything_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert pages
    for page in pages:
        parser = _Loaded()
        parser.feed(page.read_text("utf-8"))
        assert parser.addresses, page
        foreign = [address for address in parser.addresses if re.match(r"(https?:)?//", address)]
        assert not foreign, f"{page.name} loads {foreign}"
    for style in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import )['\"]?(?:https?:)?//", style.read_text("utf-8")), style


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "zensical.toml").read_text("utf-8")
    named = set(re.findall(r'"([\w/-]+\.md)"', navigation))
    assert named == {str(path.relative_to(ROOT / "docs").as_posix()) for path in (ROOT / "docs").rglob("*.md")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_file_that_a_page_names_is_there(page):
    text = page.read_text("utf-8")
    links = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    for target in links:
        if target and not target.startswith(("http:", "https:", "mailto:")):
            assert (page.parent / target).exists(), target
    paths = re.findall(
        r"(?<![\w./-])((?:scripts|tests|tools|benchmarks|training|examples|clipsearch)/[\w./-]*\w)", text
    )
    for path in paths:
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_page_shows_this_machine(page):
    assert not re.search(r"(?<![\w.])/(root|work|tmp|private|Users)/", page.read_text("utf-8"))
