// Runs before the page is painted, so that the other theme does not flash first, and the photos do not move when the filters
// appear beside them.
const chosenTheme = localStorage.getItem("clipsearch-theme");
if (chosenTheme === "light" || chosenTheme === "dark") document.documentElement.dataset.theme = chosenTheme;
const hasFilters = matchMedia("(min-width: 75rem)").matches && localStorage.getItem("clipsearch-filters") !== "closed";
document.documentElement.classList.toggle("with-filters", hasFilters);
// Bars that take no room, as on a Mac or a phone, need no room that waits for them: it would be given back when the strip comes.
const probe = document.documentElement.appendChild(document.createElement("div"));
Object.assign(probe.style, { position: "fixed", visibility: "hidden", overflow: "scroll", width: "100px" });
document.documentElement.classList.toggle("overlaid-bars", probe.offsetWidth === probe.clientWidth);
probe.remove();
