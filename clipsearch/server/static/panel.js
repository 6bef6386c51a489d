/** The small dialog that saved searches, the index and the help are shown in. */

import { byId, element, iconButton } from "./dom.js";

const HAS_KEYS = matchMedia("(any-hover: hover)"); // on a phone, a field with the focus brings up a keyboard that covers the panel

/**
 * Show a panel. The cursor goes to its element with `data-first`: what most people have come for.
 * @param {string} title
 * @param {...Node} content
 */
export function openPanel(title, ...content) {
  const panel = byId("panel");
  panel.replaceChildren(
    element("div", { class: "panel-head" }, element("h2", { id: "panel-title" }, title), iconButton("close", "Close", () => panel.close())),
    element("div", { class: "panel-body" }, ...content),
  );
  if (!panel.open) {
    panel.showModal();
    const note = byId("note");
    if (note.matches(":popover-open")) { // it was opened before, so it would lie under the dialog
      note.hidePopover();
      note.showPopover();
    }
  } else if (panel.contains(document.activeElement)) return;
  const first = HAS_KEYS.matches ? /** @type {HTMLElement | null} */ (panel.querySelector("[data-first]")) : null;
  (first ?? panel).focus({ preventScroll: true }); // the panel itself, so that keys scroll it and Enter does not close it
}

export const closePanel = () => byId("panel").close();

byId("panel").addEventListener("click", (/** @type {MouseEvent} */ event) => {
  if (event.target === byId("panel")) closePanel(); // beside it
});
