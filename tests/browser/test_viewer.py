"""One photo as large as the window. Keys alone open and close it."""

import re

import pytest

from tests.browser.conftest import CAPTION, answered, search, serving, shown
from tests.conftest import save_photo


@pytest.fixture
def viewer(page):
    """The viewer, which shows the second photo."""
    page.locator(".photo .open").nth(1).click()
    page.wait_for_selector("#viewer[open] img.full")
    return page.locator("#viewer")


def title(page):
    return page.locator(".viewer-title").inner_text()


def wait_for_title(page, name):
    page.wait_for_function("(name) => document.querySelector('.viewer-title').textContent === name", arg=name)


def scale(page):
    """The photo's zoom: 1 if it just fits the window."""
    return page.evaluate("() => new DOMMatrix(getComputedStyle(document.querySelector('.frame')).transform).a")


def test_it_shows_the_photo_with_what_is_known_of_it(page, viewer, album):
    assert title(page) == "rowing-boats.jpg"
    assert page.locator(".viewer-place").inner_text() == "Tue, August 6, 2019, 10:00 · 2 of 52"
    facts = viewer.locator(".photo-facts").inner_text()
    for fact in (
        "Tue, August 6, 2019, 10:00",
        "Testing Camera 1",
        "1024 \u00d7 640",
        "JPEG",
        f"{album}/",
        "/rowing-boats.jpg",
    ):
        assert fact in facts
    page.wait_for_function("() => document.querySelector('img.full').naturalWidth === 1024")
    box, stage = viewer.locator("img.full").bounding_box(), viewer.locator(".stage").bounding_box()
    assert box["width"] == pytest.approx(stage["width"], abs=1) or box["height"] == pytest.approx(
        stage["height"], abs=1
    )


def test_a_caption_is_shown_as_text(page):
    card = page.get_by_role("button", name="giraffe.jpg, 1 of")
    card.hover()
    assert card.get_attribute("title") == CAPTION
    card.click()
    page.wait_for_selector("#viewer[open] img.full")
    facts = page.locator(".photo-facts")
    assert CAPTION in facts.inner_text() and facts.locator("img").count() == 0


def test_a_search_tells_score_and_match(page):
    search(page, "a red panda")
    page.locator(".photo .open").first.click()
    page.wait_for_selector("#viewer[open]")
    facts = page.locator(".photo-facts").inner_text()
    assert re.search(r"Match\s+\d+%|Match\s+[<>]\d+%", facts)
    assert (
        "compares a photo with the others of this index; that of a description, with those that the filters leave."
        in facts
    )
    assert re.search(r"Rank\s+1\s", facts) and re.search(r"Score\s+-?0\.\d{4}\s", facts)


def test_next_previous_and_back(page, viewer):
    viewer.get_by_label("Next photo").click()
    wait_for_title(page, "pagoda.jpg")
    page.keyboard.press("ArrowLeft")
    wait_for_title(page, "rowing-boats.jpg")
    page.keyboard.press("ArrowLeft")
    wait_for_title(page, "giraffe.jpg")
    assert not viewer.get_by_label("Previous photo").is_visible()
    page.go_back()
    page.wait_for_selector("#viewer", state="hidden")
    page.go_forward()
    page.wait_for_selector("#viewer[open]")
    page.reload()
    page.wait_for_selector("#viewer[open]")
    assert title(page) == "giraffe.jpg"
    page.keyboard.press("Escape")
    page.wait_for_selector("#viewer", state="hidden")
    assert "photo=" not in page.url


