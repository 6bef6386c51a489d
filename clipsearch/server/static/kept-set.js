/** Sets of texts that are kept in this tab, for a reload. */

/** @param {string} key of the tab's storage @returns {Set<string>} */
export function keptSet(key) {
  /** @type {Set<string>} */
  const kept = new Set(JSON.parse(sessionStorage.getItem(key) ?? "[]"));
  addEventListener("pagehide", () => {
    try {
      sessionStorage.setItem(key, JSON.stringify([...kept]));
    } catch { // no room for so many
      sessionStorage.removeItem(key);
    }
  });
  return kept;
}
