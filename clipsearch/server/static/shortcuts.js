/** Keys that work everywhere on the page, except in text fields. */

import { byId } from "./dom.js";
import { selection } from "./selection.js";

/** @param {import("./grid.js").Grid} grid */
export function setUpShortcuts(grid) {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog:modal")) return;
    const target = /** @type {HTMLElement} */ (event.target);
    if (target === byId("query")) {
      fromSearchBox(event, grid);
      return;
    }
    if (target.closest("input, select, textarea")) return;
    if (event.key === "/") byId("query").select();
    else if (event.key === "?") byId("open-help").click();
    else if (event.key === "f") byId("toggle-filters").click();
    else if (event.key === "Escape" && selection.size) selection.clear();
    else return;
    event.preventDefault();
  });
}

/** @param {KeyboardEvent} event @param {import("./grid.js").Grid} grid */
function fromSearchBox(event, grid) {
  if (event.key === "ArrowDown" && grid.photos.length) {
    event.preventDefault();
    grid.moveTo(grid.current);
  } else if (event.key === "Escape") {
    event.preventDefault();
    byId("clear-query").click();
  }
}
