/** Selecting by a long press and by dragging on, over as many photos as are passed; and what a tap or a click then does. */

import { scrollAtEdge } from "./edge-scroll.js";
import { between } from "./grid-keys.js";
import { selection } from "./selection.js";

/** @typedef {import("./api.js").Photo} Photo */

const HOLD = 420; // milliseconds that a finger rests until it selects
const STILL = 10; // pixels that it may move meanwhile; a mouse drags beyond
const EDGE = 90; // pixels at the top and bottom of the screen where dragging scrolls

/**
 * @param {HTMLElement} room
 * @param {import("./grid.js").Grid} grid
 */
export function setUpDragSelect(room, grid) {
  /** @type {{id: number, x: number, y: number, timer: number, isMouse: boolean} | null} the finger or the button that is down */
  let down = null;
  /** @type {{from: number, to: number, before: Photo[], adds: boolean, x: number, y: number} | null} */
  let drag = null;
  let wasTouch = false;
  let swallows = false; // the click that ends a drag does nothing more

  const begin = () => {
    if (!down) return;
    const from = grid.indexAt(down.x, down.y);
    const photo = grid.photos[from];
    if (!photo) return;
    drag = { from, to: -1, before: selection.photos, adds: !selection.has(photo), x: down.x, y: down.y };
    grid.anchor = from;
    if (!down.isMouse) navigator.vibrate?.(12);
    reach();
    requestAnimationFrame(scroll);
  };
  /** Select as far as the finger has come. */
  const reach = () => {
    if (!drag) return;
    const to = grid.indexAt(drag.x, drag.y);
    if (to === drag.to || !grid.photos[to]) return;
    drag.to = to;
    const passed = between(grid, drag.from, to).filter(Boolean);
    const ids = new Set(passed.map((photo) => photo.id));
    selection.set(drag.adds ? [...drag.before, ...passed] : drag.before.filter((photo) => !ids.has(photo.id)));
  };
  const scroll = () => {
    if (!drag) return;
    if (scrollAtEdge(drag.y, EDGE)) reach();
    requestAnimationFrame(scroll);
  };
  const end = () => {
    if (down) clearTimeout(down.timer);
    swallows = drag !== null;
    if (swallows) setTimeout(() => (swallows = false)); // a drag that ends elsewhere has no click
    down = drag = null;
  };

  for (const type of /** @type {const} */ (["pointerover", "pointerdown"])) {
    room.addEventListener(type, ({ pointerType }) => document.documentElement.classList.toggle("by-touch", pointerType === "touch"), true);
  }
  room.addEventListener("pointerdown", (event) => {
    const target = /** @type {Element} */ (event.target);
    const card = target.closest(".photo");
    const isMouse = event.pointerType === "mouse";
    wasTouch = !isMouse;
    end();
    if (!(card instanceof HTMLElement) || event.button !== 0 || !event.isPrimary) return;
    const onPick = target.closest(".pick") !== null;
    card.draggable = isMouse && !onPick; // a held finger selects, and a mouse that starts at the check mark, too
    if (isMouse && !onPick) return;
    down = { id: event.pointerId, x: event.clientX, y: event.clientY, timer: isMouse ? 0 : setTimeout(begin, HOLD), isMouse };
  });
  addEventListener("pointermove", (event) => {
    if (!down || event.pointerId !== down.id) return;
    if (!drag) {
      if (Math.hypot(event.clientX - down.x, event.clientY - down.y) < STILL) return;
      if (!down.isMouse) {
        end(); // it scrolls
        return;
      }
      begin();
    }
    if (!drag) return;
    [drag.x, drag.y] = [event.clientX, event.clientY];
    reach();
  });
  addEventListener("pointerup", end);
  addEventListener("pointercancel", end);
  room.addEventListener("touchmove", (event) => {
    if (drag) event.preventDefault(); // the page scrolls only at the edges
  }, { passive: false });
  room.addEventListener("contextmenu", (event) => {
    if (wasTouch && (down || drag)) event.preventDefault();
  });
  room.addEventListener("click", (event) => {
    const card = /** @type {Element} */ (event.target).closest(".photo > .open")?.parentElement;
    if (swallows) {
      swallows = false;
    } else if (card && isSelecting(event, wasTouch)) {
      const index = grid.indexOf(card);
      if (event.shiftKey) selection.add(between(grid, grid.anchor, index).filter(Boolean));
      else selection.toggle(grid.photos[index]);
      grid.anchor = index;
      grid.moveTo(index, { focus: false });
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }, true);
}

/** Whether a click on a photo selects it: with Ctrl always; a tap, or with Shift, while others are selected. @param {MouseEvent} event @param {boolean} isTap */
const isSelecting = (event, isTap) => event.ctrlKey || event.metaKey || (selection.isActive && (isTap || event.shiftKey));
