/** Parameters in URLs. File names that are not UTF-8 have lone surrogates, which are encoded as the bytes that they stand for. */

/** @typedef {[name: string, value: string]} Pair */

/**
 * @param {Pair[]} pairs
 * @returns {string} "a=1&b=2", or ""
 */
export function encodePairs(pairs) {
  return pairs.map(([name, value]) => `${name}=${encode(value)}`).join("&");
}

/**
 * @param {string} query with or without its question mark
 * @returns {Pair[]}
 */
export function decodePairs(query) {
  const parts = query.replace(/^\?/, "").split("&").filter(Boolean);
  return parts.map((part) => {
    const [name, ...value] = part.split("=");
    return [decode(name), decode(value.join("="))];
  });
}

/** @param {string} text */
function encode(text) {
  const pieces = text.split(/(\p{Surrogate})/u); // with u, only a lone surrogate is one
  return pieces.map((piece, i) => (i % 2 ? byteOf(piece) : encodeURIComponent(piece).replaceAll("%20", "+"))).join("");
}

/** @param {string} surrogate U+DC80 to U+DCFF stand for the bytes 80 to FF (PEP 383) */
function byteOf(surrogate) {
  return `%${(surrogate.charCodeAt(0) & 0xff).toString(16).toUpperCase()}`;
}

/** @param {string} text */
function decode(text) {
  return text.replaceAll("+", " ").replace(/(?:%[0-9a-f]{2})+/gi, (run) => {
    try {
      return decodeURIComponent(run);
    } catch {
      const bytes = run.slice(1).split("%").map((digits) => parseInt(digits, 16));
      return String.fromCharCode(...bytes.map((byte) => (byte < 0x80 ? byte : 0xdc00 + byte)));
    }
  });
}
