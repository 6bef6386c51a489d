/** Keys that work everywhere on the page, except in text fields. */

import { toggleFavourites } from "./albums.js";
import { byId } from "./dom.js";
import { selectAll } from "./select-all.js";
import { selection } from "./selection.js";

const ARROWS = ["ArrowDown", "ArrowUp", "ArrowLeft", "ArrowRight"];
const TEXT_FIELDS = "textarea, select, input:not([type=checkbox], [type=radio], [type=range])";

/**
 * What a key does to the photo that the keyboard is at, it does to all that are selected, if there are some.
 * @param {import("./grid.js").Grid} grid @param {(photos: import("./api.js").Photo[], mark: "right" | "wrong") => void} mark
 */
export function setUpShortcuts(grid, mark) {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.altKey || document.querySelector("dialog:modal")) return;
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey) {
      if (event.key.toLowerCase() !== "a" || event.shiftKey || target.closest(TEXT_FIELDS) || !grid.photos.length) return;
      event.preventDefault(); // or the browser marks the page's text
      selectAll();
      return;
    }
    if (target === byId("query")) {
      fromSearchBox(event, grid);
      return;
    }
    if (target.closest("input, select, textarea")) return;
    const photos = selection.size ? selection.photos : grid.focused ? [grid.focused] : [];
    if (event.key === "/") byId("query").select();
    else if (event.key === "h" && photos.length) toggleFavourites(photos);
    else if ((event.key === "r" || event.key === "w") && photos.length) mark(photos, event.key === "r" ? "right" : "wrong");
    else if (event.key === "?") byId("open-help").click();
    else if (event.key === "f") byId("toggle-filters").click();
    else if (event.key === "Escape" && selection.isActive) selection.clear();
    else if (ARROWS.includes(event.key) && !event.shiftKey && target === document.body && grid.onScreen.length) grid.moveTo(grid.photos.indexOf(grid.onScreen[0]));
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
