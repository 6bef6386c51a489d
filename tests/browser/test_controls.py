"""Buttons and switches: they can be read in each state and theme, and the keyboard begins where people type."""

import pytest

from tests.browser.conftest import answered, search

CONTRASTS = """
() => {
  const brush = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const over = (colours) => { // each is painted over those before it
    brush.clearRect(0, 0, 1, 1);
    for (const colour of colours) { brush.fillStyle = colour; brush.fillRect(0, 0, 1, 1); }
    return [...brush.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((part) => part / 255).map((x) => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  return (node) => {
    const papers = [];
    for (let one = node; one; one = one.parentElement) papers.unshift(getComputedStyle(one).backgroundColor);
    const [paper, ink] = [light(over(papers)), light(over([...papers, getComputedStyle(node).color]))];
    return (Math.max(paper, ink) + 0.05) / (Math.min(paper, ink) + 0.05);
  };
}
"""
IS_ON_TOP = """(one) => {
    const { x, y, width, height } = one.getBoundingClientRect();
    return one.contains(document.elementFromPoint(x + width / 2, y + height / 2));
}"""
TOP = "() => document.querySelector('#photos').offsetTop"  # whatever is scrolled
PRESSED = (
    "#threshold label:has(:checked) span, header [aria-expanded=true], .facet-list [aria-pressed=true], .filter-chip"
)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_is_pressed_can_be_read_under_the_pointer_and_in_focus(page, theme):
    search(page, "a red panda")
    page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
    page.wait_for_selector("#filters .facet-list button")
    page.locator("#filters .facet-list").get_by_role("button", name="landscape").click()
    page.wait_for_selector(".filter-chip")
    page.wait_for_load_state("networkidle")
    contrast = page.evaluate_handle(CONTRASTS)
    controls = page.locator(PRESSED)
    assert controls.count() >= 4
    for control in controls.all():
        for act in ("hover", "focus"):
            for _ in range(10):  # a row may be drawn again meanwhile
                getattr(control, act)()
                if (found := control.evaluate("(node, contrast) => contrast(node)", contrast)) >= 4.5:
                    break
                page.wait_for_timeout(200)
            assert found >= 4.5, control.inner_text()


def test_the_cursor_is_in_the_name_of_a_new_album(page):
    page.locator(".photo .open").first.focus()
    page.keyboard.press("x")
    page.click("#selection-album")
    page.wait_for_selector("#panel[open] form")
    page.keyboard.type("Summer")
    field = page.get_by_label("Name of a new album")
    assert field.input_value() == "Summer"
    head = page.locator("#panel .panel-head").bounding_box()
    assert field.bounding_box()["y"] - (head["y"] + head["height"]) >= 5  # pixels of its focus ring
    page.keyboard.press("Escape")
    page.click("#open-help")
    page.wait_for_selector("#panel[open] kbd")
    keys = dict(zip(*(page.locator(f"#panel {part}").all_inner_texts() for part in ("dt", "dd")), strict=True))
    assert "proposes" in keys["↓"]  # which come first, as the suggestions' tests show
    page.keyboard.press("End")
    page.wait_for_function("() => document.querySelector('#panel').scrollTop > 0")  # keys scroll what is read


def test_h_makes_all_selected_photos_favourites_wherever_the_keyboard_is(page):
    photos, hearts = page.locator(".photo .open"), page.locator('.heart[aria-pressed="true"]')

    def press_h(words, favourites):
        page.keyboard.press("h")
        page.locator("#note:popover-open", has_text=words).wait_for()
        page.wait_for_function(
            "(wanted) => document.querySelectorAll('.heart[aria-pressed=\"true\"]').length === wanted", arg=favourites
        )

    photos.nth(1).focus()
    press_h("Added to favourites.", 1)
    for number in range(4):
        photos.nth(number).focus()
        page.keyboard.press("x")
    press_h("3 photos added to favourites; 1 had been there.", 4)
    page.get_by_role("button", name="Undo").click()
    page.locator("#note", has_text="Taken out of Favourites.").wait_for()
    assert hearts.count() == 1
    page.locator("#selection-copy").focus()
    press_h("3 photos added to favourites; 1 had been there.", 4)
    press_h("4 photos removed from favourites.", 0)
    page.keyboard.press("Escape")
    page.locator(".group button").first.click()  # selects the photos below a heading, and takes that back
    page.locator(".group button").first.click()
    page.keyboard.press("h")
    page.keyboard.press("x")
    assert page.locator("#selection").is_hidden() and hearts.count() == 0  # the keyboard is at no photo


