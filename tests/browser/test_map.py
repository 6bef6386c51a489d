"""The map: places of photos, names of places, and the filter by what is seen."""

import http.server
import json
import random
import re
import threading
import zlib
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest

from tests.browser.conftest import answered, search, serving, show_made_up, shown

pytestmark = pytest.mark.long

TOWN = (48.1374, 11.5755)


def photo_ids(address):
    return [photo["id"] for photo in json.load(urlopen(f"{address}/api/images?top_k=30"))["images"]]


@pytest.fixture
def map_of(page, address):
    """A function that opens the map with photos at some points, of as many photos as there are points."""

    ids = photo_ids(address)

    def open_map(points):
        page.route(
            "**/api/places*",
            lambda route: route.fulfill(
                json={
                    "places": [
                        {"id": number, "latitude": y, "longitude": x}
                        for number, (y, x) in zip(ids, points, strict=False)
                    ],
                    "images": len(points),
                }
            ),
        )
        page.click("#toggle-map")
        page.wait_for_selector(".mark")
        return page.locator("#map")

    return open_map


def test_the_map_shows_places_and_filters_by_them(page):
    page.click("#toggle-map")
    page.wait_for_selector(".mark")
    assert page.locator(".map-note").inner_text() == "4 photos with a location"
    with page.expect_response(
        lambda response: "/static/map-outlines.bin" in response.url
    ):  # they can be seen from here on
        page.get_by_role("button", name="2 photos taken here").click()
        page.locator(".map-strip").get_by_role("button", name="Zoom in").click()
    page.wait_for_function("() => document.querySelectorAll('.mark').length === 2")
    page.get_by_label("All locations").click()
    page.get_by_role("button", name="2 photos taken here").click()
    assert page.locator(".map-strip li").count() == 2
    with answered(page):
        page.get_by_role("button", name="Only these").click()
    assert shown(page) == ["wave.jpg", "rio.jpg"]
    assert "within=" in page.url
    drawn = page.evaluate(
        "() => { const canvas = document.querySelector('#map canvas');"
        " const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);"
        " return data.some((value, i) => i % 4 === 3 && value > 0); }"
    )
    assert drawn


def test_the_map_is_moved_by_keys(page):
    page.click("#toggle-map")
    page.wait_for_selector(".mark")
    page.locator("#map").focus()
    before = page.locator(".mark").first.bounding_box()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("(x) => document.querySelector('.mark').getBoundingClientRect().x !== x", arg=before["x"])
    mark, frame = page.locator(".mark").first, page.locator("#map").bounding_box()
    at = mark.bounding_box()
    x, y = frame["x"] + frame["width"] / 2, frame["y"] + 6
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + frame["y"] + frame["height"] - at["y"] - 20, steps=3)  # the mark is cut by the lower edge
    page.mouse.up()
    bottom = (
        "(one) => one.getBoundingClientRect().bottom - document.querySelector('#map').getBoundingClientRect().bottom"
    )
    page.wait_for_function(f"() => ({bottom})(document.querySelector('.mark')) > 5")
    mark.evaluate("(one) => one.focus()")  # as by Tab: the map moves, and what is in its frame does not scroll
    page.wait_for_function(f"() => ({bottom})(document.querySelector('.mark')) < 1")
    assert mark.evaluate("(one) => one === document.activeElement && one.getBoundingClientRect().width > 0")
    assert page.locator("#map").evaluate("(one) => [one.scrollLeft, one.scrollTop]") == [0, 0]


def test_photos_of_a_town_separate_and_those_of_one_spot_are_spread(map_of, page, address):
    north, east = TOWN
    town = [(north + 0.0004 * row, east + 0.0006 * column) for row in range(3) for column in range(3)]
    the_map = map_of([*town, (north, east), (40.71, -74.0)])  # two at one spot, and another continent
    the_map.get_by_role("button", name="10 photos taken here").click()
    the_map.locator(".map-strip").get_by_role("button", name="Zoom in").click()
    page.wait_for_function("() => document.querySelectorAll('.mark:not(.several)').length === 10")
    scale = the_map.locator(".map-scale")
    assert scale.inner_text() == "50 m"
    least = "(one) => { one.firstChild.data = '2,000 km'; one.style.width = '62px'; return one.scrollWidth - one.clientWidth; }"
    assert scale.evaluate(least) <= 0
    ids = photo_ids(address)
    same = {mark.get_attribute("data-key"): mark.bounding_box() for mark in page.locator(".mark").all()}
    assert abs(same[f"{ids[0]} 1"]["y"] - same[f"{ids[9]} 1"]["y"]) > 100  # above and below their spot
    box = page.locator("#map").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    for _ in range(12):  # as near as it goes, and the outlines can still be drawn
        page.mouse.wheel(0, -500)
    assert page.locator(".map-scale").inner_text() in ("10 m", "5 m", "3 m")


