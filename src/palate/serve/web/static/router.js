/* The address: what people share and come back to. All of it stands in the query, so any id fits, and reload is free. */
import { signal } from "./vendor/signals.js";

/** The view of the address that says none. */
export const FIRST = "for-you";
/** @type {{value: Record<string, string>}} what the address says; its `view` is never missing */
export const at = signal(read());

/** Return the address with a change; a value of null or undefined leaves it out. @param {Record<string, any>} change */
export function to(change) {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...at.value, ...change })) {
    if (value !== null && value !== undefined && !(name === "view" && value === FIRST)) given.set(name, String(value));
  }
  return `?${given}`;
}

/** Go to an address. @param {Record<string, any>} change @param {{replace?: boolean}} how */
export function go(change, { replace = false } = {}) {
  const address = to(change);
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  at.value = read();
}

function read() {
  return { view: FIRST, ...Object.fromEntries(new URLSearchParams(location.search)) };
}

addEventListener("popstate", () => (at.value = read()));
/* A link of the page's own changes what is shown, and loads nothing; with Ctrl and the like it opens as links do. */
addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='?']");
  if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  history.pushState(null, "", link.getAttribute("href"));
  at.value = read();
});
