"""The rows of photos: how they fill the screen, their headings, and what a card says."""

import io
import itertools
import re
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image

from clipsearch.render.text import percent
from tests.browser.conftest import answered, remove_saved, save_and_come_back, search, show_made_up, shown

WIDTHS = {390: 844, 820: 1180, 1440: 900, 3840: 2160}
HEADINGS = "() => [...document.querySelectorAll('.group')].map((one) => one.textContent)"


def made_up(dates, sizes=((400, 300), (300, 400), (640, 360))):
    """Photos as the server lists them, one for each date, which may be None."""
    return [
        {
            "id": 1000 + number, "path": f"/{number:04}.jpg", "width": width, "height": height, "format": "JPEG", "size": 1,
            "taken_at": taken and taken.isoformat(), "camera": None, "gps": None, "content_hash": "c",
        }
        for number, taken in enumerate(dates) for width, height in (sizes[number % len(sizes)],)
    ]  # fmt: skip


def open_with(page, address, photos):
    """Open the page on photos that no server has."""
    show_made_up(page, photos)
    page.goto(address)
    page.wait_for_selector(".photo.loaded")


def days(first, count, apart):
    return [first - timedelta(days=apart * number) for number in range(count)]


FILLED = """() => {
    const room = document.querySelector("#photos").getBoundingClientRect();
    const ends = Math.min(innerHeight, room.bottom);
    let area = 0;
    for (const photo of document.querySelectorAll(".photo")) {
        const { top, bottom, width } = photo.getBoundingClientRect();
        area += Math.max(0, Math.min(bottom, ends) - Math.max(top, room.top)) * width;
    }
    return area / (room.width * (ends - room.top));
}"""


@pytest.mark.parametrize("width", WIDTHS)
def test_days_with_one_photo_share_rows(new_page, address, width):
    page = new_page()
    page.set_viewport_size({"width": width, "height": WIDTHS[width]})
    open_with(page, address, made_up(days(datetime(2024, 6, 30, 12), 70, 9)))
    assert page.evaluate(HEADINGS)[0] == "2024"
    assert page.evaluate(FILLED) > 0.75
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_year_with_few_photos_is_one_heading_and_full_months_have_their_own(new_page, address):
    page = new_page()
    page.set_viewport_size({"width": 1440, "height": 20_000})
    dense = (
        days(datetime(2024, 6, 30), 40, 0.5) + days(datetime(2024, 5, 20), 2, 3) + days(datetime(2024, 4, 29), 20, 1)
    )
    sparse = (
        days(datetime(2022, 11, 1), 13, 20) + days(datetime(2020, 11, 1), 3, 30) + days(datetime(2019, 11, 1), 9, 9)
    )
    open_with(page, address, made_up([*dense, *sparse, None]))
    page.wait_for_function("() => document.querySelectorAll('.photo').length === 88")
    assert page.evaluate(HEADINGS) == ["June 2024", "April \u2013 May 2024", "2022", "2019 \u2013 2020", "No date"]
    page.evaluate("import('/static/state.js').then(({ changeSearch }) => changeSearch({ sort: 'name' }))")
    page.wait_for_function("() => !document.querySelector('.group')")


def groups(page, dates, is_open=False):
    """The headings of photos with these dates, each with how many photos it has."""
    found = page.evaluate(
        """async ([dates, isOpen]) => {
            const { headingsOf } = await import("/static/photo-headings.js");
            const { EMPTY } = await import("/static/state.js");
            return headingsOf(dates.map((taken_at) => ({ taken_at })), EMPTY, { isOpen });
        }""",
        [[day.isoformat() if isinstance(day, datetime) else day for day in dates], is_open],
    )
    return [(heading, len(list(same))) for heading, same in itertools.groupby(found)]


