/** The photos of the current search, page by page. A newer search always wins over an older answer. */

import { albums } from "./albums.js";
import { ApiError, ask, isAbort } from "./api.js";
import { Details, sketches, whole } from "./outline.js";
import { canJudge, filterPairs, isQuery, learnMeaning, LIKELY, NEAREST_COUNTED, queryPairs, shotPairs, wordPairs } from "./state.js";
import { thumbnails } from "./thumbnails.js";

/** @typedef {import("./api.js").Photo} Photo */
/** @typedef {import("./state.js").Search} Search */
/** @typedef {import("./understood.js").Understood} Understood */
/**
 * @typedef {object} AnswerNote why an answer may surprise; `value` is a filter, or the query that was probably meant
 * @property {"file-name" | "minus" | "plus" | "negation" | "unread" | "marks" | "unknown" | "longer" | "places" | "values" | "misspelt" | "facts" | "keyword" | "best-match" | "best-score" | "kept" | "unclear" | "absent" | "near"} code
 * @property {string} message
 * @property {string} value
 */

const PAGE = 60;
export const MOST_AT_ONCE = 1000; // the server's own limit
const MOST_OUTLINED = 100_000; // the server's own limit; a longer list goes on page by page
const SORTED = 300; // how many of the best are sorted by date or name; with a limit, all that one answer has

/**
 * The request for some photos of a search.
 * @param {Readonly<Search>} search @param {number} offset @param {number} size
 * @returns {{path: string, pairs: import("./url.js").Pair[]}}
 */
export function requestFor(search, offset, size) {
  const querying = isQuery(search);
  const pairs = [...(querying ? queryPairs(search) : shotPairs(search)), ...filterPairs(search)];
  if (search.sort && (querying || search.sort !== "score")) pairs.push(["sort", search.sort]);
  else if (canJudge(search)) pairs.push(["sort", "likely"]);
  pairs.push(["top_k", String(size)], ["offset", String(offset)]);
  return { path: querying ? "/api/search" : "/api/images", pairs };
}

/** Whether nothing is left to look for: the words were only dates, places and people. @param {Understood | null} understood */
const isListed = (understood) => understood !== null && !understood.text;

/**
 * The server's answer. No photo is likely for words that only say what to leave out; which words do, the server knows.
 * @param {Readonly<Search>} search @param {number} offset @param {number} size @param {AbortSignal} signal @returns {Promise<any>}
 */
async function answerOf(search, offset, size, signal) {
  const { path, pairs } = requestFor(search, offset, size);
  pairs.push(["placeholders", "true"], ["favourites", "true"]);
  if (isQuery(search) && offset === 0) pairs.push(["explain", "true"]);
  try {
    return await ask(path, { pairs, signal });
  } catch (error) {
    const isLimited = search.minMatch > 0 && !search.asTyped && offset === 0 && canJudge(search);
    if (!isLimited || !(error instanceof ApiError) || error.status !== 400 || error.parameter) throw error;
    const answer = await ask(path, { pairs: pairs.filter(([name]) => name !== "relevant" && name !== "min_match"), signal });
    learnMeaning(search, answer.understood ?? null);
    if (canJudge(search)) throw error; // something else is wrong
    return answer;
  }
}

/** @param {Readonly<Search>} search */
const isSorted = ({ sort }) => sort !== "" && sort !== "score";

