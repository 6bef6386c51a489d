/** What was understood of the words: dates, places and people as chips. Removing a chip makes it words again. */

import { byId, element, icon, keepingFocus } from "./dom.js";
import { visible } from "./format.js";
import { formatTerms, parseTerms } from "./language.js";
import { photos } from "./photos.js";
import { changeSearch, currentSearch } from "./state.js";

/** @typedef {{kind: "taken" | "place" | "person" | "without", words: string, meaning: string, denied?: boolean}} Fact */
/** @typedef {{text: string, facts: Fact[]}} Understood */

const KEPT = "What the model takes for these is not among the likely photos; some of them may be.";
const LAST = "What the model takes for these comes last.";
const WORDS = { taken: "taken", place: "in", person: "with", without: "without" };
const DENIED = { taken: "not taken", place: "not in", person: "without", without: "without" };

export function setUpUnderstood() {
  photos.addEventListener("shown", render);
  photos.addEventListener("failed", (event) => {
    if (/** @type {CustomEvent} */ (event).detail.isFirst) byId("understood").hidden = true;
  });
}

function render() {
  const box = byId("understood");
  const facts = photos.understood?.facts ?? [];
  const rest = photos.understood?.text ?? "";
  const isLookedFor = parseTerms(rest).some(({ negative }) => !negative); // else the chips say all of it
  box.hidden = !facts.length;
  keepingFocus(box, () => box.replaceChildren(
    element("span", { class: "soft" }, "Understood:"),
    element("ul", { class: "filter-chips" }, ...facts.map((fact) => chip(fact, facts.length === 1))),
    ...(isLookedFor ? [element("span", { class: "soft" }, "looking for “", element("bdi", {}, visible(rest)), "”")] : []),
    ...(facts.some(({ kind }) => kind === "without") && !photos.notes.some(({ code }) => code === "kept") ? [element("span", { class: "soft" }, isLookedFor ? KEPT : LAST)] : []),
  ));
}

/** Periods such as "2011-06..2011-08 or 2012" in words. No line ends within a date. @param {string} meaning */
const dates = (meaning) => visible(meaning.replaceAll("..", " to ")).split(" ").flatMap((word, i) => [i ? " " : "", element("span", { class: "unbroken" }, word)]);

/** @param {Fact} fact @param {boolean} isOnly */
function chip({ kind, words, meaning, denied }, isOnly) {
  const title = `Look for the words “${visible(words)}” instead`;
  return element("li", {}, element("button", {
    type: "button", class: "filter-chip", title, "data-key": words, onclick: () => changeSearch({ q: asWords(currentSearch().q, words, isOnly) }),
  }, element("bdi", {}, `${(denied ? DENIED : WORDS)[kind] ?? kind} `, ...(kind === "taken" ? dates(meaning) : [visible(meaning)]), denied && kind === "without" ? ", also as a keyword" : ""), element("span", { class: "offscreen" }, `: ${title}`), icon("close")));
}

/**
 * The query with some of its words in quotes, so that they are only words.
 * @param {string} query @param {string} words @param {boolean} isOnly whether nothing else was understood; then the text stays whole
 */
export function asWords(query, words, isOnly) {
  const terms = parseTerms(query);
  const isPlain = (/** @type {{text: string, negative: boolean}} */ { text, negative }) => !negative && !text.startsWith('"');
  const quoted = (/** @type {string} */ text) => `"${text.replaceAll('"', "")}"`;
  const at = terms.findIndex((term) => isPlain(term) && term.text.includes(words));
  if (isOnly || at < 0) return formatTerms(terms.map((term) => isPlain(term) ? { ...term, text: quoted(term.text) } : term));
  const rest = terms[at].text.replace(words, " ").trim().replace(/\s+/g, " ");
  return formatTerms(terms.toSpliced(at, 1, ...(rest ? [{ ...terms[at], text: rest }] : []), { ...terms[at], text: quoted(words) }));
}
