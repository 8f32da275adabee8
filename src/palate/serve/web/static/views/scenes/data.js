/* What data there is, what was refused of it, and what learning still needs. */
import { Empty, Table, html } from "../../parts.js";
import { words } from "../../words.js";
import { Asked, count, useAnswer, when } from "./asking.js";

export function Ready() {
  const of = useAnswer("ready");
  return html`<${Asked} of=${of}>${({ hints }) => html`
    <p><strong>${words.scenes.readyOf(hints.filter((hint) => hint.done).length, hints.length)}</strong></p>
    <ul class="hints">${hints.map((hint) => html`<li key=${hint.words} class=${hint.done ? "done" : "open"}>
      <span class="mark" aria-hidden="true">${hint.done ? "✓" : "!"}</span>
      <span><span class="unseen">${hint.done ? words.scenes.isDone : words.scenes.isOpen}</span> ${hint.words}.${hint.do && html` <span class="soft">${hint.do}</span>`}</span>
    </li>`)}</ul>`}<//>`;
}

export function Card() {
  const of = useAnswer("card");
  return html`<${Asked} of=${of}>${({ namespace, store, active }) => {
    const w = words.scenes.card;
    const kinds = Object.entries(namespace.events);
    return html`<dl class="facts">
        <dt>${w.model}</dt><dd>${active ? w.version(active.version, active.model) : w.none}</dd>
        <dt>${w.trained}</dt><dd>${when(active?.trained)}</dd>
        <dt>${w.users}</dt><dd>${count(namespace.users)}</dd>
        <dt>${w.items}</dt><dd>${count(namespace.items)}</dd>
        <dt>${w.lists}</dt><dd>${count(namespace.lists)}</dd>
        <dt>${w.span}</dt><dd>${when(namespace.first_event)} – ${when(namespace.newest_event)}</dd>
        <dt>${w.store}</dt><dd>${store.store}</dd>
        <dt>${w.size}</dt><dd>${w.megabytes(store.bytes / 1e6)}</dd>
      </dl>
      ${kinds.length ? html`<${Table} caption=${w.kinds} columns=${[{ title: w.kind }, { title: w.events, number: true }]}
          rows=${kinds.map(([kind, n]) => [kind, count(n)])} />` : html`<${Empty}>${w.noEvents}<//>`}`;
  }}<//>`;
}

export function Refused() {
  const of = useAnswer("refused");
  const w = words.scenes.refused;
  return html`<${Asked} of=${of}>${({ refused }) => (refused.length ? html`
    <${Table} caption=${w.caption} columns=${[{ title: w.time }, { title: w.why }, { title: w.field }, { title: w.path }, { title: w.n, number: true }]}
      rows=${refused.map((row) => [when(row.time), w.codes[row.code] ?? row.code, row.field || "–", row.path, count(row.n)])} />`
    : html`<${Empty}>${w.none}<//>`)}<//>`;
}
