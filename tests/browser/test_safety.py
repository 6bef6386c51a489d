"""Foreign names and texts stay plain text, the page is accessible, and it loads little."""

import pytest

from tests.browser.conftest import answered, search, shown


def test_odd_names_are_shown_and_do_nothing(page, album):
    with answered(page):
        page.locator("#filters").get_by_role("button", name="odd").click()
    assert sorted(shown(page)) == sorted(
        [
            "<script>window.hacked=1<script>.png",
            "'\"><img src=x onerror=window.hacked=1>.png",
            "two\\u000alines.png",
            "right\\u202eto-left gpj.png",
            "no-utf8-\\xff.png",
        ]
    )
    for _ in range(5):
        page.keyboard.press("Escape")
    page.locator(".photo .open").first.click()
    for _ in range(4):
        page.wait_for_selector("#viewer img.full")
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    page.wait_for_function("() => !document.querySelector('#viewer').open")  # its step back in history comes later
    search(page, "<img src=x onerror=window.hacked=1> + <script>window.hacked=1</script>")
    assert page.locator("#terms .chip").count() == 2
    assert page.evaluate("window.hacked") is None
    assert page.locator("#photos script, #terms script, #terms img").count() == 0


def test_a_folder_that_is_not_utf8_keeps_its_bytes(page):
    there = page.evaluate(
        """async () => { const { encodePairs, decodePairs } = await import("/static/url.js");
        const query = encodePairs([["in", "/a b/\\udcff\\udc80 ü 😀+&="]]);
        return [query, decodePairs(query)[0][1] === "/a b/\\udcff\\udc80 ü 😀+&="]; }"""
    )
    assert there == ["in=%2Fa+b%2F%FF%80+%C3%BC+%F0%9F%98%80%2B%26%3D", True]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(new_page, address, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = new_page(color_scheme=scheme, bypass_csp=True)  # the policy would block axe's script

    def serious():
        return [
            (violation["id"], [node["html"][:200] for node in violation["nodes"]])
            for violation in axe.run(page, options={"resultTypes": ["violations"]}).response["violations"]
            if violation["impact"] in ("serious", "critical")
        ]

    page.goto(f"{address}/?q=a+cat+-+snow&orientation=landscape&format=webp")  # few photos, because axe checks each one
    page.wait_for_selector("#filters .facet-list")
    page.wait_for_selector(".photo.loaded")
    page.click("#toggle-map")
    page.wait_for_selector(".mark, .map-note:not(:empty)")
    page.locator(".photo").first.hover()
    page.locator(".photo .pick").first.click()
    page.wait_for_timeout(300)  # wait until colours have faded in
    assert serious() == []
    page.locator(".photo .open").nth(1).click()
    page.wait_for_selector("#viewer[open] img.full")
    assert serious() == []
    page.keyboard.press("Escape")
    page.wait_for_selector("#viewer", state="hidden")
    page.click("#open-library")
    page.wait_for_selector(".failures li")
    assert serious() == []


def test_counts_are_read_aloud(page):
    assert page.locator("#status").get_attribute("role") == "status"
    search(page, "a dog")
    assert page.locator(".photo .open").first.get_attribute("aria-label").count(" of 52, match ") == 1
    assert page.locator("#query").get_attribute("aria-label")


def test_the_theme_is_chosen_and_kept(page):
    def paper():
        return page.evaluate("getComputedStyle(document.documentElement).backgroundColor")

    light = paper()
    page.click("#switch-theme")
    page.click("#switch-theme")
    dark = paper()
    assert dark != light
    page.reload()
    page.wait_for_selector(".photo.loaded")
    assert paper() == dark


def test_little_is_loaded_and_nothing_from_elsewhere(new_page, address):
    page = new_page()
    loaded = []
    page.on("response", lambda response: loaded.append(response))
    page.goto(address)
    page.wait_for_selector("#filters .facet-list")
    page.wait_for_selector(".photo.loaded")
    assert all(response.url.startswith((address, "blob:")) for response in loaded)
    sizes = page.evaluate(
        "() => performance.getEntries().filter((one) => 'encodedBodySize' in one && !one.name.includes('/api/'))"
        ".map((one) => one.encodedBodySize)"
    )
    assert 10_000 < sum(sizes) < 120_000  # bytes of code and styles, as sent; all panels come at once
    requested = [response.url for response in loaded if "/api/" in response.url and "/thumbnails" not in response.url]
    assert len(requested) <= 6, requested


def test_photos_keep_their_room_while_they_load(new_page, address):
    page = new_page()
    page.add_init_script(
        "window.moved = 0;"
        "const add = (list) => { for (const one of list.getEntries()) window.moved += one.value; };"
        "new PerformanceObserver(add).observe({ type: 'layout-shift', buffered: true })"
    )
    page.goto(address)
    page.wait_for_selector("#filters .facet-list")
    page.wait_for_selector(".photo.loaded")
    page.wait_for_timeout(300)
    assert page.evaluate("window.moved") < 0.05


OUTSIDE = """(all) => all.filter((one) => one.checkVisibility()).map((one) => [one.ariaLabel, one.getBoundingClientRect()])
    .filter(([, box]) => box.left < 0 || box.right > innerWidth).map(([name]) => name)"""


@pytest.mark.parametrize("touch", [False, True])
def test_four_times_larger_nothing_is_cut(new_page, address, touch):
    page = new_page(viewport={"width": 320, "height": 256}, has_touch=touch)  # 1280 x 1024 at 400% (WCAG 1.4.10)
    page.goto(f"{address}/?q=a+cat+-+snow&orientation=landscape&format=jpeg")
    page.wait_for_selector(".photo.loaded")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    small = page.evaluate(
        "() => [...document.querySelectorAll('button, select')].filter((one) => one.checkVisibility() && one.offsetParent)"
        ".map((one) => [one.id || one.className, one.getBoundingClientRect()])"
        ".filter(([, box]) => box.width && Math.min(box.width, box.height) < 24).map(([name]) => name)"
    )
    assert small == []  # WCAG 2.5.8
    if not touch:  # fingers scroll these lines
        buttons = page.locator(".toolbar, .toolbar :is(input, select, button), .terms button")
        assert buttons.count() > 10 and buttons.evaluate_all(OUTSIDE) == []
    page.click("#open-more")
    page.click("#open-help")  # the menu scrolls in a low window
    page.wait_for_selector("#panel[open] .facts")
    assert page.locator("#panel").evaluate("(one) => one.scrollWidth <= one.clientWidth")
    page.keyboard.press("Escape")
    page.wait_for_selector("#panel", state="hidden")
    page.locator(".photo .open").first.click()
    page.wait_for_selector("#viewer[open] img.full")
    tools = page.locator(".viewer-tools button")
    assert tools.count() == 10 and page.locator(".viewer-tools [aria-label^=Wrong]").is_visible()
    for width in (320, 340, 360, 390):
        page.set_viewport_size({"width": width, "height": 700})
        assert tools.evaluate_all(OUTSIDE) == []
        assert tools.evaluate_all("(all) => all.every((one) => !one.checkVisibility() || one.offsetWidth >= 24)")
