/** The line above the photos: their number, which of them are shown, their order and size. */

import { byId } from "./dom.js";
import { count, counted } from "./format.js";
import { keepingPhotos } from "./keep-place.js";
import { finished } from "./language.js";
import { showStale } from "./messages.js";
import { photos } from "./photos.js";
import { canJudge, changes, changeSearch, currentSearch, isQuery, LIKELY } from "./state.js";
import { setUpThreshold, shownMatchWords } from "./threshold.js";

/** @typedef {import("./state.js").Search} Search */

/** @param {(scale: number) => void} rescale */
export function setUpToolbar(rescale) {
  const sort = byId("sort");
  const hybrid = byId("hybrid");
  const smart = byId("smart");
  const everyFile = byId("every-file");
  const allMoments = byId("all-moments");
  const scale = byId("scale");
  const show = () => {
    const search = currentSearch();
    const ranked = isRanked(search);
    sort.options[0].hidden = sort.options[0].disabled = !ranked;
    sort.value = (search.sort === "score" && !ranked) || !search.sort ? (ranked ? "score" : "date") : search.sort;
    sort.title = ranked && sort.value === "score" ? orderOf(search) : "";
    hybrid.checked = !search.byMeaning;
    smart.checked = !search.asTyped;
    /** The choices of a query come and go with its photos, which would move otherwise. */
    if (photos.awaits(search)) return;
    keepingPhotos(() => {
      for (const box of [hybrid, smart]) box.closest("label").hidden = finished(search.q) === "";
    });
  };
  const showSwitches = () => {
    const search = currentSearch();
    allMoments.checked = search.allMoments;
    allMoments.closest("label").hidden = !search.allMoments && !photos.list.some((photo) => photo.moment);
    everyFile.checked = search.everyFile;
    everyFile.closest("label").hidden = search.allMoments || (!search.everyFile && !photos.list.some((photo) => photo.others || photo.sketch?.others.length));
  };
  sort.addEventListener("change", () => changeSearch({ sort: sort.value === (isRanked(currentSearch()) ? "score" : "date") ? "" : sort.value }));
  hybrid.addEventListener("change", () => changeSearch({ byMeaning: !hybrid.checked }));
  smart.addEventListener("change", () => changeSearch({ asTyped: !smart.checked }));
  everyFile.addEventListener("change", () => changeSearch({ everyFile: everyFile.checked }));
  allMoments.addEventListener("change", () => changeSearch({ allMoments: allMoments.checked }));
  scale.value = localStorage.getItem("clipsearch-scale") ?? "1";
  scale.addEventListener("input", () => {
    localStorage.setItem("clipsearch-scale", scale.value);
    rescale(Number(scale.value));
  });
  rescale(Number(scale.value));
  setUpThreshold();
  changes.addEventListener("search", show);
  for (const event of ["shown", "failed"]) photos.addEventListener(event, show);
  for (const event of ["shown", "more"]) {
    photos.addEventListener(event, () => showStatus());
    photos.addEventListener(event, () => keepingPhotos(showSwitches));
  }
  show();
}

/** Whether the photos of a search are ranked, as far as its answer is there. @param {Readonly<Search>} search */
const isRanked = (search) => (photos.search === search ? photos.isRanked : isQuery(search));

/** What "best first" means. @param {Readonly<Search>} search */
function orderOf(search) {
  const ways = finished(search.q) && !search.byMeaning ? "what photos show and the words in their texts together" : "what photos show";
  return `${canJudge(search) ? "Likely photos first, then by" : "By"} ${ways}`;
}

/** @param {boolean} [isStale] whether the photos are those of another search, as the server is away */
export function showStatus(isStale = false) {
  showStale(isStale);
  keepingPhotos(() => {
    byId("status").textContent = isStale ? "These photos are from the search before." : photos.search ? summary(photos.search) : "";
  });
  byId("status").title = photos.seconds ? `Answered in ${Math.max(1, Math.round(photos.seconds * 1000))} ms` : "";
}

/** How many photos there are, and how many of them are likely matches. @param {Readonly<Search>} search */
function summary(search) {
  const { list, considered, hasAll, hasMoments } = photos;
  if (!photos.isRanked || !considered) return counted(considered);
  const all = counted(hasAll && !hasMoments && !canJudge(search) ? list.length : considered);
  const isBestFirst = !search.sort || search.sort === "score";
  if (search.minMatch && canJudge(search)) {
    if (!list.length) return `None of ${all}`; // the explanation in place of the photos says the rest
    const isExact = hasAll || (photos.likely !== null && !photos.moreLikely);
    const number = hasAll ? list.length : photos.likely ?? list.length;
    const shown = isBestFirst || hasAll || number === list.length ? "" : `, the best ${listed(list.length)}`;
    return `${isExact ? "" : "At least "}${`${listed(number)} of ${all} ${shownMatchWords(search.minMatch)}`.trim()}${shown}`;
  }
  const found = canJudge(search) ? likely() : null;
  if (!isBestFirst && !hasAll && list.length !== considered) return sentence(`${found ? `${found}, ` : ""}the best ${listed(list.length)} of ${all}`);
  const isRandom = photos.notes.some(({ code }) => code === "unread"); // if a part can be read, something is likely or not
  if (found) return sentence(`${found} of ${hasMoments ? all : count(considered)}`);
  return `${hasMoments && hasAll ? `${listed(list.length)} of ` : ""}${all}${isBestFirst && !isRandom ? ", nearest first" : ""}`;
}

/** @param {string} text */
const sentence = (text) => text[0].toUpperCase() + text.slice(1);

/** A number of what is in the list: "12", "12 moments". @param {number} number */
const listed = (number) => (photos.hasMoments ? counted(number, "moment") : count(number));

/** "about 12 likely"; null if it is not known. */
function likely() {
  const { list, hasAll } = photos;
  if (photos.likely !== null) return photos.likely ? `${photos.moreLikely ? "at least" : "about"} ${listed(photos.likely)} likely` : "none likely";
  if (list.length && list.every(({ match }) => match == null)) return null; // as with words that the model cannot read
  const loaded = list.filter(({ match }) => (match ?? 0) >= LIKELY).length;
  return hasAll ? `about ${listed(loaded)} likely` : loaded ? `at least ${listed(loaded)} likely` : null;
}
