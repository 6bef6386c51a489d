/**
 * The query language, as clipsearch/query/language.py parses it, so that the page can show and change each term:
 *
 *     query := term { ("+" | "-") term }
 *     term  := [WEIGHT ":"] words | [WEIGHT ":"] '"' anything '"'
 *
 * If the closing quote is missing, the quoted text reaches to the end.
 */

/**
 * @typedef {object} TextTerm
 * @property {string} text as it was typed, with its quotes
 * @property {number} weight above 0
 * @property {boolean} negative whether the search steers away from it
 */

const WORD = /(?:(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?:)?(?:"[^"]*"(?=\s|$)|"(?<open>\s*[^\s"][^"]*)$)|\S+/gi;
const WEIGHT = /^((?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?):(?=[^\s\d])/i;

/** The weights that − and + step through. */
const STEPS = [0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 5];

/**
 * The terms of a text. A sign with nothing after it is not a term yet.
 * @param {string} query
 * @returns {TextTerm[]}
 */
export function parseTerms(query) {
  /** @type {TextTerm[]} */
  const terms = [];
  let negative = false;
  /** @type {string[]} */
  let words = [];
  const finish = () => {
    if (words.length) terms.push(term(words, negative));
    words = [];
  };
  for (const [word] of closed(query).matchAll(WORD)) {
    if (word === "+" || word === "-") {
      finish();
      negative = word === "-";
    } else {
      words.push(word);
    }
  }
  finish();
  return terms;
}

/** @param {string[]} words @param {boolean} negative @returns {TextTerm} */
function term(words, negative) {
  const text = words.join(" ");
  const found = WEIGHT.exec(text);
  return found ? { text: text.slice(found[0].length), weight: Number(found[1]), negative } : { text, weight: 1, negative };
}

/**
 * The inverse of parseTerms.
 * @param {TextTerm[]} terms
 */
export function formatTerms(terms) {
  return terms
    .map(({ text, weight, negative }, i) => {
      const sign = negative ? "- " : i ? "+ " : "";
      const safe = weight !== 1 && /^\d/.test(text) ? `"${text}"` : text; // "2:2 dogs" would not be read as a weight
      return `${sign}${weight === 1 ? "" : `${weight}:`}${safe}`;
    })
    .join(" ");
}

/** The query without signs at its end that have no term yet. @param {string} query */
export function finished(query) {
  return (openQuote(query) ? query : query.replace(/(?:(?:^|\s+)[+-])+\s*$/, "")).trim();
}

/** What follows a double quote that is not closed; "" if there is none. @param {string} query */
export const openQuote = (query) => [...query.matchAll(WORD)].at(-1)?.groups?.open?.trim() ?? "";

/** The query with its last quote closed. @param {string} query */
export const closed = (query) => (openQuote(query) ? `${query.trimEnd()}"` : query);

/** The next weight above or below one. @param {number} weight @param {1 | -1} direction */
export function stepWeight(weight, direction) {
  const next = direction > 0 ? STEPS.find((step) => step > weight) : STEPS.findLast((step) => step < weight);
  return next ?? weight;
}
