// The one script that runs before the page is painted: a chosen theme must not flash as the other one first, and the photos must
// not move when the filters come beside them.
const chosenTheme = localStorage.getItem("clipsearch-theme");
if (chosenTheme === "light" || chosenTheme === "dark") document.documentElement.dataset.theme = chosenTheme;
const hasFilters = matchMedia("(min-width: 75rem)").matches && localStorage.getItem("clipsearch-filters") !== "closed";
document.documentElement.classList.toggle("with-filters", hasFilters);
