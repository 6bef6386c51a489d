/** The small dialog that saved searches, the index and the help are shown in. */

import { moveAbove } from "./above-dialogs.js";
import { byId, element, iconButton } from "./dom.js";
import { showDialog } from "./state.js";

const HAS_KEYS = matchMedia("(any-hover: hover)"); // on a phone, a field with the focus brings up a keyboard that covers the panel

/**
 * Show a panel. The cursor goes to its element with `data-first`: what most people have come for.
 * @param {string} title
 * @param {...Node} content
 */
export function openPanel(title, ...content) {
  const panel = byId("panel");
  for (const old of panel.querySelectorAll(":scope > .panel-head, :scope > .panel-body")) old.remove(); // a note may lie here, too
  panel.prepend(
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