def test_days_with_many_photos_and_a_list_of_a_few_weeks_have_headings_by_day(page):
    def day(month, number, count, year=2019):
        return [datetime(year, month, number, 20) - timedelta(minutes=photo) for photo in range(count)]

    week = [*day(7, 13, 20), *day(7, 12, 3), *day(7, 11, 30), *day(7, 9, 2)]
    by_day = [("Sat, July 13, 2019", 20), ("July 9 \u2013 12, 2019", 35)]
    assert groups(page, week) == by_day
    assert groups(page, [*week, None]) == [*by_day, ("No date", 1)]
    assert groups(page, week[::-1]) == [("July 9 \u2013 11, 2019", 32), ("July 12 \u2013 13, 2019", 23)]  # oldest first
    assert groups(page, day(7, 13, 5) + day(7, 3, 5)) == [("July 3 \u2013 13, 2019", 10)]  # few photos of few weeks
    other = day(3, 1, 20) + day(2, 20, 5, year=2018) + day(2, 10, 9, year=2018)
    assert groups(page, week + other) == [*by_day, ("Fri, March 1, 2019", 20), ("February 2018", 14)]
    days = [date.isoformat() for date in day(7, 13, 20)]
    assert groups(page, [*days, *["2019-07"] * 14, *["2019"] * 14]) == [
        ("Sat, July 13, 2019", 20),
        ("July 2019", 14),
        ("2019", 14),
    ]
    assert groups(page, ["2019-03-02", "2019", "2018-05"]) == [("2018 \u2013 2019", 3)]
    thin = [photo for number in range(1, 29) for photo in day(6, number, 4)][::-1]
    assert groups(page, week + thin)[-1] == ("June 2019", 112)
    assert groups(page, thin[:60], is_open=True) == [("June 2019", 60)]  # more will come


def test_on_a_tablet_the_choices_of_a_search_are_one_line(new_page, address):
    page = new_page(viewport={"width": 820, "height": 1180}, has_touch=True)
    page.goto(f"{address}/?q=a+dog")
    page.wait_for_selector(".photo.loaded")
    choices = page.locator("#threshold, .switch:not([hidden]), .select")
    middles = choices.evaluate_all(
        "(all) => all.map((one) => one.getBoundingClientRect()).map(({ top, bottom }) => Math.round((top + bottom) / 2))"
    )
    assert len(middles) == 4 and max(middles) - min(middles) <= 1
    page.goto(f"{address}/?q=a+dog&orientation=landscape&sort=date")
    page.wait_for_selector(".photo.loaded")
    page.evaluate("document.querySelectorAll('.switch').forEach((one) => { one.hidden = false; })")
    for width, height in ((820, 102), (1024, 57), (1280, 57), (1440, 57)):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.locator(".toolbar").bounding_box()["height"] <= height, width
        line = page.locator(".choices")  # scrolls
        line.evaluate("(one) => { one.scrollLeft = 0; }")
        assert line.evaluate("(one) => one.scrollLeft === 0 && one.firstElementChild.offsetLeft >= 0"), width
        page.locator("#sort").evaluate("(one) => one.scrollIntoView()")
        assert page.locator("#sort").evaluate("(one) => one.getBoundingClientRect().right <= innerWidth"), width
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width


def test_all_switches_and_a_filter_leave_the_toolbar_one_line(page, address):
    page.goto(f"{address}/?q=a+dog&orientation=landscape")
    page.wait_for_selector(".photo.loaded")

    def lines_of_switches():
        middles = """(all) => all.map((one) => one.getBoundingClientRect())
            .map(({ top, bottom }) => Math.round((top + bottom) / 2))"""
        return set(page.locator(".switch:not([hidden])").evaluate_all(middles))

    for width in (1024, 1200, 1280, 1440, 1740):
        page.set_viewport_size({"width": width, "height": 800})
        for hidden in ("#every-file, #all-moments", "#all-moments", "none"):
            page.evaluate(
                "(hidden) => document.querySelectorAll('.switch')"
                ".forEach((one) => { one.hidden = one.control.matches(hidden); })",
                hidden,
            )
            assert page.locator(".toolbar").bounding_box()["height"] <= 57, (width, hidden)
            if width == 1740:  # there is room
                assert len(lines_of_switches()) == 1, hidden
    page.evaluate("document.querySelector('#filter-chips').hidden = true")
    page.evaluate("document.querySelector('#every-file').closest('label').hidden = true")
    page.evaluate("document.querySelector('.toolbar').classList.remove('filtered')")
    page.set_viewport_size({"width": 1440, "height": 800})
    assert len(lines_of_switches()) == 1
    page.evaluate("document.querySelector('.toolbar').classList.add('filtered')")
    for width in (700, 390):  # a narrow window, in which a wheel scrolls the line
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_selector("#filters", state="hidden")
        toolbar = page.locator(".toolbar")
        toolbar.evaluate("(one) => { one.scrollLeft = 0; }")
        assert toolbar.bounding_box()["height"] <= 50, width
        toolbar.hover(position={"x": 30, "y": 20})
        page.mouse.wheel(0, 5000)
        page.wait_for_function("() => document.querySelector('#sort').getBoundingClientRect().right <= innerWidth")
        assert page.evaluate("() => scrollY") == 0


