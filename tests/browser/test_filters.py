"""The filter panel."""

import json
import re
from urllib.parse import parse_qs, quote, urlsplit
from urllib.request import urlopen

import pytest

from tests.browser.conftest import answered, search, show_made_up, shown, wait_until

pytestmark = pytest.mark.long


PHOTO = {
    "path": "/a.jpg", "width": 400, "height": 300, "format": "JPEG", "size": 1, "taken_at": "2024-06-30T12:00:00",
    "camera": None, "gps": None, "content_hash": "c",
}  # fmt: skip


@pytest.fixture
def filters(page):
    page.wait_for_selector("#filters .facet-list")
    assert "null" not in page.locator("#filters").inner_text()
    return page.locator("#filters")


def test_dates_by_bars_and_by_days(page, filters):
    with answered(page):
        filters.get_by_role("button", name="2019: 2 photos").click()
    assert shown(page) == ["rowing-boats.jpg", "pagoda.jpg"]
    with answered(page):
        filters.get_by_role("button", name="July 2019: 1 photo").click()
    assert shown(page) == ["pagoda.jpg"]
    assert page.locator("#filter-chips").inner_text().startswith("2019-07")
    with answered(page):
        filters.get_by_role("button", name="All years").click()
    with answered(page):
        filters.get_by_label("From").fill("2018-01-01")
        filters.get_by_label("From").dispatch_event("change")
    with answered(page):
        filters.get_by_label("To", exact=True).fill("2019-07-31")
        filters.get_by_label("To", exact=True).dispatch_event("change")
    assert shown(page) == ["pagoda.jpg", "kite.jpg"]


def test_folders_cameras_shapes_and_formats_have_counts(page, filters, album, address):
    first = filters.get_by_role("button", name=re.compile("^first"))
    expected = sum(1 for path in (album / "first").iterdir())
    assert first.inner_text().split() == ["first", str(expected)]
    with answered(page):
        first.click()
    assert page.locator("#status").inner_text() == f"{expected} photos"
    filters.get_by_role("button", name=re.compile("^first"), pressed=True).wait_for()
    with answered(page):
        page.locator("#filter-chips button").first.click()
    with answered(page):
        filters.get_by_role("button", name=re.compile("^Testing Camera 1")).click()
    assert page.locator("#status").inner_text() == "6 photos"
    camera = filters.get_by_role("button", name=re.compile("^Testing Camera 1"), pressed=True)
    assert camera.inner_text().split()[-1] == "6"  # of this name, not of longer ones: a part of the name finds nothing
    assert page.locator("#filter-chips").inner_text().split("\n")[0] == "Testing Camera 1"
    named = parse_qs(urlsplit(page.url).query)["camera"][0]
    found = (
        page.request.get(f"{address}/api/images", params={"camera": one}) for one in (named, named.replace(" 1", ""))
    )
    assert [one.json()["considered"] for one in found] == [6, 0]
    with answered(page):
        filters.get_by_role("button", name=re.compile("^landscape")).click()
    with answered(page):
        page.get_by_role("button", name="Clear all").click()
    with answered(page):
        filters.get_by_role("button", name=re.compile("^WEBP")).click()
    assert {name.rsplit(".")[1] for name in shown(page)} == {"webp"}


