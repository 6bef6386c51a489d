/** The viewer: one photo, as large as the window, with its facts. */

import { albums, FAVOURITES, toggleFavourite } from "./albums.js";
import { checkConnection, fileUrl, thumbnailUrl, whatIsGone, whenBack, whyMissing } from "./api.js";
import { byId, element, icon, iconButton } from "./dom.js";
import { filmPlayer, playOrPause, stopFilms } from "./film-player.js";
import { Filmstrip } from "./filmstrip.js";
import { day, isFilm, photoTitle } from "./format.js";
import { photoFacts } from "./photo-facts.js";
import { photos } from "./photos.js";
import { isMarked } from "./marks.js";
import { selection } from "./selection.js";
import { Slideshow } from "./slideshow.js";
import { closePhoto, currentSearch, isQuery, openPhoto } from "./state.js";
import { Swipe } from "./swipe.js";
import { thumbnails } from "./thumbnails.js";
import { copyPicture, downloadPhoto, menuItems, openInTab } from "./viewer-menu.js";
import { Zoom } from "./zoom.js";

/** @typedef {import("./api.js").Photo} Photo */
/** @typedef {{before?: Photo, after?: Photo, position?: string, similar: (photo: Photo) => void, mark: (photo: Photo, mark: "right" | "wrong") => void}} Around */

const dialog = byId("viewer");
const frame = element("div", { class: "frame" });
const stage = element("div", { class: "stage", tabindex: "-1" }, frame); // it has the focus first, since the arrow keys are for the photos
const title = element("h2", { class: "viewer-title", "aria-live": "polite" });
const place = element("p", { class: "viewer-place soft" });
const facts = element("aside", { class: "photo-facts", "aria-label": "About this photo", tabindex: "0" });
const main = element("div", { class: "viewer-main" }, stage);
const filmstrip = new Filmstrip((photo) => openPhoto(photo.id));
const slideshow = new Slideshow(dialog, main, frame, () => step(1));
const menu = element("div", { class: "viewer-menu", id: "viewer-menu", popover: "auto", role: "group", "aria-label": "More", onclick: () => menu.hidePopover(), onkeydown: moveInMenu });
const previous = iconButton("left", "Previous photo", () => void step(-1), { class: "icon-button step previous" });
const next = iconButton("right", "Next photo", () => void step(1), { class: "icon-button step next" });
const pick = iconButton("check", "Select this photo", () => shown && selection.toggle(shown), { "aria-pressed": "false" });
const right = iconButton("right-mark", "Right: more like it (r)", () => shown && around.mark(shown, "right"), { "aria-pressed": "false" });
const wrong = iconButton("wrong-mark", "Wrong: fewer like it (w)", () => shown && around.mark(shown, "wrong"), { "aria-pressed": "false" });
const heart = iconButton("heart", "Favourite (h)", () => shown && toggleFavourite(shown, heart.getAttribute("aria-pressed") === "true"), { "aria-pressed": "false" });
const info = iconButton("info", "About this photo (i)", () => showFacts(!dialog.classList.contains("with-facts")), { "aria-controls": "photo-facts" });
const more = iconButton("more", "More", showMenu, { "aria-expanded": "false", "aria-controls": "viewer-menu" });
const swipe = new Swipe(stage, frame, (direction) => (direction < 0 ? around.before : around.after));
const zoom = new Zoom(stage, frame, {
  leads: (direction) => direction === 0 || (direction < 0 ? around.before : around.after) !== undefined,
  drag: (dx) => swipe.drag(dx),
  lift: () => showFacts(true),
  swipe: async (direction) => {
    if (direction === 0 && dialog.classList.contains("with-facts") && !WIDE.matches) showFacts(false);
    else if (direction === 0) closePhoto();
    else if (await swipe.finish(direction)) step(direction);
  },
});

const WIDE = matchMedia("(min-width: 60rem)"); // the facts are beside the photo
/** @type {Photo | null} */
let shown = null;
/** @type {Around} */
let around = { similar: () => {}, mark: () => {} };

