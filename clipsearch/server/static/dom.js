/** Making elements. Every text becomes a text node; nothing here or elsewhere parses HTML. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element with attributes, listeners ("onclick") and children; children that are null or false are left out.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} [attributes] true is an attribute without a value; false, null and undefined leave it out
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) made.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children) if (child != null && child !== false) made.append(child);
  return made;
}

/**
 * One of the icons that index.html defines; screen readers ignore it.
 * @param {string} name
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/**
 * A button that shows only an icon. Screen readers read its label.
 * @param {string} name of the icon
 * @param {string} label
 * @param {(event: MouseEvent) => void} onclick
 * @param {Record<string, any>} [attributes]
 */
export function iconButton(name, label, onclick, attributes = {}) {
  return element("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...attributes }, icon(name));
}

/**
 * An element that index.html is known to have.
 * @param {string} id
 * @returns {any}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no #${id}`);
  return found;
}

/**
 * Render a part of the page again, and keep the focus on the element with the same data-key.
 * @param {HTMLElement} root @param {() => void} render
 */
export function keepingFocus(root, render) {
  const focused = root.contains(document.activeElement) && /** @type {HTMLElement} */ (document.activeElement).dataset.key;
  render();
  if (!focused) return;
  const again = root.querySelector(`[data-key="${CSS.escape(focused)}"]:not(:disabled)`) ?? root.querySelector("button, input");
  /** @type {HTMLElement | null} */ (again)?.focus();
}
