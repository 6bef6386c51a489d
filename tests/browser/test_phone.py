"""The page on a phone: one row that leaves, chips that scroll, and selecting by touch."""

import itertools

import pytest

from tests.browser.conftest import answered

pytestmark = pytest.mark.long

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def phone(new_page, address):
    page = new_page(**PHONE)
    page.goto(address)
    page.wait_for_selector(".photo.loaded")
    return page


class Finger:
    """A finger on the screen of a page."""

    def __init__(self, page):
        self._devtools = page.context.new_cdp_session(page)

    def _send(self, kind, *points):
        touches = [{"x": x, "y": y} for x, y in points]
        self._devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    def down(self, x, y):
        self._send("touchStart", (x, y))

    def move(self, x, y):
        self._send("touchMove", (x, y))

    def up(self):
        self._send("touchEnd")


def middle(page, number):
    box = page.locator(".photo").nth(number).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def hold(page, finger, number):
    """Hold a photo until it is selected."""
    finger.down(*middle(page, number))
    page.wait_for_selector("html.selecting")


def selected(page):
    return page.locator(".photo.picked").count()


def test_photos_begin_high_and_nothing_is_cut(phone):
    assert phone.evaluate("document.querySelector('#photos').getBoundingClientRect().top") <= 112
    phone.goto(f"{phone.url}?q=a+dog&taken=2016&orientation=landscape&camera=testing+camera")
    phone.wait_for_selector(".photo.loaded")
    assert phone.evaluate("document.querySelector('#photos').getBoundingClientRect().top") <= 112 + 8
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    toolbar = phone.locator(".toolbar")
    assert toolbar.evaluate("(one) => one.scrollWidth > one.clientWidth && one.clientHeight < 50")  # one line
    whole = phone.locator(".filter-chip").evaluate_all(
        "(all) => all.map((one) => one.scrollWidth <= one.clientWidth + 1)"
    )
    assert len(whole) >= 3 and all(whole)


def test_enter_leaves_the_search_box_and_the_filters_end_with_a_button(phone):
    with answered(phone, "/api/search"):
        phone.fill("#query", "a guitar")
    phone.press("#query", "Enter")
    phone.wait_for_selector("#toggle-filters", state="visible")
    assert phone.evaluate("document.activeElement.id") != "query"
    phone.click("#toggle-filters")
    button = phone.get_by_role("button", name="Show the photos")
    assert button.bounding_box()["y"] > 760  # in reach of a thumb
    button.click()
    phone.wait_for_selector("#filters", state="hidden")


def test_a_wrong_filter_is_explained_in_view_beside_it_and_the_button_promises_nothing(phone):
    phone.expected += ["status of 400"]
    held, free = [], []
    phone.route("**/api/facets?*", lambda route: route.continue_() if free else held.append(route))
    phone.goto(f"{phone.url}?where=width+%3E")
    phone.get_by_role("button", name="Change it").click()
    field = phone.get_by_label("Expression")
    assert field.input_value() == "width >" and phone.locator(".counted").inner_text() == "Counting…"
    assert phone.get_by_label("From", exact=True).count() == 1  # the fields do not wait for the counts
    free.append(True)
    for route in held:
        route.continue_()
    phone.wait_for_selector("#wrong-where:not([hidden])")
    phone.wait_for_selector("#filters .facet-list")
    assert is_in_view(phone, "#filters [name=where]") and is_in_view(phone, "#wrong-where")
    assert phone.locator(".filters-foot").inner_text() == "Close the filters"
    with answered(phone):
        field.fill("")
        field.press("Enter")
    for name, day in (("From", "2025-01-01"), ("To", "2010-01-01")):
        phone.get_by_label(name, exact=True).fill(day)
        phone.get_by_label(name, exact=True).dispatch_event("change")
    phone.wait_for_selector("#wrong-dates")
    assert phone.locator("#wrong-dates").inner_text() == "The last day is before the first one."
    assert is_in_view(phone, "#wrong-dates") and phone.locator("#filters [aria-invalid=true]").count() == 2
    assert phone.locator(".filters-foot").inner_text() == "Close the filters"
    with answered(phone):
        phone.get_by_label("To", exact=True).fill("2030-01-01")
        phone.get_by_label("To", exact=True).dispatch_event("change")
    phone.wait_for_selector("#wrong-dates", state="detached")
    assert phone.locator(".filters-foot").inner_text() == "No photo matches"
    phone.wait_for_function("() => document.querySelector('.counted').textContent === 'Counts of other choices'")


