"""Selecting photos, actions on them, and saved searches."""

import csv
import io
import json
import os
import zipfile

import pytest
from PIL import Image

from clipsearch.render.csv_output import FIELDS, hits_csv
from clipsearch.render.json_output import hit_to_json
from clipsearch.types import Moment
from tests.browser.conftest import answered, remove_saved, save_and_come_back, search, shown
from tests.render.support import hit, hit_with_facts

pytestmark = pytest.mark.long


def test_clicks_ranges_and_keys_select(new_page, address):
    page = new_page()
    page.goto(address)
    page.evaluate("localStorage.setItem('clipsearch-filters', 'open')")  # beside the photos from the start
    page.reload()
    page.wait_for_selector("#filters [data-key^=keyword]")
    assert page.evaluate("document.activeElement === document.body")
    page.keyboard.press("Control+a")
    assert page.locator("#selection-count").inner_text() == "52 photos selected"
    assert page.evaluate("getSelection().isCollapsed")  # no text is marked
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowDown")
    cards = page.locator(".photo")
    assert cards.first.locator(".open").evaluate("(one) => one === document.activeElement")
    page.locator("#query").focus()
    page.keyboard.press("Control+a")
    assert page.locator("#selection").is_hidden()
    cards.nth(1).hover()
    cards.nth(1).locator(".pick").click()
    cards.nth(4).hover()
    cards.nth(4).locator(".pick").click(modifiers=["Shift"])
    assert page.locator("#selection-count").inner_text() == "4 photos selected"
    cards.nth(4).locator(".open").focus()
    page.keyboard.press("x")
    assert page.locator("#selection-count").inner_text() == "3 photos selected"
    page.keyboard.press("Shift+ArrowRight")
    assert page.locator("#selection-count").inner_text() == "5 photos selected"
    page.keyboard.press("Control+a")
    assert page.locator("#selection-count").inner_text() == "52 photos selected"
    page.keyboard.press("Escape")
    assert page.locator("#selection").is_hidden()
    assert page.locator(".photo.picked").count() == 0


def test_only_what_is_selected_looks_so(page):
    cards = page.locator(".photo")
    cards.nth(1).hover()
    cards.nth(1).locator(".pick").click()
    page.mouse.move(5, 5)
    colours = "(one) => { const mark = getComputedStyle(one, '::before'); return [mark.color, mark.backgroundColor]; }"
    (picked, picked_paper), (unpicked, unpicked_paper) = (
        cards.nth(number).locator(".pick").evaluate(colours) for number in (1, 2)
    )
    assert picked_paper != unpicked_paper and picked != unpicked
    assert unpicked.endswith(", 0)")  # its check mark is transparent


def test_the_mouse_drags_from_a_check_mark_over_more_photos(page):
    cards = page.locator(".photo")
    cards.nth(1).hover()
    start, end = cards.nth(1).locator(".pick").bounding_box(), cards.nth(4).bounding_box()
    page.mouse.move(start["x"] + 10, start["y"] + 10)
    page.mouse.down()
    page.mouse.move(end["x"] + 30, end["y"] + 40, steps=4)
    page.mouse.up()
    assert page.locator(".photo.picked").count() == 4 and page.locator("#viewer").is_hidden()
    page.mouse.move(5, 5)
    seen = "(all) => all.filter((one) => getComputedStyle(one).visibility === 'visible').length"
    assert page.locator(".photo .caption").evaluate_all(seen) == 0  # nothing stays that the pointer has left
    cards.nth(6).locator(".open").click(modifiers=["Shift"])  # on the photo itself, while others are selected
    assert page.locator("#selection-count").inner_text() == "6 photos selected"
    cards.nth(8).locator(".open").click(modifiers=["Control"])
    assert page.locator("#selection-count").inner_text() == "7 photos selected"


