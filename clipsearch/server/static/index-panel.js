/** The index panel: what is indexed, indexing new photos, failures. It also notices when the index changes. */

import { albums } from "./albums.js";
import { ApiError, ask, checkConnection, sentence, ServerGone, whenBack } from "./api.js";
import { byId, element, icon, iconButton } from "./dom.js";
import { folderForm } from "./folder-form.js";
import { bytes, count, counted, duration, visible } from "./format.js";
import { keepingPhotos } from "./keep-place.js";
import { announce, explainEmpty } from "./messages.js";
import { openPanel } from "./panel.js";
import { photos } from "./photos.js";

/**
 * @typedef {object} Job how far indexing is, or how it ended
 * @property {"idle" | "running" | "done" | "failed" | "cancelled"} state
 * @property {number} done
 * @property {number} total
 * @property {number} added
 * @property {number} updated
 * @property {number} removed
 * @property {number} failed
 * @property {"looking" | "model" | "photos"} stage
 * @property {number} [rate] files a second
 * @property {number} [seconds_left]
 * @property {string} [error]
 */

/** @type {EventSource | null} */
let indexEvents = null;
/** @type {EventSource | null} */
let jobEvents = null;
const progress = element("div", { class: "indexing" });
const CLOSED = "clipsearch-other-photos-closed";
const allRead = element("p", { class: "soft" }, "Every photo could be read.");
const firstBar = element("progress", { "aria-label": "Indexing" }); // in place of the photos, while the first ones are read
const firstWords = element("span", {});
/** @type {Element | null} the explanation why there are no photos; others may have taken its place */
let explanation = null;
let watching = false;
let isElsewhere = false; // whether another process is indexing
let images = 0; // in the index, as far as the page knows
/** @type {Job | null} */
let lastJob = null;
/** @type {string[]} */
let indexedFolders = [];

/** Call `changed` when the index has changed, while the page is visible. @param {() => void} changed */
export async function watchIndex(changed) {
  if (watching) return;
  let known = "";
  const listen = () => {
    indexEvents?.close(); // browsers limit connections to a server, so a hidden page gives its own up
    indexEvents = document.hidden ? null : new EventSource("/api/events");
    isElsewhere = false; // a new stream says it anew
    indexEvents?.addEventListener("writing", (event) => followOther(JSON.parse(event.data).elsewhere));
    indexEvents?.addEventListener("unindexed", (event) => tellOfOtherPhotos(JSON.parse(event.data).folder));
    indexEvents?.addEventListener("changed", () => tell().catch(() => {}));
    indexEvents?.addEventListener("albums", () => albums.refresh()); // perhaps of another device
    for (const trouble of ["error", "gone"]) indexEvents?.addEventListener(trouble, () => checkConnection());
    indexEvents?.addEventListener("error", () => indexEvents?.readyState === EventSource.CLOSED && whenBack(listen));
  };
  const tell = async () => {
    const { failures, index_bytes: size } = (await statusOfIndex()) ?? {};
    const now = `${images} ${failures} ${size}`;
    if (isElsewhere && lastJob) show(lastJob);
    if (known ? now !== known : images && explanation?.isConnected) {
      changed();
      if (byId("filters").open) (await import("./filters.js")).forgetCounts();
    }
    known = now;
  };
  await tell();
  show(await ask("/api/index"));
  watching = true;
  document.addEventListener("visibilitychange", () => {
    listen();
    if (!document.hidden) tell().catch(() => {}); // the banner reports that the server is gone
  });
  listen();
}

/** Above the photos: that they are not those of the folder that the server was started in. @param {string} folder */
function tellOfOtherPhotos(folder) {
  if (sessionStorage.getItem(CLOSED) === folder || document.querySelector(".other-photos")) return;
  const close = () => {
    sessionStorage.setItem(CLOSED, folder);
    keepingPhotos(() => line.remove());
  };
  const line = element("p", { class: "other-photos", role: "status" },
    element("span", {}, "The photos in ", element("bdi", {}, visible(folder)), " are not indexed yet. These are the photos of the last used index. To index that folder, run there: ", element("code", {}, "clipsearch serve --index .")),
    iconButton("close", "Close this note", close));
  keepingPhotos(() => byId("answer-notes").before(line));
}

/** What is indexed; null if there is no index yet. */
async function statusOfIndex() {
  try {
    const status = await ask("/api/status");
    images = status.images;
    return status;
  } catch (error) {
    images = 0;
    if (error instanceof ApiError && error.code === "no-index") return null;
    throw error;
  }
}

