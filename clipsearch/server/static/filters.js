/** The filter panel: counts by year, folder, camera and so on, to choose from. */

import { ask } from "./api.js";
import { datesSection } from "./date-filter.js";
import { byId, element, iconButton, keepingFocus } from "./dom.js";
import { folderTree } from "./folder-filter.js";
import { count, starSigns, starsText, visible } from "./format.js";
import { photos } from "./photos.js";
import { changes, changeSearch, currentSearch, EMPTY, filterPairs, literal } from "./state.js";
import { encodePairs } from "./url.js";

/** @typedef {import("./state.js").Search} Search */
/** @typedef {{value: string, images: number}} Count */
/** @typedef {Record<string, Count[]>} Facets */

const SHOWN = 8; // cameras, keywords or people, before "more" is clicked
const LISTS = /** @type {const} */ ({ country: "places", place: "places", keyword: "keywords", person: "people" });

const panel = byId("filters");
const body = element("div", { class: "facets" });
/** @type {Map<string, Promise<Facets>>} by parameters; the counts of an index stay until it changes */
const known = new Map();
/** @type {Set<string>} facets of which all values are shown */
const unfolded = new Set();

panel.append(
  element("div", { class: "panel-head" }, element("h2", { id: "filters-title" }, "Filters"), iconButton("close", "Close the filters", () => toggleFilters(false, false))),
  body,
  element("form", { class: "facet", onsubmit: useTexts },
    textField("text", "Words in titles, keywords and pictures", '"train ticket" pari*'),
    textField("name", "File name", "beach, or IMG_*.jpg"),
    textField("where", "Expression", "width > 2000 and not camera ~ '*canon*'"),
    element("button", { type: "submit", class: "offscreen", tabindex: "-1" }, "Use"),
  ),
);
panel.addEventListener("close", () => byId("toggle-filters").setAttribute("aria-expanded", "false"));
changes.addEventListener("search", refresh);
photos.addEventListener("shown", () => panel.open && !panel.querySelector(".facet-list") && refresh());

/**
 * Show or hide the filters, beside the photos or over them.
 * @param {boolean} beside
 * @param {boolean} [open] by default, the opposite of the present state
 */
export function toggleFilters(beside, open = !panel.open) {
  const wasModal = panel.matches(":modal");
  if (panel.open) panel.close();
  if (open && beside) panel.setAttribute("open", ""); // show() would take the focus from the search box
  else if (open) panel.showModal();
  byId("toggle-filters").setAttribute("aria-expanded", String(open));
  document.documentElement.classList.toggle("with-filters", open && beside);
  if (beside || (!open && !wasModal)) localStorage.setItem("clipsearch-filters", open ? "open" : "closed");
  if (open) refresh();
}

/** The index has changed. */
export function forgetCounts() {
  known.clear();
  refresh();
}

async function refresh() {
  if (!panel.open) return;
  const search = currentSearch();
  try {
    // each filter's values are counted without the filter itself, so that another value can be chosen
    const [dates, folders, cameras, formats, orientations, ratings, places, all] = await Promise.all([
      countsWithout(search, "from", "to"), countsWithout(search, "folders"), countsWithout(search, "camera"),
      countsWithout(search, "format"), countsWithout(search, "orientation"), countsWithout(search, "rating"),
      countsWithout(search, "places"), countsWithout(search), // of keywords and people, all that are chosen must be there
    ]);
    if (search !== currentSearch()) return;
    keepingFocus(panel, () => {
      body.replaceChildren(...[
        datesSection(dates.year, dates.month, search),
        section("Folders", folderTree(folders.folder, search.folders, refresh)),
        places.country.length > 1 && section("Countries", severalChoices("country", places.country)),
        places.place.length > 0 && section("Places", severalChoices("place", places.place)),
        all.person.length > 0 && section("People", severalChoices("person", all.person)),
        all.keyword.length > 0 && section("Keywords", severalChoices("keyword", all.keyword)),
        ratings.rating.length > 0 && section("Rating", ratingChoices(ratings.rating)),
        section("Camera", choices("camera", cameras.camera)),
        section("Shape", choices("orientation", orientations.orientation)),
        section("Format", choices("format", formats.format)),
      ].filter((part) => part !== false));
      for (const name of ["text", "name", "where"]) /** @type {any} */ (panel.querySelector(`[name=${name}]`)).value = search[/** @type {"name"} */ (name)];
    });
  } catch (error) {
    body.replaceChildren(element("p", { class: "soft" }, /** @type {Error} */ (error).message));
  }
}