def test_very_wide_and_very_high_pictures_are_shown_whole(new_page, address):
    page = new_page()
    page.expected.append("status of 404")  # no server has the photos
    sizes = ((6000, 256), (256, 6000), (400, 300), (3000, 1000))
    thumbnails = {}
    for number, (width, height) in enumerate(sizes):
        picture = Image.new("RGB", (width, height), "teal")
        picture.thumbnail((256, 256))
        picture.save(stream := io.BytesIO(), "PNG")
        thumbnails[str(1000 + number)] = stream.getvalue()

    def thumbnail(route):
        number = re.search(r"thumbnails/(\d+)", route.request.url)[1]
        route.fulfill(body=thumbnails[number], content_type="image/png")

    open_with(page, address, made_up([datetime(2024, 5, 1)] * 4, sizes))
    page.route("**/api/thumbnails/*", thumbnail)
    page.locator(".photo .open").first.click()
    page.wait_for_function("() => document.querySelectorAll('.filmstrip img.strip-picture').length === 2")
    fits = page.locator(".filmstrip img").evaluate_all("(all) => all.map((one) => getComputedStyle(one).objectFit)")
    assert fits == ["contain", "contain", "cover", "cover"]
    lengths = page.evaluate("""async () => {
        const {pixels} = await import("/static/format.js");
        return [pixels({width: 900, height: 40}), pixels({width: 4000, height: 3000})];
    }""")
    assert lengths == ["900 \u00d7 40", "4000 \u00d7 3000, 12.0 MP"]


def test_photos_without_a_date_only_need_no_heading(new_page, address):
    page = new_page()
    open_with(page, address, made_up([None] * 20))
    assert page.evaluate(HEADINGS) == []


def test_the_heading_of_the_photos_on_the_screen_stays_below_the_header(new_page, address):
    page = new_page()
    open_with(page, address, made_up(days(datetime(2024, 6, 30, 12), 58, 1)))
    assert page.evaluate(HEADINGS)[0] == "June 2024"
    page.evaluate("scrollTo(0, 900)")
    page.wait_for_function(
        """() => {
        const below = document.querySelector("header").getBoundingClientRect().bottom;
        const top = document.querySelector(".group").getBoundingClientRect().top;
        return scrollY > 0 && Math.abs(top - below) < 2;
    }"""
    )
    text = "(one) => one.getBoundingClientRect().left + parseFloat(getComputedStyle(one).paddingLeft)"
    left = page.locator("#photos").bounding_box()["x"]
    floating = page.locator(".group h2").first
    page.wait_for_function("() => document.querySelector('.floating h2').getAnimations().length === 0")
    assert floating.bounding_box()["x"] >= left and floating.evaluate(text) > left + 10  # round, with room at its left
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_function("() => !document.querySelector('.floating')")
    page.wait_for_function("() => document.querySelector('.group h2').getAnimations().length === 0")
    assert abs(floating.evaluate(text) - left) < 1
    page.evaluate("scrollTo(0, 1e6)")
    page.wait_for_function("() => document.querySelector('.group').getBoundingClientRect().top < innerHeight")
    assert page.evaluate(HEADINGS)[-1] == "May 2024"


def test_the_oldest_photos_come_first(page):
    with answered(page, "sort=oldest"):
        page.select_option("#sort", "oldest")
    assert shown(page)[:2] == ["bridge-night.jpg", "pyramid.webp"] and "giraffe.jpg" in shown(page)[:20]
    assert page.evaluate(HEADINGS) == ["2002 \u2013 2021", "No date"]


def percents(page, card):
    """The match that a card shows, and the one in its label."""
    label = re.search(r"match (\S+?%)", card.locator(".open").get_attribute("aria-label"))
    caption = card.locator(".caption span").all_text_contents()
    return caption, [label[1]] if label else []


def test_a_match_is_shown_as_on_the_command_line(page):
    matches = [0.0, 0.009, 0.29, 0.498912, 0.5, 0.57, 0.58, 0.999]
    script = (
        "async (matches) => { const { percent } = await import('/static/format.js'); return matches.map(percent); }"
    )
    assert page.evaluate(script, matches) == list(map(percent, matches))


