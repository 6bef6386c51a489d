"use strict";
// The page works without this script, which adds the keyboard, the larger view and copying.
(() => {
  const tiles = Array.from(document.querySelectorAll(".picture"));
  const view = document.getElementById("view");
  const help = document.getElementById("help");
  const at = (id) => document.getElementById(id);
  let current = 0;
  let viewed = 0; // the photo to focus when the larger view closes; browsers focus the one that it was opened from

  let steppingBack = false; // in the history, since what lay over the photos was closed

  // Show a dialog over the photos. Back in the history closes it, and does not leave the page.
  function cover(dialog) {
    dialog.showModal();
    if (!steppingBack && !isCovered()) history.pushState({ covered: true }, "");
  }

  const isCovered = () => Boolean(history.state && history.state.covered);

  function uncovered() {
    if (view.open || help.open || steppingBack || !isCovered()) return;
    steppingBack = true;
    history.back();
  }

  function steppedBack() {
    if (!steppingBack) {
      view.close();
      help.close();
    } else if (view.open || help.open) {
      history.pushState({ covered: true }, "");
    }
    steppingBack = false;
  }

  function choose(index, focus = true) {
    if (!tiles.length) return;
    tiles[current].tabIndex = -1;
    current = Math.max(0, Math.min(tiles.length - 1, index));
    tiles[current].tabIndex = 0;
    if (focus) tiles[current].focus({ preventScroll: true });
    if (focus) tiles[current].closest("li").scrollIntoView({ block: "nearest" });
  }

  // In the nearest row above (-1) or below (1), the photo whose middle is nearest to that of the current one.
  function neighbourRow(direction) {
    const here = tiles[current].getBoundingClientRect();
    const middle = here.left + here.width / 2;
    let best = current, bestRow = Infinity, bestAside = Infinity;
    tiles.forEach((tile, index) => {
      const box = tile.getBoundingClientRect();
      const row = direction * (box.top - here.top);
      if (row < 4) return;
      const aside = Math.abs(box.left + box.width / 2 - middle);
      if (row < bestRow - 4 || (row <= bestRow + 4 && aside < bestAside)) {
        best = index;
        bestRow = row;
        bestAside = aside;
      }
    });
    return best;
  }

  function show(index) {
    choose(index, false);
    viewed = current;
    const tile = tiles[current];
    const item = tile.closest("li");
    const picture = tile.querySelector("img, .missing").cloneNode(true);
    if (picture.matches("img")) picture.alt = item.querySelector(".name").textContent;
    at("picture").replaceChildren(picture);
    at("name").textContent = item.querySelector(".name").textContent;
    at("place").textContent = `${current + 1} / ${tiles.length}`;
    at("facts").replaceChildren(...Array.from(item.querySelector("dl").cloneNode(true).children));
    at("paths").hidden = !item.dataset.path; // a page for others does not say where the photos are
    at("absolute").textContent = item.dataset.path || "";
    at("relative").textContent = item.dataset.relative || "";
    at("relative-line").hidden = !item.dataset.relative;
    at("original").href = item.dataset.href || "";
    at("message").textContent = "";
    at("previous").disabled = current === 0;
    at("next").disabled = current === tiles.length - 1;
    if (!view.open) {
      cover(view);
      view.focus(); // not the first button, since the arrow keys are for the photos
    }
    at("panel").scrollTop = 0;
  }

  async function copy(id) {
    const text = at(id).textContent;
    let done = false;
    try {
      await navigator.clipboard.writeText(text);
      done = true;
    } catch {
      // some browsers give local files no clipboard; select the text and copy it
      const range = document.createRange();
      range.selectNodeContents(at(id));
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      done = document.execCommand("copy");
    }
    at("message").textContent = done ? "Copied." : "The path is selected; press Ctrl-C to copy it.";
  }

  const moves = {
    ArrowLeft: () => current - 1,
    ArrowRight: () => current + 1,
    Home: () => 0,
    End: () => tiles.length - 1,
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { key } = event;
    if (key === "?" && !help.open) {
      if (view.open) view.close();
      cover(help);
    } else if (help.open || !tiles.length) {
      return;
    } else if (view.open) {
      if (key in moves) show(moves[key]());
      else if (key === "c" && !at("paths").hidden) copy("absolute");
      else return;
    } else if (key in moves) choose(moves[key]());
    else if (key === "ArrowUp" || key === "ArrowDown") choose(neighbourRow(key === "ArrowUp" ? -1 : 1));
    else return;
    event.preventDefault();
  });

  // A row fills the width, the last one does not: make it as high as the row before, if it has room. Styles alone cannot know that height.
  function fitLastRows() {
    for (const list of document.querySelectorAll("main:not(.side-by-side) .photos")) {
      for (const item of list.querySelectorAll(".last")) item.classList.remove("last");
      const items = Array.from(list.children);
      let first = items.length - 1;
      while (first > 0 && items[first - 1].offsetTop === items[first].offsetTop) first--;
      const before = items[first - 1];
      if (!before) continue;
      const last = items.slice(first);
      const heightOf = (item) => item.querySelector(".picture").offsetHeight;
      const widths = last.map((item) => item.getBoundingClientRect().width);
      const room = list.clientWidth - (last.length - 1) * parseFloat(getComputedStyle(list).columnGap);
      const scale = Math.min(heightOf(before) / heightOf(last[0]), room / widths.reduce((sum, width) => sum + width));
      last.forEach((item, i) => {
        item.style.setProperty("--width", `${Math.floor(widths[i] * scale * 10) / 10}px`);
        item.classList.add("last");
      });
    }
  }

  let width = 0;
  new ResizeObserver(() => {
    if (innerWidth === width) return;
    width = innerWidth;
    fitLastRows();
  }).observe(document.documentElement);

  tiles.forEach((tile, index) => {
    tile.tabIndex = -1;
    tile.addEventListener("click", () => show(index));
    tile.addEventListener("focus", () => choose(index, false));
  });
  view.addEventListener("close", () => choose(viewed));
  for (const dialog of [view, help]) dialog.addEventListener("close", uncovered);
  addEventListener("popstate", steppedBack);
  at("picture").addEventListener("click", () => view.close());
  at("previous").addEventListener("click", () => show(current - 1));
  at("next").addEventListener("click", () => show(current + 1));
  at("close").addEventListener("click", () => view.close());
  at("copy-absolute").addEventListener("click", () => copy("absolute"));
  at("copy-relative").addEventListener("click", () => copy("relative"));
  at("open-help").addEventListener("click", () => cover(help));
  at("close-help").addEventListener("click", () => help.close());
  choose(0, false);
})();
