/** The land and the borders of the world: coarse outlines that come with the map, and fine ones that are loaded when they can be seen. */

import { LAND, LAND_SCALE } from "./map-outlines.js";
import { toX, toY } from "./map-projection.js";

/**
 * @typedef {object} Outline
 * @property {boolean} isLand a ring, or else a line of a border
 * @property {Float64Array} points x and y in the square of the projection, in turn
 * @property {number} left the smallest x
 * @property {number} right
 * @property {number} top
 * @property {number} bottom
 */

/**
 * @typedef {object} View
 * @property {number} x of the middle, in the square of the projection
 * @property {number} y
 * @property {number} size of the whole world in pixels
 */

const FINE_FROM = 4000; // pixels that the world is wide; below, the coarse outlines look the same
const FINE_UNITS = 400; // a degree, as tools/make_map_outlines.py has it
const CLOSE = 0.7; // pixels; a point that is so near to the one before is not drawn
const FARTHEST = 1e6; // pixels; canvases compute with few digits

/** @type {Outline[] | null} */
let coarse = null;
/** @type {Outline[] | null} */
let fine = null;
let loading = false;

/**
 * Draw the land as one path, and the borders as another.
 * @param {View} view @param {number} width @param {number} height pixels
 * @param {() => void} later called when finer outlines are there
 * @returns {{land: Path2D, borders: Path2D}}
 */
export function outlinesOf(view, width, height, later) {
  if (view.size > FINE_FROM && !fine && !loading) loadFine(later);
  const paths = { land: new Path2D(), borders: new Path2D() };
  coarse ??= LAND.map((ring) => outlineOf(true, ring, LAND_SCALE));
  const half = { x: width / view.size / 2, y: height / view.size / 2 };
  for (const outline of view.size > FINE_FROM && fine ? fine : coarse) {
    if (outline.bottom < view.y - half.y || outline.top > view.y + half.y) continue;
    for (let round = Math.floor(view.x - half.x - outline.right) + 1; round + outline.left <= view.x + half.x; round++) { // the world again and again
      trace(outline, outline.isLand ? paths.land : paths.borders, { ...view, x: view.x - round }, width, height);
    }
  }
  return paths;
}

/** @param {() => void} later */
async function loadFine(later) {
  loading = true;
  try {
    const answer = await fetch("/static/map-outlines.bin");
    if (!answer.ok) return; // the coarse ones stay
    fine = read(new Uint8Array(await answer.arrayBuffer()));
    later();
  } catch {
    loading = false; // the server does not answer; the next look tries again
  }
}

/** @param {Uint8Array} data as tools/make_map_outlines.py writes it */
function read(data) {
  let place = 0;
  const number = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const part = data[place++];
      value |= (part & 127) << shift;
      if (part < 128) return value;
    }
  };
  /** @type {Outline[]} */
  const outlines = [];
  while (place < data.length) {
    const isLand = number() === 1;
    const differences = new Int32Array(2 * number());
    for (let i = 0; i < differences.length; i++) {
      const zigzag = number();
      differences[i] = zigzag & 1 ? -(zigzag >>> 1) - 1 : zigzag >>> 1;
    }
    outlines.push(outlineOf(isLand, differences, FINE_UNITS));
  }
  return outlines;
}

/** @param {boolean} isLand @param {ArrayLike<number>} differences of longitude and latitude, in turn @param {number} units a degree @returns {Outline} */
function outlineOf(isLand, differences, units) {
  const points = new Float64Array(differences.length);
  const outline = { isLand, points, left: Infinity, right: -Infinity, top: Infinity, bottom: -Infinity };
  let [longitude, latitude] = [0, 0];
  for (let i = 0; i < points.length; i += 2) {
    longitude += differences[i];
    latitude += differences[i + 1];
    const [x, y] = [toX(longitude / units), toY(latitude / units)];
    [points[i], points[i + 1]] = [x, y];
    outline.left = Math.min(outline.left, x);
    outline.right = Math.max(outline.right, x);
    outline.top = Math.min(outline.top, y);
    outline.bottom = Math.max(outline.bottom, y);
  }
  return outline;
}

/**
 * Add an outline to a path, in pixels. Of points that follow each other on one side of the view, only the ends are needed.
 * @param {Outline} outline @param {Path2D} path @param {View} view @param {number} width @param {number} height
 */
function trace({ isLand, points }, path, view, width, height) {
  let [lastX, lastY, lastSide, isFirst] = [0, 0, 0, true];
  let [heldX, heldY, isHeld] = [0, 0, false]; // the last point beside the view, which is drawn if the line comes back
  const far = (/** @type {number} */ value) => Math.max(-FARTHEST, Math.min(value, FARTHEST));
  const add = (/** @type {number} */ x, /** @type {number} */ y) => {
    if (isFirst) path.moveTo(far(x), far(y));
    else path.lineTo(far(x), far(y));
    isFirst = false;
    lastX = x;
    lastY = y;
  };
  for (let i = 0; i < points.length; i += 2) {
    const x = (points[i] - view.x) * view.size + width / 2;
    const y = (points[i + 1] - view.y) * view.size + height / 2;
    const side = (x < -2 ? 1 : x > width + 2 ? 2 : 0) | (y < -2 ? 4 : y > height + 2 ? 8 : 0);
    if (!isFirst && (side & lastSide) !== 0) { // both are left of the view, or both above it, and so on
      [heldX, heldY, isHeld] = [x, y, true];
      lastSide &= side;
      continue;
    }
    if (isHeld) add(heldX, heldY);
    isHeld = false;
    lastSide = side;
    if (isFirst || side !== 0 || Math.abs(x - lastX) + Math.abs(y - lastY) > CLOSE) add(x, y);
  }
  if (isHeld) add(heldX, heldY);
  if (isLand) path.closePath();
}
