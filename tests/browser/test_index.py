"""The index behind the page: unreadable files, new photos, a server that stops."""

import json
import zipfile

import pytest
from PIL import Image

from clipsearch.store.writer import CollectionWriter
from tests.browser.conftest import answered, index, index_at_random, serving, shown, wait_until
from tests.conftest import save_photo

pytestmark = pytest.mark.long


def test_what_could_not_be_read_is_listed(page, album):
    page.click("#open-library")
    page.wait_for_selector(".failures li")
    assert "1 file could not be read" in page.locator(".failures").inner_text()
    failure = page.locator(".failures li").inner_text()
    assert str(album / "broken.jpg") in failure and "it is tried again when it changes" in failure


def test_new_photos_are_indexed_and_appear(new_page, small):
    with serving(small / ".clipsearch", "--allow-below", small.parent) as (_, address):
        page = new_page()
        page.expected.append("status of 409")
        page.goto(address)
        page.wait_for_selector(".photo.loaded")
        (small.parent / "more").mkdir()
        for number in range(30):
            save_photo(small / f"new-{number}.jpg", (8 * number, 99, 200), size=(900, 600), note=str(number))
        with CollectionWriter(small / ".clipsearch"):  # as another process
            text = "Another process is indexing. There are 3 photos now."
            page.locator(f"#open-library.running[title='{text}']").wait_for()
            page.click("#open-library")
            page.locator(".indexing p", has_text=text).wait_for()
            assert page.get_by_role("button", name="Look for new photos").count() == 0
            assert not page.get_by_text("Every photo could be read.").is_visible()  # that is not known yet
            page.locator(".add-folder summary").click()
            field, problem = page.get_by_label("A folder on the server's machine"), page.locator("#folder-problem")
            field.fill(str(small.parent / "more"))
            field.press("Enter")
            problem.get_by_text("The folder was not added, because another process is indexing. Add it when").wait_for()
            assert field.input_value() == str(small.parent / "more")
        page.get_by_role("button", name="Look for new photos").wait_for()  # it comes back by itself
        page.get_by_text("Every photo could be read.").wait_for()
        page.wait_for_selector(
            "#folder-problem:empty", state="attached"
        )  # that is over, and the folder can be added now
        assert field.input_value() == str(small.parent / "more")
        page.get_by_role("button", name="Look for new photos").click()
        page.wait_for_selector("#panel progress, .indexing p:has-text('Done')")
        page.wait_for_selector(".indexing p:has-text('Done: 30 added')", timeout=30_000)
        page.keyboard.press("Escape")
        page.wait_for_function("() => document.querySelector('#status').textContent === '33 photos'")
        wait_until(lambda: len(shown(page)) == 33)  # cards below the screen come in the next frames
        page.keyboard.press("Control+a")
        (small / "red.jpg").unlink()
        index(small)
        page.locator("#note", has_text="The index has changed.").get_by_role("button", name="Show").click()
        page.locator("#status", has_text="32 photos").wait_for()
        assert page.locator("#selection-count").inner_text() == "32 photos selected"  # the one that is gone is not
        page.close()  # close it first, or it logs that the server is gone


def test_photos_that_are_edited_while_they_are_selected_stay_so(new_page, small, tmp_path):
    with serving(small / ".clipsearch") as (_, address):
        page = new_page(accept_downloads=True)
        page.goto(address)
        page.wait_for_selector(".photo.loaded")
        page.keyboard.press("Control+a")
        note = page.locator("#note")
        save_photo(small / "red.jpg", "orange", note="edited")
        with page.expect_response("**/api/images?where=*"):
            index(small)
        page.click("#selection-album")
        page.get_by_label("Name of a new album").fill("Trip")
        page.get_by_role("button", name="Create").click()
        note.get_by_text("3 photos added to Trip.").wait_for()
        page.click("#selection-download")
        with page.expect_download() as download:
            page.get_by_role("button", name="The photos").click()
        download.value.save_as(tmp_path / "photos.zip")
        with zipfile.ZipFile(tmp_path / "photos.zip") as archive:
            assert sorted(archive.namelist()) == ["blue.jpg", "green.jpg", "red.jpg"]
            assert archive.read("red.jpg") == (small / "red.jpg").read_bytes()
        (small / "blue.jpg").unlink()
        index(small)
        note.get_by_text("It does not have one of the selected photos any more.").wait_for()
        assert page.locator("#selection-count").inner_text() == "2 photos selected"
        page.click("#selection-copy")
        note.get_by_text("2 paths copied.").wait_for()
        note.get_by_text("The index has changed.").wait_for()  # it comes again after another note
        page.keyboard.press("Escape")  # nothing is selected now, so nothing is in the way
        page.locator("#status", has_text="2 photos").wait_for()
        assert note.is_hidden()
        page.close()


