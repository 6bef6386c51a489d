/** What else can be done with the photo in the viewer: the menu behind "More". */

import { ApiError, ask, checkConnection, errorOf, fileUrl, originalUrl, thumbnailUrl, whatIsGone } from "./api.js";
import { copyText } from "./clipboard.js";
import { element, icon } from "./dom.js";
import { fileName, isFilm } from "./format.js";
import { announce } from "./messages.js";

/** @typedef {import("./api.js").Photo} Photo */

const LARGEST = 4096; // pixels of the longest side of a copied picture
const NO_CLIPBOARD = "The browser copies pictures only from pages on this machine or on https.";

/** @type {Promise<boolean> | null} whether the server can show a folder on the screen in front of the user */
let folders = null;

/**
 * The menu's entries for a photo.
 * @param {Photo} photo @param {() => void} startSlideshow
 */
export async function menuItems(photo, startSlideshow) {
  folders ??= ask("/api/desktop").then((desktop) => desktop.folders, () => false);
  const hasFolder = await folders;
  return [
    button("play", "Slideshow", "s", startSlideshow),
    link("download", "Download", "d", { href: originalUrl(photo.id), download: fileName(photo.path), onclick: (/** @type {Event} */ event) => (event.preventDefault(), downloadPhoto(photo)) }),
    link("open", "Open in a tab", "o", { href: fileUrl(photo.id), target: "_blank", rel: "noopener" }),
    button("copy", "Copy the picture", "c", () => copyPicture(photo)),
    button("copy", "Copy the path", "", async () => announce((await copyText(photo.path)) ? "Path copied." : "The browser does not allow copying here.")),
    hasFolder ? button("folder", "Show in the folder", "", () => showInFolder(photo)) : null,
    button("link", "Copy the address", "", async () => announce((await copyText(location.href)) ? "Address copied." : "The browser does not allow copying here.")),
    "share" in navigator ? button("share", "Share…", "", () => sharePhoto(photo)) : null,
  ].filter((item) => item !== null);
}

/** @param {string} symbol @param {string} text @param {string} key @param {() => void} onclick */
function button(symbol, text, key, onclick) {
  return element("button", { type: "button", onclick, "aria-keyshortcuts": key || null }, icon(symbol), element("span", {}, text), key && element("kbd", { "aria-hidden": "true" }, key));
}

/** @param {string} symbol @param {string} text @param {string} key @param {Record<string, any>} attributes */
function link(symbol, text, key, attributes) {
  return element("a", { ...attributes, "aria-keyshortcuts": key || null }, icon(symbol), element("span", {}, text), key && element("kbd", { "aria-hidden": "true" }, key));
}

/** Save the photo's own file. Browsers do not tell the page if they cannot, so it looks before. @param {Photo} photo */
export async function downloadPhoto(photo) {
  if (!await fetchFile(originalUrl(photo.id), { Range: "bytes=0-0" })) return;
  element("a", { href: originalUrl(photo.id), download: fileName(photo.path) }).click();
}

/**
 * The answer with a photo's file. If it does not come, say why.
 * @param {string} url @param {Record<string, string>} [headers]
 * @returns {Promise<Response | null>}
 */
async function fetchFile(url, headers = {}) {
  const answer = await fetch(url, { headers }).catch(() => null);
  if (answer?.ok) return answer;
  await checkConnection(); // a banner says if the server or the index is gone
  if (answer && !whatIsGone()) announce((await errorOf(answer)).message);
  return null;
}

/** @param {Photo} photo */
export const openInTab = (photo) => void window.open(fileUrl(photo.id), "_blank", "noopener");

/** Put a photo, or the picture at which a film is, on the clipboard, to paste it into a mail or a document. @param {Photo} photo */
export async function copyPicture(photo) {
  if (!window.isSecureContext || typeof ClipboardItem === "undefined") {
    announce(NO_CLIPBOARD);
    return;
  }
  let problem = "";
  const png = pngOf(photo).catch((error) => {
    problem = error instanceof ApiError ? error.message : "";
    throw error;
  });
  try {
    await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]); // browsers take no other kind
    announce("Picture copied.");
  } catch (error) {
    announce(problem || (error instanceof DOMException && error.name === "NotAllowedError" ? NO_CLIPBOARD : "The browser cannot copy this picture."));
  }
}

/** The film in the viewer at its present picture, or the photo's file; if a film cannot be played, its picture. @param {Photo} photo */
async function sourceOf(photo) {
  const film = /** @type {HTMLVideoElement | null} */ (isFilm(photo) ? document.querySelector("#viewer video") : null);
  if (film && film.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) return film;
  const answer = await fetch(isFilm(photo) ? thumbnailUrl(photo.id, 1024) : fileUrl(photo.id));
  if (!answer.ok) throw await errorOf(answer);
  return await answer.blob();
}

/** @param {Photo} photo @returns {Promise<Blob>} */
async function pngOf(photo) {
  const whole = await createImageBitmap(await sourceOf(photo));
  const scale = Math.min(1, LARGEST / Math.max(whole.width, whole.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(whole.width * scale));
  canvas.height = Math.max(1, Math.round(whole.height * scale));
  canvas.getContext("2d")?.drawImage(whole, 0, 0, canvas.width, canvas.height);
  return await new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))), "image/png"));
}

/** @param {Photo} photo */
async function showInFolder(photo) {
  try {
    await ask(`/api/images/${photo.id}/folder`, { method: "POST" });
  } catch (error) {
    announce(/** @type {Error} */ (error).message);
  }
}

/** Give the photo itself to another program, or if the browser cannot, its address. @param {Photo} photo */
async function sharePhoto(photo) {
  const answer = await fetchFile(fileUrl(photo.id));
  if (!answer) return;
  try {
    const file = new File([await answer.blob()], fileName(photo.path), { type: answer.headers.get("Content-Type") ?? "" });
    await navigator.share(navigator.canShare?.({ files: [file] }) ? { files: [file] } : { url: location.href });
  } catch (error) {
    if (!(error instanceof DOMException && error.name === "AbortError")) announce("The browser does not share this photo; download it instead.");
  }
}
