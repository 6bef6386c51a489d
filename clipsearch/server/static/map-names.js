/** Names of places on the map, of the server's own gazetteer, and the address of the user's own tiles, if there is one. */

import { ask } from "./api.js";
import { toX, toY, visibleBox } from "./map-projection.js";

/** @typedef {import("./map-land.js").View} View */
/** @typedef {{name: string, latitude: number, longitude: number, population: number}} MapName */
/** @typedef {{left: number, top: number, right: number, bottom: number}} Box in pixels */

const REST = 150; // milliseconds that the map must rest before names are asked for
const GAP = 6; // pixels between names

/** @type {{names: MapName[], tiles: string | null, nearest?: import("./api.js").PlaceName | null}} */
let known = { names: [], tiles: null };
let asked = "";
let waiting = 0;

/** The address of the user's own tiles, with {z}, {x} and {y}; null for none. */
export const tilesAddress = () => known.tiles;

/** The nearest city, if the part of the map that was last asked for has no names: "Munich, Germany". */
export function nearestPlace() {
  const { nearest } = known;
  return nearest ? [nearest.section ?? nearest.city, nearest.country].filter(Boolean).join(", ") : "";
}

/**
 * Ask for the names of what is seen, once the map rests. Those of before stay until the answer.
 * @param {View} view @param {number} width @param {number} height pixels @param {() => void} later called when there are other names
 */
export function wantNames(view, width, height, later) {
  const wanted = visibleBox(view, width, height);
  if (wanted === asked) return;
  clearTimeout(waiting);
  waiting = setTimeout(async () => {
    asked = wanted;
    try {
      const answer = await ask("/api/map", { pairs: [["within", wanted]] });
      if (asked !== wanted) return; // the map has moved on
      known = answer;
      later();
    } catch {
      asked = ""; // a map without names is still a map; the next move asks again
    }
  }, REST);
}

/**
 * Write the names, the largest places first, where there is room.
 * @param {CanvasRenderingContext2D} context in pixels of the page @param {View} view @param {number} width @param {number} height
 * @param {{ink: string, paper: string}} colours @param {Box[]} taken what is not to be written on
 */
export function writeNames(context, view, width, height, { ink, paper }, taken) {
  context.textAlign = "center";
  context.textBaseline = "top";
  context.lineJoin = "round";
  context.lineWidth = 3;
  context.strokeStyle = paper;
  context.fillStyle = ink;
  const boxes = [...taken];
  const scale = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16; // the page's text is larger on large screens
  for (const { name, latitude, longitude, population } of known.names) {
    const x = (toX(longitude) - view.x - Math.round(toX(longitude) - view.x)) * view.size + width / 2;
    const y = (toY(latitude) - view.y) * view.size + height / 2;
    const size = (population > 3e6 ? 14 : population > 3e5 ? 13 : 12) * scale;
    context.font = `${population > 3e5 ? 600 : 400} ${size}px system-ui, sans-serif`;
    const half = context.measureText(name).width / 2;
    const box = { left: x - half - GAP, right: x + half + GAP, top: y - 4, bottom: y + size + 8 };
    if (box.left < 0 || box.right > width || box.top < 0 || box.bottom > height) continue;
    if (boxes.some((other) => other.left < box.right && box.left < other.right && other.top < box.bottom && box.top < other.bottom)) continue;
    boxes.push(box);
    context.beginPath();
    context.arc(x, y, 2, 0, 2 * Math.PI);
    context.fill();
    context.strokeText(name, x, y + 5);
    context.fillText(name, x, y + 5);
  }
}
