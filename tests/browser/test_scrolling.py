"""A long list: the full height at once, thumbnails in few requests and the visible ones first, and the strip of months."""

import io
import itertools
import re
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image

from tests.browser.conftest import answered, index_at_random, serving

COUNT = 600
FIRST = datetime(2019, 1, 1, 12)
WATCH_WIDTH = """addEventListener("DOMContentLoaded", () => {
    window.widths = new Set();
    new ResizeObserver(([{ contentRect }]) => widths.add(contentRect.width)).observe(document.querySelector("#photos"));
});"""
RIGHT_END = "Math.max(...[...document.querySelectorAll('.photo')].map((one) => one.getBoundingClientRect().right))"


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """The address of a server with 600 photos, 120 a year from 2019 to 2023. Nothing is embedded: they have random vectors."""
    folder = tmp_path_factory.mktemp("many")
    index_at_random(
        folder,
        (
            (
                f"{number:03}.png",
                Image.new("RGB", (60, 40) if number % 3 else (40, 60), (number % 256, number // 3, 90)),
                FIRST + timedelta(days=365.25 * number / 120),
            )
            for number in range(COUNT)
        ),
    )
    with serving(folder / ".clipsearch") as (_, address):
        yield address


@pytest.fixture
def long_page(new_page, many):
    """The page after it has learnt of all photos. `asked` has the requests so far."""
    page = new_page()
    page.asked = []
    page.add_init_script(WATCH_WIDTH)
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(many)
    page.wait_for_selector(".photo.loaded")
    page.wait_for_selector("#scrubber:not([hidden])", state="attached")
    yield page
    page.close()


def on_screen(page):
    """The ids of the photos on the screen, and whether each has something to show."""
    return page.evaluate("""async () => {
        const {photos} = await import("/static/photos.js");
        return [...document.querySelectorAll(".photo")].flatMap((tile) => {
            const {top, bottom} = tile.getBoundingClientRect();
            if (bottom <= 0 || top >= innerHeight) return [];
            const number = Number(/(\\d+) of/.exec(tile.querySelector(".open").getAttribute("aria-label"))[1]);
            const {backgroundImage, backgroundColor} = tile.querySelector("img").style;
            const shows = tile.classList.contains("loaded") || Boolean(backgroundImage || backgroundColor);
            return [[photos.list[number - 1].id, shows]];
        });
    }""")


def ids_of(url):
    return [int(number) for number in parse_qs(urlsplit(url).query)["ids"][0].split(",")]


def go_to(page, share):
    """Scroll, and wait until the cards there are in the document."""
    page.evaluate(
        """async (share) => {
            scrollTo({top: share * document.documentElement.scrollHeight, behavior: "instant"});
            for (let i = 0; i < 2; i++) await new Promise((done) => requestAnimationFrame(done));
        }""",
        share,
    )


def test_the_first_page_takes_few_requests(long_page):
    asked = [url for url in long_page.asked if not url.startswith("blob:")]
    assert len(asked) <= 15, asked
    paths = [urlsplit(url).path for url in asked]
    for later in ("/api/outline", "/api/facets", "/api/status"):  # the first photos do not wait for them
        assert paths.index("/api/thumbnails") < paths.index(later)
    assert paths.count("/api/images") == 1  # before the page's code is there, and for it
    assert paths.index("/api/images") < paths.index("/static/panels.js")
    assert (
        long_page.evaluate(
            "performance.getEntriesByType('resource').find(({name}) => name.includes('/api/images?')).initiatorType"
        )
        == "link"
    )
    assert long_page.evaluate("widths.size") == 1  # no photo moves when the strip of dates comes


def test_the_last_photo_is_reached_at_once_and_only_what_is_near_is_fetched(long_page):
    height = long_page.evaluate("document.documentElement.scrollHeight")
    go_to(long_page, 1)
    last = long_page.locator(f".photo .open[aria-label*='{COUNT} of {COUNT}']")
    last.wait_for()
    assert long_page.evaluate("document.documentElement.scrollHeight") == height
    long_page.locator(f".photo .open[aria-label^='000.png, {COUNT} of {COUNT}']").wait_for()
    details = [url for url in long_page.asked if "/api/photos?" in url]
    assert 0 < len({number for url in details for number in ids_of(url)}) <= 200
    assert not [url for url in long_page.asked if "offset=60" in url]


def test_a_photo_that_was_only_a_place_opens_in_the_viewer(long_page):
    go_to(long_page, 0.5)
    label = long_page.locator(".photo .open").nth(15).get_attribute("aria-label")
    number = re.search(r"(\d+) of", label).group(1)
    assert re.match(rf"(\d\d\d\.png,|Photo) {number} of {COUNT}", label)  # it has no name yet, or has one
    long_page.locator(f".photo .open[aria-label*=' {number} of {COUNT}']").click()  # cards are still added before it
    long_page.wait_for_selector("#viewer[open]")
    name = f"{COUNT - int(number):03}.png"
    long_page.locator("#viewer").get_by_text(name).first.wait_for()
    long_page.keyboard.press("Escape")
    long_page.wait_for_selector("#viewer", state="hidden")
    go_to(long_page, 0.2)
    place = long_page.evaluate("scrollY")
    long_page.wait_for_function("(place) => history.state?.scroll === place", arg=place)
    long_page.reload()  # which shows the same part of the rows, neither the top nor the photo that was opened
    long_page.wait_for_function("(place) => Math.abs(scrollY - place) < 2", arg=place)


def test_tiles_are_never_empty_while_the_thumbnails_come(long_page):
    long_page.route("**/api/thumbnails?**", lambda route: None)  # no answer
    go_to(long_page, 0.6)
    long_page.wait_for_timeout(100)
    tiles = on_screen(long_page)
    assert tiles and all(shows for _, shows in tiles)
    blurred = long_page.locator(".photo:has(img[style*='data:image/bmp'])")
    blurred.first.wait_for()
    places = blurred.evaluate_all("(all) => all.map((one) => one.getBoundingClientRect()).map(({ x, y }) => [x, y])")
    screen = Image.open(io.BytesIO(long_page.screenshot())).convert("RGB")
    edges = [
        [screen.getpixel((round(x) + 30, round(y) + row))[0] for row in range(-1, 9)]
        for x, y in places
        if 150 < y < 700
    ]
    bright = [
        reds for reds in edges if reds[-1] > 220
    ]  # brighter than the frame that the browser draws around a picture to come
    assert bright and all(min(reds) > 220 for reds in bright)


def test_photos_that_nobody_can_see_ask_for_nothing_and_a_frame_makes_few_cards(long_page):
    long_page.asked.clear()
    cards = long_page.evaluate("""async () => {
        performance.now = () => 0; // however busy the machine is, this is fast
        const counts = [];
        for (let i = 0; i < 14; i++) { // two screens a frame, and then none
            if (i < 6) scrollBy({top: 2 * innerHeight, behavior: "instant"});
            await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
            const tiles = [...document.querySelectorAll(".photo")].map((tile) => tile.getBoundingClientRect());
            counts.push([tiles.length, tiles.filter(({top, bottom}) => bottom >= 0 && top <= innerHeight).length]);
        }
        delete performance.now;
        return counts;
    }""")
    moving, calm = cards[:6], cards[6:]  # a row may stay from the frame before
    assert all(0 < seen <= every < seen + 10 for every, seen in moving[1:]), cards
    assert max(later - before for (before, _), (later, _) in itertools.pairwise(cards[5:])) <= 12, cards
    assert calm[-1][0] > 2 * calm[-1][1], cards
    long_page.wait_for_function("() => !document.querySelector('.photo:not(.loaded)')")
    asked = [number for url in long_page.asked if "/api/thumbnails?" in url for number in ids_of(url)]
    assert {number for number, _ in on_screen(long_page)} <= set(asked)
    assert len(asked) == len(set(asked)) <= calm[-1][0], asked


def test_thumbnails_that_left_the_screen_are_cancelled_and_visible_ones_come_first(long_page):
    waiting, failed = [], []
    long_page.route("**/api/thumbnails?**", lambda route: waiting.append(route))
    long_page.on("requestfailed", lambda request: failed.append(request.url))
    go_to(long_page, 0.3)
    long_page.wait_for_timeout(300)
    first = [route.request.url for route in waiting]
    go_to(long_page, 0.8)
    long_page.wait_for_timeout(300)
    assert first and set(first) <= set(failed)
    later = [route.request.url for route in waiting if route.request.url not in first]
    visible = {number for number, _ in on_screen(long_page)}
    assert set(ids_of(later[0])[: len(visible) // 2]) <= visible


def test_the_strip_of_months_goes_anywhere_by_keyboard(long_page):
    strip = long_page.get_by_role("slider", name="Date")
    strip.focus()
    assert strip.get_attribute("aria-valuetext") == "December 2023"
    for key, month in (
        ("ArrowDown", "November 2023"), ("PageDown", "December 2022"), ("End", "January 2019"), ("PageUp", "December 2020"),
        ("Home", "December 2023"),
    ):  # fmt: skip
        long_page.keyboard.press(key)
        long_page.wait_for_function("(month) => document.querySelector('#scrubber').ariaValueText === month", arg=month)
    assert long_page.evaluate("scrollY") == 0


def test_a_heading_selects_all_its_photos_also_those_that_are_not_drawn(long_page):
    button = long_page.locator(".pick-all").first
    names = re.fullmatch(r"Select all of (\w+) \S (\w+) 2023", button.get_attribute("aria-label")).groups()
    taken = [FIRST + timedelta(days=365.25 * number / 120) for number in range(COUNT)]
    first, last = (datetime.strptime(name, "%B").month for name in names)
    button.click()
    number = sum(date.year == 2023 and first <= date.month <= last for date in taken)
    assert long_page.locator("#selection-count").inner_text() == f"{number} photos selected"
    assert button.get_attribute("aria-pressed") == "true"
    long_page.locator(".photo .open").first.focus()
    long_page.keyboard.press("x")
    assert button.get_attribute("aria-pressed") == "false"
    for _ in range(2):  # the first selects the one that was left out
        button.click()
    assert long_page.locator("#selection").is_hidden()


def test_the_strip_goes_by_day_if_the_photos_are_of_a_few_weeks(page):
    marks = page.evaluate(
        """async () => {
            const { Scrubber } = await import("/static/scrubber.js");
            const dayOf = (i) => `2019-07-${String(20 - Math.floor(i / 20)).padStart(2, "0")}`;
            const photos = Array.from({ length: 300 }, (_, i) => ({ taken_at: dayOf(i) }));
            const boxes = photos.map((_, i) => ({ top: 200 * i }));
            document.querySelector("#photos").style.height = "60000px";
            new Scrubber(() => 0).show(photos, { boxes, height: 60000 }, true);
            const strip = [...document.querySelectorAll("#scrubber")].find((one) => !one.hidden);
            return [strip.ariaValueText, ...[...strip.querySelectorAll(".names span")].map((one) => one.textContent)];
        }"""
    )
    assert marks[0] == "Sat, July 20, 2019" and marks[1:3] == ["Jul 20", "Jul 19"]


@pytest.mark.parametrize("touch", [False, True])
def test_the_strip_of_months_goes_anywhere_by_pointer(new_page, many, touch):
    options = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True} if touch else {}
    page = new_page(**options)
    page.goto(many)
    page.wait_for_selector(".photo.loaded")
    strip = page.locator("#scrubber")
    strip.wait_for(state="attached")
    page.wait_for_function("() => !document.querySelector('#scrubber').hidden")
    page.evaluate("scrollTo(0, 50)")  # on a phone the strip is there while the page scrolls
    page.wait_for_function("() => document.querySelector('#scrubber').matches('.moving')")
    box = strip.bounding_box()
    assert box["x"] + 0.5 >= page.evaluate(RIGHT_END)  # beside the photos
    assert page.evaluate("getComputedStyle(document.documentElement).scrollbarWidth") == "none"  # nothing lies over it
    x, middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    if touch:
        client = page.context.new_cdp_session(page)
        client.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": box["y"] + 20}]})
        client.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": middle}]})
    else:
        page.mouse.move(x, box["y"] + 20)
        page.mouse.down()
        page.mouse.move(x, middle)
    page.wait_for_function("() => /2021$/.test(document.querySelector('#scrubber .bubble').textContent)")
    assert page.locator("#scrubber .bubble").evaluate("(bubble) => getComputedStyle(bubble).visibility") == "visible"
    if touch:
        client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    else:
        page.mouse.up()
    assert page.locator("#scrubber.dragging").count() == 0
    page.evaluate("scrollBy(0, 50)")  # neither the frame of the keyboard nor the date stays over the photos
    page.locator("#scrubber .bubble").wait_for(state="hidden")
    assert not strip.evaluate("(one) => one.matches(':focus-visible')")
    for width in (390, 820, 3840):
        page.set_viewport_size({"width": width, "height": 844})
        page.wait_for_function(
            f"() => document.querySelector('#scrubber').getBoundingClientRect().x + 0.5 >= {RIGHT_END}"
        )
    page.goto(f"{many}/?sort=name")
    page.wait_for_selector(".photo.loaded")
    assert page.evaluate("getComputedStyle(document.documentElement).scrollbarWidth") == "auto"


def test_there_is_no_strip_in_an_order_without_dates(new_page, many):
    page = new_page()
    for address in (f"{many}/?sort=name", f"{many}/?q=a+dog"):
        page.goto(address)
        page.wait_for_selector(".photo.loaded")
        assert page.locator("#scrubber").is_hidden()


def test_photos_stay_where_they_are_when_the_first_letter_is_typed(new_page, many):
    page = new_page()
    page.add_init_script(
        "window.moved = 0;"
        "const add = (list) => { for (const one of list.getEntries()) window.moved += one.value; };"
        "new PerformanceObserver(add).observe({ type: 'layout-shift', buffered: true })"
    )
    top = "() => document.querySelector('#photos').getBoundingClientRect().top"
    for width in (1440, 1280, 1200, 1040):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(many)
        page.wait_for_selector(".photo.loaded")
        if width >= 1200:
            page.wait_for_selector("#filters .facet-list")
        page.wait_for_timeout(300)
        before, place = page.evaluate("window.moved"), page.evaluate(top)
        with answered(page, "/api/search"):
            page.type("#query", "d")
        page.wait_for_timeout(300)
        assert page.evaluate("window.moved") - before < 0.005, width  # a count in the filters may take another line
        assert page.evaluate(top) == place and page.locator("#threshold").is_visible(), width
