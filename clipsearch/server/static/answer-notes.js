/** Above the photos: that a picture of the query is in the index, and why the answer may surprise. */

import { sentence, thumbnailUrl } from "./api.js";
import { byId, element } from "./dom.js";
import { visible } from "./format.js";
import { openQuote, parseTerms } from "./language.js";
import { photos } from "./photos.js";
import { knownPhotos } from "./query-pictures.js";
import { changeSearch, currentSearch, literal, openPhoto } from "./state.js";

/** @typedef {import("./api.js").Photo} Photo */
/** @typedef {import("./photos.js").AnswerNote} AnswerNote */
/** @typedef {import("./state.js").Search} Search */

const MOST = 3; // photos that are named

export function setUpAnswerNotes() {
  photos.addEventListener("shown", render);
  photos.addEventListener("failed", (event) => {
    if (/** @type {CustomEvent} */ (event).detail.isFirst) byId("answer-notes").hidden = true;
  });
}

function render() {
  const notes = byId("answer-notes");
  const others = photos.notes.filter(({ code }) => code !== "best-match"); // which is said in place of the photos
  notes.replaceChildren(...ownPhotos().slice(0, MOST).map(ownPhoto), ...quoteNotes(), ...others.map(note));
  notes.hidden = !notes.childElementCount;
}

/** The photos of the index that a picture of the query is, or is a copy of. @returns {(Photo & {exact: boolean})[]} */
function ownPhotos() {
  const uploads = (photos.search?.pictures ?? []).filter(({ source, weight }) => source.startsWith("upload:") && weight > 0);
  if (!uploads.length) return [];
  const copied = uploads.flatMap(({ source }) => knownPhotos(source)).filter(({ exact }) => !exact);
  return [...photos.ownPhotos.map((photo) => ({ ...photo, exact: true })), ...copied];
}

/** @param {Photo & {exact: boolean}} photo */
function ownPhoto(photo) {
  return element("p", { class: "own-photo" }, element("button", { type: "button", class: "link", onclick: () => openPhoto(photo.id, { isAside: true }) },
    element("img", { src: thumbnailUrl(photo.id, 256), alt: "" }),
    element("span", {}, photo.exact ? "This photo is here: " : "A copy of this photo is here: ", element("bdi", {}, visible(photo.path)))));
}

/** That signs are words, since they follow a quote that is not closed; and the search in which they are signs. */
function quoteNotes() {
  const { q } = photos.search ?? currentSearch();
  const quoted = openQuote(q);
  if (!/(^|\s)[+-](\s|$)/.test(quoted)) return [];
  const at = q.lastIndexOf('"');
  return [element("p", {}, element("bdi", {}, `The quote before ${visible(quoted)} is not closed: what follows it is searched literally.`),
    element("button", { type: "button", class: "link", onclick: () => changeSearch({ q: q.slice(0, at) + q.slice(at + 1) }) }, "Search without the quote"))];
}

/** @param {AnswerNote} about */
function note({ code, message, value }) {
  const [label, change] = action(code, value);
  return element("p", {}, element("bdi", {}, sentence(message)),
    value && label && element("button", { type: "button", class: "link", onclick: () => changeSearch(change) }, label));
}

/** @param {string} code @param {string} value @returns {[string, Partial<Search>]} what its button says and does */
function action(code, value) {
  if (code === "file-name") return ["Show photos of this name", { q: "", name: value, minMatch: 0 }];
  if (code === "minus" || code === "negation") return ["Leave it out", { q: value }];
  if (code === "plus") return ["Search for each part", { q: value }];
  if (code === "misspelt") return ["Search for that", { q: value }];
  if (code === "facts") return ["Show them", { q: value, asTyped: false, minMatch: 0 }];
  if (code === "keyword") return ["Show them", { q: factsOf(currentSearch().q), keywords: [literal(value)], minMatch: 0 }];
  if (code === "near" && currentSearch().near) return ["Look that far", { near: value }];
  if (code === "best-match") return ["Show it", { minMatch: Number(value) }];
  return ["", {}];
}

/** The dates, places and people of a query, without the words that are looked for: "in Italy" of "mountains in Italy". @param {string} query */
function factsOf(query) {
  const { facts = [], text = "" } = photos.understood ?? {};
  if (!facts.length) return "";
  const bare = (/** @type {string} */ word) => word.replace(/[.,;:!?]+$/, "");
  const sought = text.split(/\s+/); // in the order of the query
  return (parseTerms(query)[0]?.text ?? "").split(/\s+/).filter((word) => {
    const isSought = sought.length > 0 && bare(word) === bare(sought[0]);
    if (isSought) sought.shift();
    return !isSought;
  }).join(" ");
}
