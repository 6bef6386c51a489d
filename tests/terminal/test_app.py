"""`browse` on a real index of real photos, controlled by keys."""

import asyncio
import os
import shutil
import subprocess
import sys
import threading

import pytest
from PIL import Image

from clipsearch.engine import SearchEngine
from clipsearch.errors import ClipsearchError
from clipsearch.query.filters import parse_where
from clipsearch.terms import Query
from tests.conftest import PHOTOS

pytest.importorskip("textual", reason="needs textual, which is not installed")

from textual.events import Paste
from textual.widgets import DataTable, Input, Static

from clipsearch.terminal.app import BrowseApp

NAMES = (
    "cat.png", "clock.jpg", "coffee.jpg", "dogs-window.jpg", "fig.jpg", "giraffe.jpg", "kite.jpg", "kitten.jpg", "lute.jpg",
    "rio.jpg", "rocket.jpg", "wave.jpg",
)  # fmt: skip


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Some photos, indexed by mini. One name looks like markup."""
    folder = tmp_path_factory.mktemp("browse") / "photos"
    folder.mkdir()
    for name in NAMES:
        shutil.copy(PHOTOS / name, folder)
    (folder / "wave.jpg").rename(folder / "[red]wave[.jpg")
    with SearchEngine.open(folder, model="mini") as engine:
        engine.index()
    return folder


@pytest.fixture
def browse(photos, monkeypatch):
    """Run a coroutine with the app's pilot. `browse.opened` lists the opened photos."""
    monkeypatch.chdir(photos)

    def run(test, *filters, size=(120, 40), engine=None, **options):
        async def main():
            opened_engine = engine or SearchEngine.open(photos)
            show = run.opened.append
            app = BrowseApp(opened_engine, lambda record: show(record.file.path), Query((), filters), **options)
            app.copied = []
            app.copy_to_clipboard = app.copied.append
            async with app.run_test(size=size) as pilot:
                await settled(pilot)
                await test(pilot, app)
            assert app.return_code in (0, None)

        run.opened = []
        asyncio.run(main())

    run.opened = []
    return run


async def settled(pilot):
    """Wait until the app has answered and drawn everything."""
    for _ in range(400):
        await pilot.pause(0.02)
        if not any(worker.is_running for worker in pilot.app.workers):
            await pilot.pause()
            if not any(worker.is_running for worker in pilot.app.workers):
                return
    raise AssertionError("it never comes to rest")


def listed(app):
    table = app.query_one(DataTable)
    return [table.get_row_at(place)[-1].plain for place in range(table.row_count)]


def state(app):
    return str(app.query_one("#state", Static).render())


def drawn(app):
    """The cells of the preview: their text and their colours."""
    picture = app.query_one("#picture", Static)
    return [(part.text, part.style) for y in range(picture.size.height) for part in picture.render_line(y)]


def drawn_text(app):
    return "".join(text for text, _ in drawn(app))


def footer(app):
    return [key.description for key in app.query("FooterKey")]


async def type_text(pilot, text):
    pilot.app.query_one(Input).value += text
    await settled(pilot)


def test_it_begins_with_all_photos_and_shows_one(browse):
    async def test(pilot, app):
        assert (
            len(listed(app)) == len(NAMES) and f"{len(NAMES)} photos" in state(app) and "[red]wave[.jpg" in listed(app)
        )
        assert "▀" in drawn_text(app) and app.query_one(Input).has_focus

    browse(test)


def test_the_photos_change_as_one_types_and_down_chooses_another(browse):
    async def test(pilot, app):
        await pilot.press(*"a", "space", *"cup", "space", *"of", "space", *"coffee")
        await settled(pilot)
        assert listed(app)[0] == "coffee.jpg" and f"of {len(NAMES)} photos" in state(app)
        row = [cell.plain for cell in app.query_one(DataTable).get_row_at(0)]
        assert row[0] == "1" and 0 < float(row[1]) < 1 and row[2].endswith("%")
        before = drawn(app)
        await pilot.press("down")
        await settled(pilot)
        assert app.query_one(DataTable).cursor_row == 1 and drawn(app) != before and app.query_one(Input).has_focus

    browse(test)


