/** A map of where the photos were taken. It comes with the page, so no other server learns of the places. */

import { ApiError, ask, PICTURE_GONE, sentence, ServerGone, thumbnailUrl } from "./api.js";
import { byId, element, iconButton } from "./dom.js";
import { count, counted, visible } from "./format.js";
import { onGestures } from "./gestures.js";
import { bringIntoView, isInView } from "./keep-place.js";
import { outlinesOf } from "./map-land.js";
import { nearestPlace, tilesAddress, wantNames, writeNames } from "./map-names.js";
import { boxAround, clustersOf, metresAPixel, placesIn, spanOf, toX, toY, visibleBox } from "./map-projection.js";
import { drawTiles } from "./map-tiles.js";
import { photoStrip } from "./photo-strip.js";
import { photos } from "./photos.js";
import { canJudge, changes, changeSearch, countPairs, currentSearch, filterPairs, isQuery, openPhoto } from "./state.js";

/** @typedef {import("./map-projection.js").Place} Place */
/** @typedef {import("./map-projection.js").Cluster} Cluster */

const APART = 3.75; // rem between clusters, whose marks are 2.75 wide
const FARTHEST_IN = 2 ** 28; // pixels that the world may be wide: 15 centimetres each
const NEAREST_FIT = 800; // widths of the panel that the world may be by itself: fifty kilometres at the equator are seen, with names and coasts
const NEAR = 2500; // metres; if less is seen, outlines and names of towns do not say where it is
const SPREAD_FROM = 2 ** 25; // pixels; from here on, photos of one spot are spread around it
const MOST_SPREAD = 24;
const CAPTION = 3.5; // rem, of two lines; other searches may have longer ones than this
const MOST_HIGH = 0.55; // of the world's height that is seen: from the far north to the far south of the land
const UNEVEN = 2; // how many times as long as at the bottom a length may be at the top; then one scale says nothing
const BAR = 7.75; // rem that the scale bar may be long; half of it, its least length, has room for "2,000 km"

const panel = byId("map");
const canvas = element("canvas", {});
const marks = element("div", { class: "map-marks" });
const note = element("p", { class: "map-note", role: "status" });
const total = element("span", {});
const whereabouts = element("span", { class: "soft", hidden: true });
note.append(total, whereabouts);
const bar = element("p", { class: "map-scale", "aria-hidden": "true" });
const strip = element("div", { class: "map-strip", role: "group", "aria-label": "Photos taken here", hidden: true });
panel.append(canvas, marks, note, bar, element("div", { class: "map-tools" },
  iconButton("plus", "Zoom in", () => zoom(2)), iconButton("minus", "Zoom out", () => zoom(0.5)), iconButton("fit", "All locations", () => fit(places)),
), element("button", { type: "button", class: "here", onclick: chooseView }, "Only this area"), strip);

/** The visible part: its middle in the square of the projection, and the width of the whole world in pixels. */
const view = { x: 0.5, y: 0.42, size: 600 };
/** @type {Place[]} */
let places = [];
let isWhole = true; // whether these are all, and not only the newest
/** @type {{places: Place[], size: number, apart: number, clusters: Cluster[]}} the clusters of a size of the world; moving the map does not change them */
let clustered = { places, size: 0, apart: 0, clusters: [] };
/** @type {Map<string, HTMLElement>} the marks on the map, by what they stand for */
const shown = new Map();
let requests = 0;
let waiting = 0;
/** @type {import("./grid.js").Grid["place"]} where the photos were when the map came into view */
let left = null;

