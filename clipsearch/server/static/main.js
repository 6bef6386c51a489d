/** The page: it reacts when the search changes, and loads each panel when it is first opened. */

import { ApiError, ask, connection } from "./api.js";
import { byId } from "./dom.js";
import { between, setUpGridKeys } from "./grid-keys.js";
import { Grid } from "./grid.js";
import { headingsOf } from "./photo-headings.js";
import { setUpMarks, toggleMark } from "./marks.js";
import { announce, explainEmpty, setUpConnectionBanner } from "./messages.js";
import { photos } from "./photos.js";
import { setUpQueryPictures } from "./query-pictures.js";
import { setUpAnswerNotes } from "./answer-notes.js";
import { setUpFilterChips } from "./filter-chips.js";
import { setUpSearchBox } from "./search-box.js";
import { selection, setUpSelectionBar } from "./selection.js";
import { setUpSelectAll } from "./select-all.js";
import { setUpShortcuts } from "./shortcuts.js";
import * as state from "./state.js";
import { setUpQueryTerms } from "./query-terms.js";
import { setUpThemeSwitch } from "./theme-switch.js";
import { setUpToolbar } from "./toolbar.js";
import { setUpUnderstood } from "./understood.js";

/** @typedef {import("./api.js").Photo} Photo */

const WIDE = matchMedia("(min-width: 75rem)"); // wide enough for the filters beside the photos

const similar = (/** @type {Photo} */ photo) => state.newSearch({ pictures: [{ source: String(photo.id), weight: 1 }] });
const grid = new Grid(byId("photos"), {
  open: (index) => {
    grid.moveTo(index);
    state.openPhoto(grid.photos[index].id);
  },
  pick: (index, event) => {
    if (event.shiftKey) selection.add(between(grid, grid.anchor, index));
    else selection.toggle(grid.photos[index]);
    grid.anchor = index;
    grid.moveTo(index, { focus: false });
  },
  similar,
  mark,
  nearEnd: () => photos.more(),
});

/** Mark a photo and search again. The keyboard stays at its place in the rows. @param {Photo} photo @param {"right" | "wrong"} kind */
function mark(photo, kind) {
  const place = grid.hasFocus ? grid.current : null;
  if (!toggleMark(photo, kind)) {
    announce("Search for something first, then say which photos are right or wrong.");
    return;
  }
  if (place !== null) photos.addEventListener("shown", () => grid.moveTo(place), { once: true });
}

let lastSearch = ""; // the last search, so that the same one is not sent again
let scrollAfter = 0; // the scroll position to restore when the answer arrives

/** @param {{returning?: boolean, again?: boolean}} [options] */
function search({ returning = false, again = false } = {}) {
  const wanted = state.currentSearch();
  const key = JSON.stringify([state.queryPairs(wanted), state.filterPairs(wanted), wanted.sort]);
  document.title = wanted.q ? `${wanted.q} – clipsearch` : "clipsearch";
  if (key === lastSearch && !again) return;
  lastSearch = key;
  const { scroll, shown } = returning ? state.rememberedScroll() : again ? { scroll: scrollY, shown: photos.reached } : { scroll: 0, shown: 0 };
  scrollAfter = scroll;
  photos.start(wanted, shown);
}

function showPhotos(isMore = false) {
  if (!photos.search) return;
  const isOpen = !photos.complete;
  grid.show(photos.list, headingsOf(photos.list, photos.search, { likely: photos.likely, isOpen }), { total: isOpen ? photos.considered : photos.list.length, isMore, isOpen });
  if (photos.list.length) explainEmpty();
  else explainNothing();
}

/** Explain why there are no photos: nothing is indexed, or nothing matches. */
async function explainNothing() {
  const wanted = state.currentSearch();
  if (!state.isQuery(wanted) && !state.isFiltered(wanted)) {
    const { explainNoPhotos } = await import("./index-panel.js");
    explainNoPhotos();
    return;
  }
  const actions = [];
  const isJudged = wanted.minMatch > 0 && state.canJudge(wanted);
  if (isJudged) actions.push({ label: "Show the nearest anyway", act: () => state.changeSearch({ minMatch: 0 }) });
  if (state.isFiltered(wanted)) actions.push({ label: "Clear the filters", act: () => state.changeSearch(state.withoutFilters()) });
  if (state.isQuery(wanted)) actions.push({ label: "All photos", act: () => state.newSearch({}) });
  explainEmpty("Nothing found", {
    text: isJudged
      ? "No photo is likely enough to show this. Try fewer or plainer words: describe what can be seen, not what it means."
      : "No photo passes all filters.",
    actions,
  });
}

