#!/usr/bin/env python3
"""How quickly the page shows photos: requests, the first photos, typing, scrolling and jumping, in Chromium.

    python benchmarks/measure_page.py                     # 10,000 photos made in a temporary folder, 2 minutes
    python benchmarks/measure_page.py --library DIR       # made there once, and used again
    python benchmarks/measure_page.py --runs 5 --json

It drives Chromium by Playwright against `clipsearch serve`. Cold means that no thumbnail has been made. Each figure is the
median of the runs. On a busy machine, frames and answers take longer.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from page_library import make_library
from suite.measure import machine

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
LIMITS = {
    "requests": 15, "first photos, cold (ms)": 800, "first photos, warm (ms)": 800,
    "layout shift while typing": 0.0, "key to photos (ms)": 120, "key to thumbnails (ms)": None,
    "longest frame, scrolling warm (ms)": 50, "frames over 50 ms, warm": 0,
    "blank tile, cold (ms)": 300, "blank tile, warm (ms)": 300, "blank tile after jumps (ms)": 300,
    "blurred tile, cold (ms)": None, "blurred tile, warm (ms)": None,
}  # fmt: skip
"""What is measured, and the most that it may be."""

WORDS = ("a dog", "the sea", "city at night", "flowers")

# Watches each frame: its length, tiles on the screen with neither a thumbnail nor a placeholder, and tiles without a thumbnail.
WATCH = """
window.watch = {frames: [], blank: 0, blurred: 0, shift: 0, paint: 0};
new PerformanceObserver((list) => { for (const one of list.getEntries()) window.watch.shift += one.value; })
  .observe({type: "layout-shift", buffered: true});
new PerformanceObserver((list) => { for (const one of list.getEntries()) window.watch.paint = one.startTime; })
  .observe({type: "largest-contentful-paint", buffered: true});
