"""Fixtures for tests of the page: a real server on a real index, and a Chromium."""

import io
import itertools
import os
import shutil
import struct
import subprocess
import sys
import time
from contextlib import contextmanager
from hashlib import sha256
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image

from clipsearch import load_encoder
from clipsearch.images.placeholders import placeholder
from clipsearch.store.rows import Place
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import ImageFile, ImageInfo
from tests.cli.running import run_here
from tests.conftest import PHOTOS, copy_of_one, give_captions, give_facts, save_photo

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
    "--process-per-site",  # the pages of a context share a process, see `window`
)  # fmt: skip
DATES = {
    "rio.jpg": "2016:07:01 10:00:00",
    "wave.jpg": "2016:07:02 10:00:00",
    "kite.jpg": "2018:03:04 10:00:00",
    "pagoda.jpg": "2019:07:05 10:00:00",
    "rowing-boats.jpg": "2019:08:06 10:00:00",
    "giraffe.jpg": "2021:01:07 10:00:00",
}
PLACES = {"rio.jpg": (-22.95, -43.21), "wave.jpg": (-22.98, -43.19), "pagoda.jpg": (35.71, 139.79)}
ODD_NAMES = (
    "<script>window.hacked=1<script>.png",
    "'\"><img src=x onerror=window.hacked=1>.png",
    "two\nlines.png",
    "right\u202eto-left gpj.png",
    b"no-utf8-\xff.png",
)
CAPTION = "a giraffe <img src=x onerror=window.hacked=1>"
FACTS = {
    "pagoda.jpg": {
        "title": "Sens\u014d-ji <b>temple</b>",
        "keywords": ("Travel", "Temple [old]"),
        "people": ("Anna M\u00fcller",),
        "rating": 5,
    },
    "kite.jpg": {
        "keywords": ("travel", "Sky"),
        "people": ("Anna M\u00fcller", "Bo"),
        "rating": 3,
        "taken_from": "takeout",
    },
    "wave.jpg": {"rating": 0},  # unrated
    "coffee.jpg": {
        "rating": -1,
        "label": "Red",
        "text": "CAF\u00c9 CENTRAL " + "coffee and cake " * 12 + "<img src=x onerror=window.hacked=1>",
    },
}
NOWHERE = "http://127.0.0.1/"  # no server is asked
PAUSE = 20_000  # milliseconds; most steps take a hundred, but the machine may be busy