/**
 * Explain in place of the photos that nothing is indexed yet, and what to do; or how far indexing is.
 * @param {{isLimited?: boolean}} [options] whether there may be photos that the search does not find; nothing is explained then
 */
export async function explainNoPhotos({ isLimited = false } = {}) {
  const status = await statusOfIndex();
  if (isLimited && status?.images) return;
  const [{ offered }, job] = await Promise.all([ask("/api/folders"), ask("/api/index")]);
  if (photos.list.length) return; // they have come meanwhile
  explainWhy(status, offered, job);
  explanation = byId("empty").firstElementChild;
  if (isIndexing(job)) show(job);
}

/** @param {any} status @param {string | null} offered a folder @param {Job} job */
function explainWhy(status, offered, job) {
  if (isIndexing(job)) {
    explainIndexing();
    return;
  }
  if (offered) {
    explainEmpty("These photos are not indexed yet", {
      text: "clipsearch reads each photo once, on the machine that runs this server. You can search the first ones after a few seconds.",
      code: visible(offered),
      actions: [{ label: "Index these photos", isMain: true, act: () => openIndexPanel().then(() => command("POST", [offered])).catch(say) }],
      symbol: "folder",
    });
    return;
  }
  const { roots, index } = status ?? { roots: [], index: "DIR" };
  if (!roots.length) {
    const quoted = /^[\w/.:\\-]+$/.test(index) ? index : `'${visible(index).replaceAll("'", "'\\''")}'`; // quoted for a shell
    explainEmpty("No photos are indexed yet", { text: "Index a folder from the command line. Its photos appear here by themselves, the first ones after some seconds:", code: `clipsearch index FOLDER --index ${quoted}`, symbol: "folder" });
    return;
  }
  explainEmpty("No photos are indexed yet", {
    text: `No photos of ${roots.map((/** @type {{path: string}} */ root) => visible(root.path)).join(" or ")} are in the index.`,
    actions: [{ label: "Look for photos", act: openIndexPanel }],
    symbol: "folder",
  });
}

function explainIndexing() {
  explainEmpty("Indexing the photos", {
    code: element("span", { class: "first" }, firstBar, firstWords),
    actions: [{ label: "Show more about it", act: openIndexPanel }],
    symbol: "library",
  });
  explanation = byId("empty").firstElementChild;
}

/** How far indexing is, in place of the explanation why there are no photos; that again, if it ends without any. @param {Job} job */
function showFirst(job) {
  const isRunning = isIndexing(job);
  fill(firstBar, job);
  firstWords.textContent = summary(job);
  if (!explanation?.isConnected || isRunning === firstBar.isConnected) return;
  if (isRunning) explainIndexing();
  else if (!job.added) explainNoPhotos().catch(() => {}); // the banner says that the server is gone
}

/** @param {HTMLProgressElement} bar @param {Job} job */
function fill(bar, { state, stage, done, total }) {
  if (state === "running" && total && stage === "photos") Object.assign(bar, { max: total, value: done });
  else bar.removeAttribute("value");
  return bar;
}

/** Explain in place of the photos that the index has been removed, and how to have one again. */
export async function explainGoneIndex() {
  const { offered } = await ask("/api/folders").catch(() => ({ offered: null }));
  explainEmpty("The index is not there any more", {
    text: `If it is on a drive, connect that again, and the photos appear here. If it was removed, index the photos again${offered ? ":" : " on the command line:"}`,
    code: offered ? visible(offered) : "clipsearch index FOLDER",
    actions: offered ? [{ label: "Index these photos again", isMain: true, act: () => openIndexPanel().then(() => command("POST", [offered])).catch(say) }] : [],
    symbol: "warning",
  });
}

/** What is typed in the form for a folder, and whether the keyboard is there. */
function draftOfFolder() {
  const field = /** @type {HTMLInputElement | null} */ (byId("panel").open ? byId("panel").querySelector(".add-folder [name=folder]") : null);
  return { folder: field?.value ?? "", hasFocus: field !== null && field === document.activeElement };
}

