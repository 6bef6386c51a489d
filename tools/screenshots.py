"""Take the documentation's pictures of the web page: a real server on data/photos, in a real browser.

    python tools/screenshots.py [--out docs/screenshots] [--photos data/photos]

Needs playwright and Chromium (apt install chromium). Each picture is a WebP of at most 300 kB.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, Route, sync_playwright

ROOT = Path(__file__).parents[1]
LARGEST = 300_000  # bytes
SCREENS = {  # width, height, pixels a CSS pixel
    "phone": (390, 844, 2),
    "tablet": (820, 1180, 1),
    "laptop": (1440, 900, 1),
    "4k": (3840, 2160, 1),
}
TOUCHED = {"phone", "tablet"}
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]


def results(page: Page, address: str) -> None:
    """A search by words, with its results."""
    page.goto(f"{address}?q=mountains")
    all_loaded(page)


def viewer(page: Page, address: str) -> None:
    """One photo with its facts."""
    page.goto(f"{address}?q=a+bee+on+a+flower")
    all_loaded(page)
    page.locator(".photo .open").first.click()
    page.wait_for_function("() => document.querySelector('#viewer img.full')?.naturalWidth > 0")
    if page.locator("#viewer:not(.with-facts)").count() and (page.viewport_size or {"width": 0})["width"] < 500:
        page.get_by_label("About this photo").first.click()
    page.wait_for_timeout(300)


def filters(page: Page, address: str) -> None:
    """The filters in use, and the map."""
    page.goto(f"{address}?orientation=landscape&after=2003")
    all_loaded(page)
    if page.locator("#filters").is_hidden():
        page.click("#toggle-filters")
    else:
        if not page.is_visible("#toggle-map"):  # on a phone it is in the menu
            page.click("#open-more")
        page.click("#toggle-map")
        page.wait_for_selector(".mark, .map-note:not(:empty)")
    page.wait_for_selector("#filters .facet-list")
    page.wait_for_timeout(500)


SCENES: dict[str, Callable[[Page, str], None]] = {"results": results, "viewer": viewer, "filters": filters}


def main() -> None:
    """Every scene on every screen, light and dark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screenshots")
    parser.add_argument("--photos", type=Path, default=ROOT / "data" / "photos")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("this needs a Chromium: apt install chromium")
    photos = options.photos.resolve()
    options.out.mkdir(parents=True, exist_ok=True)
    with serving(photos) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for screen in SCREENS:
            for scheme in ("light", "dark"):
                for name, scene in SCENES.items():
                    file = options.out / f"{name}-{screen}-{scheme}.webp"
                    file.write_bytes(small_webp(picture(browser, address, photos, scene, screen, scheme)))
                    print(f"{file.stat().st_size:>8,}  {file}")
        browser.close()


def picture(
    browser: Browser, address: str, photos: Path, scene: Callable[[Page, str], None], screen: str, scheme: str
) -> Image.Image:
    """A scene on a screen."""
    width, height, density = SCREENS[screen]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        device_scale_factor=density,
        has_touch=screen in TOUCHED,
        is_mobile=screen in TOUCHED,
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = context.new_page()
    page.route(lambda url: "/api/" in url and not url.endswith("events"), lambda route: elsewhere(route, photos))
    scene(page, address)
    image = Image.open(BytesIO(page.screenshot())).convert("RGB")
    context.close()
    return image


def elsewhere(route: Route, photos: Path) -> None:
    """Change the paths in the server's answer, so that they do not show this machine's folders."""
    response = route.fetch()
    if "json" in response.headers.get("content-type", ""):
        route.fulfill(response=response, body=response.text().replace(str(photos), "/home/sam/Photos"))
    else:
        route.fulfill(response=response)


def all_loaded(page: Page) -> None:
    """Wait until every photo on the screen has loaded and faded in."""
    page.wait_for_selector(".photo.loaded")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.photo')]"
        ".filter((photo) => photo.getBoundingClientRect().top < innerHeight)"
        ".every((photo) => photo.classList.contains('loaded'))"
    )
    page.wait_for_timeout(400)


def small_webp(image: Image.Image) -> bytes:
    """A picture as WebP, in the best quality that is small enough."""
    for scale, quality in ((1.0, 86), (1.0, 76), (1.0, 64), (1.0, 52), (0.75, 64), (0.75, 52), (0.5, 64), (0.5, 40)):
        file = BytesIO()
        size = round(image.width * scale), round(image.height * scale)
        image.resize(size, Image.Resampling.LANCZOS).save(file, "WEBP", quality=quality, method=5)
        if file.tell() <= LARGEST:
            break
    return file.getvalue()


@contextmanager
def serving(photos: Path) -> Iterator[str]:
    """The address of a server on a new index of a folder's photos, made with the embedded model."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "clipsearch"]
        index = f"{folder}/.clipsearch"
        subprocess.run([*command, "index", str(photos), "--index", index, "--model", "mini", "-q"], check=True)
        server = subprocess.Popen(
            [*command, "serve", "--index", index, "--no-open", "--port", "0"], stdout=subprocess.PIPE, text=True
        )
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
