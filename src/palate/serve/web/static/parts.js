/* What the views are made of. Data enter as children and attributes alone, never as markup. */
import htm from "./vendor/htm.js";
import { h } from "./vendor/preact.js";
import { words } from "./words.js";

export const html = htm.bind(h);

/** An empty state: a sentence, and what can be done. */
export function Empty({ children }) {
  return html`<p class="empty">${children}</p>`;
}

/** A refusal in words, with a way to go on. @param {{error: Error, again: () => void}} given */
export function Failed({ error, again }) {
  return html`<div class="failed" role="alert">
    <p>${error.message}</p>
    <button type="button" onClick=${again}>${words.frame.again}</button>
  </div>`;
}
