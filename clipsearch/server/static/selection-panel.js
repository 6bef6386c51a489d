/** The selected photos that are not on the screen: scrolled away, or found by another search. */

import { countedPhotos, fileName } from "./format.js";
import { closePanel, openFromPanel, openPanel } from "./panel.js";
import { photoStrip } from "./photo-strip.js";
import { selection } from "./selection.js";

/**
 * @param {import("./api.js").Photo[]} photos
 * @param {import("./grid.js").Grid} grid
 */
export function openSelectionPanel(photos, grid) {
  const show = (/** @type {number} */ id) => {
    const index = grid.photos.findIndex((photo) => photo?.id === id);
    if (index < 0) {
      openFromPanel(id, { again });
      return;
    }
    closePanel();
    grid.moveTo(index);
  };
  /** Some may have been taken out meanwhile. */
  const again = () => {
    const selected = photos.filter((photo) => selection.has(photo));
    if (selected.length) openSelectionPanel(selected, grid);
  };
  openPanel(`${countedPhotos(photos)} selected, not on the screen`,
    photoStrip(photos.map(({ id, path }) => ({ id, name: fileName(path) })), show, { class: "strip wrapped", label: "Show" }));
}
