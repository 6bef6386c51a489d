/**
 * Thumbnails for the rows, many in one request. What is nearest to the middle of the screen comes first, and a request for photos
 * that have left the screen is cancelled.
 */

import { connection } from "./api.js";

/** @typedef {256 | 512 | 1024} Size */
/**
 * @typedef {object} Wish
 * @property {number} id
 * @property {Size} size
 * @property {boolean} isOnScreen
 * @property {(url: string | null) => void} show called once, with the picture's address; null if there is none
 */

const MOST_REQUESTS = 3; // at once; browsers have six connections to a server
const BATCH = 48; // photos of a request
const PAUSE = 40; // milliseconds between two looks at what is wanted, or fast scrolling would start a request a frame
const PATIENCE = 800; // milliseconds that other requests wait for the thumbnails on the screen
const AGAIN = 1000; // milliseconds after which a failed request is sent again
const MOST_BYTES = 96e6; // of pictures kept; the server has all of them on its disk
const HEAD = 12; // bytes before each picture: the photo's id, and the length
const PLACEHOLDER = "Qk1aAAAAAAAAADYAAAAoAAAABAAAAAMAAAABABgAAAAAACQAAAAAAAAAAAAAAAAAAAAAAAAA"; // the head of a BMP of 4 x 3 pixels

/** A photo's blurred picture, as a value for background-image. @param {import("./api.js").Photo} photo */
export const placeholderImage = ({ placeholder }) => (placeholder ? `url(data:image/bmp;base64,${PLACEHOLDER}${placeholder})` : "");

export const thumbnails = new (class {
  /** @type {Map<string, {url: string, bytes: number}>} the least recently shown first */
  #kept = new Map();
  /** @type {Map<string, Wish>} the nearest first */
  #wanted = new Map();
  /** @type {Set<{keys: Set<string>, abort: AbortController}>} */
  #running = new Set();
  #bytes = 0;
  #waiting = 0;

  constructor() {
    connection.addEventListener("back", () => this.#soon(0));
  }

  /** Show these photos, the nearest first, and no others. @param {Wish[]} wishes */
  want(wishes) {
    this.#wanted = new Map();
    for (const wish of wishes) {
      const key = keyOf(wish.id, wish.size);
      const kept = this.#kept.get(key);
      if (!kept) {
        this.#wanted.set(key, wish);
        continue;
      }
      this.#kept.delete(key);
      this.#kept.set(key, kept);
      wish.show(kept.url);
    }
    for (const { keys, abort } of this.#running) {
      const left = [...keys].filter((key) => this.#wanted.has(key)).length;
      if (left * 2 < keys.size) abort.abort(); // what is still wanted is asked for again; the server goes on with what it has begun
    }
    if (this.#wanted.size) this.#soon(this.#running.size ? PAUSE : 0);
  }

  /** The largest picture of a photo that is there without the server, as a value for background-image. @param {import("./api.js").Photo} photo */
  imageOf(photo) {
    const kept = [1024, 512, 256].map((size) => this.#kept.get(keyOf(photo.id, /** @type {Size} */ (size)))).find(Boolean);
    return kept ? `url(${kept.url})` : placeholderImage(photo);
  }

  /** Wait until the photos on the screen have their thumbnails, or that has taken long: what is asked for meanwhile would delay them. */
  async settled() {
    const end = performance.now() + PATIENCE;
    const areMissing = () => [...this.#wanted.values()].some(({ isOnScreen }) => isOnScreen);
    while (areMissing() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }

  /** Keep nothing of what came before. */
  forget() {
    for (const { url } of this.#kept.values()) URL.revokeObjectURL(url);
    this.#kept.clear();
    this.#bytes = 0;
  }

  /** @param {number} wait milliseconds */
  #soon(wait) {
    this.#waiting ||= setTimeout(() => {
      this.#waiting = 0;
      this.#start();
    }, wait);
  }

  #start() {
    while (this.#running.size < MOST_REQUESTS) {
      const coming = new Set([...this.#running].flatMap(({ keys, abort }) => (abort.signal.aborted ? [] : [...keys])));
      const next = [...this.#wanted].filter(([key]) => !coming.has(key));
      const [first] = next;
      if (!first) return;
      this.#ask(next.map(([, wish]) => wish).filter(({ size }) => size === first[1].size).slice(0, BATCH));
    }
  }

  /** @param {Wish[]} wishes of one size */
  async #ask(wishes) {
    const { size } = wishes[0];
    const request = { keys: new Set(wishes.map(({ id }) => keyOf(id, size))), abort: new AbortController() };
    this.#running.add(request);
    let again = 0;
    try {
      const response = await fetch(`/api/thumbnails?size=${size}&ids=${wishes.map(({ id }) => id).join(",")}`, { signal: request.abort.signal });
      if (!response.ok || !response.body) throw new Error(`status ${response.status}`);
      for await (const [id, picture] of pictures(response.body)) {
        const key = keyOf(id, size);
        request.keys.delete(key);
        this.#arrived(key, picture);
      }
    } catch {
      if (!request.abort.signal.aborted) again = AGAIN; // the banner says that the server is gone
    }
    this.#running.delete(request);
    if (this.#wanted.size) this.#soon(again);
  }

  /** @param {string} key @param {Blob} picture empty if there is none */
  #arrived(key, picture) {
    const wish = this.#wanted.get(key);
    this.#wanted.delete(key);
    if (!picture.size) {
      wish?.show(null);
      return;
    }
    const url = URL.createObjectURL(picture);
    this.#kept.set(key, { url, bytes: picture.size });
    this.#bytes += picture.size;
    for (const [oldest, { url: old, bytes }] of this.#kept) {
      if (this.#bytes <= MOST_BYTES) break;
      this.#kept.delete(oldest);
      this.#bytes -= bytes;
      URL.revokeObjectURL(old);
    }
    wish?.show(url);
  }
})();

/** @param {number} id @param {Size} size */
const keyOf = (id, size) => `${id} ${size}`;

/**
 * The pictures of a response as they arrive.
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<[number, Blob]>} the photo's id, and its picture
 */
async function* pictures(body) {
  const reader = body.getReader();
  let data = new Uint8Array(0);
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const before = data;
      data = new Uint8Array(before.length + part.value.length);
      data.set(before);
      data.set(part.value, before.length);
      let start = 0;
      while (data.length - start >= HEAD) {
        const head = new DataView(data.buffer, start, HEAD);
        const end = start + HEAD + head.getUint32(8, true);
        if (end > data.length) break;
        yield [Number(head.getBigUint64(0, true)), new Blob([data.slice(start + HEAD, end)], { type: "image/jpeg" })];
        start = end;
      }
      data = data.subarray(start).slice();
    }
  } finally {
    reader.cancel().catch(() => {}); // it was read to its end, or nothing more of it is wanted
  }
}
