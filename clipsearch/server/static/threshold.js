/** How likely photos must match to be shown: any, likely or certain. */

import { byId, element } from "./dom.js";
import { MATCH_MEANING, percent } from "./format.js";
import { keepingPhotos } from "./keep-place.js";
import { photos } from "./photos.js";
import { canJudge, changes, changeSearch, currentSearch, isQuery, LIKELY } from "./state.js";

/** @type {readonly [value: number, label: string, meaning: string][]} */
const THRESHOLDS = [
  [0, "Any", "All photos, the nearest first"],
  [LIKELY, "Likely", "Only photos that probably show this: a match of at least 50%, or all the words in their texts"],
  [0.9, "Certain", "Only photos that almost certainly show this: a match of at least 90%, or all the words in their texts"],
];
const UNKNOWN = "Only a search by words can tell how likely photos match";

/** A least match in words: "likely", "certain"; "with a match of at least 70%" for what only an address has. @param {number} minMatch */
export function matchWords(minMatch) {
  return THRESHOLDS.find(([value]) => value === minMatch)?.[1].toLowerCase() ?? `with a match of at least ${percent(minMatch)}`;
}

/** The same of the photos that are shown. Those with all the words in their texts are kept, and likely, but may match less: "". @param {number} minMatch */
export function shownMatchWords(minMatch) {
  return minMatch > LIKELY && photos.list.some(({ match }) => (match ?? 0) < minMatch) ? "" : matchWords(minMatch);
}

/** "likely photos"; "photos with a match of at least 70%"; "photos" if some match less. @param {number} minMatch @param {string} things */
export function matching(minMatch, things) {
  const words = shownMatchWords(minMatch);
  return (words.startsWith("with ") ? `${things} ${words}` : `${words} ${things}`).trim();
}

/** "No photo is certain"; "No moment has a match of at least 70%". @param {number} minMatch */
export function noMatchWords(minMatch) {
  const words = matchWords(minMatch);
  return `No ${photos.hasMoments ? "moment" : "photo"} ${words.startsWith("with ") ? words.replace("with", "has") : `is ${words}`}`;
}

export function setUpThreshold() {
  const control = byId("threshold");
  const other = choice(0, "", ""); // of an address or a saved search
  control.append(...THRESHOLDS.map((threshold) => choice(...threshold)), other);
  control.addEventListener("change", (/** @type {Event} */ event) => changeSearch({ minMatch: Number(/** @type {HTMLInputElement} */ (event.target).value) }));
  const show = () => {
    const search = currentSearch();
    const isHidden = photos.search === search ? !photos.isRanked : !isQuery(search);
    if (control.hidden !== isHidden && !photos.awaits(search)) keepingPhotos(() => { control.hidden = isHidden; });
    control.disabled = !canJudge(search);
    control.title = control.disabled ? UNKNOWN : "";
    other.hidden = THRESHOLDS.some(([value]) => value === search.minMatch);
    const [input, text] = /** @type {any} */ (other.children);
    if (!other.hidden) [input.value, text.textContent] = [String(search.minMatch), `${percent(search.minMatch)}`];
    const value = String(control.disabled ? 0 : search.minMatch);
    for (const radio of control.elements) radio.checked = radio.value === value && !radio.parentElement.hidden;
  };
  changes.addEventListener("search", show);
  for (const event of ["shown", "failed"]) photos.addEventListener(event, show);
  show();
}

/** @param {number} value @param {string} label @param {string} meaning */
function choice(value, label, meaning) {
  return element("label", { title: meaning && `${meaning}. ${value ? MATCH_MEANING : ""}`.trim() }, element("input", { type: "radio", name: "threshold", value: String(value), id: label && `match-${label.toLowerCase()}` }), element("span", {}, label));
}
