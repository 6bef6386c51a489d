/** All photos of a list without a query: a sketch of each for the layout, and the photos themselves once they are near the screen. */

import { ask } from "./api.js";

/** @typedef {import("./api.js").Photo} Photo */
/** @typedef {{ids: number[], shapes: number[], days: [string | null, number][], colours: string, others: Record<string, number[]>, considered: number, favourites: number[]}} Outline */

const AT_ONCE = 100; // photos of a request; the server takes 200, with their shots' other files
const MOST_IDS = 200;
const PAUSE = 60; // milliseconds between two requests while the user scrolls fast
const AGAIN = 1000; // milliseconds until a failed request is sent again

/** Whether only the shape, the day and the colour of a photo are known. @param {Photo} photo */
export const isSketch = (photo) => photo.sketch !== undefined;

/**
 * A list with a place for every photo; those that are known already are kept.
 * @param {Outline} outline @param {Photo[]} known
 * @returns {Photo[]}
 */
export function sketches({ ids, shapes, days, colours, others }, known) {
  const byId = new Map(known.map((photo) => [photo.id, photo]));
  const taken = days.flatMap(([day, times]) => Array(times).fill(day));
  return ids.map((id, i) => byId.get(id) ?? {
    id, path: "", width: shapes[i] / 100, height: 1, format: "", size: 0, taken_at: taken[i], camera: null, gps: null, content_hash: "",
    sketch: { colour: `#${colours.slice(3 * i, 3 * i + 3)}`, others: others[i] ?? [] },
  });
}

/**
 * Photos by their ids. Those that are not in the index are left out.
 * @param {number[]} ids @param {AbortSignal} [signal] @returns {Promise<Map<number, Photo>>}
 */
export async function photosOf(ids, signal) {
  /** @type {Map<number, Photo>} */
  const found = new Map();
  for (let start = 0; start < ids.length; start += MOST_IDS) {
    const { images } = await ask("/api/photos", { pairs: [["ids", ids.slice(start, start + MOST_IDS).join(",")]], signal });
    for (const photo of images) found.set(photo.id, photo);
  }
  return found;
}

/**
 * The photos of some sketches, in the same order. Those that have left the index meanwhile stay sketches.
 * @param {Photo[]} wanted
 * @param {AbortSignal} [signal]
 * @returns {Promise<Photo[]>}
 */
export async function whole(wanted, signal) {
  const found = await photosOf([...new Set(wanted.flatMap(({ id, sketch }) => (sketch ? [id, ...sketch.others] : [])))], signal);
  return wanted.map((photo) => {
    const known = found.get(photo.id);
    if (!photo.sketch || !known) return photo;
    const others = photo.sketch.others.flatMap((id) => found.get(id) ?? []);
    return others.length ? { ...known, others } : known;
  });
}

/** Fetches the photos near the screen. A look at another part of the list cancels what has not come. */
export class Details {
  /** @type {Photo[]} the nearest first */
  #wanted = [];
  /** @type {{abort: AbortController, ids: Set<number>} | null} */
  #running = null;
  #waiting = 0;
  #arrived;

  /** @param {(photos: Photo[]) => void} arrived */
  constructor(arrived) {
    this.#arrived = arrived;
  }

  /** @param {Photo[]} photos near the screen, the nearest first */
  want(photos) {
    this.#wanted = photos.filter(isSketch);
    if (this.#running && !this.#wanted.some(({ id }) => this.#running?.ids.has(id))) this.#running.abort.abort();
    if (this.#wanted.length && !this.#running) this.#soon();
  }

  #soon(wait = PAUSE) {
    this.#waiting ||= setTimeout(() => {
      this.#waiting = 0;
      this.#ask();
    }, wait);
  }

  async #ask() {
    if (this.#running || !this.#wanted.length) return;
    const wanted = this.#wanted.slice(0, AT_ONCE);
    const running = (this.#running = { abort: new AbortController(), ids: new Set(wanted.map(({ id }) => id)) });
    let wait = PAUSE;
    try {
      const photos = await whole(wanted, running.abort.signal);
      this.#wanted = this.#wanted.filter(({ id }) => !running.ids.has(id)); // also those that have left the index
      this.#arrived(photos.filter((photo) => !isSketch(photo)));
    } catch {
      if (!running.abort.signal.aborted) wait = AGAIN; // the banner says that the server does not answer
    }
    this.#running = null;
    if (this.#wanted.length) this.#soon(wait);
  }
}
