/** "Select all": every photo that the search answers, also those that are not loaded. Of photos that are only ranked, the likely ones. */

import { ask, isAbort } from "./api.js";
import { byId } from "./dom.js";
import { count, counted } from "./format.js";
import { announce } from "./messages.js";
import { MOST_AT_ONCE, photos, requestFor } from "./photos.js";
import { selection } from "./selection.js";
import { canJudge, changes, LIKELY, MOST_FILES, NEAREST_COUNTED } from "./state.js";
import { matching } from "./threshold.js";

/** @typedef {import("./api.js").Photo} Photo */
/** @typedef {import("./state.js").Search} Search */

let running = new AbortController();
/** @type {{label: string, found: Photo[]}} what the button has selected of this answer, of more than the loaded photos */
let lastFound = { label: "", found: [] };

/** What is selected, in words, and the search that finds it; null if the loaded photos are all that can be meant. */
function whole() {
  const { search, likely, moreLikely, list } = photos;
  if (!search || !photos.isRanked) return { label: "Select all", search };
  if (canJudge(search) && search.minMatch) {
    const number = photos.hasAll ? list.length : moreLikely ? null : likely;
    return { label: number === null ? "Select all" : `Select all ${count(number)}`, search };
  }
  if (canJudge(search) && likely) {
    return { label: `Select all ${moreLikely ? "" : `${count(likely)} `}likely`, search: { ...search, minMatch: LIKELY } };
  }
  return { label: `Select the ${count(list.length)} loaded`, search: null };
}

/** The photos that the button selects, as far as they are known without asking for them. @returns {Photo[]} */
function knownWhole() {
  const { search, label } = whole();
  const { list, likely, moreLikely } = photos;
  if (!search || (photos.hasAll && search === photos.search)) return list;
  if (lastFound.label === label) return lastFound.found;
  const isBestFirst = photos.isRanked && ["", "score"].includes(search.sort);
  return isBestFirst && likely && !moreLikely && likely <= list.length ? list.slice(0, likely) : [];
}

/** Whether the button would select nothing more. */
function isDone() {
  if (!photos.list.length) return true;
  const known = knownWhole();
  return known.length > 0 && known.length <= selection.size && known.every((photo) => selection.has(photo));
}

/** @param {boolean} [hadFocus] whether the keyboard was on the button, and must not get lost with it */
function showButton(hadFocus = document.activeElement === byId("selection-all")) {
  const button = byId("selection-all");
  button.textContent = whole().label;
  button.hidden = isDone();
  if (button.hidden && hadFocus) byId("selection-copy").focus();
  else if (hadFocus) button.focus(); // it was disabled meanwhile
}

/** The button says what it selects, and is there as long as it would select something. */
export function setUpSelectAll() {
  const button = byId("selection-all");
  button.addEventListener("click", selectAll);
  photos.addEventListener("shown", () => {
    lastFound = { label: "", found: [] };
    showButton();
  });
  photos.addEventListener("more", () => showButton());
  selection.addEventListener("change", () => showButton());
  changes.addEventListener("search", () => running.abort());
}

/**
 * The photos that a download of this search is about, however many of them are loaded: all of a list, the likely ones of words, and
 * the nearest ones to a picture.
 * @returns {{label: string, load: () => Promise<Photo[]>} | null} null if there are none
 */
export function toDownload() {
  const { search, likely, moreLikely, list, considered } = photos;
  if (!search || !list.length) return null;
  const hasLikely = photos.isRanked && canJudge(search) && (search.minMatch > 0 || likely !== 0);
  const nearest = photos.isRanked && !hasLikely ? Math.min(photos.total || NEAREST_COUNTED, NEAREST_COUNTED) : 0;
  const thing = photos.hasMoments ? "moment" : "photo";
  const of = hasLikely ? { ...search, minMatch: search.minMatch || LIKELY } : search;
  const most = nearest || MOST_FILES;
  const number = hasLikely ? (moreLikely ? null : likely) : photos.complete ? list.length : considered;
  const what = nearest ? `the ${counted(nearest, `nearest ${thing}`)}` : hasLikely
    ? `the ${number === null ? "" : `${count(number)} `}${matching(of.minMatch, `${thing}${number === 1 ? "" : "s"}`)}` : counted(Number(number), photos.complete ? thing : undefined);
  return { label: `Download ${what}`, load: async () => {
    /** @type {Photo[]} */
    const found = [];
    for await (const page of pages(of, new AbortController().signal, Math.min(most, MOST_AT_ONCE))) {
      found.push(...page);
      if (found.length >= most) break;
    }
    return found.slice(0, most);
  } };
}

export async function selectAll() {
  const { search, label } = whole();
  if (!search || (photos.hasAll && search === photos.search)) {
    selection.add(photos.list);
    return;
  }
  running.abort();
  const { signal } = (running = new AbortController());
  const button = byId("selection-all");
  const hadFocus = document.activeElement === button;
  button.disabled = true;
  /** @type {Photo[]} */
  const all = [];
  try {
    for await (const found of pages(search, signal)) {
      if (signal.aborted) return;
      all.push(...found);
      selection.add(found);
    }
    lastFound = { label, found: all };
  } catch (error) {
    if (!isAbort(error)) announce(/** @type {Error} */ (error).message);
  } finally {
    button.disabled = false;
    showButton(hadFocus && [button, document.body].includes(/** @type {HTMLElement} */ (document.activeElement)));
  }
}

/** @param {Readonly<Search>} search @param {AbortSignal} signal @param {number} [size] photos in one answer */
async function* pages(search, signal, size = MOST_AT_ONCE) {
  for (let offset = 0; ; offset += size) {
    const { path, pairs } = requestFor(search, offset, size);
    const answer = await ask(path, { pairs, signal });
    yield answer.hits ?? answer.images;
    if (answer.hits ? answer.hits.length < size : offset + size >= answer.considered) return;
  }
}