def is_in_view(page, selector):
    """Whether an element is between the filters' heading and their button."""
    return page.evaluate(
        """(selector) => {
            const boxOf = (name) => document.querySelector(name).getBoundingClientRect();
            const [one, head, foot] = [selector, "#filters .panel-head", ".filters-foot"].map(boxOf);
            return one.top >= head.bottom - 1 && one.bottom <= foot.top + 1;
        }""",
        selector,
    )


@pytest.mark.parametrize("touch", [PHONE, {"viewport": {"width": 1280, "height": 800}, "has_touch": True}])
def test_one_tap_opens_a_photo_anywhere_on_it(new_page, address, touch):
    page = new_page(**touch)
    number = itertools.count(1)
    for query in ("", "?q=coffee+and+cake"):
        page.goto(f"{address}/{query}")
        page.wait_for_selector(".photo.loaded")
        for x, y in ((0.5, 0.5), (0.5, 0.92), (0.08, 0.08), (0.93, 0.07), (0.07, 0.93), (0.5, 0.8)):
            box = page.locator(".photo").nth(next(number) % 3).bounding_box()
            page.touchscreen.tap(box["x"] + x * box["width"], box["y"] + y * box["height"])
            page.wait_for_selector("#viewer[open]", timeout=3000)
            page.keyboard.press("Escape")
            page.wait_for_selector("#viewer", state="hidden")
    assert selected(page) == 0


def test_a_swipe_up_shows_what_is_known_and_a_swipe_down_hides_it(phone):
    phone.locator(".photo .open").nth(1).evaluate("(photo) => photo.click()")
    phone.wait_for_selector("#viewer[open] img.full")
    finger = Finger(phone)

    def swipe(start, end):
        finger.down(195, start)
        finger.move(195, (start + end) / 2)
        finger.move(195, end)
        finger.up()

    swipe(500, 300)
    phone.wait_for_selector("#viewer.with-facts .photo-facts", state="visible")
    swipe(150, 330)
    phone.wait_for_selector("#viewer:not(.with-facts)")
    assert phone.locator("#viewer").is_visible()
    swipe(200, 400)
    phone.wait_for_selector("#viewer", state="hidden")


def test_what_was_understood_is_beside_each_other(phone):
    phone.evaluate("() => document.querySelector('#query').focus()")
    with answered(phone, "/api/search"):
        phone.fill("#query", "a pagoda in Tokyo taken in July 2019")
    phone.wait_for_selector("#understood li")
    boxes = phone.locator("#understood > span, #understood li").evaluate_all(
        "(all) => all.map((one) => one.getBoundingClientRect()).map(({ left, right }) => [left, right])"
    )
    boxes.sort()
    assert len(boxes) >= 3 and all(right <= left for (_, right), (left, _) in itertools.pairwise(boxes))


def test_the_header_hides_while_scrolling_down_and_comes_back(phone):
    bottom = "document.querySelector('header').getBoundingClientRect().bottom"
    assert phone.evaluate(bottom) <= 60
    phone.evaluate("scrollTo(0, 400)")
    phone.wait_for_function(f"() => {bottom} <= 1")
    phone.evaluate("scrollBy(0, -60)")
    phone.wait_for_function(f"() => {bottom} > 50")
    phone.locator("#query").focus()
    phone.evaluate("scrollBy(0, 200)")
    phone.wait_for_timeout(100)
    assert not phone.evaluate("document.documentElement.classList.contains('header-away')")  # it is in use


