/** A few photos side by side: those of a place on the map, and those that are selected. */

import { thumbnailUrl } from "./api.js";
import { element } from "./dom.js";
import { count } from "./format.js";

const MOST = 300; // pictures; a number stands for the others

/**
 * @param {{id: number, name?: string}[]} photos
 * @param {(id: number) => void} open
 * @param {{class?: string, label?: string}} [options] the class of the list, and what a picture's button does
 */
export function photoStrip(photos, open, { class: name = "strip", label = "Open" } = {}) {
  const shown = photos.slice(0, MOST);
  return element("ul", { class: name },
    ...shown.map((photo, i) => element("li", {}, element("button", {
      type: "button", "aria-label": `${label} ${photo.name ?? `photo ${i + 1} of ${count(photos.length)}`}`, "data-key": `strip ${photo.id}`, onclick: () => open(photo.id),
    }, element("img", { alt: "", src: thumbnailUrl(photo.id, 256), loading: "lazy", decoding: "async" })))),
    photos.length > MOST && element("li", { class: "soft more" }, `and ${count(photos.length - MOST)} more`),
  );
}
