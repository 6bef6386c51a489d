/** Favourites and albums. The server keeps them in a file beside the index; they are loaded when they are first needed. */

import { ApiError, ask } from "./api.js";
import { count, counted, countedPhotos, visible } from "./format.js";
import { announce } from "./messages.js";
import { forgetRename } from "./renamed-albums.js";
import { selection } from "./selection.js";
import { currentSearch } from "./state.js";

/** @typedef {import("./api.js").Photo} Photo */

export const FAVOURITES = "Favourites";

/**
 * Fires "change" when an album has changed, or the albums have been loaded; "here" (detail: their names) when this window has put
 * photos into albums or taken them out; "elsewhere" (likewise) when another window or device has changed albums that were loaded before.
 */
export const albums = new (class extends EventTarget {
  /** @type {Map<string, Set<number>>} ids of photos by the album's name */
  #ids = new Map();
  /** @type {Promise<void> | null} */
  #loading = null;
  /** How many changes this window has made. */
  #changed = 0;
  /** Changes of this window that the server has not answered. */
  #changing = 0;
  /** Whether all are known, not only some favourites. */
  #isLoaded = false;
  #others = new BroadcastChannel("clipsearch-albums"); // the other windows of this browser

  constructor() {
    super();
    this.#others.addEventListener("message", () => this.refresh());
    document.addEventListener("visibilitychange", () => this.refresh()); // a hidden page is not told of changes
  }

  /** Others may have changed them: load them again, if the page is seen. */
  refresh() {
    if (!document.hidden) this.reload().catch(() => {}); // the banner reports that the server is gone
  }

  /** Load the albums, unless they are there. */
  load() {
    this.#loading ??= this.reload().catch((error) => {
      this.#loading = null;
      throw error;
    });
    return this.#loading;
  }

  /** @returns {Promise<void>} */
  async reload() {
    const before = this.#changed;
    const isOwn = this.#changing > 0;
    const answer = await ask("/api/albums");
    if (before !== this.#changed) return this.reload(); // the answer may be older than the change
    const last = this.#ids;
    this.#ids = new Map(answer.albums.map((/** @type {{name: string, ids: number[]}} */ { name, ids }) => [name, new Set(ids)]));
    for (const name of this.#ids.keys()) forgetRename(name); // another device may have made an album of an old name
    const names = this.#isLoaded && !isOwn ? different(last, this.#ids) : [];
    this.#isLoaded = true;
    this.dispatchEvent(new Event("change"));
    if (names.length) this.dispatchEvent(new CustomEvent("elsewhere", { detail: names }));
  }

  /** Their names and numbers of photos, favourites first. @returns {[string, number][]} */
  get list() {
    const first = (/** @type {[string, Set<number>]} */ [name]) => (name === FAVOURITES ? 0 : 1);
    return [...this.#ids].sort((a, b) => first(a) - first(b)).map(([name, ids]) => [name, ids.size]);
  }

  /**
   * Take over which photos of an answer are favourites, so that no other request is needed.
   * @param {number[]} ids of all its photos @param {number[]} favourites
   */
  learn(ids, favourites = []) {
    const known = this.#ids.get(FAVOURITES) ?? new Set();
    for (const id of ids) known.delete(id);
    for (const id of favourites) known.add(id);
    if (known.size || this.#ids.has(FAVOURITES)) this.#ids.set(FAVOURITES, known);
  }

  /** @param {string} name @param {Photo} photo */
  has(name, photo) {
    return this.#ids.get(name)?.has(photo.id) ?? false;
  }

  /** @param {string} name @param {{id: number}[]} photos @returns {Promise<string>} the album's name, which may have other capitals */
  add(name, photos) {
    return this.#change(name, { add: photos.map((photo) => photo.id) });
  }

  /** @param {string} name @param {Photo[]} photos */
  async takeOut(name, photos) {
    await this.#change(name, { remove: photos.map((photo) => photo.id) });
  }

  /** @param {string} name @param {string} newName */
  async rename(name, newName) {
    await this.#ask(name, { method: "POST", body: { name: newName } });
    const album = this.#ids.get(name);
    this.#ids.delete(name);
    if (album) this.#ids.set(newName, album);
    this.#tellOthers();
    await this.reload();
  }

  /** Remove an album; its photos stay. @param {string} name @returns {Promise<{id: number}[] | null>} its photos; null if it was gone already */
  async remove(name) {
    const photos = [...(this.#ids.get(name) ?? [])].map((id) => ({ id }));
    const isRemoved = await this.#ask(name, { method: "DELETE" }).then(() => true, (error) => {
      if (error instanceof ApiError && error.code === "no-such-album") return false;
      throw error;
    });
    this.#ids.delete(name);
    this.#tellOthers();
    this.dispatchEvent(new Event("change"));
    return isRemoved ? photos : null;
  }

  /** @param {string} asked @param {{add?: number[], remove?: number[]}} body @returns {Promise<string>} the album's name */
  async #change(asked, body) {
    const { name, ids } = await this.#ask(asked, { method: "POST", body });
    this.#ids.set(name, new Set(ids));
    forgetRename(name); // it may be a new one
    this.#tellOthers();
    this.dispatchEvent(new Event("change"));
    this.dispatchEvent(new CustomEvent("here", { detail: [name] }));
    return name;
  }

  /** Change an album on the server. @param {string} name @param {{method: string, body?: object}} change @returns {Promise<any>} */
  async #ask(name, change) {
    this.#changing += 1;
    try {
      return await ask(`/api/albums/${encodeURIComponent(name)}`, change);
    } finally {
      this.#changing -= 1;
    }
  }

  #tellOthers() {
    this.#changed += 1;
    this.#others.postMessage("changed");
  }
})();

