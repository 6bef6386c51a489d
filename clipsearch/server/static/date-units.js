/** Whether photos are told apart by month or by day: by day in months that have many photos of a day, and in a list of a few weeks. */

/** @typedef {import("./api.js").Photo} Photo */

export const DAY_LENGTH = 10; // characters of "2019-07-13"
const MONTH_LENGTH = 7;
const MANY = 12; // photos of a day with photos, on average in its month
const WEEKS = 31; // days that a list may cover to be told by day, whatever its months have
const A_DAY = 24 * 60 * 60 * 1000; // milliseconds

/**
 * A function that gives the unit of a date: its month, "2019-07", or its day, "2019-07-13"; "" without a date.
 * @param {Photo[]} photos in the order of their dates
 * @param {boolean} isOpen whether more of the list will follow
 * @returns {(takenAt: string | null) => string}
 */
export function dateUnits(photos, isOpen) {
  /** @type {Map<string, {size: number, days: number}>} */
  const months = new Map();
  let [first, last] = ["", ""];
  for (const { taken_at: takenAt } of photos) {
    if (!takenAt) continue;
    const month = takenAt.slice(0, MONTH_LENGTH);
    const counts = months.get(month) ?? { size: 0, days: 0 };
    if (!counts.size) months.set(month, counts);
    counts.size++;
    const isSame = takenAt.startsWith(last);
    if (first && isSame) continue;
    counts.days++;
    last = takenAt.slice(0, DAY_LENGTH);
    first ||= last;
  }
  const isShort = !isOpen && Math.abs(Date.parse(last) - Date.parse(first)) < WEEKS * A_DAY;
  return (takenAt) => {
    const month = takenAt?.slice(0, MONTH_LENGTH) ?? "";
    const counts = months.get(month);
    return counts && (isShort || counts.size >= MANY * counts.days) ? /** @type {string} */ (takenAt).slice(0, DAY_LENGTH) : month;
  };
}
