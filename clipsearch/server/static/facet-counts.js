/** How many photos there are by year, place, person and so on. The counts of an index stay until it changes. */

import { albums } from "./albums.js";
import { ask } from "./api.js";
import { cameraName, EMPTY, filterPairs } from "./state.js";
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
 * The counts of some facets; those of the same photos are asked for together. A filter changes how likely a photo matches words, so
 * values that are chosen have their count under all filters, as the line above the photos has it.
 * @param {Readonly<Search>} search only its filters count @param {Pair[]} query whose hits are counted; none for all photos
 * @param {Wanted[]} wanted @returns {Promise<Facets>}
 */
export async function countsOf(search, query, wanted) {
  /** @type {Map<string, {pairs: Pair[], facets: string[]}>} */
  const together = new Map();
  const add = (/** @type {string} */ facet, /** @type {Partial<Search>} */ without) => {
    const pairs = [...filterPairs({ ...search, ...without }), ...query];
    const key = encodePairs(pairs);
    const group = together.get(key) ?? { pairs, facets: [] };
    group.facets.push(facet);
    together.set(key, group);
    return key;
  };
  const asked = wanted.map(([facet, ...without]) => ({
    facet, names: without,
    key: add(facet, Object.fromEntries(without.map((name) => [name, EMPTY[name]]))),
    inside: query.length && without.some((name) => search[name].length) ? add(facet, {}) : null,
  }));
  const answers = new Map(await Promise.all([...together].map(async ([key, { pairs, facets }]) =>
    /** @type {const} */ ([key, (await countPhotos(pairs, facets)).facets]))));
  return Object.fromEntries(asked.map(({ facet, names, key, inside }) => {
    const counts = answers.get(key)?.[facet] ?? [];
    return [facet, inside === null ? counts : withChosen(counts, answers.get(inside)?.[facet] ?? [], names.flatMap((name) => (name === "camera" ? cameraName(search.camera) : search[name])).map(String))];
  }));
}

/**
 * Counts without a facet's own filter, but of chosen values with it. A value that is chosen in part, as the year of a month, has
 * at least the photos of that part.
 * @param {Count[]} counts @param {Count[]} inside with the filter @param {string[]} chosen values @returns {Count[]}
 */
function withChosen(counts, inside, chosen) {
  const images = new Map(counts.map((count) => [count.value, count.images]));
  const isChosen = (/** @type {string} */ value) => chosen.some((other) => other.toLowerCase() === value.toLowerCase());
  for (const value of images.keys()) if (isChosen(value)) images.set(value, 0);
  for (const { value, images: found } of inside) images.set(value, Math.max(found, images.get(value) ?? 0));
  return [...images].map(([value, number]) => ({ value, images: number }));
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

for (const event of ["here", "elsewhere"]) {
  albums.addEventListener(event, () => {
    for (const key of known.keys()) {
      if (/(^|&)(album|where)=/.test(key)) known.delete(key); // of photos in an album
    }
  });
}

/** The index has changed. */
export const forgetCounts = () => known.clear();
