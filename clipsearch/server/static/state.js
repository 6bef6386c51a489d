/**
 * The current search and the open photo. Both are kept only in the page's address, so that back, forward, reload and bookmarks
 * work.
 */

import { finished, parseTerms } from "./language.js";
import { nameNow, rememberRename } from "./renamed-albums.js";
import { decodePairs, encodePairs } from "./url.js";

/** @typedef {import("./url.js").Pair} Pair */
/** @typedef {{id: number, below: number, focused?: number}} Place a photo, its distance from the window's top in pixels, and the photo that the keyboard is at */
/**
 * @typedef {object} Picture a picture that is part of the search
 * @property {string} source an indexed photo's id, or "upload:TOKEN"
 * @property {number} weight negative if the search steers away from it
 */
/**
 * @typedef {object} Search
 * @property {string} q in the query language
 * @property {Picture[]} pictures
 * @property {string[]} right ids of hits that were marked right
 * @property {string[]} wrong ids of hits that were marked wrong
 * @property {string[]} folders absolute; photos lie below one of them
 * @property {string} from a date, or as much of it as is known: 2024, 2024-07, 2024-07-15
 * @property {string} to likewise, included
 * @property {string} camera
 * @property {string} near LATITUDE,LONGITUDE,KM
 * @property {string} within SOUTH,WEST,NORTH,EAST, a rectangle of the map
 * @property {string[]} places names of cities, regions or countries; photos were taken in one of them
 * @property {string[]} keywords photos have all of them
 * @property {string[]} people likewise
 * @property {string} rating stars: "4", "4.." or "2..4"
 * @property {string} text words and "phrases" that the photos' texts have
 * @property {string} orientation
 * @property {string} format
 * @property {string} name a glob that file names must fit
 * @property {string} album photos are in it
 * @property {string} where an expression, as for --where
 * @property {Pair[]} others filters that the page has no field for, as an address may have them
 * @property {number} minMatch only photos with at least this match, a probability; 0 is any
 * @property {boolean} everyFile also files of a better photo's shot
 * @property {boolean} allMoments every moment of a film and every page, and so every file
 * @property {boolean} byMeaning words are not looked for in the photos' texts
 * @property {boolean} asTyped dates, places and people in the words stay words
 * @property {"" | "score" | "date" | "oldest" | "name"} sort "" is by score, or by date without a query
 */

/** @type {Readonly<Search>} */
export const EMPTY = Object.freeze({
  q: "", pictures: [], right: [], wrong: [], folders: [], from: "", to: "", camera: "", near: "", within: "", places: [], keywords: [], people: [], rating: "", text: "",
  orientation: "", format: "", name: "", album: "", where: "", others: [], minMatch: 0, everyFile: false, allMoments: false, byMeaning: false,
  asTyped: false, sort: "",
});

const FILTER_TEXTS = /** @type {const} */ (["camera", "near", "within", "rating", "text", "orientation", "format", "name", "album", "where"]);
const TEXTS = /** @type {const} */ (["q", "sort", ...FILTER_TEXTS]);
const FILTERS = /** @type {const} */ (["folders", "from", "to", "places", "keywords", "people", ...FILTER_TEXTS, "others"]);
/** Parameters that may be repeated, and the lists of a search that they are in. */
const LISTS = /** @type {const} */ ([["in", "folders"], ["place", "places"], ["keyword", "keywords"], ["person", "people"]]);
export const NEAREST_COUNTED = 100; // of a search with pictures, whose matches are not known
export const MOST_FILES = 10_000; // in one download, as the server takes them
const OTHERS = ["before", "min_width", "min_height"];
const ID = /^[1-9]\d{0,17}$/; // of a photo
/** The match from which on a photo is a likely one: what "relevant=true" means in addresses and to the server. */
export const LIKELY = 0.5;

const BEGINNING = "0001"; // of time, for a period that has only an end

/** Fires "search" when the search changes, "photo" when another photo is opened or the photo is closed, and "leaving" before a new page address. */
export const changes = new EventTarget();

