/** The rows of photos. Only those near the screen are in the document, so a long list costs as little as a short one. */

import { albums, FAVOURITES } from "./albums.js";
import { drawCard, makeCard, placeCard, showThumbnail, thumbnailSize } from "./photo-card.js";
import { drawHeading, makeHeading } from "./grid-heading.js";
import { headerEdge } from "./keep-place.js";
import { isMarked } from "./marks.js";
import { layOut, rowAt } from "./row-layout.js";
import { selection } from "./selection.js";
import { thumbnails } from "./thumbnails.js";

/** @typedef {import("./api.js").Photo} Photo */
/** @typedef {import("./photo-card.js").Card} Card */

const GAP = 6;
const HEADING = 3; // rem, as photos.css has it
const AHEAD = 1; // screens above and below that are ready
const NEW_CARDS = 12; // that a frame makes ready; those on the screen all come at once
const FAST = 15; // screens a second from which on nobody sees a photo: thumbnails wait until it is slower
const FAR = 0.3; // screens of a frame that are not fast whatever the speed, since slow computers draw few frames

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
  /** @type {Map<number, HTMLElement>} by the first photo below them: each as high as its photos, and the heading sticks to the screen's top inside */
  #headings = new Map();
  #total = 0;
  #isOpen = false;
  #withPicks = false;
  #heading = 0; // pixels
  #header = 0; // the page's, in pixels
  #waiting = 0;
  #width = 0;
  #last = { top: 0, time: 0, isDown: true }; // where the screen was in the frame before

  /**
   * @param {HTMLElement} room
   * @param {{open: (index: number) => void, pick: (index: number, event: MouseEvent) => void, similar: (photo: Photo) => void,
   *   favourite: (photo: Photo) => void, mark: (photo: Photo, mark: "right" | "wrong") => void, nearEnd: () => void, near: (photos: Photo[]) => void,
   *   laidOut: () => void}} acts `near` gets the photos near the screen, the nearest first
   */
  constructor(room, acts) {
    this.#room = room;
    this.#acts = acts;
    new ResizeObserver(() => this.#resized()).observe(room);
    addEventListener("scroll", () => this.#soon(), { passive: true });
    addEventListener("resize", () => this.#soon(), { passive: true });
    for (const changing of [selection, albums]) changing.addEventListener("change", () => this.#redraw());
    const header = /** @type {HTMLElement} */ (document.querySelector("header"));
    new ResizeObserver(() => {
      this.#header = header.offsetHeight;
      document.documentElement.style.setProperty("--header", `${this.#header}px`);
    }).observe(header);
  }

  /**
   * Show photos; cards of those that were there before stay, and move.
   * @param {Photo[]} photos @param {(string | null)[]} groups
   * @param {{total?: number, isMore?: boolean, isOpen?: boolean, withPicks?: boolean}} [options] how many there will be in all;
   *   whether the first are those of before; whether more will follow; whether headings have a button that selects their photos
   */
  show(photos, groups, { total = photos.length, isMore = false, isOpen = false, withPicks = false } = {}) {
    this.photos = photos;
    this.#groups = groups;
    this.#total = total;
    this.#isOpen = isOpen;
    this.#withPicks = withPicks;
    if (!isMore) this.current = this.anchor = 0;
    if (isMore) this.#keepingPlace(() => this.#layOut());
    else this.#layOut();
  }

  /** Draw photos again, since more is known of them now. @param {Photo[]} photos as many as before, in the same places */
  redraw(photos) {
    this.photos = photos;
    this.#redraw();
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
    }
    this.#redraw();
  }

  /** Whether the keyboard is at one of the photos. */
  get hasFocus() {
    return this.#room.contains(document.activeElement);
  }

  /** The photo that the keyboard is at, unless it is at a heading or elsewhere. @returns {Photo | undefined} */
  get focused() {
    return this.hasFocus && document.activeElement?.closest(".photo") ? this.photos[this.current] : undefined;
  }

  /** The index of a card; -1 if it is gone. @param {Element} element */
  indexOf(element) {
    return [...this.#cards.values()].find(({ card }) => card.element === element)?.index ?? -1;
  }

  /** The photo at a point of the window, or nearest to it; -1 if there are none. @param {number} x @param {number} y pixels */
  indexAt(x, y) {
    const { rows, boxes } = this.layout;
    const room = this.#room.getBoundingClientRect();
    const row = rows[Math.min(rowAt(rows, y - room.top), rows.length - 1)];
    if (!row) return -1;
    let index = row.first;
    while (index + 1 < row.end && boxes[index].left + boxes[index].width < x - room.left) index++;
    return index;
  }

  /** The photos that are on the screen, at least by a part. */
  get onScreen() {
    const { rows } = this.layout;
    const top = scrollY - this.top;
    const [first, last] = [rows[rowAt(rows, top + headerEdge())], rows[Math.min(rowAt(rows, top + innerHeight), rows.length - 1)]];
    if (!first || !last) return [];
    return this.photos.slice(first.first, last.top < top + innerHeight ? last.end : last.first).filter(Boolean);
  }

  /** The photo at the top of the screen, its distance from the window's top in pixels, and the photo that the keyboard is at; null without photos. */
  get place() {
    const [photo] = this.onScreen;
    return photo ? { id: photo.id, below: this.top + this.layout.boxes[this.photos.indexOf(photo)].top - scrollY, focused: this.focused?.id } : null;
  }

  /** Scroll a photo to where it was, if it is still there. @param {{id: number, below: number}} place */
  returnTo({ id, below }) {
    const index = this.photos.findIndex((photo) => photo?.id === id);
    if (index >= 0) scrollTo({ top: this.top + this.layout.boxes[index].top - below, behavior: "instant" });
  }

  /** Where the first row begins in the page, in pixels. */
  get top() {
    return this.#room.getBoundingClientRect().top + scrollY;
  }

  #layOut() {
    this.#width = this.#room.clientWidth;
    const rowHeight = (100 + 0.075 * this.#width) * this.scale;
    const heading = (this.#heading = HEADING * parseFloat(getComputedStyle(document.documentElement).fontSize));
    this.layout = layOut(this.photos, this.#groups, { width: this.#width, rowHeight, gap: GAP, heading }, { isOpen: this.#isOpen });
    this.#room.style.height = `${this.layout.height}px`;
    this.#render({ isFirst: true });
    this.#acts.laidOut();
  }

  #resized() {
    if (document.querySelector(".viewer:modal")) return; // the page is a little wider without its scroll bar, but it is hidden now
    if (this.#room.clientWidth !== this.#width) this.#keepingPlace(() => this.#layOut());
  }

  /** Lay out anew, with the photo at the top of the screen staying there. @param {() => void} change */
  #keepingPlace(change) {
    const row = this.layout.rows[rowAt(this.layout.rows, scrollY - this.top)];
    const before = row && this.layout.boxes[row.first].top;
    change();
    const wasBelow = row && scrollY > this.top;
    if (wasBelow) scrollBy({ top: this.layout.boxes[row.first].top - before, behavior: "instant" });
  }

  #soon() {
    this.#waiting ||= requestAnimationFrame(() => {
      this.#waiting = 0;
      this.#render();
    });
  }

  /**
   * Add the cards on the screen to the document, a few of those near it, and remove the others. The rest near it follows in the
   * next frames, so that none takes long.
   * @param {{isFirst?: boolean}} [options] whether these photos have just come: those on the screen are drawn alone then
   */
  #render({ isFirst = false } = {}) {
    const { boxes } = this.layout;
    const top = scrollY - this.top;
    const isFast = this.#isFast(top);
    const wanted = new Set(this.#between(top, top + innerHeight));
    const ahead = innerHeight * AHEAD;
    const below = this.#between(top + innerHeight, top + innerHeight + ahead);
    const above = this.#between(top - ahead, top).reverse();
    let most = isFirst || isFast ? 0 : NEW_CARDS;
    let isRest = false;
    const near = new Set([...wanted, ...(this.#last.isDown ? [...below, ...above] : [...above, ...below])]);
    for (const index of near) {
      if (wanted.has(index)) continue;
      if (this.#cards.has(this.photos[index].id) || most-- > 0) wanted.add(index);
      else isRest = true;
    }
    if (isRest && isFirst) requestAnimationFrame(() => this.#soon()); // not in the frame that shows these
    else if (isRest) this.#soon();
    if (this.hasFocus && this.current < boxes.length) wanted.add(this.current); // or the keyboard would lose its place
    const ids = new Set([...wanted].map((i) => this.photos[i].id));
    for (const [id, { card }] of this.#cards) {
      if (!ids.has(id)) {
        card.element.remove();
        this.#cards.delete(id);
      }
    }
    const headings = this.#headingsOf(wanted, top + this.#header);
    /** @type {Element | null} */
    let before = null; // from last to first, and moving only what is out of place, since a moved element loses the focus
    for (const index of [...wanted].sort((a, b) => b - a)) {
      for (const node of [this.#place(index).element, headings.get(index)]) {
        if (!node) continue;
        if (node.nextElementSibling !== before || node.parentNode !== this.#room) this.#room.insertBefore(node, before);
        before = node;
      }
    }
    if (isFast) thumbnails.want([]);
    else this.#fill([...near], top);
    if (top + innerHeight * 3 > this.layout.height && boxes.length) this.#acts.nearEnd();
  }

  /** The photos whose rows are at least partly between two heights, by their indexes. @param {number} top @param {number} bottom */
  #between(top, bottom) {
    const { rows, boxes } = this.layout;
    const first = rows[rowAt(rows, top)]?.first ?? boxes.length;
    const end = rows[rowAt(rows, bottom)]?.end ?? boxes.length;
    return Array.from({ length: end - first }, (_, i) => first + i);
  }

  /** Whether the screen moves so fast that nobody sees a photo. @param {number} top of the screen now */
  #isFast(top) {
    const time = performance.now();
    const moved = (top - this.#last.top) / innerHeight;
    const seconds = (time - this.#last.time) / 1000;
    const isDown = moved ? moved > 0 : this.#last.isDown;
    this.#last = { top, time, isDown };
    return Math.abs(moved) > FAR && Math.abs(moved) > FAST * seconds;
  }

  /**
   * Ask for the thumbnails and for what is known of the photos, those nearest to the middle of the screen first, also of those
   * whose cards come in the next frames.
   * @param {number[]} indexes @param {number} screen where the screen begins
   */
  #fill(indexes, screen) {
    const middle = screen + innerHeight / 2;
    const away = (/** @type {number} */ index) => Math.abs(this.layout.boxes[index].top + this.layout.boxes[index].height / 2 - middle);
    const nearest = indexes.map((index) => ({ index, away: away(index) })).sort((a, b) => a.away - b.away);
    thumbnails.want(nearest.flatMap(({ index }) => {
      const photo = this.photos[index];
      const card = this.#cards.get(photo.id)?.card;
      const size = card ? card.wanted : thumbnailSize(photo, this.layout.boxes[index]);
      if (card && card.size >= size) return [];
      const { top, height } = this.layout.boxes[index];
      const isOnScreen = top + height > screen && top < screen + innerHeight;
      return [{ id: photo.id, size, isOnScreen, show: (/** @type {string | null} */ url) => card && showThumbnail(card, size, url) }];
    }));
    this.#acts.near(nearest.map(({ index }) => this.photos[index]));
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
        favourite: () => this.#acts.favourite(photo),
        mark: (mark) => this.#acts.mark(this.photos[this.#indexOf(photo)] ?? photo, mark),
      });
      entry = { card, index, place: "" };
      this.#cards.set(photo.id, entry);
    }
    entry.index = index;
    const { left, top, width, height } = this.layout.boxes[index];
    const place = `${left} ${top} ${width} ${height}`;
    if (entry.place !== place) { // most do not move while the user scrolls
      entry.place = place;
      placeCard(entry.card, photo, this.layout.boxes[index]);
    }
    this.#draw(entry.card, index);
    return entry.card;
  }

  /** @param {Card} card @param {number} index */
  #draw(card, index) {
    const photo = this.photos[index];
    drawCard(card, {
      photo, index, total: this.#total, isPicked: selection.has(photo), isMarked: isMarked(photo, "right"),
      isFavourite: albums.has(FAVOURITES, photo), isCurrent: index === this.current,
    });
  }

  /** @param {Photo} photo */
  #indexOf(photo) {
    return this.#cards.get(photo.id)?.index ?? -1;
  }

  /** The headings above some photos, each in its place, by the first of these photos. @param {Set<number>} shown @param {number} edge the height at which they float over the photos */
  #headingsOf(shown, edge) {
    const { headings } = this.layout;
    /** @type {Map<number, HTMLElement>} */
    const found = new Map();
    const kept = new Set();
    let next = 0; // of the headings that are not yet passed
    for (const index of headings.length ? [...shown].sort((a, b) => a - b) : []) {
      while (next < headings.length && headings[next].first <= index) next++;
      if (!next || kept.has(headings[next - 1].first)) continue;
      const { first, top, height } = headings[next - 1];
      const node = this.#headings.get(first) ?? makeHeading((node) => this.#pickGroup(node));
      this.#drawHeading(node, headings[next - 1]);
      node.style.top = `${top}px`;
      node.style.height = `${height}px`;
      node.classList.toggle("floating", top < edge - 1);
      this.#headings.set(first, node);
      found.set(index, node);
      kept.add(first);
    }
    for (const [first, node] of this.#headings) {
      if (kept.has(first)) continue;
      node.remove();
      this.#headings.delete(first);
    }
    return found;
  }

  /** @param {HTMLElement} node @param {import("./row-layout.js").Heading} heading */
  #drawHeading(node, { text, first, end }) {
    const isWhole = !this.#isOpen || end < this.photos.length;
    drawHeading(node, text, this.#withPicks && isWhole ? { isPicked: this.photos.slice(first, end).every((photo) => selection.has(photo)) } : null);
  }

  /** Select the photos below a heading, also those that are not drawn; if all are, deselect them. @param {HTMLElement} node */
  #pickGroup(node) {
    const heading = this.layout.headings.find(({ first }) => this.#headings.get(first) === node);
    if (!heading) return;
    const those = this.photos.slice(heading.first, heading.end);
    if (those.every((photo) => selection.has(photo))) selection.remove(those);
    else selection.add(those);
    this.anchor = heading.first;
  }

  #redraw() {
    for (const { card, index } of this.#cards.values()) this.#draw(card, index);
    for (const heading of this.layout.headings) {
      const node = this.#headings.get(heading.first);
      if (node) this.#drawHeading(node, heading);
    }
  }

  /** Scroll only as far as is needed to see a photo below the header. @param {number} index */
  #scrollTo(index) {
    const box = this.layout.boxes[index];
    if (!box) return;
    const heading = this.layout.headings.length ? this.#heading : 0;
    const header = /** @type {HTMLElement} */ (document.querySelector("header")).offsetHeight + heading + GAP;
    const top = this.top + box.top;
    if (top < scrollY + header) scrollTo({ top: top - header, behavior: "instant" });
    else if (top + box.height > scrollY + innerHeight - GAP) scrollTo({ top: top + box.height - innerHeight + GAP, behavior: "instant" });
  }
}