def test_people_keywords_and_ratings_have_counts_and_chips(page, filters):
    with answered(page):
        filters.get_by_role("button", name=re.compile("^travel 2", re.IGNORECASE)).click()
    assert shown(page) == ["pagoda.jpg", "kite.jpg"]
    with answered(page):
        filters.get_by_role("button", name=re.compile("^Temple .old. 1")).click()
    assert shown(page) == ["pagoda.jpg"] and "keyword=Temple" in page.url
    chips = page.locator("#filter-chips li")
    assert [chip.split("\n")[0] for chip in chips.all_inner_texts()][1] == "and keyword Temple [old]"
    page.reload()
    page.wait_for_selector(".photo.loaded")
    assert shown(page) == ["pagoda.jpg"]
    with answered(page):
        page.get_by_role("button", name="Clear all").click()
    with answered(page):
        filters.get_by_role("button", name=re.compile("^Bo 1")).click()
    assert shown(page) == ["kite.jpg"]
    with answered(page):
        filters.get_by_role("button", name=re.compile("^Bo 1")).click()
    with answered(page):
        filters.get_by_role("button", name=re.compile("^3 stars and more")).click()
    assert shown(page) == ["pagoda.jpg", "kite.jpg"] and "rating=3.." in page.url
    assert chips.first.inner_text().startswith("3 stars and more")
    with answered(page):
        filters.get_by_role("button", name=re.compile("^Rejected 1")).click()
    assert shown(page) == ["coffee.jpg"]
    filters.get_by_role("button", name=re.compile("^5 stars 1")).wait_for()
    assert filters.locator(".facet", has_text="Rejected").locator("li").count() == 3  # 0 stars is unrated


def test_places_have_names_and_alternatives(page, filters):
    with answered(page):
        filters.get_by_role("button", name=re.compile("^Brazil 2")).click()
    assert shown(page) == ["wave.jpg", "rio.jpg"] and "place=Brazil" in page.url
    with answered(page):
        filters.get_by_role("button", name=re.compile("^Japan 1")).click()
    assert shown(page) == ["pagoda.jpg", "wave.jpg", "rio.jpg"]
    chips = page.locator("#filter-chips bdi")
    assert chips.all_inner_texts() == ["in Brazil", "or in Japan", "Clear all"]
    with answered(page):
        filters.get_by_role("button", name=re.compile("^Brazil 2")).click()
    places = filters.locator("[data-key^='place ']")
    assert places.first.inner_text().startswith("Tokyo")  # those of the chosen country come first
    with answered(page):
        places.first.click()  # it takes the country's place
    assert chips.all_inner_texts() == ["in Tokyo, Japan"] and shown(page) == ["pagoda.jpg"]
    assert filters.locator("[data-key^='country '][aria-pressed=true]").count() == 0
    order = places.all_inner_texts()
    with answered(page):
        filters.get_by_role("button", name=re.compile("^Rio de Janeiro")).first.click()
    assert places.all_inner_texts() == order  # under the pointer, they stay where they are
    with answered(page):
        filters.get_by_role("button", name=re.compile("^Japan 1")).click()  # and the country that of its city
    assert [chip.split(",")[0] for chip in chips.all_inner_texts()] == ["in Rio de Janeiro", "or in Japan", "Clear all"]
    high = "(one) => one.closest('ul').offsetHeight"
    line = chips.first.evaluate(high)
    chips.first.evaluate("(one) => { one.textContent = 'or in Nice, Provence-Alpes-C\u00f4te d\\'Azur, France'; }")
    assert chips.first.evaluate(high) == line  # the photos below stay where they are
    assert shown(page) == ["pagoda.jpg", "wave.jpg", "rio.jpg"]
    page.locator(".photo .open").first.click()
    with answered(page):
        page.locator("#viewer .photo-facts").get_by_role("button", name="Tokyo").first.click()
    page.wait_for_selector("#viewer", state="hidden")
    assert shown(page) == ["pagoda.jpg"] and page.locator("#filter-chips").inner_text().startswith("in Tokyo")


def test_words_in_texts(page, filters):
    with answered(page):
        filters.get_by_label("Words in titles").fill('"cafe central" cak*')
        filters.get_by_label("Words in titles").press("Enter")
    assert shown(page) == ["coffee.jpg"]
    assert page.locator("#filter-chips button").first.inner_text().startswith('has the words "cafe central" cak*')


