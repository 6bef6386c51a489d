/** The terms of the query as chips, with buttons to weight, negate and remove each. */

import { thumbnailUrl } from "./api.js";
import { byId, element, icon, keepingFocus } from "./dom.js";
import { MARKS, marksText } from "./filter-chips.js";
import { keepingPhotos } from "./keep-place.js";
import { formatTerms, parseTerms, stepWeight } from "./language.js";
import { previewOf, sentPictures, stopUploading, uploading } from "./query-pictures.js";
import { typeMore } from "./search-box.js";
import { changes, changeSearch, currentSearch } from "./state.js";

/**
 * @typedef {object} Part
 * @property {string} label
 * @property {Node | string} shown
 * @property {number} weight above 0
 * @property {boolean} negative
 * @property {(changed: {weight?: number, negative?: boolean}) => void} change
 * @property {() => void} remove
 */

export function setUpQueryTerms() {
  changes.addEventListener("search", render);
  uploading.addEventListener("change", render);
  render();
}

function render() {
  const list = byId("terms");
  const sent = sentPictures(); // in place of earlier ones
  const pictures = sent.length ? [] : pictureParts();
  const texts = textParts();
  const parts = [...pictures, ...texts];
  // One plain text is in the search box already, and the photos stay where they are while it is typed.
  const isPlain = !pictures.length && texts.length === 1 && texts[0].weight === 1 && !texts[0].negative;
  keepingPhotos(() => {
    list.hidden = sent.length ? false : parts.length === 0 || (isPlain && !currentSearch().right.length && !currentSearch().wrong.length);
    keepingFocus(list, () => list.replaceChildren(...sent.map(sentChip), ...parts.map(chip), ...markChips(), adder("and", "plus", " + "), adder("without", "minus", " - ")));
  });
}

/** A picture on its way to the server. @param {import("./query-pictures.js").Sent} sent */
function sentChip({ preview }) {
  return element("li", { class: "chip sent", "aria-busy": "true" },
    element("span", { class: "term" }, preview ? element("img", { src: preview, alt: "Picture" }) : element("span", { class: "unseen" }, icon("picture"), "Picture")),
    element("span", { class: "weight", role: "status" }, "Reading…"),
    element("button", { type: "button", class: "remove", "data-key": "stop-uploading", "aria-label": "Do not search by this picture", title: "Do not search by this picture", onclick: stopUploading }, icon("close")));
}

/** How many photos are marked, each kind with a button that takes its marks back. */
function markChips() {
  const search = currentSearch();
  return MARKS.filter((mark) => search[mark].length).map((mark) => {
    const label = marksText(search, mark);
    return element("li", { class: mark === "wrong" ? "chip negative marks" : "chip marks" },
      icon(`${mark}-mark`), element("span", { class: "term" }, label),
      element("button", { type: "button", class: "remove", "data-key": `marks-${mark}`, "aria-label": `Remove the marks: ${label}`, title: "Remove these marks", onclick: () => changeSearch({ [mark]: [] }) }, icon("close")));
  });
}

/** @param {string} word @param {string} symbol @param {string} sign */
function adder(word, symbol, sign) {
  return element("li", {}, element("button", { type: "button", class: "ghost", "data-key": word, onclick: () => typeMore(sign) }, icon(symbol), word));
}

/** @returns {Part[]} */
function textParts() {
  const terms = parseTerms(currentSearch().q);
  return terms.map((term, i) => ({
    label: term.text,
    shown: element("bdi", {}, term.text),
    weight: term.weight,
    negative: term.negative,
    change: (changed) => changeSearch({ q: formatTerms(terms.with(i, { ...term, ...changed })) }),
    remove: () => changeSearch({ q: formatTerms(terms.toSpliced(i, 1)) }),
  }));
}

/** @returns {Part[]} */
function pictureParts() {
  const { pictures } = currentSearch();
  return pictures.map((picture, i) => {
    const preview = picture.source.startsWith("upload:") ? previewOf(picture.source) : thumbnailUrl(Number(picture.source), 256);
    const weight = Math.abs(picture.weight);
    const negative = picture.weight < 0;
    return {
      label: "the picture",
      shown: preview ? element("img", { src: preview, alt: "Picture" }) : element("span", { class: "unseen" }, icon("picture"), "Picture"),
      weight,
      negative,
      change: (changed) => {
        const now = { weight, negative, ...changed };
        changeSearch({ pictures: pictures.with(i, { ...picture, weight: now.negative ? -now.weight : now.weight }) });
      },
      remove: () => changeSearch({ pictures: pictures.toSpliced(i, 1) }),
    };
  });
}

/** @param {Part} part @param {number} i */
function chip({ label, shown, weight, negative, change, remove }, i) {
  /** @param {string} kind @param {string} name @param {string} label @param {() => void} onclick @param {object} [more] */
  const button = (kind, name, label, onclick, more = {}) =>
    element("button", { type: "button", class: kind, "data-key": `${kind}-${i}`, "aria-label": label, title: label, onclick, ...more }, icon(name));
  return element("li", { class: negative ? "chip negative" : "chip" },
    button("sign", negative ? "minus" : "plus", negative ? `Without ${label}: look for it instead` : `With ${label}: steer away from it instead`, () => change({ negative: !negative })),
    element("span", { class: "term" }, shown),
    button("less", "minus", `${label} counts less`, () => change({ weight: stepWeight(weight, -1) }), { disabled: stepWeight(weight, -1) === weight }),
    element("span", { class: "weight", title: "How much it counts" }, `${weight}×`),
    button("more", "plus", `${label} counts more`, () => change({ weight: stepWeight(weight, 1) }), { disabled: stepWeight(weight, 1) === weight }),
    button("remove", "close", `Remove ${label}`, remove),
  );
}
