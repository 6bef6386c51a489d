/** Adding photos to an album, or taking them out; and the list of albums. */

import { addToAlbum, albums, FAVOURITES, takeOut } from "./albums.js";
import { element, icon, iconButton } from "./dom.js";
import { counted, countedPhotos, visible } from "./format.js";
import { announce } from "./messages.js";
import { closePanel, openPanel } from "./panel.js";
import { changeSearch, currentSearch, followRename, isFiltered, isQuery, newSearch } from "./state.js";

/** @typedef {import("./api.js").Photo} Photo */

const NO_NAME = "Give the album a name.";

/** Ask for the album that photos are added to. @param {Photo[]} photos */
export async function openAlbumChooser(photos) {
  try {
    await albums.reload(); // adding to a name that is gone would make it again
  } catch (error) {
    announce(/** @type {Error} */ (error).message);
    return;
  }
  const { album } = currentSearch();
  const name = element("input", { name: "name", required: true, maxlength: "200", "data-first": true, "aria-label": "Name of a new album", placeholder: "New album", autocomplete: "off" });
  const add = (/** @type {string} */ target) => act(() => addToAlbum(target, photos));
  const names = albums.list.map(([known]) => known).filter((known) => known !== FAVOURITES);
  openPanel(`Add ${countedPhotos(photos)} to an album`,
    element("form", { class: "inline-form", onsubmit: (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      if (name.value.trim()) add(name.value.trim());
      else announce(NO_NAME);
    } }, name, element("button", { type: "submit", class: "primary" }, "Create")),
    element("ul", { class: "rows" }, ...[FAVOURITES, ...names].map((known) => element("li", {},
      element("button", { type: "button", class: "row with-icon", onclick: () => add(known) }, icon(known === FAVOURITES ? "heart" : "album"), element("bdi", {}, visible(known)))))),
    album ? element("button", { type: "button", onclick: () => act(() => takeOut(album, photos)) }, icon("minus"), `Take ${photos.length === 1 ? "it" : "them"} out of ${visible(album)}`) : element("span", { hidden: true }));
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

/**
 * The albums, each with what can be done with it; for a panel.
 * @param {(place: import("./panel.js").Place) => void} again shows them anew, with the focus on a row @returns {Promise<Node[]>}
 */
export async function albumList(again) {
  await albums.reload();
  const { list } = albums;
  if (!list.length) return [element("h3", {}, "Albums"), element("p", { class: "soft" }, "None yet. The heart on a photo makes it a favourite; select photos to add them to an album.")];
  return [element("h3", {}, "Albums"), element("ul", { class: "rows", "data-list": "albums" }, ...list.map(([name, size]) => albumRow(name, size, again)))];
}

/** @param {string} name @param {number} size @param {(place: import("./panel.js").Place) => void} again */
function albumRow(name, size, again) {
  const row = element("li", {});
  const show = () => row.replaceChildren(
    element("button", { type: "button", class: "row", onclick: () => (closePanel(), newSearch({ album: name })) }, element("bdi", {}, visible(name)), element("span", { class: "soft" }, counted(size))),
    element("a", { class: "icon-button button", href: `/api/albums/${encodeURIComponent(name)}/playlist`, download: `${name}.m3u8`, "aria-label": `List of paths of ${visible(name)}`, title: "Download a list of paths (M3U)" }, icon("list")),
    name === FAVOURITES ? element("span", { class: "no-button" }) : iconButton("pencil", `Rename the album ${visible(name)}`, () => edit()),
    iconButton("trash", `Remove the album ${visible(name)}`, () => askFirst()),
  );
  const back = () => {
    show();
    row.querySelector("button")?.focus();
  };
  const rowOf = (/** @type {string} */ known) => albums.list.findIndex(([other]) => other === known);
  const change = async (/** @type {() => Promise<void>} */ act, newName = name) => {
    const before = Math.max(rowOf(name), 0);
    const showAgain = () => again({ list: "albums", at: rowOf(newName) < 0 ? before : rowOf(newName) }); // its row, or the next one
    try {
      await act();
      showAgain();
    } catch (error) {
      announce(/** @type {Error} */ (error).message);
      await albums.reload().catch(() => {});
      if (rowOf(name) < 0) showAgain(); // another device has removed or renamed it
    }
  };
  const edit = () => {
    const field = element("input", { name: "name", required: true, maxlength: "200", value: name, "aria-label": `New name of the album ${visible(name)}`, autocomplete: "off" });
    showQuestion(element("form", { class: "inline-form", onsubmit: (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      const newName = field.value.trim();
      if (newName) change(() => renameAlbum(name, newName), newName);
      else announce(NO_NAME);
    } }, field, element("button", { type: "submit", class: "primary" }, "Rename"), element("button", { type: "button", onclick: back }, "Cancel")));
    field.select();
  };
  const askFirst = () => {
    const remove = element("button", { type: "button", class: "primary", onclick: () => change(() => removeAlbum(name, again)) }, "Remove");
    showQuestion(element("div", { class: "inline-form question" },
      element("span", {}, "Remove ", element("bdi", {}, visible(name)), `? ${size === 1 ? "Its photo stays" : `Its ${counted(size)} stay`}.`),
      remove, element("button", { type: "button", onclick: back }, "Keep")));
    remove.focus();
  };
  const showQuestion = (/** @type {HTMLElement} */ question) => {
    question.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault(); // the panel stays open
      back();
    });
    row.replaceChildren(question);
  };
  show();
  return row;
}

/** Remove an album, and offer to take that back. @param {string} name @param {(place: import("./panel.js").Place) => void} again shows the albums anew */
async function removeAlbum(name, again) {
  const removed = await albums.remove(name);
  const rest = leave(name);
  const left = currentSearch();
  const undo = async () => {
    try {
      await albums.add(name, removed ?? []);
      announce(`The album ${visible(name)} is back.`);
      if (rest && currentSearch() === left) changeSearch({ album: name });
      again({ list: "albums", at: albums.list.findIndex(([other]) => other === name) });
    } catch (error) {
      announce(/** @type {Error} */ (error).message);
    }
  };
  announce(`The album ${visible(name)} ${removed ? "is removed" : "was gone already"}${rest}.`, removed?.length ? { label: "Undo", act: undo } : undefined);
}

/** If the album that is shown is gone, show what is left of the search, and say so. @param {string} name */
function leave(name) {
  if (currentSearch().album !== name) return "";
  changeSearch({ album: "" });
  const search = currentSearch();
  return isQuery(search) || isFiltered(search) ? "; the search goes on without it" : "; all photos are shown again";
}

/** @param {string} name @param {string} newName */
async function renameAlbum(name, newName) {
  await albums.rename(name, newName);
  announce(`The album is now called ${visible(newName)}.`);
  followRename(name, newName);
}