def test_a_photo_that_is_edited_while_it_is_open_is_shown_as_it_is_now(new_page, small):
    with serving(small / ".clipsearch") as (_, address):
        page = new_page()
        page.expected.append("status of 404")
        page.goto(address)
        page.wait_for_selector(".photo.loaded")
        page.locator(".photo .open").nth(shown(page).index("red.jpg")).click()
        page.wait_for_selector("#viewer .filmstrip img")
        old = page.url
        save_photo(small / "red.jpg", "orange", note="edited")
        index(small)
        page.wait_for_function("(old) => location.href !== old", arg=old)
        number = page.url.rpartition("=")[2]
        assert number in page.locator("#viewer .filmstrip [aria-current] img").get_attribute("src")
        page.keyboard.press("h")
        page.locator("#note", has_text="Added to favourites.").wait_for()
        page.locator("#viewer [aria-label='Favourite (h)'][aria-pressed=true]").wait_for()
        (small / "red.jpg").unlink()
        index(small)
        page.locator("#note", has_text="The index has changed.").wait_for()
        page.keyboard.press("d")
        page.locator("#note", has_text="The photo is not in the index any more.").wait_for()
        page.keyboard.press("Escape")
        page.locator("#status", has_text="2 photos").wait_for()
        page.close()


def test_indexing_is_followed_and_cancelled(new_page, address):
    """The test answers in place of the server, because a real run ends too fast to be observed."""
    page = new_page()
    job = {
        "state": "running",
        "stage": "photos",
        "done": 5,
        "total": 20,
        "added": 5,
        "updated": 0,
        "removed": 0,
        "failed": 0,
    }
    job |= {"rate": 2.5, "seconds_left": 6.0}
    methods = []

    def answer(route):
        methods.append(route.request.method)
        ended = {**job, "state": "cancelled"}
        route.fulfill(
            json={"job": job}
            if route.request.method == "POST"
            else ended
            if "DELETE" in methods
            else {**job, "state": "idle"}
        )

    def events(route):
        state = "cancelled" if "DELETE" in methods else "running"
        name = "progress" if state == "running" else state
        data = json.dumps({**job, "state": state})
        route.fulfill(content_type="text/event-stream", body=f"retry: 200\nevent: {name}\ndata: {data}\n\n")

    page.route("**/api/index", answer)
    page.route("**/api/index/events", events)
    page.goto(address)
    page.wait_for_selector(".photo.loaded")
    page.click("#open-library")
    page.get_by_role("button", name="Look for new photos").click()
    page.wait_for_selector(".indexing p:has-text('5 of 20 photos, 2.5 a second, 6 seconds left')")
    assert page.locator("#panel progress").get_attribute("value") == "5"
    assert "running" in page.locator("#open-library").get_attribute("class")
    page.get_by_role("button", name="Stop indexing").click()
    page.wait_for_selector(".indexing p:has-text('Stopped')")
    assert methods.count("POST") == methods.count("DELETE") == 1


def test_an_index_without_photos_says_so(new_page, tmp_path):
    save_photo(tmp_path / "none" / "red.jpg", "red")
    index(tmp_path / "none")
    (tmp_path / "none" / "red.jpg").unlink()
    index(tmp_path / "none", "--prune")
    with serving(tmp_path / "none" / ".clipsearch") as (_, address):
        page = new_page()
        page.goto(address)
        page.wait_for_selector("#empty h2")
        assert page.locator("#empty h2").inner_text() == "No photos are indexed yet"
        page.get_by_role("button", name="Look for photos").click()
        page.wait_for_selector("#panel[open] .indexing")
        page.goto(f"{address}/?q=dog")
        page.locator("#empty h2", has_text="No photos are indexed yet").wait_for()  # no filter is to blame
        assert page.locator("#empty button").all_inner_texts() == ["Look for photos"]
        with CollectionWriter(tmp_path / "none" / ".clipsearch"):
            page.locator("#empty", has_text="Another process is indexing. There are 0 photos now.").wait_for()
        page.locator("#empty h2", has_text="No photos are indexed yet").wait_for()
        index_at_random(tmp_path / "none", [("teal.png", Image.new("RGB", (30, 20), "teal"), None)])
        page.wait_for_selector(".photo.loaded")  # of another process
        page.close()


