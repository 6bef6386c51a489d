/** One finger or the mouse moves, two fingers or the wheel zoom: for the map, and for a photo. */

/**
 * @param {HTMLElement} target
 * @param {object} acts
 * @param {(dx: number, dy: number) => void} acts.pan
 * @param {(factor: number, x: number, y: number) => void} acts.zoom around a point of the target, in pixels
 * @param {(x: number, y: number, moved: boolean, total: {dx: number, dy: number}) => void} [acts.end] the last finger is lifted
 */
export function onGestures(target, { pan, zoom, end }) {
  /** @type {Map<number, {x: number, y: number}>} */
  const fingers = new Map();
  let start = { x: 0, y: 0 };
  let most = 0; // fingers at once, since the first came down

  const at = (/** @type {PointerEvent | WheelEvent} */ event) => {
    const box = target.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };

  target.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || /** @type {Element} */ (event.target).closest("button, a, video")) return;
    target.setPointerCapture(event.pointerId);
    if (!fingers.size) {
      start = at(event);
      most = 0;
    }
    fingers.set(event.pointerId, at(event));
    most = Math.max(most, fingers.size);
  });
  target.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const now = at(event);
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const apart = Math.hypot(before.x - other.x, before.y - other.y);
      if (apart > 0) zoom(Math.hypot(now.x - other.x, now.y - other.y) / apart, (now.x + other.x) / 2, (now.y + other.y) / 2);
      pan((now.x - before.x) / 2, (now.y - before.y) / 2);
    } else {
      pan(now.x - before.x, now.y - before.y);
    }
    fingers.set(event.pointerId, now);
  });
  const lift = (/** @type {PointerEvent} */ event) => {
    if (!fingers.delete(event.pointerId) || fingers.size) return;
    const { x, y } = at(event);
    const total = most > 1 ? { dx: 0, dy: 0 } : { dx: x - start.x, dy: y - start.y };
    end?.(x, y, most > 1 || Math.hypot(total.dx, total.dy) > 5, total);
  };
  target.addEventListener("pointerup", lift);
  target.addEventListener("pointercancel", lift);
  target.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    const { x, y } = at(event);
    zoom(Math.exp(-Math.max(-100, Math.min(event.deltaY * lines, 100)) * (event.ctrlKey ? 0.01 : 0.003)), x, y);
  }, { passive: false });
}