def test_zoom_by_wheel_keys_double_click_and_moving(page, viewer):
    stage = viewer.locator(".stage").bounding_box()
    middle = (stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2)
    page.mouse.move(*middle)
    page.mouse.wheel(0, -300)
    page.wait_for_function("() => document.querySelector('.stage').classList.contains('near')")
    near = scale(page)
    assert near > 1.2
    page.keyboard.press("+")
    assert scale(page) == pytest.approx(near * 1.5)
    before = viewer.locator(".frame").bounding_box()["x"]
    page.mouse.down()
    page.mouse.move(middle[0] + 40, middle[1])
    page.mouse.up()
    assert viewer.locator(".frame").bounding_box()["x"] == pytest.approx(before + 40, abs=1)
    page.keyboard.press("ArrowRight")  # moves the photo, because it is zoomed
    assert title(page) == "rowing-boats.jpg"
    assert viewer.locator(".frame").bounding_box()["x"] == pytest.approx(before - 40, abs=1)
    page.keyboard.press("0")
    assert scale(page) == 1
    page.mouse.dblclick(*middle)
    assert scale(page) > 1


def test_two_fingers_zoom(page, viewer):
    page.evaluate("""() => {
        const stage = document.querySelector(".stage");
        stage.setPointerCapture = () => {};
        const box = stage.getBoundingClientRect();
        const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
        const finger = (kind, id, dx) => stage.dispatchEvent(new PointerEvent(kind, {
            pointerId: id, pointerType: "touch", button: kind === "pointermove" ? -1 : 0, clientX: x + dx, clientY: y,
            bubbles: true,
        }));
        finger("pointerdown", 11, -50); finger("pointerdown", 12, 50);
        finger("pointermove", 11, -100); finger("pointermove", 12, 100);
        finger("pointerup", 11, -100); finger("pointerup", 12, 100);
    }""")
    assert scale(page) == pytest.approx(2, abs=0.05)


def test_the_help_opens_over_a_photo_and_esc_closes_the_help_alone(page, viewer):
    name = title(page)
    for close in (lambda: page.keyboard.press("Escape"), page.go_back):
        page.keyboard.press("?")
        page.locator("#panel[open] h2", has_text="Help").wait_for()
        close()
        page.wait_for_selector("#panel", state="hidden")
        page.wait_for_function("() => !history.state.dialogs")
        assert viewer.is_visible() and title(page) == name
    page.keyboard.press("Escape")
    page.wait_for_selector("#viewer", state="hidden")


def test_the_path_is_copied(page, viewer, album):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    viewer.get_by_label("Copy the path").click()
    page.wait_for_selector("#note:popover-open")
    assert page.evaluate("navigator.clipboard.readText()") in (
        str(album / "first" / "rowing-boats.jpg"),
        str(album / "second" / "rowing-boats.jpg"),
    )


def test_more_like_this_closes_it_and_searches(page, viewer):
    with answered(page, "like="):
        viewer.get_by_label("More like this").click()
    page.wait_for_selector("#viewer", state="hidden")
    assert "rowing-boats.jpg" not in shown(page)
    assert page.locator("#terms .chip img").is_visible()


def test_the_viewer_says_that_a_photo_is_gone(page, viewer, new_page, address):
    page.keyboard.press("Escape")
    other = new_page()
    other.route("**/file", lambda route: route.fulfill(status=404, json={"error": {"code": "gone", "message": "gone"}}))
    other.goto(page.url)
    other.locator(".photo .open").first.click()
    other.wait_for_selector(".unplayable")
    other.expected.append("status of 404")


def test_from_the_search_to_a_photo_and_back_by_keys_alone(page):
    page.keyboard.press("/")
    page.keyboard.type("boats")
    page.wait_for_function("() => location.search.includes('q=boats')")
    page.wait_for_function("() => !document.querySelector('#progress').classList.contains('busy')")
    page.keyboard.press("ArrowDown")
    names = shown(page)

    which = "(document.activeElement.getAttribute('aria-label') ?? '').split(', ')[0]"

    def focused():
        return page.evaluate(which)

    assert focused() == names[0]
    page.keyboard.press("ArrowRight")
    assert focused() == names[1]
    page.keyboard.press("ArrowDown")
    assert focused() in names[3:]
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_selector("#viewer[open]")
    assert title(page) == names[1]
    for _ in range(25):  # the focus stays inside the viewer
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || document.activeElement.closest('#viewer') !== null"
        )
    if page.evaluate("document.activeElement === document.body"):  # between the last button and the first
        page.keyboard.press("Tab")
    page.keyboard.press("PageDown")
    wait_for_title(page, names[2])
    page.keyboard.press("Escape")
    page.wait_for_selector("#viewer", state="hidden")
    page.wait_for_function(f"(name) => {which} === name", arg=names[2])  # the close event comes a bit later
    assert page.locator(".photo .open[tabindex='0']").count() == 1
    page.keyboard.press("?")
    page.wait_for_selector("#panel[open]")
    assert "Keys" in page.locator("#panel").inner_text()
    assert "likely ones" in page.locator("#panel dt:has-text('Ctrl + A') + dd").inner_text()  # what it selects
    page.keyboard.press("Escape")
    page.wait_for_function(f"(name) => {which} === name", arg=names[2])