let { search, photo, list } = read(location.search);
let typing = false; // whether the newest entry of the history was made by typing, and can be typed over

/** @returns {Readonly<Search>} */
export const currentSearch = () => search;

/** @returns {number | null} the id of the photo that is open */
export const openPhotoId = () => photo;

/** The list of the page that the open photo was opened from; "" if it was none that an address can bring back. @returns {"" | "copies"} */
export const openedFrom = () => (photo === null ? "" : list);

/**
 * Change the search. Marks are about a query: another one has none. Words typed one after another are one step back in the history, not one each.
 * @param {Partial<Search>} change
 * @param {{asTyping?: boolean, endsTyping?: boolean, again?: boolean}} [options] `endsTyping` if it is what the words before were typed for; `again` if its photos are the ones on the page: they stay where they are
 */
export function changeSearch(change, { asTyping = false, endsTyping = false, again = false } = {}) {
  const next = { ...search, ...change };
  if (finished(next.q) !== finished(search.q) || next.pictures !== search.pictures) Object.assign(next, { right: [], wrong: [], ...change });
  if (address(next, null) === address(search, photo)) {
    typing &&= asTyping;
    return;
  }
  const wasOpen = photo !== null;
  search = next;
  photo = null;
  write((asTyping || endsTyping) && typing ? "replaceState" : "pushState");
  typing = asTyping;
  if (wasOpen) changes.dispatchEvent(new Event("photo"));
  changes.dispatchEvent(new CustomEvent("search", { detail: { again } }));
}

/** A search that keeps nothing of the one before but how it is sorted. @param {Partial<Search>} wanted */
export const newSearch = (wanted) => changeSearch({ ...EMPTY, ...wanted });

/**
 * An album has another name. What is shown stays, and addresses of the history that have the old name mean it, too.
 * @param {string} name @param {string} newName
 */
export function followRename(name, newName) {
  rememberRename(name, newName);
  if (search.album !== name) return;
  search = { ...search, album: newName };
  history.replaceState(history.state, "", address(search, photo));
  changes.dispatchEvent(new CustomEvent("search", { detail: { again: true } }));
}

/**
 * @param {number} id
 * @param {{isAside?: boolean, from?: "" | "copies", of?: Readonly<Search>}} [options] `isAside` if it is opened beside the rows, which stay where they are;
 *   `from` if it is opened from a list that an address can bring back, by default the one of the photo before;
 *   `of` if the rows are those of another search, as the answer to this one has not come: closing the photo leads back to this one
 */
export function openPhoto(id, { isAside = false, from = openedFrom(), of = search } = {}) {
  const wasOpen = photo !== null;
  const isOther = address(of, null) !== address(search, null);
  search = of;
  photo = id;
  list = from;
  write(wasOpen ? "replaceState" : "pushState", { opened: wasOpen ? history.state?.opened : true, isAside: isAside || (wasOpen && history.state?.isAside) });
  if (isOther) changes.dispatchEvent(new CustomEvent("search", { detail: { again: true } }));
  changes.dispatchEvent(new Event("photo"));
}

/** Whether the open photo was opened beside the rows. */
export const isOpenAside = () => photo !== null && Boolean(history.state?.isAside);

export function closePhoto() {
  if (photo === null) return;
  if (history.state?.opened) {
    history.back(); // the step that opened it
    return;
  }
  photo = null;
  write("replaceState");
  changes.dispatchEvent(new Event("photo"));
  followMode();
}

/** The search of the page's address, which is still the one before while the page leaves it. @returns {Readonly<Search>} */
export const addressedSearch = () => read(location.search).search;

/**
 * Remember for this entry of the history how many photos were shown, and where the page was scrolled to.
 * @param {number} shown @param {Place | null} place the photo at the top of the screen
 */
export function rememberScroll(shown, place) {
  history.replaceState({ ...history.state, scroll: scrollY, shown, place }, "");
}

/** @returns {{scroll: number, shown: number, place: Place | null}} */
export const rememberedScroll = () => ({ scroll: history.state?.scroll ?? 0, shown: history.state?.shown ?? 0, place: history.state?.place ?? null });

