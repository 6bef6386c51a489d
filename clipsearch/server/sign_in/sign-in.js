/** Signing in. The token may come with the address, behind its #: that part never leaves the browser. */

const form = /** @type {HTMLFormElement} */ (document.getElementById("sign-in"));
const field = /** @type {HTMLInputElement} */ (document.getElementById("token"));
const problem = /** @type {HTMLElement} */ (document.getElementById("problem"));

/** The token of the address, which is taken out of it, so that neither the history nor a bookmark keeps it. */
function takeToken() {
  const behind = new URLSearchParams(location.hash.slice(1));
  const address = new URL(location.href);
  const token = behind.get("sign-in") ?? behind.get("token") ?? address.searchParams.get("token"); // the last is how old addresses had it
  address.hash = "";
  address.searchParams.delete("token");
  history.replaceState(null, "", address.pathname + address.search);
  return token ?? "";
}

/** Exchange a token for a cookie, and open the page at the same address: the search in it stays. @param {string} token @param {string} wrong what to say if the server refuses it */
async function signIn(token, wrong) {
  let response;
  try {
    response = await fetch("/api/session", {
      method: "POST", body: JSON.stringify({ token }), headers: { "Clipsearch-Client": "page", "Content-Type": "application/json" },
    });
  } catch {
    show("The server does not answer. Try again in a moment.");
    return;
  }
  if (response.ok) location.replace(location.href);
  else show(wrong, field.value !== "");
}

/** The form, with what is wrong. @param {string} text @param {boolean} [isEntered] whether it is about what was entered */
function show(text, isEntered = false) {
  form.hidden = false;
  problem.textContent = text;
  field.setAttribute("aria-invalid", String(isEntered));
  field.select();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  signIn(field.value.trim(), "This is not the token of this server.");
});

async function start() {
  const token = takeToken();
  if (token) {
    field.value = "";
    await signIn(token, "This address has been used, or the server was restarted. Ask for a new address, or enter the token.");
    return;
  }
  // a link on another site opens the page without its cookie, which is sent again from here
  const session = await fetch("/api/session").then((response) => response.json()).catch(() => null);
  if (session?.signed_in) location.replace(location.href);
  else show("");
}

window.addEventListener("hashchange", start); // another address of this page, opened in the same tab
start();
