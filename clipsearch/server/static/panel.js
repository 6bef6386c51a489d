/** The small dialog that saved searches, the index and the help are shown in. */

import { byId, element, iconButton } from "./dom.js";

/**
 * @param {string} title
 * @param {...Node} content
 */
export function openPanel(title, ...content) {
  const panel = byId("panel");
  panel.replaceChildren(
    element("div", { class: "panel-head" }, element("h2", { id: "panel-title" }, title), iconButton("close", "Close", () => panel.close())),
    element("div", { class: "panel-body" }, ...content),
  );
  if (!panel.open) panel.showModal();
}

export const closePanel = () => byId("panel").close();

byId("panel").addEventListener("click", (/** @type {MouseEvent} */ event) => {
  if (event.target === byId("panel")) closePanel(); // beside it
});
