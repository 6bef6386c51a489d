/** The filter panel: counts by year, folder, camera and so on, to choose from. */

import { albums, dependsOn } from "./albums.js";
import { ApiError, connection, sentence, ServerGone } from "./api.js";
import { datesSection } from "./date-filter.js";
import { byId, element, iconButton, keepingFocus } from "./dom.js";
import { countPhotos, countsFor, countsOf, forgetCounts as forget, QUICK, SLOW } from "./facet-counts.js";
import { addRows, forgetOtherRows, forgetRows, hasAllRows, inPlace, isReload } from "./facet-rows.js";
import { folderTree } from "./folder-filter.js";
import { count, counted, starSigns, starsText, visible } from "./format.js";
import { keptSet } from "./kept-set.js";
import { expressionProblem } from "./messages.js";
import { photos } from "./photos.js";
import { canJudge, changes, changeSearch, countPairs, currentSearch, EMPTY, exactly, filterPairs, filtersOf, isFiltered, isQuery, LIKELY, literal, showDialog } from "./state.js";
import { matching } from "./threshold.js";
import { thumbnails } from "./thumbnails.js";

/** @typedef {import("./state.js").Search} Search */
/** @typedef {import("./facet-counts.js").Count} Count */
/** @typedef {import("./facet-counts.js").Facets} Facets */

const TEXTS = /** @type {const} */ (["text", "name", "where"]);
const KEPT = "clipsearch-filters"; // whether they are beside the photos; before-paint.js reads it, too
const PAUSE = 400; // milliseconds until the hits of what is typed are counted: the next letter comes first
const SLOWLY = 300; // milliseconds after which the panel says that it is counting, since its counts are of the search before
const GRACE = 150; // milliseconds that the quick counts wait for the slow ones
const EVERY = "Counts of all photos";
const THESE = "Counts of these photos";
const NOTHING = "Nothing found to count";
const OTHERS = "Counts of other choices"; // of a facet without its own filter
const SHOWN = 8; // cameras, keywords or people, before "more" is clicked
const LISTS = /** @type {const} */ ({ country: "places", place: "places", keyword: "keywords", person: "people" });

const panel = byId("filters");
const title = element("h2", { id: "filters-title", tabindex: "-1" }, "Filters");
const body = element("div", { class: "facets" });
const showButton = element("button", { type: "button", class: "primary", onclick: () => toggleFilters(false, false) }); // if the panel covers the photos
/** @type {Map<string, {values: string, message: string}>} filters that the server cannot read, by their parameters */
const wrong = new Map();
let isNews = false; // whether the user has not seen yet what is wrong
/** @type {Facets | null} the counts that are shown */
let shown = null;
let drawn = ""; // the filters of what is shown
let whatCounts = EVERY;
let requests = 0;
let waiting = 0;
let isAsBefore = true; // whether the search is still the one that the page began with: a reload moves no row
/** @type {Map<string, string>} what the text fields were last given */
const given = new Map();
const unfolded = keptSet("clipsearch-unfolded-facets"); // whose values are all shown

panel.append(
  element("div", { class: "panel-head" }, title, iconButton("close", "Close the filters", () => toggleFilters(false, false))),
  body,
  element("form", { class: "facet", onsubmit: useTexts },
    textField("text", "Words in titles, keywords and pictures", '"train ticket" pari*'),
    textField("name", "File name", "beach, or IMG_*.jpg"),
    textField("where", "Expression", "width > 2000 and not camera ~ '*canon*'"),
    element("button", { type: "submit", class: "offscreen", tabindex: "-1" }, "Use"),
  ),
  element("p", { class: "filters-foot" }, showButton),
);
for (const event of ["shown", "failed"]) photos.addEventListener(event, nameButton);
nameButton();
panel.addEventListener("close", () => byId("toggle-filters").setAttribute("aria-expanded", "false"));
changes.addEventListener("search", () => {
  isAsBefore = false;
  if (!panel.open) return;
  if (chosen() !== drawn) render(); // what is chosen is shown at once, the counts follow
  if (!isQuery(currentSearch())) refresh();
});
photos.addEventListener("shown", () => {
  if (!panel.open) return;
  if (!shown) countFirst();
  else if (isQuery(currentSearch())) waitAndRefresh();
});
photos.addEventListener("failed", () => panel.open && (!shown || isQuery(currentSearch())) && refresh());
connection.addEventListener("back", () => panel.open && refresh());
for (const event of ["here", "elsewhere"]) { // after facet-counts.js has forgotten its counts
  albums.addEventListener(event, (change) => dependsOn(currentSearch(), /** @type {CustomEvent} */ (change).detail) && refresh());
}

