/** The small dialog that saved searches, the index and the help are shown in. */

import { moveAbove } from "./above-dialogs.js";
import { byId, element, iconButton } from "./dom.js";
import { changes, currentSearch, openPhoto, openPhotoId, showDialog, toPairs } from "./state.js";

const HAS_KEYS = matchMedia("(any-hover: hover)"); // on a phone, a field with the focus brings up a keyboard that covers the panel

/**
 * Show a panel. The cursor goes to its element with `data-first`: what most people have come for.
 * @param {string} title
 * @param {...Node} content
 */
export function openPanel(title, ...content) {
  const panel = byId("panel");
  fill(
    element("div", { class: "panel-head" }, element("h2", { id: "panel-title" }, title), iconButton("close", "Close", () => panel.close())),
    element("div", { class: "panel-body" }, ...content),
  );
  if (!panel.open) {
    showDialog(panel);
    moveAbove();
  } else if (panel.contains(document.activeElement)) return;
  const first = HAS_KEYS.matches ? /** @type {HTMLElement | null} */ (panel.querySelector("[data-first]")) : null;
  (first ?? panel).focus({ preventScroll: true }); // the panel itself, so that keys scroll it and Enter does not close it
}

const parts = () => byId("panel").querySelectorAll(":scope > .panel-head, :scope > .panel-body"); // a note may lie here, too

/** @param {...Node} nodes in place of what the panel has */
function fill(...nodes) {
  for (const old of parts()) old.remove();
  byId("panel").prepend(...nodes);
}

/** @type {{search: string, again: () => void} | null} what is shown once the photo is closed that was opened from the panel, if the search is still this one */
let left = null;

const searchKey = () => JSON.stringify(toPairs(currentSearch()));

/**
 * Open a photo from the panel. When it is closed, the panel is there again.
 * @param {number} id @param {{again?: () => void, from?: "" | "copies"}} [options] `again` opens the panel anew, by default as it was; `from` is its name in addresses
 */
export function openFromPanel(id, { again = comingBack(), from = "" } = {}) {
  closePanel();
  openPhoto(id, { isAside: true, from });
  left = { search: searchKey(), again };
}

/** The photo of the address was opened from a list that is not on this page, as after a reload: closing it opens the list anew. @param {() => void} again */
export function comeBackTo(again) {
  if (openPhotoId() !== null) left ??= { search: searchKey(), again };
}

/** What shows the panel again as it is now, at the same place. */
function comingBack() {
  const panel = byId("panel");
  const nodes = [...parts()];
  const { scrollTop } = panel;
  const focused = /** @type {HTMLElement | null} */ (document.activeElement);
  return () => {
    fill(...nodes);
    showDialog(panel);
    moveAbove();
    if (focused && panel.contains(focused)) focused.focus({ preventScroll: true });
    panel.scrollTop = scrollTop;
  };
}

function comeBack() {
  if (!left || openPhotoId() !== null || byId("viewer").open) return; // it waits until the viewer has closed
  const { search, again } = left;
  left = null;
  if (search === searchKey()) again();
}
changes.addEventListener("photo", comeBack);
byId("viewer").addEventListener("close", comeBack);

/** A row of a list in the panel, `data-list`, by its number. @typedef {{list: string, at: number}} Place */

/** Put the focus on a row, or on the last one if there are fewer: the list was drawn again. @param {Place} place */
export function focusRow({ list, at }) {
  const rows = byId("panel").querySelectorAll(`[data-list="${list}"] > li`);
  rows[Math.min(at, rows.length - 1)]?.querySelector("button")?.focus();
}

export const closePanel = () => byId("panel").close();

byId("panel").addEventListener("click", (/** @type {MouseEvent} */ event) => {
  if (event.target === byId("panel")) closePanel(); // beside it
});