/** Whether a search is in albums, and so depends on what is put into them. @param {Readonly<import("./state.js").Search>} search */
export const isInAlbums = ({ album, where }) => album !== "" || /\balbum\s*!?=/i.test(where);

/** Whether a search may depend on some albums. @param {Readonly<import("./state.js").Search>} search @param {string[]} names */
export const dependsOn = (search, names) =>
  names.includes(search.album) || isInAlbums({ ...search, album: "" });

/** The names of albums that are not the same in both. @param {Map<string, Set<number>>} last @param {Map<string, Set<number>>} now */
function different(last, now) {
  return [...new Set([...last.keys(), ...now.keys()])].filter((name) => {
    const [before, after] = [last.get(name), now.get(name)];
    return !before || !after || before.size !== after.size || [...after].some((id) => !before.has(id));
  });
}

/**
 * Make a photo a favourite if its heart is empty, or take that back, and say so. What the user sees counts: another window or device
 * may have changed it since.
 * @param {Photo} photo @param {boolean} is whether its heart is filled
 */
export async function toggleFavourite(photo, is = albums.has(FAVOURITES, photo)) {
  try {
    await (is ? albums.takeOut(FAVOURITES, [photo]) : albums.add(FAVOURITES, [photo]));
    if (is) announceTaken("Removed from favourites.", FAVOURITES, [photo]);
    else announce("Added to favourites.");
  } catch (error) {
    announce(/** @type {Error} */ (error).message);
  }
}

/**
 * Make all of some photos favourites. If they are, take that back. Say how many, with "Undo" for those that were changed.
 * @param {Photo[]} photos
 */
export async function toggleFavourites(photos) {
  if (photos.length === 1) return toggleFavourite(photos[0]);
  try {
    await albums.load(); // an answer tells it of its own photos alone
    const added = photos.filter((photo) => !albums.has(FAVOURITES, photo));
    const others = photos.length - added.length;
    if (added.length) {
      await albums.add(FAVOURITES, added);
      const undo = () => takeOut(FAVOURITES, added).catch(({ message }) => announce(message));
      announce(`${countedPhotos(added)} added to favourites${others ? `; ${count(others)} had been there` : ""}.`, { label: "Undo", act: undo });
    } else {
      await albums.takeOut(FAVOURITES, photos);
      announceTaken(`${countedPhotos(photos)} removed from favourites.`, FAVOURITES, photos);
    }
  } catch (error) {
    announce(/** @type {Error} */ (error).message);
  }
}

/**
 * Take photos out of the album that is shown.
 * @param {string} name @param {Photo[]} photos
 */
export async function takeOut(name, photos) {
  await albums.takeOut(name, photos);
  announceTaken(`Taken out of ${visible(name)}.`, name, photos);
}

/**
 * Say that photos are not in an album any more. If they are several, or that takes them off the page, it can be undone; then those are
 * selected again that are selected now.
 * @param {string} text @param {string} name @param {Photo[]} photos
 */
function announceTaken(text, name, photos) {
  const selected = photos.filter((photo) => selection.has(photo));
  const undo = () => addToAlbum(name, photos).then(() => selected.length && selection.add(selected), (error) => announce(error.message));
  announce(text, photos.length > 1 || dependsOn(currentSearch(), [name]) ? { label: "Undo", act: undo } : undefined);
}

/** @param {string} name @param {number} size */
export const albumText = (name, size) => `${visible(name)}, ${counted(size)}`;

/** @param {string} name @param {Photo[]} photos */
export async function addToAlbum(name, photos) {
  const known = visible(await albums.add(name, photos));
  announce(photos.length === 1 ? `Added to ${known}.` : `${countedPhotos(photos)} added to ${known}.`);
}
