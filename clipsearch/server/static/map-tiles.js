/** Pictures of the user's own tile server, if `serve --map-tiles` names one. */

/** @typedef {import("./map-land.js").View} View */

const SIDE = 256; // pixels of a tile
const DEEPEST = 19;
const KEPT = 300; // tiles

/** @type {Map<string, HTMLImageElement>} by address, the last used last */
const tiles = new Map();

/**
 * Draw the tiles that are there, and fetch the others.
 * @param {CanvasRenderingContext2D} context in pixels of the page @param {View} view @param {number} width @param {number} height
 * @param {string} address with {z}, {x} and {y} @param {() => void} later called when a tile has come
 */
export function drawTiles(context, view, width, height, address, later) {
  const level = Math.max(0, Math.min(Math.round(Math.log2((view.size * devicePixelRatio) / SIDE)), DEEPEST));
  const count = 2 ** level;
  const side = view.size / count;
  const [left, top] = [view.x * view.size - width / 2, view.y * view.size - height / 2];
  for (let row = Math.max(0, Math.floor(top / side)); row < Math.min(count, (top + height) / side); row++) {
    for (let column = Math.floor(left / side); column < (left + width) / side; column++) {
      const name = address.replaceAll("{z}", String(level)).replaceAll("{x}", String(((column % count) + count) % count)).replaceAll("{y}", String(row));
      const tile = tileAt(name, later);
      if (tile.complete && tile.naturalWidth) context.drawImage(tile, column * side - left, row * side - top, side + 0.5, side + 0.5); // no seams
    }
  }
}

/** @param {string} name @param {() => void} later */
function tileAt(name, later) {
  let tile = tiles.get(name);
  if (tile) {
    tiles.delete(name);
  } else {
    tile = new Image();
    tile.addEventListener("load", later);
    tile.src = name;
  }
  tiles.set(name, tile);
  if (tiles.size > KEPT) tiles.delete(tiles.keys().next().value ?? "");
  return tile;
}
