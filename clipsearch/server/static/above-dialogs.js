/**
 * Notes and the banner lie in the dialog that is open: all outside of it is inert, so their buttons would do nothing, and some
 * screen readers would not read them.
 */

/** @type {Map<HTMLElement, Element | null>} what each comes before while no dialog is open */
const places = new Map();

/** The dialog that covers the page, the topmost one; null if none does. @returns {HTMLDialogElement | null} */
export const coveringDialog = () => [.../** @type {NodeListOf<HTMLDialogElement>} */ (document.querySelectorAll("dialog:modal"))].at(-1) ?? null;

/** From now on, an element is always where it can be used. @param {HTMLElement} node */
export function keepAbove(node) {
  places.set(node, node.nextElementSibling);
}

/** Move what was kept into the dialog that is open, or back to its place. What is shown stays shown. */
export function moveAbove() {
  const dialog = coveringDialog();
  for (const [node, next] of places) {
    const parent = dialog ?? document.body;
    if (node.parentNode === parent) continue;
    const isShown = node.matches(":popover-open");
    parent.insertBefore(node, dialog ? null : next);
    if (isShown) node.showPopover();
  }
}

for (const event of ["toggle", "close"]) document.addEventListener(event, ({ target }) => target instanceof HTMLDialogElement && moveAbove(), true);
