/** One photo in the rows. A card is drawn whole from what it shows, so nothing of an older answer can stay. */

import { element, icon, iconButton } from "./dom.js";
import { count, day, fieldName, fileName, isFilm, markedParts, momentText, percent, photoTitle, placeIn } from "./format.js";
import { placeholderImage } from "./thumbnails.js";

/** @typedef {import("./api.js").Photo} Photo */

/**
 * @typedef {object} Shown all that a card shows
 * @property {Photo} photo as the newest answer has it
 * @property {number} index
 * @property {number} total
 * @property {boolean} isPicked
 * @property {boolean} isMarked as right
 * @property {boolean} isFavourite
 * @property {boolean} isCurrent whether the Tab key reaches it
 */
/**
 * @typedef {object} Card
 * @property {HTMLElement} element
 * @property {HTMLButtonElement} button opens the photo; the only part of a card that the Tab key reaches
 * @property {HTMLButtonElement} pick
 * @property {HTMLImageElement} image
 * @property {HTMLButtonElement[]} tools that the pointer or the focus brings up
 * @property {Shown | null} shown
 * @property {import("./thumbnails.js").Size | 0} size of the thumbnail it shows
 * @property {import("./thumbnails.js").Size} wanted size of the thumbnail that is large enough for it
 */

/**
 * A card that `drawCard` has to draw.
 * @param {Photo} photo
 * @param {{open: (event: MouseEvent) => void, pick: (event: MouseEvent) => void, similar: () => void, favourite: () => void, mark: (mark: "right" | "wrong") => void}} acts
 * @returns {Card}
 */
export function makeCard(photo, acts) {
  const image = element("img", { alt: "", decoding: "async" });
  const button = element("button", { type: "button", class: "open", onclick: acts.open }, image);
  const pick = element("button", { type: "button", class: "pick", tabindex: "-1", onclick: acts.pick });
  const node = element("div", { class: "photo", draggable: "true" }, button, pick);
  /** @type {Card} */
  const card = { element: node, button, pick, image, tools: [], shown: null, size: 0, wanted: 256 };
  const addDetails = () => { // only when the pointer or the focus is on it, since most cards are scrolled past
    if (card.tools.length) return;
    card.tools = [
      iconButton("similar", "", acts.similar, { class: "similar", tabindex: "-1" }),
      iconButton("right-mark", "", () => acts.mark("right"), { class: "mark right", tabindex: "-1" }),
      iconButton("wrong-mark", "", () => acts.mark("wrong"), { class: "mark wrong", tabindex: "-1" }),
      iconButton("heart", "", acts.favourite, { class: "heart", tabindex: "-1" }),
    ];
    node.append(...card.tools);
    if (card.shown) draw(card, card.shown);
  };
  node.addEventListener("pointerenter", addDetails);
  node.addEventListener("focusin", addDetails);
  image.addEventListener("load", () => node.classList.add("loaded"));
  image.addEventListener("error", () => {
    addDetails();
    node.classList.add("broken");
  });
  node.addEventListener("dragstart", (event) => event.dataTransfer?.setData("application/x-clipsearch-photo", String(photo.id)));
  return card;
}

/** Make a card show something, if it does not yet. @param {Card} card @param {Shown} wanted */
export function drawCard(card, wanted) {
  const { shown } = card;
  if (shown && /** @type {(keyof Shown)[]} */ (Object.keys(wanted)).every((key) => wanted[key] === shown[key])) return;
  draw(card, wanted);
}

/** @param {Card} card @param {Shown} wanted */
function draw(card, wanted) {
  const { photo, isPicked, isMarked, isFavourite, isCurrent } = wanted;
  if (card.shown?.photo !== photo) drawPlaceholder(card.image, photo);
  card.shown = wanted;
  const { element: node, button, pick, image, tools } = card;
  const name = photo.sketch ? `photo ${count(wanted.index + 1)}` : fileName(photo.path);
  node.classList.toggle("picked", isPicked);
  node.classList.toggle("marked", isMarked);
  node.classList.toggle("is-favourite", isFavourite);
  button.setAttribute("aria-label", cardLabel(wanted));
  button.title = photo.caption ?? "";
  button.tabIndex = isCurrent ? 0 : -1;
  pick.setAttribute("aria-label", `Select ${name}`);
  pick.setAttribute("aria-pressed", String(isPicked));
  const labels = [`More like ${name}`, `${name} is right: more like it`, `${name} is wrong: fewer like it`, `${name} is a favourite`];
  tools.forEach((tool, i) => {
    tool.title = labels[i];
    tool.setAttribute("aria-label", labels[i]);
  });
  tools[3]?.setAttribute("aria-pressed", String(isFavourite));
  for (const old of [...button.children, ...node.children]) { // the picture and the buttons stay, as they may be loading or in focus
    if (old instanceof HTMLSpanElement) old.remove();
  }
  if (tools.length) button.append(...details(photo));
  node.append(...badges(photo, isFavourite));
}

