/** What the search box proposes: recent searches, and people, keywords, places and cameras that these photos have. */

import { byId, element, icon } from "./dom.js";
import { countsFor } from "./facet-counts.js";
import { counted, visible } from "./format.js";
import { photos } from "./photos.js";
import { forgetRecentSearches, recentSearches } from "./recent-searches.js";
import { cameraName, changeSearch, currentSearch, EMPTY, exactly, literal, newSearch } from "./state.js";

/** @typedef {import("./state.js").Search} Search */
/** @typedef {{label: string, kind: string, symbol: string, images?: number, choose: () => void}} Suggestion */
/** @typedef {{value: string, images: number, kind: string, symbol: string, filter: (search: Readonly<Search>) => Partial<Search>}} Fact */

const MOST = 5; // suggestions while the user types
const MOST_IDEAS = 7;
const LEAST_SHARE = 0.5; // of a word, that is typed before it is proposed: "car" may be a word of its own, and not Carter or Cardiff
const MOST_RECENT = 5;
const FEWEST_LETTERS = 2;
/** Which facts are proposed, how many of each as ideas, and the filter that each becomes. @type {[facet: string, kind: string, symbol: string, ideas: number, filter: (value: string, search: Readonly<Search>) => Partial<Search>][]} */
const KINDS = [
  ["person", "person", "person", 3, (value, { people }) => ({ people: [...people.filter((other) => other !== literal(value)), literal(value)] })],
  ["place", "place", "map", 3, (value) => ({ places: [value] })],
  ["keyword", "keyword", "tag", 4, (value, { keywords }) => ({ keywords: [...keywords.filter((other) => other !== literal(value)), literal(value)] })],
  ["year", "year", "calendar", 2, (value) => ({ from: value, to: value })],
  ["country", "country", "map", 1, (value) => ({ places: [value] })],
  ["region", "region", "map", 0, (value) => ({ places: [value] })],
  ["camera", "camera", "picture", 1, (value) => ({ camera: exactly(value) })],
];

const input = /** @type {HTMLInputElement} */ (byId("query"));
const list = /** @type {HTMLElement} */ (byId("suggestions"));
/** @type {Suggestion[]} */
let shown = [];
let turn = 0; // of the list; an answer that comes after the list was closed is not shown
let active = -1; // which suggestion the arrow keys are at

/** Show what fits the words in the search box; for an empty one, recent searches and ideas. */
export async function suggest() {
  const typed = input.value;
  const own = ++turn;
  const found = typed.trim() ? await matches(typed) : [...recent(""), ...(await ideas()).slice(0, MOST_IDEAS)];
  if (own !== turn || input.value !== typed || document.activeElement !== input) return;
  show(isUnderstood() ? [] : found);
}

/** Whether the words at the end were read as a date, a place or a person: chips say so, and the list would lie over them. */
function isUnderstood() {
  const typed = input.value.trimEnd().toLowerCase();
  return photos.understood?.facts.some(({ words }) => typed.endsWith(words.toLowerCase())) ?? false;
}

photos.addEventListener("shown", () => {
  if (active < 0 && isUnderstood()) closeSuggestions();
});

export function closeSuggestions() {
  turn++;
  show([]);
}

/** An arrow key, Enter or Escape in the search box; true if the list has used it. @param {KeyboardEvent} event */
export function useKey({ key }) {
  if (!shown.length) return false;
  if (key === "ArrowDown" && active < shown.length - 1) move(active + 1);
  else if (key === "ArrowUp" && active >= 0) move(active - 1);
  else if (key === "Enter" && active >= 0) choose(active);
  else if (key === "Escape") closeSuggestions();
  else return false;
  return true;
}

/** Buttons for what these photos have: people, places, keywords, years. */
export async function ideaButtons() {
  const found = await ideas();
  return found.map(({ label, symbol, images, choose }) => element("button", { type: "button", class: "idea", onclick: choose },
    icon(symbol), element("bdi", {}, visible(label)), element("span", { class: "count" }, images && counted(images))));
}

/** @param {number} to */
function move(to) {
  active = to;
  for (const [i, option] of [...list.querySelectorAll("[role=option]")].entries()) {
    option.setAttribute("aria-selected", String(i === active));
    if (i === active) option.scrollIntoView({ block: "nearest" });
  }
  if (active < 0) input.removeAttribute("aria-activedescendant");
  else input.setAttribute("aria-activedescendant", `suggestion-${active}`);
}

