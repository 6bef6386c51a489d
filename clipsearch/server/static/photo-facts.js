/** What the index knows about a photo, as a list. */

import { element, icon, iconButton } from "./dom.js";
import { bytes, day, fileName, folderOf, momentText, percent, photoTitle, place, placeName, visible } from "./format.js";
import { copyText } from "./clipboard.js";
import { announce } from "./messages.js";
import { newSearch, openPhoto } from "./state.js";

/** @typedef {import("./api.js").Photo} Photo */

const AROUND = 5; // kilometres

/** @param {Photo} photo */
export function photoFacts(photo) {
  const { path, gps } = photo;
  const folder = folderOf(path);
  /** @type {[string, Node | string | null | false | undefined][]} */
  const rows = [
    ["Caption", photo.caption && element("bdi", {}, visible(photo.caption))],
    ["Moment", momentText(photo)],
    ["Match", photo.match != null && matchBar(photo.match)],
    ["Score", photo.score != null && `${photo.score.toFixed(4)} (rank ${photo.rank})`],
    ["Taken", photo.taken_at && day(photo.taken_at)],
    ["Camera", photo.camera && link(visible(photo.camera), () => newSearch({ camera: photo.camera ?? "" }))],
    ["Location", gps && link(photo.place ? visible(placeName(photo.place)) : place(...gps), () => newSearch({ near: `${gps[0]},${gps[1]},${AROUND}` }), `${place(...gps)}: photos within ${AROUND} km`)],
    ["Size", `${photo.width} × ${photo.height}, ${((photo.width * photo.height) / 1e6).toFixed(1)} MP`],
    ["File", `${photo.format}, ${bytes(photo.size)}`],
    ["Same shot", photo.others && element("span", { class: "others" }, ...photo.others.map((other) => link(photoTitle(other), () => openPhoto(other.id), visible(other.path))))],
    ["Folder", link(fileName(folder), () => newSearch({ folders: [folder] }), visible(folder))],
    ["Path", element("span", { class: "path" }, element("bdi", {}, visible(path)), iconButton("copy", "Copy the path", async () => {
      announce((await copyText(path)) ? "Path copied." : "The browser does not allow copying here.");
    }))],
  ];
  return element("dl", { class: "facts" }, ...rows.flatMap(([name, value]) => (value ? [element("dt", {}, name), element("dd", {}, value)] : [])));
}

/** @param {number} match */
function matchBar(match) {
  return element("span", { class: "match" }, element("meter", { min: "0", max: "1", value: String(match), "aria-label": "Match" }), percent(match));
}

/** @param {string} text @param {() => void} onclick @param {string} [title] */
function link(text, onclick, title = "Show all of these") {
  return element("button", { type: "button", class: "link", title, onclick }, element("bdi", {}, text), icon("right"));
}