let isSteppingBack = false; // from the step of a dialog that was closed; what is written meanwhile comes after it
/** @type {{how: "pushState" | "replaceState", state: object, url: string}[]} */
let postponed = [];
addEventListener("load", () => { // a reload has closed them, and their steps would do nothing
  useNewNames();
  const { dialogs = 0, hasChanged, mode: step } = history.state ?? {};
  const left = { ...history.state, dialogs: hasChanged ? 0 : dialogs, hasChanged: false, mode: undefined };
  if (hasChanged && dialogs > 1) { // the step of the last dialog has the change: it takes the place of all of them
    isSteppingBack = true;
    postponed.push({ how: "pushState", state: left, url: location.href });
    history.go(-dialogs);
    return;
  }
  if (hasChanged || step === "on") history.replaceState(left, "");
  const steps = hasChanged ? 0 : dialogs + (step === "own" ? 1 : 0);
  if (steps > 0 && !coveringDialogs().length && !isSteppingBack) {
    isSteppingBack = true;
    history.go(-steps);
  }
});

const MENUS = "#more-tools, #viewer-menu";
/** The dialogs and menus that cover the page. The viewer is no such one: the photo that it shows is in the address. */
const coveringDialogs = () => [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(`dialog:modal:not(#viewer), :is(${MENUS}):popover-open`))];

/** Show a dialog over the page. Back in the history then closes it, and what was chosen in it stays. @param {HTMLDialogElement} dialog */
export function showDialog(dialog) {
  dialog.showModal();
  if (!isSteppingBack) addStep();
}

/** A step in the history for the dialogs that are open, unless they have one. */
function addStep() {
  const dialogs = coveringDialogs().length;
  if ((history.state?.dialogs ?? 0) >= dialogs) return;
  changes.dispatchEvent(new Event("leaving"));
  history.pushState({ ...history.state, dialogs }, "");
  typing = false;
}

document.addEventListener("close", ({ target }) => target instanceof HTMLDialogElement && leaveStep(), true);
document.addEventListener("toggle", (event) => { // a menu has a step as dialogs have
  if (!(event.target instanceof Element && event.target.matches(MENUS))) return;
  if (/** @type {ToggleEvent} */ (event).newState === "closed") leaveStep();
  else if (!isSteppingBack) addStep();
}, true);

/** A dialog has been closed otherwise than by stepping back: leave its step. */
function leaveStep() {
  const { dialogs = 0, hasChanged } = history.state ?? {};
  if (isSteppingBack || dialogs <= coveringDialogs().length) return;
  if (hasChanged && dialogs === 1) { // what was chosen is a step of its own
    history.replaceState({ ...history.state, dialogs: 0, hasChanged: false }, "");
    followMode();
    return;
  }
  isSteppingBack = true;
  if (hasChanged) postponed.push({ how: "replaceState", state: { ...history.state, dialogs: dialogs - 1 }, url: location.href }); // the dialog below takes it
  history.back();
}

/** A way to use the page, such as selecting, that Back ends before it does anything else. */
let mode = { isOn: () => false, end: () => {} };

/** @param {() => boolean} isOn @param {() => void} end @returns {() => void} to be called when the mode begins or ends */
export function endByBack(isOn, end) {
  mode = { isOn, end };
  return followMode;
}

/**
 * Give the mode a step in the history, or leave it. The step is "own" if it differs from the one before only by the mode. In a
 * photo or a dialog this waits until they are closed.
 */
function followMode() {
  const { dialogs = 0, mode: step } = history.state ?? {};
  if (isSteppingBack || photo !== null || dialogs > 0 || coveringDialogs().length) return; // the step of one that has closed is left first
  if (mode.isOn() && !step) {
    changes.dispatchEvent(new Event("leaving"));
    history.pushState({ ...history.state, mode: "own" }, "");
    typing = false;
  } else if (!mode.isOn() && step === "own") {
    isSteppingBack = true;
    history.back();
  } else if (!mode.isOn() && step) {
    history.replaceState({ ...history.state, mode: undefined }, "");
  }
}

