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
 * @typedef {object} Layout
 * @property {Box[]} boxes in the order of the photos
 * @property {Row[]} rows
 * @property {{top: number, text: string, first: number}[]} headings
 * @property {number} height of all
 */

const NARROWEST = 0.5; // of width / height; narrower and wider photos are cropped to these in the rows
const WIDEST = 2.6;

/**
 * @param {{width: number, height: number}[]} photos
 * @param {(string | null)[]} groups a text for each photo; a heading is placed wherever it changes, unless it is null
 * @param {{width: number, rowHeight: number, gap: number, heading: number}} room heights of a row, and of a heading
 * @returns {Layout}
 */
export function layOut(photos, groups, { width, rowHeight, gap, heading }) {
  const ratios = photos.map((photo) => Math.min(Math.max(photo.width / photo.height || 1, NARROWEST), WIDEST));
  /** @type {Layout} */
  const layout = { boxes: [], rows: [], headings: [], height: 0 };
  let top = 0;
  let first = 0;
  while (first < photos.length) {
    const group = groups[first];
    if (group !== null && (first === 0 || group !== groups[first - 1])) {
      layout.headings.push({ top, text: group, first });
      top += heading;
    }
    const end = rowEnd(ratios, groups, first, { width, rowHeight, gap });
    const sum = ratios.slice(first, end).reduce((all, ratio) => all + ratio, 0);
    const room = width - gap * (end - first - 1);
    const isFull = end < photos.length && groups[end] === group;
    const height = isFull || room / sum < rowHeight * 1.2 ? room / sum : rowHeight;
    let left = 0;
    for (let i = first; i < end; i++) {
      layout.boxes.push({ left, top, width: ratios[i] * height, height, row: layout.rows.length });
      left += ratios[i] * height + gap;
    }
    layout.rows.push({ top, height, first, end });
    top += height + gap;
    first = end;
  }
  layout.height = Math.max(top - gap, 0);
  return layout;
}

/**
 * The end of a row: with or without the photo that no longer fits, whichever is nearer to the wanted height.
 * @param {number[]} ratios @param {(string | null)[]} groups @param {number} first
 * @param {{width: number, rowHeight: number, gap: number}} room
 */
function rowEnd(ratios, groups, first, { width, rowHeight, gap }) {
  let sum = 0;
  for (let i = first; i < ratios.length; i++) {
    if (groups[i] !== groups[first]) return i;
    const before = sum;
    sum += ratios[i];
    const height = (width - gap * (i - first)) / sum;
    if (height <= rowHeight) {
      const without = (width - gap * (i - first - 1)) / before;
      return i > first && without - rowHeight < rowHeight - height ? i : i + 1;
    }
  }
  return ratios.length;
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
