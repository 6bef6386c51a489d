/** A picture that does not come, as while the server is away, leaves its place empty: browsers would draw a sign for a broken one. */

const BROKEN = "no-picture";

export function hideBrokenPictures() {
  for (const [event, isBroken] of /** @type {const} */ ([["error", true], ["load", false]])) {
    document.addEventListener(event, ({ target }) => target instanceof HTMLImageElement && target.classList.toggle(BROKEN, isBroken), true); // neither bubbles
  }
}