def test_facts_are_shown_as_text_and_lead_to_photos_with_the_same(new_page, address):
    page = new_page()
    page.goto(f"{address}?person=Bo")
    page.wait_for_selector(".photo.loaded")
    page.locator(".photo .open").first.click()
    facts = page.locator("#viewer .photo-facts")
    assert "from Google Takeout" in facts.inner_text()
    assert facts.get_by_role("button", name="3 stars").is_visible()
    with answered(page):
        facts.get_by_role("button", name="travel").click()
    page.wait_for_selector("#viewer", state="hidden")
    assert shown(page) == ["pagoda.jpg", "kite.jpg"]
    page.locator(".photo .open").first.click()
    page.wait_for_function("() => document.querySelector('#viewer .photo-title')")
    assert facts.locator(".photo-title").inner_text() == "Sensō-ji <b>temple</b>"
    with answered(page):
        facts.get_by_role("button", name="Anna Müller").click()
    assert "person=Anna+M" in page.url and len(shown(page)) == 2
    page.goto(f"{address}?rating=0")
    page.wait_for_selector(".photo.loaded")
    page.locator(".photo .open").first.click()
    page.wait_for_function("() => document.querySelector('#viewer .photo-facts .path')")
    assert "Path" in facts.inner_text() and "Rating" not in facts.inner_text()
    page.goto(f"{address}?rating=-1")
    page.wait_for_selector(".photo.loaded")
    page.locator(".photo .open").first.click()
    text = facts.locator(".read-text")
    assert not text.get_by_text("<img src=x").is_visible()
    text.locator("summary").click()
    assert text.get_by_text("<img src=x").is_visible() and page.evaluate("window.hacked") is None
    assert facts.get_by_role("button", name="Rejected").is_visible()


def test_the_facts_are_as_dark_as_the_viewer_and_the_keyboard_reaches_them(page, viewer):
    assert page.evaluate("document.activeElement.className") == "stage"  # no ring around a button
    lightness = page.evaluate("""() => {
        const canvas = document.createElement("canvas").getContext("2d");
        canvas.fillStyle = getComputedStyle(document.querySelector(".photo-facts")).backgroundColor;
        canvas.fillRect(0, 0, 1, 1);
        return Math.max(...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3));
    }""")
    assert lightness < 60
    page.keyboard.press("i")
    assert not viewer.locator(".photo-facts").is_visible()
    page.keyboard.press("i")
    assert page.evaluate("document.activeElement.className") == "photo-facts"
    page.set_viewport_size({"width": 1280, "height": 220})
    page.keyboard.press("End")
    page.wait_for_function("() => document.querySelector('.photo-facts').scrollTop > 0")
    assert title(page) == "rowing-boats.jpg"
    page.keyboard.press("ArrowRight")  # goes on to the next photo, and stays in the facts
    wait_for_title(page, "pagoda.jpg")
    assert page.evaluate("document.activeElement.className") == "photo-facts"


def test_a_focus_ring_is_not_over_the_name(page, viewer):
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    close = viewer.get_by_label("Close (Esc)")
    close.focus()
    ring = page.evaluate("""() => {
        const style = getComputedStyle(document.activeElement);
        const { right } = document.activeElement.getBoundingClientRect();
        return right + parseFloat(style.outlineOffset) + parseFloat(style.outlineWidth);
    }""")
    assert ring <= viewer.locator(".viewer-title").bounding_box()["x"]