def test_the_status_is_one_line_and_a_chosen_value_stays_under_the_pointer(page):
    page.set_viewport_size({"width": 1440, "height": 500})
    search(page, "a photo of something")
    status = page.locator("#status")
    assert " of 52" in status.inner_text() and status.bounding_box()["height"] < 36
    lines = """(text) => {
        const node = document.querySelector("#status");
        const [before, range] = [node.textContent, document.createRange()];
        node.textContent = text;
        range.selectNodeContents(node);
        const lines = range.getClientRects().length;
        node.textContent = before;
        return lines;
    }"""
    longest = "About 1,422 likely, the best 300 of 12,165 photos"
    assert page.evaluate(lines, longest) == 1
    with answered(page, "orientation=landscape"):
        page.locator("#filters .facet-list").get_by_role("button", name="landscape").click()
    for text in ("About 1,422 likely of 12,165", "1,422 of 12,165 photos likely"):
        assert page.evaluate(lines, text) == 1, text
    page.locator("#filter-chips button").click()
    page.locator("#clear-query").click()
    page.wait_for_selector("#filters .facet-list")
    stars = page.locator("#filters .facet-list button", has_text="3 stars")
    page.wait_for_load_state("networkidle")  # the counts are drawn once more
    stars.scroll_into_view_if_needed()
    before = stars.bounding_box()["y"]
    below = page.evaluate(TOP)
    with answered(page):
        stars.click()
    page.wait_for_function("() => document.querySelector('#filters .counted, #filters [aria-pressed=true]')")
    page.wait_for_timeout(400)  # the counts are drawn again
    assert stars.bounding_box()["y"] == pytest.approx(before, abs=1)
    assert page.locator(".filter-chip").is_visible() and page.evaluate(TOP) == pytest.approx(below, abs=1)