facts.id = "photo-facts";
main.append(previous, next);
dialog.append(
  element("div", { class: "viewer-top" },
    element("div", { class: "viewer-bar" }, iconButton("close", "Close (Esc)", closePhoto), element("div", { class: "viewer-names" }, title, place)),
    element("div", { class: "viewer-tools" },
      iconButton("minus", "Zoom out (-)", () => zoom.by(1 / 1.5), { class: "icon-button zoomer" }),
      iconButton("plus", "Zoom in (+)", () => zoom.by(1.5), { class: "icon-button zoomer" }), heart, pick, right, wrong,
      element("button", { type: "button", class: "icon-button labelled", "aria-label": "More like this", onclick: () => shown && around.similar(shown) }, icon("similar"), element("span", {}, "More like this")),
      iconButton("download", "Download (d)", () => shown && downloadPhoto(shown)), info, more)),
  main, filmstrip.element, facts, menu,
);
menu.addEventListener("toggle", () => more.setAttribute("aria-expanded", String(menu.matches(":popover-open"))));
dialog.addEventListener("cancel", (/** @type {Event} */ event) => {
  event.preventDefault();
  if (slideshow.isRunning && event.cancelable) slideshow.stop();
  else closePhoto();
});
dialog.addEventListener("close", leave); // a second Esc closes a dialog, whatever the page says
dialog.addEventListener("keydown", onKey);
selection.addEventListener("change", showPicked);
albums.addEventListener("change", showFavourite);
albums.load().catch(() => {}); // without them, no heart is filled
showFacts(localStorage.getItem("clipsearch-facts") !== "closed" && WIDE.matches, false);

export const viewer = {
  /** @param {Photo} photo @param {Around} neighbours */
  show(photo, neighbours) {
    around = neighbours;
    previous.disabled = !around.before;
    next.disabled = !around.after;
    place.textContent = [photo.taken_at && day(photo.taken_at), around.position].filter(Boolean).join(" · ");
    const isOther = shown?.id !== photo.id || !dialog.open;
    if (isOther || shown !== photo) { // the same photo of a newer answer has another match
      shown = photo;
      title.textContent = photoTitle(photo);
      const hadFocus = facts.contains(document.activeElement);
      facts.replaceChildren(photoFacts(photo));
      facts.scrollTop = 0;
      if (hadFocus) facts.focus({ preventScroll: true }); // its button is gone
      if (isOther) showPicture(photo);
      showPicked();
      showFavourite();
      showMarks();
    }
    if (!dialog.open) {
      document.documentElement.classList.add("viewing");
      dialog.showModal();
      stage.focus();
      zoom.start(photo.width, photo.height); // the stage has a size only now
    }
    filmstrip.show(photos.list, photo, photos.total);
    for (const neighbour of [around.after, around.before]) {
      if (neighbour) new Image().src = isFilm(neighbour) ? thumbnailUrl(neighbour.id, 1024) : fileUrl(neighbour.id);
    }
  },

  close() {
    dialog.close();
    leave();
  },
};

/** The page can be scrolled again, and nothing of the photo goes on. */
function leave() {
  if (dialog.open) return; // it was opened again meanwhile
  slideshow.stop();
  document.documentElement.classList.remove("viewing");
  shown = null;
  stopFilms(frame);
  frame.replaceChildren();
}

/** The thumbnail at once, and the photo itself over it as soon as it is there; a film with its controls. @param {Photo} photo */
function showPicture(photo) {
  stopFilms(frame);
  zoom.start(photo.width, photo.height);
  if (isFilm(photo)) {
    swipe.reset();
    frame.replaceChildren(filmPlayer(photo, (instead) => frame.replaceChildren(...instead)));
    slideshow.shown();
    return;
  }
  const preview = element("img", { src: thumbnailUrl(photo.id, 512), alt: "" });
  preview.style.backgroundImage = thumbnails.imageOf(photo); // at once, and without the server
  preview.addEventListener("error", () => preview.removeAttribute("src")); // a broken picture has a frame
  const picture = element("img", { src: fileUrl(photo.id), alt: photoTitle(photo), class: "full", draggable: "false" });
  picture.addEventListener("error", () => explainMissing(picture, photo));
  frame.replaceChildren(preview, picture);
  swipe.reset(picture);
  slideshow.shown();
}

