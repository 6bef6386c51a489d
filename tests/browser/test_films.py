"""Films and pages on the page: a card names the moment, and the viewer plays a film from it."""

import re
import shutil

import numpy as np
import pytest
from PIL import Image

from tests.browser.conftest import answered, index, search, serving, shown
from tests.conftest import PHOTOS

pytest.importorskip("av", reason="films need the extra `video`")

from tests.images.films import film

SHOTS = ("giraffe.jpg", "coffee.jpg", "rocket.jpg")
SECONDS = 3
START = SECONDS  # of the second shot


def picture(name):
    return Image.open(PHOTOS / name).convert("RGB").resize((320, 240))


@pytest.fixture(scope="module")
def cinema(tmp_path_factory):
    """The address of a server of films with the same three shots in three formats, and of a scan with three pages."""
    folder = tmp_path_factory.mktemp("cinema")
    shots = [(np.asarray(picture(name)), SECONDS) for name in SHOTS]
    (folder / "a.webm").write_bytes(film(shots, "webm", "libvpx", options={}))
    (folder / "b.mp4").write_bytes(film(shots))
    (folder / "c.avi").write_bytes(film(shots, "avi", "mpeg4", options={}))
    first, *others = map(picture, SHOTS)
    first.save(folder / "d.tif", save_all=True, append_images=others)
    shutil.copy(PHOTOS / "cat.png", folder)
    index(folder)
    with serving(folder / ".clipsearch") as (_, address):
        yield folder, address


@pytest.fixture
def page(new_page, cinema):
    page = new_page()
    page.goto(cinema[1])
    page.wait_for_selector(".photo.loaded")
    return page


def open_card(page, name):
    page.get_by_role("button", name=re.compile(rf"^{name}")).click()
    page.wait_for_selector("#viewer[open]")


def wait_for_time(page, condition):
    page.wait_for_function(
        f"() => {{ const t = document.querySelector('#viewer video')?.currentTime; return {condition}; }}"
    )


