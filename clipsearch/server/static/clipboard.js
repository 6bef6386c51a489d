/** Copying text, even if the page comes from another machine and so has no access to the clipboard API. */

/**
 * @param {string} text
 * @returns {Promise<boolean>} whether it was copied
 */
export async function copyText(text) {
  if (navigator.clipboard && window.isSecureContext) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // a browser may still refuse; the old way asks for no permission
    }
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "offscreen";
  (document.querySelector("dialog:modal") ?? document.body).append(area);
  const focused = /** @type {HTMLElement | null} */ (document.activeElement);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return copied;
}
