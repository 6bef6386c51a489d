/** The world as a square of side 1 (spherical Mercator, EPSG:3857), and clusters of places in it. */

const EARTH = 6378137; // metres, the radius of the projection
const DIGITS = 6; // of degrees: a tenth of a metre
const ROOM = 0.00002; // degrees, two metres
const HIGHEST = 85.0511; // degrees; beyond it the square ends

/** @param {number} longitude */
export const toX = (longitude) => longitude / 360 + 0.5;

/** @param {number} latitude */
export function toY(latitude) {
  const sine = Math.sin((Math.max(-HIGHEST, Math.min(latitude, HIGHEST)) * Math.PI) / 180);
  return 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI);
}

/** @param {number} x */
export const toLongitude = (x) => (x - Math.floor(x) - 0.5) * 360;

/** @param {number} y */
export const toLatitude = (y) => (Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180) / Math.PI;

/** Metres that a pixel of the middle of a view is wide. @param {{y: number, size: number}} view */
export const metresAPixel = ({ y, size }) => (2 * Math.PI * EARTH * Math.cos((toLatitude(y) * Math.PI) / 180)) / size;

/**
 * Where some x of the square begin and end. If that is shorter, it goes over the square's edge, and the end is above 1.
 * @param {number[]} xs @returns {[number, number]}
 */
export function spanOf(xs) {
  const sorted = [...xs].sort((a, b) => a - b);
  let [left, right] = [sorted[0], sorted[sorted.length - 1]];
  for (let i = 1; i < sorted.length; i++) {
    if (sorted[i - 1] + 1 - sorted[i] < right - left) [left, right] = [sorted[i], sorted[i - 1] + 1];
  }
  return [left, right];
}

/**
 * What a view shows, as the filter `within` has it: "SOUTH,WEST,NORTH,EAST" in degrees.
 * @param {{x: number, y: number, size: number}} view @param {number} width @param {number} height pixels
 */
export function visibleBox({ x, y, size }, width, height) {
  const half = { x: width / size / 2, y: height / size / 2 };
  const [west, east] = half.x >= 0.5 ? [-180, 180] : [toLongitude(x - half.x), toLongitude(x + half.x)];
  const south = y + half.y >= 1 ? -90 : toLatitude(y + half.y);
  const north = y - half.y <= 0 ? 90 : toLatitude(y - half.y);
  return boxText(south, west, north, east);
}

/**
 * The smallest rectangle around some places, with a little room, as the filter `within` has it.
 * @param {Place[]} places
 */
export function boxAround(places) {
  const latitudes = places.map((place) => place.latitude);
  const [left, right] = spanOf(places.map((place) => toX(place.longitude)));
  const room = ROOM / 360;
  return boxText(Math.max(-90, Math.min(...latitudes) - ROOM), toLongitude(left - room), Math.min(90, Math.max(...latitudes) + ROOM), toLongitude(right + room));
}

/** The places in a rectangle, which may go over the date line. @template {Place} P @param {P[]} places @param {string} box as the filter `within` has it */
export function placesIn(places, box) {
  const [south, west, north, east] = box.split(",").map(Number);
  return places.filter(({ latitude, longitude }) => {
    if (latitude < south || latitude > north) return false;
    return west <= east ? longitude >= west && longitude <= east : longitude >= west || longitude <= east;
  });
}

/** @param {number} south @param {number} west @param {number} north @param {number} east */
const boxText = (south, west, north, east) => [south, west, north, east].map((edge) => Number(edge.toFixed(DIGITS))).join(",");

/** @typedef {{id: number, latitude: number, longitude: number}} Place in degrees */
/** @typedef {{x: number, y: number, places: Place[]}} Cluster of places, with its middle in the square */

/**
 * Places that are near each other, as one.
 * @param {Place[]} places
 * @param {number} size of the whole world, in pixels
 * @param {number} apart pixels
 * @returns {Cluster[]} the largest first
 */
export function clustersOf(places, size, apart) {
  /** @type {Map<string, Cluster>} */
  const cells = new Map();
  for (const place of places) {
    const x = toX(place.longitude);
    const y = toY(place.latitude);
    const key = `${Math.floor((x * size) / apart)} ${Math.floor((y * size) / apart)}`;
    const cell = cells.get(key);
    if (!cell) {
      cells.set(key, { x, y, places: [place] });
      continue;
    }
    cell.places.push(place);
    cell.x += (x - cell.x) / cell.places.length;
    cell.y += (y - cell.y) / cell.places.length;
  }
  /** @type {Cluster[]} */
  const clusters = [];
  for (const cell of [...cells.values()].sort((a, b) => b.places.length - a.places.length)) {
    const near = clusters.find((other) => Math.hypot(other.x - cell.x, other.y - cell.y) * size < apart * 0.8); // across a border of cells
    if (!near) {
      clusters.push(cell);
      continue;
    }
    const all = near.places.length + cell.places.length;
    near.x += ((cell.x - near.x) * cell.places.length) / all;
    near.y += ((cell.y - near.y) * cell.places.length) / all;
    near.places = near.places.concat(cell.places);
  }
  return clusters;
}