def test_a_rectangle_from_the_margin_selects_what_it_touches(page):
    first, third = (page.locator(".photo").nth(number).bounding_box() for number in (0, 2))
    page.mouse.move(first["x"] - 8, first["y"] + 10)
    page.mouse.down()
    page.mouse.move(third["x"] + 10, third["y"] + 40, steps=3)
    assert page.locator(".rubber-band").bounding_box()["width"] == pytest.approx(third["x"] + 18 - first["x"], abs=1)
    assert page.locator("#selection-count").inner_text() == "3 photos selected"
    page.mouse.move(first["x"] + 10, third["y"] + 40)  # smaller again
    page.mouse.up()
    assert page.locator("#selection-count").inner_text() == "1 photo selected"
    assert page.locator(".rubber-band").is_hidden() and page.locator("#viewer").is_hidden()
    gap = third["x"] - 3
    page.keyboard.down("Control")
    page.mouse.move(gap, third["y"] + 60)
    page.mouse.down()
    page.mouse.move(gap + 30, third["y"] + 90, steps=2)
    page.mouse.up()
    page.keyboard.up("Control")
    assert page.locator("#selection-count").inner_text() == "2 photos selected"
    page.mouse.move(gap, third["y"] + 60)
    page.mouse.down()
    page.mouse.move(gap + 30, 795, steps=2)  # at the edge of the screen the page moves
    page.wait_for_function("() => scrollY > 150")
    assert page.locator(".photo.picked").count() > 3
    page.keyboard.press("Escape")
    assert page.locator("#selection-count").inner_text() == "2 photos selected"
    page.mouse.up()


def test_the_bar_counts_selected_photos_off_screen_and_shows_them(page):
    page.locator(".photo .open").first.focus()
    page.keyboard.press("x")
    assert page.locator("#selection-away").is_hidden()
    search(page, "a guitar")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.wait_for_function("() => document.querySelector('#selection-away').textContent === '1 not on the screen'")
    page.click("#selection-away")
    page.locator("#panel .strip button").click()
    page.wait_for_selector("#panel", state="hidden")
    page.wait_for_function("() => document.querySelector('#selection-away').hidden")
    with answered(page, "/api/search"):
        page.locator("#filters [data-key='format PNG']").click()
    page.click("#selection-away")
    for keep in (True, False):
        page.locator("#panel .strip button").click()
        page.wait_for_selector("#viewer[open] .viewer-title")  # it is not among these
        if not keep:
            page.keyboard.press("x")
        page.keyboard.press("Escape")
        page.wait_for_selector("#viewer", state="hidden")
        if keep:
            page.wait_for_selector("#panel[open] .strip button")
    assert page.locator("#panel").is_hidden()  # nothing is selected any more


def test_paths_are_copied_and_lists_downloaded(page, album):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    search(page, "a guitar")
    names = shown(page)[:2]
    for card in page.locator(".photo").all()[:2]:
        card.hover()
        card.locator(".pick").click()
    page.click("#selection-copy")
    page.wait_for_selector("#note:popover-open")
    paths = page.evaluate("navigator.clipboard.readText()").split("\n")
    assert [os.path.basename(path) for path in paths] == names
    assert all(os.path.exists(path) for path in paths)
    page.click("#selection-download")
    with page.expect_download() as download:
        page.get_by_role("button", name="A list for a spreadsheet").click()
    assert download.value.suggested_filename == "a guitar.csv"
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
    assert [row["path"] for row in rows] == paths
    assert rows[0].keys() >= {"rank", "score", "match", "width", "height", "taken_at", "content_hash"}
    page.click("#selection-download")
    with page.expect_download() as download:
        page.get_by_role("button", name="A list for programs").click()
    assert [photo["path"] for photo in json.loads(download.value.path().read_text())] == paths


def test_a_list_runs_no_formula(page):
    text = page.evaluate(
        """async () => (await import("/static/download.js")).toCsv([{
            path: "/a \\"b\\"\\udcff.jpg", camera: "=cmd()", gps: [1.5, -2], id: 1, width: 2, height: 3, format: "PNG", size: 4,
            taken_at: null, content_hash: "c", title: "+1", keywords: ["=a", "b"],
        }])"""
    )
    row = next(csv.DictReader(io.StringIO(text)))
    assert (row["path"], row["camera"], row["longitude"], row["taken_at"]) == ('/a "b"\\xff.jpg', "'=cmd()", "-2", "")
    assert (row["title"], row["keywords"], row["rating"]) == ("'+1", "'=a; b", "")