def test_a_shot_is_one_photo_until_f_shows_every_file(browse, tmp_path):
    for number, name in enumerate(("coffee.jpg", "giraffe.jpg"), 1):
        shutil.copy(PHOTOS / name, tmp_path / f"IMG_000{number}.jpg")
    Image.open(PHOTOS / "coffee.jpg").save(tmp_path / "IMG_0001.png")
    with SearchEngine.open(tmp_path, model="mini") as engine:
        engine.index()

    async def one_of_each(pilot, app):
        names = [os.path.basename(name) for name in listed(app)]
        assert sorted(names) in (
            ["IMG_0001.jpg (+1 file)", "IMG_0002.jpg"],
            ["IMG_0001.png (+1 file)", "IMG_0002.jpg"],
        )
        assert "3 photos" in state(app)
        await type_text(pilot, "a cup of coffee")
        assert listed(app)[0].endswith("(+1 file)") and len(listed(app)) == 2
        facts = str(app.query_one("#facts", Static).render())
        assert "IMG_0001.jpg" in facts and "IMG_0001.png" in facts
        await pilot.press("enter", "f")
        await settled(pilot)
        assert len(listed(app)) == 3 and not any("+1" in name for name in listed(app))
        await pilot.press("escape")
        await settled(pilot)
        assert len(listed(app)) == 3 and "3 photos" in state(app)

    browse(one_of_each, engine=SearchEngine.open(tmp_path))

    async def all_files(pilot, app):
        assert len(listed(app)) == 3

    browse(all_files, engine=SearchEngine.open(tmp_path), every_file=True)


def test_enter_opens_c_copies_and_s_looks_for_more(browse, photos):
    async def test(pilot, app):
        await type_text(pilot, "a cup of coffee")
        await pilot.press("enter")
        assert app.query_one(DataTable).has_focus and browse.opened == []
        await pilot.press("enter")
        assert browse.opened == [str(photos / "coffee.jpg")]
        await pilot.press("c")
        await pilot.pause()
        assert app.copied == [str(photos / "coffee.jpg")] and "copied" in state(app)
        await pilot.press("s")
        await settled(pilot)
        assert "coffee.jpg" not in listed(app) and "like coffee.jpg" in state(app) and app.query_one(Input).value == ""
        await pilot.press("escape")
        await settled(pilot)
        assert len(listed(app)) == len(NAMES) and app.query_one(Input).has_focus

    browse(test)


def test_only_what_is_relevant(browse):
    async def test(pilot, app):
        await type_text(pilot, "a cup of coffee")
        every = listed(app)
        await pilot.press("tab", "r")
        await settled(pilot)
        few = listed(app)
        assert 0 < len(few) < len(every) and few[0] == "coffee.jpg" and "that match" in state(app)
        await pilot.press("r")
        await settled(pilot)
        assert listed(app) == every
        await pilot.press("r")
        app.query_one(Input).value = "zzz qqqq"
        await settled(pilot)
        assert listed(app) == [] and state(app).startswith(f"none of {len(NAMES)} photos match. The best match is ")
        assert state(app).endswith("%. r in the list shows all")
        await pilot.press("escape")
        await settled(pilot)
        await pilot.press("tab", "r")
        await settled(pilot)
        assert listed(app) and state(app) == "the next text shows all photos"

    browse(test)


def test_plus_and_minus_mark_photos_and_u_takes_a_mark_back(browse):
    async def test(pilot, app):
        await pilot.press("tab", "plus")
        assert "look for something first" in state(app)
        app.query_one(Input).focus()
        await type_text(pilot, "an animal")
        found = listed(app)
        await pilot.press("tab", "minus")
        await settled(pilot)
        assert sorted(listed(app)) == sorted(found[1:]) and "1 wrong, u unmarks" in state(app)
        app.query_one(DataTable).move_cursor(row=listed(app).index("lute.jpg"))
        await pilot.press("plus")
        await settled(pilot)
        row = listed(app).index("lute.jpg")
        assert row < found.index("lute.jpg") and "1 right, 1 wrong" in state(app)
        assert app.query_one(DataTable).get_row_at(row)[0].plain == f"+{row + 1}"
        await pilot.press("u", "u")
        await settled(pilot)
        assert listed(app) == found and "unmarks" not in state(app)

    browse(test)


def test_filters_hold_for_all_of_it(browse):
    async def test(pilot, app):
        matching = listed(app)
        assert 0 < len(matching) < len(NAMES) and all(name.endswith(".png") for name in matching)
        await type_text(pilot, "a cat")
        assert sorted(listed(app)) == sorted(matching)

    browse(test, parse_where("format = png"))

    async def none(pilot, app):
        reason = "no photo was found. No photo has the format GIF; there are JPEG and PNG"
        assert state(app) == reason and listed(app) == []
        await type_text(pilot, "a cat")
        assert state(app) == reason
        await pilot.press("enter", "enter", "c", "plus")
        await settled(pilot)
        assert state(app) == reason and not {"open", "next", "copy the path", "right"}.intersection(footer(app))

    browse(none, parse_where("format = gif"))


