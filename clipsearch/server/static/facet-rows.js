/** The rows of the filter panel. They stay where they are while their counts follow the search; values without photos are dimmed. */

/** @typedef {import("./facet-counts.js").Count} Count */

const ORDERS = { year: (/** @type {string} */ a, /** @type {string} */ b) => a.localeCompare(b), rating: (/** @type {string} */ a, /** @type {string} */ b) => Number(b) - Number(a) };

const KEPT = "clipsearch-facet-rows"; // in this tab, for a reload

/** @type {{address?: string, values?: [string, string[]][]}} */
const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");

/** @type {Map<string, string[]>} the values of each facet, in the order of their rows */
const rows = new Map(kept.values);

/** Whether the rows are those from before a reload, which are to stay where they were. Those of another address may move. */
export const isReload = rows.size > 0 && kept.address === location.search;

let areAll = false; // whether the rows have every value of the index

/** Whether there is a row for every value of the index, whatever the search finds. */
export const hasAllRows = () => areAll;

/** Make rows of values that have none, below the others. @param {Record<string, Count[]>} facets the counts of all photos */
export function addRows(facets) {
  forgetOtherRows(facets.folder ?? []);
  for (const [facet, counts] of Object.entries(facets)) inPlace(facet, counts, { isWhole: false, mayMove: false });
  areAll = true;
}

/** The index has changed. */
export function forgetRows() {
  rows.clear();
  areAll = false;
}

/** Forget the rows if they are of another index, which was at this address before. @param {Count[]} folders the counts of folders */
export function forgetOtherRows(folders) {
  const known = rows.get("folder") ?? [];
  if (folders.length && !folders.some(({ value }) => known.includes(value))) forgetRows();
}

addEventListener("pagehide", () => {
  try {
    sessionStorage.setItem(KEPT, JSON.stringify({ address: location.search, values: [...rows] }));
  } catch { // no room for so many values
    sessionStorage.removeItem(KEPT);
  }
});

/**
 * New counts of a facet in the order of before, also of values that have no photo now.
 * @param {string} facet @param {Count[]} counts
 * @param {{isWhole: boolean, mayMove: boolean}} options whether all photos are counted, so that these are all values; whether those
 *   with most photos may come first
 * @returns {Count[]}
 */
export function inPlace(facet, counts, { isWhole, mayMove }) {
  areAll ||= isWhole;
  const images = new Map(counts.map((count) => [count.value, count.images]));
  const values = isWhole ? [...images.keys()] : [...new Set([...(rows.get(facet) ?? []), ...images.keys()])];
  const number = (/** @type {string} */ value) => images.get(value) ?? 0;
  if (facet in ORDERS) values.sort(ORDERS[/** @type {keyof typeof ORDERS} */ (facet)]);
  else if (mayMove) values.sort((a, b) => number(b) - number(a));
  rows.set(facet, values);
  return values.map((value) => ({ value, images: number(value) }));
}
