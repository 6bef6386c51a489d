"""Hits that are marked right or wrong, in the rows and in the viewer."""

import pytest

from tests.browser.conftest import answered, remove_saved, save_and_come_back, search, shown


def mark(page, number, kind):
    card = page.locator(".photo").nth(number)
    card.hover()
    with answered(page, f"{kind}="):
        card.locator(f".mark.{kind}").click()


def test_the_line_of_marks_is_seen_at_the_top_of_the_page(page):
    search(page, "an animal")
    mark(page, 2, "wrong")
    page.wait_for_selector("#terms .marks")
    assert page.evaluate("scrollY") == 0
    header = page.locator("header").bounding_box()
    assert page.locator("#terms .marks").bounding_box()["y"] >= header["y"] + header["height"]
    with answered(page, "/api/search"):
        page.locator("#terms .marks .remove").click()
    page.evaluate("scrollTo(0, 700)")
    on_screen = "all => all.findIndex((one) => one.getBoundingClientRect().top > 200)"
    card = page.locator(".photo").nth(page.locator(".photo").evaluate_all(on_screen))
    card.hover()
    moved = """(one) => {
        const top = () => document.querySelector("#photos").getBoundingClientRect().top;
        const before = top();
        one.click();
        return [document.querySelector("#terms").offsetHeight > 0, Math.round(top() - before)];
    }"""
    with answered(page, "right="):
        assert card.locator(".mark.right").evaluate(moved) == [True, 0]  # its line has come, and the rows stay


def test_photos_are_marked_in_the_rows_and_marks_are_taken_back_by_chips(page):
    assert page.locator(".photo").first.locator(".mark").count() == 0
    search(page, "an animal")
    before = shown(page)
    for number in (0, 1):
        page.locator(".photo .open").nth(number).focus()
        page.keyboard.press("x")
    mark(page, 0, "wrong")
    assert page.locator("#selection-count").inner_text() == "1 photo selected"  # what was marked wrong has left
    page.keyboard.press("Escape")
    assert before[0] not in shown(page) and page.locator("#terms .marks").inner_text().strip() == "1 marked wrong"
    last = shown(page)[5]
    mark(page, 5, "right")
    assert shown(page).index(last) < 5
    card = page.locator(".photo.marked")
    assert card.count() == 1 and "marked right" in card.locator(".open").get_attribute("aria-label")
    marked, url = shown(page), page.url
    assert "right=" in url and "wrong=" in url
    page.reload()
    page.wait_for_selector(".photo.loaded")
    assert shown(page)[:12] == marked[:12] and page.locator("#terms .marks").count() == 2
    for _ in range(2):
        with answered(page, "/api/search"):
            page.locator("#terms .marks .remove").first.click()
    assert (
        shown(page)[:12] == before[:12] and "right=" not in page.url
    )  # how many more are drawn depends on the scrolling
    for number in (0, 1):
        page.locator(".photo .open").nth(number).focus()
        page.keyboard.press("x")
    with answered(page, "wrong="):
        page.keyboard.press("w")  # all that are selected
    assert page.url.count("wrong=") >= 2 and not {*before[:2]} & {*shown(page)}
    assert page.locator("#selection").is_hidden()


@pytest.mark.long
def test_r_and_w_mark_by_keys_and_another_query_has_no_marks(page):
    page.locator(".photo .open").first.focus()
    page.keyboard.press("r")
    page.wait_for_selector("#note:popover-open")
    search(page, "an animal")
    names = shown(page)
    page.locator(".photo .open").nth(1).focus()
    with answered(page, "wrong="):
        page.keyboard.press("w")
    page.wait_for_function("document.activeElement.closest('.photo') !== null")
    assert names[1] not in shown(page)
    with answered(page, "right="):
        page.keyboard.press("r")
    assert page.locator("#terms .marks").count() == 2
    search(page, "a boat")
    assert page.locator("#terms .marks").count() == 0 and "wrong=" not in page.url


@pytest.mark.long
def test_the_viewer_marks_and_a_saved_search_keeps_the_marks(page):
    search(page, "an animal")
    names = shown(page)
    page.locator(".photo .open").first.click()
    viewer = page.locator("#viewer")
    with answered(page, "wrong="):
        viewer.get_by_label("Wrong: fewer like it").click()
    page.wait_for_selector("#viewer", state="hidden")
    page.wait_for_function("() => document.activeElement === document.querySelector('.photo .open')")  # the next one
    marked, url = shown(page), page.url
    assert names[0] not in marked
    words = save_and_come_back(page, "animals", "wrong=")
    assert words.split("\n")[-1] == "an animal, 1 marked wrong"  # not the number of the photo
    assert (shown(page)[:12], page.url) == (marked[:12], url)  # further rows are drawn when they come near
    remove_saved(page, "animals")
