/** The last searches. They stay in this browser. */

import { photos } from "./photos.js";
import { changes, currentSearch, fromPairs, isQuery, openPhotoId, toPairs } from "./state.js";

/** @typedef {import("./state.js").Search} Search */

const KEY = "clipsearch-recent";
const MOST = 12;
const LOOKED_AT = 2500; // milliseconds after which the photos were not only a step on the way to other words

export function setUpRecentSearches() {
  let waiting = 0;
  photos.addEventListener("shown", () => {
    clearTimeout(waiting);
    waiting = setTimeout(rememberSearch, LOOKED_AT);
  });
  changes.addEventListener("search", () => clearTimeout(waiting));
  changes.addEventListener("photo", () => openPhotoId() !== null && rememberSearch());
}

/** The newest first. @returns {Search[]} */
export const recentSearches = () => stored().map(fromPairs);

/** Put the current search first, unless it has no words, or a picture that the server forgets. */
export function rememberSearch() {
  const search = currentSearch();
  if (!isQuery(search) || search.pictures.some(({ source }) => source.startsWith("upload:"))) return;
  const pairs = toPairs({ ...search, q: search.q.trim(), right: [], wrong: [] });
  const key = JSON.stringify(pairs);
  localStorage.setItem(KEY, JSON.stringify([pairs, ...stored().filter((other) => JSON.stringify(other) !== key)].slice(0, MOST)));
}

export const forgetRecentSearches = () => localStorage.removeItem(KEY);

/** @returns {import("./url.js").Pair[][]} */
function stored() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(found) ? found.filter(Array.isArray) : [];
  } catch {
    return []; // another program's value
  }
}
