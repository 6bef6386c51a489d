/** Hits that are marked right or wrong. The search moves towards the right ones and away from the wrong ones, which leave. */

import { byId } from "./dom.js";
import { selection } from "./selection.js";
import { changes, changeSearch, currentSearch, isQuery } from "./state.js";

/** @typedef {import("./api.js").Photo} Photo */
/** @typedef {"right" | "wrong"} Mark */

export const MOST = 100; // of a kind, as the server takes them

/** Only photos that were searched for can be marked. */
export function setUpMarks() {
  const render = () => byId("photos").classList.toggle("markable", isQuery(currentSearch()));
  changes.addEventListener("search", render);
  render();
}

/** @param {Photo} photo @param {Mark} mark */
export const isMarked = (photo, mark) => currentSearch()[mark].includes(String(photo.id));

/**
 * Mark photos, or if all have that mark, take it back, and search again. The other files of a wrong photo's shot would take its place.
 * What is marked wrong leaves the photos, and so the selection.
 * @param {Photo[]} photos @param {Mark} mark @returns {boolean} whether there is a search to mark photos of
 */
export function toggleMarks(photos, mark) {
  const search = currentSearch();
  if (!isQuery(search)) return false;
  const files = mark === "wrong" ? photos.flatMap((photo) => [photo, ...(photo.others ?? [])]) : photos;
  const ids = files.map(({ id }) => String(id));
  const other = mark === "right" ? "wrong" : "right";
  const without = (/** @type {string[]} */ marked) => marked.filter((id) => !ids.includes(id));
  const isBack = photos.every((photo) => isMarked(photo, mark));
  const marked = isBack ? without(search[mark]) : [...without(search[mark]), ...ids].slice(-MOST);
  changeSearch({ [mark]: marked, [other]: without(search[other]) });
  if (mark === "wrong" && !isBack) selection.remove(files);
  return true;
}
