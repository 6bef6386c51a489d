/** How many photos there are by year, place, person and so on. The counts of an index stay until it changes. */

import { ask } from "./api.js";
import { EMPTY, filterPairs } from "./state.js";
import { encodePairs } from "./url.js";

/** @typedef {import("./url.js").Pair} Pair */
/** @typedef {import("./state.js").Search} Search */
/** @typedef {{value: string, images: number}} Count */
/** @typedef {Record<string, Count[]>} Facets */
/** @typedef {[facet: string, ...without: (keyof Search)[]]} Wanted a facet, and the filters that are left out when it is counted */

/**
 * What the filter panel shows. Each facet is counted without its own filter, so that another value can be chosen; of keywords
 * and people, all that are chosen must be there.
 * @type {Wanted[]}
 */
export const QUICK = [
  ["year", "from", "to"], ["month", "from", "to"], ["folder", "folders"], ["camera", "camera"], ["format", "format"],
  ["orientation", "orientation"], ["rating", "rating"], ["place", "places"], ["country", "places"],
];
/** @type {Wanted[]} facets with so many values that the others do not wait for them */
export const SLOW = [["keyword"], ["person"]];

/** @type {Map<string, Promise<{images: number, facets: Facets}>>} by parameters */
const known = new Map();

/**
 * The counts of some facets; those of the same photos are asked for together.
 * @param {Readonly<Search>} search only its filters count @param {Pair[]} query whose hits are counted; none for all photos
 * @param {Wanted[]} wanted @returns {Promise<Facets>}
 */
export async function countsOf(search, query, wanted) {
  /** @type {Map<string, {pairs: Pair[], facets: string[]}>} */
  const together = new Map();
  for (const [facet, ...without] of wanted) {
    const pairs = [...filterPairs({ ...search, ...Object.fromEntries(without.map((name) => [name, EMPTY[name]])) }), ...query];
    const key = encodePairs(pairs);
    const group = together.get(key);
    if (group) group.facets.push(facet);
    else together.set(key, { pairs, facets: [facet] });
  }
  const answers = await Promise.all([...together.values()].map(({ pairs, facets }) => countPhotos(pairs, facets)));
  return Object.assign({}, ...answers.map(({ facets }) => facets));
}

/** How many photos there are, and some of their facets. @param {Pair[]} pairs @param {string[]} facets @returns {Promise<{images: number, facets: Facets}>} */
export function countPhotos(pairs, facets) {
  /** @type {Pair[]} */
  const all = [...pairs, ...facets.map((facet) => /** @type {Pair} */ (["by", facet])), ["top", "500"], ["depth", "8"]];
  const key = encodePairs(all);
  let counts = known.get(key);
  if (!counts) {
    if (known.size > 50) known.clear();
    counts = ask("/api/facets", { pairs: all });
    counts.catch(() => known.delete(key));
    known.set(key, counts);
  }
  return counts;
}

/** All counts of the photos that pass the filters. @param {Readonly<Search>} search @returns {Promise<Facets>} */
export const countsFor = async (search) => Object.assign({}, ...(await Promise.all([countsOf(search, [], QUICK), countsOf(search, [], SLOW)])));

/** The index has changed. */
export const forgetCounts = () => known.clear();