def test_the_menu_has_what_the_row_has_no_room_for(phone):
    assert phone.locator("#toggle-map").is_hidden()
    phone.click("#open-more")
    assert phone.locator("#more-tools button").evaluate_all("(all) => all.every((one) => one.checkVisibility())")
    phone.click("#open-help")
    phone.wait_for_selector("#panel[open]")
    text = phone.locator("#panel").inner_text()
    assert "Hold" in text and "Ctrl" not in text and phone.locator("#panel kbd").count() == 0
    assert phone.locator("#more-tools").is_hidden()
    phone.keyboard.press("Escape")
    phone.wait_for_function("() => document.activeElement.id === 'open-more'")  # the menu that led there


def test_back_closes_what_covers_the_photos_and_keeps_what_was_chosen(phone):
    start = phone.url
    phone.click("#open-more")
    phone.wait_for_function("() => history.state?.dialogs === 1")
    phone.go_back()
    phone.wait_for_selector("#more-tools", state="hidden")
    assert phone.url == start
    phone.locator(".photo .open").first.tap()
    opened = phone.url
    phone.locator("#viewer").get_by_role("button", name="More", exact=True).click()
    phone.wait_for_function("() => history.state?.dialogs === 1")
    phone.go_back()
    phone.wait_for_selector("#viewer-menu", state="hidden")
    assert phone.url == opened != start and phone.locator("#viewer").is_visible()
    phone.go_back()
    phone.wait_for_selector("#viewer", state="hidden")
    assert phone.url == start
    for button, dialog in (("open-saved", "panel"), ("toggle-filters", "filters")):
        if button != "toggle-filters":
            phone.click("#open-more")
        phone.click(f"#{button}")
        phone.wait_for_selector(f"#{dialog}[open]")
        phone.go_back()
        phone.wait_for_selector(f"#{dialog}", state="hidden")
        assert phone.url == start
    phone.click("#toggle-filters")
    with answered(phone):
        phone.locator("#filters [data-key='format WEBP']").click()
    phone.go_back()
    phone.wait_for_selector("#filters", state="hidden")
    assert phone.url.endswith("?format=webp") and phone.locator(".filter-chip").count() == 1
    with answered(phone):
        phone.go_back()
    assert phone.url == start
    phone.evaluate("""async () => {
        const { openHelp } = await import("/static/help-panel.js");
        openHelp();
        document.querySelector("#panel").close();
        await new Promise((done) => document.querySelector("#panel").addEventListener("close", done, { once: true }));
        openHelp();  // while the step of the one before is being left
    }""")
    phone.wait_for_function("() => history.state?.dialogs === 1")
    phone.go_back()
    phone.wait_for_selector("#panel", state="hidden")
    assert phone.url == start
    phone.click("#toggle-filters")
    phone.keyboard.press("Escape")  # leaves no step behind: the next search and one step back lead here again
    with answered(phone, "/api/search"):
        phone.fill("#query", "a giraffe")
    with answered(phone):
        phone.go_back()
    assert phone.url == start and phone.locator("dialog:modal").count() == 0
    with answered(phone, "/api/search"):
        phone.fill("#query", "a giraffe")
    phone.keyboard.press("Enter")  # leaves the search box
    phone.click("#toggle-filters")
    phone.wait_for_function("() => history.state?.dialogs === 1")
    phone.reload()  # closes the dialog, and leaves its step
    phone.wait_for_selector(".photo.loaded")
    phone.wait_for_function("() => !history.state?.dialogs")
    with answered(phone):
        phone.go_back()
    assert phone.url == start
    change_in_second_dialog = """async () => {
        const { openHelp } = await import("/static/help-panel.js");
        const { changeSearch } = await import("/static/state.js");
        openHelp();
        changeSearch({ format: "webp" });
    }"""
    for leave in ("reload", "close"):  # one step back, however many dialogs there were
        phone.click("#toggle-filters")
        phone.evaluate(change_in_second_dialog)
        phone.wait_for_function("() => history.state?.dialogs === 2")
        if leave == "reload":
            phone.reload()
            phone.wait_for_selector(".photo.loaded")
        else:
            phone.evaluate("() => { for (const id of ['panel', 'filters']) document.getElementById(id).close(); }")
        phone.wait_for_function("() => !history.state?.dialogs")
        assert phone.url.endswith("?format=webp"), leave
        with answered(phone):
            phone.go_back()
        assert phone.url == start, leave


