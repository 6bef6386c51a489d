"""What people and scripts read."""

import json

from clipsearch.render.text import failures_table, hits_json, hits_table, human_bytes, printable, short_path
from clipsearch.schema import Failure, Hit, ImageFile, ImageInfo, ImageRecord


def hit(rank, score, path):
    return Hit(rank, score, ImageRecord(rank, ImageFile(path, 10, 0), ImageInfo(2, 1, "JPEG", "ab")))


def test_a_table_has_aligned_ranks_scores_and_short_paths():
    hits = [hit(rank, -0.5 + rank / 100, f"/photos/{rank}.jpg") for rank in range(1, 11)]
    lines = hits_table(hits, "/photos").splitlines()
    assert lines[0] == " 1  -0.4900  1.jpg"
    assert lines[9] == "10  -0.4000  10.jpg"


def test_json_keeps_the_agreed_keys_and_any_name():
    path = "/photos/caf\u00e9 \udcff\n.jpg"
    text = hits_json("q", "mini", "/photos/.clipsearch", [hit(1, 0.25, path)])
    assert text.count("\n") == 1 and "café" in text
    text.encode("utf-8")  # valid, although the name is not
    value = json.loads(text)
    assert list(value) == ["query", "model", "index", "hits"]
    assert list(value["hits"][0])[:3] == ["rank", "score", "path"]
    assert value["hits"][0]["path"] == path


def test_names_cannot_give_a_terminal_orders():
    assert printable("a\nb\x1b[31m\u202egpj.exe\udcff") == "a\\nb\\x1b[31m\\u202egpj.exe\\udcff"
    table = failures_table([Failure(ImageFile("/x/a\nb", 1, 0), "bad\x07")], "/x")
    assert table == "a\\nb\tbad\\x07\n"


def test_paths_are_shortened_only_below_the_folder():
    assert short_path("/a/b/c", "/a") == "b/c"
    assert short_path("/ab/c", "/a") == "/ab/c"
    assert short_path("/a", "/") == "a"


def test_sizes_read_well():
    assert [human_bytes(n) for n in (0, 999, 1500, 123456, 5_000_000, 2 * 10**12)] == [
        "0 B", "999 B", "1.5 kB", "123 kB", "5.0 MB", "2.0 TB",
    ]  # fmt: skip