onGestures(panel, { pan: (dx, dy) => move(-dx, -dy), zoom });
for (const gesture of ["pointerdown", "wheel"]) strip.addEventListener(gesture, (event) => event.stopPropagation()); // it scrolls by itself
panel.tabIndex = 0;
marks.addEventListener("focusin", ({ target }) => { // a mark at the edge comes inside
  const [mark, frame] = [/** @type {Element} */ (target), panel].map((one) => one.getBoundingClientRect());
  const dx = Math.min(0, mark.left - frame.left) + Math.max(0, mark.right - frame.right);
  const dy = Math.min(0, mark.top - frame.top) + Math.max(0, mark.bottom - frame.bottom);
  if (dx || dy) move(dx, dy);
});
panel.addEventListener("dblclick", (/** @type {MouseEvent} */ event) => {
  if (/** @type {Element} */ (event.target).closest("button, .map-strip")) return;
  const box = panel.getBoundingClientRect();
  zoom(2, event.clientX - box.left, event.clientY - box.top);
});
panel.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
  if (event.key === "Escape" && !strip.hidden) {
    event.stopPropagation();
    closeStrip();
    return;
  }
  if (event.target !== panel) return;
  /** @type {Record<string, () => void>} */
  const acts = { ArrowLeft: () => move(-80, 0), ArrowRight: () => move(80, 0), ArrowUp: () => move(0, -80), ArrowDown: () => move(0, 80), "+": () => zoom(2), "=": () => zoom(2), "-": () => zoom(0.5), 0: () => fit(places) };
  if (!acts[event.key]) return;
  event.preventDefault();
  acts[event.key]();
});
new ResizeObserver(draw).observe(panel);
new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
photos.addEventListener("shown", () => refresh({ keepView: true }));
photos.addEventListener("failed", (event) => { // why, is said here, too
  const { error, isFirst } = /** @type {CustomEvent} */ (event).detail;
  if (isFirst && !(error instanceof ServerGone)) refresh({ keepView: true });
});
changes.addEventListener("search", draw);
changes.addEventListener("search", () => { left = null; }); // other photos begin at their top

/**
 * Open the map and go to it, or close it and go back to where the photos were. If it is open but out of sight, go to it.
 * @param {import("./grid.js").Grid} grid @param {{isAsked?: boolean}} [options] whether the user did, and is brought there
 */
export function toggleMap(grid, { isAsked = true } = {}) {
  const isComing = panel.hidden || !isInView(panel);
  if (isAsked && isComing) left = grid.place;
  if (isAsked && isComing && !panel.hidden) {
    bringIntoView(panel);
    return;
  }
  panel.hidden = !panel.hidden;
  sessionStorage.setItem("clipsearch-map", panel.hidden ? "" : "open"); // main.js opens it again after a reload
  byId("toggle-map").setAttribute("aria-expanded", String(!panel.hidden));
  if (isAsked && isComing) bringIntoView(panel);
  else if (isAsked && left) grid.returnTo(left);
  refresh({ keepView: false });
}

/** @param {{keepView: boolean}} options */
async function refresh({ keepView }) {
  if (panel.hidden) return;
  const mine = ++requests;
  const search = currentSearch();
  try {
    const answer = await ask("/api/places", { pairs: [...(photos.noneLikely ? photos.allPairs : countPairs(search)), ...filterPairs({ ...search, near: "", within: "" })] });
    if (mine !== requests) return;
    const hadNone = places.length === 0;
    places = answer.places;
    isWhole = places.length === answer.images;
    total.textContent = summary(answer.images);
    closeStrip();
    if (!keepView || hadNone) fit(places);
    else draw();
  } catch (error) {
    if (mine !== requests || error instanceof ServerGone || photos.isStarting) return; // the banner says why, or the photos' answer follows
    const isPictureGone = error instanceof ApiError && PICTURE_GONE.includes(error.code);
    total.textContent = isPictureGone ? "The picture of this search is gone, so no photo is shown here" : error instanceof ApiError && error.parameter ? "A filter cannot be used, so no photo is shown here" : sentence(/** @type {Error} */ (error).message);
    places = [];
    closeStrip();
    draw();
  }
}

/** What the marks stand for. @param {number} images that have a location */
function summary(images) {
  const search = currentSearch();
  const isJudged = photos.isRanked && canJudge(search) && !photos.noneLikely; // if all words became filters, all of them are shown
  const things = isJudged ? "likely matches" : photos.isRanked && !photos.noneLikely ? "nearest photos" : "photos";
  if (!photos.list.length && !images) return "No photos";
  if (photos.hasMoments) return momentsSummary(images, isJudged ? "likely" : "the nearest");
  if (!images) return `None of the ${things} has a location`;
  const newest = places.length < images ? `; the newest ${count(places.length)} are shown` : "";
  const everywhere = search.near || search.within ? ", inside and outside the chosen area" : "";
  return `${images === 1 ? `1 ${things.replace(/e?s$/, "")}` : `${count(images)} ${things}`} with a location${everywhere}${newest}`;
}