def test_a_card_shows_the_match_of_the_newest_query_only(page):
    search(page, "a giraffe")
    card = page.locator('.photo:has(.open[aria-label^="giraffe.jpg"])')
    card.hover()
    caption, label = percents(page, card)
    assert caption == label and caption
    search(page, "a cup of coffee on a table")
    card.hover()
    assert percents(page, card)[0] == percents(page, card)[1] != label
    assert card.locator(".words").count() == 0
    search(page, "a zebra")
    assert percents(page, card)[0] == percents(page, card)[1]  # also if the pointer has stayed where it was
    first = page.locator(".photo").first
    first.hover()
    with answered(page, "like="):
        first.locator(".similar").click()
    for other in page.locator(".photo:has(.caption)").all():
        assert percents(page, other) == ([], [])
    with answered(page, "/api/images"):
        page.click("#home")
    assert page.locator(".photo .caption span").count() == 0


def test_the_viewer_shows_the_match_of_the_newest_query_only(page):
    search(page, "a giraffe")
    page.locator('.photo .open[aria-label^="giraffe.jpg"]').click()
    page.wait_for_selector("#viewer[open] .match")
    before = page.locator("#viewer .match").inner_text()
    change = "import('/static/state.js').then(({ changeSearch, currentSearch, openPhoto, openPhotoId }) => {"
    with answered(page, "q=a+cup"):  # as going back by several steps does
        page.evaluate(f"{change} const id = openPhotoId(); changeSearch({{ q: 'a cup' }}); openPhoto(id); }})")
    page.wait_for_function("(before) => document.querySelector('#viewer .match').innerText !== before", arg=before)


STATUS = "() => document.querySelector('#status').textContent"


def pick(page, threshold):
    with answered(page, "/api/search"):
        page.click(f"label:has(#match-{threshold})")


def test_the_page_says_how_many_photos_are_likely_and_one_control_shows_only_these(page, address):
    search(page, "a giraffe")
    match = re.fullmatch(r"About (\d+) likely of 52", page.evaluate(STATUS))
    assert match and "likely match" in page.evaluate(HEADINGS)[0].lower()
    pick(page, "likely")
    likely = shown(page)
    assert len(likely) == int(match[1]) and "relevant=true" in page.url
    assert page.evaluate(STATUS) == f"{len(likely)} of 52 photos likely" and page.evaluate(HEADINGS) == []
    pick(page, "certain")
    assert len(shown(page)) <= len(likely) and "min_match=0.9" in page.url and "relevant" not in page.url
    page.reload()
    page.wait_for_selector(".photo.loaded")
    assert page.locator("#match-certain").is_checked()
    page.goto(f"{address}/?q=a+giraffe&min_match=0.7")
    page.wait_for_selector(".photo.loaded")
    assert page.locator("#threshold :checked + span").inner_text() == "70%"
    assert page.evaluate(STATUS) == "1 of 52 photos"  # its match is lower, but it has the word in its caption
    page.wait_for_selector("#filters .counted:text-matches('^Counts of 1 photo$')")
    page.goto(f"{address}/?q=a+giraffe&relevant=true")
    page.wait_for_selector(".photo.loaded")
    assert page.locator("#match-likely").is_checked() and shown(page) == likely


def test_a_saved_search_keeps_the_threshold(page):
    search(page, "a giraffe")
    pick(page, "certain")
    assert "certain" in save_and_come_back(page, "long necks", "min_match=0.9")
    assert page.locator("#match-certain").is_checked()
    remove_saved(page, "long necks")


def test_if_no_photo_is_certain_the_page_says_how_good_the_best_one_is(page, address):
    best = {"code": "best-match", "message": "the best match is 54%", "value": "0.54"}
    explanation = {"likely": 0, "more_likely": False, "notes": [best]}
    answer = {"hits": [], "considered": 1447, "seconds": 0.01, "explanation": explanation}
    page.route("**/api/search*", lambda route: route.fulfill(json=answer))
    page.goto(f"{address}/?q=a+giraffe&min_match=0.9")
    page.wait_for_selector("#empty h2")
    assert page.locator("#empty h2").inner_text() == "No photo is certain"
    assert page.locator("#empty > p").inner_text() == "The best match is 54%."
    assert page.evaluate(STATUS) == "None of 1,447 photos" and page.locator("#answer-notes").is_hidden()
    best["message"], best["value"] = "the best match is 12%", "0.12"
    page.get_by_role("button", name="Show likely ones").click()
    page.wait_for_function("() => document.querySelector('#empty h2').textContent === 'No photo is likely'")
    assert "relevant=true" in page.url and page.get_by_role("button", name="Show likely ones").count() == 0
    assert page.locator("#empty > p").inner_text().startswith("The best match is 12%. Try fewer")


