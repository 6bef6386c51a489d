/** The keyboard in the rows of photos, and what a click or a shifted one selects. */

import { neighbourRow } from "./row-layout.js";
import { selection } from "./selection.js";

/**
 * @param {HTMLElement} room
 * @param {import("./grid.js").Grid} grid
 * @param {(photo: import("./api.js").Photo) => void} similar
 */
export function setUpGridKeys(room, grid, similar) {
  room.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const target = destination(grid, event.key);
    if (target !== null) {
      event.preventDefault();
      if (event.shiftKey) selection.add(between(grid, grid.current, target));
      grid.anchor = target;
      grid.moveTo(target);
    } else if (event.key === "x" && grid.focused) {
      selection.toggle(grid.focused);
      grid.anchor = grid.current;
    } else if (event.key === "m" && grid.focused) {
      similar(grid.focused);
    }
  });
  room.addEventListener("focusin", (event) => {
    const photo = /** @type {HTMLElement} */ (event.target).closest(".photo");
    if (photo) grid.noteFocus(photo);
  });
}

/**
 * Where a key leads.
 * @param {import("./grid.js").Grid} grid @param {string} key
 * @returns {number | null} null for a key that moves nothing
 */
function destination(grid, key) {
  const { current, layout } = grid;
  if (!grid.photos.length) return null;
  const screenful = Math.max(1, Math.floor(innerHeight / (layout.rows[0].height * 1.3)));
  switch (key) {
    case "ArrowLeft": return Math.max(current - 1, 0);
    case "ArrowRight": return Math.min(current + 1, grid.photos.length - 1);
    case "ArrowUp": return neighbourRow(layout, current, -1);
    case "ArrowDown": return neighbourRow(layout, current, 1);
    case "Home": return 0;
    case "End": return grid.photos.length - 1;
    case "PageUp": return repeated(layout, current, -1, screenful);
    case "PageDown": return repeated(layout, current, 1, screenful);
    default: return null;
  }
}

/** @param {import("./row-layout.js").Layout} layout @param {number} index @param {1 | -1} direction @param {number} times */
function repeated(layout, index, direction, times) {
  for (let i = 0; i < times; i++) index = neighbourRow(layout, index, direction);
  return index;
}

/** The photos from one to another, both included. @param {import("./grid.js").Grid} grid @param {number} a @param {number} b */
export const between = (grid, a, b) => grid.photos.slice(Math.min(a, b), Math.max(a, b) + 1);