def test_a_list_says_what_the_command_line_says(page):
    hits = [
        hit_with_facts(place="FR/11/2988507/3029374"),
        hit_with_facts(2, place="SG"),
        hit(3, "/c.mp4", moment=Moment("second", 42.104)),
    ]
    text = page.evaluate(
        "async (photos) => (await import('/static/download.js')).toCsv(photos)", [hit_to_json(one) for one in hits]
    )
    listed, printed = (list(csv.DictReader(io.StringIO(one))) for one in (text, hits_csv(hits, "q")))
    assert listed == [{name: row[name] for name in FIELDS} for row in printed]
    assert tuple(listed[0]) == FIELDS and listed[0]["people"] == "Ann; Bob"


def test_a_search_is_saved_used_and_forgotten(page):
    search(page, "a cat + 2:snow")
    with answered(page, "orientation="):
        page.locator("#filters").get_by_role("button", name="landscape").click()
    names, url = shown(page)[:6], page.url  # those that are surely drawn
    save_and_come_back(page, "snow/cats & <b>", "/api/search")
    assert (shown(page)[:6], page.url) == (names, url)
    page.click("#open-saved")
    page.get_by_label("Name of this search").fill(" ")
    page.get_by_role("button", name="Save this search").click()
    page.locator("#note", has_text="Give the search a name.").wait_for()
    page.get_by_label("Name of this search").fill("a second one")
    page.get_by_role("button", name="Save this search").click()
    page.get_by_label("Remove a second one").press("Enter")
    page.locator("#note", has_text="The search is removed.").wait_for()
    page.wait_for_function("() => document.activeElement.textContent.startsWith('snow/cats')")  # the next row
    page.get_by_role("button", name="Undo").click()
    page.wait_for_function("() => document.activeElement.textContent.startsWith('a second one')")
    page.get_by_label("Remove a second one").click()
    page.get_by_label("Remove a second one").wait_for(state="detached")
    page.keyboard.press("Escape")
    with answered(page, "relevant="):
        page.click("label:has(#match-likely)")
    page.click("#open-saved")
    name, saved = page.get_by_label("Name of this search"), page.locator(".rows .row")
    assert name.input_value() == "a cat + 2:snow, likely, landscape"  # not the name without "likely"
    name.fill("snow/cats & <b>")
    name.press("Enter")
    page.locator("#note", has_text="Another search has this name.").wait_for()
    assert "likely" not in saved.inner_text()
    name.press("Enter")
    name.fill("another name")
    assert page.get_by_role("button", name="Replace it").is_hidden()
    name.fill("snow/cats & <b>")
    name.press("Enter")
    page.get_by_role("button", name="Replace it").click()
    saved.get_by_text("likely").wait_for()
    name.fill("snow/cats & <b>")
    name.press("Enter")
    page.locator("#note", has_text="The search is saved.").wait_for()  # the same search again needs no question
    page.keyboard.press("Escape")
    remove_saved(page, "snow/cats & <b>")
    assert "None yet" in page.locator("#panel").inner_text()


def test_the_selection_is_downloaded_as_an_archive_a_gallery_and_a_sheet(page, album):
    search(page, "a guitar")
    names = shown(page)[:2]
    for card in page.locator(".photo").all()[:2]:
        card.hover()
        card.locator(".pick").click()
    saved = {}
    for kind in ("The photos", "A gallery", "A contact sheet"):
        page.click("#selection-download")
        with page.expect_download() as download:
            page.locator("#panel").get_by_role("button", name=kind).click()
        saved[download.value.suggested_filename] = download.value.path().read_bytes()
    page.locator("#note", has_text="Downloaded “a guitar.pdf”.").wait_for()  # the name as it is
    assert list(saved) == ["a guitar.zip", "a guitar.html", "a guitar.pdf"]
    with zipfile.ZipFile(io.BytesIO(saved["a guitar.zip"])) as archive:
        assert archive.namelist() == names
    assert str(album).encode() not in saved["a guitar.html"] and saved["a guitar.pdf"].startswith(b"%PDF")


