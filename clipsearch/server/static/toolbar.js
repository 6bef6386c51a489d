/** The line above the photos: their number, order and size. */

import { byId } from "./dom.js";
import { counted } from "./format.js";
import { finished } from "./language.js";
import { photos } from "./photos.js";
import { canJudge, changes, changeSearch, currentSearch, isQuery } from "./state.js";

/** @typedef {import("./state.js").Search} Search */

/** @param {(scale: number) => void} rescale */
export function setUpToolbar(rescale) {
  const sort = byId("sort");
  const relevant = byId("relevant");
  const hybrid = byId("hybrid");
  const smart = byId("smart");
  const everyFile = byId("every-file");
  const allMoments = byId("all-moments");
  const scale = byId("scale");
  const show = () => {
    const search = currentSearch();
    const querying = isQuery(search);
    sort.options[0].hidden = sort.options[0].disabled = !querying;
    sort.value = search.sort || (querying ? "score" : "date");
    hybrid.checked = !search.byMeaning;
    smart.checked = !search.asTyped;
    for (const box of [hybrid, smart]) box.closest("label").hidden = finished(search.q) === "";
    relevant.checked = search.relevant;
    relevant.disabled = !canJudge(search);
    relevant.closest("label").hidden = !querying;
    relevant.closest("label").classList.toggle("off", relevant.disabled);
    relevant.closest("label").title = canJudge(search) ? "" : "Matches are known for words only, not for pictures";
  };
  const showSwitches = () => {
    const search = currentSearch();
    allMoments.checked = search.allMoments;
    allMoments.closest("label").hidden = !search.allMoments && !photos.list.some((photo) => photo.moment);
    everyFile.checked = search.everyFile;
    everyFile.closest("label").hidden = search.allMoments || (!search.everyFile && !photos.list.some((photo) => photo.others));
  };
  sort.addEventListener("change", () => changeSearch({ sort: sort.value === (isQuery(currentSearch()) ? "score" : "date") ? "" : sort.value }));
  relevant.addEventListener("change", () => changeSearch({ relevant: relevant.checked }));
  hybrid.addEventListener("change", () => changeSearch({ byMeaning: !hybrid.checked }));
  smart.addEventListener("change", () => changeSearch({ asTyped: !smart.checked }));
  everyFile.addEventListener("change", () => changeSearch({ everyFile: everyFile.checked }));
  allMoments.addEventListener("change", () => changeSearch({ allMoments: allMoments.checked }));
  scale.value = localStorage.getItem("clipsearch-scale") ?? "1";
  scale.addEventListener("input", () => {
    localStorage.setItem("clipsearch-scale", scale.value);
    rescale(Number(scale.value));
  });
  rescale(Number(scale.value));
  changes.addEventListener("search", show);
  for (const event of ["shown", "more"]) {
    photos.addEventListener(event, showStatus);
    photos.addEventListener(event, showSwitches);
  }
  show();
}

function showStatus() {
  byId("status").textContent = photos.search ? summary(photos.search) : "";
}

/** @param {Readonly<Search>} search */
function summary(search) {
  const { list, considered, complete } = photos;
  if (!isQuery(search)) return counted(considered);
  if (search.relevant && canJudge(search)) return `${counted(list.length)}${complete ? "" : " and more"} of ${counted(considered)} match`;
  if (search.sort && search.sort !== "score") return list.length < considered ? `The best ${list.length} of ${counted(considered)}` : counted(considered);
  const time = photos.seconds ? `, ${Math.max(1, Math.round(photos.seconds * 1000))} ms` : "";
  return `${counted(considered)}${time}`;
}
