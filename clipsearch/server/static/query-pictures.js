/** Searching by pictures that are chosen, dropped or pasted. They are uploaded to this server, which deletes them within an hour. */

import { keepAbove } from "./above-dialogs.js";
import { ask } from "./api.js";
import { byId, element } from "./dom.js";
import { announce } from "./messages.js";
import { changeSearch, closeDialogs, currentSearch } from "./state.js";

/** @typedef {import("./api.js").Photo & {exact: boolean}} Known */

const LARGEST = 64 * 1024 ** 2; // bytes that the server takes
const INDEXED = "application/x-clipsearch-photo"; // a photo of the index that is dragged

const KEPT = "clipsearch-pictures"; // in this tab, for a reload
const MOST_KEPT = 12;
const PREVIEW = 96; // pixels of a preview's shorter side

/** @typedef {{preview: string, known: Known[]}} Uploaded a small picture of it as a data URL, "" if there is none; and the photos of the index that it is */

/** @type {Map<string, Uploaded>} by "upload:TOKEN", the newest last */
const uploads = new Map(JSON.parse(sessionStorage.getItem(KEPT) ?? "[]"));

/** @param {string} source @returns {Known[]} */
export const knownPhotos = (source) => uploads.get(source)?.known ?? [];

/** @param {string} source @returns {string | undefined} */
export const previewOf = (source) => uploads.get(source)?.preview;

/** @typedef {{preview: string}} Sent a picture on its way to the server; "" until there is a preview */

/** @type {Sent[]} */
let sent = [];
let sending = new AbortController();

/** Fires "change" when pictures are on their way to the server, have a preview, or have arrived. */
export const uploading = new EventTarget();

/** The pictures that are on their way to the server. @returns {readonly Sent[]} */
export const sentPictures = () => sent;

/** Leave the pictures that are on their way, if there are any. */
export function stopUploading() {
  sending.abort();
  showSent([]);
}

/** @param {Sent[]} pictures */
function showSent(pictures) {
  sent = pictures;
  uploading.dispatchEvent(new Event("change"));
}

export function setUpQueryPictures() {
  const chooser = byId("picture-file");
  byId("add-picture").addEventListener("click", () => chooser.click());
  chooser.addEventListener("change", async () => {
    await searchBy([...chooser.files]);
    chooser.value = ""; // so that the same file can be chosen again
  });
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return; // words are pasted as usual
    const isInField = /** @type {HTMLElement} */ (event.target).closest("dialog :is(input, textarea)") !== null;
    if (isInField && event.clipboardData?.getData("text/plain")) return; // as from a spreadsheet, which adds a picture of them
    event.preventDefault();
    searchBy(files);
  });
  setUpDropping();
}

function setUpDropping() {
  const target = byId("drop");
  keepAbove(target);
  let depth = 0; // an element is entered before the previous one is left
  const carries = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.some((type) => type === "Files" || type === INDEXED);
  addEventListener("dragenter", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    depth++;
    target.hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (carries(event) && --depth <= 0) target.hidden = true;
  });
  addEventListener("dragover", (event) => {
    if (carries(event)) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    depth = 0;
    target.hidden = true;
    const id = event.dataTransfer?.getData(INDEXED);
    if (id) addPhoto(id);
    else searchBy([...(event.dataTransfer?.files ?? [])]);
  });
}

/** Add an indexed photo to the search. @param {string} id */
function addPhoto(id) {
  const { pictures } = currentSearch();
  closeDialogs();
  if (!pictures.some((picture) => picture.source === id)) changeSearch({ pictures: [...pictures, { source: id, weight: 1 }] });
}

/**
 * Search by pictures in place of earlier ones; the words stay.
 * @param {File[]} files
 */
async function searchBy(files) {
  const pictures = files.filter((file) => !file.type || file.type.startsWith("image/") || isFilmFile(file));
  if (!pictures.length) {
    announce("That file is not a picture.");
    return;
  }
  const tooLarge = pictures.find((file) => file.size > LARGEST);
  if (tooLarge) {
    announce(isFilmFile(tooLarge)
      ? "That film is larger than 64 MB. Pause it at the scene, take a screenshot, and search by that."
      : "That picture is larger than 64 MB; choose a smaller one.");
    return;
  }
  if (pictures.some(isFilmFile)) announce("A film is searched by its first picture. For another one, take a screenshot, and search by that.");
  closeDialogs(); // or what is found would be behind them
  sending.abort(); // the pictures that were chosen last are searched by
  const { signal } = sending = new AbortController();
  const chips = pictures.map(() => ({ preview: "" }));
  showSent(chips);
  try {
    const sources = await Promise.all(pictures.map((file, i) => upload(file, chips[i], signal)));
    if (signal.aborted) return;
    showSent([]);
    changeSearch({ pictures: sources.map((source) => ({ source, weight: 1 })) });
  } catch (error) {
    if (signal.aborted) return;
    stopUploading(); // also the others
    announce(/** @type {Error} */ (error).message);
  }
}

/** @param {File} file */
const isFilmFile = (file) => file.type.startsWith("video/");

/** @param {File} file @param {Sent} chip is given its preview @param {AbortSignal} signal @returns {Promise<string>} "upload:TOKEN" */
async function upload(file, chip, signal) {
  const body = isFilmFile(file) ? file.slice() : file; // a slice has no type
  const previewing = isFilmFile(file) ? Promise.resolve("") : preview(file);
  previewing.then((small) => {
    chip.preview = small;
    if (sent.includes(chip)) showSent(sent);
  });
  const [answer, small] = await Promise.all([ask("/api/uploads", { method: "POST", body, signal }), previewing]);
  const source = `upload:${answer.token}`;
  uploads.set(source, { preview: small, known: answer.known });
  try {
    sessionStorage.setItem(KEPT, JSON.stringify([...uploads].slice(-MOST_KEPT)));
  } catch { // no room: the pictures are shown until the page is loaded again
  }
  return source;
}

/** A small picture as a data URL; "" if the browser cannot read the file. @param {File} file */
async function preview(file) {
  try {
    const bitmap = await createImageBitmap(file);
    const scale = Math.min(1, PREVIEW / Math.min(bitmap.width, bitmap.height));
    const canvas = element("canvas", { width: String(Math.round(bitmap.width * scale)), height: String(Math.round(bitmap.height * scale)) });
    canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    return canvas.toDataURL("image/webp", 0.8);
  } catch {
    return "";
  }
}
