/** The page: it reacts when the search changes, and loads each panel when it is first opened. */

import { albums, dependsOn, FAVOURITES, isInAlbums, toggleFavourite } from "./albums.js";
import { ApiError, ask, checkConnection, connection, PICTURE_GONE, sentence, ServerGone, whatIsGone, whenBack } from "./api.js";
import { byId } from "./dom.js";
import { count, placeIn, visible } from "./format.js";
import { hideBrokenPictures } from "./broken-pictures.js";
import { between, setUpGridKeys } from "./grid-keys.js";
import { Grid } from "./grid.js";
import { areDates, headingsOf } from "./photo-headings.js";
import { MOST, setUpMarks, toggleMarks } from "./marks.js";
import { announce, explainEmpty, expressionProblem, forgetReminder, proposeIdeas, remind, setUpConnectionBanner } from "./messages.js";
import { photos } from "./photos.js";
import { setUpQueryPictures } from "./query-pictures.js";
import { setUpDragSelect } from "./drag-select.js";
import { setUpHeaderHiding } from "./header-hiding.js";
import { deselectWhatLeaves } from "./left-photos.js";
import { setUpAnswerNotes } from "./answer-notes.js";
import { setUpFilterChips } from "./filter-chips.js";
import { setUpRubberBand } from "./rubber-band.js";
import { setUpSearchBox, typeMore } from "./search-box.js";
import { setUpListEnd } from "./list-end.js";
import { Scrubber } from "./scrubber.js";
import { selection, setUpSelectedElsewhere, setUpSelectionBar } from "./selection.js";
import { showStripsWhole } from "./strip-pictures.js";
import { setUpSelectAll } from "./select-all.js";
import { setUpShortcuts } from "./shortcuts.js";
import * as state from "./state.js";
import { setUpQueryTerms } from "./query-terms.js";
import { setUpThemeSwitch } from "./theme-switch.js";
import { noMatchWords } from "./threshold.js";
import { thumbnails } from "./thumbnails.js";
import { setUpToolbar, showStatus } from "./toolbar.js";
import { setUpUnderstood } from "./understood.js";

/** @typedef {import("./api.js").Photo} Photo */

const AT_REST = 200; // milliseconds without scrolling
const SLOW = 1000; // milliseconds to an answer, after which the page says that its photos are those of the search before
const MOST_LETTERS = 100; // of a value in a message
const AROUND = 30; // photos before and after the one in the viewer, for its strip
const NO_FILTERS = ["q", "sort", "pictures", "right", "wrong"]; // parts of a search that the server may refuse, too
const WIDE = matchMedia("(min-width: 75rem)"); // wide enough for the filters beside the photos

const similar = (/** @type {Photo} */ photo) => state.newSearch({ pictures: [{ source: String(photo.id), weight: 1 }] });
const scrubber = new Scrubber(() => grid.top);
const grid = new Grid(byId("photos"), {
  open: (index) => {
    const { id } = grid.photos[index];
    grid.moveTo(index);
    const isOfBefore = !isShown(state.currentSearch()); // no answer has come since
    state.openPhoto(id, isOfBefore && photos.search ? { of: photos.search } : {});
  },
  pick: (index, event) => {
    if (event.shiftKey) selection.add(between(grid, grid.anchor, index));
    else selection.toggle(grid.photos[index]);
    grid.anchor = index;
    grid.moveTo(index, { focus: false });
  },
  similar,
  favourite: toggleFavourite,
  mark: markOne,
  nearEnd: () => photos.more(),
  near: (near) => photos.details.want(near),
  laidOut: () => scrubber.show(grid.photos, grid.layout, isByDate()),
});

/** @param {Photo} photo @param {"right" | "wrong"} kind */
function markOne(photo, kind) {
  mark([photo], kind);
}

/** Mark photos and search again. The keyboard stays at its place in the rows. @param {Photo[]} marked @param {"right" | "wrong"} kind */
function mark(marked, kind) {
  if (marked.length > MOST) {
    announce(`At most ${MOST} photos can be marked; select fewer.`);
    return;
  }
  keepingKeyboard(() => {
    if (!toggleMarks(marked, kind)) announce("Search for something first, then say which photos are right or wrong.");
  });
}

