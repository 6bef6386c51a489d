/** The rows of the filter panel. They stay where they are while their counts follow the search; values without photos are dimmed. */

/** @typedef {import("./facet-counts.js").Count} Count */

const ORDERS = { year: (/** @type {string} */ a, /** @type {string} */ b) => a.localeCompare(b), rating: (/** @type {string} */ a, /** @type {string} */ b) => Number(b) - Number(a) };

/** @type {Map<string, string[]>} the values of each facet, in the order of their rows */
const rows = new Map();

/** The index has changed. */
export const forgetRows = () => rows.clear();

/**
 * New counts of a facet in the order of before, also of values that have no photo now.
 * @param {string} facet @param {Count[]} counts
 * @param {{isWhole: boolean, mayMove: boolean}} options whether all photos are counted, so that these are all values; whether those
 *   with most photos may come first
 * @returns {Count[]}
 */
export function inPlace(facet, counts, { isWhole, mayMove }) {
  const images = new Map(counts.map((count) => [count.value, count.images]));
  const values = isWhole ? [...images.keys()] : [...new Set([...(rows.get(facet) ?? []), ...images.keys()])];
  const number = (/** @type {string} */ value) => images.get(value) ?? 0;
  if (facet in ORDERS) values.sort(ORDERS[/** @type {keyof typeof ORDERS} */ (facet)]);
  else if (mayMove) values.sort((a, b) => number(b) - number(a));
  rows.set(facet, values);
  return values.map((value) => ({ value, images: number(value) }));
}
