/** The selected photos that are not on the screen: scrolled away, or found by another search. */

import { countedPhotos, fileName } from "./format.js";
import { closePanel, openPanel } from "./panel.js";
import { photoStrip } from "./photo-strip.js";
import { openPhoto } from "./state.js";

/**
 * @param {import("./api.js").Photo[]} photos
 * @param {import("./grid.js").Grid} grid
 */
export function openSelectionPanel(photos, grid) {
  const show = (/** @type {number} */ id) => {
    closePanel();
    const index = grid.photos.findIndex((photo) => photo?.id === id);
    if (index >= 0) grid.moveTo(index);
    else openPhoto(id, { isAside: true });
  };
  openPanel(`${countedPhotos(photos)} selected elsewhere`,
    photoStrip(photos.map(({ id, path }) => ({ id, name: fileName(path) })), show, { class: "strip wrapped", label: "Show" }));
}
