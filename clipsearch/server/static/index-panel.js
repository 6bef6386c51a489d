/** The index panel: what is indexed, indexing new photos, failures. It also notices when the index changes. */

import { ask } from "./api.js";
import { byId, element, icon } from "./dom.js";
import { bytes, count, counted, visible } from "./format.js";
import { announce, explainEmpty } from "./messages.js";
import { openPanel } from "./panel.js";

/**
 * @typedef {object} Job how far indexing is, or how it ended
 * @property {"idle" | "running" | "done" | "failed" | "cancelled"} state
 * @property {number} done
 * @property {number} total
 * @property {number} added
 * @property {number} updated
 * @property {number} removed
 * @property {number} failed
 * @property {string} [error]
 */

/** @type {EventSource | null} */
let indexEvents = null;
/** @type {EventSource | null} */
let jobEvents = null;
const progress = element("div", { class: "indexing" });

/** Call `changed` when the index has changed, while the page is visible. @param {() => void} changed */
export async function watchIndex(changed) {
  let known = "";
  const listen = () => {
    indexEvents?.close(); // browsers limit connections to a server, so a hidden page gives its own up
    indexEvents = document.hidden ? null : new EventSource("/api/events");
    indexEvents?.addEventListener("changed", () => tell());
  };
  const tell = async () => {
    const { images, failures, index_bytes: size } = await ask("/api/status");
    const now = `${images} ${failures} ${size}`;
    if (known && now !== known) {
      changed();
      if (byId("filters").open) (await import("./filters.js")).forgetCounts();
    }
    known = now;
  };
  document.addEventListener("visibilitychange", () => {
    listen();
    if (!document.hidden) tell().catch(() => {}); // the banner reports that the server is gone
  });
  listen();
  await tell();
  show(await ask("/api/index"));
}

/** Explain in place of the photos that nothing is indexed yet, and what to do. */
export async function explainNoPhotos() {
  const { roots, index } = await ask("/api/status");
  if (!roots.length) {
    const quoted = /^[\w/.:\\-]+$/.test(index) ? index : `'${visible(index).replaceAll("'", "'\\''")}'`; // quoted for a shell
    explainEmpty("No photos are indexed yet", { text: "Index a folder from the command line, and its photos appear here:", code: `clipsearch index FOLDER --index ${quoted}`, symbol: "folder" });
    return;
  }
  explainEmpty("No photos are indexed yet", {
    text: `${roots.map((/** @type {{path: string}} */ root) => visible(root.path)).join(", ")} ${roots.length === 1 ? "has" : "have"} no photos in the index.`,
    actions: [{ label: "Look for photos", act: openIndexPanel }],
    symbol: "folder",
  });
}

export async function openIndexPanel() {
  openPanel("Index", element("p", { class: "soft" }, "…"));
  try {
    const [status, { failures }, job] = await Promise.all([ask("/api/status"), ask("/api/failures"), ask("/api/index")]);
    openPanel("Index", facts(status), progress, failureList(failures), ...(status.images > 1 ? [copiesButton()] : []));
    show(job);
  } catch (error) {
    openPanel("Index", element("p", {}, /** @type {Error} */ (error).message));
  }
}

/** @param {any} status */
function facts(status) {
  /** @type {[string, string][]} */
  const rows = [
    ["Photos", `${count(status.images)}, ${bytes(status.photo_bytes)}`],
    ["Model", status.model ? `${status.model.model}, ${status.model.dim} dimensions` : "none yet"],
    ["Index", `${visible(status.index)}, ${bytes(status.index_bytes)}`],
    ...status.roots.map((/** @type {any} */ root) => ["Folder", visible(root.path) + (root.present ? "" : " (not found now)")]),
  ];
  return element("dl", { class: "facts" }, ...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, element("bdi", {}, value))]));
}

/** @param {{path: string, reason: string}[]} failures */
function failureList(failures) {
  if (!failures.length) return element("p", { class: "soft" }, "Every photo could be read.");
  return element("details", { class: "failures", open: failures.length < 20 },
    element("summary", {}, `${counted(failures.length, "file")} could not be read`),
    element("ul", {}, ...failures.slice(0, 1000).map(({ path, reason }) => element("li", {}, element("bdi", {}, visible(path)), element("span", { class: "soft" }, visible(reason))))),
  );
}

function copiesButton() {
  const open = async () => (await import("./duplicates-panel.js")).openDuplicatesPanel();
  return element("div", {}, element("button", { type: "button", onclick: open }, icon("similar"), "Find copies"));
}

/** Start indexing, or end it. @param {"POST" | "DELETE"} method */
async function command(method) {
  try {
    const answer = await ask("/api/index", { method, body: method === "POST" ? {} : undefined });
    show(answer.job ?? answer);
  } catch (error) {
    announce(/** @type {Error} */ (error).message);
  }
}

/** @param {Job} job */
function show(job) {
  const running = job.state === "running";
  if (running) follow();
  const button = byId("open-library");
  button.classList.toggle("running", running);
  button.title = running ? `Indexing: ${count(job.done)} of ${count(job.total)}` : "The index: new photos, failures";
  const hadFocus = progress.contains(document.activeElement);
  progress.replaceChildren(
    running && job.total ? element("progress", { max: String(job.total), value: String(job.done), "aria-label": "Indexing" }) : running ? element("progress", { "aria-label": "Indexing" }) : "",
    element("p", { role: "status" }, summary(job)),
    running
      ? element("button", { type: "button", onclick: () => command("DELETE") }, "Cancel")
      : element("button", { type: "button", class: "primary", onclick: () => command("POST") }, "Look for new photos"),
  );
  if (hadFocus) progress.querySelector("button")?.focus();
}

/** @param {Job} job */
function summary({ state, done, total, added, updated, removed, failed, error }) {
  const found = [[added, "added"], [updated, "updated"], [removed, "removed"], [failed, "failed"]].filter(([n]) => n).map(([n, what]) => `${count(Number(n))} ${what}`).join(", ");
  switch (state) {
    case "idle": return "Finds new, changed and deleted photos.";
    case "running": return total ? `${count(done)} of ${counted(total)}${found && `: ${found}`}` : "Looking for what has changed…";
    case "failed": return error ?? "Indexing failed.";
    case "cancelled": return `Cancelled. Finished photos are kept${found && `: ${found}`}.`;
    default: return found ? `Done: ${found}.` : "Done: everything was up to date.";
  }
}

/** Show a job's progress until it ends. */
function follow() {
  if (jobEvents) return;
  jobEvents = new EventSource("/api/index/events");
  jobEvents.addEventListener("progress", (event) => show(JSON.parse(event.data)));
  for (const end of ["done", "failed", "cancelled"]) {
    jobEvents.addEventListener(end, (event) => {
      jobEvents?.close();
      jobEvents = null;
      const job = JSON.parse(/** @type {MessageEvent} */ (event).data);
      show(job);
      announce(summary(job));
      if (byId("panel").open && progress.isConnected) openIndexPanel(); // the counts and the failures have changed
    });
  }
}
