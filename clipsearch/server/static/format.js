/** Numbers, dates, names and places as people read them. */

const NUMBER = new Intl.NumberFormat("en");
const DAY = new Intl.DateTimeFormat("en", { weekday: "short", day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
const DAYS = new Intl.DateTimeFormat("en", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
const SHORT_DAY = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", timeZone: "UTC" });
const SHORT_MONTH = new Intl.DateTimeFormat("en", { month: "short", timeZone: "UTC" });
const MONTH = new Intl.DateTimeFormat("en", { month: "long", year: "numeric", timeZone: "UTC" });

const YEAR_LENGTH = 4; // characters of "2019"
const DAY_LENGTH = 10; // of "2019-07-13"

/** @param {number} value */
export const count = (value) => NUMBER.format(value);

/** "1 photo", "2,000 photos". @param {number} value @param {string} [thing] */
export const counted = (value, thing = "photo") => `${count(value)} ${thing}${value === 1 ? "" : "s"}`;

/** "3 of 12"; "3" if the number of all is not known, or 0. @param {number} index from 0 @param {number} total */
export const placeIn = (index, total) => count(index + 1) + (total ? ` of ${count(total)}` : "");

/** "9 photos"; "9 moments of 8 photos" if several are of one film. @param {import("./api.js").Photo[]} photos */
export function countedPhotos(photos) {
  const films = photos.flatMap(({ moment, path }) => (moment ? [path] : []));
  const more = films.length - new Set(films).size;
  return more ? `${counted(photos.length, "moment")} of ${counted(photos.length - more)}` : counted(photos.length);
}

/** A probability in whole percent, rounded down so that "50%" reaches a limit of 50%. It never claims certainty. @param {number} value */
export function percent(value) {
  const nearest = Math.round(value * 100);
  return value >= 0.995 ? ">99%" : value < 0.01 ? "<1%" : `${nearest - Number(nearest / 100 > value)}%`;
}

export const MATCH_MEANING = "The percentage compares a photo with the others of this index; that of a description, with those that the filters leave.";

/** @param {number} size in bytes */
export function bytes(size) {
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (size < 1000) return `${unit === "B" || size >= 100 ? Math.round(size) : size.toFixed(1)} ${unit}`;
    size /= 1000;
  }
  return `${size.toFixed(1)} TB`;
}

/** "4000 × 3000, 12.0 MP"; megapixels say nothing about a small picture. @param {import("./api.js").Photo} photo */
export function pixels({ width, height }) {
  const megapixels = (width * height) / 1e6;
  return `${width} × ${height}${megapixels >= 0.1 ? `, ${megapixels.toFixed(1)} MP` : ""}`;
}

/** How long something takes, roughly: "40 seconds", "3 minutes", "2 hours". @param {number} seconds */
export function duration(seconds) {
  if (seconds < 55) return counted(Math.max(1, seconds < 10 ? Math.round(seconds) : Math.round(seconds / 5) * 5), "second");
  return seconds < 5400 ? counted(Math.round(seconds / 60), "minute") : counted(Math.round(seconds / 3600), "hour");
}

/**
 * "Sat, July 13, 2019, 12:30", or "July 2019", or "2019" if no more is known; by the camera's clock, which has no time zone to convert from. A date without a time is kept as
 * midnight, so midnight to the second is no time.
 * @param {string} takenAt ISO 8601, or only its date, or a part of that
 */
export function day(takenAt) {
  if (takenAt.length < DAY_LENGTH) return month(takenAt);
  const time = takenAt.startsWith("00:00:00", 11) ? "" : takenAt.slice(11, 16);
  return DAY.format(clock(takenAt)) + (time && `, ${time}`);
}

/** "July 2019"; "2019" if no more is known. @param {string} takenAt "2019", "2019-07" or longer */
export const month = (takenAt) => (isYear(takenAt) ? takenAt : MONTH.format(clock(takenAt.slice(0, 7))));

/** @param {string} takenAt */
const isYear = (takenAt) => takenAt.length === YEAR_LENGTH;

/**
 * "July 2019", "May – July 2019", "June 2018 – May 2019"; or "2019", "2018 – 2019" for whole years. The earlier one comes first.
 * @param {string} first "2019-07" @param {string} last @param {boolean} isWhole
 */
export function monthRange(first, last, isWhole) {
  const [from, to] = [first, last].sort();
  if (from === to) return month(from);
  if (isWhole || isYear(from) || isYear(to)) return from.slice(0, 4) === to.slice(0, 4) ? from.slice(0, 4) : `${from.slice(0, 4)} – ${to.slice(0, 4)}`;
  return MONTH.formatRange(clock(from), clock(to));
}

/** "Sat, July 13, 2019", "July 13 – 15, 2019". The earlier one comes first. @param {string} first "2019-07-13" @param {string} [last] */
export function dayRange(first, last = first) {
  const [from, to] = [first, last].sort();
  return from === to ? DAY.format(clock(from)) : DAYS.formatRange(clock(from), clock(to));
}

/** "Jul 13"; less if no more is known. @param {string} takenAt */
export const dayOfYear = (takenAt) => takenAt.length < DAY_LENGTH ? shortMonth(takenAt) : SHORT_DAY.format(clock(takenAt.slice(0, 10)));

/** "Jul"; "2019" if no more is known. @param {string} takenAt "2019-07" or longer */
export const shortMonth = (takenAt) => isYear(takenAt) ? takenAt : SHORT_MONTH.format(clock(takenAt.slice(0, 7)));

/** @param {string} takenAt */
function clock(takenAt) {
  return new Date(`${takenAt.slice(0, 16)}${takenAt.length > 10 ? "Z" : ""}`);
}

/** The names of a place, the smallest first, each once. @param {import("./api.js").PlaceName} name @returns {string[]} */
export function placeParts({ section, city, region, country }) {
  return /** @type {string[]} */ ([section, city, region, country].filter((part, i, all) => part && all.indexOf(part) === i));
}

/** "48.1374° N, 11.5755° E". @param {number} latitude @param {number} longitude */
export function place(latitude, longitude) {
  return `${Math.abs(latitude).toFixed(4)}°\u00a0${latitude < 0 ? "S" : "N"}, ${Math.abs(longitude).toFixed(4)}°\u00a0${longitude < 0 ? "W" : "E"}`;
}

/** A rating as the filter has it, or as a photo has it: "4 stars", "4 stars and more", "2 to 4 stars", "rejected". @param {string} rating */
export function starsText(rating) {
  if (!/\d/.test(rating) || !/^(-?\d+)?(\.\.(-?\d+)?)?$/.test(rating)) return `rating ${visible(rating)}`; // an address may have anything
  const [from, to = from] = rating.split("..");
  const stars = (/** @type {string} */ number) => number === "-1" ? "rejected" : number === "0" ? "no stars" : counted(Number(number), "star");
  if (from === to) return stars(from);
  return from && to ? `${from} to ${stars(to)}` : from ? `${stars(from)} and more` : `at most ${stars(to)}`;
}

/** An excerpt in parts: its words, and whether they were looked for. @param {{excerpt: string, marks: [number, number][]}} found @returns {{text: string, isFound: boolean}[]} */
export function markedParts({ excerpt, marks }) {
  const letters = [...excerpt]; // marks count code points
  const ends = [0, ...marks.flat(), letters.length];
  return ends.slice(1).map((end, i) => ({ text: visible(letters.slice(ends[i], end).join("")), isFound: i % 2 === 1 })).filter(({ text }) => text);
}

const FIELDS = { keywords: "keyword", people: "person", text: "text in the picture" };

/** What a field of a photo's texts is called. @param {string} field */
export const fieldName = (field) => FIELDS[/** @type {keyof typeof FIELDS} */ (field)] ?? field;

/** Stars to look at: "★★★★☆". @param {number} rating 0 to 5 */
export const starSigns = (rating) => "★".repeat(rating) + "☆".repeat(5 - rating);

/** What separates the parts of a path. Only the paths of Windows begin with a drive or a server; elsewhere, a name may have a backslash. @param {string} path */
export const separatorOf = (path) => (/^([a-z]:|\\\\)/i.test(path) ? "\\" : "/");

/** The last part of a path, or the whole path if it has no parts. @param {string} path */
export const fileName = (path) => visible(path.split(separatorOf(path)).pop() || path);

const FILMS = new Set(["MP4", "M4V", "MOV", "3GP", "WEBM", "MKV", "AVI", "WMV", "MPEG", "MTS"]);

/** Whether a photo is a film. @param {import("./api.js").Photo} photo */
export const isFilm = (photo) => FILMS.has(photo.format);

/** Which picture of a film or of a file with pages: "at 0:42", "at 1:02:03", "page 3"; "" for other photos. @param {import("./api.js").Photo} photo */
export function momentText({ moment }) {
  if (!moment) return "";
  if (moment.unit === "page") return `page ${moment.at}`;
  const seconds = Math.floor(moment.at);
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours ? `at ${hours}:${two(minutes)}:${two(seconds % 60)}` : `at ${minutes}:${two(seconds % 60)}`;
}

/** A photo's file name with its moment: "film.mp4 (at 0:42)". @param {import("./api.js").Photo} photo */
export const photoTitle = (photo) => fileName(photo.path) + (photo.moment ? ` (${momentText(photo)})` : "");

/** The folder of a path. @param {string} path */
export const folderOf = (path) => path.slice(0, Math.max(path.lastIndexOf(separatorOf(path)), 0)) || "/";

/**
 * A name on one line in one direction of writing. Control characters, direction marks and bytes that are not text become
 * escapes. The joiners in emoji stay.
 * @param {string} text
 */
export function visible(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, (c) => ("\u200c\u200d".includes(c) ? c : escaped(c)));
}

/** Lone surrogates as the bytes of a name that is not UTF-8, for which they stand, as `clipsearch query` shows them. @param {string} text */
export function withBytesEscaped(text) {
  return text.replace(/[\udc80-\udcff]/gu, escaped);
}

/** @param {string} character */
function escaped(character) {
  const code = character.charCodeAt(0);
  return code >= 0xdc80 && code <= 0xdcff ? `\\x${(code & 0xff).toString(16)}` : `\\u${code.toString(16).padStart(4, "0")}`;
}
