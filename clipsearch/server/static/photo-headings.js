/** The headings above photos: months or years, or how likely the photos match. */

import { month } from "./format.js";
import { parseTerms } from "./language.js";
import { canJudge, isQuery } from "./state.js";

/** @typedef {import("./api.js").Photo} Photo */
/** @typedef {import("./state.js").Search} Search */

const LIKELY = 0.5; // what --relevant keeps
const PHOTOS_A_HEADING = 6; // at least, on average over the first page; otherwise there are more headings than rows

/**
 * A heading for each photo, or null for none.
 * @param {Photo[]} photos @param {Readonly<Search>} search @param {number} first how many photos decide the kind of heading
 * @returns {(string | null)[]}
 */
export function headingsOf(photos, search, first) {
  if (isRanked(search)) {
    const none = photos.length > 0 && (photos[0].match ?? 1) < LIKELY;
    return photos.map(none ? () => "Nearest photos; none is a likely match" : likelihood);
  }
  if (isQuery(search) || search.sort === "name") return photos.map(() => null);
  for (const heading of [monthOf, yearOf]) {
    const seen = new Set(photos.slice(0, first).map(heading));
    if (seen.size > 1 && Math.min(photos.length, first) / seen.size >= PHOTOS_A_HEADING) return photos.map(heading);
  }
  return photos.map(() => null);
}

/** Whether likely matches come first; with several terms they need not have the best scores. @param {Readonly<Search>} search */
function isRanked(search) {
  return canJudge(search) && !search.relevant && ["", "score"].includes(search.sort) && parseTerms(search.q).length === 1;
}

/** @param {Photo} photo */
function likelihood({ match }) {
  if (match == null) return null;
  return match >= LIKELY ? "Likely matches" : "Less likely";
}

/** @param {Photo} photo */
const monthOf = ({ taken_at: takenAt }) => (takenAt ? month(takenAt) : "No date");

/** @param {Photo} photo */
const yearOf = ({ taken_at: takenAt }) => (takenAt ? takenAt.slice(0, 4) : "No date");
