/** Copies of photos, found on the whole index. They can be looked at, selected and listed; nothing here deletes a file. */

import { ask, isAbort, thumbnailUrl } from "./api.js";
import { byId, element, icon } from "./dom.js";
import { bytes, count, counted, fileName, folderOf, visible } from "./format.js";
import { closePanel, comeBackTo, openFromPanel, openPanel } from "./panel.js";
import { selection } from "./selection.js";

/** @typedef {import("./api.js").Photo} Photo */
/** @typedef {Photo & {exact: boolean, cosine: number, differing_bits: number}} Copy */
/** @typedef {{best: Photo, reason: string, copies: Copy[]}} Group */
/** @typedef {{images: number, copies: number, bytes: number, groups: Group[], failures: {path: string, reason: string}[]}} Report */

const TITLE = "Copies";
const AT_ONCE = 50; // groups that are shown; more on demand
const KEPT = "clipsearch-copies"; // the last report of this tab, for a reload: comparing takes minutes in a large library; main.js forgets it

export async function openDuplicatesPanel() {
  const stop = new AbortController();
  openPanel(TITLE, element("p", { role: "status" }, "Comparing all photos with each other. Similar ones are read again, which takes a while in a large library."), element("progress", { "aria-label": "Looking for copies" }));
  byId("panel").addEventListener("close", () => stop.abort(), { once: true }); // the server stops, too
  try {
    const report = await ask("/api/duplicates", { signal: stop.signal });
    keep(report);
    show(report);
  } catch (error) {
    if (!isAbort(error)) openPanel(TITLE, element("p", {}, /** @type {Error} */ (error).message));
  }
}

/** @param {Report} report */
function keep(report) {
  try {
    sessionStorage.setItem(KEPT, JSON.stringify(report));
  } catch { // no room for so many groups
    sessionStorage.removeItem(KEPT);
  }
}

/** Closing the open photo leads to the copies. */
export const comeBackToCopies = () => comeBackTo(() => {
  const kept = sessionStorage.getItem(KEPT);
  if (kept) show(JSON.parse(kept));
  else openDuplicatesPanel();
});

/** @param {Report} report */
function show(report) {
  const { groups, failures } = report;
  if (!groups.length) {
    openPanel(TITLE, element("p", {}, `None of the ${counted(report.images)} is a copy of another.`));
    return;
  }
  const list = element("ul", { class: "copy-groups" }, ...groups.slice(0, AT_ONCE).map(groupItem));
  const rest = element("button", { type: "button", onclick: () => {
    list.append(...groups.slice(list.childElementCount, list.childElementCount + AT_ONCE).map(groupItem));
    rest.hidden = list.childElementCount >= groups.length;
  } }, "More groups");
  rest.hidden = groups.length <= AT_ONCE;
  openPanel(TITLE,
    element("p", {}, `${count(report.copies)} ${report.copies === 1 ? "copy" : "copies"} in ${counted(groups.length, "group")} take ${bytes(report.bytes)}. Nothing is deleted here: select the copies to copy their paths or download a list.`),
    element("div", {}, element("button", { type: "button", class: "primary", onclick: () => select(groups.flatMap(({ copies }) => copies)) }, icon("check"), "Select all copies")),
    list, rest,
    failures.length ? element("p", { class: "soft" }, `${counted(failures.length, "photo")} could not be compared; the first: ${visible(failures[0].path)}: ${visible(failures[0].reason)}`) : element("span", { hidden: true }));
}

/** @param {Photo[]} copies */
function select(copies) {
  selection.clear();
  selection.add(copies);
  closePanel();
}

/** @param {Group} group */
function groupItem({ best, reason, copies }) {
  return element("li", {},
    element("div", { class: "copies" }, tile(best, "best", `Best: ${reason}`), ...copies.map((copy) => tile(copy, copy.exact ? "same" : "near", likeness(copy)))),
    element("button", { type: "button", class: "link", onclick: () => select(copies) }, copies.length === 1 ? "Select the copy" : `Select the ${count(copies.length)} copies`));
}

/** @param {Copy} copy */
const likeness = ({ exact, differing_bits: bits }) => exact ? "The same bytes as the best" : `Looks like the best: ${bits} of 256 bits of the picture differ`;

/** @param {Photo} photo @param {string} badge @param {string} title */
function tile(photo, badge, title) {
  return element("button", { type: "button", class: `copy ${badge}`, title: `${visible(photo.path)}\n${title}`, onclick: () => openFromPanel(photo.id, { from: "copies" }) },
    element("span", { class: "copy-picture" }, element("img", { src: thumbnailUrl(photo.id, 256), alt: "", loading: "lazy" }), element("span", { class: "badge" }, badge)),
    element("bdi", {}, fileName(photo.path)),
    element("span", { class: "soft" }, `${photo.width} × ${photo.height}, ${bytes(photo.size)}`),
    element("span", { class: "soft" }, element("bdi", {}, fileName(folderOf(photo.path)))));
}
