/** The filter by folder: a tree of the folders that have photos. */

import { element, icon } from "./dom.js";
import { count, separatorOf, visible } from "./format.js";
import { keptSet } from "./kept-set.js";
import { changeSearch } from "./state.js";

/**
 * @typedef {object} Folder
 * @property {string} path
 * @property {string} name
 * @property {string[]} parts the names that may be shown: of the folders above it that are left out, and its own
 * @property {number} images in it and below
 * @property {boolean} isCounted whether photos lie in it, not only below
 * @property {Folder[]} inside
 */

const unfolded = keptSet("clipsearch-unfolded-folders"); // paths
const folded = keptSet("clipsearch-folded-folders"); // those that would be open by themselves

/**
 * @param {{value: string, images: number}[]} counts of absolute folders, each without what is below it
 * @param {string[]} chosen
 * @param {() => void} render what shows the tree anew
 */
export function folderTree(counts, chosen, render) {
  const tops = tree(counts);
  const whole = list(tops);
  whole.classList.toggle("flat", tops.every((folder) => !folder.inside.length)); // then there is nothing to unfold
  return whole;

  /** @param {Folder[]} folders @returns {HTMLElement} */
  function list(folders) {
    return element("ul", { class: "facet-list tree" }, ...folders.map(item));
  }

  /** @param {Folder} folder */
  function item(folder) {
    const { path, name, images, inside } = folder;
    const opens = (tops.length === 1 && folder === tops[0]) || chosen.some((other) => other.startsWith(path + separatorOf(path)));
    if (!opens) folded.delete(path); // what is chosen in it next is seen
    const isOpen = !folded.has(path) && (opens || unfolded.has(path));
    const isChosen = chosen.includes(path);
    const fold = () => {
      if (isOpen) unfolded.delete(path);
      else unfolded.add(path);
      if (isOpen && opens) folded.add(path);
      else folded.delete(path);
      render();
    };
    return element("li", {},
      element("div", { class: "branch" },
        inside.length > 0 && element("button", {
          type: "button", class: "fold", "aria-expanded": String(isOpen), "aria-label": `Folders in ${visible(name)}`, "data-key": `fold ${path}`, onclick: fold,
        }, icon("right")),
        element("button", {
          type: "button", class: images ? null : "without", title: visible(path), "aria-pressed": String(isChosen), "data-key": `folder ${path}`,
          onclick: () => changeSearch({ folders: isChosen ? [] : [path] }),
        }, element("bdi", {}, visible(name)), element("span", { class: "count" }, count(images))),
      ),
      isOpen && inside.length > 0 && list(inside),
    );
  }
}

/**
 * The tree of the folders. A folder that contains only one other folder is left out.
 * @param {{value: string, images: number}[]} counts
 * @returns {Folder[]}
 */
function tree(counts) {
  /** @type {Folder} */
  const all = { path: "", name: "", parts: [], images: 0, isCounted: false, inside: [] };
  for (const { value, images } of counts) {
    let folder = all;
    for (const { 0: name, index } of value.matchAll(separatorOf(value) === "/" ? /[^/]+/g : /[^\\]+/g)) {
      const path = value.slice(0, index + name.length);
      let next = folder.inside.find((inner) => inner.path === path);
      if (!next) folder.inside.push((next = { path, name, parts: [name], images: 0, isCounted: false, inside: [] }));
      next.images += images;
      folder = next;
    }
    folder.isCounted = true;
  }
  return named(all.inside.map(shortened));
}

/** @param {Folder} folder @returns {Folder} */
function shortened(folder) {
  const parts = [folder.name];
  while (folder.inside.length === 1 && !folder.isCounted) parts.push((folder = folder.inside[0]).name);
  const inside = named(folder.inside.map(shortened)).sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  return { ...folder, parts, inside };
}

/** Folders side by side. Those of one name also have the names of folders above them that were left out: "Apple / 2022". @param {Folder[]} folders */
function named(folders) {
  const nameOf = (/** @type {Folder} */ { parts }, /** @type {number} */ size) => parts.slice(-size).join(" / ");
  return folders.map((folder) => {
    let size = 1;
    while (size < folder.parts.length && folders.some((other) => other !== folder && nameOf(other, size) === nameOf(folder, size))) size++;
    return { ...folder, name: nameOf(folder, size) };
  });
}
