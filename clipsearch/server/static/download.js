/** Downloading photos' facts as CSV or JSON, with the columns and keys of `clipsearch query`. */

import { placeParts, withBytesEscaped } from "./format.js";

/** @typedef {import("./api.js").Photo} Photo */

const FORMULA = /^[=+\-@\t\r]/; // a spreadsheet would run it as a formula (OWASP, "CSV Injection")

/** @param {Photo[]} photos @param {"csv" | "json"} kind @param {string} title the file's name */
export function download(photos, kind, title) {
  const text = kind === "csv" ? toCsv(photos) : `${JSON.stringify(photos, null, 1)}\n`;
  save(new Blob([text], { type: kind === "csv" ? "text/csv" : "application/json" }), `${title.slice(0, 100).replaceAll("/", "-").replace(/[\\:*?"<>|]/g, "_")}.${kind}`);
}

/** Let the browser save a file. @param {Blob} file @param {string} name */
export function save(file, name) {
  const url = URL.createObjectURL(file);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/**
 * Rows as in RFC 4180, but with plain newlines. Texts are quoted, and get an apostrophe in front if they look like a formula.
 * The columns are FIELDS of `render/csv_output.py`.
 * @param {Photo[]} photos
 */
export function toCsv(photos) {
  const rows = photos.map((photo) => [
    photo.rank, photo.score, photo.match, photo.path, photo.width, photo.height, photo.format, photo.size, photo.taken_at,
    photo.camera, photo.gps?.[0], photo.gps?.[1], photo.content_hash, photo.caption,
    photo.moment && `${photo.moment.unit} ${photo.moment.at}`, photo.title, photo.description, photo.keywords?.join("; "),
    photo.people?.join("; "), photo.rating, photo.label, photo.text, photo.taken_from,
    photo.place && (placeParts(photo.place).join(", ") || photo.place.code),
  ]);
  const names = [
    "rank", "score", "match", "path", "width", "height", "format", "size", "taken_at", "camera", "latitude", "longitude",
    "content_hash", "caption", "moment", "title", "description", "keywords", "people", "rating", "label", "text", "taken_from",
    "place",
  ];
  return [names, ...rows].map((row) => `${row.map(cell).join(",")}\n`).join("");
}

/** @param {string | number | null | undefined} value */
function cell(value) {
  if (typeof value !== "string") return value ?? "";
  return `"${withBytesEscaped(FORMULA.test(value) ? `'${value}` : value).replaceAll('"', '""')}"`;
}