/**
 * Show or hide the filters, beside the photos or over them.
 * @param {boolean} beside
 * @param {boolean} [open] by default, the opposite of the present state
 */
export function toggleFilters(beside, open = !panel.open) {
  const wasModal = panel.matches(":modal");
  place(beside, open);
  if (beside || (!open && !wasModal)) localStorage.setItem(KEPT, open ? "open" : "closed");
}

/**
 * The window has become wide enough for the filters beside the photos, or too narrow, as paper is. What the user has chosen stays.
 * @param {boolean} beside
 */
export function followWidth(beside) {
  const open = beside && (panel.open || localStorage.getItem(KEPT) !== "closed");
  if (open || panel.open) place(beside, open);
}

/** @param {boolean} beside @param {boolean} open */
function place(beside, open) {
  title.toggleAttribute("autofocus", !beside); // where the keyboard begins in a dialog; beside the photos, it stays where it is
  if (panel.open) panel.close();
  if (open && beside) panel.setAttribute("open", ""); // show() would take the focus from the search box
  else if (open) showDialog(panel);
  if (open && beside) panel.setAttribute("role", "region"); // it stays beside the photos, as a dialog does not
  else panel.removeAttribute("role");
  byId("toggle-filters").setAttribute("aria-expanded", String(open));
  document.documentElement.classList.toggle("with-filters", open && beside);
  if (open && !shown) render(); // the fields at once, the counts follow
  if (open && shown) refresh();
  else if (open && !photos.isStarting) countFirst(); // otherwise as soon as they are there, or are known not to come
}

/** What the button promises. If a filter cannot be used, the photos are still those of the search before. */
function nameButton() {
  if (photos.hasFailed) showButton.textContent = "Close the filters";
  else if (!photos.list.length && !photos.considered) showButton.textContent = "No photo matches";
  else showButton.textContent = `Show ${isQuery(currentSearch()) ? "the photos" : counted(photos.considered)}`;
}

/** Count for the first time, but show the first photos before. */
async function countFirst() {
  await thumbnails.settled();
  await refresh();
}

/** The index has changed. */
export function forgetCounts() {
  forget();
  forgetRows();
  refresh();
}

/** While the user types, photos come first. Only the answer says how words are read: a search that is awaited is counted after it. */
function waitAndRefresh() {
  clearTimeout(waiting);
  waiting = setTimeout(() => photos.awaits(currentSearch()) || refresh(), PAUSE);
}

async function refresh() {
  if (!panel.open) return;
  const mine = ++requests;
  const whole = currentSearch();
  for (const [parameter, { values }] of wrong) if (valuesOf(whole, parameter) !== values) wrong.delete(parameter);
  const search = { ...whole, ...Object.fromEntries([...wrong.keys()].flatMap(filtersOf).map((name) => [name, EMPTY[name]])) };
  const isSlow = setTimeout(() => mine === requests && panel.querySelector(".counted")?.replaceChildren("Counting…"), SLOWLY);
  try {
    const query = await whatIsCounted(search);
    const quick = countsOf(search, query, QUICK); // first, since the server counts one after the other
    const slow = countsOf(search, query, SLOW);
    const late = slow.then(() => true, () => true);
    const facets = await quick;
    if (whatCounts !== EVERY && !hasAllRows()) addRows(await countsFor(EMPTY)); // an address has the same rows however one came to it
    const isLate = !(await Promise.race([late, new Promise((resolve) => setTimeout(resolve, GRACE, false))]));
    if (isLate && mine === requests) show(facets); // the others follow, and what is below them moves
    clearTimeout(isSlow);
    const all = { ...facets, ...(await slow) };
    if (mine !== requests) return;
    show(all);
    isNews = false; // what is above it has all its lines now
  } catch (error) {
    clearTimeout(isSlow);
    if (mine !== requests || error instanceof ServerGone) return; // the banner says why, and what is shown stays
    if (error instanceof ApiError && error.parameter && !wrong.has(error.parameter)) {
      wrong.set(error.parameter, { values: valuesOf(whole, error.parameter), message: error.message });
      isNews = true;
      render();
      await refresh(); // counts without it
    } else if (error instanceof ApiError && error.code === "no-index") {
      explain("They come with the first photos.");
    } else {
      explain(sentence(/** @type {Error} */ (error).message), element("button", { type: "button", class: "link", onclick: countAgain }, "Count again"));
    }
  }
}