window.startWatching = () => {
  const since = {blank: new Map(), blurred: new Map()};
  Object.assign(window.watch, {frames: [], blank: 0, blurred: 0, on: true});
  let last = performance.now();
  const look = (now) => {
    if (!window.watch.on) return;
    window.watch.frames.push(now - last);
    last = now;
    const seen = {blank: new Set(), blurred: new Set()};
    for (const tile of document.querySelectorAll(".photo")) {
      const {top, bottom} = tile.getBoundingClientRect();
      if (bottom < 0 || top > innerHeight || tile.classList.contains("loaded") || tile.classList.contains("broken")) continue;
      const {backgroundImage, backgroundColor} = tile.querySelector("img").style;
      seen.blurred.add(tile);
      if (!backgroundImage && !backgroundColor) seen.blank.add(tile);
    }
    for (const kind of ["blank", "blurred"]) {
      for (const tile of seen[kind]) {
        if (!since[kind].has(tile)) since[kind].set(tile, now);
        window.watch[kind] = Math.max(window.watch[kind], now - since[kind].get(tile));
      }
      for (const tile of since[kind].keys()) if (!seen[kind].has(tile)) since[kind].delete(tile);
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
};
window.stopWatching = () => { window.watch.on = false; return window.watch; };
window.thumbnailsShown = () => {
  const tiles = [...document.querySelectorAll(".photo")].filter((tile) => {
    const {top, bottom} = tile.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  });
  return tiles.length > 0 && tiles.every((tile) => tile.matches(".loaded, .broken"));
};
"""

# Scrolls at a speed, in screens a second, for some seconds; a screen and a half each frame is as fast as a wheel can be turned.
SCROLL = """async ([speed, seconds]) => {
  const end = performance.now() + 1000 * seconds;
  let last = performance.now();
  window.startWatching();
  await new Promise((done) => {
    const step = (now) => {
      scrollBy({top: speed * innerHeight * (now - last) / 1000, behavior: "instant"});
      last = now;
      if (now < end) requestAnimationFrame(step); else done();
    };
    requestAnimationFrame(step);
  });
  for (let wait = 0; wait < 200 && !window.thumbnailsShown(); wait++) await new Promise((done) => setTimeout(done, 25));
  return window.stopWatching();
}"""

JUMPS = """async () => {
  window.startWatching();
  const range = document.documentElement.scrollHeight - innerHeight;
  for (const share of [0.5, 0.9, 0.1, 0.7, 0.3]) {
    scrollTo({top: share * range, behavior: "instant"});
    await new Promise((done) => setTimeout(done, 400));
  }
  return window.stopWatching();
}"""

# Types a letter as a keyboard does, and waits until other photos are there: first their cards, then their thumbnails.
TYPE = """async (letter) => {
  const input = document.querySelector("#query");
  const {photos} = await import("/static/photos.js");
  const start = performance.now();
  const painted = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const shown = new Promise((done) => photos.addEventListener("shown", done, {once: true}));
  input.value += letter;
  input.dispatchEvent(new InputEvent("input", {bubbles: true}));
  await shown;
  await painted();
  const cards = performance.now() - start;
  for (let wait = 0; wait < 200 && !window.thumbnailsShown(); wait++) await new Promise((done) => setTimeout(done, 5));
  return [cards, performance.now() - start];
}"""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, help="a folder for the photos; it is made if it does not exist")
    parser.add_argument("--photos", type=int, default=10_000, help="default: %(default)s")
    parser.add_argument("--runs", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=2.0, help="of scrolling at each speed (default: %(default)s)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        library = options.library or Path(temporary, "library")
        index = library / ".clipsearch" if library.exists() else make_library(library, options.photos)
        runs = [measured(index, Path(temporary, f"cache-{number}"), options.seconds) for number in range(options.runs)]
    figures = {name: median(run[name] for run in runs) for name in LIMITS}
    if options.json:
        print(json.dumps({"machine": machine(), "runs": runs, "medians": figures}))
        return
    print(f"{machine()}, load {os.getloadavg()[0]:.1f}; medians of {options.runs} runs")
    for name, value in figures.items():
        limit = LIMITS[name]
        verdict = "" if limit is None else f"   at most {limit:g}: {'yes' if value <= limit else 'NO'}"
        print(f"{name:36}{value:9.3g}{verdict}" if value < 1 else f"{name:36}{value:9,.0f}{verdict}")


def measured(index: Path, cache: Path, seconds: float) -> dict[str, float]:
    """One run: a server without thumbnails, and a browser without a cache."""
    from playwright.sync_api import sync_playwright

    with serving(index, cache) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("chromium-browser"), args=list(FLAGS)
        )
        figures: dict[str, float] = {}
        page = opened(browser, address, figures, "cold")
        cold = [page.evaluate(SCROLL, [speed, seconds]) for speed in (3, 40)]
        figures["blank tile, cold (ms)"] = max(watch["blank"] for watch in cold)
        figures["blurred tile, cold (ms)"] = max(watch["blurred"] for watch in cold)
        jumped = page.evaluate(JUMPS)
        figures["blank tile after jumps (ms)"] = jumped["blank"]
        page.evaluate("scrollTo({top: 0, behavior: 'instant'})")
        page.wait_for_function("() => window.thumbnailsShown()")
        warm = [page.evaluate(SCROLL, [speed, seconds]) for speed in (3, 40)]
        figures["blank tile, warm (ms)"] = max(watch["blank"] for watch in warm)
        figures["blurred tile, warm (ms)"] = max(watch["blurred"] for watch in warm)
        frames = [frame for watch in warm for frame in watch["frames"][1:]]
        figures["longest frame, scrolling warm (ms)"] = max(frames)
        figures["frames over 50 ms, warm"] = sum(frame > 50 for frame in frames)
        page.close()
        page = opened(browser, address, figures, "warm")
        page.wait_for_timeout(500)
        page.focus("#query")
        before = page.evaluate("window.watch.shift")
        times = [page.evaluate(TYPE, letter) for letter in letters(WORDS[0])]
        figures["layout shift while typing"] = round(page.evaluate("window.watch.shift") - before, 4)
        for words in WORDS[1:]:
            page.evaluate("document.querySelector('#query').value = ''")
            times += [page.evaluate(TYPE, letter) for letter in letters(words)]
        figures["key to photos (ms)"] = median(cards for cards, _ in times)
        figures["key to thumbnails (ms)"] = median(thumbnails for _, thumbnails in times)
        browser.close()
    return figures


def letters(words: str) -> list[str]:
    """What is typed at once: a space, which changes nothing yet, with the letter after it."""
    return [
        f" {letter}" if before == " " else letter
        for before, letter in zip("x" + words, words, strict=False)
        if letter != " "
    ]


def opened(browser: Any, address: str, figures: dict[str, float], kind: str) -> Any:
    """A new page that shows the newest photos. Adds how many requests it took, and when the largest photo was painted."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.add_init_script(WATCH)
    page.goto(address)
    page.wait_for_function("() => window.thumbnailsShown()")
    page.wait_for_timeout(1000)
    figures[f"first photos, {kind} (ms)"] = page.evaluate("window.watch.paint")
    figures["requests"] = sum(not url.startswith("blob:") for url in requests)
    return page


@contextmanager
def serving(index: Path, cache: Path) -> Iterator[str]:
    """Run `clipsearch serve` with an empty cache; its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "clipsearch", "serve", "--index", str(index), "--no-open", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "XDG_CACHE_HOME": str(cache)},
    )
    try:
        assert process.stdout
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
