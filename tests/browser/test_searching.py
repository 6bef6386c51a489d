"""Words, pictures and the parts of a search, as a user enters them."""

import base64
import itertools
import json
import re
import shutil
import time

import pytest
from PIL import Image

from clipsearch.query.language import parse_terms, split_words
from tests.browser.conftest import answered, index, index_at_random, search, serving, show_made_up, shown
from tests.conftest import PHOTOS


def test_the_newest_photos_come_first_and_words_find_theirs(page):
    assert shown(page)[:2] == ["giraffe.jpg", "rowing-boats.jpg"]
    assert page.locator("#status").inner_text() == "52 photos"
    search(page, "a cup of coffee")
    assert shown(page)[0] in ("coffee.jpg", "cups.jpg")
    assert page.locator("#status").inner_text().endswith(" likely of 52")


def test_an_older_answer_never_replaces_a_newer_one(page):
    held = []

    def hold(route):
        if "q=gir" in route.request.url:
            held.append(route)  # answered last
        else:
            route.continue_()

    page.route("**/api/search*", hold)
    page.fill("#query", "gir")
    for _ in range(50):
        page.wait_for_timeout(100)
        if held:
            break
    assert held
    search(page, "a cup of coffee")
    for route in held:
        route.fulfill(json={"hits": [], "considered": 0, "seconds": 0})
    page.wait_for_timeout(200)
    assert shown(page)[0] in ("coffee.jpg", "cups.jpg")


def test_typing_asks_for_the_first_letter_at_once_and_for_the_rest_once_the_fingers_rest(page):
    requested = []
    page.on("request", lambda request: "/api/search" in request.url and requested.append(request.url))
    with answered(page, "/api/search"):
        waited = page.evaluate("""async () => {
            const {photos} = await import("/static/photos.js");
            const input = document.querySelector("#query");
            let isAsked = null;
            for (const letter of "a red panda") {
                input.value += letter;
                input.dispatchEvent(new InputEvent("input", {bubbles: true}));
                isAsked ??= photos.isLoading;
            }
            return !isAsked;
        }""")
    page.wait_for_timeout(300)
    assert not waited and [re.search("q=([^&]*)", url).group(1) for url in requested] == ["a", "a+red+panda"]


def test_the_address_remembers_the_search(page):
    search(page, "a rocket")
    assert "q=a+rocket" in page.url
    first = shown(page)[0]
    page.click("label:has(#match-likely)")
    page.wait_for_function("() => location.search.includes('relevant=true')")
    page.go_back()
    page.wait_for_function("() => !document.querySelector('#match-likely').checked")
    page.reload()
    page.wait_for_selector(".photo.loaded")
    assert page.input_value("#query") == "a rocket"
    assert shown(page)[0] == first
    page.go_back()
    page.wait_for_function("() => document.querySelector('#query').value === ''")


@pytest.mark.parametrize("way", ["key", "button"])
def test_back_from_more_like_this_leads_the_keyboard_to_the_photo_that_it_was_started_from(page, way):
    search(page, "a boat")
    page.keyboard.press("Enter")
    here = "() => document.activeElement.closest('.photo')?.querySelector('.open').getAttribute('aria-label')"
    page.locator(".photo .open").nth(4).focus()
    page.keyboard.press("ArrowRight")
    name = page.evaluate(here)
    with answered(page, "like="):
        if way == "key":
            page.keyboard.press("m")
        else:
            page.locator(".photo:focus-within").hover()
            page.locator(".photo:focus-within .similar").click()
    page.wait_for_timeout(200)
    page.go_back()
    page.wait_for_function("() => document.querySelector('#query').value === 'a boat'")
    page.wait_for_function(f"(name) => ({here})() === name", arg=name)
    page.evaluate("document.activeElement.blur()")
    with answered(page, "q=a+horse"):
        page.fill("#query", "a horse")
    page.go_back()
    page.wait_for_function("() => document.querySelector('#query').value === 'a boat'")
    assert page.evaluate("document.activeElement.id") == "query"  # who types stays there


def test_one_step_of_typing_is_one_step_back(page):
    search(page, "a boat")
    page.keyboard.press("Enter")
    page.focus("#query")
    page.keyboard.press("Control+a")
    page.keyboard.type("horse", delay=25)  # milliseconds a letter
    with answered(page, "q=horse"):
        page.keyboard.press("Enter")
    assert page.url.endswith("?q=horse")
    page.go_back()
    page.wait_for_function("() => document.querySelector('#query').value === 'a boat'")
    assert page.url.endswith("?q=a+boat")


