/** The search box. The page searches while the user types, and proposes what these photos have. */

import { ApiError } from "./api.js";
import { byId } from "./dom.js";
import { closed } from "./language.js";
import { photos } from "./photos.js";
import { rememberSearch, setUpRecentSearches } from "./recent-searches.js";
import { changes, changeSearch, currentSearch } from "./state.js";

const HAS_KEYS = matchMedia("(any-hover: hover)"); // not a phone
const PROPOSING = 250; // milliseconds without a key before suggestions are shown: the photos come first
const PAUSE = 40; // milliseconds without a key before a search starts, if another one is running

/** @type {typeof import("./suggestions.js") | null} once they are needed */
let suggestions = null;

/** Show suggestions, or new ones. The search does not wait for them, and works without them. */
async function suggest() {
  try {
    suggestions ??= await import("./suggestions.js");
    await suggestions.suggest();
  } catch {
    suggestions?.closeSuggestions(); // the banner says if the server is gone
  }
}

export function setUpSearchBox() {
  setUpRecentSearches();
  const input = byId("query");
  const clear = byId("clear-query");
  let waiting = 0;
  let proposing = 0;

  const search = (/** @type {Parameters<typeof changeSearch>[1]} */ options) => {
    stopWaiting();
    changeSearch({ q: input.value }, options);
  };
  const stopWaiting = () => {
    clearTimeout(waiting);
    waiting = 0;
  };
  /** What was typed comes before what the user does next, as opening a photo. */
  const settle = () => void (waiting && search({ asTyping: true }));
  const show = () => {
    if (input.value !== currentSearch().q) {
      input.value = currentSearch().q;
      clearTimeout(proposing);
      suggestions?.closeSuggestions(); // they were for other words
    }
    clear.hidden = !input.value;
  };

  input.addEventListener("input", () => {
    clear.hidden = !input.value;
    stopWaiting();
    if (photos.isLoading) waiting = setTimeout(search, PAUSE, { asTyping: true });
    else search({ asTyping: true });
    clearTimeout(proposing);
    proposing = setTimeout(suggest, PROPOSING);
  });
  input.addEventListener("click", () => !input.value && suggest());
  document.addEventListener("pointerdown", settle, true);
  input.addEventListener("blur", () => {
    settle();
    suggestions?.closeSuggestions();
  });
  input.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.isComposing) return;
    if (event.altKey && event.key === "ArrowDown") suggest();
    else if (event.altKey || !suggestions?.useKey(event)) return;
    event.preventDefault();
  });
  byId("search-form").addEventListener("submit", (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    clearTimeout(proposing);
    suggestions?.closeSuggestions();
    search({ endsTyping: true });
    rememberSearch();
    if (!HAS_KEYS.matches) input.blur(); // its keyboard leaves, and the filters have their room again
  });
  clear.addEventListener("click", () => {
    input.value = "";
    search({});
    show();
    input.focus();
  });
  changes.addEventListener("search", () => {
    stopWaiting();
    show();
  });
  photos.addEventListener("shown", () => input.setAttribute("aria-invalid", "false"));
  photos.addEventListener("failed", (event) => {
    const { error, isFirst } = /** @type {CustomEvent} */ (event).detail;
    if (isFirst) input.setAttribute("aria-invalid", String(error instanceof ApiError && error.parameter === "q"));
  });
  show();
}

/** Add to the query, and put the cursor at its end. @param {string} [more] */
export function typeMore(more = "") {
  const input = byId("query");
  input.value = ((more ? closed(input.value) : input.value).trimEnd() + more).trimStart();
  input.focus();
  input.setSelectionRange(input.value.length, input.value.length);
  byId("clear-query").hidden = !input.value;
}