def hits(matches):
    """An answer whose hits have these matches."""
    photos = made_up([None] * len(matches))
    return [
        {**photo, "rank": rank, "score": 0.3, "match": match}
        for rank, (photo, match) in enumerate(zip(photos, matches, strict=True), 1)
    ]


@pytest.mark.parametrize(
    ("matches", "headings"),
    [
        ([0.9] * 8 + [0.1] * 20, ["Likely matches", "Less likely"]),
        ([0.9] + [0.1] * 20, ["Likely matches", "Less likely"]),
        ([0.9] * 20, ["Likely matches"]),
        ([0.4, 0.1] * 10, ["Nearest photos; none is a likely match"]),
        ([None] * 20, []),
    ],
)
def test_a_line_is_between_likely_matches_and_others_also_with_several_terms(page, matches, headings):
    answer = {
        "hits": hits(matches), "considered": len(matches), "seconds": 0.01,
        "explanation": {"likely": sum((match or 0) >= 0.5 for match in matches), "more_likely": False},
    }  # fmt: skip
    page.route("**/api/search*", lambda route: route.fulfill(json=answer))
    show_made_up(page)
    with page.expect_request(lambda request: "sort=likely" in request.url):
        search(page, "a dog + snow")
    assert page.evaluate(HEADINGS) == headings


def test_a_photo_is_one_of_those_that_are_likely_if_only_these_are_shown(page):
    answer = {
        "hits": hits([0.9] * 60), "considered": 500, "seconds": 0.01,
        "explanation": {"likely": 97, "more_likely": False},
    }  # fmt: skip
    page.route("**/api/search*", lambda route: route.fulfill(json=answer))
    show_made_up(page)
    search(page, "a dog")
    place = page.locator(".photo .open").nth(2)
    page.locator(".photo .open[aria-label*=', 3 of 500']").wait_for()
    pick(page, "likely")
    page.locator(".photo .open[aria-label*=', 3 of 97']").wait_for()
    answer["explanation"]["more_likely"] = True  # it is not known how many
    pick(page, "certain")
    page.wait_for_function("() => !document.querySelector('.photo .open').getAttribute('aria-label').includes(' of ')")
    assert ", 3, " in place.get_attribute("aria-label")


def test_photos_that_are_kept_for_their_words_are_not_called_certain(page):
    answer = {
        "hits": hits([0.95, 0.93, 0.16]), "considered": 572, "seconds": 0.01,
        "explanation": {"likely": 3, "more_likely": False},
    }  # fmt: skip
    page.route("**/api/search*", lambda route: route.fulfill(json=answer))
    show_made_up(page)
    search(page, "a dog")
    assert page.evaluate(STATUS) == "About 3 likely of 572"
    pick(page, "certain")
    assert page.evaluate(STATUS) == "3 of 572 photos"
    page.click("#open-saved")
    page.get_by_role("button", name="Download the 3 photos").wait_for()
    page.keyboard.press("Escape")
    pick(page, "likely")
    assert page.evaluate(STATUS) == "3 of 572 photos likely"
    answer["hits"] = hits([0.95, 0.93, 0.91])
    pick(page, "certain")
    assert page.evaluate(STATUS) == "3 of 572 photos certain"
    with answered(page, "/api/search"):
        page.evaluate("import('/static/state.js').then(({ changeSearch }) => changeSearch({ minMatch: 0.7 }))")
    assert page.evaluate(STATUS) == "3 of 572 photos with a match of at least 70%"


def selected(page):
    return page.locator("#selection-count").inner_text()


def pick_first(page):
    card = page.locator(".photo").first
    card.hover()
    card.locator(".pick").click()


def test_all_photos_are_selected_also_those_that_are_not_loaded(new_page, address):
    page = new_page()
    open_with(page, address, made_up(days(datetime(2024, 6, 30, 12), 1500, 1)))
    pick_first(page)
    assert page.locator("#selection-all").inner_text() == "Select all"
    page.click("#selection-all")
    page.wait_for_function("() => document.querySelector('#selection-count').textContent === '1,500 photos selected'")
    page.locator("#selection-all").wait_for(state="hidden")  # there are no others
    assert page.evaluate("document.activeElement.id") == "selection-copy"
    page.locator(".photo .pick").first.click()
    assert page.locator("#selection-all").is_visible() and page.locator("#selection-all").is_enabled()