def test_a_held_finger_selects_and_a_dragged_one_selects_on(phone):
    finger = Finger(phone)
    assert phone.locator(".photo .pick").first.is_hidden()  # nothing lies on the photos
    hold(phone, finger, 1)
    assert selected(phone) == 1
    finger.move(*middle(phone, 4))
    phone.wait_for_function("() => document.querySelectorAll('.photo.picked').length === 4")
    finger.move(*middle(phone, 2))
    phone.wait_for_function("() => document.querySelectorAll('.photo.picked').length === 2")
    finger.up()
    assert phone.locator("#viewer").is_hidden()
    phone.locator(".photo .open").nth(5).tap()  # now a tap selects
    phone.wait_for_function("() => document.querySelectorAll('.photo.picked').length === 3")
    hold(phone, finger, 5)
    phone.wait_for_function("() => document.querySelectorAll('.photo.picked').length === 2")  # it was selected
    finger.up()
    phone.click("#selection-clear")
    assert selected(phone) == 0


def test_a_finger_that_moves_scrolls_and_selects_nothing(phone):
    finger = Finger(phone)
    x, y = middle(phone, 4)
    finger.down(x, y)
    for step in range(1, 8):
        finger.move(x, y - 25 * step)
    finger.up()
    phone.wait_for_function("() => scrollY > 50")
    phone.wait_for_timeout(500)
    assert selected(phone) == 0 and phone.locator("#selection").is_hidden()


def test_dragging_to_the_edge_scrolls_on(phone):
    finger = Finger(phone)
    hold(phone, finger, 0)
    finger.move(200, 600)
    finger.move(200, 830)
    phone.wait_for_function("() => scrollY > 300")
    finger.up()
    stays = phone.evaluate("scrollY")
    phone.wait_for_timeout(100)
    assert phone.evaluate("scrollY") == pytest.approx(stays, abs=30)
    away = phone.locator("#selection-away")
    phone.wait_for_function("() => !document.querySelector('#selection-away').hidden")
    number = int(away.inner_text().split()[0])
    assert away.inner_text() == f"{number} not on the screen"
    away.click()
    phone.wait_for_selector("#panel[open]")
    assert phone.locator("#panel h2").inner_text() == f"{number} photo{'s' * (number > 1)} selected, not on the screen"
    pictures = phone.locator("#panel .strip button")
    assert pictures.count() == number
    pictures.first.click()
    phone.wait_for_selector("#panel", state="hidden")
    phone.wait_for_function("() => scrollY < 100")  # the photos move to the one that was chosen


def test_a_tap_leaves_no_strip_on_a_photo(phone):
    tapped = phone.locator(".photo").first
    tapped.locator(".open").tap()
    phone.wait_for_selector("#viewer[open]")
    phone.evaluate("document.querySelector('#viewer').close()")
    phone.wait_for_selector("#viewer", state="hidden")
    assert tapped.locator(".caption").count() == 1 and tapped.evaluate("photo => photo.matches(':hover')")
    assert tapped.locator(".caption").is_hidden()


