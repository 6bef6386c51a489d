"""What people and scripts read."""

from clipsearch.render.tables import failures_table
from clipsearch.render.text import human_bytes, percent, printable, short_path
from clipsearch.types import Failure, ImageFile


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
        "0 B",
        "999 B",
        "1.5 kB",
        "123 kB",
        "5.0 MB",
        "2.0 TB",
    ]


def test_nothing_is_certain():
    assert [percent(p) for p in (0.0, 0.005, 0.006, 0.5, 0.994, 0.996, 1.0)] == [
        "<1%",
        "<1%",
        "1%",
        "50%",
        "99%",
        ">99%",
        ">99%",
    ]
