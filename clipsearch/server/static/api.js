/** The server's HTTP API: requests, errors as sentences, and whether the server answers. */

import { encodePairs } from "./url.js";

/** @typedef {import("./url.js").Pair} Pair */
/** @typedef {{code: string, section?: string, city: string | null, region: string | null, country: string | null}} PlaceName */
/** @typedef {{field: string, excerpt: string, marks: [number, number][]}} FoundWords marks count code points */
/**
 * @typedef {object} Photo one record of the catalog; a hit of a search has rank, score and match too
 * @property {number} id
 * @property {string} path
 * @property {number} width
 * @property {number} height
 * @property {string} format
 * @property {number} size bytes
 * @property {string | null} taken_at
 * @property {string | null} camera
 * @property {[number, number] | null} gps latitude and longitude
 * @property {PlaceName} [place] the nearest city
 * @property {string} content_hash
 * @property {string} [caption] the text that a data set has for it
 * @property {string} [taken_from] where the date was read: "exif", "takeout", ...
 * @property {string} [title]
 * @property {string} [description]
 * @property {string[]} [keywords]
 * @property {string[]} [people]
 * @property {number} [rating] stars; -1 is rejected
 * @property {string} [label] a colour or other mark
 * @property {string} [text] what was read in the picture
 * @property {FoundWords} [found_in] words of its texts that were looked for
 * @property {FoundWords[]} [also_found_in] other fields that have some
 * @property {("meaning" | "text")[]} [found_by] what has found the hit
 * @property {{unit: "page" | "second", at: number}} [moment] which picture of a film or of a file with pages
 * @property {number} [rank]
 * @property {number} [score]
 * @property {number | null} [match]
 * @property {Photo[]} [others] files of the same shot, best first
 * @property {string} [placeholder] a blurred picture: the pixels of a BMP of 4 x 3, in base64
 * @property {{colour: string, others: number[]}} [sketch] if only its shape and its day are known: its colour, and ids of others of its shot
 */

/** An error response; `message` is a sentence for people. */
export class ApiError extends Error {
  /** @param {number} status @param {string} code @param {string} message @param {string} [parameter] the filter that is wrong */
  constructor(status, code, message, parameter = "") {
    super(message);
    this.status = status;
    this.code = code;
    this.parameter = parameter;
  }
}

/** The server does not answer, or its index is gone. The page says so at its top, and goes on by itself. */
export class ServerGone extends Error {}

/** Fires "gone" (detail: why, for people) when the server stops answering or its index is gone, and "back" when it answers again. */
export const connection = new EventTarget();

/** Codes of errors that say that a picture of the search is gone. */
export const PICTURE_GONE = ["no-such-upload", "no-such-photo"];

const SILENCE = "The server does not answer. Trying again…";
const PATIENCE = 6000; // milliseconds without an answer after which the page looks whether the server is there at all
const LOOK = 3000; // milliseconds for that answer
const SOON = 250; // milliseconds to the first try after the server has gone; each next one waits longer
const LONGEST = 5000;
let gone = "";
let waiting = 0;

/**
 * One request, answered with JSON.
 * @param {string} path
 * @param {{pairs?: Pair[], method?: string, body?: any, headers?: Record<string, string>, signal?: AbortSignal}} [options] a body is sent as JSON, a Blob as it is
 * @returns {Promise<any>} null if the answer has no content; never settled if one must sign in first
 * @throws {ApiError | ServerGone | DOMException} the last if `signal` was aborted
 */
export async function ask(path, { pairs = [], method = "GET", body, headers: more = {}, signal } = {}) {
  const query = encodePairs(pairs);
  /** @type {Record<string, string>} */
  const headers = method === "GET" ? more : { ...more, "Clipsearch-Client": "page" };
  if (body !== undefined) headers["Content-Type"] = body instanceof Blob ? body.type || "application/octet-stream" : "application/json";
  let response, text;
  const leaving = new AbortController();
  const slow = setTimeout(async () => {
    const why = await trouble();
    if (why) leaving.abort();
  }, PATIENCE);
  try {
    response = await fetch(query ? `${path}?${query}` : path, {
      method, headers, signal: signal ? AbortSignal.any([signal, leaving.signal]) : leaving.signal,
      body: body === undefined || body instanceof Blob ? body : JSON.stringify(body),
    });
    text = await response.text(); // the server may go in the middle of its answer
  } catch (error) {
    if (signal?.aborted) throw error;
    reportGone(SILENCE);
    throw new ServerGone("The server does not answer.");
  } finally {
    clearTimeout(slow);
  }
  const answer = text && response.headers.get("Content-Type")?.includes("json") ? JSON.parse(text) : null;
  if (!response.ok) {
    const { code = "unknown", message = `The server answered ${response.status}.`, parameter = PICTURE_GONE.includes(code) ? "like" : undefined } = answer?.error ?? {};
    if (response.status === 401) { // the session has ended: the server asks to sign in
      location.reload();
      return new Promise(() => {}); // the page is leaving, and has nothing to say
    }
    if (code === "index-gone") {
      reportGone(sentence(message));
      throw new ServerGone(sentence(message));
    }
    if (code === "stopping") {
      reportGone(SILENCE);
      throw new ServerGone(SILENCE);
    }
    throw new ApiError(response.status, code, message, parameter);
  }
  return answer;
}

