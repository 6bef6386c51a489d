/** What the search understands, and which keys do what. */

import { element } from "./dom.js";
import { openPanel } from "./panel.js";

const SEARCHES = [
  ["a dog on a beach", "what is to be seen, in your words"],
  ["a cat + 2:on a sofa", "both; the second counts twice"],
  ["mountains - people", "the one without the other"],
  ['"salt + pepper"', "between quotes, signs are only text"],
];
const PICTURES = "Drop, paste or choose a picture to search by it, alone or with words. Drag a photo from the rows to add it to the search. Nothing leaves this server.";
const KEYS = [
  ["/", "search"], ["↓", "from the search to the photos"], ["← → ↑ ↓", "from photo to photo"], ["Enter", "open"], ["Esc", "close, or select none"],
  ["x", "select"], ["Shift + arrows or click", "select from here to there"], ["Ctrl + A", "select all that are loaded"], ["m", "more like this"], ["f", "filters"],
  ["+ − 0", "zoom in a photo or the map, and back; arrows move"], ["i", "about the photo"], ["?", "this help"],
];

export function openHelp() {
  openPanel("Help",
    element("h3", {}, "Searching"), table(SEARCHES, "code"), element("p", {}, PICTURES),
    element("h3", {}, "Keys"), table(KEYS, "kbd"),
  );
}

/** @param {string[][]} rows @param {"code" | "kbd"} kind */
function table(rows, kind) {
  return element("dl", { class: "facts" }, ...rows.flatMap(([what, does]) => [element("dt", {}, element(kind, {}, what)), element("dd", {}, does)]));
}