/** Say why there are no counts. @param {string} reason @param {HTMLElement[]} remedies */
function explain(reason, ...remedies) {
  shown = null;
  body.classList.remove("counting");
  body.replaceChildren(element("p", { class: "soft", role: "status" }, reason, ...remedies.flatMap((remedy) => [" ", remedy])));
}

/** The user wants the counts that could not be had. */
function countAgain() {
  title.focus({ preventScroll: true }); // the button is gone
  render();
  refresh();
}

/**
 * The parameters of the query whose hits are counted, and in `whatCounts` which photos they are. If no photo is likely, they are all
 * that are shown.
 * @param {Readonly<Search>} search @returns {Promise<import("./url.js").Pair[]>}
 */
async function whatIsCounted(search) {
  const pairs = countPairs(search);
  if (!pairs.length) {
    whatCounts = isFiltered(search) ? THESE : EVERY;
    return pairs;
  }
  const { images } = await countPhotos([...filterPairs(search), ...pairs], ["format"]);
  if (images) {
    if (!photos.isRanked) whatCounts = THESE; // filters found them, and all of them are shown
    else if (!canJudge(search)) whatCounts = `Counts of the ${count(images)} nearest photos`;
    else whatCounts = `Counts of ${count(images)} ${matching(Math.max(search.minMatch, LIKELY), `photo${images === 1 ? "" : "s"}`)}`;
    return pairs;
  }
  if (search.minMatch || !photos.list.length) {
    whatCounts = NOTHING;
    return pairs;
  }
  whatCounts = "Counts of all; none is likely";
  return photos.allPairs;
}

/** @param {Facets} facets */
function show(facets) {
  shown = { ...shown, ...facets };
  render();
}

/** What is chosen now. */
const chosen = () => JSON.stringify(filterPairs(currentSearch()));

/** Draw the counts again. What was clicked stays under the pointer, although the lists above it have other lengths now. */
function render() {
  const focused = document.activeElement instanceof HTMLElement && panel.contains(document.activeElement) ? document.activeElement : null;
  const before = focused?.getBoundingClientRect().top ?? 0;
  const key = focused?.dataset.key;
  const { scrollTop } = panel;
  draw();
  const again = key ? body.querySelector(`[data-key="${CSS.escape(key)}"]`) : focused?.matches("form *") ? focused : null;
  if (again) keepAt(again, before, scrollTop);
  else body.style.minHeight = "";
  if (isNews && wrong.size) panel.querySelector(".problem:not([hidden])")?.scrollIntoView({ block: "nearest" });
}

/** Scroll so that an element is where it was. @param {Element} again @param {number} before its top on the screen @param {number} scrollTop */
function keepAt(again, before, scrollTop) {
  panel.scrollTop = scrollTop; // the focus may have scrolled
  const top = panel.scrollTop + again.getBoundingClientRect().top - before;
  body.style.minHeight = "";
  const missing = top + panel.clientHeight - panel.scrollHeight;
  if (missing > 0) body.style.minHeight = `${body.offsetHeight + missing}px`;
  panel.scrollTop = top;
}

/** The counts in the rows of before. Only a list that is folded, or was, may put others first, and not while it is in use. @param {Facets} facets @returns {Facets} */
function placed(facets) {
  forgetOtherRows(facets.folder ?? []);
  const isInUse = (isAsBefore && isReload) || panel.matches(":hover") || panel.contains(document.activeElement);
  return Object.fromEntries(Object.entries(facets).map(([facet, counts]) =>
    [facet, inPlace(facet, counts, { isWhole: whatCounts === EVERY, mayMove: isLong(facet) && !isInUse })]));
}

/** @param {string} facet */
const isLong = (facet) => facet === "camera" || facet in LISTS;

