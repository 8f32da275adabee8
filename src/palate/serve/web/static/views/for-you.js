/* For you: the list, at once; each click moves it. */
import { Card } from "../cards.js";
import { load, recall, undo, undoable, wanted } from "../changes.js";
import { flip } from "../moving.js";
import { Popup, Empty, Failed, html } from "../parts.js";
import { go, to } from "../router.js";
import { list, me, refused } from "../state.js";
import { useEffect, useLayoutEffect, useRef, useState } from "../vendor/hooks.js";
import { words } from "../words.js";
import { Filters, clear } from "./filters.js";
import { pressed } from "./keys.js";

const title = words.forYou.title;
const MORE = 20;
const MOST = 100;

export function View() {
  const [error, setError] = useState(null);
  const [help, setHelp] = useState(false);
  const look = () => {
    setError(null);
    load().catch(setError);
  };
  useEffect(recall, [me.value.person]);
  useEffect(look, [me.value.person, JSON.stringify(wanted())]);
  return html`<section class="for-you" onKeyDown=${(event) => pressed(event, () => setHelp(true))}>
    <${Filters} />
    <${Undo} />
    ${error ? html`<${Failed} error=${error} again=${look} />` : html`<${List} />`}
    <p class="keys"><button type="button" class="plain" onClick=${() => setHelp(true)}>${words.keys.title}</button></p>
    ${help && html`<${Keys} close=${() => setHelp(false)} />`}
  </section>`;
}

/** The list, for this view and for those that keep it in sight. */
export function List() {
  const { items, of, left, busy, words: said } = list.value;
  const box = useRef(null);
  useLayoutEffect(() => flip(box.current));
  if (of === null) return html`<p class="waiting" role="status">${words.forYou.waiting}</p>`;
  if (!items.length && (left || !of)) return html`<${Empty}>${words.forYou.none(of)}<//>`;
  if (!items.length) return html`<${Empty}>${words.forYou.narrow} <button type="button" class="plain" onClick=${() => clear()}>${words.filters.clear}</button><//>`;
  return html`${said && html`<p class="policy">${words.forYou.policy(said)} <a href=${to({ view: "new" })}>${words.forYou.questions}</a>.</p>`}
    <ol class="cards" ref=${box} aria-busy=${busy} aria-label=${title}>
      ${items.map((film) => html`<li key=${film.item}><${Card} film=${film} /></li>`)}
    </ol>
    ${items.length < Math.min(left, MOST) && items.length >= (wanted().n ?? MORE) && html`<p>
      <button type="button" onClick=${() => go({ n: Math.min((wanted().n ?? MORE) + MORE, MOST) }, { replace: true })}>${words.forYou.more}</button></p>`}`;
}

/** The last change, and how to take it back; or why the service refused it. */
export function Undo() {
  const newest = undoable.value.at(-1);
  if (refused.value) return html`<p class="undo bad" role="alert">${words.changes.refused(refused.value.message)}</p>`;
  if (!newest) return null;
  return html`<p class="undo"><bdi>${newest.words}</bdi> <button type="button" class="plain" onClick=${undo}>${words.changes.undo}</button></p>`;
}

function Keys({ close }) {
  return html`<${Popup} title=${words.keys.title} close=${close}>
    <dl class="keylist">${words.keys.every.map(([key, what]) => html`<div key=${key}><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}</dl>
  <//>`;
}