def test_filters_share_the_line_above_the_photos(page, address, album):
    def tops():
        found = {}
        for width in (820, 1024, 1200, 1280, 1440, 1920, 3840):
            page.set_viewport_size({"width": width, "height": 900})
            found[width] = page.evaluate(TOP)
        return found

    search(page, "a photo of something")
    before = tops()
    filters = f"&format=webp&format=jpeg&orientation=landscape&name=*.jpg&where=width%20%3E%2010&in={album / 'first'}"
    page.goto(f"{address}/?q=a+photo+of+something{filters}")
    page.wait_for_selector(".photo.loaded")
    assert tops() == before
    chips = page.locator("#filter-chips")
    assert "JPEG" in chips.inner_text() and "WEBP" not in chips.inner_text().upper()  # of two values, the last
    for width in (820, 1024, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        chips.evaluate("(one) => { one.scrollLeft = 0; }")
        assert chips.evaluate("(one) => one.scrollWidth > one.clientWidth && one.clientWidth >= 112")
        assert page.evaluate("() => document.documentElement.scrollWidth === innerWidth")  # nothing is cut off
        chips.hover()
        page.mouse.wheel(0, 5000)
        page.wait_for_function(
            "([one]) => one.scrollLeft + one.clientWidth > one.scrollWidth - 2", arg=[chips.element_handle()]
        )
        assert page.evaluate("() => scrollY") == 0
    with answered(page, "/api/search"):
        chips.get_by_role("button", name="Clear all").click()
    assert chips.is_hidden()


def test_all_filters_are_cleared_by_a_button_that_is_always_in_sight(new_page, address):
    filters = "&format=jpeg&orientation=landscape&name=*.jpg&where=width%20%3E%2010"
    page = new_page(reduced_motion="reduce")  # the fade at the end of the filters does not move
    for width in (390, 820, 1024, 1200, 1280, 1440, 1800):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(f"{address}/?q=a+photo+of+something{filters}")
        page.wait_for_selector(".photo.loaded")
        if width >= 1024:
            page.evaluate("document.querySelector('#status').textContent = 'At least 1,234 of 12,345 photos likely'")
        top = page.evaluate(TOP)
        button = page.locator("#filter-chips").get_by_role("button", name="Clear all", exact=True)
        for count in (2, 4):  # films and RAW files bring the others
            page.locator(".switch").evaluate_all("(all, n) => all.forEach((one, i) => { one.hidden = i >= n; })", count)
            box = button.bounding_box()
            first = page.locator("#filter-chips li").first.bounding_box()
            assert first["x"] + (160 if width >= 1024 else 20) < box["x"], (width, count)  # some filters are beside it
            assert page.evaluate(TOP) == top, (width, count)
            assert box["x"] + box["width"] <= width, (width, count)
            assert button.evaluate(IS_ON_TOP), (width, count)
            if width < 820 or page.locator("#filter-chips").evaluate("(one) => one.scrollWidth > one.clientWidth + 1"):
                faded = button.evaluate("(one) => getComputedStyle(one.parentElement, '::before').opacity")
                assert faded == "1", (width, count)  # more follow
            assert page.locator("#threshold").evaluate("(one) => one.scrollWidth <= one.offsetWidth"), (width, count)
        with answered(page, "/api/search"):
            button.click()
        assert page.locator("#filter-chips").is_hidden()


def test_a_filter_that_the_keyboard_is_at_has_its_whole_ring_beside_the_button(page, address):
    page.set_viewport_size({"width": 390, "height": 900})
    page.goto(f"{address}/?format=jpeg&orientation=landscape&name=*.jpg")
    page.wait_for_selector(".photo.loaded")
    chips = page.locator("#filter-chips button")
    chips.first.focus()
    page.keyboard.press("Tab")
    box, button = chips.nth(1).bounding_box(), chips.last.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= button["x"]
    assert chips.nth(1).evaluate("(one) => parseFloat(getComputedStyle(one).outlineOffset)") == -3  # within its line


def test_the_cross_of_the_longest_chip_is_on_a_phones_screen(page, address):
    page.set_viewport_size({"width": 390, "height": 900})
    page.goto(f"{address}/?name={'long+' * 40}")
    cross = page.locator("#filter-chips .icon").bounding_box()
    assert cross["x"] + cross["width"] < 390


def test_a_chip_says_whether_a_camera_is_meant_by_its_name_or_by_a_part_of_it(page, address):
    for camera, text in (("testing", "camera contains testing"), ("%22Testing+Camera+1%22", "Testing Camera 1")):
        page.goto(f"{address}/?camera={camera}")
        assert page.locator("#filter-chips bdi").all_inner_texts() == [text]


def test_found_words_on_a_card_are_not_under_its_caption(page):
    search(page, "coffee and cake")
    card = page.locator('.photo:has(.open[aria-label^="coffee.jpg"])')
    card.hover()
    assert card.locator(".words").inner_text().startswith("text in the picture: ")
    on_top = """(one) => {
      for (const node of one.closest(".open").querySelectorAll("*")) node.style.pointerEvents = "auto"; // or no point is of it
      const { x, y, width, height } = one.getBoundingClientRect();
      return document.elementFromPoint(x + width / 2, y + height / 2) === one;
    }"""
    assert card.locator(".words mark").first.evaluate(on_top)


BUTTONS = """
(card) => [...card.querySelectorAll(":scope > button:not(.open)")].map((one) => {
  if (getComputedStyle(one).visibility !== "visible" || getComputedStyle(one).display === "none") return "";
  const found = card.querySelector(".words");
  const [box, all, words] = [one, card, found].map((node) => node.getBoundingClientRect());
  const isInside = box.top >= all.top && box.bottom <= all.bottom && box.left >= all.left && box.right <= all.right;
  const isSeen = getComputedStyle(found).visibility === "visible" && !one.matches(".heart");
  const isCovered = isSeen && box.bottom > words.top && box.top < words.bottom;
  const isOnTop = one.contains(document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2));
  return `${one.className.split(" ").at(-1)}: ${isInside && isOnTop && !isCovered}`;
})
"""
SIZES = ((208, 104), (208, 141), (208, 170), (208, 220), (100, 104), (100, 150), (100, 220), (300, 84))


def test_the_words_of_a_small_photo_do_not_cover_its_buttons(page):
    search(page, "coffee and cake")
    card = page.locator('.photo:has(.open[aria-label^="coffee.jpg"])')
    card.evaluate("(one) => { one.style.zIndex = 9; }")  # it becomes larger than its place
    x, y = (card.bounding_box()[side] for side in "xy")
    page.mouse.move(x + 30, y + 50)
    for width, height in SIZES:
        card.evaluate(
            "(one, [w, h]) => { [one.style.width, one.style.height] = [`${w}px`, `${h}px`]; }", [width, height]
        )
        buttons = card.evaluate(BUTTONS)
        assert {"right: true", "wrong: true"} <= set(buttons), (width, height, buttons)
        assert not [one for one in buttons if "false" in one], (width, height, buttons)
    card.evaluate("(one) => { [one.style.width, one.style.height] = ['74px', '130px']; }")  # of an upright film
    buttons = card.evaluate(BUTTONS)
    assert {"pick: true"} <= set(buttons) and not [one for one in buttons if "false" in one], buttons
    x, y = (card.bounding_box()[side] for side in "xy")
    assert (
        page.evaluate("(at) => document.elementFromPoint(...at).closest('button').className", [x + 37, y + 65])
        == "open"
    )
