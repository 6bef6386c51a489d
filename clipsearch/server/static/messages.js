/** Messages: short notes, the banner for a server that is gone, and why there are no photos. */

import { coveringDialog, keepAbove, moveAbove } from "./above-dialogs.js";
import { checkConnection, connection, sentence } from "./api.js";
import { byId, element, icon } from "./dom.js";
import { keepingPhotos } from "./keep-place.js";

const STALE = ["photos", "filters"]; // what is greyed while the server is gone
const ofBefore = element("span", { class: "of-before", hidden: true }, "These photos are from the search before.");
let isStatusSeen = true; // the line above the photos, which says the same
let isStale = false;
let hiding = 0;
/** @typedef {{label: string, act: () => void}} Action */
/** @type {{text: string, action: Action} | null} the note that comes back after others */
let reminder = null;
for (const id of ["gone", "note"]) keepAbove(byId(id));
/** A dialog that opens is not covered by what was said before; what can still be undone stands aside. */
document.addEventListener("beforetoggle", ({ target, newState }) => {
  const note = byId("note");
  if (target instanceof HTMLDialogElement && newState === "open" && !note.querySelector("button")) note.hidePopover();
}, true);

/**
 * A short note that disappears by itself. Screen readers read it.
 * @param {string} text
 * @param {Action} [action]
 */
export function announce(text, action) {
  const note = byId("note");
  note.replaceChildren(element("span", {}, text.includes(" >>> ") ? expressionProblem(text).reason : sentence(text)));
  if (action) {
    note.append(element("button", { type: "button", class: "link", onclick: () => (note.hidePopover(), action.act()) }, action.label));
  }
  note.hidePopover();
  moveAbove();
  note.showPopover(); // in the top layer, above a dialog that is open
  clearTimeout(hiding);
  hiding = setTimeout(() => {
    note.hidePopover();
    if (reminder && reminder.text !== text) announce(reminder.text, reminder.action);
  }, action ? 12_000 : 5000);
}

/** A note that comes again after other notes, until `forgetReminder`. @param {string} text @param {Action} action */
export function remind(text, action) {
  reminder = { text, action };
  announce(text, action);
}

/** What the reminder said is done. */
export function forgetReminder() {
  if (reminder && byId("note").textContent === reminder.text + reminder.action.label) byId("note").hidePopover();
  reminder = null;
}

/** Say wherever the page is scrolled to whether its photos are of another search. @param {boolean} [stale] by default, as before */
export function showStale(stale = isStale) {
  isStale = stale;
  const isHidden = !isStale || isStatusSeen;
  if (ofBefore.hidden !== isHidden) keepingPhotos(() => { ofBefore.hidden = isHidden; });
}

/**
 * Say at the top of the page why the server cannot be used, and grey the photos, until it is back.
 * @param {() => void} whenBack
 */
export function setUpConnectionBanner(whenBack) {
  const banner = byId("gone");
  /** Over a dialog, only what is in the top layer is seen. The dialog makes room for it. */
  const place = () => keepingPhotos(() => {
    const isCovered = !banner.hidden && coveringDialog() !== null;
    banner.popover = isCovered ? "manual" : null;
    moveAbove();
    if (isCovered) banner.showPopover();
    measure();
  });
  const measure = () => {
    const { style } = document.documentElement;
    style.setProperty("--banner", `${banner.popover ? banner.offsetHeight : 0}px`); // over a dialog
    style.setProperty("--gone", `${banner.popover ? 0 : banner.offsetHeight}px`); // below the header
  };
  new ResizeObserver(measure).observe(banner);
  for (const event of ["toggle", "close"]) document.addEventListener(event, ({ target }) => target instanceof HTMLDialogElement && place(), true);
  new IntersectionObserver(([{ isIntersecting }]) => { isStatusSeen = isIntersecting; showStale(); }).observe(byId("status"));
  connection.addEventListener("gone", (event) => {
    keepingPhotos(() => {
      banner.hidden = false;
      banner.replaceChildren(
        element("span", {}, /** @type {CustomEvent<string>} */ (event).detail),
        ofBefore,
        element("button", { type: "button", class: "link", onclick: () => checkConnection() }, "Try now"),
      );
    });
    for (const id of STALE) byId(id).classList.add("stale");
    place();
  });
  connection.addEventListener("back", () => {
    keepingPhotos(() => { banner.hidden = true; });
    place();
    for (const id of STALE) byId(id).classList.remove("stale");
    announce("The server is back.");
    whenBack();
  });
}

/**
 * What is wrong in an expression, and where: the part before the place, and from there on.
 * @param {string} message of the server: "where: ..., at: width > >>> (the end)" @returns {{reason: string, place: Node | null}}
 */
export function expressionProblem(message) {
  const text = message.replace(/^(where|the parameter [\w.]+): /, "");
  const [, reason = text, before = "", after = ""] = /^(.*?),? at: (?:(.*?) )?>>> (.*)$/s.exec(text) ?? []; // nothing may stand before the place
  if (reason.endsWith("ends before it begins")) return { reason: "The last day is before the first one.", place: null };
  return { reason: sentence(reason), place: after ? element("code", {}, before, before && " ", element("mark", {}, after)) : null };
}

/** Below the explanation why there are no photos: what could be looked for. @param {HTMLElement[]} buttons */
export function proposeIdeas(buttons) {
  const empty = byId("empty");
  if (empty.hidden || !buttons.length || empty.querySelector(".ideas")) return;
  empty.append(element("div", { class: "ideas" }, element("h3", {}, "In all your photos"), element("div", { class: "actions" }, ...buttons)));
}

/**
 * Explain in place of the photos why there are none; without a title, remove the explanation.
 * @param {string} [title]
 * @param {{text?: string, code?: string | Node, actions?: {label: string, act: () => void, isMain?: boolean}[], symbol?: string}} [more]
 */
export function explainEmpty(title, { text, code, actions = [], symbol = "search" } = {}) {
  const empty = byId("empty");
  empty.hidden = !title;
  empty.replaceChildren();
  if (!title) return;
  empty.append(
    icon(symbol),
    element("h2", {}, title),
    ...(text ? [element("p", {}, text)] : []),
    ...(code ? [element("p", {}, typeof code === "string" ? element("code", {}, code) : code)] : []),
    element("div", { class: "actions" }, ...actions.map(({ label, act, isMain }) => element("button", { type: "button", class: isMain ? "primary" : null, onclick: act }, label))),
  );
}
