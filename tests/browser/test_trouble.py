"""What the page says and does if the server or its index is gone, a filter is wrong, or there is no index yet."""

import json
import re
import socket

import pytest

from clipsearch.server.bundles import LATER
from tests.browser.conftest import answered, search, serving, shown
from tests.conftest import save_photo

pytestmark = pytest.mark.long


def free_port():
    """A port for a server that is started twice at one address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_the_page_says_that_the_server_is_gone_and_recovers(new_page, small):
    port = free_port()
    page = new_page()
    page.expected += ["ERR_", "Failed to load"]
    with serving(small / ".clipsearch", port=port) as (process, address):
        with page.expect_response("**/api/events"):
            page.goto(address)
        page.wait_for_selector("#filters [data-key^=format]")
        stopping = {"error": {"code": "stopping", "message": "the server is stopping"}}
        page.route("**/api/facets?*", lambda route: route.fulfill(status=503, json=stopping))
        process.kill()
        process.wait()
        page.wait_for_selector("#gone", state="visible", timeout=1500)  # nothing was clicked
        assert page.locator("#gone").inner_text().startswith("The server does not answer")
        page.fill("#query", "red")
        page.wait_for_function("() => document.querySelector('#status').textContent.includes('search before')")
        grey = page.locator(".photo").first.evaluate("(one) => getComputedStyle(one).filter")
        assert "grayscale" in grey and shown(page)  # the photos on the page stay
        facets = page.locator("#filters .facets")
        assert facets.locator("[data-key^=format]").count() and "stopping" not in facets.inner_text()
        assert facets.evaluate("(one) => getComputedStyle(one).opacity") == "0.5"
        page.unroute("**/api/facets?*")
        page.click("#open-help")
    with serving(small / ".clipsearch", port=port):
        page.wait_for_selector("#gone", state="hidden", timeout=20_000)
        page.wait_for_function("() => !document.querySelector('#status').textContent.includes('search before')")
        assert page.locator("#photos.stale").count() == 0 and shown(page)[0] == "red.jpg"
        page.wait_for_selector("#panel[open]")  # what was asked for meanwhile is there, too
        note = "announce('A note', { label: 'Act', act() { window.acted = 1; } })"
        page.evaluate(f"async () => (await import('/static/messages.js')).{note}")
        page.get_by_role("button", name="Act").click()  # although a dialog is open
        assert page.evaluate("window.acted") == 1
        page.keyboard.press("Escape")
        page.wait_for_selector("#panel", state="hidden")
        page.wait_for_selector("body > #note", state="attached")
        page.close()


def test_a_click_during_an_outage_is_done_once_the_server_is_back(new_page, small):
    """The module does not load at first, as if the server had gone before it was needed."""
    with serving(small / ".clipsearch") as (_, address):
        page = new_page(viewport={"width": 800, "height": 700})
        page.expected += ["ERR_", "Failed to load"]
        page.goto(address)
        page.wait_for_selector(".photo.loaded")
        page.route("**/*", lambda route: route.abort())
        page.evaluate("() => document.querySelector('#open-help').click()")
        page.wait_for_selector("#gone:not([hidden]), #panel[open]")
        page.unroute("**/*")
        page.wait_for_selector("#panel[open]")
        assert "Searching" in page.locator("#panel").inner_text()
        page.close()


@pytest.mark.parametrize("is_gone", [False, True])
def test_all_that_waits_for_a_module_that_has_failed_is_done(new_page, address, is_gone):
    page = new_page(viewport={"width": 800, "height": 700})
    page.expected += ["ERR_", "Failed to load"]
    page.add_init_script("sessionStorage.setItem('clipsearch-map', '1')")  # the page opens the map itself
    held = []
    page.route(f"**/static/{LATER}", lambda route: held.append(route), times=1)
    page.goto(address)
    page.wait_for_selector(".photo.loaded")
    page.click("#open-help")
    if is_gone:
        page.route("**/*", lambda route: route.abort())
    held.pop().abort()
    if is_gone:
        page.wait_for_selector("#gone:not([hidden])")
        page.unroute("**/*")
    page.wait_for_selector("#panel[open]")
    page.wait_for_selector("#map svg, #map canvas", state="attached")


@pytest.mark.parametrize("width", [390, 1280])
def test_the_banner_is_in_view_at_every_place_and_a_new_query_begins_at_its_top(new_page, address, width):
    page = new_page(viewport={"width": width, "height": 500})
    page.expected += ["ERR_", "Failed to load"]
    page.goto(address)
    page.wait_for_selector(".photo.loaded")
    page.evaluate("scrollTo(0, 400)")
    page.wait_for_function("() => history.state?.scroll === 400")
    page.route("**/api/**", lambda route: route.abort())
    where = "() => document.querySelector('#photos').getBoundingClientRect().top"
    place = page.evaluate(where)
    page.fill("#query", "a dog")
    page.wait_for_selector("#gone .of-before:not([hidden])")  # the line above the photos is out of sight
    if width > 1200:  # on a phone the header comes back, too
        assert page.evaluate(where) == pytest.approx(place, abs=1)  # the banner has not moved the photos
    page.evaluate("document.activeElement.blur()")  # while it is used, the header stays
    for place in (700, 600):  # on a phone the header leaves, and comes back
        page.evaluate("(place) => scrollTo(0, place)", place)
        page.wait_for_function(
            """(isAway) => document.documentElement.classList.contains("header-away") === isAway
                && document.getAnimations().every((one) => !(one instanceof CSSTransition))""",
            arg=width < 500 and place == 700,
        )
        assert page.locator("#gone").evaluate(
            """(one) => {
                const { top, bottom, left, right } = one.getBoundingClientRect();
                const xs = [left + 1, (left + right) / 2, right - 1];
                return xs.every((x) => [top + 1, bottom - 1].every((y) => one.contains(document.elementFromPoint(x, y))));
            }"""
        )  # nothing lies over it
    if width > 1200:
        box, title = (page.locator(part).bounding_box() for part in ("#gone", "#filters-title"))
        assert title["y"] >= box["y"] + box["height"]
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_selector("#gone .of-before", state="hidden")  # said once
    page.evaluate("scrollTo(0, 390)")
    page.wait_for_timeout(250)  # at rest, the page remembers its place
    page.unroute("**/api/**")
    with answered(page, "/api/search"):
        page.evaluate("document.querySelector('#gone .link').click()")  # unless it has just tried by itself
    assert page.evaluate("scrollY") == 0 and page.locator("#gone").is_hidden()
    page.evaluate("scrollTo(0, 60)")
    with answered(page):
        page.go_back()
    assert page.evaluate("scrollY") > 300


def test_the_page_says_that_the_index_is_gone_and_recovers(new_page, small, tmp_path):
    with serving(small / ".clipsearch") as (_, address):
        page = new_page()
        page.expected += ["status of 503", "Failed to load"]
        page.goto(address)
        page.wait_for_selector(".photo.loaded")
        (small / ".clipsearch").rename(tmp_path / "away")
        page.wait_for_selector("#gone", state="visible")
        assert "is not there any more" in page.locator("#gone").inner_text()
        (tmp_path / "away").rename(small / ".clipsearch")
        page.wait_for_selector("#gone", state="hidden")
        search(page, "green")
        assert shown(page)[0] == "green.jpg"
        (small / ".clipsearch").rename(tmp_path / "removed")
        page.reload()
        page.wait_for_selector("#empty h2")
        assert "not there any more" in page.locator("#empty").inner_text() and page.locator("#note").is_hidden()
        page.get_by_role("button", name="Index these photos again").click()
        page.wait_for_selector(".photo.loaded", state="attached", timeout=30_000)
        page.wait_for_selector("#gone", state="hidden")
        page.close()


def test_a_photo_that_the_server_does_not_send_is_shown_once_it_is_back(new_page, small):
    port = free_port()
    page = new_page()
    page.expected += ["ERR_", "Failed to load"]
    page.route("**/file", lambda route: route.continue_(headers={**route.request.headers, "cache-control": "no-cache"}))
    with serving(small / ".clipsearch", port=port) as (process, address):
        page.goto(address)
        page.locator(".photo .open").first.click()
        page.wait_for_selector("#viewer[open] img.full")
        page.keyboard.press("Escape")
        page.wait_for_selector("#viewer", state="hidden")
        search(page, "green")
        listed = shown(page)
        process.kill()
        process.wait()
        page.wait_for_selector("#gone", state="visible")
        page.fill("#query", "blue")
        page.wait_for_function("() => document.querySelector('#status').textContent.includes('search before')")
        page.locator(".photo .open").nth(1).click()
        page.wait_for_selector("#viewer .unplayable")
        assert page.locator("#viewer .unplayable").inner_text().startswith("The server does not answer")
        page.wait_for_selector("#gone:popover-open")  # over the viewer
        broken = "[...document.images].filter((one) => one.complete && !one.naturalWidth && one.getAttribute('src'))"
        assert page.evaluate(
            f"{broken}.length > 0 && {broken}.every((one) => !one.checkVisibility({{visibilityProperty: true}}))"
        )
        banner = page.locator("#gone").bounding_box()
        page.wait_for_function("() => document.querySelector('#viewer').getBoundingClientRect().y > 20")
        for part in (".viewer-bar", ".photo-facts"):  # it covers nothing
            assert page.locator(part).bounding_box()["y"] >= banner["y"] + banner["height"] - 1
        with page.expect_request("**/api/**"):
            page.get_by_role("button", name="Try now").click()  # it is in the dialog, so it can be used
    with serving(small / ".clipsearch", port=port):
        page.wait_for_selector("#gone", state="hidden", timeout=20_000)
        page.wait_for_function("() => document.querySelector('#viewer img.full').naturalWidth > 0")
        assert page.locator("#viewer .unplayable").count() == 0
        page.wait_for_function(
            "() => [...document.querySelectorAll('.filmstrip img')].every((one) => one.naturalWidth)"
        )
        page.wait_for_function("() => !document.querySelector('#status').textContent.includes('search before')")
        assert page.locator(".filmstrip button").count() == 3 and "Match" in page.locator(".photo-facts").inner_text()
        assert page.locator(".step:enabled").count() == 2  # the photo is in the list that it was opened from
        assert shown(page) == listed
        page.keyboard.press("Escape")
        page.wait_for_selector("#viewer", state="hidden")
        page.wait_for_function("() => document.querySelector('.photo .open').ariaLabel.startsWith('blue.jpg')")
        assert page.input_value("#query") == "blue"  # what was typed is asked now
        page.close()


def test_the_reason_stands_beside_a_wrong_expression_and_the_panel_stays(page):
    page.expected += ["status of 400"]
    filters = page.locator("#filters")
    page.wait_for_selector("#filters .facet-list")
    field = filters.get_by_label("Expression")
    field.fill("width > 20 andd height > 3")
    field.press("Enter")
    page.wait_for_selector("#wrong-where:not([hidden])")
    assert page.locator("#wrong-where").inner_text().startswith('Here "and", "or" or the end was expected.')
    assert page.locator("#wrong-where mark").inner_text() == "andd height > 3"
    assert field.get_attribute("aria-invalid") == "true" and field.input_value() == "width > 20 andd height > 3"
    assert filters.get_by_role("button", name=re.compile("^landscape")).count() == 1  # the values are there still
    page.wait_for_selector("#empty h2")
    assert page.locator("#empty p").first.inner_text() == 'Here "and", "or" or the end was expected.'
    with answered(page):
        field.fill("width > 20 and height > 3")
        field.press("Enter")
    page.wait_for_selector("#wrong-where", state="hidden")
    assert field.get_attribute("aria-invalid") == "false" and shown(page)


def test_a_wrong_query_is_marked_at_its_place_and_the_panel_stays(page):
    page.expected += ["status of 400"]
    page.wait_for_selector("#filters [data-key^=keyword]")
    query, empty, filters = page.locator("#query"), page.locator("#empty"), page.locator("#filters")
    query.fill("a dog - + a cat")
    page.locator("#empty mark", has_text="- + a cat").wait_for()
    assert empty.locator("code").inner_text() == "a dog - + a cat"
    assert empty.locator("h2").inner_text() == "This search cannot be used"
    assert query.get_attribute("aria-invalid") == "true" and empty.get_by_role("button", name="Try again").count() == 0
    page.wait_for_timeout(600)  # until what is typed has been counted
    assert filters.get_by_role("button", name=re.compile("^landscape")).count() == 1
    assert "nothing after" not in filters.inner_text()
    empty.get_by_role("button", name="Change it").click()
    assert page.evaluate("document.activeElement.id") == "query"
    with answered(page, "/api/search"):
        query.fill("a dog - + ")  # signs at the end have no part yet
    page.wait_for_function("() => document.querySelector('#query').ariaInvalid === 'false'")
    assert shown(page)


def test_a_wrong_filter_of_an_address_can_be_removed(new_page, address):
    page = new_page()
    page.expected += ["status of 400", "status of 404", "status of 422"]
    for wrong, title, reason, remedy in (
        (
            f"q={'x' * 5000}",
            "This search cannot be used",
            "It is too long; give at most 2,000 characters.",
            "Clear the search",
        ),
        (
            "sort=xyz",
            "There is no order “xyz”",
            "There is no 'xyz'; choose 'date', 'oldest' or 'name'.",
            "Use the usual order",
        ),
        ("min_width=wide", "This filter cannot be used", "Give a whole number.", "Remove this filter"),
        ("q=dog+%2B+-+cat", "This search cannot be used", "There is nothing after the +;", "Clear the search"),
        ("album=gone", "This filter cannot be used", "There is no album 'gone'", "Remove this filter"),
    ):
        page.goto(f"{address}/?{wrong}")
        page.wait_for_selector("#empty h2")
        assert page.locator("#empty h2").inner_text() == title and reason in page.locator("#empty").inner_text()
        with answered(page):
            page.locator("#empty").get_by_role("button", name=remedy).click()
        assert shown(page) and "?" not in page.url
    page.goto(f"{address}/photos/?q=a+dog")
    assert "There is nothing at this address." in page.locator("main").inner_text()
    page.get_by_role("link", name="All photos").click()
    page.wait_for_selector(".photo.loaded")
    page.goto(f"{address}/?near=somewhere&camera=testing")
    page.wait_for_selector("#empty h2")
    assert "'somewhere' is not coordinates" in page.locator("#empty").inner_text()
    page.wait_for_selector("#filters .facet-list")
    assert "is not a place" not in page.locator("#filters").inner_text()  # said once
    with answered(page):
        page.get_by_role("button", name="Remove this filter").click()
    assert len(shown(page)) == 6 and "near" not in page.url and "camera=testing" in page.url
    page.goto(f"{address}/?where=width+%3E+3+andd+x")
    assert page.locator("#empty code").inner_text() == "width > 3 andd x"
    assert page.locator("#empty mark").inner_text() == "andd x" and ">>>" not in page.locator("#empty").inner_text()
    assert page.locator("#empty p").first.inner_text() == 'Here "and", "or" or the end was expected.'
    page.wait_for_selector("#wrong-where:not([hidden])")
    where = page.locator("#filters").get_by_label("Expression")
    for text, place in (("frobnicate = 3", "frobnicate = 3"), ("width > 3 and widht > 3", "widht > 3")):
        where.fill(text)  # no field of this name, with and without a proposal
        where.press("Enter")
        page.locator("#wrong-where mark", has_text=re.compile(f"^{place}$")).wait_for()
        assert page.locator("#wrong-where code").inner_text() == text
        assert ">>>" not in page.locator("#wrong-where").inner_text() + page.locator("#empty").inner_text()
        if text == "frobnicate = 3":  # the fields that there are fill four lines, and stand in the panel
            page.locator("#empty p", has_text=re.compile("^There is no field 'frobnicate'\\.$")).wait_for()
            assert "there are album, camera" in page.locator("#wrong-where").inner_text()
    where.fill("width > 3 andd x")
    with page.expect_response("**/api/images?*"):
        where.press("Enter")
    page.wait_for_selector("#filters [data-key^=keyword]")  # the last counts, above the reason, which stays in view
    assert 0 <= page.locator("#wrong-where").bounding_box()["y"] <= 800 - 40
    page.click("#toggle-map")
    page.locator(".map-note", has_text="A filter cannot be used").wait_for()
    for text, note in (("width > 3", "with a location"), ("width > 3 andd x", "A filter cannot be used")):
        where.fill(text)
        where.press("Enter")
        page.locator(".map-note", has_text=note).wait_for()
    page.click("#toggle-map")
    page.goto(f"{address}/?taken=2030-01-01..2001-01-01")
    for place in ("#empty", "#wrong-dates"):
        page.locator(place, has_text="The last day is before the first one.").wait_for()
    assert page.locator("#empty code").count() == 0  # the dates stand in the panel and in the chip
    page.goto(f"{address}/?taken=abc")
    page.wait_for_selector("#wrong-dates")
    edges = [page.locator(part).bounding_box()["x"] for part in (".toolbar", ".filter-chip")]
    assert edges[0] == edges[1]  # no gap after an empty number of photos
    page.locator(
        "#filters .chart .ends", has_text=re.compile(r"^\s*\d+\s*$")
    ).wait_for()  # years, and no month of no year


def test_any_number_of_wrong_filters_leaves_the_panel_its_lists(new_page, address):
    page = new_page()
    page.expected += ["status of 400", "status of 422"]
    page.goto(f"{address}/?within=abc&near=x,y&rating=many&taken=2030-01-01..2010-01-01&min_width=wide&where=width+%3E")
    page.wait_for_selector("#filters [data-key^=keyword]")
    page.locator("#filters .counted", has_text="Counts of ").wait_for()
    assert page.locator("#wrong-where").is_visible() and page.locator("#wrong-dates").is_visible()
    chips = page.locator("#filter-chips").inner_text()
    assert "NaN" not in chips and all(text in chips for text in ("area “abc”", "near “x,y”", "rating many"))
    with answered(page):
        page.get_by_role("button", name="Clear all").click()
    page.wait_for_selector("#wrong-where", state="hidden")
    page.wait_for_selector("#wrong-dates", state="detached")


def test_a_picture_that_is_gone_can_be_chosen_again(new_page, address):
    page = new_page()
    page.expected += ["status of 404"]
    gone = f"like=upload:{'a' * 43}"
    page.goto(f"{address}/?{gone}")
    empty, filters = page.locator("#empty"), page.locator("#filters")
    empty.get_by_text("The picture of this search is gone").wait_for()
    page.wait_for_selector("#filters [data-key^=keyword]")  # the counts of all photos
    assert "aaa" not in empty.inner_text() + filters.inner_text() and "Count again" not in filters.inner_text()
    with page.expect_file_chooser():
        empty.get_by_role("button", name="Choose a picture").click()
    with answered(page):
        empty.get_by_role("button", name="Clear the search").click()
    assert shown(page) and "?" not in page.url
    page.goto(f"{address}/?q=a+kite&like=987654&{gone}")
    empty.get_by_role("button", name="Search without it").wait_for()
    page.click("#toggle-map")
    page.locator("#map", has_text="The picture of this search is gone, so no photo is shown here").wait_for()
    page.click("#toggle-map")
    for _ in range(2):  # the photo, and the picture
        empty.get_by_role("button", name="Search without it").click()
        page.wait_for_function("() => !document.querySelector('#progress').classList.contains('busy')")
    page.wait_for_selector(".photo.loaded")
    assert page.url.endswith("?q=a+kite")


def follow_first_photos(page):
    """Start to index in the page, close the dialog, load the page again, and stop. A real run ends too fast to be observed."""
    counts = {
        "done": 12,
        "total": 60,
        "added": 0,
        "updated": 0,
        "removed": 0,
        "failed": 0,
        "rate": 4,
        "seconds_left": 12,
    }
    job = {**counts, "state": "idle", "stage": "photos"}

    def answer(route):
        job["state"] = {"POST": "running", "DELETE": "cancelled"}.get(route.request.method, job["state"])
        route.fulfill(json={"job": job} if route.request.method == "POST" else job)

    def events(route):
        name = "progress" if job["state"] == "running" else job["state"]
        body = f"retry: 200\nevent: {name}\ndata: {json.dumps(job)}\n\n"
        route.fulfill(content_type="text/event-stream", body=body)

    page.route("**/api/index", answer)
    page.route("**/api/index/events", events)
    page.get_by_role("button", name="Index these photos").click()
    page.wait_for_selector("#panel[open] progress")
    page.keyboard.press("Escape")
    for _ in range(2):  # in this page, and in one that comes later
        page.locator("#empty").get_by_text("12 of 60 photos, 4.0 a second, 10 seconds left").wait_for()
        assert page.locator("#empty h2").inner_text() == "Indexing the photos"
        assert page.locator("#empty progress").get_attribute("value") == "12"
        page.reload()
    page.get_by_role("button", name="Show more about it").click()
    page.get_by_role("button", name="Stop indexing").click()
    page.wait_for_selector(".indexing p:has-text('Stopped')")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Index these photos").wait_for()
    page.unroute("**/api/index")
    page.unroute("**/api/index/events")


def test_a_folder_without_an_index_is_indexed_from_the_page(new_page, tmp_path):
    for number in range(5):
        save_photo(tmp_path / "album" / f"{number}.jpg", (50 * number, 90, 20), note=str(number))
    with serving(tmp_path / "album", "--allow-below", str(tmp_path), index=False) as (_, address):
        page = new_page()
        page.expected += ["status of 503", "status of 403"]
        page.goto(address)
        page.wait_for_selector("#empty h2")
        assert str(tmp_path / "album") in page.locator("#empty code").inner_text()
        page.wait_for_selector("#filters .facets p")
        assert page.locator("#filters .facets").inner_text() == "They come with the first photos."
        follow_first_photos(page)
        page.get_by_role("button", name="Index these photos").click()
        page.wait_for_selector(".photo.loaded", state="attached", timeout=30_000)
        page.wait_for_selector(".indexing p:has-text('Done: 5 added')", timeout=30_000)
        page.locator(".add-folder summary").click()
        field = page.get_by_label("A folder on the server's machine")
        field.fill("/")
        field.press("Enter")
        page.wait_for_selector("#folder-problem:not(:empty)")
        allowed = page.locator("#folder-help").inner_text().removeprefix("You can add folders below ").rstrip(".")
        refused = f"This folder cannot be added. Choose one below {allowed}, and check how it is written."
        assert page.locator("#folder-problem").inner_text() == refused
        assert field.get_attribute("aria-invalid") == "true"
        save_photo(tmp_path / "more" / "new.jpg", "red")
        field.fill(str(tmp_path / "more"))
        field.press("Enter")
        page.wait_for_selector(
            "[name=folder][aria-invalid=false]", state="attached"
        )  # the red border goes with the message
        page.wait_for_selector(".indexing p:has-text('Done: 1 added')", timeout=30_000)
        page.close()