def test_a_search_is_shared_by_its_address_and_as_a_gallery(page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    search(page, "a guitar")
    page.click("#open-saved")
    page.get_by_role("button", name="Copy the address").click()
    page.wait_for_selector("#note:popover-open")
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    page.locator("#panel").get_by_role("button", name="Download").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="A gallery").click()
    assert download.value.suggested_filename == "a guitar.html"
    assert "<title>a guitar</title>" in download.value.path().read_text("utf-8")


def test_hearts_are_on_the_cards(page, album):
    name, other = shown(page)[:2]
    card = page.locator(".photo").first
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    card.locator(".open").focus()
    page.keyboard.press("h")
    page.wait_for_function("() => document.querySelector('.photo .open').ariaLabel.includes('favourite')")
    assert card.locator(".heart").get_attribute("aria-pressed") == "true"
    second = page.locator(".photo").nth(1)
    second.hover()
    second.get_by_label(f"{other} is a favourite").click()
    page.wait_for_function("() => document.querySelectorAll('.photo .favourite').length === 2")
    page.reload()
    page.wait_for_selector(".photo.loaded")
    page.locator("#query").hover()
    assert page.locator(".photo .favourite:visible").count() == 2 and page.locator(".photo .heart:visible").count() == 0
    second.hover()
    second.locator(".pick").click()
    page.locator("#query").hover()
    heart, picture = (second.locator(part).bounding_box() for part in (".favourite", "img"))
    assert heart["x"] >= picture["x"] and heart["y"] + heart["height"] <= picture["y"] + picture["height"] + 0.5
    for colour in ("white", "black"):  # the heart is seen on any photo
        second.locator("img").evaluate(
            "(one, colour) => { one.removeAttribute('src'); one.style.background = colour; }", colour
        )
        with Image.open(io.BytesIO(second.locator(".favourite").screenshot())) as drawn:
            greys = drawn.convert("L").crop((3, 3, drawn.width - 3, drawn.height - 3)).tobytes()
        light = sum(grey >= 240 for grey in greys) / len(greys)
        dark = sum(grey <= 130 for grey in greys) / len(greys)
        assert light > 0.1 and dark > 0.1, (colour, light, dark)
    page.keyboard.press("Escape")
    asked.clear()
    search(page, "a giraffe")
    page.wait_for_function("() => document.querySelectorAll('.photo .favourite').length === 2")
    assert not [url for url in asked if "albums" in url]  # the answer says it
    for favourite in (name, other):
        page.locator(f'.photo .open[aria-label^="{favourite}, "]').focus()
        page.keyboard.press("h")
        page.wait_for_function("() => document.querySelector('#note').textContent.startsWith('Removed')")
        page.wait_for_selector(f'.open[aria-label^="{favourite}, "][aria-label*=", favourite"]', state="detached")
    assert page.locator(".photo .favourite").count() == 0


