"""What the search box proposes, and what the page proposes if nothing is found."""

from tests.browser.conftest import answered, search, shown


def options(page):
    page.wait_for_selector("#suggestions li")
    return page.locator("#suggestions bdi").all_inner_texts()


def test_people_places_keywords_and_cameras_are_proposed_for_the_last_words(page):
    query = page.locator("#query")
    query.press_sequentially("a photo with anna")
    assert options(page) == ["Anna Müller"] and query.get_attribute("aria-expanded") == "true"
    query.press("ArrowDown")
    active = page.locator(f"#{query.get_attribute('aria-activedescendant')}")
    assert active.get_attribute("aria-selected") == "true" and "person, 2 photos" in active.inner_text()
    with answered(page, "/api/search"):
        query.press("Enter")
    assert query.input_value() == "a photo" and sorted(shown(page)) == ["kite.jpg", "pagoda.jpg"]
    assert page.locator("#filter-chips").inner_text().startswith("with Anna Müller")
    assert page.locator("#suggestions").is_hidden() and query.get_attribute("aria-expanded") == "false"
    query.fill("")
    query.press_sequentially("toky")
    page.wait_for_selector("#suggestions li:first-child:has-text('Tokyo')")  # in place of the ideas for an empty box
    query.press("Escape")
    assert page.locator("#suggestions").is_hidden() and query.input_value() == "toky"  # the words stay
    query.fill("temple [")
    assert options(page) == ["Temple [old]"]
    with answered(page):
        page.locator("#suggestions li").first.click()
    assert shown(page) == ["pagoda.jpg"]


def test_the_list_does_not_lie_over_the_chips_that_say_the_same(page):
    query = page.locator("#query")
    query.press_sequentially("a temple in july 2019")
    page.wait_for_selector("#understood")
    page.wait_for_selector("#suggestions", state="hidden")
    query.press_sequentially(" 201")
    assert "2019" in options(page)


def test_going_back_closes_the_list(page):
    with answered(page, "/api/search"):
        page.fill("#query", "temple [")
    assert options(page) == ["Temple [old]"]
    with answered(page):
        page.evaluate("history.back()")
    assert page.locator("#query").input_value() == "" and page.locator("#suggestions").is_hidden()


def test_words_that_fit_nothing_leave_the_arrow_key_to_the_photos(page):
    search(page, "zebra crossing")
    page.wait_for_timeout(400)  # suggestions would be there by now
    assert page.locator("#suggestions").is_hidden()
    page.locator("#query").press("ArrowDown")
    assert page.evaluate("document.activeElement.className") == "open"


def test_recent_searches_come_first_and_can_be_forgotten(page):
    query = page.locator("#query")
    for words in ("a cup of coffee", "a giraffe"):
        with answered(page, "/api/search"):
            query.fill(words)
            query.press("Enter")
    with answered(page):
        query.fill("")
    query.click()
    assert options(page)[:3] == ["a giraffe", "a cup of coffee", "Forget these searches"]
    assert "Anna Müller" in options(page) and "Travel" in options(page)  # ideas follow
    with answered(page, "/api/search"):
        page.locator("#suggestions li").nth(1).click()
    assert query.input_value() == "a cup of coffee" and shown(page)[0] == "coffee.jpg"
    with answered(page):
        page.click("#clear-query")
    query.press("Alt+ArrowDown")
    options(page)
    page.locator("#suggestions li", has_text="Forget these searches").click()
    assert page.evaluate("localStorage.getItem('clipsearch-recent')") is None
    query.press("Alt+ArrowDown")
    assert "a giraffe" not in options(page)


def test_if_nothing_is_found_ideas_come_from_the_photos(new_page, address):
    page = new_page()
    page.goto(f"{address}/?name=nothing-has-this-name")
    page.wait_for_selector(".ideas .idea")
    assert page.locator("#empty h2").inner_text() == "Nothing found"
    ideas = page.locator(".ideas bdi").all_inner_texts()
    assert {"Anna Müller", "Travel"} <= set(ideas)
    with answered(page):
        page.locator(".ideas").get_by_role("button", name="Anna Müller").click()
    assert sorted(shown(page)) == ["kite.jpg", "pagoda.jpg"] and "name=" not in page.url
