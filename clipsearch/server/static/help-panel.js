/** Help: how to search, and what fingers and keys do. */

import { element } from "./dom.js";
import { MATCH_MEANING } from "./format.js";
import { openPanel } from "./panel.js";

const SEARCHES = [
  ["a dog on a beach", "what the photo shows, in your own words"],
  ["dogs in Paris in July 2019", "dates and places become filters; above the photos you see them, and a click makes them words again"],
  ["Anna at the beach", "names of people and keywords, if your photos have them"],
  ["a beach without people", "keeps what the model takes for people out of the likely photos; some may stay"],
  ["a cat + 2:on a sofa", "both; the second counts twice"],
  ["mountains - people", "mountains without people"],
  ['"salt + pepper"', "in quotes, + and - are plain text; without the second quote, up to the end"],
];
const PICTURES = "Drop, paste or choose a picture to search by it, alone or with words. Drag a photo from the rows to add it to the search. Nothing leaves this server.";
const PICTURES_BY_TOUCH = "Choose or take a picture to search by it, alone or with words. Nothing leaves this server.";
const TOUCHES = [
  ["Tap", "open a photo; while photos are selected, select or deselect it"], ["Hold", "select; drag on for more, and to the edge to scroll"],
  ["Swipe", "in a photo: left and right to the next one, down to close it, up for what is known of it"], ["Two fingers", "zoom a photo or the map"],
  ["Tap twice", "zoom in, and out again"], ["Scroll up", "brings the search box back"],
];
const KEYS = [
  ["/", "search"], ["↓", "go from the search box to what it proposes, if it does, and then to the photos"], ["Alt + ↓", "recent searches and ideas"], ["← → ↑ ↓", "go from photo to photo"], ["Enter", "open"], ["Esc", "close, or clear the selection"],
  ["x", "select"], ["Shift + arrows or click", "select a range"], ["Drag from a gap or the margin", "select all photos in a rectangle; with Ctrl or Shift, in addition"], ["Ctrl + A", "select all photos of a list, or the likely ones of a search"], ["m", "more like this"], ["r", "right: more like it, in this search; more like all that are selected, if there are some"], ["w", "wrong: fewer like it, and not this one; likewise"], ["h", "make it a favourite, or all that are selected; once more takes that back"], ["f", "filters"],
  ["+ − 0", "zoom in, out and back, in a photo or on the map; arrows move it"], ["?", "this help"],
];
const VIEWER_KEYS = [["i", "about the photo"], ["k", "play or pause a film"], ["s", "slideshow"], ["c", "copy the picture"], ["d", "download the photo"], ["o", "open the picture in a tab"], ["h r w m x", "as in the rows, for this photo alone"]];

export function openHelp() {
  const withTouch = matchMedia("(any-pointer: coarse)").matches;
  const withKeys = matchMedia("(any-hover: hover)").matches || !withTouch; // a phone has neither a mouse nor keys
  openPanel("Help",
    element("h3", {}, "Searching"), table(SEARCHES, "code"), element("p", {}, withKeys ? PICTURES : PICTURES_BY_TOUCH), element("p", {}, `Likely photos match by 50% or more, or have all your words in their titles, keywords, names or other texts; under the pointer, they say where. ${MATCH_MEANING}`),
    ...(withTouch ? [element("h3", {}, "Touch"), table(TOUCHES, "strong")] : []),
    ...(withKeys ? [element("h3", {}, "Keys"), table(KEYS, "kbd"), element("h3", {}, "Keys in a photo"), table(VIEWER_KEYS, "kbd")] : []),
  );
}

/** @param {string[][]} rows @param {"code" | "kbd" | "strong"} kind */
function table(rows, kind) {
  return element("dl", { class: "facts" }, ...rows.flatMap(([example, meaning]) => [element("dt", {}, element(kind, {}, example)), element("dd", {}, meaning)]));
}