def test_a_mark_opens_a_strip_whose_photos_open(page):
    page.click("#toggle-map")
    page.get_by_role("button", name="2 photos taken here").click()
    page.wait_for_function("() => document.activeElement.closest('.map-strip')")
    colours = page.locator(".map-strip, .map-tools button, .map .here, .map-note").evaluate_all(
        "(all) => all.map((one) => getComputedStyle(one).backgroundColor)"
    )
    assert len(colours) >= 5 and all(re.fullmatch(r"rgb\(.*\)", colour) for colour in colours)  # no mark shines through
    page.set_viewport_size({"width": 390, "height": 844})
    close = page.get_by_label("Photos taken here").get_by_label("Close").bounding_box()
    assert close["x"] + close["width"] <= 390 - 12  # inside the map
    page.set_viewport_size({"width": 1280, "height": 800})
    place = page.evaluate("scrollY")
    page.keyboard.press("Enter")
    page.wait_for_selector("#viewer[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("#viewer", state="hidden")
    assert page.evaluate("scrollY") == place  # the rows have not moved
    assert page.evaluate("document.activeElement.closest('.map-strip') !== null")
    page.get_by_label("Photos taken here").get_by_label("Close").click()
    assert page.locator(".map-strip").is_hidden() and page.locator(".mark").count() >= 3


def test_an_area_without_photos_does_not_hide_those_outside(page, address):
    page.goto(f"{address}/?within=-40,-30,-39,-29")
    page.click("#toggle-map")
    page.wait_for_selector(".mark")
    note = "4 photos with a location, inside and outside the chosen area"
    page.locator(".map-note", has_text=note).wait_for()


@pytest.mark.parametrize("width", [390, 1440])
def test_a_strip_covers_no_mark_that_opened_it(page, map_of, width):
    the_map = map_of([(-33.9, 151.2), (-34.1, 150.9), (-33.8, 151), (64.1, -21.9), (51.5, -0.1)])
    page.set_viewport_size({"width": width, "height": 900})
    page.get_by_role("button", name="All locations").click()
    opened = page.get_by_role("button", name="3 photos taken here")
    opened.click()
    page.wait_for_selector(".map-strip li")
    page.wait_for_timeout(300)
    box, strip = opened.bounding_box(), page.locator(".map-strip").bounding_box()
    assert box["y"] + box["height"] <= strip["y"]
    the_map.focus()
    page.keyboard.press("ArrowUp")
    opened.focus()  # it stands out among the marks, not over the strip
    page.wait_for_timeout(300)
    middle = """(mark) => {
        const { left, top, width, height } = mark.getBoundingClientRect();
        return document.elementFromPoint(left + width / 2, top + height / 2).closest(".map-strip") !== null;
    }"""
    assert opened.evaluate(middle)


def test_a_mark_says_if_its_area_has_other_photos_too(page):
    """Marks are no rectangles: that of a mark may reach into its neighbours."""
    show_made_up(page)
    chance = random.Random(7)
    towns = [(chance.gauss(48, 1.5), chance.gauss(11, 2)) for _ in range(25)]
    points = [(chance.gauss(y, 0.25), chance.gauss(x, 0.3)) for y, x in chance.choices(towns, k=500)]
    places = [{"id": 900 + i, "latitude": north, "longitude": east} for i, (north, east) in enumerate(points)]
    page.route("**/api/places*", lambda route: route.fulfill(json={"places": places, "images": len(places)}))
    page.click("#toggle-map")
    page.wait_for_selector(".mark.several")
    sizes = {}
    for mark in page.locator(".mark.several").all():
        mark.evaluate("(one) => one.click()")
        number = page.locator(".map-strip strong").inner_text()
        sizes[number] = page.locator(".map-strip").get_by_role("button", name=re.compile("^Only")).inner_text()
    others = [(number, text) for number, text in sizes.items() if text != "Only these"]
    assert 0 < len(others) < len(sizes)
    number, text = others[0]
    page.get_by_role("button", name=f"{number} taken here").first.evaluate("(one) => one.click()")
    with page.expect_request("**/api/images?*within=*") as asked:
        page.locator(".map-strip").get_by_role("button", name=text).click()
    (within,) = parse_qs(urlsplit(asked.value.url).query)["within"]
    south, west, north, east = map(float, within.split(","))
    inside = sum(south <= y <= north and west <= x <= east for y, x in points)
    assert text == f"Only their area: {inside} photos" and inside > int(number.split()[0])


def test_only_this_area_is_what_is_seen(page, address):
    page.click("#toggle-map")
    page.wait_for_selector(".mark")
    for _ in range(2):
        page.get_by_label("Zoom in").click()
    page.wait_for_function("() => document.querySelectorAll('.mark').length < 4")
    with answered(page):
        page.get_by_role("button", name="Only this area").click()
    (within,) = parse_qs(urlsplit(page.url).query)["within"]
    corners = page.evaluate(
        "async (within) => { const { toX, toY } = await import('/static/map-projection.js');"
        " const [south, west, north, east] = within.split(',').map(Number);"
        " return [toX(west), toY(north), toX(east), toY(south)]; }",
        within,
    )
    box = page.locator("#map").bounding_box()
    assert (corners[2] - corners[0]) / (corners[3] - corners[1]) == pytest.approx(
        box["width"] / box["height"], rel=1e-3
    )
    considered = json.load(urlopen(f"{address}/api/images?within={within}&top_k=9"))["considered"]
    assert considered == len(shown(page)) < 4
    chip = page.locator("#filter-chips button").first
    assert chip.locator("bdi").inner_text() == "area on the map"  # thousands of kilometres say nothing
    with answered(page):
        chip.click()
    assert "within" not in page.url
    for _ in range(4):
        page.get_by_label("Zoom in").click()
    with answered(page):
        page.get_by_role("button", name="Only this area").click()
    assert re.fullmatch(r"area of [\d,]+ km \u00d7 [\d,]+ km", chip.locator("bdi").inner_text())
    with answered(page):
        chip.click()
    for _ in range(12):
        page.get_by_label("Zoom out").click()
    page.wait_for_function("() => document.querySelectorAll('.mark').length > 1")
    pixel = "(canvas) => [...canvas.getContext('2d').getImageData(2, 150, 1, 1).data].slice(0, 3).join(', ')"
    canvas = page.locator("#map canvas")
    assert canvas.evaluate(pixel) in canvas.evaluate(
        "(one) => getComputedStyle(one).textDecorationColor"
    )  # beside the world
    with answered(page):
        page.get_by_role("button", name="Only this area").click()
    assert page.locator("#filter-chips bdi").inner_text() == "area on the map"
    with answered(page):
        page.locator("#filter-chips button").first.click()
    page.evaluate("""() => {
        const { prototype } = CanvasRenderingContext2D;
        prototype.strokeRect = function strokeRect(x, y, width) {
            window.sides = [x, x + width - this.canvas.width / devicePixelRatio];
        };
    }""")
    with answered(page):
        page.get_by_role("button", name="Only this area").click()
    page.wait_for_function("() => window.sides")
    left, right = page.evaluate("window.sides")
    assert left < -1 and right > 1  # the whole world has no sides that are seen
    page.reload()
    page.wait_for_selector("#map .mark")  # it is still open


def test_marks_do_not_cover_each_other_on_a_large_screen(new_page, address):
    """Their size follows the text, which is larger there."""
    page = new_page(viewport={"width": 3840, "height": 2160})
    places = [{"id": 1, "latitude": -60 + 2 * (i % 60), "longitude": -170 + 1.7 * i} for i in range(200)]
    page.route("**/api/places*", lambda route: route.fulfill(json={"places": places, "images": len(places)}))
    page.goto(address)
    page.click("#toggle-map")
    page.wait_for_selector(".mark")
    nearest = page.evaluate("""() => {
        const boxes = [...document.querySelectorAll(".mark")].map((one) => one.getBoundingClientRect());
        const apart = (a, b) => Math.max(Math.abs(a.x - b.x), Math.abs(a.y - b.y)) / a.width;
        return Math.min(...boxes.flatMap((a, i) => boxes.slice(i + 1).map((b) => apart(a, b))));
    }""")
    assert nearest >= 0.9  # so that no number, in a corner, is covered


def test_nothing_covers_the_marks_of_the_view_that_the_map_chooses(map_of, page):
    covered = """() => {
        const [frame, ...controls] = ["#map", ".map-tools", "#map .here", ".map-note", ".map-scale"].map((one) =>
            document.querySelector(one).getBoundingClientRect());
        return [...document.querySelectorAll(".mark")].map((one) => one.getBoundingClientRect()).filter((mark) =>
            mark.left < frame.left || mark.right > frame.right || mark.top < frame.top || mark.bottom > frame.bottom ||
            controls.some((other) => mark.left < other.right && mark.right > other.left &&
                mark.top < other.bottom && mark.bottom > other.top)).length;
    }"""
    corners = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
    the_map = map_of([(48 + 0.3 * y, 11 + 0.4 * x) for y, x in corners])
    everywhere = [
        (64.1, -21.9),
        (61.2, -149.9),
        (-33.9, 18.4),
        (-37.8, 145),
        (43.1, 131.9),
        (66.5, 25.7),
        (-22.9, -43.2),
    ]
    for points in (corners, everywhere):
        if points is everywhere:
            page.unroute("**/api/places*")
            page.click("#toggle-map")
            map_of(points)
        for width, height in ((390, 844), (820, 1180), (1440, 900)):
            page.set_viewport_size({"width": width, "height": height})
            the_map.get_by_label("All locations").click()
            page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            assert page.locator(".mark").count() >= min(len(points), 4) and page.evaluate(covered) == 0, (width, points)


def test_an_area_over_the_date_line(map_of, page):
    the_map = map_of([(-17.7, 179.5), (-17.8, -179.6), (-18.1, 178.4)])
    page.wait_for_function("() => document.querySelectorAll('.mark').length === 3")
    with answered(page):
        the_map.get_by_role("button", name="Only this area").click()
    south, west, north, east = map(float, parse_qs(urlsplit(page.url).query)["within"][0].split(","))
    assert south < -18.1 and north > -17.7 and 170 < west < 178.4 and -179.6 < east < -170


def test_the_map_counts_the_hits_of_a_query(page):
    page.click("#toggle-map")
    page.wait_for_selector(".mark")
    with page.expect_response(
        lambda response: "/api/places" in response.url and "min_match=0.5" in response.url
    ) as answer:
        search(page, "temple")
    images = answer.value.json()["images"]
    assert 0 < images < 4
    expected = f"{images} likely match{'es' * (images > 1)} with a location"
    said = "(text) => document.querySelector('.map-note').textContent === text"
    page.wait_for_function(said, arg=expected)
    search(page, "a pagoda in 1999")
    page.wait_for_function(said, arg="No photos")
    search(page, "in Japan")  # all of it is a filter, so nothing is ranked
    page.wait_for_function(said, arg="1 photo with a location")
    page.goto(page.url.split("?")[0] + "?within=-24,-44,-22,-42")
    page.wait_for_function(said, arg="4 photos with a location, inside and outside the chosen area")


def test_if_no_photo_is_likely_the_map_shows_all_that_the_list_has(page):
    page.click("#toggle-map")
    search(page, "dkjsahdkjsah")
    assert page.locator(".group").first.inner_text() == "Nearest photos; none is a likely match"
    page.locator(".map-note", has_text="4 photos with a location").wait_for()
    assert page.locator("#status").inner_text() == "None likely of 52"
    page.locator("#filters .counted", has_text="Counts of all; none is likely").wait_for()
    page.click("label:has(#match-likely)")
    page.locator(".map-note", has_text="No photos").wait_for()


def test_names_of_places_are_asked_for_what_is_seen(map_of, page):
    page.set_viewport_size({"width": 3840, "height": 2160})
    page.evaluate(
        """() => {
            const write = CanvasRenderingContext2D.prototype.fillText;
            window.written = {};
            CanvasRenderingContext2D.prototype.fillText = function (text, ...place) {
                window.written[text] = this.font;
                write.call(this, text, ...place);
            };
        }"""
    )
    with page.expect_response(lambda response: "/api/map?" in response.url and "47." in response.url) as answer:
        map_of([(48.1, 11.5), (47.8, 12.2)])
    page.wait_for_function("() => window.written.Munich")
    assert "17.875px" in page.evaluate("window.written.Munich")  # 13 pixels, and larger as all text on such a screen
    assert {"Munich", "Rosenheim"} <= {place["name"] for place in answer.value.json()["names"]}
    assert answer.value.json()["tiles"] is None


def test_a_single_photo_is_shown_with_what_is_around_it(map_of, page):
    the_map = map_of([(47.862, 11.63)])
    the_map.locator(".map-scale", has_text="km").wait_for()
    page.wait_for_function("() => document.querySelector('.map-note').textContent === '1 photo with a location'")
    with page.expect_response(lambda response: "/api/map?" in response.url and '"nearest"' in response.text()):
        for _ in range(5):  # no names and no outlines are seen from here
            the_map.get_by_label("Zoom in").click()
    page.locator(".map-note .soft", has_text=re.compile("^Near .*, Germany. To see streets, ")).wait_for()
    the_map.get_by_label("All locations").click()
    the_map.locator(".map-note .soft").wait_for(state="hidden")


def test_the_users_own_tiles_are_shown_if_the_server_names_them(new_page, album):
    asked = []

    class Tiles(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "image/png")
            self.end_headers()
            self.wfile.write(one_pixel(200, 30, 30))

        def log_message(self, *arguments):
            pass

    tiles = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tiles)
    threading.Thread(target=tiles.serve_forever, daemon=True).start()
    template = f"http://127.0.0.1:{tiles.server_port}/{{z}}/{{x}}/{{y}}.png"
    try:
        with serving(album / ".clipsearch", "--map-tiles", template) as (_, address):
            page = new_page(viewport={"width": 900, "height": 600})
            page.goto(address)
            with page.expect_response(lambda response: str(tiles.server_port) in response.url):
                page.click("#toggle-map")
            page.wait_for_selector(".mark")
            page.close()
    finally:
        tiles.shutdown()
        tiles.server_close()
    assert asked and all(path.count("/") == 3 and path.endswith(".png") for path in asked)


