/** What albums are called now that were renamed in this tab, for addresses of its history that have their old names. */

const KEPT = "clipsearch-renamed-albums"; // for a reload

/** @type {Map<string, string>} new names by old ones */
const renamed = new Map(JSON.parse(sessionStorage.getItem(KEPT) ?? "[]"));

/** @param {string} name of an album, or "" @returns {string} what it is called now */
export const nameNow = (name) => renamed.get(name) ?? name;

/** @param {string} name @param {string} newName */
export function rememberRename(name, newName) {
  for (const [old, now] of renamed) if (now === name) renamed.set(old, newName);
  renamed.set(name, newName);
  renamed.delete(newName); // it may have been an old name, too
  keep();
}

/** There is an album of this name, so that it is no old name any more. @param {string} name */
export function forgetRename(name) {
  if (renamed.delete(name)) keep();
}

const keep = () => sessionStorage.setItem(KEPT, JSON.stringify([...renamed]));
