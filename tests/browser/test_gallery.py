"""The gallery in a browser, opened from a file without a network."""

import re
import shutil

import pytest

from clipsearch.render.gallery import Gallery, PhotoCard, Section, hits_gallery, save_gallery
from tests.conftest import PHOTOS
from tests.render.support import ANOTHER_DAY, hit

NAMES = ("giraffe.jpg", "cat.png", "coffee.jpg", "red-panda.jpg", "mountain-trail.jpg", "kitten.jpg", "dogs-window.jpg")


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    """A gallery beside its photos: real ones, a missing one, and one whose name looks like a script."""
    folder = tmp_path_factory.mktemp("stick")
    for name in NAMES:
        shutil.copy(PHOTOS / name, folder)
    awkward = "<img src=x onerror=document.title='hacked'>.jpg"
    shutil.copy(PHOTOS / "wave.jpg", folder / awkward)
    hits = [
        hit(rank, folder / name, 0.3 - rank / 100, 1 - rank / 10, ANOTHER_DAY, "Pixel 8", (48.1, 11.5))
        for rank, name in enumerate([*NAMES, awkward, "gone.jpg"], 1)
    ]
    explained = {"considered": 9, "images": 9, "model": "mini", "filters": ["width > 10"]}
    save_gallery(hits_gallery(hits, "an <b>animal</b>", explained), folder / "page.html")
    return folder / "page.html"


@pytest.fixture(params=["light", "dark"])
def page(request, chromium, page_file):
    """The gallery, opened from its file without a network. Log messages and requests fail the test."""
    context = chromium.new_context(
        viewport={"width": 1000, "height": 700}, color_scheme=request.param, offline=True, reduced_motion="reduce"
    )
    page = context.new_page()
    told, requested = [], []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda request: requested.append(request.url))
    page.goto(page_file.as_uri())
    yield page
    # If a test presses a key before the page is drawn, Chromium logs that it blocked its own autofocus.
    assert [text for text in told if not text.startswith("Autofocus processing was blocked")] == []
    assert [url for url in requested if not url.startswith(("data:", "file:"))] == [] and requested.count(
        page_file.as_uri()
    ) == 1
    context.close()


FOCUSED = "(document.activeElement.closest('li')?.dataset.relative ?? document.activeElement.id)"


def focused(page):
    return page.evaluate(FOCUSED)


def test_all_photos_are_shown_and_no_name_is_code(page):
    assert page.title() == "an <b>animal</b>"
    loaded = "Array.from(document.images).every((image) => image.complete && image.naturalWidth > 0)"
    page.wait_for_function(loaded)
    assert page.locator(".picture img").count() == 8
    assert "cannot be read: it is not there any more" in page.locator(".missing").text_content()
    assert page.evaluate("document.body.scrollWidth <= innerWidth")


def test_the_keyboard_goes_everywhere(page):
    page.keyboard.press("ArrowRight")
    assert focused(page) == NAMES[1]
    page.keyboard.press("End")
    assert focused(page) == "gone.jpg"
    page.keyboard.press("ArrowRight")
    assert focused(page) == "gone.jpg"
    page.keyboard.press("ArrowUp")
    above = focused(page)
    assert above not in ("gone.jpg", "page")
    page.keyboard.press("Home")
    assert focused(page) == NAMES[0]
    page.keyboard.press("ArrowDown")
    boxes = page.evaluate(
        "[0, document.activeElement].map(one => (one || document.querySelector('.picture')).getBoundingClientRect().top)"
    )
    assert boxes[1] > boxes[0]
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    assert page.locator("#view").is_visible() and page.locator("#name").text_content() == NAMES[0]
    assert page.locator("#absolute").text_content().endswith(f"/{NAMES[0]}")
    assert "Pixel 8" in page.locator("#facts").text_content()
    page.keyboard.press("ArrowRight")
    assert page.locator("#name").text_content() == NAMES[1] and page.locator("#place").text_content() == "2 / 9"
    page.keyboard.press("Escape")
    page.wait_for_function(f"(name) => {FOCUSED} === name", arg=NAMES[1])  # the close event comes a bit later
    assert not page.locator("#view").is_visible()
    page.keyboard.press("?")
    assert page.locator("#help").is_visible() and "copy the path" in page.locator("#help").inner_text()
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()
    page.keyboard.press("Enter")  # at once, while the step of the help is being left
    page.keyboard.press("ArrowRight")
    page.wait_for_function("history.state?.covered")
    page.go_back()
    page.wait_for_selector("#view", state="hidden")
    page.wait_for_function(f"(name) => {FOCUSED} === name", arg=NAMES[2])
    assert page.url.startswith("file:")


