/** The viewer: one photo, as large as the window, with its facts. */

import { fileUrl, thumbnailUrl } from "./api.js";
import { byId, element, icon, iconButton } from "./dom.js";
import { filmPlayer, playOrPause, stopFilms } from "./film-player.js";
import { isFilm, photoTitle } from "./format.js";
import { photoFacts } from "./photo-facts.js";
import { isMarked } from "./marks.js";
import { selection } from "./selection.js";
import { closePhoto, currentSearch, isQuery, openPhoto } from "./state.js";
import { Zoom } from "./zoom.js";

/** @typedef {import("./api.js").Photo} Photo */
/** @typedef {{before?: Photo, after?: Photo, similar: (photo: Photo) => void, mark: (photo: Photo, mark: "right" | "wrong") => void}} Around */

const dialog = byId("viewer");
const frame = element("div", { class: "frame" });
const stage = element("div", { class: "stage" }, frame);
const title = element("h2", { class: "viewer-title", "aria-live": "polite" });
const facts = element("aside", { class: "photo-facts", "aria-label": "About this photo" });
const previous = iconButton("left", "Previous photo", () => step(-1), { class: "icon-button step previous" });
const next = iconButton("right", "Next photo", () => step(1), { class: "icon-button step next" });
const pick = iconButton("check", "Select this photo", () => shown && selection.toggle(shown), { "aria-pressed": "false" });
const right = iconButton("right-mark", "Right: more like it (r)", () => shown && around.mark(shown, "right"), { "aria-pressed": "false" });
const wrong = iconButton("wrong-mark", "Wrong: fewer like it (w)", () => shown && around.mark(shown, "wrong"), { "aria-pressed": "false" });
const info = iconButton("info", "About this photo", () => showFacts(!dialog.classList.contains("with-facts")));
const zoom = new Zoom(stage, frame, (direction) => (direction ? step(direction) : closePhoto()));

/** @type {Photo | null} */
let shown = null;
/** @type {Around} */
let around = { similar: () => {}, mark: () => {} };

dialog.append(
  element("div", { class: "viewer-bar" },
    iconButton("close", "Close", closePhoto), title,
    iconButton("minus", "Zoom out", () => zoom.by(1 / 1.5), { class: "icon-button zoomer" }),
    iconButton("plus", "Zoom in", () => zoom.by(1.5), { class: "icon-button zoomer" }), pick, right, wrong,
    element("button", { type: "button", class: "icon-button labelled", "aria-label": "More like this", onclick: () => shown && around.similar(shown) }, icon("similar"), element("span", {}, "More like this")),
    info,
  ),
  element("div", { class: "viewer-main" }, stage, previous, next),
  facts,
);
dialog.addEventListener("cancel", (/** @type {Event} */ event) => {
  event.preventDefault();
  closePhoto();
});
dialog.addEventListener("keydown", onKey);
selection.addEventListener("change", showPicked);
showFacts(localStorage.getItem("clipsearch-facts") !== "closed" && matchMedia("(min-width: 60rem)").matches, false);

export const viewer = {
  /** @param {Photo} photo @param {Around} neighbours */
  show(photo, neighbours) {
    around = neighbours;
    previous.disabled = !around.before;
    next.disabled = !around.after;
    if (shown?.id !== photo.id || !dialog.open) {
      shown = photo;
      title.textContent = photoTitle(photo);
      facts.replaceChildren(photoFacts(photo));
      showPicture(photo);
      showPicked();
      showMarks();
    }
    if (!dialog.open) {
      document.documentElement.classList.add("viewing");
      dialog.showModal();
      zoom.start(photo.width, photo.height); // the stage has a size only now
    }
    for (const neighbour of [around.after, around.before]) {
      if (neighbour) new Image().src = isFilm(neighbour) ? thumbnailUrl(neighbour.id, 1024) : fileUrl(neighbour.id);
    }
  },

  close() {
    dialog.close();
    document.documentElement.classList.remove("viewing");
    shown = null;
    stopFilms(frame);
    frame.replaceChildren();
  },
};

/** The thumbnail at once, and the photo itself over it as soon as it is there; a film with its controls. @param {Photo} photo */
function showPicture(photo) {
  stopFilms(frame);
  zoom.start(photo.width, photo.height);
  if (isFilm(photo)) {
    frame.replaceChildren(filmPlayer(photo, (instead) => frame.replaceChildren(...instead)));
    return;
  }
  const preview = element("img", { src: thumbnailUrl(photo.id, 512), alt: "" });
  const picture = element("img", { src: fileUrl(photo.id), alt: photoTitle(photo), class: "full", draggable: "false" });
  picture.addEventListener("error", () => frame.append(element("p", { class: "missing" }, "The photo cannot be shown; it may have been moved since it was indexed.")));
  frame.replaceChildren(preview, picture);
}

function showPicked() {
  if (shown) pick.setAttribute("aria-pressed", String(selection.has(shown)));
}

/** Photos that were searched for can be marked. */
function showMarks() {
  for (const [button, mark] of /** @type {const} */ ([[right, "right"], [wrong, "wrong"]])) {
    button.hidden = !isQuery(currentSearch());
    button.setAttribute("aria-pressed", String(shown !== null && isMarked(shown, mark)));
  }
}

/** @param {boolean} open @param {boolean} [remember] */
function showFacts(open, remember = true) {
  dialog.classList.toggle("with-facts", open);
  info.setAttribute("aria-expanded", String(open));
  if (remember) localStorage.setItem("clipsearch-facts", open ? "open" : "closed");
}

/** @param {-1 | 1} direction */
function step(direction) {
  const photo = direction < 0 ? around.before : around.after;
  if (photo) openPhoto(photo.id);
}

/** Arrows go to the next photo, or move the one that is zoomed. @param {KeyboardEvent} event */
function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const film = frame.querySelector("video");
  if (event.target === film && event.key.startsWith("Arrow")) return; // the player's own keys
  const far = 80;
  /** @type {Record<string, () => void>} */
  const always = {
    "+": () => zoom.by(1.5), "=": () => zoom.by(1.5), "-": () => zoom.by(1 / 1.5), 0: () => zoom.reset(), i: () => info.click(),
    x: () => pick.click(), r: () => right.click(), w: () => wrong.click(), m: () => shown && around.similar(shown), PageUp: () => step(-1), PageDown: () => step(1),
    k: () => film && playOrPause(film),
  };
  /** @type {Record<string, () => void>} */
  const arrows = zoom.isNear
    ? { ArrowLeft: () => zoom.move(far, 0), ArrowRight: () => zoom.move(-far, 0), ArrowUp: () => zoom.move(0, far), ArrowDown: () => zoom.move(0, -far) }
    : { ArrowLeft: () => step(-1), ArrowRight: () => step(1) };
  const act = always[event.key] ?? arrows[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}