/** Close the dialogs and menus above so many. @param {number} [dialogs] @returns {boolean} whether there were any */
export function closeDialogs(dialogs = 0) {
  const above = coveringDialogs().slice(dialogs).reverse();
  for (const one of above) one instanceof HTMLDialogElement ? one.close() : one.hidePopover();
  return above.length > 0;
}

window.addEventListener("popstate", () => {
  if (isSteppingBack) {
    isSteppingBack = false;
    const writes = postponed.splice(0);
    for (const { how, state, url } of writes) history[how](state, "", url);
    addStep(); // for a dialog that was opened meanwhile
    leaveStep(); // of one that was closed meanwhile
    followMode();
    if (writes.length) return;
  }
  if (closeDialogs(history.state?.dialogs ?? 0)) {
    const { search: searchBefore, photo: photoBefore } = read(location.search);
    if (address(searchBefore, photoBefore) !== address(search, photo)) write("pushState");
    followMode();
    return;
  }
  const isElsewhere = address(addressedSearch(), null) !== address(search, null);
  if (mode.isOn() && photo === null && (isElsewhere || !history.state?.mode)) { // what is selected is never beside another list than before
    if (isElsewhere) write("pushState");
    mode.end();
    return;
  }
  const before = address(search, null);
  const openBefore = photo;
  ({ search, photo, list } = read(location.search));
  typing = false;
  useNewNames();
  if (address(search, null) !== before) changes.dispatchEvent(new CustomEvent("search", { detail: { returning: true } }));
  if (photo !== openBefore) changes.dispatchEvent(new Event("photo"));
  followMode();
});

/** Whether there is a query, rather than all photos. @param {Search} search */
export const isQuery = (search) => finished(search.q) !== "" || search.pictures.length > 0;

/** Whether any filter is set. @param {Search} search */
export const isFiltered = (search) => FILTERS.some((name) => search[name].length > 0);

