/** Saved searches, which the server keeps for each index, and albums. */

import { albumList } from "./albums-panel.js";
import { ask } from "./api.js";
import { copyText } from "./clipboard.js";
import { byId, element, icon, iconButton } from "./dom.js";
import { searchTitle } from "./filter-chips.js";
import { visible } from "./format.js";
import { announce } from "./messages.js";
import { closePanel, focusRow, openPanel } from "./panel.js";
import { toDownload } from "./select-all.js";
import { currentSearch, fromPairs, isFiltered, isQuery, newSearch, toPairs } from "./state.js";

/** @typedef {import("./url.js").Pair} Pair */
/** @typedef {Record<string, string | number | boolean | string[]>} Parameters */

const TITLE = "Searches and albums";
const REPEATED = ["like", "unlike", "right", "wrong", "in", "name", "place", "keyword", "person"];

export async function openSavedSearches() {
  openPanel(TITLE, element("p", { class: "soft" }, "…"));
  await show();
}

/** @param {import("./panel.js").Place} [place] what gets the focus */
async function show(place) {
  try {
    const { searches } = await ask("/api/saved-searches");
    const albums = await albumList(show);
    if (!byId("panel").open || byId("panel-title").textContent !== TITLE) return; // it was closed meanwhile
    openPanel(TITLE, saveForm(), list(searches), ...albums, ...shareActions());
    if (place) focusRow(place);
  } catch (error) {
    openPanel(TITLE, element("p", {}, /** @type {Error} */ (error).message));
  }
}

/** A field for the name of the current search, or why it cannot have one. */
function saveForm() {
  const search = currentSearch();
  if (!isQuery(search) && !isFiltered(search)) return element("p", { class: "soft" }, "Search for something or set a filter, then save it here under a name.");
  if (search.pictures.some((picture) => picture.source.startsWith("upload:"))) {
    return element("p", { class: "soft" }, "This search has an uploaded picture, which the server deletes within an hour, so it cannot be saved.");
  }
  const name = element("input", { name: "name", required: true, maxlength: "200", value: searchTitle(search).slice(0, 200), "aria-label": "Name of this search", autocomplete: "off" });
  const parameters = toParameters(toPairs(search));
  const keep = async () => (await save(name.value.trim(), parameters)) && show();
  const question = element("div", { class: "inline-form question" },
    element("span", {}, "Another search has this name."), element("button", { type: "button", onclick: keep }, "Replace it"));
  name.addEventListener("input", () => question.remove());
  const form = element("form", { class: "inline-form", onsubmit: async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    if (!name.value.trim()) return announce("Give the search a name.");
    if (!(await isTaken(name.value.trim(), parameters))) return keep();
    form.append(question);
    name.select(); // Enter twice replaces nothing
    announce("Another search has this name.");
  } }, name, element("button", { type: "submit", class: "primary" }, "Save this search"));
  return form;
}

/** Whether another search has this name by now. @param {string} name @param {Parameters} parameters */
async function isTaken(name, parameters) {
  const { searches } = await ask("/api/saved-searches").catch(() => ({ searches: [] })); // saving says what is wrong
  return searches.some((/** @type {{name: string, parameters: Parameters}} */ other) => other.name === name && JSON.stringify(other.parameters) !== JSON.stringify(parameters));
}

/** Save a search, and say whether that worked. @param {string} name @param {Parameters} parameters */
async function save(name, parameters) {
  try {
    await ask(`/api/saved-searches/${encodeURIComponent(name)}`, { method: "PUT", body: { parameters } });
    announce("The search is saved.");
    return true;
  } catch (error) {
    announce(/** @type {Error} */ (error).message);
    return false;
  }
}

/** Remove a search, and offer to take that back. @param {string} name @param {Parameters} parameters @param {number} at its row */
async function remove(name, parameters, at) {
  const place = { list: "searches", at };
  const undo = async () => (await save(name, parameters)) && show(place);
  try {
    await ask(`/api/saved-searches/${encodeURIComponent(name)}`, { method: "DELETE" });
    announce("The search is removed.", { label: "Undo", act: undo });
  } catch (error) {
    announce(/** @type {Error} */ (error).message);
  }
  await show(place);
}

/** Giving the search to others, as an address or as files. */
function shareActions() {
  const wanted = toDownload();
  if (!wanted) return [];
  const copy = async () => announce((await copyText(location.href)) ? "Address copied. It opens this search on a machine that reaches this server." : "The browser does not allow copying here.");
  const share = () => navigator.share({ title: document.title, url: location.href }).catch(() => {}); // closing the sheet is no error
  const take = async (/** @type {Event} */ { currentTarget }) => {
    const button = /** @type {HTMLButtonElement} */ (currentTarget);
    button.disabled = true; // many photos take a moment
    try {
      const found = await wanted.load();
      (await import("./download-panel.js")).openDownloadPanel(found);
    } catch (error) {
      announce(/** @type {Error} */ (error).message);
    }
    button.disabled = false;
  };
  return [
    element("h3", {}, "Share what is shown"),
    element("div", { class: "inline-form" },
      element("button", { type: "button", onclick: copy }, icon("link"), "Copy the address"),
      "share" in navigator && element("button", { type: "button", onclick: share }, icon("share"), "Share…"),
      element("button", { type: "button", onclick: take }, icon("download"), wanted.label)),
  ];
}

/** @param {{name: string, parameters: Parameters}[]} searches */
function list(searches) {
  if (!searches.length) return element("p", { class: "soft" }, "None yet.");
  return element("ul", { class: "rows", "data-list": "searches" }, ...searches.map(({ name, parameters }, at) => element("li", {},
    element("button", { type: "button", class: "row", onclick: () => (closePanel(), newSearch(fromPairs(toPairsOf(parameters)))) },
      element("bdi", {}, visible(name)), element("span", { class: "soft" }, described(parameters))),
    iconButton("trash", `Remove ${visible(name)}`, () => remove(name, parameters, at)),
  )));
}

/** What is searched for, and which of the page's settings differ. @param {Parameters} parameters */
function described(parameters) {
  const search = fromPairs(toPairsOf(parameters));
  const order = [.../** @type {HTMLSelectElement} */ (byId("sort")).options].find(({ value }) => value === search.sort)?.text.toLowerCase();
  return [searchTitle(search), search.everyFile && "every file", search.allMoments && "all moments", search.byMeaning && "no words in texts", search.asTyped && "no filters from words", order].filter(Boolean).join(", ");
}

/** Parameters as JSON: lists for those that may be repeated. @param {Pair[]} pairs @returns {Parameters} */
function toParameters(pairs) {
  /** @type {Record<string, any>} */
  const found = {};
  for (const [name, value] of pairs) {
    if (REPEATED.includes(name)) (found[name] ??= []).push(value);
    else found[name] = value === "true" || (value === "false" ? false : value);
  }
  return found;
}

/** @param {Parameters} parameters @returns {Pair[]} */
function toPairsOf(parameters) {
  return Object.entries(parameters).flatMap(([name, value]) => [value].flat().map((item) => /** @type {Pair} */ ([name, String(item)])));
}
