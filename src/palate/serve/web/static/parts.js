/* What the views are made of. Data enter as children and attributes alone, never as markup. */
import htm from "./vendor/htm.js";
import { h } from "./vendor/preact.js";
import { useEffect, useRef } from "./vendor/hooks.js";
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

/** A window above the page, of the browser's own: it keeps the focus, and Escape closes it. @param {{title: string, close: () => void}} given */
export function Popup({ title, close, children }) {
  const box = useRef(null);
  useEffect(() => box.current.showModal(), []);
  return html`<dialog ref=${box} onClose=${close} aria-label=${title}>
    <h2>${title}</h2>
    ${children}
    <p><button type="button" onClick=${() => box.current.close()}>${words.keys.close}</button></p>
  </dialog>`;
}