/** The value of a filter in which * ? [ stand for themselves. @param {string} value a keyword or a name */
export const literal = (value) => value.replace(/[*?[]/g, "[$&]");

/** The filter of a camera that means this name, rather than all names that contain it. @param {string} name */
export const exactly = (name) => `"${name}"`;

/** What a filter of a camera says to people. @param {string} camera */
export const cameraName = (camera) => camera.replace(/^"(.+)"$/s, "$1");

/** The search without its filters, or with some of them taken out. @param {readonly (keyof Search)[]} [names] */
export function withoutFilters(names = FILTERS) {
  return Object.fromEntries(names.map((name) => [name, EMPTY[name]]));
}

/** The parts of a search, mostly filters, that a parameter of the server stands for. @param {string} parameter @returns {(keyof Search)[]} */
export function filtersOf(parameter) {
  if (["taken", "after", "before"].includes(parameter)) return ["from", "to", "others"];
  if (["like", "unlike"].includes(parameter)) return ["pictures"];
  if (["right", "wrong"].includes(parameter)) return [/** @type {"right" | "wrong"} */ (parameter)];
  const list = LISTS.find(([name]) => name === parameter);
  if (list) return [list[1]];
  return TEXTS.filter((name) => name === parameter).length ? [/** @type {keyof Search} */ (parameter)] : ["others"];
}

/**
 * A search as parameters, the same for the page's address, a saved search and the server's API.
 * @param {Search} search
 * @returns {Pair[]}
 */
export function toPairs(search) {
  /** @type {Pair[]} */
  const pairs = search.q ? [["q", search.q]] : [];
  pairs.push(...picturePairs(search), ...markPairs(search), ...filterPairs(search));
  pairs.push(...matchPairs(search));
  if (search.everyFile) pairs.push(["one_per_shot", "false"]);
  if (search.allMoments) pairs.push(["all_moments", "true"]);
  if (search.byMeaning) pairs.push(["hybrid", "false"]);
  if (search.asTyped) pairs.push(["smart", "false"]);
  if (search.sort) pairs.push(["sort", search.sort]);
  return pairs;
}

/** @param {Pair[]} pairs @returns {Search} */
export function fromPairs(pairs) {
  /** @type {any} */
  const found = { ...EMPTY, pictures: [], right: [], wrong: [], folders: [], places: [], keywords: [], people: [], others: [] };
  for (const [name, value] of pairs) {
    const list = LISTS.find(([parameter]) => parameter === name);
    if (list) found[list[1]].push(value);
    else if (name === "like" || name === "unlike") found.pictures.push(parsePicture(value, name === "unlike"));
    else if ((name === "right" || name === "wrong") && ID.test(value)) found[name].push(value);
    else if (name === "relevant") found.minMatch ||= value === "true" ? LIKELY : 0;
    else if (name === "min_match") found.minMatch = Number(value) > 0 && Number(value) <= 1 ? Number(value) : 0;
    else if (name === "one_per_shot") found.everyFile = value === "false";
    else if (name === "all_moments") found.allMoments = value === "true";
    else if (name === "hybrid") found.byMeaning = value === "false";
    else if (name === "smart") found.asTyped = value === "false";
    else if (name === "after") found.from = value;
    else if (name === "taken") Object.assign(found, parsePeriod(value));
    else if (OTHERS.includes(name)) found.others.push([name, value]);
    else if (TEXTS.some((text) => text === name)) found[name] = value;
  }
  return found;
}

/**
 * Only the filters of a search, as parameters.
 * @param {Search} search
 * @returns {Pair[]}
 */
export function filterPairs(search) {
  /** @type {Pair[]} */
  const pairs = LISTS.flatMap(([parameter, list]) => search[list].map((value) => /** @type {Pair} */ ([parameter, value])));
  if (search.to) pairs.push(["taken", search.from === search.to ? search.to : `${search.from || BEGINNING}..${search.to}`]);
  else if (search.from) pairs.push(["after", search.from]);
  for (const name of FILTER_TEXTS) {
    if (search[name]) pairs.push([name, search[name]]);
  }
  return [...pairs, ...search.others];
}

/**
 * Only the query of a search, as parameters. The least match is left out for pictures, since matches are known for texts only.
 * @param {Search} search
 * @returns {Pair[]}
 */
export function queryPairs(search) {
  const pairs = [...picturePairs(search), ...markPairs(search)];
  pairs.unshift(...wordPairs(search));
  if (canJudge(search)) pairs.push(...matchPairs(search));
  if (search.allMoments) pairs.push(["all_moments", "true"]);
  return [...pairs, ...ownPairs(search), ...shotPairs(search)];
}

/** Photos that are sent are found, too: "where do I have this?" @param {Search} search @returns {Pair[]} */
const ownPairs = ({ pictures }) => pictures.some(({ source, weight }) => weight > 0 && source.startsWith("upload:")) ? [["keep_own", "true"]] : [];

/** Only the words of a search and how they are read, as parameters. @param {Search} search @returns {Pair[]} */
export function wordPairs(search) {
  const q = finished(search.q);
  if (!q) return [];
  /** @type {Pair[]} */
  const pairs = [["q", q]];
  if (!search.byMeaning) pairs.push(["hybrid", "true"]);
  if (!search.asTyped) pairs.push(["smart", "true"]);
  return pairs;
}

/**
 * Which photos are counted, as parameters beside the filters: the likely matches of words; if there are pictures, the nearest
 * photos; without a query all.
 * @param {Search} search @returns {Pair[]}
 */
export function countPairs(search) {
  if (!isQuery(search)) return [];
  const pairs = [...wordPairs(search), ...picturePairs(search), ...markPairs(search), ...ownPairs(search)];
  return canJudge(search) ? [...pairs, ["min_match", String(Math.max(search.minMatch, LIKELY))], ["nearest", "5000"]] : [...pairs, ["nearest", String(NEAREST_COUNTED)]];
}

/** Whether the files of a shot are one photo, as parameters. @param {Search} search @returns {Pair[]} */
export const shotPairs = (search) => search.everyFile || search.allMoments ? [] : [["one_per_shot", "true"]];

/** @type {Set<string>} words in which the server has found only what to leave out, as in "without people" */
const denying = new Set();

/** Remember how the server has read the words of a search. @param {Readonly<Search>} search @param {{text: string} | null} understood */
export function learnMeaning(search, understood) {
  if (!understood?.text || search.asTyped) return;
  if (parseTerms(understood.text).every((term) => term.negative)) denying.add(finished(search.q));
  else denying.delete(finished(search.q));
}

/** Whether the server knows how likely a photo matches this search. @param {Search} search */
export function canJudge(search) {
  if (search.pictures.length || (!search.asTyped && denying.has(finished(search.q)))) return false;
  return parseTerms(search.q).some((term) => !term.negative);
}

/** @param {Search} search @returns {Pair[]} */
function picturePairs(search) {
  return search.pictures.map(({ source, weight }) => {
    const size = Math.abs(weight);
    return [weight < 0 ? "unlike" : "like", size === 1 ? source : `${size}:${source}`];
  });
}

/** @param {Search} search @returns {Pair[]} */
function matchPairs({ minMatch }) {
  if (!minMatch) return [];
  return [minMatch === LIKELY ? ["relevant", "true"] : ["min_match", String(minMatch)]];
}

/** Marks of a query; without one they say nothing. @param {Search} search @returns {Pair[]} */
function markPairs(search) {
  if (!isQuery(search)) return [];
  return /** @type {const} */ (["right", "wrong"]).flatMap((mark) => search[mark].map((id) => /** @type {Pair} */ ([mark, id])));
}

/** @param {string} text "[weight:]ID" or "[weight:]upload:TOKEN" @param {boolean} unlike @returns {Picture} */
function parsePicture(text, unlike) {
  const found = /^(?:(\d*\.?\d+):)?(.*)$/s.exec(text);
  const weight = Number(found?.[1] ?? 1) || 1;
  return { source: found?.[2] ?? text, weight: unlike ? -weight : weight };
}

/** @param {string} text */
function parsePeriod(text) {
  const [from, to = from] = text.split("..");
  return { from: from === BEGINNING ? "" : from, to };
}

/** @param {string} query @returns {{search: Search, photo: number | null, list: "" | "copies"}} */
function read(query) {
  const pairs = decodePairs(query);
  const id = pairs.find(([name]) => name === "photo")?.[1];
  const found = fromPairs(pairs);
  found.album = nameNow(found.album);
  return { search: found, photo: id && /^\d+$/.test(id) ? Number(id) : null, list: pairs.some(([name, value]) => name === "list" && value === "copies") ? "copies" : "" };
}

/** Write the address anew if it has the old name of an album. */
function useNewNames() {
  if (fromPairs(decodePairs(location.search)).album !== search.album) history.replaceState(history.state, "", address(search, photo));
}

/** @param {Search} search @param {number | null} photo */
function address(search, photo) {
  const pairs = toPairs(search);
  if (photo !== null) pairs.push(["photo", String(photo)]);
  if (photo !== null && list) pairs.push(["list", list]);
  return `${location.pathname}${pairs.length ? "?" : ""}${encodePairs(pairs)}`;
}

/** @param {"pushState" | "replaceState"} how @param {object} [state] */
function write(how, state = {}) {
  const url = address(search, photo);
  if (mode.isOn()) state = { ...state, mode: "on" };
  if (isSteppingBack) {
    postponed.push({ how, state, url });
    return;
  }
  if (history.state?.dialogs) { // its own step takes what was chosen in a dialog
    const dialogs = coveringDialogs().length;
    history.replaceState(dialogs ? { ...state, dialogs, hasChanged: true } : state, "", url);
    return;
  }
  if (photo === null && history.state?.mode === "own") how = "replaceState"; // the mode's step takes the change
  if (how === "pushState") changes.dispatchEvent(new Event("leaving"));
  history[how](state, "", url);
}
