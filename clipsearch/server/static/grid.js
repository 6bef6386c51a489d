/** The rows of photos. Only those near the screen are in the document, so a long list costs as little as a short one. */

import { cardLabel, makeCard, placeCard, showAnswer } from "./photo-card.js";
import { element } from "./dom.js";
import { layOut, rowAt } from "./row-layout.js";
import { selection } from "./selection.js";

/** @typedef {import("./api.js").Photo} Photo */
/** @typedef {import("./photo-card.js").Card} Card */

const GAP = 6;
const HEADING = 3; // rem, as photos.css has it
const AHEAD = 1; // screens above and below that are ready

export class Grid {
  /** @type {Photo[]} */
  photos = [];
  /** @type {import("./row-layout.js").Layout} */
  layout = { boxes: [], rows: [], headings: [], height: 0 };
  current = 0; // the photo that the Tab key reaches
  anchor = 0; // the photo that was last selected, the start of a range
  scale = 1; // of the rows' height, set by the user
  #room;
  #acts;
  /** @type {(string | null)[]} */
  #groups = [];
  /** @type {Map<number, {card: Card, index: number, place: string}>} by the photo's id */
  #cards = new Map();
  /** @type {Map<number, HTMLElement>} by what they are the heading of */
  #headings = new Map();
  #total = 0;
  #waiting = 0;
  #width = 0;

