/** The world as a square of side 1 (spherical Mercator, EPSG:3857), and clusters of places in it. */

const EARTH = 6371; // kilometres, as in the server's distances
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

/**
 * Kilometres between two places along a great circle (haversine).
 * @param {{latitude: number, longitude: number}} a @param {{latitude: number, longitude: number}} b
 */
export function distance(a, b) {
  const radians = Math.PI / 180;
  const [dLat, dLon] = [(b.latitude - a.latitude) * radians, (b.longitude - a.longitude) * radians];
  const h = Math.sin(dLat / 2) ** 2 + Math.cos(a.latitude * radians) * Math.cos(b.latitude * radians) * Math.sin(dLon / 2) ** 2;
  return 2 * EARTH * Math.asin(Math.min(1, Math.sqrt(h)));
}

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