/** @param {number} at */
function choose(at) {
  const { choose: act } = shown[at];
  closeSuggestions();
  act();
}

/** @param {Suggestion[]} found */
function show(found) {
  shown = found;
  list.hidden = !found.length;
  input.setAttribute("aria-expanded", String(!!found.length));
  list.replaceChildren(...found.map(({ label, kind, symbol, images }, i) => element("li", {
    id: `suggestion-${i}`, role: "option", "aria-selected": "false",
    onpointerdown: (/** @type {PointerEvent} */ event) => event.preventDefault(), // the search box keeps the focus
    onclick: () => choose(i),
  }, icon(symbol), element("bdi", {}, visible(label)), element("span", { class: "soft" }, images ? `${kind}, ${counted(images)}` : kind))));
  move(-1);
}

/** @param {string} typed @returns {Suggestion[]} */
function recent(typed) {
  const begun = typed.trim().toLowerCase();
  const found = recentSearches().filter(({ q }) => q.toLowerCase() !== begun && q.toLowerCase().startsWith(begun)).slice(0, begun ? 2 : MOST_RECENT);
  /** @type {Suggestion[]} */
  const searches = found.map((search) => ({ label: described(search), kind: "recent", symbol: "search", choose: () => changeSearch({ ...EMPTY, ...search }, { endsTyping: true }) }));
  if (searches.length && !begun) searches.push({ label: "Forget these searches", kind: "", symbol: "trash", choose: forgetRecentSearches });
  return searches;
}

/** @param {Search} search */
function described({ q, pictures, people, places, keywords, camera, from }) {
  return [q, pictures.length ? "a picture" : "", ...people, ...places, ...keywords, cameraName(camera), from].filter(Boolean).join(" · ");
}

/**
 * How much of a fact's words is typed, from the beginning of one of them: 1 for whole words, 0 if none begins so.
 * @param {string} value @param {string} end
 */
export function shareTyped(value, end) {
  const words = value.split(/[\s,/|-]+/);
  const shares = [value, ...words.map((_, at) => words.slice(at).join(" "))].filter((text) => text.startsWith(end)).map((text) => {
    const rest = text.slice(end.length).search(/[\s,/|-]|$/); // letters until the word ends
    return end.length / (end.length + rest);
  });
  return Math.max(0, ...shares);
}

/** Facts with a word that begins as the last words of the search box do. @param {string} typed @returns {Promise<Suggestion[]>} */
async function matches(typed) {
  const facts = await known();
  const words = typed.trimEnd().split(/\s+/);
  for (let i = Math.max(0, words.length - 3); i < words.length && !/\s$/.test(typed); i++) {
    const end = words.slice(i).join(" ").toLowerCase();
    if (end.length < FEWEST_LETTERS) continue;
    const shares = new Map(facts.map((fact) => [fact, shareTyped(fact.value.toLowerCase(), end)]));
    const isWhole = (/** @type {Fact} */ fact) => Number(shares.get(fact) === 1);
    const found = facts.filter((fact) => Number(shares.get(fact)) > LEAST_SHARE).sort((a, b) => isWhole(b) - isWhole(a) || b.images - a.images);
    if (!found.length) continue;
    const rest = words.slice(0, i).join(" ").replace(/(^|\s)(in|at|with|by|from|of|\+)$/i, "").trim();
    return [...recent(typed), ...found.map((fact) => suggestion(fact, rest))].slice(0, MOST);
  }
  return recent(typed);
}

/** @param {Fact} fact @param {string | null} rest the words that stay; null for a new search @returns {Suggestion} */
function suggestion({ value, images, kind, symbol, filter }, rest) {
  const choose = () => rest === null ? newSearch(filter(EMPTY)) : changeSearch({ q: rest, ...filter(currentSearch()) }, { endsTyping: true });
  return { label: value, kind, symbol, images, choose };
}

/** Some facts of each kind, those of most photos first. @returns {Promise<Suggestion[]>} */
async function ideas() {
  const facts = await known();
  return KINDS.flatMap(([, kind, , most]) => facts.filter((fact) => fact.kind === kind).sort((a, b) => b.images - a.images).slice(0, most)).map((fact) => suggestion(fact, null));
}

/** @returns {Promise<Fact[]>} */
async function known() {
  const facets = await countsFor(EMPTY);
  return KINDS.flatMap(([facet, kind, symbol, , filter]) => (facets[facet] ?? []).map(({ value, images }) => ({ value, images, kind, symbol, filter: (/** @type {Readonly<Search>} */ search) => filter(value, search) })));
}