def test_a_heart_does_what_it_shows_whatever_another_window_did(page, new_page, address):
    other = new_page(
        viewport={"width": 1280, "height": 800}
    )  # as another device, which is not told of changes at first
    silence = {"content_type": "text/event-stream", "body": "retry: 600000\n\n"}
    other.route("**/api/events", lambda route: route.fulfill(**silence))
    same = new_page()  # another window of the same browser
    for one in (other, same):
        one.goto(address)
        one.wait_for_selector(".photo.loaded")
    said = "(words) => document.querySelector('#note').textContent === words"

    def press_h(one, words, number=0):
        one.locator(".photo .open").nth(number).focus()
        one.keyboard.press("h")
        one.wait_for_function(said, arg=words)

    press_h(page, "Added to favourites.")
    same.wait_for_selector(".photo .favourite", state="attached")
    assert other.locator(".photo .favourite").count() == 0
    press_h(other, "Added to favourites.")
    other.wait_for_selector(".photo .favourite", state="attached")
    ids = "async () => (await (await fetch('/api/albums')).json()).albums.find(({ name }) => name === 'Favourites').ids.length"
    assert page.evaluate(ids) == 1
    press_h(page, "Removed from favourites.")
    same.wait_for_selector(".photo .favourite", state="detached")
    press_h(other, "Removed from favourites.")
    assert page.evaluate(ids) == 0
    press_h(page, "Added to favourites.", 1)
    assert other.locator(".photo .favourite").count() == 0
    other.unroute("**/api/events")
    with other.expect_response("**/api/events"):
        other.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # as when its tab is chosen again
    other.wait_for_selector(".photo .favourite", state="attached")
    press_h(other, "Removed from favourites.", 1)
    other.wait_for_timeout(300)  # by now the server watches the albums for it
    press_h(page, "Added to favourites.", 2)
    other.wait_for_selector(".photo .favourite", state="attached")  # while it is open
    press_h(other, "Removed from favourites.", 2)
    with answered(other):
        other.evaluate("async () => (await import('/static/state.js')).changeSearch({ album: 'Favourites' })")
    assert other.locator(".photo").count() == 0
    page.wait_for_selector(".photo .favourite", state="detached")
    press_h(page, "Added to favourites.", 2)
    other.wait_for_selector(".photo .favourite", state="attached")  # the list of an album follows
    with answered(other):
        press_h(other, "Removed from favourites.Undo")  # what is done here can be taken back
    assert other.locator(".photo").count() == 0
    with answered(other):
        other.get_by_role("button", name="Undo").click()
    assert other.locator(".photo").count() == 1
    with answered(other):
        press_h(other, "Removed from favourites.Undo")
    with answered(other):
        other.evaluate("async () => (await import('/static/state.js')).newSearch({})")
    change = "async (act) => (await import('/static/albums.js')).albums[act]('Meanwhile', [{ id: 1 }])"
    other.locator(".photo .open").first.focus()
    other.keyboard.press("x")
    for act, count in (("add", 1), ("remove", 0)):  # the albums to choose from are those of now
        page.evaluate(change, act)
        other.click("#selection-album")
        other.locator("#panel .row").first.wait_for()
        assert other.locator("#panel .row", has_text="Meanwhile").count() == count
        other.keyboard.press("Escape")


def test_the_list_of_favourites_follows_the_hearts(page):
    names = shown(page)[:4]
    change = """async (act) => {
        const { albums } = await import("/static/albums.js");
        await albums[act]("Favourites", (await import("/static/photos.js")).photos.list.slice(0, 4));
    }"""
    page.evaluate(change, "add")
    with answered(page, "/api/images?"):  # not the picture of the viewer
        page.evaluate("async () => (await import('/static/state.js')).changeSearch({ album: 'Favourites' })")
    counted = """(wanted) => [...document.querySelectorAll('#filters [data-key^=format] .count')]
        .reduce((sum, one) => sum + Number(one.textContent), 0) === wanted"""
    page.wait_for_function(counted, arg=4)
    page.keyboard.press("Control+a")
    page.locator(".photo .open").nth(1).focus()
    with answered(page, "/api/images?"):
        page.locator(".photo:focus-within .heart").evaluate("(one) => one.click()")  # a heart is about its photo alone
    assert page.locator("#selection-count").inner_text() == "3 photos selected"  # what has left is not
    page.keyboard.press("Escape")
    assert shown(page) == [names[0], *names[2:]] and page.locator("#status").inner_text() == "3 photos"
    page.wait_for_function(counted, arg=3)
    assert page.evaluate("document.activeElement.ariaLabel").startswith(names[2])  # the next one has its place
    page.keyboard.press("Enter")
    page.wait_for_selector("#viewer[open] img.full")
    with answered(page, "/api/images?"):
        page.keyboard.press("h")
    assert page.locator("#status").inner_text() == "2 photos"
    page.wait_for_function("() => document.querySelectorAll('.step:enabled').length === 2")  # those around it
    page.keyboard.press("ArrowRight")
    page.locator(".viewer-names", has_text="2 of 2").wait_for()
    with answered(page, "/api/images?"):
        page.keyboard.press("h")
    page.keyboard.press("Escape")
    page.wait_for_selector("#viewer", state="hidden")
    page.wait_for_function("() => document.activeElement.matches('.photo .open')")
    assert shown(page) == names[:1]
    page.locator(".photo").first.hover()
    page.locator(".photo .pick").first.click()
    page.click("#selection-album")
    with answered(page, "/api/images?"):
        page.get_by_role("button", name="Take it out of Favourites").click()
    assert shown(page) == [] and page.locator("#selection").is_hidden()  # what was selected has left
    page.locator("#empty", has_text="This album is empty").get_by_role("button", name="All photos").wait_for()
    assert page.locator("#answer-notes").is_hidden()  # where the server says the same
    with answered(page, "/api/images?"):
        page.get_by_role("button", name="Undo").click()
    assert shown(page) == names[:1]
    assert page.locator("#selection-count").inner_text() == "1 photo selected"  # as it was
    assert page.locator("#selection-all").is_hidden()  # there are no others
    with answered(page, "/api/images?"):
        page.evaluate(change, "takeOut")
    with answered(page, "/api/search"):
        page.fill("#query", "a dog")
    with answered(page, "/api/search"):
        page.locator("#empty", has_text="This album is empty").get_by_role("button", name="Search all photos").click()
    assert "album=" not in page.url and page.locator(".photo").count()