def test_photos_sorted_by_date_are_the_best_or_all_that_match_and_all_are_selected(page):
    every = hits([0.95] * 700)
    requested = []

    def answer(route):
        asked = parse_qs(urlsplit(route.request.url).query)
        offset, top_k = int(asked["offset"][0]), int(asked["top_k"][0])
        requested.append(top_k)
        found = {"hits": every[offset : offset + top_k], "considered": len(every) + 200, "seconds": 0.01}
        route.fulfill(json={**found, "explanation": {"likely": len(every), "more_likely": False}})

    show_made_up(page)
    page.route("**/api/search*", answer)
    search(page, "a dog")
    assert page.evaluate(STATUS) == "About 700 likely of 900"
    page.click("#open-saved")
    page.get_by_role("button", name="Download the 700 likely photos").click()
    page.wait_for_function("() => document.querySelector('#panel h2').textContent === 'Download 700 photos'")
    page.keyboard.press("Escape")
    note = "async () => (await import('/static/messages.js')).announce('A note', { label: 'Act', act() {} })"
    page.evaluate(note.replace("{ label: 'Act', act() {} }", "undefined"))
    page.click("#open-saved")
    page.wait_for_selector("#panel[open]")
    assert page.locator("#note").is_hidden()  # it says nothing about the dialog, and would cover it
    page.keyboard.press("Escape")
    page.evaluate(note)
    page.click("#open-saved")
    page.wait_for_selector("#panel[open] #note:popover-open")  # the note went above the dialog
    assert page.locator("#note").bounding_box()["y"] > page.locator("#panel h3").last.bounding_box()["y"]
    page.get_by_role("button", name="Copy the address").wait_for()
    page.keyboard.press("Escape")
    with answered(page, "sort=oldest"):
        page.select_option("#sort", "oldest")
    assert page.evaluate(STATUS) == "About 700 likely, the best 300 of 900 photos"
    end = page.locator("#list-end")
    assert end.inner_text().startswith("This list ends with the best 300, in this order.")
    below = page.evaluate("(one) => document.querySelector(one).getBoundingClientRect().bottom", "#photos")
    assert end.bounding_box()["y"] >= below
    with answered(page, "relevant=true"):
        end.get_by_role("button", name="Only likely ones").click()
    assert end.is_hidden() and page.evaluate("() => scrollY") == 0
    pick(page, "certain")
    assert page.evaluate(STATUS) == "700 of 900 photos certain" and requested[-1] == 1000
    assert page.evaluate("async () => (await import('/static/photos.js')).photos.list.length") == 700
    pick_first(page)
    assert page.locator("#selection-all").inner_text() == "Select all 700"
    page.click("#selection-all")
    page.wait_for_function("() => document.querySelector('#selection-count').textContent.startsWith('700 photos')")
    page.locator("#selection-all").wait_for(state="hidden")
    every += hits([0.95] * 400)
    pick(page, "likely")
    assert page.evaluate(STATUS) == "1,100 of 1,300 photos likely, the best 1,000"
    assert end.locator("button").all_inner_texts() == ["All, best first"]
    with answered(page, "/api/search"):
        end.get_by_role("button").click()
    assert end.is_hidden() and "sort=" not in page.url


def test_all_likely_photos_of_a_search_are_selected(page):
    search(page, "a giraffe")
    likely = int(re.search(r"About (\d+) likely", page.evaluate(STATUS))[1])
    pick_first(page)
    assert page.locator("#selection-all").inner_text() == f"Select all {likely} likely"
    page.keyboard.press("Escape")
    page.locator(".photo .open").nth(likely - 1).focus()
    with page.expect_response(lambda response: "relevant=true" in response.url):
        page.keyboard.press("Control+a")
    wanted = f"{likely} photo{'s' * (likely != 1)} selected"
    page.wait_for_function("(text) => document.querySelector('#selection-count').textContent === text", arg=wanted)
    page.locator("#selection-all").wait_for(
        state="hidden"
    )  # all likely ones are selected, although there are other photos
    first = page.locator(".photo").first
    first.hover()
    with answered(page, "like="):
        first.locator(".similar").click()
    assert page.locator("#selection-all").inner_text() == "Select the 51 loaded"


def test_a_date_without_a_time_gets_none(page):
    script = "async (dates) => { const { day } = await import('/static/format.js'); return dates.map(day); }"
    dates = ["2024-09-25T00:00:00", "2024-09-25", "2024-09-25T00:00:07", "2024-09-25T12:30:00+02:00"]
    whole = "Wed, September 25, 2024"
    assert page.evaluate(script, dates) == [whole, whole, f"{whole}, 00:00", f"{whole}, 12:30"]
