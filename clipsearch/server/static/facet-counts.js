/** How many photos there are by year, place, person and so on. The counts of an index stay until it changes. */

import { ask } from "./api.js";
import { filterPairs } from "./state.js";
import { encodePairs } from "./url.js";

/** @typedef {{value: string, images: number}} Count */
/** @typedef {Record<string, Count[]>} Facets */

/** @type {Map<string, Promise<Facets>>} by parameters */
const known = new Map();

/** @param {Readonly<import("./state.js").Search>} search only its filters count @returns {Promise<Facets>} */
export function countsFor(search) {
  const key = encodePairs(filterPairs(search));
  let counts = known.get(key);
  if (!counts) {
    if (known.size > 50) known.clear();
    counts = ask("/api/facets", { pairs: [...filterPairs(search), ["top", "500"], ["depth", "8"]] }).then((answer) => answer.facets);
    counts.catch(() => known.delete(key));
    known.set(key, counts);
  }
  return counts;
}

/** The index has changed. */
export const forgetCounts = () => known.clear();
