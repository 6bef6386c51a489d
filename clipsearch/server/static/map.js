/** A map of where the photos were taken. It comes with the page, so no other server learns of the places. */

import { ask } from "./api.js";
import { byId, element, iconButton, keepingFocus } from "./dom.js";
import { count, counted } from "./format.js";
import { onGestures } from "./gestures.js";
import { LAND, LAND_SCALE } from "./map-outlines.js";
import { photos } from "./photos.js";
import { clustersOf, distance, toLatitude, toLongitude, toX, toY } from "./map-projection.js";
import { changes, changeSearch, currentSearch, filterPairs, wordPairs } from "./state.js";

/** @typedef {import("./map-projection.js").Place} Place */

const APART = 52; // pixels between clusters
const FARTHEST_IN = 2 ** 22; // pixels that the world may be wide
const NEAREST_FIT = 5; // widths of the panel that the world may be by itself: the land is coarse
const MARGIN = 0.2; // around all places, of their extent

const panel = byId("map");
const canvas = element("canvas", {});
const marks = element("div", { class: "marks" });
const note = element("p", { class: "map-note", role: "status" });
panel.append(canvas, marks, note, element("div", { class: "map-tools" },
  iconButton("plus", "Nearer", () => zoom(2)), iconButton("minus", "Farther", () => zoom(0.5)), iconButton("fit", "All locations", () => fit(places)),
), element("button", { type: "button", class: "here", onclick: chooseView }, "Only this area"));

/** The visible part: its middle in the square of the projection, and the width of the whole world in pixels. */
const view = { x: 0.5, y: 0.42, size: 600 };
/** @type {Place[]} */
let places = [];
let requests = 0;
let waiting = 0;
const land = outline();

onGestures(panel, { pan: (dx, dy) => move(-dx, -dy), zoom });
panel.tabIndex = 0;
panel.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
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
changes.addEventListener("search", () => refresh({ keepView: true }));
photos.addEventListener("shown", () => refresh({ keepView: true }));

export function toggleMap() {
  panel.hidden = !panel.hidden;
  byId("toggle-map").setAttribute("aria-expanded", String(!panel.hidden));
  refresh({ keepView: false });
}

/** @param {{keepView: boolean}} options */
async function refresh({ keepView }) {
  if (panel.hidden) return;
  const mine = ++requests;
  const search = currentSearch();
  try {
    const answer = await ask("/api/places", { pairs: [...wordPairs(search), ...filterPairs({ ...search, near: "" })] });
    if (mine !== requests) return;
    const hadNone = places.length === 0;
    places = answer.places;
    note.textContent = places.length ? `${counted(places.length)} with a location` : "None of these photos has a location";
    if (!keepView || hadNone) fit(places);
    else draw();
  } catch (error) {
    note.textContent = /** @type {Error} */ (error).message;
  }
}

/**
 * Show some places, or the whole world if there are none.
 * @param {Place[]} shown @param {number} [nearest] how many widths of the panel the world may then be
 */
function fit(shown, nearest = NEAREST_FIT) {
  const { clientWidth: width, clientHeight: height } = panel;
  if (!width) return;
  const xs = shown.map((place) => toX(place.longitude));
  const ys = shown.map((place) => toY(place.latitude));
  const [left, right] = xs.length ? [Math.min(...xs), Math.max(...xs)] : [0, 1];
  const [top, bottom] = ys.length ? [Math.min(...ys), Math.max(...ys)] : [0.12, 0.75];
  view.x = (left + right) / 2;
  view.y = (top + bottom) / 2;
  const size = Math.min(width / ((right - left) * (1 + 2 * MARGIN)), height / ((bottom - top) * (1 + 2 * MARGIN)));
  view.size = Math.max(Math.min(size, width * nearest), Math.max(height, width / 2));
  draw();
}

/** @param {number} dx pixels @param {number} dy */
function move(dx, dy) {
  view.x = (view.x + dx / view.size + 1) % 1;
  view.y = Math.max(0, Math.min(view.y + dy / view.size, 1));
  draw();
}

