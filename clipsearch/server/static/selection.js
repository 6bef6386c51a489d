/** The selected photos, and the bar with what can be done with them. */

import { byId } from "./dom.js";
import { counted } from "./format.js";
import { announce } from "./messages.js";

/** @typedef {import("./api.js").Photo} Photo */

/** Fires "change" when the selection changes. */
export const selection = new (class extends EventTarget {
  /** @type {Map<number, Photo>} in the order of selecting */
  #chosen = new Map();

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

  clear() {
    this.#chosen.clear();
    this.dispatchEvent(new Event("change"));
  }
})();

export function setUpSelectionBar() {
  const bar = byId("selection");
  selection.addEventListener("change", () => {
    bar.hidden = selection.size === 0;
    document.documentElement.classList.toggle("selecting", selection.size > 0);
    byId("selection-count").textContent = `${counted(selection.size)} selected`;
  });
  byId("selection-clear").addEventListener("click", () => selection.clear());
  byId("selection-copy").addEventListener("click", async () => {
    const { copyText } = await import("./clipboard.js");
    const copied = await copyText(selection.photos.map((photo) => photo.path).join("\n"));
    announce(copied ? `${counted(selection.size, "path")} copied.` : "The browser does not allow copying here.");
  });
  byId("selection-download").addEventListener("click", async () => {
    const { openDownloadPanel } = await import("./download-panel.js");
    openDownloadPanel(selection.photos);
  });
}
