/** The filter by date: bars by year, or by month within a year, and a first and a last day. */

import { element } from "./dom.js";
import { counted, month } from "./format.js";
import { changeSearch } from "./state.js";

/** @typedef {{value: string, images: number}} Count */

const YEAR = /^\d{4}(?!\d)/; // an address may have anything instead of a date
const MOST_YEARS = 40; // in a chart that also has bars for years without photos

/**
 * @param {Count[]} years "2019" @param {Count[]} months "2019-07"
 * @param {Readonly<import("./state.js").Search>} search
 * @param {{isCounted: boolean, problem: string | null}} options whether the counts are there; and why the dates cannot be used
 */
export function datesSection(years, months, { from, to }, { isCounted, problem }) {
  const year = YEAR.test(from) && from.slice(0, 4) === to.slice(0, 4) ? from.slice(0, 4) : "";
  const bars = year ? monthsOf(year, months) : allYears(years);
  return element("section", { class: "facet" },
    element("h3", {}, "Date"),
    bars.length > 0 || !isCounted ? chart(bars, from, to) : !from && !to && element("p", { class: "soft" }, "No photo has a date"),
    year && element("button", { type: "button", class: "link", "data-key": "all years", onclick: () => changeSearch({ from: "", to: "" }) }, "All years"),
    (bars.length > 0 || !isCounted || from || to) && element("div", { class: "period" }, dayField("From", "from", firstDay(from), problem), dayField("To", "to", lastDay(to), problem)),
    problem && element("p", { class: "problem", id: "wrong-dates", role: "alert" }, problem),
  );
}

/** @param {Count[]} bars @param {string} from @param {string} to */
function chart(bars, from, to) {
  const most = Math.max(...bars.map((bar) => bar.images));
  const list = element("ol", { class: "bars" });
  for (const { value, images } of bars) {
    const name = value.length > 4 ? month(value) : value;
    const isChosen = from !== "" && from === to && from === value;
    const bar = element("span", { class: "bar" });
    bar.style.height = images ? `${Math.max(4, (images / most) * 100)}%` : "0";
    list.append(element("li", {}, element("button", {
      type: "button", title: `${name}: ${counted(images)}`, "aria-label": `${name}: ${counted(images)}`, "aria-pressed": String(isChosen),
      disabled: images === 0, "data-key": `bar ${value}`, onclick: () => choose(value, isChosen),
    }, bar)));
  }
  const ends = bars.length > 1 ? [bars[0], bars[bars.length - 1]] : bars.length ? bars : [{ value: "\u00a0" }]; // as high as with bars
  return element("div", { class: "chart" }, list, element("div", { class: "ends", "aria-hidden": "true" },
    ...ends.map(({ value }) => element("span", {}, value.length > 4 ? month(value) : value))));
}

/** @param {string} value @param {boolean} isChosen */
function choose(value, isChosen) {
  if (!isChosen) changeSearch({ from: value, to: value });
  else if (value.length > 4) changeSearch({ from: value.slice(0, 4), to: value.slice(0, 4) });
  else changeSearch({ from: "", to: "" });
}

/** @param {string} label @param {"from" | "to"} name @param {string} value @param {string | null} problem */
function dayField(label, name, value, problem) {
  return element("label", { class: "field" }, label, element("input", {
    type: "date", value, max: "9999-12-31", "data-key": `day ${name}`, "aria-invalid": String(problem !== null), "aria-describedby": problem === null ? null : "wrong-dates",
    onchange: (/** @type {Event} */ event) => changeSearch({ [name]: /** @type {HTMLInputElement} */ (event.target).value }),
  }));
}

/** @param {Count[]} years @returns {Count[]} with the years between them that have no photos, unless there are too many */
function allYears(years) {
  const [first, last] = [Number(years[0]?.value), Number(years[years.length - 1]?.value)];
  if (!(last - first < MOST_YEARS)) return years;
  const counts = new Map(years.map(({ value, images }) => [value, images]));
  return Array.from({ length: last - first + 1 }, (_, i) => String(first + i).padStart(4, "0")).map((value) => ({ value, images: counts.get(value) ?? 0 }));
}

/** @param {string} year @param {Count[]} months @returns {Count[]} */
function monthsOf(year, months) {
  const counts = new Map(months.map(({ value, images }) => [value, images]));
  return Array.from({ length: 12 }, (_, i) => `${year}-${String(i + 1).padStart(2, "0")}`).map((value) => ({ value, images: counts.get(value) ?? 0 }));
}

/** @param {string} date as much as is known of it */
const firstDay = (date) => (date.length === 4 ? `${date}-01-01` : date.length === 7 ? `${date}-01` : date.slice(0, 10));

/** @param {string} date */
function lastDay(date) {
  if (date.length === 4) return `${date}-12-31`;
  if (date.length !== 7) return date.slice(0, 10);
  const [year, number] = date.split("-").map(Number);
  return `${date}-${new Date(Date.UTC(year, number, 0)).getUTCDate()}`;
}
