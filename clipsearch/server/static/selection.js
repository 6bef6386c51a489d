/** The selected photos, and the bar with what can be done with them. */

import { byId } from "./dom.js";
import { count, counted, countedPhotos } from "./format.js";
import { announce } from "./messages.js";
import { whole } from "./outline.js";
import { endByBack } from "./state.js";

/** @typedef {import("./api.js").Photo} Photo */

/** Fires "change" when the selection changes. */
export const selection = new (class extends EventTarget {
  /** @type {Map<number, Photo>} in the order of selecting */
  #chosen = new Map();
  #started = false; // by the button, before a photo is selected

  /** Whether a tap selects. */
  get isActive() {
    return this.#started || this.size > 0;
  }

  /** Let taps select, although nothing is selected yet. */
  start() {
    this.#started = true;
    this.dispatchEvent(new Event("change"));
  }

  get size() {
    return this.#chosen.size;
  }

  /** @returns {Photo[]} */
  get photos() {
    return [...this.#chosen.values()];
  }

  /** @param {Photo} photo */
  has(photo) {
    return this.#chosen.has(photo.id);
  }

  /** @param {Photo} photo */
  toggle(photo) {
    if (!this.#chosen.delete(photo.id)) this.#chosen.set(photo.id, photo);
    this.dispatchEvent(new Event("change"));
  }

  /** @param {Photo[]} photos */
  add(photos) {
    for (const photo of photos) this.#chosen.set(photo.id, photo);
    this.dispatchEvent(new Event("change"));
  }

  /** @param {Photo[]} photos */
  remove(photos) {
    for (const photo of photos) this.#chosen.delete(photo.id);
    this.dispatchEvent(new Event("change"));
  }

  /** Put other photos in the places of some, by their ids; those with none in their place leave. @param {Map<number, Photo | null>} successors */
  replace(successors) {
    this.set(this.photos.flatMap((photo) => (successors.has(photo.id) ? successors.get(photo.id) ?? [] : photo)));
  }

  /** Select these and no others. @param {Photo[]} photos */
  set(photos) {
    this.#chosen = new Map(photos.map((photo) => [photo.id, photo]));
    this.dispatchEvent(new Event("change"));
  }

  clear() {
    this.#started = false;
    this.#chosen.clear();
    this.dispatchEvent(new Event("change"));
  }
})();

export function setUpSelectionBar() {
  const bar = byId("selection");
  /** Messages lie above the bar, and the page ends above it. */
  new ResizeObserver(() => {
    const height = bar.hidden ? 0 : bar.offsetHeight + parseFloat(getComputedStyle(bar).bottom);
    document.documentElement.style.setProperty("--selection-bar", `${height}px`);
  }).observe(bar);
  selection.addEventListener("change", endByBack(() => selection.isActive, () => selection.clear()));
  selection.addEventListener("change", () => {
    bar.hidden = !selection.isActive;
    document.documentElement.classList.toggle("selecting", selection.isActive);
    for (const act of ["copy", "album", "download"]) byId(`selection-${act}`).disabled = !selection.size;
    byId("selection-count").textContent = `${countedPhotos(selection.photos)} selected`;
  });
  byId("selection-clear").addEventListener("click", () => selection.clear());
  byId("selection-copy").addEventListener("click", async () => {
    const { copyText } = await import("./clipboard.js");
    const paths = new Set((await whole(selection.photos)).map((photo) => photo.path));
    announce(await copyText([...paths].join("\n")) ? `${counted(paths.size, "path")} copied.` : "The browser does not allow copying here.");
  });
  byId("selection-album").addEventListener("click", async () => {
    const { openAlbumChooser } = await import("./albums-panel.js");
    openAlbumChooser(selection.photos);
  });
  byId("selection-download").addEventListener("click", async () => {
    const { openDownloadPanel } = await import("./download-panel.js");
    openDownloadPanel(await whole(selection.photos));
  });
}

/**
 * Say how many of the selected photos are not on the screen, and show them if that is wanted.
 * @param {import("./grid.js").Grid} grid @param {EventTarget} list of photos; it fires "shown"
 */
export function setUpSelectedElsewhere(grid, list) {
  const away = byId("selection-away");
  let waiting = 0;
  const elsewhere = () => {
    const here = new Set(grid.onScreen.map((photo) => photo.id));
    return selection.photos.filter((photo) => !here.has(photo.id));
  };
  const update = () => {
    waiting ||= requestAnimationFrame(() => {
      waiting = 0;
      if (!selection.isActive) return;
      const number = elsewhere().length;
      away.hidden = number === 0;
      away.textContent = `${count(number)} not on the screen`;
    });
  };
  selection.addEventListener("change", update);
  for (const event of ["scroll", "resize"]) addEventListener(event, update, { passive: true });
  list.addEventListener("shown", update);
  new ResizeObserver(update).observe(document.body); // more or larger photos, or what opens above them
  away.addEventListener("click", async () => {
    const { openSelectionPanel } = await import("./selection-panel.js");
    openSelectionPanel(elsewhere(), grid);
  });
}