/** The list has moments, and the marks stand for their films and files. @param {number} images @param {string} which */
const momentsSummary = (images, which) =>
  images ? `${counted(images)} with ${which} moments and a location` : `No photo with ${which} moments has a location`;

/**
 * Show some places, with no button over their marks. Without places, show the whole world.
 * @param {Place[]} wanted @param {number} [nearest] pixels that the world may then be wide
 */
function fit(wanted, nearest = panel.clientWidth * NEAREST_FIT) {
  const { clientWidth: width, clientHeight: height } = panel;
  if (!width) return;
  closeStrip();
  const ys = wanted.map((place) => toY(place.latitude));
  const [left, right] = wanted.length ? spanOf(wanted.map((place) => toX(place.longitude))) : [0, 1];
  const [top, bottom] = wanted.length ? [Math.min(...ys), Math.max(...ys)] : [0.12, 0.75];
  view.x = ((left + right) / 2) % 1;
  for (let i = 0; i < 2; i++) { // the caption may be longer in the view that the first turn finds
    const free = freeHeight();
    const size = Math.min((width - pixels(APART)) / (right - left), (free.bottom - free.top) / (bottom - top), nearest);
    view.size = Math.max(size, wanted.length ? height : smallest());
    view.y = (top + bottom) / 2 + (height - free.top - free.bottom) / 2 / view.size;
    showWhereabouts();
  }
  keepInWorld();
  draw();
}

/** Where the middle of a mark may be, in pixels from the map's top, so that neither the buttons nor the caption cover it. */
function freeHeight() {
  const tools = /** @type {HTMLElement} */ (panel.querySelector(".map-tools"));
  const half = pixels(APART) / 2;
  const top = tools.offsetTop + tools.offsetHeight + half;
  return { top, bottom: Math.max(top + half, Math.min(note.offsetTop, panel.clientHeight - pixels(CAPTION)) - half) };
}

/** @param {number} dx pixels @param {number} dy */
function move(dx, dy) {
  view.x = (view.x + dx / view.size + 1) % 1;
  view.y += dy / view.size;
  keepInWorld();
  draw();
}

/** @param {number} factor @param {number} [x] the fixed point, in pixels of the panel @param {number} [y] */
function zoom(factor, x = panel.clientWidth / 2, y = panel.clientHeight / 2) {
  const before = view.size;
  view.size = Math.max(Math.min(smallest(), before), Math.min(before * factor, FARTHEST_IN));
  const [dx, dy] = [x - panel.clientWidth / 2, y - panel.clientHeight / 2];
  view.x = (view.x + dx / before - dx / view.size + 1) % 1;
  view.y += dy / before - dy / view.size;
  keepInWorld();
  draw();
}

/** How wide the world is at least, in pixels: as the panel, unless that would hide much of its height. */
const smallest = () => Math.max(panel.clientHeight, Math.min(panel.clientWidth, panel.clientHeight / MOST_HIGH));

/** No part of the map is beyond a pole. */
function keepInWorld() {
  const half = Math.min(0.5, panel.clientHeight / view.size / 2);
  view.y = Math.max(half, Math.min(view.y, 1 - half));
}

function draw() {
  waiting ||= requestAnimationFrame(() => {
    waiting = 0;
    if (panel.hidden) return;
    const legs = placeMarks();
    drawLand(legs);
    drawScale();
    showWhereabouts();
    wantNames(view, panel.clientWidth, panel.clientHeight, draw);
  });
}

/** @param {{x: number, y: number, toX: number, toY: number}[]} legs lines from a spot to the photos that are spread around it */
function drawLand(legs) {
  const { clientWidth: width, clientHeight: height } = panel;
  canvas.width = width * devicePixelRatio;
  canvas.height = height * devicePixelRatio;
  const context = canvas.getContext("2d");
  if (!context) return;
  context.scale(devicePixelRatio, devicePixelRatio);
  // a canvas cannot read the page's colours by name, so its own properties carry them
  const beside = Math.max(0, (width - view.size) / 2); // the world is shown once
  const { color, outlineColor, borderTopColor, caretColor, columnRuleColor, textDecorationColor } = getComputedStyle(canvas);
  const tiles = tilesAddress();
  if (tiles) {
    drawTiles(context, view, width, height, tiles, draw);
  } else {
    const { land, borders } = outlinesOf(view, width, height, draw);
    context.fillStyle = color;
    context.strokeStyle = outlineColor;
    context.fill(land);
    context.stroke(land);
    context.strokeStyle = borderTopColor;
    context.setLineDash([4, 3]);
    context.stroke(borders);
    context.setLineDash([]);
  }
  context.fillStyle = textDecorationColor;
  for (const x of [0, width - beside]) context.fillRect(x, 0, beside, height);
  if (!tiles) writeNames(context, view, width, height, { ink: caretColor, paper: color }, takenBoxes());
  context.lineWidth = 2;
  context.strokeStyle = columnRuleColor;
  context.beginPath();
  for (const leg of legs) {
    context.moveTo(leg.x, leg.y);
    context.lineTo(leg.toX, leg.toY);
  }
  context.stroke();
  drawChosen(context);
}