def test_what_cannot_be_understood_is_said_and_the_next_key_is_answered(browse):
    async def test(pilot, app):
        await type_text(pilot, "a dog +")
        assert "nothing after the +" in state(app) and app.query_one("#state").has_class("wrong")
        await type_text(pilot, " a window")
        assert listed(app)[0] == "dogs-window.jpg" and not app.query_one("#state").has_class("wrong")

    browse(test)


def test_what_cannot_be_opened_is_said(browse, monkeypatch):
    async def test(pilot, app):
        def fail(record):
            raise ClipsearchError("there is no xdg-open here")

        app._show = fail
        await pilot.press("enter", "enter")
        await pilot.pause()
        assert "no xdg-open" in state(app) and app.query_one("#state").has_class("wrong")

    browse(test)


def test_a_photo_that_is_gone_says_so(browse, photos):
    hidden = photos / "cat.png"
    away = photos / "cat.away"
    hidden.rename(away)
    try:

        async def test(pilot, app):
            await type_text(pilot, "a cat")
            place = listed(app).index("cat.png")
            app.query_one(DataTable).move_cursor(row=place)
            await settled(pilot)
            assert "cannot be read: it is not there any more" in " ".join(drawn_text(app).split())

        browse(test)
    finally:
        away.rename(hidden)


def test_a_page_is_named_and_drawn_and_what_to_look_for_is_said(browse, tmp_path):
    (tmp_path / "scans").mkdir()
    first, second = (Image.open(PHOTOS / name).convert("RGB") for name in ("rocket.jpg", "coffee.jpg"))
    first.save(tmp_path / "scans" / "scan.tif", save_all=True, append_images=[second])
    engine = SearchEngine.open(tmp_path / "scans", model="mini")
    engine.index()

    async def test(pilot, app):
        app._show = lambda record: f"look at {record.moment}"
        assert listed(app)[0].endswith("scan.tif")
        before = drawn(app)
        await type_text(pilot, "a cup of coffee")
        assert listed(app)[0].endswith("scan.tif (page 2)") and drawn(app) != before
        await pilot.press("enter", "enter")
        await pilot.pause()
        assert state(app) == "look at page 2"
        await pilot.press("a")
        await settled(pilot)
        assert [name.rpartition("/")[2] for name in listed(app)] == ["scan.tif (page 2)", "scan.tif (page 1)"]
        assert state(app).startswith("2 moments of 1 photo, in")
        await pilot.press("down")
        for width in (80, 40, 20, 60):  # the path is longer than each
            await pilot.resize_terminal(width, 24)
            await settled(pilot)
            table = app.query_one(DataTable)
            assert "…" in listed(app)[0] and "/scan.tif" in listed(app)[0]
            assert table.virtual_size.width <= table.size.width and table.cursor_row == 1
            assert app.query_one("#side").display == (width >= 70)
        await pilot.press("a")
        await settled(pilot)
        assert len(listed(app)) == 1 and state(app).startswith("1 of 1 photo, in")

    browse(test, engine=engine)


class SlowEngine:
    """An engine whose answer to "a cat" waits for `gate`. It records its threads and the texts of its queries."""

    def __init__(self, engine):
        self.engine, self.texts, self.threads = engine, [], set()
        self.gate = threading.Event()

    def browse(self, condition, *, offset, top_k):
        self.threads.add(threading.get_ident())
        return self.engine.browse(condition, offset=offset, top_k=top_k)

    def search(self, query, top_k):
        self.threads.add(threading.get_ident())
        text = query.terms[0].content
        self.texts.append(text)
        if text == "a cat":
            assert self.gate.wait(20)
        return self.engine.search(query, top_k)

    def close(self):
        self.threads.add(threading.get_ident())
        self.engine.close()


def test_an_answer_that_comes_too_late_is_dropped_and_one_thread_has_the_engine(browse, photos):
    engine = SlowEngine(SearchEngine.open(photos))

    async def test(pilot, app):
        box = app.query_one(Input)
        for text in ("a", "a ca", "a cat"):
            box.value = text
            await pilot.pause()
        for _ in range(200):
            await pilot.pause(0.02)
            if engine.texts:
                break
        for text in ("", "ca", "a car"):  # while "a cat" is being answered
            box.value = text
            await pilot.pause()
        await pilot.pause(0.3)
        engine.gate.set()
        await settled(pilot)
        assert state(app).startswith(f"{len(NAMES)} of {len(NAMES)}")
        scores = [row.score for row in app._rows]
        with SearchEngine.open(photos) as other:
            assert scores == [hit.score for hit in other.search("a car", 50)]

    browse(test, engine=engine)
    assert engine.texts == ["a cat", "a car"]  # texts typed in between were dropped
    assert len(engine.threads) == 1 and threading.get_ident() not in engine.threads


