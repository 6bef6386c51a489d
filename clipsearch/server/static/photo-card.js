/** One photo in the rows. */

import { thumbnailUrl } from "./api.js";
import { element, icon, iconButton } from "./dom.js";
import { day, fileName, isFilm, markedParts, momentText, percent, photoTitle } from "./format.js";
import { isMarked } from "./marks.js";

/** @typedef {import("./api.js").Photo} Photo */

/**
 * @typedef {object} Card
 * @property {HTMLElement} element
 * @property {HTMLButtonElement} button opens the photo; the only part of a card that the Tab key reaches
 * @property {HTMLButtonElement} pick
 * @property {HTMLImageElement} image
 * @property {Photo} photo as the newest answer has it
 * @property {256 | 512 | 1024 | 0} size of the thumbnail it shows
 */

/**
 * @param {Photo} photo
 * @param {{open: (event: MouseEvent) => void, pick: (event: MouseEvent) => void, similar: () => void, mark: (mark: "right" | "wrong") => void}} acts
 * @returns {Card}
 */
export function makeCard(photo, acts) {
  const image = element("img", { alt: "", decoding: "async", loading: "lazy" });
  const name = fileName(photo.path);
  const button = element("button", { type: "button", class: "open", tabindex: "-1", onclick: acts.open }, image);
  const pick = element("button", { type: "button", class: "pick", tabindex: "-1", "aria-label": `Select ${name}`, "aria-pressed": "false", onclick: acts.pick });
  const node = element("div", { class: "photo", draggable: "true" }, button, pick);
  /** @type {Card} */
  const card = { element: node, button, pick, image, photo, size: 0 };
  const addDetails = () => { // only when the pointer or the focus is on it, since most cards are scrolled past
    if (button.childElementCount > 1) return;
    const { caption, match } = card.photo;
    if (caption) button.title = caption;
    if (card.photo.found_in) {
      button.append(element("span", { class: "words" }, element("bdi", {}, ...markedParts(card.photo.found_in).map(({ text, isFound }) => isFound ? element("mark", {}, text) : text))));
    }
    button.append(element("span", { class: "caption" }, element("bdi", {}, photoTitle(card.photo)), match != null && element("span", {}, percent(match))));
    if (node.querySelector(".similar")) return;
    node.append(
      iconButton("similar", `More like ${name}`, acts.similar, { class: "similar", tabindex: "-1" }),
      iconButton("right-mark", `${name} is right: more like it`, () => acts.mark("right"), { class: "mark right", tabindex: "-1" }),
      iconButton("wrong-mark", `${name} is wrong: fewer like it`, () => acts.mark("wrong"), { class: "mark wrong", tabindex: "-1" }),
    );
  };
  node.addEventListener("pointerenter", addDetails);
  node.addEventListener("focusin", addDetails);
  image.addEventListener("load", () => node.classList.add("loaded"));
  image.addEventListener("error", () => {
    addDetails();
    node.classList.add("broken");
  });
  node.addEventListener("dragstart", (event) => event.dataTransfer?.setData("application/x-clipsearch-photo", String(photo.id)));
  showAnswer(card, photo);
  return card;
}

/**
 * Show what the newest answer says of a photo: its match, its moment, and how many more files its shot has.
 * @param {Card} card @param {Photo} photo
 */
export function showAnswer(card, photo) {
  card.photo = photo;
  card.element.classList.toggle("marked", isMarked(photo, "right"));
  if (!card.element.classList.contains("broken")) for (const old of card.button.querySelectorAll(".caption, .words")) old.remove();
  for (const mark of card.element.querySelectorAll(".others, .moment")) mark.remove();
  const others = photo.others?.length;
  if (others) card.element.append(element("span", { class: "others", "aria-hidden": "true" }, `+${others}`));
  if (isFilm(photo) || photo.moment) {
    card.element.append(element("span", { class: "moment", "aria-hidden": "true" }, isFilm(photo) && icon("play"), momentText(photo)));
  }
}

/**
 * A card's label for screen readers.
 * @param {Photo} photo @param {number} index @param {number} total
 */
export function cardLabel(photo, index, total) {
  const match = photo.match == null ? "" : `, match ${percent(photo.match)}`;
  const taken = photo.taken_at ? `, taken ${day(photo.taken_at)}` : "";
  const others = photo.others ? `, ${photo.others.length} more of this shot` : "";
  const marked = isMarked(photo, "right") ? ", marked right" : "";
  const moment = photo.moment ? `, ${momentText(photo)}` : isFilm(photo) ? ", film" : "";
  const words = photo.found_by?.includes("text") ? ", its texts have the words" : "";
  return `${fileName(photo.path)}, ${index + 1} of ${total}${moment}${match}${taken}${others}${marked}${words}`;
}

/**
 * Move a card to its place, and load a thumbnail that is large enough for it.
 * @param {Card} card @param {Photo} photo @param {import("./row-layout.js").Box} box
 */
export function placeCard(card, photo, box) {
  const { style } = card.element;
  style.transform = `translate(${box.left}px, ${box.top}px)`;
  style.width = `${box.width}px`;
  style.height = `${box.height}px`;
  const shown = Math.max(box.width, box.height, (photo.width / photo.height) * box.height) * devicePixelRatio;
  const size = shown <= 256 * 1.15 ? 256 : shown <= 512 * 1.15 ? 512 : 1024; // a slightly small thumbnail looks the same
  if (size > card.size) {
    card.size = size;
    card.image.src = thumbnailUrl(photo.id, size);
  }
}