  /**
   * @param {HTMLElement} room
   * @param {{open: (index: number) => void, pick: (index: number, event: MouseEvent) => void, similar: (photo: Photo) => void,
   *   mark: (photo: Photo, mark: "right" | "wrong") => void, nearEnd: () => void}} acts
   */
  constructor(room, acts) {
    this.#room = room;
    this.#acts = acts;
    new ResizeObserver(() => this.#resized()).observe(room);
    addEventListener("scroll", () => this.#soon(), { passive: true });
    addEventListener("resize", () => this.#soon(), { passive: true });
    selection.addEventListener("change", () => this.#showSelection());
  }

  /**
   * Show photos; cards of those that were there before stay, and move.
   * @param {Photo[]} photos @param {(string | null)[]} groups
   * @param {{total?: number, isMore?: boolean}} [options] how many there will be in all; whether the first are those of before
   */
  show(photos, groups, { total = photos.length, isMore = false } = {}) {
    this.photos = photos;
    this.#groups = groups;
    this.#total = total;
    if (!isMore) this.current = this.anchor = 0;
    this.#layOut();
  }

  /** @param {number} scale */
  rescale(scale) {
    this.scale = scale;
    this.#keepingPlace(() => this.#layOut());
  }

  /** Make a photo the one that the keyboard is at. @param {number} index @param {{focus?: boolean}} [options] */
  moveTo(index, { focus = true } = {}) {
    this.current = Math.max(0, Math.min(index, this.photos.length - 1));
    this.#resized();
    this.#scrollTo(this.current);
    this.#render();
    if (focus) this.#cards.get(this.photos[this.current]?.id)?.card.button.focus({ preventScroll: true });
  }

  /** The keyboard, or a tap, has come to a card. @param {Element} element */
  noteFocus(element) {
    for (const { card, index } of this.#cards.values()) {
      if (card.element === element) this.current = index;
      card.button.tabIndex = card.element === element ? 0 : -1;
    }
  }

  /** Whether the keyboard is at one of the photos. */
  get hasFocus() {
    return this.#room.contains(document.activeElement);
  }

  /** Where the first row begins in the page, in pixels. */
  get #top() {
    return this.#room.getBoundingClientRect().top + scrollY;
  }

  #layOut() {
    this.#width = this.#room.clientWidth;
    const rowHeight = (100 + 0.075 * this.#width) * this.scale;
    const heading = HEADING * parseFloat(getComputedStyle(document.documentElement).fontSize);
    this.layout = layOut(this.photos, this.#groups, { width: this.#width, rowHeight, gap: GAP, heading });
    this.#room.style.height = `${this.layout.height}px`;
    this.#render();
  }

  #resized() {
    if (document.querySelector(".viewer:modal")) return; // the page is a little wider without its scroll bar, but it is hidden now
    if (this.#room.clientWidth !== this.#width) this.#keepingPlace(() => this.#layOut());
  }

  /** Lay out anew, with the photo at the top of the screen staying there. @param {() => void} change */
  #keepingPlace(change) {
    const row = this.layout.rows[rowAt(this.layout.rows, scrollY - this.#top)];
    const before = row && this.layout.boxes[row.first].top;
    change();
    const wasBelow = row && scrollY > this.#top;
    if (wasBelow) scrollBy({ top: this.layout.boxes[row.first].top - before, behavior: "instant" });
  }

  #soon() {
    this.#waiting ||= requestAnimationFrame(() => {
      this.#waiting = 0;
      this.#render();
    });
  }

  /** Add the cards near the screen to the document, and remove the others. */
  #render() {
    const { rows, boxes } = this.layout;
    const top = scrollY - this.#top;
    const first = rows[rowAt(rows, top - innerHeight * AHEAD)]?.first ?? boxes.length;
    const last = rows[rowAt(rows, top + innerHeight * (1 + AHEAD))]?.end ?? boxes.length;
    const wanted = new Set();
    for (let i = first; i < last; i++) wanted.add(i);
    if (this.hasFocus && this.current < boxes.length) wanted.add(this.current); // or the keyboard would lose its place
    const ids = new Set([...wanted].map((i) => this.photos[i].id));
    for (const [id, { card }] of this.#cards) {
      if (!ids.has(id)) {
        card.element.remove();
        this.#cards.delete(id);
      }
    }
    const headings = this.#headingsOf(wanted);
    /** @type {Element | null} */
    let before = null; // from last to first, and moving only what is out of place, since a moved element loses the focus
    for (const index of [...wanted].sort((a, b) => b - a)) {
      for (const node of [this.#place(index).element, headings.get(index)]) {
        if (!node) continue;
        if (node.nextElementSibling !== before || node.parentNode !== this.#room) this.#room.insertBefore(node, before);
        before = node;
      }
    }
    if (top + innerHeight * 3 > this.layout.height && boxes.length) this.#acts.nearEnd();
  }

  /** The card of a photo, in its place. @param {number} index @returns {Card} */
  #place(index) {
    const photo = this.photos[index];
    let entry = this.#cards.get(photo.id);
    if (!entry) {
      const card = makeCard(photo, {
        open: () => this.#acts.open(this.#indexOf(photo)),
        pick: (event) => this.#acts.pick(this.#indexOf(photo), event),
        similar: () => this.#acts.similar(photo),
        mark: (mark) => this.#acts.mark(entry?.card.photo ?? photo, mark),
      });
      entry = { card, index, place: "" };
      this.#cards.set(photo.id, entry);
      this.#showPicked(card, photo);
    }
    if (entry.card.photo !== photo) {
      showAnswer(entry.card, photo);
      entry.place = "";
    }
    const { left, top, width, height } = this.layout.boxes[index];
    const place = `${index} ${this.#total} ${left} ${top} ${width} ${height}`;
    if (entry.place !== place) { // most do not move while the user scrolls
      entry.place = place;
      entry.index = index;
      placeCard(entry.card, photo, this.layout.boxes[index]);
      entry.card.button.setAttribute("aria-label", cardLabel(photo, index, this.#total));
    }
    if ((index === this.current) !== (entry.card.button.tabIndex === 0)) entry.card.button.tabIndex = index === this.current ? 0 : -1;
    return entry.card;
  }

  /** @param {Photo} photo */
  #indexOf(photo) {
    return this.#cards.get(photo.id)?.index ?? -1;
  }

  /** The headings of some photos, each in its place. @param {Set<number>} shown */
  #headingsOf(shown) {
    const wanted = this.layout.headings.filter(({ first }) => shown.has(first));
    for (const [first, heading] of this.#headings) {
      if (!wanted.some((one) => one.first === first)) {
        heading.remove();
        this.#headings.delete(first);
      }
    }
    for (const { first, top, text } of wanted) {
      const heading = this.#headings.get(first) ?? element("h2", { class: "group" });
      heading.textContent = text;
      heading.style.transform = `translateY(${top}px)`;
      this.#headings.set(first, heading);
    }
    return this.#headings;
  }

  #showSelection() {
    for (const { card, index } of this.#cards.values()) this.#showPicked(card, this.photos[index]);
  }

  /** @param {Card} card @param {Photo} photo */
  #showPicked(card, photo) {
    const picked = selection.has(photo);
    card.element.classList.toggle("picked", picked);
    card.pick.setAttribute("aria-pressed", String(picked));
  }

  /** Scroll only as far as is needed to see a photo below the header. @param {number} index */
  #scrollTo(index) {
    const box = this.layout.boxes[index];
    if (!box) return;
    const header = /** @type {HTMLElement} */ (document.querySelector("header")).offsetHeight + GAP;
    const top = this.#top + box.top;
    if (top < scrollY + header) scrollTo({ top: top - header, behavior: "instant" });
    else if (top + box.height > scrollY + innerHeight - GAP) scrollTo({ top: top + box.height - innerHeight + GAP, behavior: "instant" });
  }
}