/** Do what searches again. The keyboard stays at its place in the rows. @param {() => void} act */
function keepingKeyboard(act) {
  const place = grid.hasFocus || state.openPhotoId() !== null ? grid.current : null;
  act();
  if (place === null || !photos.isStarting) return;
  const awaitedSearch = state.currentSearch();
  photos.addEventListener("shown", () => photos.search === awaitedSearch && photos.list.length && grid.moveTo(place), { once: true });
}

/** What the photos of a search depend on. @param {Readonly<import("./state.js").Search>} search */
const keyOf = (search) => JSON.stringify([state.queryPairs(search), state.filterPairs(search), search.sort]);

/** Whether the photos on the page are those of a search. @param {Readonly<import("./state.js").Search>} search */
const isShown = (search) => photos.search !== null && keyOf(photos.search) === keyOf(search);

/** Remember for this step of the history where its photos are scrolled to, unless those of another search are on the page. */
function rememberScroll() {
  if (isShown(state.addressedSearch())) state.rememberScroll(photos.reached, grid.place);
}

let lastSearch = ""; // the last search, so that the same one is not sent again
let behind = ""; // what has changed and is not shown yet, in words
/** @type {{scroll: number, place: import("./state.js").Place | null}} the scroll position to restore when the answer arrives */
let scrollAfter = { scroll: 0, place: null };
/** @type {{key: string, scroll: number, shown: number, place: import("./state.js").Place | null} | null} where a search begins whose answer has not come */
let awaited = null;

/** @param {{returning?: boolean, again?: boolean}} [options] */
function search({ returning = false, again = false } = {}) {
  const wanted = state.currentSearch();
  const key = keyOf(wanted);
  document.title = wanted.q ? `${wanted.q} – clipsearch` : "clipsearch";
  if (key === lastSearch && !again) return;
  lastSearch = key;
  behind = "";
  forgetReminder();
  const isTried = awaited?.key === key && !returning && !isShown(wanted); // while the server was gone
  const place = returning ? state.rememberedScroll() : again ? { scroll: scrollY, shown: photos.reached, place: null } : { scroll: 0, shown: 0, place: null };
  scrollAfter = awaited = { ...(awaited && isTried ? awaited : place), key };
  photos.start(wanted, awaited.shown);
}

function showPhotos(isMore = false) {
  if (!photos.search) return;
  const isOpen = !photos.complete;
  grid.show(photos.list, headingsOf(photos.list, photos.search, { likely: photos.likely, isOpen, isRanked: photos.isRanked }), { total: photos.total, isMore, isOpen, withPicks: areDates(photos.search, photos.isRanked) });
  if (photos.list.length) explainEmpty();
  else explainNothing();
}

/** Whether all photos are there, in the order of their dates. */
function isByDate() {
  return photos.complete && photos.search !== null && !state.isQuery(photos.search) && photos.search.sort !== "name";
}

/** Explain why there are no photos: nothing is indexed, or nothing matches. */
async function explainNothing() {
  const wanted = state.currentSearch();
  if (!state.isQuery(wanted) && !state.isFiltered(wanted)) {
    withModule(async () => (await import("./index-panel.js")).explainNoPhotos());
    return;
  }
  const isJudged = wanted.minMatch > 0 && state.canJudge(wanted) && photos.considered > 0;
  const best = isJudged ? photos.notes.find(({ code }) => code === "best-match") : undefined;
  const hasLikely = wanted.minMatch > state.LIKELY && Number(best?.value) >= state.LIKELY;
  const actions = [];
  if (hasLikely) actions.push({ label: "Show likely ones", act: () => state.changeSearch({ minMatch: state.LIKELY }), isMain: true });
  if (isJudged) actions.push({ label: "Show the nearest anyway", act: () => state.changeSearch({ minMatch: 0 }) });
  if (state.isFiltered(wanted)) actions.push({ label: "Clear the filters", act: () => state.changeSearch(state.withoutFilters()) });
  if (state.isQuery(wanted)) actions.push({ label: "All photos", act: () => state.newSearch({}) });
  const isUnread = photos.notes.some(({ code }) => code === "unread");
  const plainer = isUnread ? "The note above says which words the model does not read." : "Try fewer or plainer words: describe what can be seen, not what it means.";
  const isEmptyAlbum = wanted.album !== "" && !photos.considered && !photos.understood?.facts.length && !state.isFiltered({ ...wanted, album: "" });
  if (isEmptyAlbum) explainEmptyAlbum(wanted);
  else explainEmpty(isJudged ? noMatchWords(wanted.minMatch) : "Nothing found", {
    text: isJudged
      ? [best && sentence(best.message), !hasLikely && plainer].filter(Boolean).join(" ")
      : photos.understood?.facts.length
        ? "No photo has all of the dates, places and people that were understood. A click on one of them above makes it words again."
        : "No photo matches all the filters.",
    actions,
  });
  if (!photos.considered) withModule(async () => (await import("./index-panel.js")).explainNoPhotos({ isLimited: true }), { isAsked: false }); // the index may be empty
  withModule(async () => proposeIdeas(await (await import("./suggestions.js")).ideaButtons()));
}

