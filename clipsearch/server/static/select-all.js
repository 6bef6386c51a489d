/** "Select all": every photo that the search answers, also those that are not loaded. Of photos that are only ranked, the likely ones. */

import { ask, isAbort } from "./api.js";
import { byId } from "./dom.js";
import { count } from "./format.js";
import { announce } from "./messages.js";
import { MOST_AT_ONCE, photos, requestFor } from "./photos.js";
import { selection } from "./selection.js";
import { canJudge, changes, isQuery, LIKELY } from "./state.js";

/** @typedef {import("./state.js").Search} Search */

let running = new AbortController();

/** What is selected, in words, and the search that finds it; null if the loaded photos are all that can be meant. */
function whole() {
  const { search, likely, moreLikely, list } = photos;
  if (!search || !isQuery(search)) return { label: "Select all", search };
  if (canJudge(search) && search.minMatch) {
    const number = photos.hasAll ? list.length : moreLikely ? null : likely;
    return { label: number === null ? "Select all" : `Select all ${count(number)}`, search };
  }
  if (canJudge(search) && likely) {
    return { label: `Select all ${moreLikely ? "" : `${count(likely)} `}likely`, search: { ...search, minMatch: LIKELY } };
  }
  return { label: `Select the ${count(list.length)} loaded`, search: null };
}

/** The button says what it selects. */
export function setUpSelectAll() {
  const button = byId("selection-all");
  const show = () => { button.textContent = whole().label; };
  button.addEventListener("click", selectAll);
  for (const event of ["shown", "more"]) photos.addEventListener(event, show);
  changes.addEventListener("search", () => running.abort());
}

export async function selectAll() {
  const { search } = whole();
  if (!search || (photos.hasAll && search === photos.search)) {
    selection.add(photos.list);
    return;
  }
  running.abort();
  const { signal } = (running = new AbortController());
  const button = byId("selection-all");
  button.disabled = true;
  try {
    for await (const found of pages(search, signal)) {
      if (signal.aborted) return;
      selection.add(found);
    }
  } catch (error) {
    if (!isAbort(error)) announce(/** @type {Error} */ (error).message);
  } finally {
    button.disabled = false;
  }
}

/** @param {Readonly<Search>} search @param {AbortSignal} signal */
async function* pages(search, signal) {
  for (let offset = 0; ; offset += MOST_AT_ONCE) {
    const { path, pairs } = requestFor(search, offset, MOST_AT_ONCE);
    const answer = await ask(path, { pairs, signal });
    yield answer.hits ?? answer.images;
    if (answer.hits ? answer.hits.length < MOST_AT_ONCE : offset + MOST_AT_ONCE >= answer.considered) return;
  }
}