/** The rectangle that the photos are filtered by. @param {CanvasRenderingContext2D} context */
function drawChosen(context) {
  const { within } = currentSearch();
  if (!within) return;
  const [south, west, north, east] = within.split(",").map(Number);
  const y = (toY(north) - view.y) * view.size + panel.clientHeight / 2;
  const height = (toY(south) - toY(north)) * view.size;
  if (east - west >= 360) { // it goes around the world, so it has no sides
    context.strokeRect(-9, y, panel.clientWidth + 18, height);
    return;
  }
  const left = toX(west) - view.x;
  const x = (left - Math.round(left)) * view.size + panel.clientWidth / 2;
  context.strokeRect(x, y, (((toX(east) - toX(west)) % 1) + 1) % 1 * view.size, height);
}

/** How long some rem are, in pixels: large screens have larger ones. @param {number} rem */
const pixels = (rem) => rem * parseFloat(getComputedStyle(document.documentElement).fontSize);

/** A bar of a round length. */
function drawScale() {
  const longest = pixels(BAR);
  const metres = metresAPixel(view) * longest;
  const power = 10 ** Math.floor(Math.log10(metres));
  const round = [5, 3, 2, 1].map((times) => times * power).find((length) => length <= metres) ?? power;
  bar.textContent = round >= 1000 ? `${count(round / 1000)} km` : `${round >= 1 ? round : round.toFixed(1)} m`;
  bar.style.width = `${(round / metres) * longest}px`;
  const half = panel.clientHeight / view.size / 2;
  const [top, bottom] = [view.y - half, view.y + half].map((y) => metresAPixel({ y, size: view.size }));
  bar.hidden = Math.max(top, bottom) > UNEVEN * Math.min(top, bottom);
}

/** Near by, without streets: the nearest place, and how to have streets. */
function showWhereabouts() {
  whereabouts.hidden = tilesAddress() !== null || metresAPixel(view) * panel.clientWidth > NEAR;
  const place = nearestPlace();
  if (!whereabouts.hidden) whereabouts.replaceChildren(`${place ? `Near ${visible(place)}. ` : ""}To see streets, start the server with `, element("code", {}, "--map-tiles"), ".");
}

/** What names may not be written on: the marks and the buttons. */
function takenBoxes() {
  const { left, top } = panel.getBoundingClientRect();
  return [...panel.querySelectorAll(".mark, .map-tools, .here, .map-note, .map-scale, .map-strip:not([hidden])")].map((node) => {
    const box = node.getBoundingClientRect();
    return { left: box.left - left, right: box.right - left, top: box.top - top, bottom: box.bottom - top };
  });
}

/**
 * The clusters as buttons over the map. Those that stay are only moved, so that they keep the focus and their picture.
 * @returns {{x: number, y: number, toX: number, toY: number}[]} the lines to photos that are spread around their spot
 */