def test_selecting_can_begin_without_a_long_press(phone):
    phone.click("#open-more")
    phone.click("#start-selecting")
    assert phone.locator("#selection-count").inner_text() == "0 photos selected"
    acts = phone.locator("#selection-copy, #selection-album, #selection-download")
    usable = "(all) => all.map((one) => !one.disabled)"
    assert acts.evaluate_all(usable) == [False] * 3 and phone.locator("#selection-all").is_enabled()
    phone.locator(".photo .open").first.tap()
    assert acts.evaluate_all(usable) == [True] * 3
    assert selected(phone) == 1 and phone.locator("#viewer").is_hidden()
    with answered(phone, "/api/search"):
        phone.fill("#query", "a guitar")
    assert phone.locator("#selection-count").inner_text() == "1 photo selected"
    note = "async () => (await import('/static/messages.js')).announce('Taken out.', { label: 'Undo', act() {} })"
    box = "(one) => document.getElementById(one).getBoundingClientRect().toJSON()"
    boxes = f"() => ['note', 'selection', 'photos'].map({box})"
    for width in (320, 390, 600, 768, 820):
        phone.set_viewport_size({"width": width, "height": 844})
        phone.evaluate(note)
        phone.wait_for_timeout(50)  # until it is drawn
        note_box, bar, _ = phone.evaluate(boxes)
        assert bar["height"] and note_box["height"] and note_box["bottom"] <= bar["top"], width
        if width < 768:  # the number has a line of its own, and the four buttons have one line or are two by two
            tops = phone.locator("#selection > :is(strong, button:not(.icon-button, .link))").evaluate_all(
                "(all) => all.map((one) => one.getBoundingClientRect().top)"
            )
            assert len(tops) == 5 and tops[1] > tops[0] + 20, width
            assert len(set(tops)) <= {600: 2, 390: 3, 320: 4}[width]  # "Select all likely" may be longer than a half
    phone.set_viewport_size(PHONE["viewport"])
    with answered(phone):
        phone.evaluate("async () => (await import('/static/state.js')).newSearch({})")
    for _ in range(2):  # at first, the bar gets a line more
        phone.evaluate("scrollTo(0, document.body.scrollHeight)")
        phone.wait_for_timeout(50)
    _, bar, rows = phone.evaluate(boxes)
    assert rows["bottom"] <= bar["top"]  # the end of the page is seen, too


def test_back_ends_selecting_first_and_leaves_no_step_behind(phone):
    finger, start = Finger(phone), phone.url
    with answered(phone, "/api/search"):
        phone.fill("#query", "a guitar")
    phone.keyboard.press("Enter")
    found = phone.url

    def select():
        hold(phone, finger, 1)
        finger.up()

    def back_ends_it(address):
        phone.go_back()
        phone.wait_for_selector("#selection", state="hidden")
        assert phone.url == address and selected(phone) == 0

    phone.click("#open-more")
    phone.wait_for_function("() => history.state?.dialogs === 1")
    phone.click("#start-selecting")
    phone.wait_for_function("() => history.state?.mode && !history.state.dialogs")
    back_ends_it(found)
    select()
    with answered(phone, "/api/search"):
        phone.fill("#query", "a dog")
    phone.keyboard.press("Enter")
    later = phone.url
    back_ends_it(later)  # and the photos are still those of the later search
    select()
    phone.click("#toggle-filters")
    phone.wait_for_function("() => history.state?.dialogs === 1")
    phone.go_back()
    phone.wait_for_selector("#filters", state="hidden")
    assert selected(phone) == 1  # what lies above it is closed first
    phone.click("#selection-clear")
    phone.wait_for_function("() => !history.state?.mode")
    phone.locator(".photo .open").first.tap()
    phone.wait_for_selector("#viewer[open]")
    phone.locator("#viewer").get_by_role("button", name="Select this photo").click()
    phone.go_back()
    phone.wait_for_selector("#viewer", state="hidden")
    phone.wait_for_function("() => history.state?.mode")
    assert selected(phone) == 1
    back_ends_it(later)
    select()
    phone.wait_for_function("() => history.state?.mode")
    phone.reload()  # ends it, too
    phone.wait_for_selector(".photo.loaded")
    phone.wait_for_function("() => !history.state?.mode")
    for address, request in ((found, "/api/search"), (start, "/api/images")):
        with answered(phone, request):
            phone.go_back()
        assert phone.url == address
