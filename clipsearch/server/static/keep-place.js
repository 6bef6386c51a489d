/** What opens above the photos: it comes into view, and the photos on the screen stay where they are. */

import { byId } from "./dom.js";

const MOST = 0.5; // of an element's height, from which on it is in view

/** Where the page begins below the header, in pixels of the window. */
export const headerEdge = () => Math.max(0, /** @type {HTMLElement} */ (document.querySelector("header")).getBoundingClientRect().bottom);

/** Do what changes the height above the photos. If they fill the screen, they stay where they are. @param {() => void} change */
export function keepingPhotos(change) {
  if (scrollY === 0) { // nothing is measured, which costs time
    change();
    return;
  }
  const rows = byId("photos");
  const before = rows.getBoundingClientRect().top;
  change();
  if (before < headerEdge()) scrollBy({ top: rows.getBoundingClientRect().top - before, behavior: "instant" });
}

/** Whether most of an element is seen between the header and the bottom of the window. @param {HTMLElement} element */
export function isInView(element) {
  const { top, bottom, height } = element.getBoundingClientRect();
  return Math.min(bottom, innerHeight) - Math.max(top, headerEdge()) >= MOST * height;
}

/** Scroll only as far as is needed; the style sheet says how far from the header. @param {HTMLElement} element */
export const bringIntoView = (element) => element.scrollIntoView({ block: "nearest", behavior: "instant" });
