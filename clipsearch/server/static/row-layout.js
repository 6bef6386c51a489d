/** Photos in rows of equal width, each photo in its own shape, with headings between groups of them. */

/**
 * @typedef {object} Box where a photo goes, in pixels
 * @property {number} left
 * @property {number} top
 * @property {number} width
 * @property {number} height
 * @property {number} row
 */
/**
 * @typedef {object} Row
 * @property {number} top
 * @property {number} height
 * @property {number} first the index of its first photo
 * @property {number} end the index after its last
 */
/**
 * @typedef {object} Heading
 * @property {number} top
 * @property {number} height of the heading and all photos below it, up to the next one
 * @property {string} text
 * @property {number} first the index of its first photo
 * @property {number} end the index after its last
 */
/**
 * @typedef {object} Layout
 * @property {Box[]} boxes in the order of the photos
 * @property {Row[]} rows
 * @property {Heading[]} headings
 * @property {number} height of all
 */
/** @typedef {{width: number, rowHeight: number, gap: number, heading: number}} Room heights of a row as wanted, and of a heading */

const NARROWEST = 0.5; // of width / height; narrower and wider photos are cropped to these in the rows
const WIDEST = 2.6;
const TALLEST = 1.6; // of the wanted height, for a row that would not be full otherwise
const LOW_COST = 1.5; // how much worse a low row is than a high one
const BALANCED = 3; // rows at the end of a group whose photos are spread evenly, so that the last row is full, too

/**
 * @param {{width: number, height: number}[]} photos
 * @param {(string | null)[]} groups a text for each photo; a heading is placed wherever it changes, unless it is null
 * @param {Room} room
 * @param {{isOpen?: boolean}} [options] whether more photos will follow the last one; the rows so far then stay as they are
 * @returns {Layout}
 */
export function layOut(photos, groups, room, { isOpen = false } = {}) {
  const { width, rowHeight, gap } = room;
  const ratios = photos.map((photo) => Math.min(Math.max(photo.width / photo.height || 1, NARROWEST), WIDEST));
  /** @type {Layout} */
  const layout = { boxes: [], rows: [], headings: [], height: 0 };
  let top = 0;
  for (let first = 0, end; first < photos.length; first = end) {
    end = first + 1;
    while (end < photos.length && groups[end] === groups[first]) end++;
    const text = groups[first];
    const heading = text === null ? null : { top, height: 0, text, first, end };
    if (heading) {
      layout.headings.push(heading);
      top += room.heading;
    }
    let from = first;
    for (const to of rowEnds(ratios, first, end, room, isOpen && end === photos.length)) {
      const full = fullHeight(ratios, from, to, room);
      const height = full > rowHeight * TALLEST ? rowHeight : full;
      let left = 0;
      for (let i = from; i < to; i++) {
        layout.boxes.push({ left, top, width: ratios[i] * height, height, row: layout.rows.length });
        left += ratios[i] * height + gap;
      }
      layout.rows.push({ top, height, first: from, end: to });
      top += height + gap;
      from = to;
    }
    if (heading) heading.height = top - heading.top;
  }
  layout.height = Math.max(top - gap, 0);
  return layout;
}

/**
 * Where the rows of a group end: one row after the other, and the last few such that all of them are nearly as high as wanted.
 * @param {number[]} ratios @param {number} first @param {number} end @param {Room} room @param {boolean} isOpen
 */
function rowEnds(ratios, first, end, room, isOpen) {
  const ends = [];
  let left = 0; // widths of the photos without a row, at the wanted height
  for (let i = first; i < end; i++) left += ratios[i] * room.rowHeight + room.gap;
  let from = first;
  while (from < end && (isOpen || left > room.width * BALANCED)) {
    const to = rowEnd(ratios, from, end, room);
    for (; from < to; from++) left -= ratios[from] * room.rowHeight + room.gap;
    ends.push(to);
  }
  return from < end ? [...ends, ...balanced(ratios, from, end, room)] : ends;
}

/**
 * The end of a row: with or without the photo that no longer fits, whichever is nearer to the wanted height.
 * @param {number[]} ratios @param {number} first @param {number} end @param {Room} room
 */
function rowEnd(ratios, first, end, room) {
  for (let i = first; i < end; i++) {
    const height = fullHeight(ratios, first, i + 1, room);
    if (height > room.rowHeight) continue;
    return i > first && fullHeight(ratios, first, i, room) - room.rowHeight < room.rowHeight - height ? i : i + 1;
  }
  return end;
}

/**
 * The ends of a few rows, of all possible ones those whose heights are nearest to the wanted one.
 * @param {number[]} ratios @param {number} first @param {number} end @param {Room} room
 */
function balanced(ratios, first, end, room) {
  /** @type {{cost: number, from: number}[]} for each photo, the best rows that end after it */
  const best = [{ cost: 0, from: first }];
  for (let to = first + 1; to <= end; to++) {
    best[to - first] = { cost: Infinity, from: first };
    for (let from = to - 1; from >= first; from--) {
      const stretch = fullHeight(ratios, from, to, room) / room.rowHeight;
      const oddness = stretch > TALLEST ? 2 - 1 / stretch : Math.log(stretch) ** 2 * (stretch < 1 ? LOW_COST : 1);
      const cost = best[from - first].cost + oddness * (to - from);
      if (cost < best[to - first].cost) best[to - first] = { cost, from };
      if (stretch < 1 / TALLEST) break; // with more photos, the row would be lower still
    }
  }
  const ends = [];
  for (let to = end; to > first; to = best[to - first].from) ends.unshift(to);
  return ends;
}

/**
 * How high a row must be to fill the width.
 * @param {number[]} ratios @param {number} first @param {number} end @param {Room} room
 */
function fullHeight(ratios, first, end, { width, gap }) {
  let sum = 0;
  for (let i = first; i < end; i++) sum += ratios[i];
  return (width - gap * (end - first - 1)) / sum;
}

/**
 * The first row that ends below a height, by bisection; the number of rows if none does.
 * @param {Row[]} rows @param {number} y
 */
export function rowAt(rows, y) {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle].top + rows[middle].height > y) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * The photo above or below another.
 * @param {Layout} layout @param {number} index @param {1 | -1} direction
 */
export function neighbourRow({ boxes, rows }, index, direction) {
  const row = rows[boxes[index].row + direction];
  if (!row) return index;
  const middle = boxes[index].left + boxes[index].width / 2;
  let best = row.first;
  for (let i = row.first; i < row.end; i++) {
    const away = (/** @type {number} */ j) => Math.abs(boxes[j].left + boxes[j].width / 2 - middle);
    if (away(i) < away(best)) best = i;
  }
  return best;
}
