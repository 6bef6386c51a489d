/** The search box. The page searches while the user types. */

import { byId } from "./dom.js";
import { changes, changeSearch, currentSearch } from "./state.js";

const PAUSE = 150; // milliseconds without a key before a search starts

export function setUpSearchBox() {
  const input = byId("query");
  const clear = byId("clear-query");
  let waiting = 0;

  const search = (/** @type {boolean} */ asTyping) => {
    clearTimeout(waiting);
    changeSearch({ q: input.value }, { asTyping });
  };
  const show = () => {
    if (input.value !== currentSearch().q) input.value = currentSearch().q;
    clear.hidden = !input.value;
  };

  input.addEventListener("input", () => {
    clear.hidden = !input.value;
    clearTimeout(waiting);
    waiting = setTimeout(search, PAUSE, true);
  });
  byId("search-form").addEventListener("submit", (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    search(false);
  });
  clear.addEventListener("click", () => {
    input.value = "";
    search(false);
    show();
    input.focus();
  });
  changes.addEventListener("search", () => {
    clearTimeout(waiting);
    show();
  });
  show();
}

/** Add to the query, and put the cursor at its end. @param {string} [more] */
export function typeMore(more = "") {
  const input = byId("query");
  input.value = (input.value.trimEnd() + more).trimStart();
  input.focus();
  input.setSelectionRange(input.value.length, input.value.length);
  byId("clear-query").hidden = !input.value;
}
