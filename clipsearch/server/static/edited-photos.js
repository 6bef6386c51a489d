/** Photos that are looked at, or selected, while their files are edited: such a photo has another number in the index then. */

import { ask } from "./api.js";
import { photosOf } from "./outline.js";

/** @typedef {import("./api.js").Photo} Photo */

const AT_ONCE = 20; // paths of a request

/**
 * What has taken the place of photos that are not in the index any more, by their old numbers; null for one that is gone.
 * @param {Photo[]} photos @returns {Promise<Map<number, Photo | null>>}
 */
export async function successorsOf(photos) {
  const now = await photosOf([...new Set(photos.map(({ id }) => id))]);
  const lost = photos.filter(({ id }) => !now.has(id));
  const tests = [...new Set(lost.flatMap(({ path }) => testOf(path) ?? []))];
  /** @type {Map<string, Photo>} */
  const byPath = new Map();
  for (let start = 0; start < tests.length; start += AT_ONCE) {
    const { images } = await ask("/api/images", { pairs: [["where", tests.slice(start, start + AT_ONCE).join(" or ")], ["top_k", String(AT_ONCE)]] });
    for (const photo of images) byPath.set(photo.path, photo);
  }
  return new Map(lost.map((photo) => {
    const successor = byPath.get(photo.path);
    return [photo.id, successor ? { ...photo, ...successor } : null]; // its rank and its match are those of before
  }));
}

/** An expression that finds the photo at a path; null for a sketch, and for a path with both kinds of quotes, which no expression can name. @param {string} path */
function testOf(path) {
  const quote = ["'", '"'].find((one) => !path.includes(one));
  return path && quote ? `path = ${quote}${path}${quote}` : null;
}