function draw() {
  drawn = chosen();
  const search = currentSearch();
  const isCounted = shown !== null;
  const { year = [], month = [], folder = [], camera = [], format = [], orientation = [], rating = [], place = [], country = [], keyword = [], person = [] } = placed(shown ?? {});
  const all = search.format ? orientation : format; // every photo has one of these, and a facet is counted without its own filter
  const isNothing = whatCounts === NOTHING || (whatCounts === THESE && !all.some(({ images }) => images > 0));
  const hasOthers = isFiltered(search) && Object.values(shown ?? {}).some((counts) => counts.some(({ images }) => images > 0));
  const date = [...wrong].find(([parameter]) => filtersOf(parameter).includes("from"));
  body.classList.toggle("counting", !isCounted);
  keepingFocus(panel, () => {
    body.replaceChildren(...[
      ...(panel.matches(":modal") ? reasons() : []), // beside the photos, they stand in place of these
      element("p", { class: "soft counted", role: "status" }, !isCounted ? "Counting…" : isNothing ? (hasOthers ? OTHERS : NOTHING) : whatCounts), // always, so that the counts below it stay where they are
      (!isCounted || format.length > 0 || year.length > 0 || search.from !== "" || search.to !== "") && datesSection(year, month, search, { isCounted, problem: date ? reasonOf(date[1]) : null }),
      folder.length > 0 && section("Folders", folderTree(folder, search.folders, render)),
      country.length > 1 && section("Countries", severalChoices("country", country)),
      place.length > 0 && section("Places", severalChoices("place", ownFirst(place, country))),
      person.length > 0 && section("People", severalChoices("person", person)),
      keyword.length > 0 && section("Keywords", severalChoices("keyword", keyword)),
      rating.length > 0 && section("Rating", ratingChoices(rating)),
      camera.length > 0 && section("Camera", choices("camera", camera)),
      orientation.length > 0 && section("Shape", choices("orientation", orientation)),
      format.length > 0 && section("Format", choices("format", format)),
    ].filter((part) => part !== false && part !== null));
  });
  for (const name of TEXTS) showText(name, search[name]);
}

/** What is wrong, in words. @param {{message: string}} one */
const reasonOf = ({ message }) => expressionProblem(message).reason;

/** What is wrong with filters that the panel has no field for. */
function reasons() {
  const others = [...wrong].filter(([parameter]) => !["q", "like", "unlike", ...TEXTS].includes(parameter) && !filtersOf(parameter).includes("from"));
  return others.map(([, one]) => element("p", { class: "problem", role: "alert" }, reasonOf(one)));
}

/** What was chosen or typed for a filter, to compare. @param {Readonly<Search>} search @param {string} parameter */
const valuesOf = (search, parameter) => JSON.stringify(filtersOf(parameter).map((name) => search[name]));

/** Show what a text field filters by, and beside it what is wrong with that. @param {typeof TEXTS[number]} name @param {string} value */
function showText(name, value) {
  const field = textInput(name);
  const problem = /** @type {HTMLElement} */ (byId(`wrong-${name}`));
  const one = wrong.get(name);
  if (document.activeElement !== field || given.get(name) !== value) field.value = value; // not while the user types or mends it
  given.set(name, value);
  field.setAttribute("aria-invalid", String(one !== undefined));
  problem.hidden = !one;
  if (!one) return;
  const { reason, place } = expressionProblem(one.message);
  problem.replaceChildren(element("span", {}, reason), place ?? "");
}

/** @param {string} name @returns {HTMLInputElement} */
const textInput = (name) => /** @type {HTMLInputElement} */ (panel.querySelector(`[name=${name}]`));

/** Open the panel at the field of a filter. @param {boolean} beside @param {string} parameter */
export function editFilter(beside, parameter) {
  if (!panel.open) toggleFilters(beside, true);
  const field = filtersOf(parameter).includes("from") ? body.querySelector("[data-key='day from']") : textInput(parameter);
  /** @type {HTMLElement | null} */ (field)?.focus();
}

/** @param {string} title @param {HTMLElement} content */
function section(title, content) {
  return element("section", { class: "facet" }, element("h3", {}, title), content);
}

/** @param {"camera" | "format" | "orientation"} name @param {Count[]} counts */
function choices(name, counts) {
  const chosen = currentSearch()[name];
  const filter = (/** @type {string} */ value) => (name === "camera" ? exactly(value) : value.toLowerCase()); // a longer name may contain it
  const isChosen = (/** @type {string} */ value) => same(filter(value), chosen);
  return valueList(name, counts, isChosen, (value) => changeSearch({ [name]: isChosen(value) ? "" : filter(value) }));
}

/** Facts with several choices. Of two places of which one holds the other, the one chosen last stays. @param {keyof typeof LISTS} name @param {Count[]} counts */
function severalChoices(name, counts) {
  const list = LISTS[name];
  const chosen = currentSearch()[list];
  const isChosen = (/** @type {string} */ value) => chosen.some((other) => same(value, other));
  const goesWith = (/** @type {string} */ value) => (/** @type {string} */ other) => list !== "places" || !(holds(value, other) || holds(other, value));
  return valueList(name, counts, isChosen, (value) => changeSearch({
    [list]: isChosen(value) ? chosen.filter((other) => !same(value, other)) : [...chosen.filter(goesWith(value)), list === "places" ? value : literal(value)],
  }));
}