/** @param {Readonly<import("./state.js").Search>} wanted in an album without photos */
function explainEmptyAlbum(wanted) {
  byId("answer-notes").hidden = true; // the server says the same
  explainEmpty("This album is empty", {
    text: wanted.album === FAVOURITES ? "The heart on a photo makes it a favourite." : "Select photos, then “Album”, to add them to it.",
    actions: [state.isQuery(wanted)
      ? { label: "Search all photos", act: () => state.changeSearch({ album: "" }), isMain: true }
      : { label: "All photos", act: () => state.newSearch({}), isMain: true }],
    symbol: wanted.album === FAVOURITES ? "heart" : "album",
  });
}

/** @param {{error: unknown, isFirst: boolean}} failure */
function explainError({ error, isFirst }) {
  if (isFirst) lastSearch = "";
  if (!(error instanceof ApiError)) { // the banner says why
    if (isFirst && photos.search) showStatus(!isShown(state.currentSearch()));
    else if (isFirst && whatIsGone() === "index") withModule(async () => (await import("./index-panel.js")).explainGoneIndex(), { isAsked: false });
    return;
  }
  if (!isFirst) {
    announce(error.message);
    return;
  }
  grid.show([], []);
  byId("status").textContent = "";
  if (error.code === "no-index") {
    withModule(async () => (await import("./index-panel.js")).explainNoPhotos());
  } else if (PICTURE_GONE.includes(error.code)) {
    explainGonePicture(error);
  } else if (error.parameter) {
    explainWrongFilter(error);
  } else {
    explainEmpty("That did not work", {
      text: sentence(error.message),
      actions: [{ label: "Try again", act: () => search({ again: true }) }],
      symbol: "warning",
    });
  }
}

/** A picture that is searched by was sent too long ago, or is not indexed any more. @param {ApiError} error */
function explainGonePicture({ code, message }) {
  const [, gone] = /^there is no (?:photo )?(upload:\w+|\d+)/.exec(message) ?? [];
  const { q, pictures } = state.currentSearch();
  const others = pictures.filter(({ source }) => source !== gone);
  const kept = others.length < pictures.length ? others : [];
  const isLast = !kept.length && !q.trim();
  explainEmpty("The picture of this search is gone", {
    text: code === "no-such-upload" ? "The server keeps a picture for an hour at most. Choose it again." : "The photo is not in the index any more.",
    actions: [
      { label: "Choose a picture", act: () => byId("picture-file").click(), isMain: true },
      { label: isLast ? "Clear the search" : "Search without it", act: () => state.changeSearch({ pictures: kept }) },
    ],
    symbol: "warning",
  });
}

/** @param {string} text */
const shortened = (text) => visible(text.length > MOST_LETTERS ? `${text.slice(0, MOST_LETTERS)}…` : text);

/** What cannot be used, and what a button does about it. @param {string} parameter @param {string} value */
function wrongParts(parameter, value) {
  switch (parameter) {
    case "q": return ["This search cannot be used", "Clear the search"];
    case "like": case "unlike": return ["This picture cannot be searched for", "Remove the pictures"];
    case "right": case "wrong": return ["These marks cannot be used", "Remove the marks"];
    case "sort": return [`There is no order “${value}”`, "Use the usual order"];
    case "where": return ["This expression cannot be read", "Remove this filter"];
    default: return ["This filter cannot be used", "Remove this filter"];
  }
}