/** What is seen until the thumbnail is there. @param {HTMLImageElement} image @param {Photo} photo */
function drawPlaceholder({ style }, photo) {
  style.backgroundColor = photo.sketch?.colour ?? "";
  style.backgroundImage = placeholderImage(photo);
}

/** In which of its texts words were found, these words, and the caption. @param {Photo} photo */
function details(photo) {
  const caption = element("span", { class: "caption" }, element("bdi", {}, photoTitle(photo)), photo.match != null && element("span", {}, percent(photo.match)));
  if (!photo.found_in) return [caption];
  const parts = markedParts(photo.found_in).map(({ text, isFound }) => isFound ? element("mark", {}, text) : text);
  return [element("span", { class: "words" }, `${fieldName(photo.found_in.field)}: `, element("bdi", {}, ...parts)), caption];
}

/** What is on a card without a pointer: a favourite's heart, how many more files its shot has, and which moment it is. @param {Photo} photo @param {boolean} isFavourite */
function badges(photo, isFavourite) {
  const found = isFavourite ? [element("span", { class: "favourite", "aria-hidden": "true" }, icon("heart"))] : [];
  if (photo.others?.length) found.push(element("span", { class: "others", "aria-hidden": "true" }, `+${photo.others.length}`));
  if (isFilm(photo) || photo.moment) {
    found.push(element("span", { class: "moment", "aria-hidden": "true" }, isFilm(photo) && icon("play"), momentText(photo).replace("at ", ""))); // short, for upright films
  }
  return found;
}

/** A card's label for screen readers. @param {Shown} shown */
function cardLabel({ photo, index, total, isMarked, isFavourite }) {
  const match = photo.match == null ? "" : `, match ${percent(photo.match)}`;
  const taken = photo.taken_at ? `, taken ${day(photo.taken_at)}` : "";
  const others = photo.others ? `, ${photo.others.length} more of this shot` : "";
  const marked = (isFavourite ? ", favourite" : "") + (isMarked ? ", marked right" : "");
  const moment = photo.moment ? `, ${momentText(photo)}` : isFilm(photo) ? ", film" : "";
  const words = !photo.found_by?.includes("text") ? "" : photo.found_in ? `, found by its ${fieldName(photo.found_in.field)}` : ", its texts have the words";
  const name = photo.sketch ? "Photo" : `${fileName(photo.path)},`;
  return `${name} ${placeIn(index, total)}${moment}${match}${taken}${others}${marked}${words}`;
}

/**
 * Move a card to its place, and find out which thumbnail is large enough for it.
 * @param {Card} card @param {Photo} photo @param {import("./row-layout.js").Box} box
 */
export function placeCard(card, photo, box) {
  const { style } = card.element;
  style.transform = `translate(${box.left}px, ${box.top}px)`;
  style.width = `${box.width}px`;
  style.height = `${box.height}px`;
  const size = thumbnailSize(photo, box);
  if (size > card.wanted) card.wanted = size;
}

/**
 * The size of the thumbnail that is large enough for a place.
 * @param {Photo} photo @param {import("./row-layout.js").Box} box @returns {import("./thumbnails.js").Size}
 */
export function thumbnailSize(photo, box) {
  const shown = Math.max(box.width, box.height, (photo.width / photo.height) * box.height) * devicePixelRatio;
  return shown <= 256 * 1.15 ? 256 : shown <= 512 * 1.15 ? 512 : 1024; // a slightly small thumbnail looks the same
}

/** @param {Card} card @param {import("./thumbnails.js").Size} size @param {string | null} url null if there is no thumbnail */
export function showThumbnail(card, size, url) {
  card.size = size;
  if (url) card.image.src = url;
  else card.image.dispatchEvent(new Event("error"));
}
