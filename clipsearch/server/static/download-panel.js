/** Taking photos out: their own files as a zip archive, a gallery file, a contact sheet, or a list. */

import { ask, fileFrom } from "./api.js";
import { element, icon } from "./dom.js";
import { download, save } from "./download.js";
import { searchTitle } from "./filter-chips.js";
import { bytes, count, counted, countedPhotos } from "./format.js";
import { announce } from "./messages.js";
import { closePanel, openPanel } from "./panel.js";
import { currentSearch, MOST_FILES } from "./state.js";
import { downloadPhoto } from "./viewer-menu.js";

/** @typedef {import("./api.js").Photo} Photo */

const MOST_PICTURES = 1000;

/**
 * Ask what to make of photos.
 * @param {Photo[]} photos @param {string} [title] of what is made, and its file's name: that of the search, if there is none
 */
export function openDownloadPanel(photos, title = searchTitle(currentSearch()) || "photos") {
  const files = filesOf(photos);
  const size = files.reduce((sum, photo) => sum + photo.size, 0);
  const thing = photos.length > files.length ? "moment" : "photo";
  const first = (/** @type {number} */ most) => photos.length > most ? ` Only the first ${counted(most, thing)}.` : "";
  const [photo] = files;
  openPanel(`Download ${countedPhotos(photos)}`,
    element("ul", { class: "rows" },
      files.length === 1
        ? row("download", "The photo", `Its own file, ${bytes(size)}.`, () => finish(() => downloadPhoto(photo)))
        : row("download", "The photos", `Their own files in one zip archive, ${bytes(size)}. Files with the same name get numbers.${files.length > MOST_FILES ? ` Only the first ${counted(MOST_FILES)}.` : ""}`, () => make(files, "zip", title)),
      row("picture", "A gallery", `One HTML file with pictures, names and facts, to send or to keep. It names no folders.${first(MOST_PICTURES)}`, () => make(photos, "gallery", title)),
      row("sheet", "A contact sheet", `A PDF with small pictures and names, to print.${first(MOST_PICTURES)}`, () => make(photos, "sheet", title)),
      row("list", "A list for a spreadsheet", "Paths and facts as CSV.", () => finish(() => download(photos, "csv", title))),
      row("list", "A list for programs", "The same as JSON.", () => finish(() => download(photos, "json", title))),
    ));
}

/** The first of each film's moments: a file is saved once. @param {Photo[]} photos */
const filesOf = (photos) => [...new Map(photos.toReversed().map((photo) => [photo.path, photo])).values()].reverse();

/** @param {string} symbol @param {string} name @param {string} about @param {() => void} onclick */
function row(symbol, name, about, onclick) {
  return element("li", {}, element("button", { type: "button", class: "row with-icon", onclick },
    icon(symbol), element("span", { class: "row-text" }, element("span", {}, name), element("span", { class: "soft" }, about))));
}

/** @param {() => void} act */
function finish(act) {
  closePanel();
  act();
}

/** @param {number} missing */
const leftOut = (missing) => `${counted(missing)} ${missing === 1 ? "is" : "are"} left out, since the index does not have ${missing === 1 ? "it" : "them"} any more.`;

/** @param {Photo[]} photos @param {"zip" | "gallery" | "sheet"} kind @param {string} title */
async function make(photos, kind, title) {
  closePanel();
  const ids = photos.slice(0, kind === "zip" ? MOST_FILES : MOST_PICTURES).map((photo) => photo.id);
  try {
    const { token, name, photos: inIndex, unreadable, missing } = await ask("/api/downloads", { method: "POST", body: { ids, kind, title: title.slice(0, 200) || "photos" } });
    const address = `/api/downloads/${token}`;
    if (kind === "zip") { // the browser shows how far it is
      element("a", { href: address, download: name }).click();
      if (unreadable) announce(`${count(unreadable)} of ${counted(inIndex)} cannot be in the archive, because the files are gone or have changed. “NOT IN THIS ARCHIVE.txt” in it lists them.`);
      else if (missing.length) announce(leftOut(missing.length));
      return;
    }
    announce(`Making ${kind === "gallery" ? "the gallery" : "the contact sheet"}…`);
    save(await fileFrom(address), name);
    announce(`Downloaded “${name}”.${missing.length ? ` ${leftOut(missing.length)}` : ""}`);
  } catch (error) {
    announce(/** @type {Error} */ (error).message);
  }
}