/** Say which filter the server could not read, and why. The filter panel, if it is open, says the same beside what was typed. @param {ApiError} error */
function explainWrongFilter(error) {
  const names = state.filtersOf(error.parameter);
  const inPanel = ["text", "name", "where"].includes(error.parameter);
  const isDate = names.includes("from");
  const typed = names.map((name) => state.currentSearch()[name]).flat().filter(Boolean).join(" ");
  const { reason, place } = expressionProblem(error.message);
  const [title, remedy] = wrongParts(error.parameter, shortened(typed));
  explainEmpty(title, {
    text: inPanel ? reason.replace(/; there are .+$/s, ".") : reason, // the panel lists what there is
    code: isDate ? "" : place ?? (NO_FILTERS.includes(names[0]) ? "" : shortened(typed)),
    actions: [
      ...(inPanel || isDate ? [{ label: "Change it", act: () => withModule(async () => (await import("./filters.js")).editFilter(WIDE.matches, error.parameter)) }] : []),
      ...(error.parameter === "q" ? [{ label: "Change it", act: () => typeMore() }] : []),
      { label: remedy, act: () => state.changeSearch(state.withoutFilters(names)) },
    ],
    symbol: "warning",
  });
}

/** @type {(() => Promise<any>) | null} */
let postponed = null; // what the user has last asked for while the server was gone

/**
 * Do what needs a module that is loaded when it is first needed. If the server is gone, it is done when it is back.
 * What the user asks for next takes its place; what the page does by itself does not.
 * @param {() => Promise<any>} act @param {{isAsked?: boolean, isRepeated?: boolean}} [options] whether the user waits for it, and is told
 */
async function withModule(act, { isAsked = true, isRepeated = false } = {}) {
  if (isAsked) postponed = act;
  try {
    await act();
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof ServerGone)) throw error; // a module that does not load is a TypeError
    await checkConnection();
    if (isAsked && postponed !== act) return;
    if (byId("gone").hidden) { // the server came back after the module had failed
      if (isRepeated) throw error;
      await withModule(act, { isAsked, isRepeated: true });
      return;
    }
    const what = whatIsGone() === "index" ? "index" : "server";
    if (isAsked) announce(`The ${what} is gone. This will be done as soon as it is back.`);
    whenBack(() => (!isAsked || postponed === act) && withModule(act, { isAsked }));
  }
}

/** Open or close the viewer according to the page's address. */
async function showPhoto() {
  const id = state.openPhotoId();
  if (id === null && !byId("viewer").open && opened === null) return;
  if (state.openedFrom()) withModule(async () => (await import("./duplicates-panel.js")).comeBackToCopies(), { isAsked: false });
  await withModule(async () => showInViewer((await import("./viewer.js")).viewer, id));
}

/** @type {"rows" | "aside" | null} where the viewer was opened from: the rows or what is beside them, as the map; null if it has not been opened */
let opened = null;
let viewed = 0; // the id of the photo of the rows that the viewer showed last
let viewedAt = 0; // its place in the rows

/** @param {typeof import("./viewer.js").viewer} viewer @param {number | null} id */
async function showInViewer(viewer, id) {
  if (id === null) {
    const from = opened;
    opened = null;
    viewer.close(); // the browser, which may have closed it already, returns the focus to what opened it, not to the photo viewed last
    if (from === "aside") return;
    const index = photos.list.findIndex((photo) => photo.id === viewed);
    grid.moveTo(index >= 0 ? index : viewed ? viewedAt : grid.current);
    rememberScroll(); // of this step of the history: the photos may have moved under the viewer
    return;
  }
  const isAside = state.isOpenAside();
  if (!byId("viewer").open) opened = isAside ? "aside" : "rows";
  const index = photos.list.findIndex((photo) => photo.id === id);
  if (index >= 0) {
    if (!isAside) {
      grid.moveTo(index, { focus: false });
      viewed = id;
      viewedAt = index;
    }
    if (photos.list[index].sketch) {
      await photos.whole(index - AROUND, index + AROUND + 1);
      if (state.openPhotoId() !== id) return;
    }
    viewer.show(photos.list[index], {
      before: photos.list[index - 1],
      after: photos.list[index + 1],
      position: `${photos.hasMoments ? "Moment " : ""}${placeIn(index, photos.total)}`,
      similar,
      mark: markOne,
    });
    if (index > photos.list.length - 5) photos.more();
  } else {
    try {
      const hasLeft = id === viewed && !isAside; // it was taken out of an album, or marked as wrong; the others go on from its place
      const neighbours = hasLeft ? { before: photos.list[viewedAt - 1], after: photos.list[viewedAt] } : {};
      const photo = await ask(`/api/images/${id}`);
      if (state.openPhotoId() === id) viewer.show(photo, { ...neighbours, similar, mark: markOne });
    } catch (error) {
      if (error instanceof ServerGone) throw error;
      state.closePhoto();
      announce(/** @type {Error} */ (error).message);
    }
  }
}