def one_pixel(red, green, blue):
    """A PNG of one pixel."""

    def chunk(kind, data):
        body = kind + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    header = (1).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", zlib.compress(bytes([0, red, green, blue]))),
            chunk(b"IEND", b""),
        )
    )


def test_the_map_comes_into_view_and_closing_it_leads_back(page):
    top = """() => {
        const edge = document.querySelector("header").getBoundingClientRect().bottom;
        const all = [...document.querySelectorAll(".photo .open")];
        return all.map((one) => [one.ariaLabel, one.getBoundingClientRect().top]).find(([, top]) => top > edge);
    }"""
    is_seen = """() => {
        const { top, bottom } = document.querySelector("#map").getBoundingClientRect();
        return top >= document.querySelector("header").getBoundingClientRect().bottom && bottom <= innerHeight;
    }"""

    def press():
        if page.locator("#open-more").is_visible():
            page.click("#open-more")
        page.click("#toggle-map")

    stays = "([name, top]) => { const now = (" + top + ")(); return now[0] === name && Math.abs(now[1] - top) <= 1; }"
    for width in (1440, 820, 390):
        page.set_viewport_size({"width": width, "height": 700})
        page.wait_for_function("(width) => innerWidth === width", arg=width)
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        for y in (620, 600):  # on a phone the header leaves, and comes back
            page.evaluate("(y) => scrollTo(0, y)", y)
            page.wait_for_function("(y) => history.state?.scroll === y", arg=y)
        place = page.evaluate(top)
        press()
        page.wait_for_selector("#map .mark")
        page.wait_for_function(is_seen)
        press()
        page.wait_for_selector("#map", state="hidden")
        page.wait_for_function(stays, arg=place)
    press()
    page.evaluate("scrollTo(0, 800)")
    page.wait_for_function("() => history.state?.scroll === 800")
    place = page.evaluate(top)
    press()  # it is open, but out of sight
    page.wait_for_function(is_seen)
    page.evaluate("scrollTo(0, 0)")
    page.set_viewport_size({"width": 390, "height": 500})
    page.get_by_role("button", name="2 photos taken here").click()  # its strip is at the bottom
    strip = page.locator(".map-strip").bounding_box()
    assert strip["y"] + strip["height"] <= 500
    page.set_viewport_size({"width": 390, "height": 700})
    press()
    page.wait_for_function(stays, arg=place)
