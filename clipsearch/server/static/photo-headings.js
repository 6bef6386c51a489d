/** The headings above photos: the time they were taken, or how likely they match. */

import { count, monthRange } from "./format.js";
import { canJudge, isQuery, LIKELY } from "./state.js";

/** @typedef {import("./api.js").Photo} Photo */
/** @typedef {import("./state.js").Search} Search */
/**
 * @typedef {object} Period photos of one month, or of several months that have few
 * @property {string} first its first month in the order of the photos: "2019-07"; "" if they have no date
 * @property {string} last its last month
 * @property {number} size the number of photos
 */

const ENOUGH = 12; // photos of a period; several months with fewer are one period, so that they share rows
const FEWEST_LIKELY = 6; // with fewer of them above a heading of their own, their row would not be full
const UNLIKELY_COST = 3; // likely photos that outweigh one that comes before them and is not

/**
 * A heading for each photo, or null for none.
 * @param {Photo[]} photos @param {Readonly<Search>} search
 * @param {{likely?: number | null, isOpen?: boolean}} [options] how many photos are likely matches, if it is known; whether more photos follow
 * @returns {(string | null)[]}
 */
export function headingsOf(photos, search, { likely = null, isOpen = false } = {}) {
  if (search.sort === "date" || search.sort === "oldest" || (!isQuery(search) && search.sort !== "name")) return dateHeadings(photos, isOpen);
  if (search.sort === "name" || !canJudge(search) || search.minMatch) return photos.map(() => null);
  return matchHeadings(photos, likely);
}

/** @param {Photo[]} photos in the order of their dates @param {boolean} isOpen */
function dateHeadings(photos, isOpen) {
  const all = periods(photos, isOpen);
  if (all.length === 1 && !all[0].first) return photos.map(() => null);
  /** @type {Map<string, number>} */
  const sizes = new Map(); // of years
  for (const { taken_at: takenAt } of photos) if (takenAt) sizes.set(yearOf(takenAt), (sizes.get(yearOf(takenAt)) ?? 0) + 1);
  const isWhole = (/** @type {Period} */ period) => {
    const [from, to] = [yearOf(period.first), yearOf(period.last)].sort();
    const those = [...sizes].filter(([year]) => from <= year && year <= to);
    return those.reduce((sum, [, size]) => sum + size, 0) === period.size && !(isOpen && period === all.at(-1));
  };
  return all.flatMap((period) => Array(period.size).fill(period.first ? monthRange(period.first, period.last, isWhole(period)) : "No date"));
}

/**
 * Photos by months, where each month with few photos is put together with those beside it, in the same year if possible.
 * Further photos at the end change the last two periods at most.
 * @param {Photo[]} photos @param {boolean} isOpen
 * @returns {Period[]}
 */
function periods(photos, isOpen) {
  /** @type {Period[]} */
  const found = [];
  const joinLast = () => {
    const [before, last] = found.splice(-2);
    found.push({ first: before.first, last: last.last, size: before.size + last.size });
  };
  /** Put the last period to the one before if it is too small to stand alone. @param {boolean} anyYear */
  const settle = (anyYear) => {
    const [before, last] = found.slice(-2);
    if (!last || last.size >= ENOUGH || !before.first || !last.first) return;
    if (anyYear || yearOf(before.last) === yearOf(last.first)) joinLast();
  };
  for (const { taken_at: takenAt } of photos) {
    const month = takenAt?.slice(0, 7) ?? "";
    const open = found.at(-1);
    if (!open || open.last === month) {
      if (open) open.size++;
      else found.push({ first: month, last: month, size: 1 });
      continue;
    }
    if (!month) settle(true);
    else if (yearOf(open.last) !== yearOf(month)) settle(false);
    const current = /** @type {Period} */ (found.at(-1));
    if (month && current.first && current.size < ENOUGH) {
      current.last = month;
      current.size++;
    } else {
      found.push({ first: month, last: month, size: 1 });
    }
  }
  if (!isOpen && found.at(-1)?.first) settle(true);
  return found;
}

/** @param {string} takenAt */
const yearOf = (takenAt) => takenAt.slice(0, 4);

/**
 * "Likely matches" above the rest, if they come first. With several terms, or if words were found in texts, they may not: then one
 * heading says how many there are.
 * @param {Photo[]} photos best first @param {number | null} likely
 */
function matchHeadings(photos, likely) {
  if (photos.every(({ match }) => match == null)) return photos.map(() => null);
  const end = likelyEnd(photos);
  if (end >= FEWEST_LIKELY) return photos.map((_, i) => (i < end ? "Likely matches" : "The rest, nearest first"));
  const number = likely ?? photos.filter(isLikely).length;
  const text = number ? `Nearest photos, with ${count(number)} likely match${number === 1 ? "" : "es"}` : "Nearest photos; none is a likely match";
  return photos.map(() => text);
}

/** Where the photos end that are likely matches, with few exceptions. @param {Photo[]} photos */
function likelyEnd(photos) {
  let end = 0;
  let value = 0;
  let best = 0;
  photos.forEach((photo, i) => {
    value += isLikely(photo) ? 1 : -UNLIKELY_COST;
    if (value > best) [best, end] = [value, i + 1];
  });
  return end;
}

/** @param {Photo} photo */
const isLikely = ({ match }) => (match ?? 0) >= LIKELY;