/** Do something once the first photos are drawn, or are known not to come. @param {() => void} act */
function onFirstAnswer(act) {
  const answered = new AbortController();
  for (const event of ["shown", "failed"]) {
    photos.addEventListener(event, () => {
      answered.abort();
      act();
    }, { signal: answered.signal });
  }
}

/** The panels beside and above the photos are loaded when they are first opened. */
function setUpPanels() {
  const toggleFilters = (/** @type {boolean | undefined} */ open) => withModule(async () => (await import("./filters.js")).toggleFilters(WIDE.matches, open));
  WIDE.addEventListener("change", () => {
    if (WIDE.matches || byId("filters").open) withModule(async () => (await import("./filters.js")).followWidth(WIDE.matches), { isAsked: false });
  });
  if (document.documentElement.classList.contains("with-filters")) toggleFilters(true);
  if (sessionStorage.getItem("clipsearch-map")) withModule(async () => (await import("./map.js")).toggleMap(grid, { isAsked: false }), { isAsked: false });
  const open = (/** @type {string} */ button, /** @type {() => Promise<any>} */ act) => byId(button).addEventListener("click", () => withModule(act));
  open("toggle-filters", async () => (await import("./filters.js")).toggleFilters(WIDE.matches));
  open("toggle-map", async () => (await import("./map.js")).toggleMap(grid));
  open("open-saved", async () => (await import("./saved-searches.js")).openSavedSearches());
  open("open-library", async () => (await import("./index-panel.js")).openIndexPanel());
  open("open-help", async () => (await import("./help-panel.js")).openHelp());
  byId("start-selecting").addEventListener("click", () => selection.start());
  byId("all-photos").addEventListener("click", () => state.newSearch({}));
  byId("more-tools").addEventListener("click", () => {
    if (!byId("more-tools").matches(":popover-open")) return;
    byId("more-tools").hidePopover();
    byId("open-more").focus(); // where the keyboard is again when the dialog closes
  }, true); // before the button opens its dialog
}

function setUpPhotos() {
  photos.addEventListener("shown", () => {
    showPhotos();
    awaited = null;
    const { scroll, place } = scrollAfter;
    const focused = photos.list.findIndex(({ id }) => id === place?.focused);
    if (focused >= 0 && (grid.hasFocus || document.activeElement === document.body)) grid.moveTo(focused);
    scrollTo({ top: scroll, behavior: "instant" });
    /** What is above the photos may be higher or lower now. */
    if (scroll > 0 && place) grid.returnTo(place);
    showPhoto();
  });
  photos.addEventListener("more", () => {
    showPhotos(true);
    if (state.openPhotoId() !== null) showPhoto();
  });
  photos.addEventListener("details", () => grid.redraw(photos.list));
  photos.addEventListener("failed", (event) => explainError(/** @type {CustomEvent} */ (event).detail));
  let slow = 0;
  photos.addEventListener("busy", () => {
    byId("progress").classList.add("busy");
    clearTimeout(slow);
    slow = setTimeout(() => photos.isStarting && photos.list.length && showStatus(true), SLOW);
  });
  photos.addEventListener("idle", () => {
    byId("progress").classList.remove("busy");
    clearTimeout(slow);
  });
}

/** The server is back: load what could not be loaded without it. */
function goOn() {
  for (const image of document.images) { // in the rows, in the viewer's strip, on the map
    if (!image.getAttribute("src") || !image.complete || image.naturalWidth) continue;
    image.closest(".photo.broken")?.classList.remove("broken");
    image.src = image.src; // tries again
  }
  search({ again: true });
}

function indexChanged() {
  sessionStorage.removeItem("clipsearch-copies"); // of other photos, perhaps; duplicates-panel.js keeps them
  thumbnails.forget(); // another index may have taken its place, with other photos under the same ids
  showChanged("The index has changed.");
  if (behind) withModule(followEdits, { isAsked: false });
}