/** Events: "shown" (other photos), "more" (photos added), "details" (photos in place of sketches), "failed" (detail: the error, and whether it was the first page), "busy", "idle". */
export const photos = new (class extends EventTarget {
  /** @type {Photo[]} */
  list = [];
  /** @type {Readonly<Search> | null} the search that `list` answers */
  search = null;
  considered = 0; // photos that pass the filters
  seconds = 0;
  /** @type {Understood | null} what was read from the words */
  understood = null;
  /** @type {AnswerNote[]} */
  notes = [];
  /** @type {Photo[]} */
  ownPhotos = []; // photos of the index that are the query's own pictures
  /** @type {number | null} */
  likely = null; // how many photos match well, as far as the server has counted them
  moreLikely = false; // whether there may be more
  hasFailed = false; // whether the newest search has no answer, and the photos are of one before
  complete = false; // whether `list` has all photos that are shown
  reached = 0; // how many hits, or files of all photos, were asked for; a list of shots may have fewer
  /** What is near the screen becomes more than sketches. */
  details = new Details((found) => this.#complete(found));
  #running = new AbortController();
  #loading = false;
  #starting = false;
  /** @type {Map<number, number>} the places of sketches in `list`, by id */
  #places = new Map();

  /** Whether the first photos of a search are still to come: "shown" or "failed" will follow. A later page is not waited for so. */
  get isStarting() {
    return this.#starting;
  }

  /** Whether photos are being asked for, also those of a later page. */
  get isLoading() {
    return this.#loading;
  }

  /** Whether the photos of a search are still to come, and those of another one are on the page. @param {Readonly<Search>} search */
  awaits(search) {
    return this.search !== null && this.search !== search && !this.hasFailed;
  }

  /** Whether photos with a low match are left out. */
  get #isLimited() {
    return this.isRanked && this.search !== null && this.search.minMatch > 0 && canJudge(this.search);
  }

  /** Whether no photo is a likely match of the words, so that all are in the list, the nearest first. */
  get noneLikely() {
    if (!this.search || !this.isRanked || this.#isLimited || !canJudge(this.search)) return false;
    return this.list.length > 0 && !(this.likely ?? this.list.some(({ match }) => (match ?? 0) >= LIKELY));
  }

  /** All photos of the list, likely or not, as parameters beside the filters. @returns {import("./url.js").Pair[]} */
  get allPairs() {
    return this.search && this.understood?.facts.length ? [...wordPairs(this.search), ["nearest", "5000"]] : [];
  }

  /** How many photos `list` will have in the end; 0 if that is not known. */
  get total() {
    if (this.complete || this.hasMoments) return this.complete ? this.list.length : 0;
    return this.#isLimited ? (this.moreLikely ? 0 : this.likely ?? 0) : this.considered;
  }

  /** Whether `list` has moments of films, and pages, in place of photos, which `considered` counts. */
  get hasMoments() {
    return this.isRanked && this.search?.allMoments === true;
  }

  /** Whether `list` has all photos of the search: sorted ones are only the best. */
  get hasAll() {
    return this.complete && !(this.search && this.isRanked && isSorted(this.search) && this.list.length >= this.reached);
  }

  /** Whether `list` ends before the photos that the search is about: it is sorted, and has only the best of them. */
  get endsEarly() {
    const all = this.#isLimited ? this.likely : this.considered;
    return this.complete && !this.hasAll && (this.hasMoments || this.list.length !== all || (this.#isLimited && this.moreLikely));
  }

  /** Whether the photos are ranked: those of a query, unless all of its words became filters. */
  get isRanked() {
    return this.search !== null && isQuery(this.search) && (this.search.pictures.length > 0 || !isListed(this.understood));
  }

  /**
   * Load the first photos of a search in place of the last one's.
   * @param {Readonly<Search>} search
   * @param {number} [wanted] how many to load at first
   */
  async start(search, wanted = PAGE) {
    this.#running.abort();
    this.#starting = true;
    const running = (this.#running = new AbortController());
    const bySort = isQuery(search) && isSorted(search);
    const goesBack = !isQuery(search) && wanted > PAGE; // to a place that may be anywhere in the list
    const first = search.pictures.length || search.allMoments ? NEAREST_COUNTED : PAGE; // a short list is counted at once: a query's own pictures are not in it
    const size = bySort ? (search.minMatch ? MOST_AT_ONCE : SORTED) : goesBack ? PAGE : Math.min(Math.max(wanted, first), MOST_AT_ONCE);
    const [answer, list] = await Promise.all([this.#ask(search, 0, size, running), goesBack && this.#outline(search, running)]);
    if (!answer) return;
    this.hasFailed = false;
    this.list = answer.found;
    this.#places.clear();
    this.search = search;
    this.considered = answer.considered;
    this.seconds = answer.seconds;
    this.notes = answer.notes;
    this.understood = answer.understood;
    this.ownPhotos = answer.ownPhotos;
    this.likely = answer.likely;
    this.moreLikely = answer.moreLikely;
    this.reached = size;
    this.complete = (bySort && this.isRanked) || this.#isLast(answer, size);
    if (list && !this.complete) this.#takeOutline(list);
    this.#starting = false;
    this.dispatchEvent(new Event("shown"));
    if (this.complete || isQuery(search) || list) return;
    await thumbnails.settled();
    if (running !== this.#running) return;
    const outline = await this.#outline(search, running);
    if (!outline || this.complete) return;
    this.#takeOutline(outline);
    this.dispatchEvent(new Event("more"));
  }

  /** Load all facts of the photos in some places of `list`. @param {number} first @param {number} end */
  async whole(first, end) {
    this.#complete((await whole(this.list.slice(Math.max(0, first), end))).filter(({ sketch }) => !sketch));
  }

  /**
   * All photos of a search; null if the server does not answer, or a newer search has started. The pages then come one by one.
   * @param {Readonly<Search>} search @param {AbortController} running
   * @returns {Promise<import("./outline.js").Outline | null>}
   */
  async #outline(search, running) {
    const pairs = requestFor(search, 0, 0).pairs.filter(([name]) => name !== "top_k" && name !== "offset");
    try {
      const outline = await ask("/api/outline", { pairs, signal: running.signal });
      return running === this.#running ? outline : null;
    } catch {
      return null;
    }
  }

  /** @param {import("./outline.js").Outline} outline */
  #takeOutline(outline) {
    this.list = sketches(outline, this.list);
    albums.learn(outline.ids, outline.favourites);
    this.#places = new Map(this.list.map(({ id }, place) => [id, place]));
    this.considered = outline.considered;
    this.reached = Math.min(outline.considered, MOST_OUTLINED);
    this.complete = outline.considered <= MOST_OUTLINED;
  }

  /** @param {Photo[]} found in place of their sketches */
  #complete(found) {
    let changed = false;
    for (const photo of found) {
      const place = this.#places.get(photo.id);
      if (place === undefined || !this.list[place].sketch) continue;
      if (!changed) this.list = [...this.list];
      this.list[place] = photo;
      changed = true;
    }
    if (changed) this.dispatchEvent(new Event("details"));
  }

  /** Put other photos in the places of some, by their ids. @param {Map<number, Photo | null>} successors */
  replace(successors) {
    this.list = this.list.map((photo) => successors.get(photo.id) ?? photo);
    this.dispatchEvent(new Event("details"));
  }

  /** Load the next page, unless this is the last or it is being loaded. */
  async more() {
    if (this.complete || this.#loading || !this.search) return;
    const answer = await this.#ask(this.search, isQuery(this.search) ? this.list.length : this.reached, PAGE, this.#running);
    if (!answer || this.complete) return; // the outline may have come meanwhile
    this.reached += PAGE;
    const known = new Set(this.list.map((photo) => photo.id)); // the index may have changed between two pages
    this.list = this.list.concat(answer.found.filter((photo) => !known.has(photo.id)));
    this.complete = this.#isLast(answer, PAGE) || this.list.length >= answer.considered;
    this.dispatchEvent(new Event("more"));
    if (!answer.found.length) await this.more(); // all files of that page are of shots on earlier pages
  }

  /** @param {{found: Photo[], considered: number}} answer @param {number} size */
  #isLast(answer, size) {
    return this.search && isQuery(this.search) ? answer.found.length < size : this.reached >= answer.considered;
  }

  /**
   * @param {Readonly<Search>} search @param {number} offset @param {number} size @param {AbortController} running
   * @returns {Promise<{found: Photo[], considered: number, seconds: number, understood: Understood | null, notes: AnswerNote[], ownPhotos: Photo[],
   *   likely: number | null, moreLikely: boolean} | null>}
   *   null if a newer search has started
   */
  async #ask(search, offset, size, running) {
    this.#loading = true;
    this.dispatchEvent(new Event("busy"));
    try {
      const answer = await answerOf(search, offset, size, running.signal);
      if (running !== this.#running) return null;
      if (offset === 0) learnMeaning(search, answer.understood ?? null);
      const found = answer.hits ?? answer.images;
      albums.learn(found.map((/** @type {Photo} */ { id }) => id), answer.favourites);
      return {
        found, considered: answer.considered, seconds: answer.seconds ?? 0,
        understood: answer.understood ?? null, notes: answer.explanation?.notes ?? answer.notes ?? [], ownPhotos: answer.explanation?.own_photos ?? [],
        likely: answer.explanation?.likely ?? null, moreLikely: answer.explanation?.more_likely ?? false,
      };
    } catch (error) {
      if (running !== this.#running || isAbort(error)) return null;
      if (offset === 0) this.#starting = false;
      this.hasFailed ||= offset === 0;
      this.complete ||= offset > 0; // keep what is loaded, and load no more
      this.dispatchEvent(new CustomEvent("failed", { detail: { error, isFirst: offset === 0 } }));
      return null;
    } finally {
      if (running === this.#running) {
        this.#loading = false;
        this.dispatchEvent(new Event("idle"));
      }
    }
  }
})();