/** @param {{error: unknown, isFirst: boolean}} failure */
function explainError({ error, isFirst }) {
  if (isFirst) lastSearch = "";
  if (!(error instanceof ApiError)) return; // the banner reports that the server is gone
  if (!isFirst) {
    announce(error.message);
    return;
  }
  grid.show([], []);
  byId("status").textContent = "";
  if (error.code === "no-index") {
    explainEmpty("No photos are indexed yet", { text: `${error.message[0].toUpperCase()}${error.message.slice(1)}.`, symbol: "folder" });
  } else {
    explainEmpty("That did not work", {
      text: `${error.message[0].toUpperCase()}${error.message.slice(1)}.`,
      actions: [{ label: "Try again", act: () => search({ again: true }) }],
      symbol: "warning",
    });
  }
}

/** Open or close the viewer according to the page's address. */
async function showPhoto() {
  const id = state.openPhotoId();
  if (id === null && !byId("viewer").open) return;
  const { viewer } = await import("./viewer.js");
  if (id === null) {
    const { current } = grid; // closing returns the focus to the photo that was opened, not to the one viewed last
    viewer.close();
    grid.moveTo(current);
    return;
  }
  const index = photos.list.findIndex((photo) => photo.id === id);
  if (index >= 0) {
    grid.moveTo(index, { focus: false });
    viewer.show(photos.list[index], {
      before: photos.list[index - 1],
      after: photos.list[index + 1],
      similar,
      mark,
    });
    if (index > photos.list.length - 5) photos.more();
  } else {
    try {
      viewer.show(await ask(`/api/images/${id}`), { similar, mark });
    } catch (error) {
      state.closePhoto();
      announce(/** @type {Error} */ (error).message);
    }
  }
}

/** The panels beside and above the photos are loaded when they are first opened. */
function setUpPanels() {
  const filters = byId("toggle-filters");
  const toggleFilters = async (/** @type {boolean | undefined} */ open) => (await import("./filters.js")).toggleFilters(WIDE.matches, open);
  filters.addEventListener("click", () => toggleFilters(undefined));
  WIDE.addEventListener("change", async () => {
    if (byId("filters").open) await toggleFilters(WIDE.matches);
  });
  if (document.documentElement.classList.contains("with-filters")) toggleFilters(true);
  byId("toggle-map").addEventListener("click", async () => (await import("./map.js")).toggleMap());
  byId("open-saved").addEventListener("click", async () => (await import("./saved-searches.js")).openSavedSearches());
  byId("open-library").addEventListener("click", async () => (await import("./index-panel.js")).openIndexPanel());
  byId("open-help").addEventListener("click", async () => (await import("./help-panel.js")).openHelp());
}

function setUpPhotos() {
  photos.addEventListener("shown", () => {
    showPhotos();
    scrollTo({ top: scrollAfter, behavior: "instant" });
    showPhoto();
  });
  photos.addEventListener("more", () => {
    showPhotos(true);
    if (state.openPhotoId() !== null) showPhoto();
  });
  photos.addEventListener("failed", (event) => explainError(/** @type {CustomEvent} */ (event).detail));
  photos.addEventListener("busy", () => byId("progress").classList.add("busy"));
  photos.addEventListener("idle", () => byId("progress").classList.remove("busy"));
}

/** Search again after the index has changed, unless that would move photos that the user is looking at. */
function indexChanged() {
  if (scrollY < 200 && state.openPhotoId() === null && !selection.size) search({ again: true });
  else announce("The index has changed.", { label: "Show", act: () => search({ again: true }) });
}

setUpSearchBox();
setUpQueryTerms();
setUpFilterChips();
setUpAnswerNotes();
setUpUnderstood();
setUpToolbar((scale) => grid.rescale(scale));
setUpSelectionBar();
setUpSelectAll();
setUpGridKeys(byId("photos"), grid, similar, mark);
setUpMarks();
setUpQueryPictures();
setUpThemeSwitch();
setUpPhotos();
setUpPanels();
setUpConnectionBanner(() => search({ again: true }));
setUpShortcuts(grid);
byId("home").addEventListener("click", (/** @type {MouseEvent} */ event) => {
  event.preventDefault();
  state.newSearch({});
});
history.scrollRestoration = "manual";
state.changes.addEventListener("search", (event) => search(/** @type {CustomEvent} */ (event).detail ?? {}));
state.changes.addEventListener("photo", showPhoto);
state.changes.addEventListener("leaving", () => state.rememberScroll(photos.reached));
addEventListener("pagehide", () => state.rememberScroll(photos.reached));
search({ returning: true });
photos.addEventListener("shown", async () => {
  const { watchIndex } = await import("./index-panel.js"); // not before there is something to see
  watchIndex(indexChanged);
}, { once: true });
connection.addEventListener("gone", () => byId("progress").classList.remove("busy"));
