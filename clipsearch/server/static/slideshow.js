/** A slideshow in the viewer: one photo after the other fills the screen. A film plays to its end. */

import { element, iconButton } from "./dom.js";
import { announce } from "./messages.js";

const SECONDS = [3, 5, 10, 30];
const KEY = "clipsearch-slideshow"; // how many seconds a photo stays

export class Slideshow {
  #viewer;
  #room;
  #frame;
  #next;
  #running = false;
  #paused = false;
  #timer = 0;
  #fading = 0;
  /** @type {WakeLockSentinel | null} */
  #awake = null;
  #pause;
  #bar;

  /**
   * @param {HTMLElement} viewer gets the class "slideshow" @param {HTMLElement} room what fills the screen @param {HTMLElement} frame has the photo
   * @param {() => boolean} next shows the next photo; false if there is none
   */
  constructor(viewer, room, frame, next) {
    this.#viewer = viewer;
    this.#room = room;
    this.#frame = frame;
    this.#next = next;
    this.#pause = iconButton("pause", "Pause (space)", () => this.pause());
    const seconds = element("select", { "aria-label": "Seconds a photo stays", onchange: () => {
      localStorage.setItem(KEY, seconds.value);
      this.shown();
    } }, ...SECONDS.map((value) => element("option", { value: String(value), selected: value === this.#seconds }, `${value} s`)));
    this.#bar = element("div", { class: "slideshow-bar", hidden: true }, this.#pause, seconds, iconButton("close", "End the slideshow (Esc)", () => this.stop()));
    room.append(this.#bar);
    room.addEventListener("pointermove", () => this.#showBar());
    document.addEventListener("fullscreenchange", () => {
      if (!document.fullscreenElement) this.stop();
    });
  }

  get isRunning() {
    return this.#running;
  }

  get #seconds() {
    const kept = Number(localStorage.getItem(KEY));
    return SECONDS.includes(kept) ? kept : 5;
  }

  async start() {
    if (this.#running) return;
    this.#running = true;
    this.#bar.hidden = false;
    this.#viewer.classList.add("slideshow");
    this.#setPaused(false);
    this.#showBar();
    this.shown();
    await this.#room.requestFullscreen?.().catch(() => {}); // without it, the window is filled
    this.#awake = await navigator.wakeLock?.request("screen").catch(() => null) ?? null;
    if (!this.#running) this.#release();
  }

  stop() {
    if (!this.#running) return;
    this.#running = false;
    clearTimeout(this.#timer);
    this.#bar.hidden = true;
    this.#viewer.classList.remove("slideshow");
    this.#release();
  }

  pause() {
    this.#setPaused(!this.#paused);
    this.shown();
  }

  /** Another photo is shown: it stays as long as was chosen, from when it is loaded. */
  shown() {
    clearTimeout(this.#timer);
    if (!this.#running || this.#paused) return;
    const film = this.#frame.querySelector("video");
    const picture = /** @type {HTMLImageElement | null} */ (this.#frame.querySelector("img.full"));
    const still = (/** @type {Element | null} */ shown) => this.#running && !this.#paused && shown?.isConnected !== false;
    if (film) {
      film.addEventListener("ended", () => still(film) && this.#advance(), { once: true });
      film.play().catch(() => still(film) && this.#wait());
    } else if (picture && !picture.complete) {
      for (const event of ["load", "error"]) picture.addEventListener(event, () => still(picture) && this.#wait(), { once: true });
    } else {
      this.#wait();
    }
  }

  /** The bar and the pointer are seen while the pointer moves, and a little longer. */
  #showBar() {
    this.#bar.classList.add("awake");
    this.#viewer.classList.add("awake");
    clearTimeout(this.#fading);
    this.#fading = setTimeout(() => {
      this.#bar.classList.remove("awake");
      this.#viewer.classList.remove("awake");
    }, 2500);
  }

  #wait() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#advance(), this.#seconds * 1000);
  }

  #advance() {
    if (this.#next()) return; // the viewer calls `shown`
    this.stop();
    announce("That was the last photo.");
  }

  /** @param {boolean} paused */
  #setPaused(paused) {
    this.#paused = paused;
    const label = paused ? "Go on (space)" : "Pause (space)";
    this.#pause.querySelector("use")?.setAttribute("href", paused ? "#icon-play" : "#icon-pause");
    this.#pause.setAttribute("aria-label", label);
    this.#pause.title = label;
  }

  #release() {
    this.#awake?.release();
    this.#awake = null;
    if (document.fullscreenElement === this.#room) document.exitFullscreen().catch(() => {});
  }
}
