/** The active filters as chips, with a button to remove each. */

import { byId, element, icon } from "./dom.js";
import { count, fileName, place, starsText, visible } from "./format.js";
import { keepingPhotos } from "./keep-place.js";
import { cameraName, canJudge, changes, changeSearch, currentSearch, isFiltered, withoutFilters } from "./state.js";
import { matchWords } from "./threshold.js";

/** @typedef {import("./state.js").Search} Search */

const KM_A_DEGREE = 111.195;
const MOST_LETTERS = 40; // of what cannot be read
export const MARKS = /** @type {const} */ (["right", "wrong"]); // of photos, for a search
const LARGEST = 3000; // kilometres; the lengths of a larger area say nothing

export function setUpFilterChips() {
  changes.addEventListener("search", () => keepingPhotos(render));
  byId("filter-chips").addEventListener("focusin", ({ target }) => /** @type {Element} */ (target).closest("li")?.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "instant" })); // beside "Clear all", not under it
  for (const line of document.querySelectorAll(".terms, .understood, .toolbar, .filter-chips, .choices")) {
    line.addEventListener("wheel", (event) => scrollSideways(/** @type {WheelEvent} */ (event), line), { passive: false });
  }
  render();
}

/** A wheel scrolls what may be longer than its line, until its end is reached. @param {WheelEvent} event @param {Element} line */
function scrollSideways(event, line) {
  const before = line.scrollLeft;
  if (event.deltaX || event.ctrlKey || event.defaultPrevented) return; // the browser's own, or of a line within it
  line.scrollLeft += event.deltaY;
  if (line.scrollLeft !== before) event.preventDefault();
}

function render() {
  const list = byId("filter-chips");
  const search = currentSearch();
  const chips = chipsOf(search);
  list.hidden = !isFiltered(search);
  list.closest(".toolbar")?.classList.toggle("filtered", !list.hidden);
  /** @param {Partial<Search>} change @param {string} title @param {Node[]} label */
  const button = (change, title, ...label) => element("button", { type: "button", class: "filter-chip", title, onclick: () => changeSearch(change) }, ...label);
  list.replaceChildren(...chips.map(({ text, change }) =>
    element("li", {}, button(change, "Remove this filter", element("bdi", {}, text), element("span", { class: "offscreen" }, " remove"), icon("close")))));
  if (chips.length > 1) list.append(element("li", { class: "clear-all" }, button(withoutFilters(), "Remove all filters", element("bdi", {}, "Clear all"))));
}

/** "2 marked right"; "" without such marks. @param {Readonly<Search>} search @param {typeof MARKS[number]} mark */
export const marksText = (search, mark) => (search[mark].length ? `${search[mark].length} marked ${mark}` : "");

/** A search as the name of what is made of it: "a dog, certain, with Anna, 2019"; "" for all photos. @param {Readonly<Search>} search */
export function searchTitle(search) {
  return [visible(search.q.trim()), search.pictures.length ? "like a picture" : "", ...MARKS.map((mark) => marksText(search, mark)), search.minMatch && canJudge(search) ? matchWords(search.minMatch) : "", ...chipsOf(search).map(({ text }) => text)].filter(Boolean).join(", ");
}

/** @param {Readonly<Search>} search @returns {{text: string, change: Partial<Search>}[]} */
function chipsOf(search) {
  const chips = search.folders.map((folder, i) => ({
    text: `${i ? "or " : ""}${fileName(folder)}`, change: { folders: search.folders.filter((other) => other !== folder) },
  }));
  /** @param {Partial<Search>} change @param {string} text */
  const add = (change, text) => chips.push({ text, change: /** @type {any} */ (change) });
  if (search.from || search.to) add({ from: "", to: "" }, period(search.from, search.to));
  if (search.camera) add({ camera: "" }, visible(cameraTitle(search.camera)));
  if (search.within) add({ within: "" }, area(search.within));
  if (search.near) add({ near: "" }, surroundings(search.near));
  for (const [list, word] of /** @type {const} */ ([["places", "in"], ["keywords", "keyword"], ["people", "with"]])) {
    search[list].forEach((value, i) => add({ [list]: search[list].filter((other) => other !== value) },
      `${i ? (list === "places" ? "or " : "and ") : ""}${word} ${visible(value.replace(/\[([*?[])\]/g, "$1"))}`));
  }
  if (search.rating) add({ rating: "" }, starsText(search.rating));
  if (search.text) add({ text: "" }, `has the words ${visible(search.text)}`);
  if (search.album) add({ album: "" }, `album ${visible(search.album)}`);
  if (search.orientation) add({ orientation: "" }, search.orientation);
  if (search.format) add({ format: "" }, search.format.toUpperCase());
  if (search.name) add({ name: "" }, `name ${visible(search.name)}`);
  if (search.where) add({ where: "" }, visible(search.where));
  for (const other of search.others) add({ others: search.others.filter((kept) => kept !== other) }, visible(`${other[0].replace("_", " ")} ${other[1]}`));
  return chips;
}

/** A name without quotes, as an address may have it, is a part of the names of cameras. @param {string} camera */
const cameraTitle = (camera) => (cameraName(camera) === camera ? `camera contains ${camera}` : cameraName(camera));

/** @param {string} from @param {string} to */
function period(from, to) {
  if (from === to) return from;
  return from && to ? `${from} to ${to}` : from ? `since ${from}` : `until ${to}`;
}

/** What an address has, and cannot be read. @param {string} text */
const quoted = (text) => `“${visible(text.length > MOST_LETTERS ? `${text.slice(0, MOST_LETTERS)}…` : text)}”`;

/** @param {string} within */
function area(within) {
  const edges = within.split(",").map(Number);
  const [south, west, north, east] = edges;
  if (edges.length !== 4 || !edges.every(Number.isFinite) || south > north) return `area ${quoted(within)}`; // the server says why
  const high = (north - south) * KM_A_DEGREE;
  const wide = (east < west ? east - west + 360 : east - west) * KM_A_DEGREE * Math.cos(((south + north) / 360) * Math.PI);
  if (Math.max(wide, high) > LARGEST) return "area on the map";
  const round = (/** @type {number} */ km) => (km < 1 ? `${Math.max(1, Math.round(km * 1000))} m` : `${count(km < 10 ? Math.round(km * 10) / 10 : Math.round(km))} km`);
  return `area of ${round(wide)} × ${round(high)}`;
}

/** @param {string} near */
function surroundings(near) {
  const [latitude, longitude, km = 1, ...others] = near.split(",").map(Number);
  if (![latitude, longitude, km].every(Number.isFinite) || others.length) return `near ${quoted(near)}`;
  return `${count(Math.round(km * 10) / 10)} km around ${place(latitude, longitude)}`;
}