def test_words_typed_just_before_a_photo_is_opened_stay(page):
    search(page, "a boat")
    page.keyboard.press("Enter")
    photo = page.locator(".photo").first.bounding_box()
    page.focus("#query")
    page.keyboard.press("Control+a")
    page.keyboard.type("horse")
    page.mouse.click(photo["x"] + 60, photo["y"] + 60)
    page.wait_for_selector("#viewer[open] .viewer-title")
    page.go_back()
    page.wait_for_selector("#viewer", state="hidden")
    page.wait_for_function("() => document.querySelector('#query').value === 'horse'")
    assert page.url.endswith("?q=horse")
    page.go_back()
    page.wait_for_function("() => document.querySelector('#query').value === 'a boat'")


def test_chips_weigh_turn_and_remove_the_parts(page):
    search(page, "a cat + snow")
    chips = page.locator("#terms .chip")
    assert chips.count() == 2
    with answered(page, "/api/search"):
        chips.nth(1).get_by_label("snow counts more").click()
    assert page.input_value("#query") == "a cat + 1.5:snow"
    with answered(page, "/api/search"):
        chips.nth(1).get_by_label("With snow").click()
    assert page.input_value("#query") == "a cat - 1.5:snow"
    assert "negative" in chips.nth(1).get_attribute("class")
    with answered(page, "/api/search"):
        chips.nth(0).get_by_label("Remove a cat").click()
    assert page.input_value("#query") == "- 1.5:snow"
    page.get_by_role("button", name="and", exact=True).click()
    page.keyboard.type("mountains")
    page.wait_for_function("() => new URLSearchParams(location.search).get('q') === '- 1.5:snow + mountains'")


def test_the_page_reads_the_query_language_as_python_does(page):
    texts = (
        "a dog",
        "a dog + 2:snow - people",
        '"salt + pepper"',
        '- 2:"a b" + .5:c',
        "12:30 at night",
        'one "two three" four',
        '"salt + pepper',
        'a dog - 2:"a + b ',
        'one "two + three',
        "2:x",
        "1e3:x - 2.5E-1:a cat",
    )
    for text in texts:
        parts, again = page.evaluate(
            "async (text) => { const { formatTerms, parseTerms } = await import('/static/language.js');"
            " return [parseTerms(text), formatTerms(parseTerms(text))]; }",
            text,
        )
        theirs = [(part["text"].strip('"'), part["weight"] * (-1 if part["negative"] else 1)) for part in parts]
        assert theirs == [(str(term.content).strip('"'), term.weight) for term in parse_terms(split_words(text))], text
        assert parse_terms(split_words(again)) == parse_terms(split_words(text)), text


def test_a_quote_that_is_not_closed_reaches_to_the_end(page):
    with page.expect_response(lambda response: "/api/search" in response.url) as answer:
        page.fill("#query", '"salt + -')
    assert answer.value.ok and "q=%22salt+%2B+-&" in answer.value.url
    note = page.locator("#answer-notes p", has_text="The quote before salt + - is not closed")
    note.wait_for()
    search(page, '"salt + pepper')
    page.locator("#answer-notes p", has_text="before salt + pepper is not closed").wait_for()
    assert page.locator("#terms .chip").count() == 1
    page.evaluate("async () => (await import('/static/search-box.js')).typeMore(' + ')")
    assert page.input_value("#query") == '"salt + pepper" + '
    page.fill("#query", '"salt + pepper')
    with answered(page, "/api/search"):
        page.get_by_role("button", name="Search without the quote").click()
    assert page.input_value("#query") == "salt + pepper" and page.locator("#terms .chip").count() == 2
    assert page.locator("#answer-notes").is_hidden()