def test_names_and_expressions(page, filters):
    with answered(page):
        filters.get_by_label("File name").fill("giraffe")
        filters.get_by_label("File name").press("Enter")
    assert shown(page) == ["giraffe.jpg"]
    with answered(page):
        page.locator("#filter-chips button").first.click()
    with answered(page):
        filters.get_by_label("Expression").fill("taken < 2017 and camera ~ '*testing*'")
        filters.get_by_label("Expression").press("Enter")
    assert shown(page) == ["wave.jpg", "rio.jpg"]


def test_filters_stay_with_the_next_words(page, filters):
    with answered(page):
        filters.get_by_role("button", name=re.compile("^Testing Camera 1")).click()
    with answered(page, "/api/search"):
        page.fill("#query", "boats on water")
    assert shown(page)[0] in ("rowing-boats.jpg", "wave.jpg", "rio.jpg")
    assert len(shown(page)) == 6


def test_on_a_phone_the_filters_come_over_the_photos(new_page, address):
    page = new_page(viewport={"width": 320, "height": 640}, has_touch=True)
    page.goto(address)
    page.wait_for_selector(".photo.loaded")
    assert not page.locator("#filters").is_visible()
    page.click("#toggle-filters")
    assert page.evaluate("document.activeElement.id") == "filters-title"  # not the button that closes them
    with answered(page):
        page.locator("#filters").get_by_role("button", name=re.compile("^WEBP")).click()
    page.keyboard.press("Escape")
    page.wait_for_selector("#filters", state="hidden")
    page.wait_for_function("() => document.activeElement.id === 'toggle-filters'")
    assert page.evaluate("document.documentElement.scrollWidth <= 320")
    assert len(shown(page)) == 3


def test_the_filters_come_back_with_the_width_unless_the_user_has_closed_them(page, filters):
    narrow, wide = {"width": 800, "height": 800}, {"width": 1280, "height": 800}
    page.set_viewport_size(narrow)
    page.wait_for_selector("#filters", state="hidden")
    page.set_viewport_size(wide)
    page.wait_for_selector("#filters .facet-list")
    page.pdf()  # paper is narrow
    page.wait_for_selector("#filters .facet-list")
    page.reload()
    page.wait_for_selector("#filters .facet-list")
    page.click("#toggle-filters")
    page.set_viewport_size(narrow)
    page.set_viewport_size(wide)
    page.wait_for_timeout(100)
    assert not filters.is_visible()
    page.locator(".photo .open").first.focus()
    page.keyboard.press("ArrowRight")
    page.emulate_media(media="print", color_scheme="dark")
    buttons = page.locator(".photo :is(.pick, .similar, .heart, .caption)")
    assert not buttons.evaluate_all("(all) => all.some((one) => one.checkVisibility({visibilityProperty: true}))")
    assert page.evaluate("getComputedStyle(document.activeElement, '::after').content") == "none"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(26, 27, 28)"  # dark on paper
    assert not page.locator(".skip, .tools, #scrubber").evaluate_all(
        "(all) => all.some((one) => one.checkVisibility())"
    )
    assert page.locator("header").evaluate("(one) => getComputedStyle(one).position") == "static"
    page.emulate_media(media="screen", color_scheme="light")


