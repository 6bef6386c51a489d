/** While something is dragged near the top or the bottom of the screen, the page moves by itself, the faster the nearer. */

import { headerEdge } from "./keep-place.js";

const FASTEST = 22; // pixels a frame

/** @param {number} y of the pointer in the window @param {number} edge how near counts, in pixels @returns {boolean} whether the page moves */
export function scrollAtEdge(y, edge) {
  const top = headerEdge() + edge;
  const bottom = innerHeight - edge;
  const beyond = y < top ? y - top : y > bottom ? y - bottom : 0;
  if (beyond) scrollBy({ top: Math.max(-1, Math.min(beyond / edge, 1)) * FASTEST, behavior: "instant" });
  return beyond !== 0;
}
