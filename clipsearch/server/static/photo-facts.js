/** What the index knows about a photo, as a list. */

import { element, icon, iconButton } from "./dom.js";
import { bytes, count, day, fieldName, fileName, folderOf, markedParts, MATCH_MEANING, momentText, percent, photoTitle, pixels, place, placeParts, starSigns, starsText, visible } from "./format.js";
import { copyText } from "./clipboard.js";
import { announce } from "./messages.js";
import { photos } from "./photos.js";
import { exactly, literal, newSearch, openPhoto } from "./state.js";

/** @typedef {import("./api.js").Photo} Photo */

const AROUND = 5; // kilometres
const LONG_TEXT = 120; // characters of what was read in a picture; a longer text is folded
const FOUND_BY = { meaning: "what it shows", text: "words in its texts" };
/** Where a date was read, if not in the photo itself. @type {Record<string, string>} */
const SOURCES = {
  container: "from the film", sidecar: "from a sidecar file", takeout: "from Google Takeout", name: "from the file name",
  file: "from the file's own time", xmp: "from XMP", iptc: "from IPTC",
};

/** @param {Photo} photo */
export function photoFacts(photo) {
  const { path, gps } = photo;
  const folder = folderOf(path);
  /** @type {[string, Node | string | null | false | undefined][]} */
  const rows = [
    ["Title", photo.title && element("bdi", { class: "photo-title" }, visible(photo.title))],
    ["Description", photo.description && element("bdi", {}, visible(photo.description))],
    ["Caption", photo.caption && element("bdi", {}, visible(photo.caption))],
    ["Taken", photo.taken_at && taken(photo.taken_at, SOURCES[photo.taken_from ?? ""])],
    ["Place", photo.place && placeNames(photo.place)],
    ["Location", gps && link(place(...gps), () => newSearch({ near: `${gps[0]},${gps[1]},${AROUND}` }), `Photos within ${AROUND} km`)],
    ["People", photo.people && tags(photo.people, (person) => ({ people: [literal(person)] }))],
    ["Camera", photo.camera && link(visible(photo.camera), () => newSearch({ camera: exactly(photo.camera ?? "") }))],
    ["Keywords", photo.keywords && tags(photo.keywords, (keyword) => ({ keywords: [literal(keyword)] }))],
    ["Rating", photo.rating ? rating(photo.rating) : null],
    ["Label", photo.label && element("bdi", {}, visible(photo.label))],
    ["Text", photo.text && readText(photo.text)],
    ["Moment", momentText(photo)],
    ["Match", photo.match != null && matchBar(photo.match)],
    ["Words found", photo.found_in && element("div", {}, ...[photo.found_in, ...(photo.also_found_in ?? [])].map(foundWords))],
    ["Found by", photo.found_by && photo.found_by.map((way) => FOUND_BY[way]).join(" and ")],
    ["Rank", photo.rank != null && rank(photo)],
    ["Score", photo.score != null && photo.score.toFixed(4)],
    ["Size", pixels(photo)],
    ["File", `${photo.format}, ${bytes(photo.size)}`],
    ["Same shot", photo.others && element("span", { class: "others" }, ...photo.others.map((other) => link(photoTitle(other), () => openPhoto(other.id, { isAside: true }), visible(other.path))))],
    ["Folder", link(fileName(folder), () => newSearch({ folders: [folder] }), visible(folder))],
    ["Path", element("span", { class: "path" }, element("bdi", {}, visible(path)), iconButton("copy", "Copy the path", async () => {
      announce((await copyText(path)) ? "Path copied." : "The browser does not allow copying here.");
    }))],
  ];
  return element("dl", { class: "facts" }, ...rows.flatMap(([name, value]) => (value ? [element("dt", {}, name), element("dd", {}, value)] : [])));
}

/** Buttons that filter by a value. @param {string[]} values @param {(value: string) => Partial<import("./state.js").Search>} filterOf */
function tags(values, filterOf) {
  return element("ul", { class: "tags" }, ...values.map((value) => element("li", {},
    element("button", { type: "button", class: "tag", title: "Show all of these", onclick: () => newSearch(filterOf(value)) }, element("bdi", {}, visible(value))))));
}

/** A button for the city, one for the region and one for the country. @param {import("./api.js").PlaceName} name */
function placeNames(name) {
  const names = placeParts(name);
  return tags(names, (part) => ({ places: [names.slice(names.indexOf(part)).join(", ")] }));
}

/** @param {number} stars */
function rating(stars) {
  if (stars < 0) return link("Rejected", () => newSearch({ rating: "-1" }));
  const signs = element("span", { class: "stars", "aria-hidden": "true" }, starSigns(stars));
  return element("button", { type: "button", class: "link", title: "Show all with so many stars", "aria-label": starsText(String(stars)), onclick: () => newSearch({ rating: String(stars) }) }, signs);
}

/** What was read in the picture, folded if it is long. @param {string} text */
function readText(text) {
  const whole = element("bdi", {}, visible(text));
  if (text.length <= LONG_TEXT) return whole;
  return element("details", { class: "read-text" }, element("summary", {}, element("bdi", {}, `${visible(text.slice(0, LONG_TEXT / 2)).trimEnd()}…`)), whole);
}

/** @param {string} takenAt @param {string | undefined} source */
function taken(takenAt, source) {
  return element("span", {}, day(takenAt), source && element("span", { class: "soft" }, ` (${source})`));
}

/** Its rank, and why photos with another score may stand before or after it. @param {Photo} photo */
function rank({ rank, found_by: ways }) {
  const why = ways?.includes("text")
    ? "Words in its texts move it up."
    : photos.list.some((other) => other.found_by?.includes("text")) && "By its score alone: words in their texts move others up.";
  return element("div", {}, count(rank ?? 0), why && element("p", { class: "soft" }, why));
}

/** @param {import("./api.js").FoundWords} found */
function foundWords(found) {
  const parts = markedParts(found).map(({ text, isFound }) => isFound ? element("mark", {}, text) : text);
  return element("div", {}, element("bdi", {}, ...parts), element("span", { class: "soft" }, ` (${fieldName(found.field)})`));
}

/** @param {number} match */
function matchBar(match) {
  const bar = element("span", { class: "match" }, element("meter", { min: "0", max: "1", value: String(match), "aria-label": "Match" }), percent(match));
  return element("div", {}, bar, element("p", { class: "soft" }, MATCH_MEANING));
}

/** @param {string} text @param {() => void} onclick @param {string} [title] */
function link(text, onclick, title = "Show all of these") {
  return element("button", { type: "button", class: "link", title, onclick }, element("bdi", {}, text), icon("right"));
}