def test_copies_are_shown_in_groups_and_selected(page):
    first, second, third = page.evaluate("async () => (await (await fetch('/api/images?top_k=3')).json()).images")
    likeness = {"exact": True, "cosine": 1, "differing_bits": 0}
    near = {"exact": False, "cosine": 0.97, "differing_bits": 9}
    group = {"best": first, "reason": "the most pixels", "copies": [{**second, **likeness}, {**third, **near}]}
    report = {
        "images": 52, "copies": 2, "bytes": 2_500_000, "failures": [],
        "groups": [group],
    }  # fmt: skip
    page.route("**/api/duplicates", lambda route: route.fulfill(json=report))
    page.click("#open-library")
    page.get_by_role("button", name="Find copies").click()
    panel = page.locator("#panel")
    panel.locator(".copy").first.wait_for()
    assert "2 copies in 1 group take 2.5 MB. Nothing is deleted" in panel.inner_text()
    assert panel.locator(".badge").all_inner_texts() == ["best", "same", "near"]
    page.set_viewport_size({"width": 500, "height": 320})  # the list scrolls
    panel.evaluate("(one) => one.scrollTo(0, one.scrollHeight)")
    place = panel.evaluate("(one) => one.scrollTop")
    for close in (
        lambda: page.keyboard.press("Escape"),
        lambda: page.locator("#viewer").get_by_label("Close (Esc)").click(),
        page.go_back,
    ):
        panel.locator(".copy").nth(2).evaluate("(one) => (one.focus({ preventScroll: true }), one.click())")
        page.wait_for_selector("#viewer[open] .viewer-title")
        assert panel.is_hidden()
        close()
        page.wait_for_selector("#panel[open]")  # the list is there again, at its place
        assert page.locator("#viewer").is_hidden() and panel.evaluate("(one) => one.scrollTop") == place > 0
        assert panel.locator(".copy").nth(2).evaluate("(one) => one === document.activeElement")
    page.go_back()
    page.wait_for_selector("#panel", state="hidden")
    assert "?" not in page.url and page.locator("#viewer").is_hidden()
    page.set_viewport_size({"width": 1280, "height": 800})
    page.click("#open-library")
    page.get_by_role("button", name="Find copies").click()
    panel.locator(".copy").first.click()
    page.wait_for_selector("#viewer[open] .viewer-title")
    for is_kept in (True, False):  # a report may be too long to keep
        if not is_kept:
            panel.locator(".copy").first.click()
            page.wait_for_selector("#viewer[open] .viewer-title")
            page.evaluate("sessionStorage.removeItem('clipsearch-copies')")
        asked = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.reload()
        page.wait_for_selector("#viewer[open] .viewer-title")
        assert "list=copies" in page.url and panel.is_hidden()
        page.locator("#viewer").get_by_label("Close (Esc)").click()
        panel.locator(".copy").first.wait_for()
        assert "?" not in page.url and page.locator("#viewer").is_hidden()
        assert any("/api/duplicates" in url for url in asked) is not is_kept
    panel.locator(".copy").first.click()
    page.wait_for_selector("#viewer[open] .viewer-title")
    with answered(page, "/api/search"):
        page.keyboard.press("m")  # another search, and no copies over it
    page.wait_for_selector("#viewer", state="hidden")
    assert panel.is_hidden()
    page.click("#home")
    page.click("#open-library")
    page.get_by_role("button", name="Find copies").click()
    panel.get_by_role("button", name="Select the 2 copies").click()
    assert panel.is_hidden() and "2 photos selected" in page.locator("#selection-count").inner_text()
    page.unroute("**/api/duplicates")
    page.click("#open-library")
    with page.expect_response("**/api/duplicates"):
        page.get_by_role("button", name="Find copies").click()
    page.wait_for_function("() => document.querySelector('#panel').textContent.includes('copy of another')")


def test_photos_of_another_folder_than_the_one_served_from_are_told_until_the_note_is_closed(page):
    news = 'event: unindexed\ndata: {"folder": "/new photos"}\n\n'
    page.route("**/api/events", lambda route: route.fulfill(content_type="text/event-stream", body=news))
    page.reload()
    note = page.locator(".other-photos")
    note.wait_for()
    assert note.inner_text().startswith(
        "The photos in /new photos are not indexed yet. These are the photos of the last"
    )
    note.get_by_role("button", name="Close this note").click()
    assert note.count() == 0
    with page.expect_response("**/api/events"):
        page.reload()
    page.wait_for_selector(".photo.loaded")
    assert note.count() == 0
