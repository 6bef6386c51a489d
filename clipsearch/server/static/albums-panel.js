/** Adding photos to an album, or taking them out; and the list of albums. */

import { addToAlbum, albums, FAVOURITES } from "./albums.js";
import { element, icon, iconButton } from "./dom.js";
import { count, counted, visible } from "./format.js";
import { announce } from "./messages.js";
import { closePanel, openPanel } from "./panel.js";
import { changes, currentSearch, newSearch } from "./state.js";

/** @typedef {import("./api.js").Photo} Photo */

/** Ask for the album that photos are added to. @param {Photo[]} photos */
export async function openAlbumChooser(photos) {
  try {
    await albums.load();
  } catch (error) {
    announce(/** @type {Error} */ (error).message);
    return;
  }
  const { album } = currentSearch();
  const name = element("input", { name: "name", required: true, maxlength: "200", "aria-label": "Name of a new album", placeholder: "A new album", autocomplete: "off" });
  const add = (/** @type {string} */ target) => act(() => addToAlbum(target, photos));
  const names = albums.list.map(([known]) => known).filter((known) => known !== FAVOURITES);
  openPanel(`Add ${counted(photos.length)} to an album`,
    element("form", { class: "inline-form", onsubmit: (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      if (name.value.trim()) add(name.value.trim());
    } }, name, element("button", { type: "submit", class: "primary" }, "Make it")),
    element("ul", { class: "rows" }, ...[FAVOURITES, ...names].map((known) => element("li", {},
      element("button", { type: "button", class: "row with-icon", onclick: () => add(known) }, icon(known === FAVOURITES ? "heart" : "album"), element("bdi", {}, visible(known)))))),
    album ? element("button", { type: "button", onclick: () => act(async () => {
      await albums.takeOut(album, photos);
      changes.dispatchEvent(new CustomEvent("search", { detail: { again: true } })); // they are not shown any more
    }) }, icon("minus"), `Take ${photos.length === 1 ? "it" : "them"} out of ${visible(album)}`) : element("span", { hidden: true }));
}

/** @param {() => Promise<void>} change */
async function act(change) {
  closePanel();
  try {
    await change();
  } catch (error) {
    announce(/** @type {Error} */ (error).message);
  }
}

/** The albums, each with what can be done with it; for a panel. @param {() => void} again shows them anew @returns {Promise<Node[]>} */
export async function albumList(again) {
  await albums.load();
  const { list } = albums;
  if (!list.length) return [element("h3", {}, "Albums"), element("p", { class: "soft" }, "None yet. The heart beside a photo makes it a favourite; select photos to add them to an album.")];
  return [element("h3", {}, "Albums"), element("ul", { class: "rows" }, ...list.map(([name, size]) => element("li", {},
    element("button", { type: "button", class: "row", onclick: () => (closePanel(), newSearch({ album: name })) }, element("bdi", {}, visible(name)), element("span", { class: "soft" }, counted(size))),
    element("a", { class: "icon-button button", href: `/api/albums/${encodeURIComponent(name)}/playlist`, download: `${name}.m3u8`, "aria-label": `List of paths of ${visible(name)}`, title: "Download a list of paths (M3U)" }, icon("list")),
    iconButton("trash", `Remove the album ${visible(name)}; its ${count(size)} photos stay`, async () => {
      await albums.remove(name).catch((error) => announce(error.message));
      again();
    }))))];
}