def test_favourites_and_albums_are_filled_opened_and_removed(page):
    _, second, third = shown(page)[:3]
    page.locator(".photo .open").first.click()
    page.wait_for_selector("#viewer[open] img.full")
    page.keyboard.press("h")
    page.wait_for_selector("#viewer [aria-label='Favourite (h)'][aria-pressed='true']")
    page.keyboard.press("Escape")
    page.wait_for_selector("#viewer", state="hidden")
    for card in page.locator(".photo").all()[1:3]:
        card.hover()
        card.locator(".pick").click()
    page.click("#selection-album")
    page.get_by_label("Name of a new album").fill("Two <b>")
    page.get_by_role("button", name="Create").click()
    page.wait_for_function("() => document.querySelector('#note').textContent.includes('2 photos added')")
    page.keyboard.press("Escape")
    page.click("#open-saved")
    with answered(page):
        page.get_by_role("button", name="Two <b>").first.click()
    assert sorted(shown(page)) == sorted([second, third]) and "album=Two+" in page.url
    page.reload()
    page.wait_for_selector(".photo.loaded")
    assert page.locator("#filter-chips").inner_text().startswith("album Two <b>")
    page.locator(".photo").first.hover()
    page.locator(".photo .pick").first.click()
    page.click("#selection-album")
    with answered(page):
        page.get_by_role("button", name="Take it out").click()
    assert len(shown(page)) == 1
    with answered(page):
        page.locator("#note").get_by_role("button", name="Undo").click()
    assert len(shown(page)) == 2 and page.locator("#selection-count").inner_text() == "1 photo selected"
    page.locator("#selection-away").wait_for(state="hidden")  # it is on the screen again
    page.click("#selection-album")
    with answered(page):
        page.get_by_role("button", name="Take it out").click()
    assert len(shown(page)) == 1
    search(page, "a")
    page.click("#open-saved")
    page.get_by_label("Rename the album Two <b>").click()
    assert page.get_by_label("Rename the album Favourites").count() == 0  # the hearts fill it
    field = page.get_by_label("New name of the album Two <b>")
    page.expected += ["status of 400"]
    field.fill("Favourites")
    field.press("Enter")
    page.wait_for_function("() => document.querySelector('#note').textContent.includes('hearts')")
    field.fill(" ")
    field.press("Enter")
    page.locator("#note", has_text="Give the album a name.").wait_for()
    field.fill("One <i>")
    with answered(page, "/api/search"):
        field.press("Enter")
    page.locator("#note", has_text="The album is now called One <i>.").wait_for()
    page.wait_for_function("() => document.activeElement.textContent.startsWith('One <i>')")
    assert "album=One+" in page.url and len(shown(page)) == 1  # the open album stays open
    page.keyboard.press("Escape")
    page.wait_for_function("() => !history.state?.dialogs")
    assert page.locator("#selection").is_hidden()  # nothing of the album is selected since it was taken out
    with answered(page):
        page.go_back()  # to the album with its old name
    assert "album=One+" in page.url and "q=" not in page.url and len(shown(page)) == 1
    assert page.locator("#filter-chips").inner_text().startswith("album One <i>")
    page.click("#open-saved")
    for name in ("Favourites", "One <i>"):
        page.get_by_label(f"Remove the album {name}").click()
        panel = page.locator("#panel")
        assert f"Remove {name}? Its photo stays." in panel.inner_text()
        page.keyboard.press("Escape")
        assert page.get_by_label(f"Remove the album {name}").is_visible()  # the panel is open still
        page.get_by_label(f"Remove the album {name}").click()
        if name != "Favourites":  # another device is faster
            page.expected += ["status of 404"]
            gone = "fetch('/api/albums/One%20%3Ci%3E', {method: 'DELETE', headers: {'Clipsearch-Client': 'page'}})"
            page.evaluate(gone)
        panel.get_by_role("button", name="Remove", exact=True).click()
        panel.locator(".question").wait_for(state="detached")  # the list is drawn again
    page.wait_for_function(
        "() => document.querySelector('#note').textContent === "
        "'The album One <i> was gone already; all photos are shown again.'"
    )
    assert page.get_by_label("Remove the album One <i>").count() == 0
    page.wait_for_function("() => document.querySelector('#status').textContent === '52 photos'")
    assert "album=" not in page.url and page.locator("#filter-chips").is_hidden()  # it is the list that was shown