def test_counts_follow_the_query(page, filters):
    total = sum(int(text) for text in filters.locator("[data-key^=format] .count").all_inner_texts())
    filters.locator("[data-key^=keyword]").first.wait_for()
    before = places_of_rows(filters)
    with page.expect_response(lambda response: "/api/facets" in response.url and "q=a+giraffe" in response.url):
        page.fill("#query", "a giraffe")
    page.wait_for_function("() => /^Counts of \\d/.test(document.querySelector('#filters .counted').textContent)")
    address, words = page.url.split("/?")[0], "q=a+giraffe&hybrid=true&smart=true&min_match=0.5"
    likely = json.load(urlopen(f"{address}/api/search?{words}&top_k=1000"))
    page.wait_for_function(
        "(wanted) => [...document.querySelectorAll('#filters [data-key^=format] .count')]"
        ".reduce((sum, one) => sum + Number(one.textContent), 0) === wanted",
        arg=len(likely["hits"]),
    )
    assert 0 < len(likely["hits"]) < total
    after = places_of_rows(filters)
    assert after == before  # what is under the pointer stays there
    assert filters.locator(".without .count").first.inner_text() == "0"
    page.mouse.move(900, 10)
    rows = filters.locator(".facet-list").all_inner_texts()
    page.reload()
    page.wait_for_function("() => /^Counts of \\d/.test(document.querySelector('#filters .counted')?.textContent)")
    filters.locator("[data-key^=keyword]").first.wait_for()
    assert filters.locator(".facet-list").all_inner_texts() == rows
    page.goto(f"{address}/?name=pagoda*")  # another search: rows with photos come first
    page.wait_for_function(
        "() => document.querySelector('#filters .counted')?.textContent === 'Counts of these photos'"
    )
    assert filters.locator("[data-key^='place ']").first.inner_text().startswith("Tokyo")


def test_an_address_has_the_same_rows_however_one_came_to_it(page, filters, new_page):
    filters.locator("[data-key^=keyword]").first.wait_for()
    search(page, "a giraffe")
    direct = new_page()
    direct.goto(page.url)
    rows = []
    for tab in (page, direct):
        tab.wait_for_function("() => /^Counts of \\d/.test(document.querySelector('#filters .counted')?.textContent)")
        tab.wait_for_selector("#filters [data-key^=keyword]")
        rows.append(
            tab.locator("#filters .facets [data-key]").evaluate_all("(all) => all.map((one) => one.dataset.key)")
        )
        assert tab.locator("#filters [data-key='day from']").count() == 1
    assert sorted(rows[0]) == sorted(rows[1])


def test_words_that_only_leave_out_are_counted_and_judged_as_a_minus_is(page, filters):
    page.expected += ["status of 400"]
    filters.locator("[data-key^=keyword]").first.wait_for()
    address, limited = page.url, "relevant=true"
    for words in ("- people", "without people", "ohne Menschen"):
        search(page, words)
        page.wait_for_function(
            "() => /^Counts of the .* nearest/.test(document.querySelector('#filters .counted').textContent)"
        )
        assert filters.locator("[data-key^=format] .count").count() and page.locator("#match-likely").is_disabled()
        with answered(page):
            page.click("#home")
    page.goto(f"{address}?q=no+dogs&{limited}")  # as if "likely" had been chosen for the words before
    page.wait_for_selector(".photo.loaded")
    assert page.locator("#match-likely").is_disabled() and page.locator("#empty").is_hidden()
    page.goto(f"{address}?q=a+giraffe&format=gif")
    filters.locator(".counted", has_text="Counts of other choices").wait_for()
    assert filters.locator(".counted").evaluate("(one) => one.scrollWidth <= one.clientWidth")


def places_of_rows(filters):
    """Where each row of a short list, and each heading, stands."""
    return filters.evaluate(
        """(panel) => [...panel.querySelectorAll("h3, [data-key^=format], [data-key^=orientation], [data-key^=folder]")].map(
            (one) => [one.dataset.key ?? one.textContent, one.getBoundingClientRect().y])"""
    )


def test_only_the_facets_that_are_shown_are_counted_and_slow_ones_hold_nobody(new_page, address):
    page = new_page()
    asked, held = [], []

    def hold(route):
        asked.append(set(parse_qs(urlsplit(route.request.url).query)["by"]))
        if "keyword" in route.request.url:
            held.append(route)
        else:
            route.continue_()

    page.route("**/api/facets?*", hold)
    page.goto(address)
    page.wait_for_selector("#filters [data-key^=format]")
    assert page.locator("#filters [data-key^=keyword]").count() == 0
    quick = {"year", "month", "folder", "camera", "format", "orientation", "rating", "place", "country"}
    assert asked == [quick, {"keyword", "person"}]
    held[0].continue_()
    page.wait_for_selector("#filters [data-key^=keyword]")


