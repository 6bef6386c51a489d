/** Selecting by a rectangle that the mouse draws from an empty place: between the photos, or in the margin beside them. */

import { element } from "./dom.js";
import { scrollAtEdge } from "./edge-scroll.js";
import { rowAt } from "./row-layout.js";
import { selection } from "./selection.js";

/** @typedef {import("./api.js").Photo} Photo */
/** @typedef {{left: number, top: number, right: number, bottom: number}} Rectangle in pixels from the first photo's corner */

const STILL = 5; // pixels that a click may move
const EDGE = 40; // pixels at the top and bottom of the screen where the page moves

/** @param {HTMLElement} main around the photos @param {HTMLElement} room of the photos @param {import("./grid.js").Grid} grid */
export function setUpRubberBand(main, room, grid) {
  const band = element("div", { class: "rubber-band", hidden: true });
  document.body.append(band);
  /** @type {{id: number, x: number, y: number, adds: boolean} | null} where the button went down, from the first photo's corner */
  let start = null;
  /** @type {{x: number, y: number, before: Photo[], found: string} | null} where the mouse is in the window, and what was selected */
  let drag = null;

  const draw = () => {
    if (!start || !drag) return;
    const corner = room.getBoundingClientRect();
    const [x, y] = [drag.x - corner.left, drag.y - corner.top];
    const rectangle = { left: Math.min(x, start.x), top: Math.min(y, start.y), right: Math.max(x, start.x), bottom: Math.max(y, start.y) };
    band.style.transform = `translate(${rectangle.left + corner.left}px, ${rectangle.top + corner.top}px)`;
    band.style.width = `${rectangle.right - rectangle.left}px`;
    band.style.height = `${rectangle.bottom - rectangle.top}px`;
    const inside = photosIn(grid.layout, rectangle);
    if (inside.join() === drag.found) return;
    drag.found = inside.join();
    selection.set([...(start.adds ? drag.before : []), ...inside.map((index) => grid.photos[index])]);
  };
  const scroll = () => {
    if (!drag) return;
    if (scrollAtEdge(drag.y, EDGE)) draw();
    requestAnimationFrame(scroll);
  };
  const end = () => {
    start = drag = null;
    band.hidden = true;
    document.documentElement.classList.remove("drawing-band");
  };

  addEventListener("pointerdown", (event) => {
    const corner = room.getBoundingClientRect();
    const isEmpty = [room, main, main.parentElement, document.body, document.documentElement].some((place) => place === event.target);
    const isBeside = event.clientX >= document.documentElement.clientWidth; // on the scroll bar
    if (event.pointerType !== "mouse" || event.button !== 0 || !isEmpty || isBeside || event.clientY < corner.top || !grid.photos.length) return;
    start = { id: event.pointerId, x: event.clientX - corner.left, y: event.clientY - corner.top, adds: event.ctrlKey || event.metaKey || event.shiftKey };
  });
  addEventListener("pointermove", (event) => {
    if (!start || event.pointerId !== start.id) return;
    if (!drag) {
      const corner = room.getBoundingClientRect();
      if (Math.hypot(event.clientX - corner.left - start.x, event.clientY - corner.top - start.y) < STILL) return;
      drag = { x: 0, y: 0, before: selection.photos, found: "" };
      band.hidden = false;
      document.documentElement.classList.add("drawing-band");
      getSelection()?.removeAllRanges(); // of text
      main.setPointerCapture(start.id);
      requestAnimationFrame(scroll);
    }
    [drag.x, drag.y] = [event.clientX, event.clientY];
    draw();
  });
  for (const name of ["pointerup", "pointercancel", "blur"]) addEventListener(name, end);
  addEventListener("scroll", draw, { passive: true });
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !drag) return;
    event.preventDefault();
    event.stopPropagation(); // what was selected before stays
    selection.set(drag.before);
    end();
  }, true);
}

/** The photos that are at least partly in a rectangle. @param {import("./row-layout.js").Layout} layout @param {Rectangle} rectangle */
function photosIn({ rows, boxes }, { left, top, right, bottom }) {
  const found = [];
  for (let number = rowAt(rows, top); number < rows.length && rows[number].top < bottom; number++) {
    for (let i = rows[number].first; i < rows[number].end; i++) {
      if (boxes[i].left < right && boxes[i].left + boxes[i].width > left) found.push(i);
    }
  }
  return found;
}
