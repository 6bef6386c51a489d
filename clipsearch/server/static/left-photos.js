/** What leaves the list that is shown leaves the selection, too: taken out of an album, or removed from the index. */

import { photos } from "./photos.js";
import { selection } from "./selection.js";

/** @typedef {import("./api.js").Photo} Photo */
/** @typedef {Readonly<import("./state.js").Search>} Search */

/** @param {(search: Search) => string} keyOf what the photos of a search depend on */
export function deselectWhatLeaves(keyOf) {
  /** @type {{search: Search | null, list: Photo[], considered: number}} */
  let last = { search: null, list: [], considered: 0 };
  const remember = () => { last = { search: photos.search, list: photos.list, considered: photos.considered }; };
  photos.addEventListener("shown", () => {
    const before = last;
    remember();
    if (!selection.size || !before.search || !photos.search || keyOf(before.search) !== keyOf(photos.search)) return;
    const there = new Set(photos.list.map(({ id }) => id));
    /** Others have moved up. More than were asked for may follow those that are loaded. */
    const known = photos.complete ? before.list.length : photos.considered <= before.considered ? photos.list.length : 0;
    const left = before.list.slice(0, known).filter((photo) => !there.has(photo.id) && selection.has(photo));
    if (left.length) selection.remove(left);
  });
  photos.addEventListener("more", remember);
}