def test_an_album_that_was_removed_comes_back_with_its_photos_in_their_order(page, address):
    ids = [photo["id"] for photo in page.request.get(f"{address}/api/images?top_k=3").json()["images"]]
    order = [ids[1], ids[2], ids[0]]
    headers = {"Clipsearch-Client": "page"}
    page.request.post(f"{address}/api/albums/Trip", data={"add": order}, headers=headers)
    before = page.request.get(f"{address}/api/albums/Trip/playlist").text()
    page.goto(f"{address}/?album=Trip")
    page.wait_for_selector(".photo.loaded")
    page.click("#open-saved")
    page.get_by_label("Remove the album Trip").click()
    with answered(page):
        page.locator("#panel").get_by_role("button", name="Remove", exact=True).click()
    assert page.request.get(f"{address}/api/albums/Trip").status == 404 and "album=" not in page.url
    with answered(page, "album=Trip"):
        page.locator("#note").get_by_role("button", name="Undo").click()
    page.locator("#panel [data-list=albums]", has_text="Trip").wait_for()
    page.locator("#note", has_text="The album Trip is back.").wait_for()
    assert page.request.get(f"{address}/api/albums/Trip/playlist").text() == before
    assert page.locator(".photo").count() == 3
    page.request.delete(f"{address}/api/albums/Trip", headers=headers)


def test_a_message_lies_over_neither_the_selection_bar_nor_the_facts_of_a_photo(new_page, address):
    page = new_page(viewport={"width": 390, "height": 844})
    page.goto(address)
    page.wait_for_selector(".photo.loaded")
    page.keyboard.press("Control+a")
    page.click("#selection-album")
    page.wait_for_selector("#panel[open]")
    assert page.locator("#selection").evaluate("(one) => getComputedStyle(one).opacity") == "0"  # behind the dialog
    page.keyboard.press("Escape")
    page.wait_for_selector("#panel", state="hidden")
    assert page.locator("#selection").evaluate("(one) => getComputedStyle(one).opacity") == "1"
    page.keyboard.press("Escape")  # selects none
    page.locator(".photo .open").first.click()
    page.wait_for_selector("#viewer[open] img.full")
    page.keyboard.press("i")
    page.keyboard.press("h")
    page.wait_for_selector("#viewer > .note:popover-open")
    note, facts = page.locator("#note").bounding_box(), page.locator("#photo-facts").bounding_box()
    assert note["y"] + note["height"] <= facts["y"]
    page.keyboard.press("h")  # a favourite no more
    page.locator("#note", has_text="Removed from favourites.").wait_for()