export async function openIndexPanel() {
  const { folder: draft, hasFocus } = draftOfFolder();
  const waiting = element("p", { class: "soft" }, "…");
  openPanel("Index", waiting);
  const isLeft = () => !byId("panel").open || !waiting.isConnected; // closed meanwhile, or another panel has come
  try {
    const status = await statusOfIndex();
    const [failures, job, folders] = await Promise.all([status ? ask("/api/failures").then((answer) => answer.failures) : [], ask("/api/index"), ask("/api/folders")]);
    if (isLeft()) return;
    indexedFolders = folders.indexed;
    openPanel("Index", ...(status ? [facts(status)] : []), progress, ...(status ? [folderForm(folders, (folder, headers) => command("POST", [folder], headers), draft), failureList(failures), ...(status.images > 1 ? [copiesButton()] : [])] : []));
    show(job);
    if (hasFocus) /** @type {HTMLElement | null} */ (byId("panel").querySelector(".add-folder [name=folder]"))?.focus();
  } catch (error) {
    if (isLeft()) return;
    openPanel("Index", element("p", {}, /** @type {Error} */ (error).message));
    if (error instanceof ServerGone) whenBack(() => byId("panel").open && openIndexPanel());
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

/** @param {{path: string, reason: string, advice: string}[]} failures */
function failureList(failures) {
  if (!failures.length) return allRead;
  return element("details", { class: "failures", open: failures.length < 20 },
    element("summary", {}, `${counted(failures.length, "file")} could not be read`),
    element("ul", {}, ...failures.slice(0, 1000).map(({ path, reason, advice }) => element("li", {}, element("bdi", {}, visible(path)), element("span", { class: "soft" }, visible(`${reason}: ${advice}`))))),
  );
}

function copiesButton() {
  const open = async () => (await import("./duplicates-panel.js")).openDuplicatesPanel();
  return element("div", {}, element("button", { type: "button", onclick: open }, icon("similar"), "Find copies"));
}

/**
 * Start indexing, or end it.
 * @param {"POST" | "DELETE"} method @param {string[]} [folders] all that are indexed by default @param {Record<string, string>} [headers]
 */
async function command(method, folders, headers) {
  const answer = await ask("/api/index", { method, body: method === "POST" ? { folders } : undefined, headers });
  show(answer.job ?? answer);
}

/** @param {Error} error */
const say = (error) => announce(sentence(error.message));

/** Whether photos are being indexed, here or by another process. @param {Job} job */
const isIndexing = (job) => job.state === "running" || isElsewhere;

/** Another process begins to index, or ends. @param {boolean} is */
function followOther(is) {
  if (is === isElsewhere) return;
  isElsewhere = is;
  if (lastJob) show(lastJob);
  if (!is && lastJob?.state === "failed") ask("/api/index").then(show).catch(() => {}); // it may have failed because of the other process
  if (!is && byId("panel").open && progress.isConnected) openIndexPanel(); // the counts and the failures have changed
}

/** @param {Job} job */
function show(job) {
  lastJob = job;
  const running = job.state === "running";
  if (running) follow();
  const button = byId("open-library");
  button.classList.toggle("running", isIndexing(job));
  button.title = isElsewhere && !running ? summary(job) : running ? `Indexing: ${summary(job)}` : "The index: folders, new photos, failures";
  allRead.hidden = isIndexing(job); // it is not known yet
  const hadFocus = progress.contains(document.activeElement);
  progress.replaceChildren(
    isIndexing(job) ? fill(element("progress", { "aria-label": "Indexing" }), job) : "",
    element("p", { role: job.state === "running" ? null : "status" }, summary(job)), // a screen reader does not read every step
    running
      ? element("button", { type: "button", onclick: () => command("DELETE").catch(say) }, "Stop indexing")
      : isElsewhere ? "" : element("button", { type: "button", class: "primary", onclick: () => command("POST").catch(say) }, "Look for new photos"),
  );
  if (hadFocus) progress.querySelector("button")?.focus();
  showFirst(job);
}

/** @param {Job} job */
function summary({ state, stage, done, total, rate, seconds_left: left, added, updated, removed, failed, error }) {
  const found = [[added, "added"], [updated, "updated"], [removed, "removed"], [failed, "failed"]].filter(([n]) => n).map(([n, what]) => `${count(Number(n))} ${what}`).join(", ");
  if (isElsewhere && state !== "running") return `Another process is indexing. There are ${counted(images)} now.`;
  switch (state) {
    case "idle": return indexedFolders.length === 0 ? "" : `Looks through ${indexedFolders.length === 1 ? visible(indexedFolders[0]) : counted(indexedFolders.length, "folder")} for new, changed and deleted photos.`;
    case "running":
      if (!total || stage === "looking") return "Looking for what has changed…";
      if (stage === "model") return `${counted(total)} to read. Loading the model…`;
      return [`${count(done)} of ${counted(total)}`, rate && `${rate < 10 ? rate.toFixed(1) : count(Math.round(rate))} a second`, left != null && `${duration(left)} left`].filter(Boolean).join(", ");
    case "failed": return sentence(error ?? "Indexing failed");
    case "cancelled": return `Stopped. Finished photos are kept${found && `: ${found}`}.`;
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