def copied_size(page):
    """Copy the picture in the viewer by its key. The size of what is on the clipboard then."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.keyboard.press("c")
    page.locator("#note:popover-open", has_text="Picture copied.").wait_for()
    return page.evaluate("""async () => {
        const [item] = await navigator.clipboard.read();
        const picture = await createImageBitmap(await item.getType("image/png"));
        return [picture.width, picture.height];
    }""")


def test_cards_name_the_moment_and_a_list_of_photos_names_none(page):
    assert not [label for label in page.locator(".photo .moment").all_inner_texts() if label]
    assert page.get_by_role("button", name=re.compile(r"^a\.webm, \d of 5, film")).count() == 1
    search(page, "a cup of coffee")
    assert sorted(page.locator(".photo .moment").all_inner_texts()) == ["0:03", "0:03", "0:03", "page 2"]
    assert page.get_by_role("button", name=re.compile(r"^b\.mp4, \d of 5, at 0:03")).count() == 1


@pytest.mark.parametrize(
    ("name", "kind"), [("a.webm", 'video/webm; codecs="vp8"'), ("b.mp4", 'video/mp4; codecs="avc1.42E01E"')]
)
def test_the_viewer_plays_a_film_from_the_moment(page, name, kind):
    if not page.evaluate("(kind) => document.createElement('video').canPlayType(kind)", kind):
        pytest.skip(f"this Chromium does not play {kind}")
    search(page, "a cup of coffee")
    open_card(page, name)
    assert page.locator(".viewer-title").inner_text() == f"{name} (at 0:03)"
    assert "at 0:03" in page.locator(".photo-facts").inner_text()
    wait_for_time(page, f"Math.abs(t - {START}) < 0.05")
    video = page.locator("#viewer video")
    assert video.get_attribute("aria-label") == f"{name} (at 0:03)" and video.evaluate("(video) => video.paused")
    assert copied_size(page) == [320, 240]  # the picture at which it is
    page.keyboard.press("k")
    wait_for_time(page, f"t > {START} + 0.3")
    page.keyboard.press("k")
    assert video.evaluate("(video) => video.paused")
    video.focus()
    before = page.locator(".viewer-title").inner_text()
    page.keyboard.press("ArrowRight")  # the player's own key
    assert page.locator(".viewer-title").inner_text() == before
    page.keyboard.press("Escape")
    page.wait_for_selector("#viewer", state="hidden")
    assert page.locator("#viewer video").count() == 0


def test_a_film_that_the_browser_cannot_play_is_shown_as_its_picture(page, cinema):
    search(page, "a cup of coffee")
    open_card(page, "c.avi")
    message = page.locator("#viewer .unplayable")
    message.wait_for()
    assert message.inner_text().startswith("This browser cannot play this AVI film. This is its picture at 0:03.")
    page.wait_for_function("() => document.querySelector('#viewer img.full').naturalWidth === 320")
    assert copied_size(page) == [320, 240]
    with page.expect_download() as download:
        message.get_by_role("link", name="Download it").click()
    assert download.value.path().read_bytes() == (cinema[0] / "c.avi").read_bytes()


def test_a_film_that_has_gone_says_so(new_page, cinema):
    page = new_page(viewport={"width": 1000, "height": 700})  # a browser that has nothing in its cache
    page.expected.append("404")
    page.goto(cinema[1])
    search(page, "a cup of coffee")
    film = cinema[0] / "a.webm"
    film.rename(cinema[0] / "away")
    try:
        open_card(page, "a.webm")
        page.locator("#viewer .unplayable", has_text="The file a.webm is gone; if it was moved").wait_for()
    finally:
        (cinema[0] / "away").rename(film)


def test_the_viewer_shows_the_page(page):
    search(page, "a cup of coffee")
    open_card(page, "d.tif")
    page.wait_for_selector('#viewer img.full[alt="d.tif (page 2)"]')
    page.wait_for_function("() => document.querySelector('#viewer img.full').naturalWidth === 320")


def test_all_moments_can_be_shown(page):
    assert not page.locator("#all-moments").is_visible()
    search(page, "a cup of coffee")
    page.locator("label", has_text="All moments").click()
    page.wait_for_function("() => document.querySelectorAll('.photo').length == 13")
    assert "all_moments=true" in page.url
    status = page.locator("#status").inner_text()
    moments = int(re.fullmatch(r"About (\d+) moments likely of 5 photos", status)[1])
    page.wait_for_function(
        "() => /^Counts of [1-5] likely photo/.test(document.querySelector('.counted')?.textContent)"
    )
    page.locator(".photo .open").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#viewer[open]")
    assert page.locator(".viewer-place").inner_text() == "Moment 1 of 13"
    page.keyboard.press("Escape")
    page.wait_for_selector("#viewer", state="hidden")
    for card in page.get_by_role("button", name=re.compile(r"^(a\.webm|cat\.png),")).all():
        card.focus()
        page.keyboard.press("x")
    assert page.locator("#selection-count").inner_text() == "4 moments of 2 photos selected"
    page.click("#selection-album")
    assert page.locator("#panel h2").inner_text() == "Add 4 moments of 2 photos to an album"
    page.get_by_label("Name of a new album").fill("Films")
    page.get_by_role("button", name="Create").click()
    page.locator("#note", has_text="4 moments of 2 photos added to Films.").wait_for()
    page.click("#selection-download")
    assert page.locator("#panel h2").inner_text() == "Download 4 moments of 2 photos"
    with page.expect_request("**/api/downloads") as asked, page.expect_download():
        page.get_by_role("button", name="The photos").click()
    assert len(asked.value.post_data_json["ids"]) == 2  # a film is saved once
    page.keyboard.press("Escape")
    with answered(page, "relevant=true"):
        page.click("label:has(#match-likely)")
    assert page.locator("#status").inner_text() == f"{moments} moments of 5 photos likely"
    page.click("#open-saved")
    page.get_by_role("button", name=f"Download the {moments} likely moments").wait_for()
    page.keyboard.press("Escape")
    page.click("label:has(#match-any)")
    page.wait_for_function("() => document.querySelectorAll('.photo').length == 13")
    badge = page.locator(".photo .moment").first
    heights = badge.evaluate("(one) => [one.offsetHeight, (one.style.maxWidth = '1rem', one.offsetHeight)]")
    assert heights[0] == heights[1]  # one line, however narrow the photo
    assert sum(name.startswith("a.webm") for name in shown(page)) == 3
    page.click("#toggle-map")
    page.locator("#map .map-note", has_text="No photo with likely moments has a location").wait_for()
    page.click("#toggle-map")
    search(page, "dkjsahdkjsah")
    assert page.locator(".group").first.inner_text() == "Nearest moments; none is a likely match"
    search(page, "a cup of coffee")
    page.reload()
    page.wait_for_selector(".photo.loaded")
    assert len(shown(page)) == 13 and page.locator("#all-moments").is_checked()
    page.locator("label", has_text="All moments").click()
    page.wait_for_function("() => document.querySelectorAll('.photo').length == 5")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_about_films(new_page, cinema, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = new_page(color_scheme=scheme, bypass_csp=True)  # the policy would block axe's script
    page.goto(cinema[1])

    def serious():
        answer = axe.run(page, options={"resultTypes": ["violations"]}).response
        return [found["id"] for found in answer["violations"] if found["impact"] in ("serious", "critical")]

    search(page, "a cup of coffee")
    page.wait_for_selector(".photo.loaded")
    assert serious() == []
    for name, wanted in (("a.webm", "#viewer video"), ("c.avi", "#viewer .unplayable")):
        open_card(page, name)
        page.wait_for_selector(wanted)
        assert serious() == []
        page.keyboard.press("Escape")
        page.wait_for_selector("#viewer", state="hidden")
