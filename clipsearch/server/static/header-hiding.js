/** On small screens the header leaves while the photos scroll down, and comes back as soon as they scroll up. */

const SMALL = matchMedia("(max-width: 47.99rem), (max-height: 30rem)");
const STEP = 6; // pixels; less is a trembling finger

export function setUpHeaderHiding() {
  const header = /** @type {HTMLElement} */ (document.querySelector("header"));
  let last = scrollY;
  const show = (/** @type {boolean} */ isShown) => document.documentElement.classList.toggle("header-away", !isShown);
  addEventListener("scroll", () => {
    const moved = scrollY - last;
    if (scrollY > header.offsetHeight && Math.abs(moved) < STEP) return;
    last = scrollY;
    const isUsed = header.contains(document.activeElement) || header.querySelector(":popover-open") !== null;
    show(!SMALL.matches || isUsed || moved < 0 || scrollY <= header.offsetHeight);
  }, { passive: true });
  header.addEventListener("focusin", () => {
    if (!document.documentElement.classList.contains("header-away")) return;
    const place = last;
    /** Browsers scroll to what they focus, but the header comes by itself, and is there before they do. */
    const keep = () => scrollTo({ top: place, behavior: "instant" });
    header.style.transition = "none";
    show(true);
    keep();
    requestAnimationFrame(() => {
      header.style.transition = "";
      keep();
    });
  });
}
