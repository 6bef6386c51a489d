/** Light, dark, or the system's theme; before-paint.js applies the choice before the page is painted. */

import { byId } from "./dom.js";
import { announce } from "./messages.js";

const NEXT = /** @type {const} */ ({ auto: "light", light: "dark", dark: "auto" });
const SAYS = { auto: "as the system", light: "light", dark: "dark" };

export function setUpThemeSwitch() {
  const button = byId("switch-theme");
  let theme = /** @type {keyof typeof NEXT} */ (document.documentElement.dataset.theme ?? "auto");
  const name = () => {
    button.setAttribute("aria-label", `Theme: ${SAYS[theme]}`);
    button.title = `Theme: ${SAYS[theme]}`;
  };
  button.addEventListener("click", () => {
    theme = NEXT[theme];
    localStorage.setItem("clipsearch-theme", theme);
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    name();
    announce(`Theme: ${SAYS[theme]}`);
  });
  name();
}