/** Whether a place, such as "Bavaria, Germany", has another in it, such as "Munich, Bavaria, Germany". @param {string} whole @param {string} part */
const holds = (whole, part) => part.toLowerCase().endsWith(`, ${whole.toLowerCase()}`);

/** @type {Count[]} the countries whose places come first; the same while the pointer or the keyboard is among the places */
let leading = [];

/** The places of the countries that are chosen, or that have a chosen place, before the others, if they have photos. @param {Count[]} places @param {Count[]} countries @returns {Count[]} */
function ownFirst(places, countries) {
  const chosen = currentSearch().places;
  const isInUse = body.querySelector("[data-key^='place ']")?.closest("ul")?.matches(":hover, :focus-within");
  if (!isInUse) leading = countries.filter(({ value }) => chosen.some((other) => same(value, other) || holds(value, other)));
  const rank = (/** @type {Count} */ place) => Number(!(place.images && leading.some(({ value }) => holds(value, place.value))));
  return leading.length ? [...places].sort((a, b) => rank(a) - rank(b)) : places;
}

/** So many stars or more; rejected photos alone. @param {Count[]} counts the best first */
function ratingChoices(counts) {
  const chosen = currentSearch().rating;
  let sum = 0;
  const choices = counts.map(({ value, images }) => {
    const isRejected = value === "-1";
    if (!isRejected) sum += images;
    return { value: isRejected || value === "5" ? value : `${value}..`, images: isRejected ? images : sum };
  });
  return element("ul", { class: "facet-list" }, ...choices.map(({ value, images }) => choice("rating", value, images, value === chosen,
    () => changeSearch({ rating: value === chosen ? "" : value }),
    value === "-1" ? "Rejected" : element("span", {}, element("span", { class: "stars", "aria-hidden": "true" }, starSigns(parseInt(value))),
      element("span", { class: "offscreen" }, starsText(value)), value.endsWith("..") && element("span", { "aria-hidden": "true" }, " and more")))));
}

/** @param {string} value of a photo @param {string} chosen of the filter */
const same = (value, chosen) => [value, literal(value)].some((text) => text.toLowerCase() === chosen.toLowerCase());

/**
 * Values with their counts; long lists are folded.
 * @param {string} name @param {Count[]} counts @param {(value: string) => boolean} isChosen @param {(value: string) => void} choose
 */
function valueList(name, counts, isChosen, choose) {
  const shown = isLong(name) && !unfolded.has(name) ? counts.filter(({ value }, i) => i < SHOWN || isChosen(value)) : counts;
  const list = element("ul", { class: "facet-list" }, ...shown.map(({ value, images }) =>
    choice(name, value, images, isChosen(value), () => choose(value), element("bdi", {}, visible(value)))));
  if (shown.length < counts.length) {
    const folded = counts.filter((one) => !shown.includes(one));
    const found = folded.filter(({ images }) => images > 0).length;
    list.append(element("li", {}, element("button", {
      type: "button", class: "link", "data-key": `${name} more`, onclick: () => (unfolded.add(name), render()),
    }, `${count(folded.length)} more${found < folded.length ? `, ${count(found)} with photos` : ""}`)));
  }
  return list;
}

/** @param {string} name @param {string} value @param {number} images @param {boolean} isChosen @param {() => void} onclick @param {Node | string} label */
function choice(name, value, images, isChosen, onclick, label) {
  return element("li", {}, element("button", { type: "button", class: images ? null : "without", "aria-pressed": String(isChosen), "data-key": `${name} ${value}`, onclick },
    label, element("span", { class: "count" }, count(images))));
}

/** @param {string} name @param {string} label @param {string} example */
function textField(name, label, example) {
  return element("div", { class: "field" }, element("label", { class: "field" }, label,
    element("input", { name, placeholder: example, autocomplete: "off", spellcheck: "false", "aria-describedby": `wrong-${name}`, onchange: useTexts })),
    element("p", { id: `wrong-${name}`, class: "problem", role: "alert", hidden: true }));
}

/** @param {Event} event */
function useTexts(event) {
  event.preventDefault();
  const form = /** @type {HTMLElement} */ (event.target).closest("form");
  const { text, name, where } = Object.fromEntries(new FormData(form ?? undefined));
  const glob = String(name).trim();
  changeSearch({ text: String(text).trim(), name: glob && !/[*?[]/.test(glob) ? `*${glob}*` : glob, where: String(where).trim() });
}
