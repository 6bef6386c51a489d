// Runs before the page is painted, so that the other theme does not flash first, and the photos do not move when the filters
// appear beside them.
const chosenTheme = localStorage.getItem("clipsearch-theme");
if (chosenTheme === "light" || chosenTheme === "dark") document.documentElement.dataset.theme = chosenTheme;
const hasFilters = matchMedia("(min-width: 75rem)").matches && localStorage.getItem("clipsearch-filters") !== "closed";
document.documentElement.classList.toggle("with-filters", hasFilters);