/** @param {number} factor @param {number} [x] the fixed point, in pixels of the panel @param {number} [y] */
function zoom(factor, x = panel.clientWidth / 2, y = panel.clientHeight / 2) {
  const before = view.size;
  view.size = Math.max(Math.min(panel.clientHeight, panel.clientWidth) / 1.5, Math.min(view.size * factor, FARTHEST_IN));
  const [dx, dy] = [x - panel.clientWidth / 2, y - panel.clientHeight / 2];
  view.x += dx / before - dx / view.size;
  view.y += dy / before - dy / view.size;
  draw();
}

function draw() {
  waiting ||= requestAnimationFrame(() => {
    waiting = 0;
    if (panel.hidden) return;
    drawLand();
    placeMarks();
  });
}

function drawLand() {
  const { clientWidth: width, clientHeight: height } = panel;
  canvas.width = width * devicePixelRatio;
  canvas.height = height * devicePixelRatio;
  const context = canvas.getContext("2d");
  if (!context) return;
  const { color, outlineColor } = getComputedStyle(canvas);
  const scale = view.size * devicePixelRatio;
  context.fillStyle = color;
  context.strokeStyle = outlineColor;
  const half = width / view.size / 2;
  for (let round = Math.floor(view.x - half) - 1; round <= view.x + half + 1; round++) { // land may reach beyond its own round
    context.setTransform(scale, 0, 0, scale, (round - view.x) * scale + canvas.width / 2, canvas.height / 2 - view.y * scale);
    context.lineWidth = 1 / view.size;
    context.fill(land);
    context.stroke(land);
  }
}

/** The clusters as buttons over the map. */
function placeMarks() {
  const { clientWidth: width, clientHeight: height } = panel;
  const near = currentSearch().near;
  keepingFocus(marks, () => marks.replaceChildren(...clustersOf(places, view.size, APART).flatMap((cluster) => {
    const x = (cluster.x - view.x - Math.round(cluster.x - view.x)) * view.size + width / 2;
    const y = (cluster.y - view.y) * view.size + height / 2;
    if (x < -APART || x > width + APART || y < -APART || y > height + APART) return [];
    const around = surroundings(cluster.places);
    const mark = element("button", {
      type: "button", class: "mark", "data-key": around, "aria-pressed": String(near === around),
      "aria-label": `${counted(cluster.places.length)} taken here: show only these`,
      onclick: () => choose(cluster.places, near === around ? "" : around),
    }, count(cluster.places.length));
    mark.style.translate = `calc(${x}px - 50%) calc(${y}px - 50%)`;
    return [mark];
  })));
}

/** Show only the photos of a cluster, and look at it closer; or all again. @param {Place[]} shown @param {string} near */
function choose(shown, near) {
  changeSearch({ near });
  if (near) fit(shown, NEAREST_FIT * 16);
}

/** LATITUDE,LONGITUDE,KM of a circle that holds some places. @param {Place[]} shown */
function surroundings(shown) {
  const latitude = shown.reduce((sum, place) => sum + place.latitude, 0) / shown.length;
  const longitude = shown.reduce((sum, place) => sum + place.longitude, 0) / shown.length;
  const km = Math.max(...shown.map((place) => distance(place, { latitude, longitude }))) * 1.01 + 0.1;
  return `${latitude.toFixed(5)},${longitude.toFixed(5)},${km.toFixed(1)}`;
}

/** Filter by the visible area, as a circle. */
function chooseView() {
  const half = { x: panel.clientWidth / view.size / 2, y: panel.clientHeight / view.size / 2 };
  const middle = { latitude: toLatitude(view.y), longitude: toLongitude(view.x) };
  const side = { latitude: middle.latitude, longitude: middle.longitude + Math.min(half.x, 0.5) * 360 };
  const above = { latitude: toLatitude(Math.max(0, view.y - half.y)), longitude: middle.longitude };
  const km = Math.max(0.1, Math.min(distance(middle, side), distance(middle, above)) * 1.2);
  changeSearch({ near: `${middle.latitude.toFixed(5)},${middle.longitude.toFixed(5)},${km.toFixed(1)}` });
}

/** The land as one path in the square of the projection. */
function outline() {
  const path = new Path2D();
  for (const ring of LAND) {
    let x = 0;
    let y = 0;
    for (let i = 0; i < ring.length; i += 2) {
      x += ring[i];
      y += ring[i + 1];
      const [px, py] = [toX(x / LAND_SCALE), toY(y / LAND_SCALE)];
      if (i) path.lineTo(px, py);
      else path.moveTo(px, py);
    }
    path.closePath();
  }
  return path;
}
