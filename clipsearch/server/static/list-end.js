/** Below the photos: that a sorted list has only the best of them, and what shows the others. */

import { byId, element } from "./dom.js";
import { count, counted } from "./format.js";
import { photos } from "./photos.js";
import { canJudge, changeSearch, LIKELY } from "./state.js";

export function setUpListEnd() {
  for (const event of ["shown", "more", "failed"]) photos.addEventListener(event, render);
}

function render() {
  const end = byId("list-end");
  const { search, list, likely } = photos;
  end.hidden = !search || photos.hasFailed || !list.length || !photos.endsEarly;
  if (end.hidden || !search) return;
  const number = photos.hasMoments ? counted(list.length, "moment") : count(list.length);
  const act = (/** @type {string} */ label, /** @type {Partial<import("./state.js").Search>} */ change) =>
    element("button", { type: "button", class: "link", onclick: () => changeSearch(change) }, label);
  end.replaceChildren(`This list ends with the best ${number}, in this order.`,
    !search.minMatch && canJudge(search) && likely !== 0 ? act("Only likely ones", { minMatch: LIKELY }) : "",
    act("All, best first", { sort: "" }));
}
