/** A picture that is far wider than high, or far higher than wide, is shown whole: the middle of its thumbnail, enlarged, would be a smear. */

const WHOLE = "strip-picture";
const WIDEST = 5.2; // of width / height: twice as wide as the widest place in the rows
const NARROWEST = 0.25;

export function showStripsWhole() {
  document.addEventListener("load", ({ target }) => { // it does not bubble
    if (!(target instanceof HTMLImageElement)) return;
    const ratio = target.naturalWidth / target.naturalHeight;
    target.classList.toggle(WHOLE, ratio > WIDEST || ratio < NARROWEST);
  }, true);
}