def picture_event(kind, name):
    """A script that sends the browser's own event for a dropped or pasted photo."""
    data = base64.b64encode((PHOTOS / name).read_bytes()).decode()
    event, field = {"drop": ("DragEvent", "dataTransfer"), "paste": ("ClipboardEvent", "clipboardData")}[kind]
    return f"""async () => {{
        const bytes = Uint8Array.from(atob({json.dumps(data)}), (c) => c.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], {json.dumps(name)}, {{ type: "image/jpeg" }}));
        document.body.dispatchEvent(new {event}("{kind}", {{ {field}: data, bubbles: true, cancelable: true }}));
    }}"""


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_picture_is_searched_by_alone_and_with_words(page, kind):
    held, sent = [], page.locator("#terms .chip.sent")
    page.route("**/api/uploads", lambda route: held.append(route), times=1)
    page.keyboard.press("?")
    page.wait_for_selector("#panel[open]")
    if kind == "drop":
        page.evaluate("""() => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([""], "a.jpg"));
            document.body.dispatchEvent(new DragEvent("dragenter", { dataTransfer, bubbles: true }));
        }""")
        assert page.locator("#drop").evaluate(
            "(one) => document.elementsFromPoint(9, 9).length && one.closest('dialog') !== null"
        )
    page.evaluate(picture_event(kind, "kitten.jpg"))
    sent.locator("img").wait_for()  # before the server has it
    assert page.locator("#panel").is_hidden()  # it would cover what is found
    assert "Reading" in sent.inner_text()
    page.expected += ["status of 400"]
    error = {"code": "bad-picture", "message": "it cannot be read"}
    held.pop().fulfill(status=400, json={"error": error})
    page.locator("#note", has_text="It cannot be read.").wait_for()
    assert page.locator("#terms").is_hidden() and sent.count() == 0
    with answered(page, "/api/search"):
        page.evaluate(picture_event(kind, "kitten.jpg"))
    page.wait_for_selector("#terms .chip img")
    assert sent.count() == 0
    assert "like=upload:" in page.url.replace("%3A", ":")
    assert page.locator("#match-likely").is_disabled()  # only words have a match
    alone = shown(page)
    assert "cat.png" in alone[:3]
    search(page, "a red car")
    assert page.locator("#terms .chip").count() == 2
    assert shown(page) != alone
    if kind == "paste":
        page.locator(".photo .open").first.focus()
        page.keyboard.press("x")
        page.click("#selection-album")
        field = page.get_by_label("Name of a new album")
        text = """(one) => {
            const clipboardData = new DataTransfer();
            clipboardData.items.add(new File([""], "cells.png", { type: "image/png" }));
            clipboardData.setData("text/plain", "cells");
            return one.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
        }"""
        assert field.evaluate(text) and page.locator("#panel").is_visible()  # a spreadsheet's words, for the field


def test_a_query_that_only_leaves_something_out_is_not_judged(page):
    """Nearly every photo lacks a thing, so 99% on each would say nothing."""
    search(page, "- people")
    page.wait_for_selector("#photos .photo")
    assert page.locator("#match-likely").is_disabled()
    assert "%" not in page.locator("#photos").inner_text()
    search(page, "a cat - people")
    page.wait_for_selector("#match-likely:enabled")


def test_a_picture_that_is_indexed_is_found_first(page):
    with answered(page, "/api/search"):
        page.evaluate(picture_event("drop", "kitten.jpg"))
    own = page.locator("#answer-notes .own-photo")
    own.wait_for()
    assert own.count() == 1 and own.inner_text().startswith("This photo is here: ")
    assert own.inner_text().endswith("kitten.jpg") and shown(page)[0] == "kitten.jpg"
    assert page.locator("#status").inner_text() == "52 photos, nearest first"
    page.wait_for_function(
        "() => document.querySelector('.counted')?.textContent === 'Counts of the 52 nearest photos'"
    )
    page.set_viewport_size({"width": 1280, "height": 300})
    page.evaluate("scrollTo(0, 0)")  # only the first row's edge is on the screen
    own.locator("button").click()
    page.wait_for_selector("#viewer[open]")
    assert "photo=" in page.url
    page.keyboard.press("Escape")
    page.wait_for_selector("#viewer", state="hidden")
    page.wait_for_function("() => document.activeElement.closest('.own-photo')")
    assert page.evaluate("scrollY") == 0  # the rows have not moved
    page.go_back()
    page.wait_for_function("() => document.querySelector('#answer-notes').hidden")


