/* What the views are made of. Data enter as children and attributes alone, never as markup. */
import { useLayoutEffect, useRef } from "./vendor/hooks.js";
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

/**
 * A table that scrolls by itself where it is wider than the screen.
 * @param {{caption: string, columns: {title: string, number?: boolean}[], rows: any[][]}} given
 */
export function Table({ caption, columns, rows }) {
  const kind = (at) => (columns[at].number ? "number" : undefined);
  return html`<div class="table" role="region" aria-label=${caption} tabindex="0"><table>
    <caption>${caption}</caption>
    <thead><tr>${columns.map(({ title }, at) => html`<th key=${at} scope="col" class=${kind(at)}>${title}</th>`)}</tr></thead>
    <tbody>${rows.map((cells, row) => html`<tr key=${row}>${cells.map((cell, at) => html`<td key=${at} class=${kind(at)}>${cell}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}

/**
 * Ask once more before something that a click cannot undo; the words say what will happen, and No has the focus.
 * @param {{title: string, yes: string, onYes: () => void, onNo: () => void, children: any}} given
 */
export function Dialog({ title, yes, onYes, onNo, children }) {
  const box = useRef(null);
  useLayoutEffect(() => box.current.showModal(), []); /* before a key can be pressed on it */
  return html`<dialog ref=${box} aria-labelledby="dialog-title" onCancel=${(event) => (event.preventDefault(), onNo())}>
    <h2 id="dialog-title">${title}</h2>
    <p>${children}</p>
    <p class="choice"><button type="button" autofocus onClick=${onNo}>${words.frame.no}</button>
      <button type="button" class="strong" onClick=${onYes}>${yes}</button></p>
  </dialog>`;
}

/** A window above the page, of the browser's own: it keeps the focus, and Escape closes it. @param {{title: string, close: () => void}} given */
export function Popup({ title, close, children }) {
  const box = useRef(null);
  useLayoutEffect(() => box.current.showModal(), []); /* before a key can be pressed on it */
  return html`<dialog ref=${box} onClose=${close} aria-label=${title}>
    <h2>${title}</h2>
    ${children}
    <p><button type="button" onClick=${() => box.current.close()}>${words.keys.close}</button></p>
  </dialog>`;
}
