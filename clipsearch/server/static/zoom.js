/** Zooming and moving a photo in the viewer, and swiping to another. */

import { onGestures } from "./gestures.js";

const LARGEST_SMALL = 2.5; // a small photo is enlarged to at most so many times its own size
const NEAREST = 8;
const SWIPE = 70; // pixels; a fast swipe may be shorter
const FAST = 0.4; // pixels in a millisecond
const SHORTEST = 20; // pixels of a fast swipe
const STIFF = 0.3; // how far a photo follows the finger if there is no other one

const stillness = matchMedia("(prefers-reduced-motion: reduce)");

export class Zoom {
  #stage;
  #photo;
  #size = { width: 1, height: 1 };
  #fitted = { width: 1, height: 1 };
  #scale = 1;
  #x = 0;
  #y = 0;
  #since = 0; // when the finger came down
  #acts;

  /**
   * @param {HTMLElement} stage @param {HTMLElement} photo the element to zoom, in the middle of the stage
   * @param {object} acts
   * @param {(direction: -1 | 1 | 0) => boolean} acts.leads whether there is a photo in this direction; 0 is down
   * @param {(dx: number) => void} acts.drag a finger moves the whole photo by so many pixels
   * @param {() => void} acts.lift called after a swipe up
   * @param {(direction: -1 | 1 | 0) => void} acts.swipe called after a swipe to the next photo (1), to the previous one (-1), or down (0)
   */
  constructor(stage, photo, acts) {
    this.#stage = stage;
    this.#photo = photo;
    this.#acts = acts;
    stage.addEventListener("pointerdown", () => (this.#since = performance.now()));
    onGestures(stage, {
      pan: (dx, dy) => this.move(dx, dy),
      zoom: (factor, x, y) => this.by(factor, x - stage.clientWidth / 2, y - stage.clientHeight / 2),
      end: (_x, _y, moved, total) => moved && this.#swiped(total),
    });
    stage.addEventListener("dblclick", (event) => {
      if (event.target instanceof HTMLVideoElement) return;
      const box = stage.getBoundingClientRect();
      if (this.isNear) this.reset();
      else this.by(this.#ownScale(), event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2);
    });
    new ResizeObserver(() => this.#fit()).observe(stage);
  }

  get isNear() {
    return this.#scale > 1.001;
  }

  /** Another photo, of so many pixels. @param {number} width @param {number} height */
  start(width, height) {
    this.#size = { width, height };
    this.reset();
    this.#fit();
  }

  reset() {
    this.#scale = 1;
    this.#x = this.#y = 0;
    this.#apply();
  }

  /** Zoom around a point, in pixels from the middle of the stage. @param {number} factor */
  by(factor, x = 0, y = 0) {
    const before = this.#scale;
    this.#scale = Math.min(Math.max(before * factor, 1), Math.max(NEAREST, this.#ownScale()));
    const grown = this.#scale / before;
    this.#x = x - (x - this.#x) * grown;
    this.#y = y - (y - this.#y) * grown;
    this.#apply();
  }

  /** @param {number} dx pixels @param {number} dy */
  move(dx, dy) {
    this.#x += dx;
    this.#y += dy;
    this.#apply(!this.isNear);
  }

  /** The scale at which a pixel of the photo is a pixel of the screen; at least 2. */
  #ownScale() {
    return Math.max(this.#size.width / devicePixelRatio / this.#fitted.width, 2);
  }

  #fit() {
    const { clientWidth, clientHeight } = this.#stage;
    const { width, height } = this.#size;
    const scale = Math.min(clientWidth / width, clientHeight / height, LARGEST_SMALL);
    this.#fitted = { width: width * scale, height: height * scale };
    this.#photo.style.width = `${this.#fitted.width}px`;
    this.#photo.style.height = `${this.#fitted.height}px`;
    this.#apply();
  }

  /** @param {boolean} [freely] while a finger swipes, the photo may leave its place */
  #apply(freely = false) {
    if (!freely) {
      const beyond = (/** @type {number} */ length, /** @type {number} */ room) => Math.max(0, (length * this.#scale - room) / 2);
      const [x, y] = [beyond(this.#fitted.width, this.#stage.clientWidth), beyond(this.#fitted.height, this.#stage.clientHeight)];
      this.#x = Math.min(Math.max(this.#x, -x), x);
      this.#y = Math.min(Math.max(this.#y, -y), y);
    }
    const [x, y] = freely ? this.#shownAt() : [this.#x, this.#y];
    this.#photo.style.transform = `translate(-50%, -50%) translate(${x}px, ${y}px) scale(${this.#scale})`;
    this.#stage.classList.toggle("near", this.isNear);
    if (freely) this.#acts.drag(x);
  }

  /** Where a photo that is swiped is shown: it moves in one direction only, and little if nothing is there. */
  #shownAt() {
    if (Math.abs(this.#y) > Math.abs(this.#x)) return [0, this.#y > 0 ? this.#y : this.#y * STIFF];
    return [this.#acts.leads(this.#x < 0 ? 1 : -1) ? this.#x : this.#x * STIFF, 0];
  }

  /** @param {{dx: number, dy: number}} total */
  #swiped({ dx, dy }) {
    if (this.isNear) {
      this.#apply();
      return;
    }
    const speed = Math.hypot(dx, dy) / Math.max(1, performance.now() - this.#since);
    const least = speed > FAST ? SHORTEST : SWIPE;
    const sideways = Math.abs(dx) > Math.abs(dy);
    const direction = sideways ? (dx < 0 ? 1 : -1) : 0;
    if ((sideways ? Math.abs(dx) : dy) > least && this.#acts.leads(direction)) {
      this.#x = this.#y = 0;
      this.#acts.swipe(direction);
      return;
    }
    const from = this.#photo.style.transform;
    this.#apply();
    this.#acts.drag(0);
    if (!sideways && -dy > least) this.#acts.lift();
    if (!stillness.matches) this.#photo.animate([{ transform: from }, { transform: this.#photo.style.transform }], { duration: 160, easing: "ease-out" });
  }
}