/** A file that the server makes. @param {string} address @returns {Promise<Blob>} @throws {ApiError | ServerGone} */
export async function fileFrom(address) {
  const response = await fetch(address).catch(() => {
    reportGone(SILENCE);
    throw new ServerGone("The server does not answer.");
  });
  if (response.ok) return await response.blob();
  throw await errorOf(response);
}

/** @param {Response} response of a picture or a file that did not come */
export async function errorOf(response) {
  const { error } = await response.json().catch(() => ({}));
  return new ApiError(response.status, error?.code ?? "unknown", error?.message ?? `The server answered ${response.status}.`);
}

/** Why a photo's file does not come, as a sentence; "" if it comes. @param {string} url */
export async function whyMissing(url) {
  const answer = await fetch(url, { headers: { Range: "bytes=0-0" } }).catch(() => null);
  if (!answer) return SILENCE;
  if (!answer.ok) return sentence((await errorOf(answer)).message);
  answer.body?.cancel();
  return "";
}

/** @param {number} id @param {256 | 512 | 1024} size */
export const thumbnailUrl = (id, size) => `/api/thumbnails/${id}?size=${size}`;

/** @param {number} id */
export const fileUrl = (id) => `/api/images/${id}/file`;

/** The photo's own file, to save it. @param {number} id */
export const originalUrl = (id) => `/api/images/${id}/original`;

/** Whether a request was aborted by the page itself. @param {unknown} error */
export const isAbort = (error) => error instanceof DOMException && error.name === "AbortError";

/** An error's message as a sentence. Numbers of photos mean nothing to people. @param {string} message */
export const sentence = (message) => /^there is no photo \d+ in the index$/.test(message)
  ? "The photo is not in the index any more."
  : `${message.charAt(0).toUpperCase()}${message.slice(1)}${/[.!?…]$/.test(message) ? "" : "."}`;

/** Look now whether the server answers, and tell if that has changed. */
export async function checkConnection() {
  clearTimeout(waiting);
  const why = await trouble();
  if (!why) {
    reportBack();
    return;
  }
  reportGone(why);
  retry(SOON);
}

/** Why the server cannot be used, if it was found so: "silent", or its index is gone; "" if it can. @returns {"" | "silent" | "index"} */
export const whatIsGone = () => (!gone ? "" : gone === SILENCE ? "silent" : "index");

/** Do something once the server is back. @param {() => void} act */
export const whenBack = (act) => connection.addEventListener("back", act, { once: true });

/** Why the server cannot be used now; "" if it can. */
async function trouble() {
  try {
    const response = await fetch("/api/status", { cache: "no-store", signal: AbortSignal.timeout(LOOK) });
    if (response.status !== 503) return "";
    const { error } = await response.json();
    if (error.code === "stopping") return SILENCE; // in a moment it will not
    return error.code === "index-gone" ? sentence(error.message) : "";
  } catch {
    return SILENCE;
  }
}

/** @param {string} why */
function reportGone(why) {
  const isNew = gone !== why;
  if (!gone) retry(SOON);
  gone = why;
  if (isNew) connection.dispatchEvent(new CustomEvent("gone", { detail: why }));
}

function reportBack() {
  if (!gone) return;
  clearTimeout(waiting);
  gone = "";
  connection.dispatchEvent(new Event("back"));
}

/** @param {number} wait milliseconds; grows each time */
function retry(wait) {
  clearTimeout(waiting);
  waiting = setTimeout(async () => {
    const why = await trouble();
    if (!why) reportBack();
    else if (gone) {
      reportGone(why);
      retry(Math.min(wait * 1.6, LONGEST));
    }
  }, wait);
}

addEventListener("online", () => checkConnection());
addEventListener("offline", () => checkConnection());
document.addEventListener("visibilitychange", () => gone && !document.hidden && checkConnection());