def test_a_smaller_copy_of_an_indexed_picture_is_found_first(page, tmp_path):
    with Image.open(PHOTOS / "kitten.jpg") as photo:
        photo.resize((photo.width // 3, photo.height // 3)).save(tmp_path / "sent.jpg", quality=70)
    with answered(page, "/api/search"):
        page.set_input_files("#picture-file", tmp_path / "sent.jpg")
    own = page.locator("#answer-notes .own-photo")
    for _ in range(2):  # also after a reload
        own.wait_for()
        assert own.count() == 1 and own.inner_text().startswith("A copy of this photo is here: ")
        assert own.inner_text().endswith("kitten.jpg") and shown(page)[0] == "kitten.jpg"
        page.wait_for_function("() => document.querySelector('#terms .chip img')?.naturalWidth > 0")
        with answered(page, "/api/search"):
            page.reload()
    page.evaluate(
        "sessionStorage.clear(); addEventListener('pagehide', (event) => event.stopImmediatePropagation(), true)"
    )
    height = page.locator("#terms").bounding_box()["height"]
    with answered(page, "/api/search"):
        page.reload()
    page.wait_for_selector("#terms .unseen")  # what is shown in place of a picture that is not known moves nothing
    assert page.locator("#terms").bounding_box()["height"] == height


def test_more_like_an_indexed_photo_does_not_say_that_it_is_here(page):
    card = page.locator(".photo").first
    card.hover()
    with answered(page, "like="):
        card.locator(".similar").click()
    page.wait_for_selector("#terms .chip img")
    assert page.locator("#answer-notes").is_hidden()
    assert page.locator("#status").inner_text() == "51 photos, nearest first"  # without itself
    assert ", 1 of 51" in page.locator(".photo .open").first.get_attribute("aria-label")
    page.wait_for_function(
        "() => document.querySelector('.counted')?.textContent === 'Counts of the 51 nearest photos'"
    )


def test_words_like_a_file_name_lead_to_the_photos_of_that_name(page):
    search(page, "giraffe.jpg")
    note = page.locator("#answer-notes p")
    note.wait_for()
    assert (
        '"giraffe.jpg" looks like a file name' in note.inner_text() and "1 photo has such a name." in note.inner_text()
    )
    with answered(page, "/api/images"):
        note.get_by_role("button", name="Show photos of this name").click()
    assert shown(page) == ["giraffe.jpg"] and page.input_value("#query") == ""
    assert page.locator("#answer-notes").is_hidden()


def test_photos_with_a_keyword_keep_the_place_that_was_understood(page):
    def with_note(route):
        response = route.fetch()
        answer = response.json()
        answer["explanation"]["notes"] = [{"code": "keyword", "message": "a keyword", "value": "travel"}]
        route.fulfill(response=response, json=answer)

    page.route("**/api/search?*", with_note)
    search(page, "travel, in Japan")
    with answered(page, "keyword=travel"):
        page.locator("#answer-notes").get_by_role("button", name="Show them").click()
    assert page.input_value("#query") == "in Japan" and shown(page) == ["pagoda.jpg"]


def test_a_minus_without_a_space_can_be_made_right(page):
    search(page, "a table + a cup -coffee")
    with answered(page, "/api/search"):
        page.locator("#answer-notes").get_by_role("button", name="Leave it out").click()
    assert page.input_value("#query") == "a table + a cup - coffee"
    assert page.locator("#answer-notes").is_hidden()


def test_the_page_names_words_that_the_model_cannot_read(page):
    search(page, "собака")
    note = page.locator("#answer-notes p")
    note.wait_for()
    assert note.inner_text().startswith('The model mini cannot read "собака"') and note.locator("button").count() == 0
    assert "%" not in page.locator("#photos").inner_text()  # what is found at random has no match
    assert re.fullmatch(r"[\d,]+ photos", page.locator("#status").inner_text())  # none likely, and none near
    with answered(page, "/api/search"):
        page.locator("#threshold").get_by_text("Likely", exact=True).click()
    empty = page.locator("#empty")
    empty.get_by_text("The note above says which words the model does not read.").wait_for()
    assert "plainer words" not in empty.inner_text() and note.is_visible()


def test_a_file_is_chosen(page):
    with answered(page, "/api/search"):
        page.set_input_files("#picture-file", PHOTOS / "drum-kit.jpg")
    page.wait_for_selector("#terms .chip img")
    assert "drum-festival.jpg" in shown(page)[:6]


def test_a_file_that_is_not_a_picture_is_refused(page, tmp_path):
    (tmp_path / "words.png").write_text("not a picture")
    page.set_input_files("#picture-file", tmp_path / "words.png")
    page.wait_for_selector("#note:popover-open")
    assert page.locator("#note").inner_text().strip()
    page.expected.append("status of 4")


def test_more_like_this_from_the_rows(page):
    search(page, "a kitten")
    card = page.locator(".photo").first
    card.hover()
    with answered(page, "like="):
        card.locator(".similar").click()
    page.wait_for_selector("#terms .chip img")
    assert page.input_value("#query") == ""


def test_a_photo_of_the_rows_can_be_dragged_into_the_search(page):
    search(page, "mountains")
    source = page.locator(".photo").first
    with answered(page, "like="):
        source.drag_to(page.locator("#query"))
    assert page.input_value("#query") == "mountains"
    assert page.locator("#terms .chip").count() == 2


def test_an_error_is_the_servers_own_sentence(new_page, address):
    page = new_page()
    page.expected.append("status of 4")
    page.goto(f"{address}/?where=width+%3E")
    page.wait_for_selector("#empty h2")
    page.get_by_text("ends where").first.wait_for()


def test_words_that_are_all_facts_list_photos_and_rank_none(page):
    search(page, "Bo 2018")
    assert page.locator("#status").inner_text() == "1 photo" and shown(page) == ["kite.jpg"]
    assert page.locator("#threshold").is_hidden() and page.locator("#sort").input_value() == "date"
    assert "looking for" not in page.locator("#understood").inner_text()
    page.locator("#filters .counted", has_text="Counts of these photos").wait_for()
    with answered(page, "sort=oldest"):
        page.select_option("#sort", "oldest")
    assert page.locator("#status").inner_text() == "1 photo"


def test_nothing_found_counts_nothing(page):
    search(page, "a giraffe in July 1999")
    assert "dates, places and people" in page.locator("#empty").inner_text()
    page.get_by_text("Nothing found to count").wait_for()
    assert set(page.locator("#filters .facet-list .count").all_inner_texts()) <= {"0"}
    page.get_by_role("heading", name="In all your photos").wait_for()
    assert page.locator("#filters").get_attribute("role") == "region"  # it stays, as a dialog does not
    with answered(page, "/api/search"):
        page.fill("#query", "a giraffe in 2021")
    page.wait_for_selector("#filters [data-key^=format]:not(.without)")
    assert "Nothing found" not in page.locator("#filters").inner_text()


def test_folders_of_one_name_say_what_is_above_them(page):
    labels = page.evaluate(
        """async () => {
            const { folderTree } = await import("/static/folder-filter.js");
            const folders = ["/a/Apple/2022", "/a/Lightroom/2022", "/a/Lightroom/2022/May", "/a/2021"];
            const tree = folderTree(folders.map((value) => ({ value, images: 5 })), [], () => {});
            return [...tree.querySelectorAll("bdi")].map((one) => one.textContent);
        }"""
    )
    assert labels == ["a", "2021", "Apple / 2022", "Lightroom / 2022"]


def test_only_paths_of_windows_are_split_at_backslashes(page):
    names = page.evaluate(
        r"""async () => {
            const { fileName, folderOf } = await import("/static/format.js");
            const paths = ["/a/b\\c.jpg", "C:\\a\\b.jpg", "\\\\nas\\a\\b.jpg", "/c.jpg"];
            return paths.map((path) => [fileName(path), folderOf(path)]);
        }"""
    )
    assert names == [["b\\c.jpg", "/a"], ["b.jpg", "C:\\a"], ["b.jpg", "\\\\nas\\a"], ["c.jpg", "/"]]
    folders = page.evaluate(
        r"""async () => {
            const { folderTree } = await import("/static/folder-filter.js");
            const titles = (...folders) => {
                const tree = folderTree(folders.map((value) => ({ value, images: 5 })), [folders[1]], () => {});
                return [...tree.querySelectorAll("[title]")].map((one) => one.title);
            };
            return [titles("/a/b\\c", "/a/d/e", "/a/d"),
                titles("C:\\a", "C:\\a\\d\\e", "C:\\a\\d"), titles("\\\\nas\\a", "\\\\nas\\b")];
        }"""
    )
    assert folders == [
        ["/a", "/a/b\\c", "/a/d", "/a/d/e"],
        ["C:\\a", "C:\\a\\d", "C:\\a\\d\\e"],
        ["\\\\nas", "\\\\nas\\a", "\\\\nas\\b"],
    ]


def test_nothing_found_says_what_to_do(page):
    search(page, "zzzz qqqq")
    page.click("label:has(#match-likely)")
    page.get_by_role("button", name="Show the nearest anyway").click()
    page.wait_for_selector(".photo")
    assert page.locator("#match-any").is_checked()


def test_a_later_page_that_fails_leaves_what_is_there(page, address):
    page.route(
        "**/api/images*offset=60*",
        lambda route: route.fulfill(status=503, json={"error": {"code": "x", "message": "Busy now"}}),
    )
    photo = {
        "path": "/a.jpg",
        "width": 4,
        "height": 3,
        "format": "JPEG",
        "size": 1,
        "taken_at": None,
        "camera": None,
        "gps": None,
    }
    first = [{**photo, "id": 1000 + number, "content_hash": "c"} for number in range(60)]
    page.route("**/api/images*offset=0*", lambda route: route.fulfill(json={"images": first, "considered": 90}))
    page.route(
        "**/api/outline*", lambda route: route.fulfill(status=503, json={"error": {"code": "x", "message": "No"}})
    )
    show_made_up(page)
    page.goto(address, wait_until="commit")
    page.wait_for_selector(".photo[draggable]")
    page.evaluate("scrollTo(0, 1e6)")
    page.wait_for_selector("#note:popover-open")
    assert page.locator("#note").inner_text() == "Busy now."
    assert len(shown(page)) > 20
    page.expected.append("status of 5")


def test_a_shot_is_one_photo_until_every_file_is_wanted(new_page, tmp_path):
    folder = tmp_path / "album"
    folder.mkdir()
    shutil.copy(PHOTOS / "coffee.jpg", folder / "IMG_0001.jpg")
    Image.open(PHOTOS / "coffee.jpg").save(folder / "IMG_0001.png")
    shutil.copy(PHOTOS / "giraffe.jpg", folder / "IMG_0002.jpg")
    index(folder)
    with serving(folder / ".clipsearch") as (_, address):
        page = new_page()
        page.goto(address)
        page.wait_for_selector(".photo.loaded")
        assert len(shown(page)) == 2 and page.locator(".photo .others").all_inner_texts() == ["+1"]
        assert page.locator("#status").inner_text() == "3 photos"
        page.locator("label", has_text="Every file").click()
        page.wait_for_function("() => document.querySelectorAll('.photo').length == 3")
        page.locator("label", has_text="Every file").click()
        page.wait_for_function("() => document.querySelectorAll('.photo').length == 2")
        search(page, "a cup of coffee")
        first, second = shown(page)
        assert first.startswith("IMG_0001") and second == "IMG_0002.jpg"
        assert page.locator(".photo .others").all_inner_texts() == ["+1"]
        page.locator(".photo .open").first.click()
        other = ({"IMG_0001.jpg", "IMG_0001.png"} - {first}).pop()
        page.locator("#viewer .others button", has_text=other).click()
        page.wait_for_selector(f'#viewer img.full[alt="{other}"]')
        page.keyboard.press("Escape")
        page.wait_for_function("(first) => document.activeElement.ariaLabel?.startsWith(first)", arg=first)
        page.locator("label", has_text="Every file").click()
        page.wait_for_function("() => document.querySelectorAll('.photo').length == 3")
        assert sorted(shown(page)) == ["IMG_0001.jpg", "IMG_0001.png", "IMG_0002.jpg"]
        assert "one_per_shot=false" in page.url
        page.reload()
        page.wait_for_selector(".photo.loaded")
        assert len(shown(page)) == 3 and page.locator("#every-file").is_checked()
        page.close()  # or it would report that the server is gone


def test_pages_of_all_photos_have_each_shot_once(new_page, tmp_path):
    folder = tmp_path / "album"
    folder.mkdir()
    numbers = range(100)
    names = [
        *(f"IMG_{number:04}.{suffix}" for number in numbers for suffix in ("png", "bmp")),
        *(f"IMG_0020_BURST{number:03}.png" for number in range(90)),
    ]
    index_at_random(
        folder,
        ((name, Image.new("RGB", (40, 30), (9, at % 256, 9 + at // 256)), None) for at, name in enumerate(names)),
    )
    with serving(folder / ".clipsearch") as (_, address):
        page = new_page()
        page.goto(f"{address}/?sort=name")
        page.wait_for_selector(".photo.loaded")
        wanted = "() => import('/static/photos.js').then(({photos}) => photos.complete && photos.list.length)"
        for _ in range(50):
            page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
            page.wait_for_timeout(100)
            if page.evaluate(wanted):
                break
        assert page.evaluate(wanted) == 100
        files = page.evaluate("""async () => {
            const {photos} = await import("/static/photos.js");
            return photos.list.flatMap((photo) => [photo, ...(photo.others ?? photo.sketch?.others ?? [])]).length;
        }""")
        assert files == 290
        page.close()


def test_dates_in_the_words_are_chips_that_become_words_again(page):
    search(page, "a temple in July 2019")
    assert shown(page) == ["pagoda.jpg"]
    understood = page.locator("#understood")
    assert understood.inner_text().split("\n")[:2] == ["Understood:", "taken 2019-07"]
    assert "looking for “a temple”" in understood.inner_text()
    with answered(page, "/api/search"):
        understood.get_by_role("button", name="taken 2019-07").click()
    assert page.input_value("#query") == '"a temple in July 2019"'
    page.wait_for_selector("#understood", state="hidden")
    assert page.locator("#status").inner_text() == "None likely of 52"
    with answered(page, "/api/search"):
        page.fill("#query", "a temple in July 2019")
    with answered(page, "/api/search"):
        page.get_by_label("Filters from words").click()
    assert "smart=false" in page.url and understood.is_hidden()
    page.reload()
    page.wait_for_selector(".photo.loaded")
    assert not page.get_by_label("Filters from words").is_checked() and understood.is_hidden()
    note = page.locator("#answer-notes p")
    assert "the index has 1 photo with a date in July 2019" in note.inner_text()
    with answered(page, "/api/search"):
        note.get_by_role("button", name="Show them").click()
    assert shown(page) == ["pagoda.jpg"] and page.locator("#answer-notes").is_hidden()


def test_a_list_by_filters_alone_says_why_it_has_no_photos(page, address):
    page.goto(f"{address}/?camera=camra")
    note = page.locator("#answer-notes p")
    note.wait_for()
    assert note.inner_text().startswith('No camera is called "camra"; there are Testing Camera 1, ')
    page.goto(f"{address}/?near=-22.95,-43.3,1")
    note.wait_for()
    assert note.inner_text().startswith("No photo is within 1 km of -22.95,-43.3; 1 is within 10 km;")
    with answered(page, "/api/images?"):
        note.get_by_role("button", name="Look that far").click()
    assert shown(page) == ["rio.jpg"] and note.count() == 0


def test_what_the_words_deny_is_left_out_and_a_chip_makes_it_words_again(page):
    search(page, "a temple not in July to August 2019")
    assert page.locator("#understood").inner_text().split("\n")[1] == "not taken 2019-07 to 2019-08"
    assert "pagoda.jpg" not in shown(page) and "pyramid.webp" in shown(page)  # which has no date
    search(page, "a temple in summer 2018 and 2019")
    button = page.locator("#understood button")
    assert button.get_attribute("title") == "Look for the words \u201cin summer 2018 and 2019\u201d instead"
    chip = page.locator("#understood .filter-chip bdi")
    assert chip.inner_text() == "taken 2018-06 to 2018-08 or 2019-06 to 2019-08"
    page.set_viewport_size({"width": 320, "height": 800})  # lines end between the words
    assert chip.bounding_box()["height"] > 40
    assert chip.locator("span").evaluate_all("(all) => all.map((one) => one.getClientRects().length)") == [1] * 7
    # A slow answer: the counts of the search before are due first, and nobody knows yet that these words only deny.
    page.route("**/api/search*", lambda route: (time.sleep(0.6), route.continue_()))
    search(page, "photos without people")
    page.unroute("**/api/search*")
    understood = page.locator("#understood")
    assert "What the model takes for these comes last." in understood.inner_text()  # none is left out
    assert "looking for" not in understood.inner_text()  # the chip says all of it
    search(page, "a beach without people")
    assert understood.inner_text().split("\n")[:2] == ["Understood:", "without people"]
    assert understood.inner_text().endswith("not among the likely photos; some of them may be.")
    assert "looking for “a beach - people”" in understood.inner_text() and page.locator("#answer-notes").is_hidden()
    sentence = understood.locator("> span, li")
    long_name = "(one, parts) => { one.textContent = 'in a village of a long name, '.repeat(parts); }"
    for width, parts in itertools.product((820, 1440, 3840), (2, 60)):  # they follow one another as the words of a text
        page.set_viewport_size({"width": width, "height": 800})
        chip.evaluate(long_name, parts)
        boxes = sentence.evaluate_all("(all) => all.map((one) => one.getBoundingClientRect().toJSON())")
        left, row = boxes[0]["left"], understood.bounding_box()
        assert len(boxes) == 4 and boxes[1]["height"] < 2 * boxes[0]["height"]  # one line
        assert max(box["right"] for box in boxes) <= row["x"] + row["width"] + 1
        for before, after in itertools.pairwise(boxes):
            gap = after["left"] - before["right"]
            assert 0 <= gap < 20 if after["top"] < before["bottom"] else after["left"] == left
    page.set_viewport_size({"width": 1280, "height": 800})
    with answered(page, "/api/search"):
        understood.locator("button").click()
    assert page.input_value("#query") == '"a beach without people"'
    with answered(page, "/api/search"):
        page.get_by_label("Filters from words").click()
    with answered(page, "/api/search"):
        page.fill("#query", "a beach without people")
    assert 'photos of "people" are among the best' in page.locator("#answer-notes p").inner_text()
    assert not any("%" in text for text in page.locator(".photo").all_inner_texts())
    with answered(page, "/api/search"):
        page.locator("#answer-notes").get_by_role("button", name="Leave it out").click()
    assert page.input_value("#query") == "a beach - people"


def test_words_that_are_only_words_are_quoted(page):
    script = "async (given) => (await import('/static/understood.js')).asWords(...given)"
    for query, words, is_only, expected in (
        ("beach last summer", "last summer", True, '"beach last summer"'),
        ("beach in 2018 last summer - 2:snow", "last summer", False, 'beach in 2018 + "last summer" - 2:snow'),
        ("2:dogs in 2018", "2018", False, '2:dogs in + 2:"2018"'),
        ("a cat + 2018", "2018", True, '"a cat" + "2018"'),
        ("2017 or 2018", "2017 or 2018, 2016", False, '"2017 or 2018"'),
        ("2018", "2018", False, '"2018"'),
    ):
        assert page.evaluate(script, [query, words, is_only]) == expected, query


def test_a_short_word_is_not_taken_for_the_beginning_of_a_long_name(page):
    pairs = [
        ("ben carter", "car"),
        ("cardiff, wales", "car"),
        ("ben carter", "cart"),
        ("ben carter", "ben"),
        ("tokyo", "tok"),
    ]
    pairs += [("ben carter", "arter"), ("ben carter", "ben c")]
    script = """async (pairs) => {
        const { shareTyped } = await import("/static/suggestions.js");
        return pairs.map((pair) => shareTyped(...pair));
    }"""
    assert page.evaluate(script, pairs) == pytest.approx([0.5, 3 / 7, 4 / 6, 1, 3 / 5, 0, 0.5])


def test_words_in_texts_find_photos_unless_they_are_switched_off(page):
    search(page, "cafe central")
    assert shown(page)[0] == "coffee.jpg"
    label = page.locator(".photo .open").first.get_attribute("aria-label")
    assert label.endswith("found by its text in the picture")
    page.locator(".photo .open").first.click()
    facts = page.locator("#viewer .photo-facts")
    assert "words in its texts" in facts.inner_text() and "Words in its texts move it up." in facts.inner_text()
    assert facts.locator("mark").all_inner_texts() == ["CAFÉ", "CENTRAL"]
    for _ in range(2):  # to one that words have not found
        page.get_by_label("Next photo").click()
    facts.get_by_text("words in their texts move others up").wait_for()
    page.keyboard.press("Escape")
    search(page, "temple tokyo")
    page.locator('.open[aria-label^="pagoda.jpg"]').click()
    for field in ("title", "keyword", "place"):
        facts.get_by_text(f"({field})").wait_for()
    page.keyboard.press("Escape")
    with page.expect_response(lambda response: "/api/search" in response.url) as answer:
        page.get_by_label("Words in texts").click()
    assert "hybrid=" not in answer.value.url and "hybrid=false" in page.url


def test_photos_that_wait_for_a_slow_answer_are_said_to_be_of_the_search_before(page):
    page.route("**/api/search*", lambda route: (time.sleep(1.6), route.continue_()))
    page.fill("#query", "a kite")
    page.wait_for_selector("#status:has-text('These photos are from the search before.')")
    page.wait_for_selector("#status:has-text(' likely of ')")
