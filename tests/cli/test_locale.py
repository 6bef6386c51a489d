"""An index means the same in every locale, also if the encoding of file names is not UTF-8 there."""

import json
import os
import subprocess
import sys

import pytest

from tests.cli.running import run_here

ASCII_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
INDEX = ("index", ".", "--model", "mini", "--exclude", "Übrig")
FOLDER, PHOTO = "Łódź", os.path.join("Łódź", "Zürich.jpg")
SIDECAR = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>東京</dc:title>'
    "<dc:subject><rdf:Bag><rdf:li>Straße</rdf:li></rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"
)
ADD_TO_ALBUM = """
import clipsearch
with clipsearch.SearchEngine.open(".") as engine:
    engine.albums.add("Trip", engine.browse(sort="name")[0])
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names of files are always UTF-8 elsewhere")


@pytest.fixture
def named(photos):
    """Four photos, and one in an excluded folder. One with a sidecar has a name in UTF-8, and one has a name in Latin-1."""
    (photos / FOLDER).mkdir()
    (photos / "red.jpg").rename(photos / PHOTO)
    (photos / FOLDER / "Zürich.xmp").write_text(SIDECAR, "utf-8")
    (photos / "Übrig").mkdir()
    (photos / "green.jpg").rename(photos / "Übrig" / "green.jpg")
    os.rename(photos / "blue.jpg", os.fsencode(photos) + b"/Z\xfcrich.jpg")
    return photos


@pytest.fixture
def in_ascii(clipsearch_process, named):
    """Run `clipsearch ...` on these photos where the encoding is ASCII."""

    def run(*arguments):
        return clipsearch_process(*arguments, cwd=named, **ASCII_LOCALE)

    return run


def test_an_index_that_was_made_in_ascii_is_well_everywhere(in_ascii, named):
    assert in_ascii(*INDEX)[0] == 0
    status, output, errors = in_ascii("verify")
    assert (status, errors) == (0, "") and "as they were written" in output
    (hit,) = json.loads(run_here("query", "red", "--keyword", "Straße", "--json", cwd=named)[1])["hits"]
    assert (hit["path"], hit["title"]) == (str(named / PHOTO), "東京")
    assert b"up to date" in run_here("status", cwd=named)[1]


def test_an_index_that_was_made_in_utf8_is_well_in_ascii(in_ascii, named):
    assert run_here(*INDEX, cwd=named)[0] == 0
    assert "nothing is damaged" in in_ascii("repair")[1]
    assert "up to date" in in_ascii("status")[1]
    found = in_ascii("query", "red", "--where", 'title = "東京" and path ~ "łódź/ZÜ*"', "--json")[1]
    assert [hit["title"] for hit in json.loads(found)["hits"]] == ["東京"]


def test_albums_and_exports_have_the_same_names_everywhere(in_ascii, named):
    assert run_here(*INDEX, cwd=named)[0] == 0
    add = [sys.executable, "-c", ADD_TO_ALBUM]
    files = []
    for environment, run in ((ASCII_LOCALE, in_ascii), ({}, lambda *words: run_here(*words, cwd=named))):
        subprocess.run(add, cwd=named, env=os.environ | environment, check=True, timeout=120)
        for words in (("albums", "Trip", "--m3u", "x.m3u8"), ("export", "x.csv"), ("export", "x.parquet")):
            assert run(*words, "--force")[0] == 0, words
        written = [*sorted(named.glob("x.*")), named / ".clipsearch" / "albums.json"]
        files.append([path.read_bytes() for path in written])
    assert len(files[0]) == 4 and files[0] == files[1]
    status, output, errors = in_ascii("import", "x.parquet", "--json")
    assert status == 0 and json.loads(output)["unchanged"] == 4, errors
