/** Adding a folder to the index from the page. The server decides which folders it may be. */

import { ApiError, sentence } from "./api.js";
import { element } from "./dom.js";
import { separatorOf, visible } from "./format.js";

/** @typedef {{indexed: string[], below: string[], suggested: string[], offered: string | null, token: boolean}} Folders */

/**
 * @param {Folders} folders
 * @param {(folder: string, headers: Record<string, string>) => Promise<any>} add
 * @param {string} [draft] what was typed already
 */
export function folderForm({ indexed, below, suggested, token }, add, draft = "") {
  const others = below.filter((base) => !indexed.some((folder) => base === folder || base.startsWith(folder + separatorOf(folder))));
  const where = others.map(visible).join(" or ");
  if (!others.length && !token) {
    return element("p", { class: "soft" }, "Folders inside these are included. To add others, start the server with ", element("code", {}, "--allow-below FOLDER"), ", or index them on the command line.");
  }
  const field = element("input", { name: "folder", required: true, autocomplete: "off", spellcheck: "false", list: "folders-to-add", value: draft, "aria-describedby": "folder-problem folder-help", placeholder: others[0] ? `${visible(others[0])}${separatorOf(others[0])}…` : "/…" });
  const key = element("input", { name: "token", type: "password", autocomplete: "off", maxlength: "256", "aria-describedby": "folder-problem" });
  const keyLabel = element("label", { class: "field", hidden: others.length > 0 }, "The server's token", key);
  const problem = element("p", { id: "folder-problem", class: "problem", role: "alert" });
  /** What is wrong, and the field that it is about. @param {string} text @param {HTMLInputElement} [wrong] */
  const show = (text, wrong) => {
    problem.textContent = text;
    for (const input of [field, key]) input.setAttribute("aria-invalid", String(input === wrong));
  };
  const submit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    show("");
    try {
      await add(field.value.trim(), key.value ? { Authorization: `Bearer ${key.value.trim()}` } : {});
      field.value = "";
    } catch (error) {
      const isRefused = error instanceof ApiError && error.code === "not-allowed";
      const isBusy = error instanceof ApiError && ["index-busy", "running"].includes(error.code);
      if (isBusy) show(`The folder was not added, because ${error.code === "running" ? "photos are being indexed" : "another process is indexing"}. Add it when that has finished.`);
      else if (token && isRefused) {
        keyLabel.hidden = false;
        if (key.value) show("This is not the token of this server.", key);
        else show(`This folder is not below ${where}. To add it, enter the server's token.`, field);
        key.focus();
      } else if (isRefused) show(`This folder cannot be added. Choose one below ${where || below.map(visible).join(" or ")}, and check how it is written.`, field);
      else show(sentence(/** @type {Error} */ (error).message), error instanceof ApiError ? field : undefined);
    }
  };
  return element("details", { class: "add-folder", open: draft !== "" },
    element("summary", {}, "Add a folder"),
    element("form", { class: "facet", onsubmit: submit },
      element("label", { class: "field" }, "A folder on the server's machine", field),
      element("datalist", { id: "folders-to-add" }, ...suggested.map((path) => element("option", { value: path }))),
      keyLabel, problem,
      element("p", { id: "folder-help", class: "soft" }, where ? `You can add folders below ${where}${token ? "; others need the server's token" : ""}.` : "With the server's token, you can add any folder."),
      element("button", { type: "submit" }, "Add the folder and index its photos"),
    ),
  );
}
