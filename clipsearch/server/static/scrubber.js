/** The strip in the page's right margin that goes to any month or day of a list in the order of dates: by pointer, touch and keyboard. */

import { dateUnits, DAY_LENGTH } from "./date-units.js";
import { byId, element } from "./dom.js";
import { dayOfYear, dayRange, month, shortMonth } from "./format.js";

/** @typedef {import("./api.js").Photo} Photo */
/** @typedef {import("./row-layout.js").Layout} Layout */
/** @typedef {{text: string, name: string, top: number}} Mark where a month or a day begins, in pixels from the first row; `name` is written on the strip */

const SCREENS = 3; // a shorter list needs no strip
const APART = 36; // pixels between two names
const LINGER = 1500; // milliseconds that the strip stays after the last scrolling, on a screen without a pointer

export class Scrubber {
  /** @type {Mark[]} */
  #marks = [];
  #top;
  #names = element("div", { class: "names", "aria-hidden": "true" });
  #thumb = element("div", { class: "thumb", "aria-hidden": "true" });
  #bubble = element("div", { class: "bubble", "aria-hidden": "true" });
  #strip = element(
    "div",
    { id: "scrubber", class: "scrubber", role: "slider", tabindex: "0", "aria-label": "Date", "aria-orientation": "vertical", "aria-valuemin": "0", hidden: true },
    this.#names, this.#thumb, this.#bubble,
  );
  #fading = 0;
  #waiting = 0;

  /** @param {() => number} top where the first row begins in the page, in pixels */
  constructor(top) {
    this.#top = top;
    byId("photos").after(this.#strip);
    this.#strip.addEventListener("pointerdown", (event) => this.#drag(event));
    this.#strip.addEventListener("keydown", (event) => this.#key(event));
    addEventListener("scroll", () => {
      if (this.#strip.hidden) return;
      this.#waiting ||= requestAnimationFrame(() => {
        this.#waiting = 0;
        this.#follow();
      });
    }, { passive: true });
    addEventListener("resize", () => this.#drawNames(), { passive: true });
  }

  /**
   * Show the months or days of these photos, or nothing if they are not in the order of dates.
   * @param {Photo[]} photos @param {Layout} layout @param {boolean} byDate
   */
  show(photos, { boxes, height }, byDate) {
    this.#marks = byDate && height > innerHeight * SCREENS ? marksOf(photos, boxes) : [];
    this.#strip.hidden = this.#marks.length < 2;
    const { classList } = document.documentElement;
    classList.toggle("strip-scrolls", !this.#strip.hidden && classList.contains("overlaid-bars"));
    if (this.#strip.hidden) return;
    this.#strip.setAttribute("aria-valuemax", String(this.#marks.length - 1));
    this.#drawNames();
    this.#follow();
  }

  /** How far the page can scroll. */
  get #range() {
    return Math.max(1, document.documentElement.scrollHeight - innerHeight);
  }

  /** The scroll position that shows a mark's first row below the header. @param {Mark} mark */
  #scrollOf({ top }) {
    return Math.min(this.#range, Math.max(0, this.#top() + top - this.#strip.getBoundingClientRect().top));
  }

  /** The mark at the top of the screen. */
  get #current() {
    if (scrollY >= this.#range - 1) return this.#marks.length - 1;
    const y = scrollY - this.#top() + this.#strip.getBoundingClientRect().top + 1;
    let low = 0;
    let high = this.#marks.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#marks[middle].top <= y) low = middle;
      else high = middle;
    }
    return low;
  }

  #follow() {
    const share = Math.min(1, scrollY / this.#range);
    const current = this.#current;
    const { text } = this.#marks[current];
    const y = share * (this.#strip.clientHeight - this.#thumb.offsetHeight);
    this.#thumb.style.transform = `translateY(${y}px)`;
    this.#bubble.style.transform = `translateY(${Math.max(0, y)}px)`;
    this.#bubble.textContent = text;
    this.#strip.setAttribute("aria-valuenow", String(current));
    this.#strip.setAttribute("aria-valuetext", text);
    this.#strip.classList.add("moving");
    clearTimeout(this.#fading);
    this.#fading = setTimeout(() => this.#strip.classList.remove("moving"), LINGER);
  }

  #drawNames() {
    if (this.#strip.hidden) return;
    const room = this.#strip.clientHeight - APART / 2;
    let last = -APART;
    let written = "";
    const names = [];
    for (const mark of this.#marks) {
      const y = (this.#scrollOf(mark) / this.#range) * room;
      if (!mark.name || mark.name === written || y - last < APART) continue;
      written = mark.name;
      last = y;
      const name = element("span", {}, written);
      name.style.top = `${y}px`;
      names.push(name);
    }
    this.#names.replaceChildren(...names);
  }

  /** @param {PointerEvent} down */
  #drag(down) {
    if (down.button !== 0) return; // the browser gives it the focus, without the ring of the keyboard
    this.#strip.setPointerCapture(down.pointerId);
    this.#strip.classList.add("dragging");
    const go = (/** @type {PointerEvent} */ { clientY }) => {
      const { top, height } = this.#strip.getBoundingClientRect();
      const thumb = this.#thumb.offsetHeight;
      const share = Math.min(1, Math.max(0, (clientY - top - thumb / 2) / (height - thumb)));
      scrollTo({ top: share * this.#range, behavior: "instant" });
    };
    const leaving = new AbortController();
    const end = () => {
      leaving.abort();
      this.#strip.classList.remove("dragging");
    };
    this.#strip.addEventListener("pointermove", go, { signal: leaving.signal });
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) this.#strip.addEventListener(name, end, { signal: leaving.signal });
    go(down);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const target = this.#destination(event.key);
    if (target === null) return;
    event.preventDefault();
    event.stopPropagation();
    scrollTo({ top: target === 0 ? 0 : this.#scrollOf(this.#marks[target]), behavior: "instant" });
  }

  /** The mark that a key leads to. @param {string} key @returns {number | null} */
  #destination(key) {
    const current = this.#current;
    const last = this.#marks.length - 1;
    const { name } = this.#marks[current];
    const isOther = (/** @type {Mark} */ mark) => mark.name !== name;
    switch (key) {
      case "ArrowDown": case "ArrowRight": return Math.min(last, current + 1);
      case "ArrowUp": case "ArrowLeft": return Math.max(0, current - 1);
      case "PageDown": return [...this.#marks.keys()].find((i) => i > current && isOther(this.#marks[i])) ?? last;
      case "PageUp": {
        const before = this.#marks.slice(0, current).findLast(isOther)?.name;
        return before === undefined ? 0 : this.#marks.findIndex((mark) => mark.name === before);
      }
      case "Home": return 0;
      case "End": return last;
      default: return null;
    }
  }
}

/** @param {Photo[]} photos @param {import("./row-layout.js").Box[]} boxes @returns {Mark[]} */
function marksOf(photos, boxes) {
  const unitOf = dateUnits(photos, false);
  /** @type {{unit: string, top: number}[]} */
  const found = [];
  photos.forEach(({ taken_at: takenAt }, i) => {
    const unit = unitOf(takenAt);
    if (unit !== found.at(-1)?.unit) found.push({ unit, top: boxes[i].top });
  });
  const nameOf = naming(found.map(({ unit }) => unit).filter(Boolean));
  return found.map(({ unit, top }) => ({
    text: !unit ? "No date" : unit.length === DAY_LENGTH ? dayRange(unit) : month(unit), name: unit && nameOf(unit), top,
  }));
}

/** What is written on the strip for a unit: its year; in a list of one year its month, and in one of one month its day. @param {string[]} units */
function naming(units) {
  const parts = (/** @type {number} */ length) => new Set(units.map((unit) => unit.slice(0, length))).size;
  if (parts(4) > 1) return (/** @type {string} */ unit) => unit.slice(0, 4);
  return parts(7) > 1 ? shortMonth : dayOfYear;
}