def test_photos_of_a_later_page_hold_no_counts(new_page, address):
    page = new_page()
    page.set_viewport_size({"width": 1280, "height": 2000})  # so high that a second page is asked for at once
    show_made_up(page, [{**PHOTO, "id": 1000 + number} for number in range(500)])
    panels, later = [], []
    page.route("**/static/panels.js", lambda route: panels.append(route))
    page.route("**/api/images?*offset=60*", lambda route: later.append(route))
    page.goto(address)
    wait_until(lambda: page.wait_for_timeout(50) or (panels and later))
    panels[0].continue_()  # the panel opens while the second page is on its way
    page.wait_for_selector("#filters [data-key^=format]")
    assert page.locator("#filters .counted").inner_text() == "Counts of all photos"


def test_counts_that_fail_say_why_and_are_tried_again(new_page, address):
    page = new_page()
    page.expected += ["status of 500"]
    failure = {"status": 500, "json": {"error": {"code": "bug", "message": "something went wrong"}}}
    page.route("**/api/facets?*", lambda route: route.fulfill(**failure))
    page.goto(address)
    again = page.locator("#filters").get_by_role("button", name="Count again")
    again.wait_for()
    assert "Something went wrong." in page.locator("#filters .facets").inner_text()
    page.unroute("**/api/facets?*")
    page.evaluate("""() => {
        const { fetch } = window;
        window.fetch = async (address, options) => {
            const response = await fetch(address, options);
            if (!String(address).startsWith("/api/facets")) return response;
            window.fetch = fetch;
            response.text = () => Promise.reject(new TypeError("network error"));
            return response;
        };
    }""")
    again.click()  # the server goes in the middle of its answer, and is back at once
    page.locator("#note", has_text="The server is back.").wait_for()
    page.wait_for_selector("#filters [data-key^=format]")
    assert again.count() == 0


def test_the_count_of_a_chosen_value_is_that_of_the_list(page, filters, album, address):
    page.goto(f"{address}/?q=a+musical+instrument&in={quote(str(album / 'first'))}")
    filters.locator(".counted", has_text="Counts of 2 likely photos").wait_for()
    assert page.locator("#status").inner_text().startswith("About 2 likely")
    chosen = filters.get_by_role("button", name=re.compile("^first"), pressed=True)
    assert chosen.inner_text().split() == ["first", "2"]  # among all photos, one of them is likely
    above = filters.locator("[data-key^='folder '] .count").first
    assert int(above.inner_text()) >= 2


def test_unfolded_folders_stay_unfolded_after_a_reload(page, filters):
    lone = filters.locator(".fold").first  # the only folder at the top is open by itself
    assert lone.get_attribute("aria-expanded") == "true"
    lone.click()
    assert lone.get_attribute("aria-expanded") == "false" and filters.locator("[data-key^='folder ']").count() == 1
    page.reload()
    page.wait_for_selector("#filters .fold[aria-expanded=false]")
    lone.click()
    filters.get_by_role("button", name=re.compile("^first")).click()
    lone.click()  # even if what is chosen is inside
    page.wait_for_selector("#filters .fold[aria-expanded=false]")
    filters.get_by_role("button", name=re.compile("^first")).wait_for(state="detached")
    tree = """async () => {
        const { folderTree } = await import('/static/folder-filter.js');
        const counts = ['/a', '/a/b', '/c'].map((value) => ({ value, images: 1 }));
        const show = () => document.querySelector('#empty').replaceChildren(folderTree(counts, [], show));
        document.querySelector('#empty').hidden = false;
        show();
    }"""
    fold = page.get_by_role("button", name="Folders in a", exact=True)
    page.evaluate(tree)
    assert fold.get_attribute("aria-expanded") == "false"
    fold.click()
    page.reload()
    page.wait_for_selector(".photo.loaded")
    page.evaluate(tree)
    assert fold.get_attribute("aria-expanded") == "true"