def test_a_strip_shows_the_photos_around_and_leads_to_them(page, viewer):
    strip = viewer.locator(".filmstrip button")
    names = shown(page)
    labels = [strip.nth(number).get_attribute("aria-label") for number in range(4)]
    assert [label.split(", ")[0] for label in labels] == names[:4]
    assert labels[1].endswith(", 2 of 52, Tue, August 6, 2019, 10:00")
    current = viewer.locator(".filmstrip [aria-current]")
    assert current.get_attribute("aria-label").startswith(title(page))
    box, room = current.bounding_box(), viewer.locator(".filmstrip").bounding_box()
    assert box["x"] + box["width"] / 2 == pytest.approx(room["x"] + room["width"] / 2, abs=2)
    strip.nth(3).click()
    wait_for_title(page, names[3])
    assert current.get_attribute("aria-label").startswith(names[3])
    current.focus()
    page.keyboard.press("ArrowLeft")
    wait_for_title(page, names[2])
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith(names[2])


def test_a_slideshow_goes_on_by_itself_pauses_and_ends(page, viewer):
    page.clock.install()
    page.keyboard.press("s")
    page.wait_for_selector("#viewer.slideshow")
    assert not viewer.locator(".viewer-title").is_visible() and not viewer.locator(".filmstrip").is_visible()
    page.wait_for_function("() => document.querySelector('img.full').complete")
    page.wait_for_function("async () => { await new Promise((done) => requestAnimationFrame(done)); return true; }")
    page.clock.run_for(5100)
    wait_for_title(page, "pagoda.jpg")
    page.keyboard.press("Space")
    page.clock.run_for(20_000)
    assert title(page) == "pagoda.jpg"
    page.mouse.move(300, 300)
    viewer.get_by_label("End the slideshow").click()
    page.wait_for_selector("#viewer:not(.slideshow)")
    assert viewer.locator(".viewer-title").is_visible()


def test_after_a_slideshow_the_page_is_at_the_last_photo_and_can_be_scrolled(page, viewer):
    viewer.get_by_label("Next photo").click()
    wait_for_title(page, "pagoda.jpg")
    page.keyboard.press("s")
    page.wait_for_selector("#viewer.slideshow")
    page.keyboard.press("Escape")
    page.wait_for_selector("#viewer:not(.slideshow)")
    page.keyboard.press("Escape")  # the browser itself closes the dialog now, as no other key came between
    page.wait_for_selector("#viewer", state="hidden")
    page.wait_for_function("() => !new URL(location).searchParams.has('photo')")
    page.wait_for_function("() => document.activeElement.ariaLabel?.startsWith('pagoda.jpg, ')")  # the last one seen
    assert page.evaluate("getComputedStyle(document.documentElement).overflowY") == "visible"
    page.mouse.move(600, 500)
    page.mouse.wheel(0, 400)
    page.wait_for_function("() => scrollY > 0")