/** Photos that are looked at, or selected, and whose files were edited stay where they are, as they are now. */
async function followEdits() {
  const { successorsOf } = await import("./edited-photos.js");
  const id = state.openPhotoId();
  const open = photos.list.filter((photo) => photo.id === id);
  const successors = await successorsOf([...open, ...grid.onScreen, ...selection.photos]);
  if (!successors.size) return;
  const gone = selection.photos.filter((photo) => successors.get(photo.id) === null).length;
  if (gone && behind) remindOfChange(`${behind} It does not have ${gone === 1 ? "one" : count(gone)} of the selected photos any more.`);
  photos.replace(successors);
  selection.replace(successors);
  const successor = successors.get(Number(id));
  if (successor && state.openPhotoId() === id) state.openPhoto(successor.id);
}

/** Search again after a change, as soon as that moves no photos that the user is looking at. @param {string} what has changed, in words */
function showChanged(what) {
  behind = what;
  catchUp();
  if (behind) remindOfChange(behind);
}

/** @param {string} text */
const remindOfChange = (text) => remind(text, { label: "Show", act: () => search({ again: true }) });

function catchUp() {
  if (behind && scrollY < 200 && state.openPhotoId() === null && !selection.size) search({ again: true });
}

function setUpCatchingUp() {
  state.changes.addEventListener("photo", catchUp);
  selection.addEventListener("change", catchUp);
  addEventListener("scrollend", catchUp);
}

/** A list of photos in an album follows what this window, other windows and devices do with it. */
function followAlbums() {
  photos.addEventListener("shown", async () => {
    if (!photos.search || !isInAlbums(photos.search)) return;
    await thumbnails.settled();
    /** To tell later whether they have changed. The banner reports that the server is gone. */
    await albums.load().catch(() => {});
  });
  const isConcerned = (/** @type {Event} */ event) => dependsOn(state.currentSearch(), /** @type {CustomEvent<string[]>} */ (event).detail);
  albums.addEventListener("here", (event) => isConcerned(event) && keepingKeyboard(() => search({ again: true })));
  albums.addEventListener("elsewhere", (event) => isConcerned(event) && showChanged("The album has changed."));
}

/** Take a token out of the address. A browser that is signed in already has no use for it. */
function hideToken() {
  if (/^#(sign-in|token)=/.test(location.hash)) history.replaceState(history.state, "", location.pathname + location.search);
}

state.changes.addEventListener("search", (event) => search(/** @type {CustomEvent} */ (event).detail ?? {})); // before others draw: the answer comes sooner
hideBrokenPictures();
showStripsWhole();
setUpSearchBox();
setUpQueryTerms();
setUpFilterChips();
setUpAnswerNotes();
setUpUnderstood();
setUpToolbar((scale) => grid.rescale(scale));
setUpListEnd();
setUpSelectionBar();
setUpSelectAll();
setUpSelectedElsewhere(grid, photos);
setUpDragSelect(byId("photos"), grid);
setUpRubberBand(/** @type {HTMLElement} */ (document.querySelector("main")), byId("photos"), grid);
setUpHeaderHiding();
setUpGridKeys(byId("photos"), grid, similar);
setUpMarks();
setUpQueryPictures();
setUpThemeSwitch();
setUpPhotos();
setUpCatchingUp();
followAlbums();
deselectWhatLeaves(keyOf);
setUpPanels();
setUpConnectionBanner(goOn);
setUpShortcuts(grid, mark);
byId("home").addEventListener("click", (/** @type {MouseEvent} */ event) => {
  event.preventDefault();
  state.newSearch({});
});
hideToken();
addEventListener("hashchange", hideToken);
history.scrollRestoration = "manual";
state.changes.addEventListener("photo", showPhoto);
state.changes.addEventListener("leaving", rememberScroll);
addEventListener("pagehide", rememberScroll);
let resting = 0;
addEventListener("scroll", () => { // browsers lose what is remembered only when a page is left
  clearTimeout(resting);
  resting = setTimeout(() => photos.isLoading || rememberScroll(), AT_REST);
}, { passive: true });
search({ returning: true });
onFirstAnswer(async () => { // not before there is something to see
  await thumbnails.settled();
  await withModule(async () => (await import("./index-panel.js")).watchIndex(indexChanged), { isAsked: false });
});
connection.addEventListener("gone", () => byId("progress").classList.remove("busy"));
