/** The strip at the right edge that goes to any month of a list in the order of dates: by pointer, touch and keyboard. */

import { byId, element } from "./dom.js";
import { month } from "./format.js";

/** @typedef {import("./api.js").Photo} Photo */
/** @typedef {import("./row-layout.js").Layout} Layout */
/** @typedef {{text: string, year: string, top: number}} Mark where a month begins, in pixels from the first row */

const SCREENS = 3; // a shorter list needs no strip
const APART = 36; // pixels between the names of two years
const LINGER = 1500; // milliseconds that the strip stays after the last scrolling, on a screen without a pointer

export class Scrubber {
  /** @type {Mark[]} */
  #marks = [];
  #top;
  #years = element("div", { class: "years", "aria-hidden": "true" });
  #thumb = element("div", { class: "thumb", "aria-hidden": "true" });
  #bubble = element("div", { class: "bubble", "aria-hidden": "true" });
  #strip = element(
    "div",
    { id: "scrubber", class: "scrubber", role: "slider", tabindex: "0", "aria-label": "Date", "aria-orientation": "vertical", "aria-valuemin": "0", hidden: true },
    this.#years, this.#thumb, this.#bubble,
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
    addEventListener("resize", () => this.#drawYears(), { passive: true });
  }

  /**
   * Show the months of these photos, or nothing if they are not in the order of dates.
   * @param {Photo[]} photos @param {Layout} layout @param {boolean} byDate
   */
  show(photos, { boxes, height }, byDate) {
    this.#marks = byDate && height > innerHeight * SCREENS ? marksOf(photos, boxes) : [];
    this.#strip.hidden = this.#marks.length < 2;
    if (this.#strip.hidden) return;
    this.#strip.setAttribute("aria-valuemax", String(this.#marks.length - 1));
    this.#drawYears();
    this.#follow();
  }

  /** How far the page can scroll. */
  get #range() {
    return Math.max(1, document.documentElement.scrollHeight - innerHeight);
  }

  /** The scroll position that shows a month's first row below the header. @param {Mark} mark */
  #scrollOf({ top }) {
    return Math.min(this.#range, Math.max(0, this.#top() + top - this.#strip.getBoundingClientRect().top));
  }

  /** The month at the top of the screen. */
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

  #drawYears() {
    if (this.#strip.hidden) return;
    const room = this.#strip.clientHeight - APART / 2;
    let last = -APART;
    let year = "";
    const names = [];
    for (const mark of this.#marks) {
      const y = (this.#scrollOf(mark) / this.#range) * room;
      if (!mark.year || mark.year === year || y - last < APART) continue;
      ({ year } = mark);
      last = y;
      const name = element("span", {}, year);
      name.style.top = `${y}px`;
      names.push(name);
    }
    this.#years.replaceChildren(...names);
  }

  /** @param {PointerEvent} down */
  #drag(down) {
    if (down.button !== 0) return;
    down.preventDefault();
    this.#strip.focus({ preventScroll: true });
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

  /** The month that a key leads to. @param {string} key @returns {number | null} */
  #destination(key) {
    const current = this.#current;
    const last = this.#marks.length - 1;
    const { year } = this.#marks[current];
    const isOther = (/** @type {Mark} */ mark) => mark.year !== year;
    switch (key) {
      case "ArrowDown": case "ArrowRight": return Math.min(last, current + 1);
      case "ArrowUp": case "ArrowLeft": return Math.max(0, current - 1);
      case "PageDown": return [...this.#marks.keys()].find((i) => i > current && isOther(this.#marks[i])) ?? last;
      case "PageUp": {
        const before = this.#marks.slice(0, current).findLast(isOther)?.year;
        return before === undefined ? 0 : this.#marks.findIndex((mark) => mark.year === before);
      }
      case "Home": return 0;
      case "End": return last;
      default: return null;
    }
  }
}

/** @param {Photo[]} photos @param {import("./row-layout.js").Box[]} boxes @returns {Mark[]} */
function marksOf(photos, boxes) {
  /** @type {Mark[]} */
  const marks = [];
  let last = null;
  for (let i = 0; i < photos.length; i++) {
    const key = photos[i].taken_at?.slice(0, 7) ?? "";
    if (key === last) continue;
    last = key;
    marks.push({ text: key ? month(key) : "No date", year: key.slice(0, 4), top: boxes[i].top });
  }
  return marks;
}
