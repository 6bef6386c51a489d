/** A swipe in the viewer: the photo beside follows the finger, and takes the place of the one that is shown. */

import { fileUrl, thumbnailUrl } from "./api.js";
import { element } from "./dom.js";
import { isFilm } from "./format.js";

/** @typedef {import("./api.js").Photo} Photo */

const GAP = 24; // pixels between two photos
const MILLISECONDS = 180;
const stillness = matchMedia("(prefers-reduced-motion: reduce)");

export class Swipe {
  #stage;
  #frame;
  #beside;
  #neighbour;
  #image = element("img", { class: "beside", alt: "", hidden: true, draggable: "false" });
  /** @type {Animation[]} */
  #running = [];

  /**
   * @param {HTMLElement} stage @param {HTMLElement} frame the photo that is shown, in the stage
   * @param {(direction: -1 | 1) => Photo | undefined} neighbour
   */
  constructor(stage, frame, neighbour) {
    this.#stage = stage;
    this.#frame = frame;
    this.#neighbour = neighbour;
    this.#beside = 0; // where the image stands at rest
    stage.append(this.#image);
  }

  /** Show the photo beside, as far as the one that is shown was moved away. @param {number} dx pixels */
  drag(dx) {
    const photo = dx ? this.#neighbour(dx < 0 ? 1 : -1) : undefined;
    this.#image.hidden = !photo;
    if (!photo) return;
    const source = isFilm(photo) ? thumbnailUrl(photo.id, 1024) : fileUrl(photo.id); // what the viewer has loaded ahead
    if (this.#image.getAttribute("src") !== source) this.#image.src = source;
    this.#beside = (dx < 0 ? 1 : -1) * (this.#stage.clientWidth + GAP);
    this.#image.style.transform = `translateX(${dx + this.#beside}px)`;
  }

  /**
   * Move the photo beside to the middle.
   * @param {-1 | 1} direction @returns {Promise<boolean>} false if another photo was shown meanwhile
   */
  async finish(direction) {
    if (stillness.matches) return true;
    const far = -direction * (this.#stage.clientWidth + GAP);
    /** @type {KeyframeAnimationOptions} */
    const options = { duration: MILLISECONDS, easing: "ease-out", fill: "forwards" };
    this.#running = [
      this.#frame.animate([{ transform: this.#frame.style.transform }, { transform: `translate(-50%, -50%) translate(${far}px)` }], options),
      this.#image.animate([{ transform: this.#image.style.transform }, { transform: "none" }], options),
    ];
    return await Promise.all(this.#running.map((animation) => animation.finished)).then(() => true, () => false);
  }

  /** Another photo is shown. What was swiped in covers it until it is loaded. @param {HTMLImageElement} [picture] */
  reset(picture) {
    const [frame, image] = this.#running;
    this.#running = [];
    frame?.cancel();
    const clear = () => {
      image?.cancel();
      this.#image.hidden = true;
    };
    if (image?.playState === "finished" && picture && !picture.complete) {
      for (const event of ["load", "error"]) picture.addEventListener(event, clear, { once: true });
    } else {
      clear();
    }
  }
}