@pytest.fixture(scope="module")
def chromium():
    """A browser for one module. It holds an event loop while it runs, and other tests need their own loops."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install '.[dev]'")
    if CHROMIUM is None:
        pytest.skip("needs a Chromium: apt install chromium")
    pytest.importorskip("fastapi", reason="needs the server: pip install '.[web]'")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def window(chromium):
    """The context of most pages. They share its cache, so each photo is fetched once.

    An empty page keeps their process between two tests. A new one, which compiles the page anew, costs a second.
    """
    context = make_context(chromium)
    empty = context.new_page()
    empty.route(NOWHERE, lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
    empty.goto(NOWHERE)
    yield context
    context.close()


@pytest.fixture
def new_page(chromium, window):
    """A function that makes a page. With options, the page has its own context. An error in any page fails the test.

    Errors that contain one of the texts in `page.expected` are allowed.
    """
    pages, troubles, expected = [], [], []

    def make(**options):
        page = (make_context(chromium, **options) if options else window).new_page()
        page.set_default_timeout(PAUSE)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda message: message.type == "error" and troubles.append(message.text))
        page.expected = expected
        pages.append(page)
        return page

    yield make
    for page in pages:
        if not page.is_closed() and page.url.startswith("http"):
            page.evaluate("localStorage.clear()")
        page.close()
        if page.context is not window:
            page.context.close()
    assert [trouble for trouble in troubles if not any(part in trouble for part in expected)] == []


def make_context(chromium, **options):
    """Make a context with its own history and storage. Its pages log content security violations as errors."""
    context = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
    context.add_init_script(
        "addEventListener('securitypolicyviolation', (event) => console.error('CSP: ' + event.violatedDirective))"
    )
    return context


@pytest.fixture
def page(new_page, address):
    """The page, which shows the newest photos."""
    page = new_page()
    page.goto(address)
    page.wait_for_selector(".photo.loaded")
    return page


@pytest.fixture(scope="session")
def album(tmp_path_factory):
    """The photos of data/photos in two folders, some with dates and places. The album also has odd names and a broken photo."""
    return copy_of_one(tmp_path_factory, "album", make_album)


def make_album(folder):
    for number, photo in enumerate(sorted(PHOTOS.iterdir())):
        if photo.suffix in (".jpg", ".png", ".webp"):
            place_photo(photo, folder / ("first" if number % 2 else "second") / photo.name)
    (folder / "odd").mkdir()
    for number, name in enumerate(ODD_NAMES):
        Image.new("RGB", (40, 30), (250, 10 * number, 10)).save(folder / "picture.png")
        (folder / "picture.png").rename(
            os.path.join(os.fsencode(folder / "odd"), os.fsencode(name)).decode("utf-8", "surrogateescape")
        )
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no photo")
    index(folder)
    give_captions(folder / ".clipsearch", {"giraffe.jpg": CAPTION})
    for name, facts in FACTS.items():
        give_facts(folder / ".clipsearch", name, **facts)


@pytest.fixture(scope="session")
def indexed_colours(tmp_path_factory):
    """A folder with an index of three photos, for `small` to copy."""
    folder = tmp_path_factory.mktemp("colours")
    for colour in ("red", "green", "blue"):
        save_photo(folder / f"{colour}.jpg", colour)
    index(folder)
    return folder


@pytest.fixture
def small(indexed_colours, tmp_path):
    """An index of three photos, which a test may change."""
    return shutil.copytree(indexed_colours, tmp_path / "small")


@pytest.fixture(scope="session")
def address(album):
    """The address of the album's server."""
    with serving(album / ".clipsearch") as (_, address):
        yield address


def place_photo(photo, target):
    """Copy a photo, and set its date and place."""
    target.parent.mkdir(exist_ok=True)
    if photo.name not in DATES:
        shutil.copy(photo, target)
        return
    image = Image.open(photo)
    exif = image.getexif()
    exif.get_ifd(0x8769)[0x9003] = DATES[photo.name]
    exif[0x010F], exif[0x0110] = "Testing", "Camera 1"
    if photo.name in PLACES:
        latitude, longitude = PLACES[photo.name]
        gps = exif.get_ifd(0x8825)
        gps[1], gps[2] = "N" if latitude > 0 else "S", (abs(latitude), 0.0, 0.0)
        gps[3], gps[4] = "E" if longitude > 0 else "W", (abs(longitude), 0.0, 0.0)
    image.save(target, exif=exif, quality=90)


def environment():
    """The environment for a process that a test starts, with an empty home."""
    return {**os.environ, "HF_HUB_OFFLINE": "1"}


def index(folder, *options):
    """`clipsearch index` by mini. The state of this machine's user stays as it is."""
    state = folder.with_name(f"{folder.name} state")
    status, _, errors = run_here(
        "index", folder, "--model", "mini", "-q", *options, cwd=folder, HF_HUB_OFFLINE=1, XDG_STATE_HOME=state
    )
    assert status in (0, 3), errors


def index_at_random(folder, photos):
    """Save photos, (name, picture, when it was taken or None) each, and index them with random vectors: nothing is embedded."""
    chance = np.random.default_rng(0)
    fingerprint = load_encoder("mini").spec.fingerprint
    with CollectionWriter(folder / ".clipsearch") as collection:
        collection.require(fingerprint)
        root_id = collection.add_root(str(folder), {})
        for name, picture, taken in photos:
            path = folder / name
            picture.save(path)
            state, digest = path.stat(), sha256(path.read_bytes()).hexdigest()
            info = ImageInfo(*picture.size, path.suffix[1:].upper(), digest, taken)
            file = ImageFile(str(path), state.st_size, state.st_mtime_ns)
            vector = chance.standard_normal(fingerprint.dim).astype(np.float32)
            vector /= np.linalg.norm(vector)
            collection.add(Place(root_id, "", name), file, info, vector, placeholders=[placeholder(picture)])
        collection.commit()