/** @param {Readonly<Search>} search @param {...keyof Search} names @returns {Promise<Facets>} */
function countsWithout(search, ...names) {
  const without = { ...search, ...Object.fromEntries(names.map((name) => [name, EMPTY[name]])) };
  const key = encodePairs(filterPairs(without));
  let counts = known.get(key);
  if (!counts) {
    if (known.size > 50) known.clear();
    counts = ask("/api/facets", { pairs: [...filterPairs(without), ["top", "500"], ["depth", "8"]] }).then((answer) => answer.facets);
    counts.catch(() => known.delete(key));
    known.set(key, counts);
  }
  return counts;
}

/** @param {string} title @param {HTMLElement} content */
function section(title, content) {
  return element("section", { class: "facet" }, element("h3", {}, title), content);
}

/** @param {"camera" | "format" | "orientation"} name @param {Count[]} counts */
function choices(name, counts) {
  const chosen = currentSearch()[name];
  const isChosen = (/** @type {string} */ value) => same(value, chosen);
  return valueList(name, counts, isChosen, (value) => changeSearch({ [name]: isChosen(value) ? "" : name === "camera" ? value : value.toLowerCase() }));
}

/** Facts of which several can be chosen. @param {keyof typeof LISTS} name @param {Count[]} counts */
function severalChoices(name, counts) {
  const list = LISTS[name];
  const chosen = currentSearch()[list];
  const isChosen = (/** @type {string} */ value) => chosen.some((other) => same(value, other));
  return valueList(name, counts, isChosen, (value) => changeSearch({
    [list]: isChosen(value) ? chosen.filter((other) => !same(value, other)) : [...chosen, list === "places" ? value : literal(value)],
  }));
}

/** So many stars or more; rejected photos alone. @param {Count[]} counts the best first */
function ratingChoices(counts) {
  const chosen = currentSearch().rating;
  let sum = 0;
  const choices = counts.map(({ value, images }) => {
    const isRejected = value === "-1";
    if (!isRejected) sum += images;
    return { value: isRejected || value === "5" ? value : `${value}..`, images: isRejected ? images : sum };
  });
  return element("ul", { class: "facet-list" }, ...choices.map(({ value, images }) => choice("rating", value, images, value === chosen,
    () => changeSearch({ rating: value === chosen ? "" : value }),
    value === "-1" ? "Rejected" : element("span", {}, element("span", { class: "stars", "aria-hidden": "true" }, starSigns(parseInt(value))),
      element("span", { class: "offscreen" }, starsText(value)), value.endsWith("..") && element("span", { "aria-hidden": "true" }, " and more")))));
}

/** @param {string} value of a photo @param {string} chosen of the filter */
const same = (value, chosen) => [value, literal(value)].some((text) => text.toLowerCase() === chosen.toLowerCase());

/**
 * Values with their counts; long lists are folded.
 * @param {string} name @param {Count[]} counts @param {(value: string) => boolean} isChosen @param {(value: string) => void} choose
 */
function valueList(name, counts, isChosen, choose) {
  const isLong = ["camera", ...Object.keys(LISTS)].includes(name);
  const shown = isLong && !unfolded.has(name) ? counts.filter(({ value }, i) => i < SHOWN || isChosen(value)) : counts;
  const list = element("ul", { class: "facet-list" }, ...shown.map(({ value, images }) =>
    choice(name, value, images, isChosen(value), () => choose(value), element("bdi", {}, visible(value)))));
  if (shown.length < counts.length) {
    list.append(element("li", {}, element("button", {
      type: "button", class: "link", "data-key": `${name} more`, onclick: () => (unfolded.add(name), refresh()),
    }, `${count(counts.length - shown.length)} more`)));
  }
  if (!counts.length) list.append(element("li", { class: "soft" }, "None"));
  return list;
}

/** @param {string} name @param {string} value @param {number} images @param {boolean} isChosen @param {() => void} onclick @param {Node | string} label */
function choice(name, value, images, isChosen, onclick, label) {
  return element("li", {}, element("button", { type: "button", "aria-pressed": String(isChosen), "data-key": `${name} ${value}`, onclick },
    label, element("span", { class: "count" }, count(images))));
}

/** @param {string} name @param {string} label @param {string} example */
function textField(name, label, example) {
  return element("label", { class: "field" }, label, element("input", { name, placeholder: example, autocomplete: "off", spellcheck: "false", onchange: useTexts }));
}

/** @param {Event} event */
function useTexts(event) {
  event.preventDefault();
  const form = /** @type {HTMLElement} */ (event.target).closest("form");
  const { text, name, where } = Object.fromEntries(new FormData(form ?? undefined));
  const glob = String(name).trim();
  changeSearch({ text: String(text).trim(), name: glob && !/[*?[]/.test(glob) ? `*${glob}*` : glob, where: String(where).trim() });
}
