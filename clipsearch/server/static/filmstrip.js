/** The photos around the one in the viewer, as a strip of small pictures under it. */

import { thumbnailUrl } from "./api.js";
import { element } from "./dom.js";
import { day, photoTitle, placeIn } from "./format.js";

/** @typedef {import("./api.js").Photo} Photo */

const REACH = 24; // pictures before and after the current one; more come when the strip is scrolled to one of its ends

export class Filmstrip {
  /** @type {Photo[]} */
  #photos = [];
  #first = 0; // the part of the photos that the strip has
  #end = 0;
  #current = -1;
  #total = 0;
  #open;

  /** @param {(photo: Photo) => void} open */
  constructor(open) {
    this.#open = open;
    this.element = element("div", { class: "filmstrip", role: "group", "aria-label": "Photos around this one", onscroll: () => this.#extend() });
  }

  /**
   * @param {Photo[]} photos in the order of the rows @param {Photo} photo the one that is shown; without it among them, the strip is hidden
   * @param {number} total how many photos there are, also those that are not loaded
   */
  show(photos, photo, total) {
    const index = photos.findIndex((other) => other?.id === photo.id);
    this.element.hidden = index < 0 || photos.length < 2;
    if (this.element.hidden) return;
    const hadFocus = this.element.contains(document.activeElement);
    const isSame = index >= this.#first && index < this.#end && this.#photos.slice(this.#first, this.#end).every(({ id }, i) => photos[this.#first + i]?.id === id);
    const wasNear = Math.abs(index - this.#current) === 1;
    this.#photos = photos;
    this.#current = index;
    this.#total = total;
    if (!isSame) {
      this.element.replaceChildren();
      this.#first = this.#end = index;
    }
    this.#render(Math.max(0, Math.min(this.#first, index - REACH)), Math.min(photos.length, Math.max(this.#end, index + REACH + 1)));
    for (const old of this.element.querySelectorAll("[aria-current]")) {
      old.removeAttribute("aria-current");
      old.setAttribute("tabindex", "-1");
    }
    const button = /** @type {HTMLElement} */ (this.element.children[index - this.#first]);
    button.setAttribute("aria-current", "true");
    button.setAttribute("tabindex", "0");
    if (hadFocus) button.focus({ preventScroll: true });
    const left = button.offsetLeft + button.offsetWidth / 2 - this.element.clientWidth / 2;
    this.element.scrollTo({ left, behavior: isSame && wasNear ? "smooth" : "instant" });
  }

  /** Make the strip have the photos from one position to another, by adding to what it has. @param {number} first @param {number} end */
  #render(first, end) {
    const before = this.#photos.slice(first, this.#first).map((photo, i) => this.#button(photo, first + i));
    if (before.length) {
      const width = this.element.scrollWidth;
      this.element.prepend(...before);
      this.element.scrollLeft += this.element.scrollWidth - width; // what is seen stays where it is
    }
    this.element.append(...this.#photos.slice(this.#end, end).map((photo, i) => this.#button(photo, this.#end + i)));
    this.#first = first;
    this.#end = end;
  }

  #extend() {
    const { scrollLeft, scrollWidth, clientWidth } = this.element;
    if (this.#first > 0 && scrollLeft < clientWidth / 2) this.#render(Math.max(0, this.#first - REACH), this.#end);
    else if (this.#end < this.#photos.length && scrollWidth - scrollLeft < clientWidth * 1.5) this.#render(this.#first, Math.min(this.#photos.length, this.#end + REACH));
  }

  /** @param {Photo} photo @param {number} index */
  #button(photo, index) {
    const title = (photo.sketch ? "Photo" : `${photoTitle(photo)},`) + ` ${placeIn(index, this.#total)}` + (photo.taken_at ? `, ${day(photo.taken_at)}` : "");
    return element("button", { type: "button", tabindex: "-1", "aria-label": title, title, onclick: () => this.#open(photo) },
      element("img", { src: thumbnailUrl(photo.id, 256), alt: "", loading: "lazy", decoding: "async" }));
  }
}
