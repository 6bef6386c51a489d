/** The headings above photos: the time they were taken, or how likely they match. */

import { dateUnits, DAY_LENGTH } from "./date-units.js";
import { dayRange, monthRange } from "./format.js";
import { canJudge, isQuery, LIKELY } from "./state.js";

/** @typedef {import("./api.js").Photo} Photo */
/** @typedef {import("./state.js").Search} Search */
/**
 * @typedef {object} Period photos of one month or day, or of several that have few
 * @property {string} first its first month or day in the order of the photos: "2019-07", "2019-07-13"; "" if they have no date
 * @property {string} last its last one
 * @property {number} size the number of photos
 */

const ENOUGH = 12; // photos of a period; several months or days with fewer are one period, so that they share rows

/**
 * A heading for each photo, or null for none.
 * @param {Photo[]} photos @param {Readonly<Search>} search
 * @param {{likely?: number | null, isOpen?: boolean, isRanked?: boolean}} [options] how many photos are likely matches, if it is known;
 *   whether more photos follow; and whether they are ranked
 * @returns {(string | null)[]}
 */
export function headingsOf(photos, search, { likely = null, isOpen = false, isRanked = isQuery(search) } = {}) {
  if (areDates(search, isRanked)) return dateHeadings(photos, isOpen);
  if (search.sort === "name" || !canJudge(search) || search.minMatch) return photos.map(() => null);
  return matchHeadings(photos, likely, search.allMoments ? "moments" : "photos");
}

/** Whether the headings are months and days. @param {Readonly<Search>} search @param {boolean} isRanked */
export const areDates = ({ sort }, isRanked) => sort === "date" || sort === "oldest" || (!isRanked && sort !== "name");

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
  return all.flatMap((period) => Array(period.size).fill(headingOf(period, isWhole)));
}

/** @param {Period} period @param {(period: Period) => boolean} isWhole whether it has all photos of its years */
function headingOf(period, isWhole) {
  if (!period.first) return "No date";
  return isByDay(period) ? dayRange(period.first, period.last) : monthRange(period.first, period.last, isWhole(period));
}

/** @param {Period} period */
const isByDay = ({ first }) => first.length === DAY_LENGTH;

/**
 * Photos by months, or by days if the months have many. Each with few photos is put together with those beside it: a month in the
 * same year if possible, a day in the same month. Further photos at the end change the last two periods at most.
 * @param {Photo[]} photos @param {boolean} isOpen
 * @returns {Period[]}
 */
function periods(photos, isOpen) {
  const unitOf = dateUnits(photos, isOpen);
  /** @type {Period[]} */
  const found = [];
  const joinLast = () => {
    const [before, last] = found.splice(-2);
    found.push({ first: before.first, last: last.last, size: before.size + last.size });
  };
  /** Put the last period to the one before if it is too small to stand alone. @param {boolean} anyYear whether a month may go to another year */
  const settle = (anyYear) => {
    const [before, last] = found.slice(-2);
    if (!last || last.size >= ENOUGH || !before.first || !last.first || isByDay(before) !== isByDay(last)) return;
    if (isByDay(last) ? monthOf(before.last) === monthOf(last.first) : anyYear || yearOf(before.last) === yearOf(last.first)) joinLast();
  };
  for (const { taken_at: takenAt } of photos) {
    const unit = unitOf(takenAt);
    const open = found.at(-1);
    if (!open || open.last === unit) {
      if (open) open.size++;
      else found.push({ first: unit, last: unit, size: 1 });
      continue;
    }
    if (!unit) settle(true);
    else if (isByDay(open) ? monthOf(open.last) !== monthOf(unit) : yearOf(open.last) !== yearOf(unit)) settle(false);
    const current = /** @type {Period} */ (found.at(-1));
    if (unit && current.first.length === unit.length && current.size < ENOUGH) {
      current.last = unit;
      current.size++;
    } else {
      found.push({ first: unit, last: unit, size: 1 });
    }
  }
  if (!isOpen && found.at(-1)?.first) settle(true);
  return found;
}

/** @param {string} takenAt */
const yearOf = (takenAt) => takenAt.slice(0, 4);

/** @param {string} takenAt */
const monthOf = (takenAt) => takenAt.slice(0, 7);

/**
 * "Likely matches" above the others, before which the server puts them.
 * @param {Photo[]} photos best first @param {number | null} likely @param {string} things
 */
function matchHeadings(photos, likely, things) {
  if (photos.every(({ match }) => match == null)) return photos.map(() => null);
  const first = photos.findIndex((photo) => !isLikely(photo));
  const end = likely ?? (first < 0 ? photos.length : first);
  if (!end) return photos.map(() => `Nearest ${things}; none is a likely match`);
  return photos.map((_, i) => (i < end ? "Likely matches" : "Less likely"));
}

/** @param {Photo} photo */
const isLikely = ({ match }) => (match ?? 0) >= LIKELY;