def test_the_path_is_copied(page, page_file):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator(".picture").nth(2).click()
    page.locator("#copy-absolute").click()
    page.wait_for_function("document.getElementById('message').textContent == 'Copied.'")
    assert page.evaluate("navigator.clipboard.readText()") == str(page_file.parent / NAMES[2])
    page.locator("#copy-relative").click()
    page.wait_for_function("navigator.clipboard.readText().then((text) => !text.includes('/'))")
    assert page.evaluate("navigator.clipboard.readText()") == NAMES[2]
    assert page.locator("#original").get_attribute("href") == f"./{NAMES[2]}"


def test_it_is_accessible(page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    for keys in ((), ("Home", "Enter"), ("Escape", "?")):
        for key in keys:
            page.keyboard.press(key)
        violations = axe.Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        assert [
            (violation["id"], violation["impact"])
            for violation in violations
            if violation["impact"] in ("serious", "critical")
        ] == []


def test_a_script_or_a_style_that_is_not_ours_does_nothing(chromium, page_file, tmp_path):
    text = page_file.read_text("utf-8")
    changed = tmp_path / "changed.html"
    bad = "<script>document.title = 'hacked'</script><p style='color: red' onclick='1'>x</p><img src='x.png'>"
    changed.write_text(text.replace("</main>", f"{bad}</main>"), "utf-8")
    page = chromium.new_page()
    refused = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto(changed.as_uri())
    assert page.title() == "an <b>animal</b>"
    assert len([text for text in refused if re.search("Content Security Policy", text)]) >= 3
    page.close()


def test_groups_of_copies_share_the_width(chromium, tmp_path):
    sections = []
    for number, name in enumerate(NAMES[:6]):
        cards = tuple(PhotoCard(hit(1, PHOTOS / name).record, (), more=f"{number}") for _ in range(2))
        sections.append(Section(cards, name, "1 copy, 20 kB; best: the most pixels, and a reason that is long"))
    save_gallery(Gallery("Copies", (), tuple(sections), side_by_side=True, for_others=True), tmp_path / "page.html")
    page = chromium.new_page(viewport={"width": 1440, "height": 900})
    for width, most in ((1440, 3), (390, 6)):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto((tmp_path / "page.html").as_uri())
        tops = page.locator("section").evaluate_all("all => all.map((one) => one.getBoundingClientRect().top)")
        assert len(set(tops)) <= most
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.keyboard.press("?")
    assert "copy the path" not in page.locator("#help").inner_text()  # a page for others has none
    page.close()


@pytest.mark.parametrize("width", [320, 390, 3840])
def test_it_fits_every_screen_and_paper(chromium, page_file, width):
    is_phone = width == 390
    page = chromium.new_page(viewport={"width": width, "height": 700}, is_mobile=is_phone, has_touch=is_phone)
    page.goto(page_file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("#open-help").is_visible() != is_phone  # which has none
    tops = page.locator(".picture").evaluate_all(
        "all => all.map((one) => [one.getBoundingClientRect().top, one.offsetHeight])"
    )
    rows = {top: {height for other, height in tops if other == top} for top, _ in tops}
    if len(rows) > 1 and width == 390:  # where a row fills the width, the last one is as high
        *_, before, last = rows.values()
        assert max(last) <= max(before) <= max(last) + 1
    page.keyboard.press("Enter") or page.locator(".picture").first.click()
    page.wait_for_selector("#view[open]")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.keyboard.press("Escape")
    page.emulate_media(media="print")
    assert not page.locator("#open-help").is_visible()
    outline = "() => getComputedStyle(document.activeElement.closest('.picture')).outlineStyle"
    assert page.evaluate(outline) == "none"  # the keyboard is at a photo, which paper does not show
    page.close()