def test_the_menu_copies_saves_opens_and_shows_the_photo_in_its_folder(page, viewer, album):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.route("**/api/desktop", lambda route: route.fulfill(json={"folders": True}))
    requests = []
    page.route("**/folder", lambda route: (requests.append(route.request), route.fulfill(status=204))[1])
    more = viewer.get_by_label("More", exact=True).first
    more.click()
    viewer.get_by_role("button", name="Copy the picture").click()
    page.wait_for_function("() => document.querySelector('#note').textContent === 'Picture copied.'")
    size = page.evaluate("""async () => {
        const [item] = await navigator.clipboard.read();
        const picture = await createImageBitmap(await item.getType("image/png"));
        return [picture.width, picture.height];
    }""")
    assert size == [1024, 640]
    more.click()
    viewer.get_by_role("button", name="Show in the folder").click()
    page.wait_for_timeout(50)
    assert [(request.method, request.headers["clipsearch-client"]) for request in requests] == [("POST", "page")]
    more.click()
    page.keyboard.press("ArrowDown")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "rowing-boats.jpg"
    (original,) = album.glob("*/rowing-boats.jpg")
    assert download.value.path().read_bytes() == original.read_bytes()
    page.expected.append("status of 404")
    gone = {"error": {"code": "gone", "message": "the file is gone; if it was moved, look for new photos in Index"}}
    page.route("**/original", lambda route: route.fulfill(status=404, json=gone))
    for download_it in (lambda: page.keyboard.press("d"), viewer.get_by_role("button", name="Download (d)").click):
        download_it()
        page.locator("#note:popover-open", has_text="The file is gone; if it was moved").wait_for()
        page.evaluate("document.querySelector('#note').hidePopover()")
    page.unroute("**/original")
    page.evaluate("() => { navigator.share = async () => { window.shared = true; }; }")
    page.route("**/file", lambda route: route.fulfill(status=404, json=gone))
    more.click()
    viewer.get_by_role("button", name="Share").click()
    page.locator("#note:popover-open", has_text="The file is gone; if it was moved").wait_for()
    assert page.evaluate("window.shared === undefined")
    page.unroute("**/file")
    more.click()
    opened = viewer.get_by_role("link", name="Open in a tab")
    assert opened.get_attribute("target") == "_blank" and "noopener" in opened.get_attribute("rel")
    page.keyboard.press("Escape")  # closes the menu only
    assert viewer.is_visible()


def test_a_finger_swipes_to_the_next_photo_and_the_one_beside_follows(new_page, address):
    page = new_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.goto(address)
    page.wait_for_selector(".photo.loaded")
    page.locator(".photo .open").nth(1).evaluate("photo => photo.click()")
    page.wait_for_selector("#viewer[open] img.full")
    devtools = page.context.new_cdp_session(page)

    def touch(kind, x=None):
        points = [] if x is None else [{"x": x, "y": 300}]
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 300)
    touch("touchMove", 250)
    page.wait_for_function("() => document.querySelector('.beside').getBoundingClientRect().x < 390")  # from the right
    touch("touchMove", 120)
    touch("touchEnd")
    wait_for_title(page, "pagoda.jpg")
    page.wait_for_selector(".beside", state="hidden")
    tools = page.locator(".viewer-tools").bounding_box()
    assert tools["y"] > 750 and page.locator(".viewer-title").bounding_box()["width"] > 80


def test_a_photo_that_was_edited_says_so_in_every_way(new_page, small):
    with serving(small / ".clipsearch") as (_, address):
        page = new_page(viewport={"width": 1000, "height": 700})
        page.expected.append("status of 404")
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(address)
        page.wait_for_selector(".photo.loaded")
        for photo in small.glob("*.jpg"):
            save_photo(photo, (90, 90, 90), size=(640, 480), note="edited")
        page.locator(".photo .open").first.click()
        why = r"The file \w+\.jpg has changed since it was indexed; to see it as it is now, look for new photos in Index\."
        message = page.locator("#viewer .unplayable")
        message.wait_for()
        assert re.fullmatch(why, message.inner_text())
        assert message.evaluate("(e) => getComputedStyle(e).backgroundColor") == "rgb(23, 25, 27)"  # solid, to be read
        assert message.bounding_box()["width"] > 300  # also if the photo is narrow
        for key in "dc":
            page.keyboard.press(key)
            note = page.locator("#note:popover-open", has_text=re.compile(why))
            note.wait_for()
            assert note.bounding_box()["y"] > 50  # below the bar
            page.wait_for_function(
                "() => document.querySelector('#note').getBoundingClientRect().bottom"
                " < document.querySelector('.unplayable').getBoundingClientRect().top"
            )
            page.evaluate("document.querySelector('#note').hidePopover()")
        page.keyboard.press("Escape")
        page.keyboard.press("Control+a")
        page.click("#selection-download")
        with page.expect_download():
            page.get_by_role("button", name="The photos").click()
        page.locator(
            "#note:popover-open", has_text="3 of 3 photos cannot be in the archive, because the files"
        ).wait_for()
        page.close()
