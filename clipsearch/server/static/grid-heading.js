/** A heading above photos, and its button that selects all of them. */

import { element, iconButton } from "./dom.js";

/** @param {(node: HTMLElement) => void} pick @returns {HTMLElement} as high as its photos; the heading sticks to the screen's top inside */
export function makeHeading(pick) {
  const node = element("div", { class: "section" },
    element("div", { class: "group" }, element("h2"), iconButton("check", "", () => pick(node), { class: "icon-button pick-all", hidden: true })));
  return node;
}

/** @param {HTMLElement} node @param {string} text @param {{isPicked: boolean} | null} button null for none */
export function drawHeading(node, text, button) {
  const [heading, pick] = /** @type {HTMLElement[]} */ ([...node.children[0].children]);
  if (heading.textContent !== text) {
    heading.textContent = text;
    pick.title = text === "No date" ? "Select all without a date" : `Select all of ${text}`;
    pick.setAttribute("aria-label", pick.title);
  }
  pick.hidden = button === null;
  pick.setAttribute("aria-pressed", String(button?.isPicked ?? false));
}
