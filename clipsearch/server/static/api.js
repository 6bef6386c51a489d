/** The server's HTTP API: requests, errors as sentences, and whether the server answers. */

import { encodePairs } from "./url.js";

/** @typedef {import("./url.js").Pair} Pair */
/** @typedef {{code: string, section?: string, city: string | null, region: string | null, country: string | null}} PlaceName */
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
 * @property {{field: string, excerpt: string, marks: [number, number][]}} [found_in] words of its texts that were looked for
 * @property {("meaning" | "text")[]} [found_by] what has found the hit
 * @property {{unit: "page" | "second", at: number}} [moment] which picture of a film or of a file with pages
 * @property {number} [rank]
 * @property {number} [score]
 * @property {number | null} [match]
 * @property {Photo[]} [others] files of the same shot, best first
 */

/** An error response; `message` is a sentence for people. */
export class ApiError extends Error {
  /** @param {number} status @param {string} code @param {string} message */
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** The server does not answer. */
export class ServerGone extends Error {}

/** Fires "gone" when the server stops answering, and "back" when it answers again. */
export const connection = new EventTarget();
let gone = false;

/**
 * One request, answered with JSON.
 * @param {string} path
 * @param {{pairs?: Pair[], method?: string, body?: any, signal?: AbortSignal}} [options] a body is sent as JSON, a Blob as it is
 * @returns {Promise<any>} null if the answer has no content
 * @throws {ApiError | ServerGone | DOMException} the last if `signal` was aborted
 */
export async function ask(path, { pairs = [], method = "GET", body, signal } = {}) {
  const query = encodePairs(pairs);
  /** @type {Record<string, string>} */
  const headers = method === "GET" ? {} : { "Clipsearch-Client": "page" };
  if (body !== undefined) headers["Content-Type"] = body instanceof Blob ? body.type || "application/octet-stream" : "application/json";
  let response;
  try {
    response = await fetch(query ? `${path}?${query}` : path, {
      method, headers, signal, body: body === undefined || body instanceof Blob ? body : JSON.stringify(body),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    reportGone();
    throw new ServerGone("The server does not answer.");
  }
  const text = await response.text();
  const answer = text && response.headers.get("Content-Type")?.includes("json") ? JSON.parse(text) : null;
  if (!response.ok) {
    const { code = "unknown", message = `The server answered ${response.status}.` } = answer?.error ?? {};
    throw new ApiError(response.status, code, message);
  }
  return answer;
}

/** A file that the server makes. @param {string} address @returns {Promise<Blob>} @throws {ApiError | ServerGone} */
export async function fileFrom(address) {
  const response = await fetch(address).catch(() => {
    reportGone();
    throw new ServerGone("The server does not answer.");
  });
  if (response.ok) return await response.blob();
  const { error } = await response.json().catch(() => ({}));
  throw new ApiError(response.status, error?.code ?? "unknown", error?.message ?? `The server answered ${response.status}.`);
}

/** @param {number} id @param {256 | 512 | 1024} size */
export const thumbnailUrl = (id, size) => `/api/thumbnails/${id}?size=${size}`;

/** @param {number} id */
export const fileUrl = (id) => `/api/images/${id}/file`;

/** The photo's own file, to save it. @param {number} id */
export const originalUrl = (id) => `/api/images/${id}/original`;

/** Whether a request was aborted by the page itself. @param {unknown} error */
export const isAbort = (error) => error instanceof DOMException && error.name === "AbortError";

function reportGone() {
  if (gone) return;
  gone = true;
  connection.dispatchEvent(new Event("gone"));
  retry(500);
}

/** @param {number} wait milliseconds; grows each time, up to five seconds */
function retry(wait) {
  setTimeout(async () => {
    try {
      await fetch("/api/status", { cache: "no-store" });
    } catch {
      retry(Math.min(wait * 1.5, 5000));
      return;
    }
    gone = false;
    connection.dispatchEvent(new Event("back"));
  }, wait);
}