def test_an_index_without_photos_and_none_at_all(browse, tmp_path):
    (tmp_path / "empty").mkdir()
    with SearchEngine.open(tmp_path / "empty", model="mini") as engine:
        engine.index(keep_empty=True)

    async def empty(pilot, app):
        assert listed(app) == [] and "no photos" in state(app)
        await type_text(pilot, "a cat")
        await pilot.press("enter", "enter", "c", "s")
        await settled(pilot)

    async def none(pilot, app):
        assert "there is no index at" in state(app)

    browse(empty, engine=SearchEngine.open(tmp_path / "empty"))
    browse(none, engine=SearchEngine.open(tmp_path / "nowhere"))


@pytest.mark.parametrize("size", [(20, 8), (69, 24), (200, 60)])
def test_it_fits_any_terminal(browse, size):
    async def test(pilot, app):
        assert app.query_one("#side").display == (size[0] >= 70)
        await type_text(pilot, "a cat")
        assert listed(app)

    browse(test, size=size)


def test_the_bar_says_how_to_quit_and_help_is_read_whole(browse):
    async def test(pilot, app):
        assert footer(app) == ["next", "list", "quit", "clear"]  # no key that is a character in the query
        assert "^c" in str(app.query("FooterKey")[2].render())  # while a query is typed, q is a letter
        await pilot.press("minus", "plus", "backspace", "backspace")
        await settled(pilot)
        assert app.query_one(Input).value == ""
        await pilot.press("enter", "question_mark")
        await settled(pilot)
        assert {"open", "quit", "copy the path", "right", "wrong"} <= set(footer(app)) and "next" not in footer(app)
        shown = app.query_one("#state", Static)
        assert "Ctrl-C anywhere: quit" in state(app) and shown.size.height == 4

    browse(test, size=(80, 24))


def test_a_long_message_leaves_a_low_list_its_rows_and_the_footer_has_whole_entries(browse):
    async def test(pilot, app):
        await type_text(pilot, "\u72ac")  # a note says that the model does not read it
        message, table = app.query_one("#state", Static), app.query_one(DataTable)
        assert message.size.height == 1 and state(app).endswith("\u2026") and table.size.height >= 4
        await pilot.press("enter")
        for width, height in ((40, 10), (80, 24), (40, 30), (200, 24)):
            await pilot.resize_terminal(width, height)
            await settled(pilot)
            entries = list(app.query("FooterKey"))
            assert all(entry.region.right <= width and entry.description for entry in entries) and len(entries) > 3
            assert message.size.height <= 5 and (state(app).endswith("\u2026") == (width == 40))
        assert footer(app)[-1] == "clear"
        await pilot.resize_terminal(40, 10)
        await pilot.press("question_mark")
        await settled(pilot)
        assert message.size.height == 4 and table.size.height >= 2

    browse(test, size=(40, 10))


def test_pasted_lines_are_one_query(browse):
    async def test(pilot, app):
        for text, value in (
            ("a cat\n  on a sofa\n", "a cat on a sofa"),
            (" and  dog", "a cat on a sofa and  dog"),
            ("", "a cat on a sofa and  dog"),
        ):
            app.query_one(Input).post_message(Paste(text))
            await settled(pilot)
            assert app.query_one(Input).value == value

    browse(test)


@pytest.mark.skipif(
    sys.platform != "linux", reason="other systems end a terminal that a program has made in other ways"
)
@pytest.mark.parametrize(
    ("environment", "message"),
    [({"TERM": "dumb"}, b"TERM is dumb"), ({"TERM": "xterm", "PYTHONIOENCODING": "latin-1"}, b"a terminal in UTF-8")],
)
def test_a_terminal_that_cannot_draw_it_gets_a_line(photos, environment, message):
    import pty

    own, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "clipsearch", "browse"],
        cwd=photos,
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
    )
    os.close(theirs)
    with open(own, "rb", buffering=0) as terminal, pytest.raises(OSError):  # nothing was written there
        terminal.read(1)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("keys", [("ctrl+c",), ("enter", "q")])
def test_it_ends_when_told_to(browse, keys):
    async def test(pilot, app):
        await pilot.press(*keys)
        await pilot.pause()
        assert not app.is_running or app._exit

    browse(test)


def test_without_a_terminal_it_says_so(photos):
    done = subprocess.run(
        [sys.executable, "-m", "clipsearch", "browse"],
        cwd=photos,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 2 and "needs a terminal" in done.stderr


def test_without_textual_it_names_the_extra(photos):
    code = "import sys; sys.modules['textual'] = None; from clipsearch.cli import main; main(['browse'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=photos, capture_output=True, text=True)
    assert done.returncode == 1 and "pip install 'clipsearch[tui]'" in done.stderr