function placeMarks() {
  const { clientWidth: width, clientHeight: height } = panel;
  const apart = pixels(APART);
  if (clustered.places !== places || clustered.size !== view.size || clustered.apart !== apart) clustered = { places, size: view.size, apart, clusters: clustersOf(places, view.size, apart) };
  const unused = new Set(shown.keys());
  const legs = [];
  for (const cluster of clustered.clusters) {
    const x = (cluster.x - view.x - Math.round(cluster.x - view.x)) * view.size + width / 2;
    const y = (cluster.y - view.y) * view.size + height / 2;
    if (x < -apart || x > width + apart || y < -apart || y > height + apart) continue;
    const isSpread = cluster.places.length > 1 && cluster.places.length <= MOST_SPREAD && view.size >= SPREAD_FROM && isOneSpot(cluster.places);
    const members = isSpread ? cluster.places.map((place) => [place]) : [cluster.places];
    members.forEach((group, i) => {
      const away = isSpread ? around(i, members.length, apart) : { x: 0, y: 0 };
      if (isSpread) legs.push({ x, y, toX: x + away.x, toY: y + away.y });
      const key = `${group[0].id} ${group.length}`;
      unused.delete(key);
      const mark = shown.get(key) ?? addMark(key, group);
      mark.style.translate = `calc(${x + away.x}px - 50%) calc(${y + away.y}px - 50%)`;
    });
  }
  for (const key of unused) {
    shown.get(key)?.remove();
    shown.delete(key);
  }
  return legs;
}

/** @param {string} key @param {Place[]} group */
function addMark(key, group) {
  const mark = element("button", {
    type: "button", class: group.length > 1 ? "mark several" : "mark", "data-key": key, "aria-label": `${counted(group.length)} taken here`, onclick: () => openStrip(group),
  }, element("img", { alt: "", src: thumbnailUrl(group[0].id, 256), decoding: "async" }), group.length > 1 && element("span", { class: "number" }, count(group.length)));
  shown.set(key, mark);
  marks.append(mark);
  return mark;
}

/** Where a photo goes that is spread around its spot, in pixels: on rings of six, twelve and so on. @param {number} i @param {number} all @param {number} apart */
function around(i, all, apart) {
  let [ring, first] = [1, 0];
  while (i >= first + 6 * ring) first += 6 * ring++;
  const angle = ((i - first) / Math.min(6 * ring, all - first)) * 2 * Math.PI - Math.PI / 2;
  return { x: Math.cos(angle) * ring * apart, y: Math.sin(angle) * ring * apart };
}

/** Whether places stay one cluster, however near the map is looked at. @param {Place[]} group */
function isOneSpot(group) {
  const [left, right] = spanOf(group.map((place) => toX(place.longitude)));
  const ys = group.map((place) => toY(place.latitude));
  return Math.max(right - left, Math.max(...ys) - Math.min(...ys)) * FARTHEST_IN < pixels(APART);
}

/** The button that keeps a mark's photos. Its rectangle may have others, too, and says so: marks are no rectangles. @param {Place[]} group */
function onlyThese(group) {
  const within = boxAround(group);
  const { length } = placesIn(places, within);
  const isExact = isWhole && length === group.length;
  const isListed = !isQuery(currentSearch()); // a query finds others there than the map counts
  const text = !isListed ? "Only their area" : isExact ? "Only these" : `Only their area: ${counted(length)}${isWhole ? "" : " or more"}`;
  return element("button", { type: "button", onclick: () => changeSearch({ within, near: "" }) }, text);
}

/** The photos of a mark, side by side. @param {Place[]} group */
function openStrip(group) {
  const canZoom = view.size < (isOneSpot(group) ? SPREAD_FROM : FARTHEST_IN) && group.length > 1;
  const focused = document.activeElement;
  strip.replaceChildren(
    element("div", { class: "map-strip-head" },
      element("strong", {}, counted(group.length)),
      canZoom && element("button", { type: "button", onclick: () => fit(group, isOneSpot(group) ? 2 * SPREAD_FROM : FARTHEST_IN) }, "Zoom in"),
      onlyThese(group),
      iconButton("close", "Close", () => {
        closeStrip();
        if (focused instanceof HTMLElement && focused.isConnected) focused.focus();
      }),
    ),
    photoStrip(group, (id) => openPhoto(id, { isAside: true })),
  );
  strip.hidden = false;
  const covered = focused?.matches(".mark") ? focused.getBoundingClientRect().bottom + 8 - strip.getBoundingClientRect().top : 0;
  if (covered > 0) move(0, covered);
  /** @type {HTMLElement | null} */ (strip.querySelector(".strip button"))?.focus({ preventScroll: true });
  bringIntoView(strip);
  draw();
}

function closeStrip() {
  if (strip.hidden) return;
  strip.hidden = true;
  strip.replaceChildren();
  draw();
}

/** Filter by what is seen, exactly. */
function chooseView() {
  changeSearch({ within: visibleBox(view, panel.clientWidth, panel.clientHeight), near: "" });
}