def serve_command(index_folder, *arguments, port=0):
    """The command that serves an index to browsers, and opens none."""
    given = ["--index", index_folder, "--no-open", "--port", port, *arguments]
    return [sys.executable, "-m", "clipsearch", "serve", *map(str, given)]


@contextmanager
def serving(index_folder, *arguments, port=0, index=True):
    """Run `clipsearch serve` as a process, perhaps without an index. Yields (process, address without a final slash)."""
    process = subprocess.Popen(
        serve_command(index_folder, *arguments, port=port),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(),
    )
    try:
        address = process.stdout.readline().strip().rstrip("/")
        assert address, "the server has not started"
        urlopen(f"{address}/api/{'status' if index else 'index'}").close()
        yield process, address
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def save_and_come_back(page, name, request):
    """Save this search under a name, leave it, and use it, which sends a request with this text. What the list says of it."""
    page.click("#open-saved")
    page.get_by_label("Name of this search").fill(name)
    page.get_by_role("button", name="Save this search").click()
    page.wait_for_selector(".rows[data-list=searches] .row")
    words = page.locator(".rows[data-list=searches] .row").inner_text()
    page.keyboard.press("Escape")
    with answered(page):
        page.click("#home")
    page.click("#open-saved")
    with answered(page, request):
        page.get_by_role("button", name=name).first.click()
    return words


def remove_saved(page, name):
    """Remove the only saved search."""
    page.click("#open-saved")
    page.get_by_label(f"Remove {name}").click()
    page.wait_for_selector(".rows[data-list=searches]", state="detached")


def show_made_up(page, photos=()):
    """Answer the page's requests about photos that no server has. All have the same thumbnail."""
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(stream, "PNG")
    picture = stream.getvalue()

    def asked(route):
        return {name: values[0] for name, values in parse_qs(urlsplit(route.request.url).query).items()}

    def page_of(route):
        offset, top_k = int(asked(route)["offset"]), int(asked(route)["top_k"])
        route.fulfill(json={"images": photos[offset : offset + top_k], "considered": len(photos)})

    def outline(route):
        days = [photo["taken_at"] and photo["taken_at"][:10] for photo in photos]
        answer = {
            "ids": [photo["id"] for photo in photos],
            "shapes": [round(100 * photo["width"] / photo["height"]) for photo in photos],
            "days": [[day, len(list(same))] for day, same in itertools.groupby(days)],
            "colours": "888" * len(photos),
            "others": {},
            "considered": len(photos),
        }
        route.fulfill(json=answer)

    def of_ids(route):
        ids = asked(route)["ids"].split(",")
        route.fulfill(json={"images": [photo for photo in photos if str(photo["id"]) in ids]})

    def thumbnails(route):
        ids = map(int, asked(route)["ids"].split(","))
        body = b"".join(struct.pack("<QI", number, len(picture)) + picture for number in ids)
        route.fulfill(body=body, content_type="application/octet-stream")

    if photos:
        page.route("**/api/images?*", page_of)
        page.route("**/api/outline*", outline)
        page.route("**/api/photos?*", of_ids)
    page.route("**/api/thumbnails?*", thumbnails)
    page.route("**/api/thumbnails/*", lambda route: route.fulfill(body=picture, content_type="image/png"))


def shown(page):
    """The names of the photos in the rows, in order."""
    labels = page.locator(".photo .open").evaluate_all("all => all.map((one) => one.getAttribute('aria-label'))")
    return [label.split(", ")[0] for label in labels]


@contextmanager
def answered(page, what="/api/images"):
    """Request photos inside this context. It ends when they are in the rows."""
    with page.expect_response(lambda response: what in response.url and response.ok):
        yield
    page.wait_for_function("() => !document.querySelector('#progress').classList.contains('busy')")


def search(page, words):
    """Type words, and wait for the answer."""
    with answered(page, "/api/search"):
        page.fill("#query", words)


def wait_until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not become true"
        time.sleep(0.05)