/** Say why a photo is not shown. If the server does not answer, the photo is shown once it is back. @param {HTMLImageElement} picture @param {Photo} photo */
async function explainMissing(picture, photo) {
  await checkConnection();
  const gone = whatIsGone();
  const why = gone ? "" : await whyMissing(fileUrl(photo.id));
  if (!picture.isConnected) return;
  frame.append(element("p", { class: "unplayable", role: "status" }, gone
    ? `${gone === "silent" ? "The server does not answer" : "The index is not there any more"}. The photo is shown as soon as it is back.`
    : why || "The browser cannot show this photo."));
  if (gone) whenBack(() => shown && picture.isConnected && showPicture(shown));
}

function showPicked() {
  if (shown) pick.setAttribute("aria-pressed", String(selection.has(shown)));
}

function showFavourite() {
  if (shown) heart.setAttribute("aria-pressed", String(albums.has(FAVOURITES, shown)));
}

/** Photos that were searched for can be marked. */
function showMarks() {
  for (const [button, mark] of /** @type {const} */ ([[right, "right"], [wrong, "wrong"]])) {
    button.hidden = !isQuery(currentSearch());
    button.setAttribute("aria-pressed", String(shown !== null && isMarked(shown, mark)));
  }
}

/** Show what is known of the photo, or hide it. The keyboard goes there, so that its keys scroll. @param {boolean} open @param {boolean} [remember] */
function showFacts(open, remember = true) {
  const hadFocus = facts.contains(document.activeElement);
  dialog.classList.toggle("with-facts", open);
  if (dialog.open && open) facts.focus({ preventScroll: true });
  else if (hadFocus) stage.focus();
  info.setAttribute("aria-expanded", String(open));
  if (remember) localStorage.setItem("clipsearch-facts", open ? "open" : "closed");
}

/** @param {-1 | 1} direction @returns {boolean} whether there is a photo */
function step(direction) {
  const photo = direction < 0 ? around.before : around.after;
  if (photo) openPhoto(photo.id);
  return photo !== undefined;
}

/** The help lies over the photo. */
function openHelp() {
  slideshow.stop();
  byId("open-help").click();
}

async function showMenu() {
  if (!shown || menu.matches(":popover-open")) return;
  menu.replaceChildren(...await menuItems(shown, () => slideshow.start()));
  menu.showPopover();
  /** @type {HTMLElement} */ (menu.firstElementChild).focus();
}

/** @param {KeyboardEvent} event */
function moveInMenu(event) {
  event.stopPropagation(); // the arrows are not for the photos here
  const direction = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!direction) return;
  event.preventDefault();
  const items = /** @type {HTMLElement[]} */ ([...menu.children]);
  items.at((items.indexOf(/** @type {HTMLElement} */ (document.activeElement)) + direction) % items.length)?.focus();
}

/** Arrows go to the next photo, or move the one that is zoomed. @param {KeyboardEvent} event */
function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const target = /** @type {HTMLElement} */ (event.target);
  const film = frame.querySelector("video");
  if (target.matches("select") || (target === film && event.key.startsWith("Arrow"))) return; // their own keys
  if (facts.contains(target) && /^(Arrow(Up|Down)|Page|Home|End)/.test(event.key)) return; // they scroll the facts
  if (event.key === "Escape" && menu.matches(":popover-open")) return; // it closes the menu
  if (event.key === " " && !slideshow.isRunning) return;
  if (event.key === " " && target.matches("button, a, summary")) return;
  const far = 80;
  /** @type {Record<string, () => void>} */
  const always = {
    "+": () => zoom.by(1.5), "=": () => zoom.by(1.5), "-": () => zoom.by(1 / 1.5), 0: () => zoom.reset(), i: () => info.click(),
    h: () => heart.click(), x: () => pick.click(), r: () => right.click(), w: () => wrong.click(), m: () => shown && around.similar(shown), PageUp: () => step(-1), PageDown: () => step(1),
    Escape: () => (slideshow.isRunning ? slideshow.stop() : closePhoto()), // Chromium passes over one just after a dialog has opened
    k: () => film && playOrPause(film), s: () => (slideshow.isRunning ? slideshow.stop() : slideshow.start()), " ": () => slideshow.pause(),
    c: () => shown && copyPicture(shown), d: () => shown && downloadPhoto(shown), o: () => shown && openInTab(shown), "?": openHelp,
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
