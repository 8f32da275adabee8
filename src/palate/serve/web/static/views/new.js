/* New here?: a few films at a time, one click each; the list stays in sight and moves. */
import { tell } from "../api.js";
import { Card, Stars } from "../cards.js";
import { load, rate, recall, undo, undoable } from "../changes.js";
import { flip } from "../moving.js";
import { Empty, Failed, html } from "../parts.js";
import { Poster } from "../posters.js";
import { to } from "../router.js";
import { list, me, refused, said } from "../state.js";
import { useEffect, useLayoutEffect, useRef, useState } from "../vendor/hooks.js";
import { words } from "../words.js";

const ROUND = 6; /* films asked about at a time */
const IN_SIGHT = 12; /* cards of the list */
const MOST_KEPT = 5000; /* films that were not seen */

/** What is kept of somebody's answers on this device: the films they have not seen, and the round that is open. */
const kept = {
  key: () => `palate.questions.${me.value?.person}`,
  read() {
    try {
      const { skipped = [], round = null } = JSON.parse(localStorage.getItem(kept.key()) ?? "{}");
      return { skipped: skipped.map(String), round };
    } catch {
      return { skipped: [], round: null }; /* no storage, or not ours: the questions begin again */
    }
  },
  write(state) {
    try {
      localStorage.setItem(kept.key(), JSON.stringify({ ...state, skipped: state.skipped.slice(-MOST_KEPT) }));
    } catch {
      /* full, or forbidden: it holds until the page is left */
    }
  },
};

/* The open round, and what moves it on: an answer, "not seen", other films. */
function useRound() {
  const [state, setState] = useState(kept.read);
  const [known, setKnown] = useState(null);
  const [error, setError] = useState(null);
  const now = useRef(state); /* answers come while others are under way */
  const set = (change) => {
    now.current = { ...now.current, ...change };
    kept.write(now.current);
    setState(now.current);
  };
  const look = async () => {
    setError(null);
    try {
      const got = await tell("web/questions", { n: ROUND, skipped: now.current.skipped });
      setKnown(got.known);
      if (!now.current.round?.length) set({ round: got.questions });
    } catch (fault) {
      setError(fault);
    }
  };
  const without = (films) => ({
    skipped: [...now.current.skipped, ...films.map(({ item }) => item)],
    round: now.current.round.filter((film) => !films.includes(film)),
  });
  const skip = (films) => {
    set(without(films));
    if (!now.current.round.length) look();
  };
  const rated = async (film, value) => {
    set({ round: without([film]).round });
    if (!(await rate(film, value))) set({ round: [film, ...now.current.round] });
    else if (!now.current.round.length) look();
  };
  useEffect(() => void look(), [list.value.list_id]); /* what moves the list moves the bar */
  return { ...state, known, error, look, skip, rated };
}

export function View() {
  useEffect(recall, [me.value.person]);
  const [error, setError] = useState(null);
  const look = () => {
    setError(null);
    load().catch(setError);
  };
  useEffect(look, [me.value.person]);
  return html`<div class="new-here">
    <${Sheet} key=${me.value.person} />
    <section class="in-sight" aria-label=${words.newHere.list}>
      <h2>${words.newHere.list}</h2>
      ${error ? html`<${Failed} error=${error} again=${look} />` : html`<${List} />`}
    </section>
  </div>`;
}

function Sheet() {
  const round = useRound();
  return html`<section class="sheet" aria-label=${words.newHere.questions}>
    <${Known} known=${round.known} />
    ${round.error ? html`<${Failed} error=${round.error} again=${round.look} />` : html`<${Round} round=${round} />`}
    <${Last} />
    <p class="ways">
      ${round.round?.length > 0 && html`<button type="button" onClick=${() => round.skip(round.round)}>${words.newHere.others}</button>`}
      <a class="enough" href=${to({ view: null })}>${words.newHere.enough}</a>
    </p>
  </section>`;
}

function Known({ known }) {
  const share = known ?? 0;
  return html`<div class="known">
    <label for="known">${words.newHere.known(known)}</label>
    <progress id="known" max="1" value=${share}></progress>
  </div>`;
}

function Round({ round }) {
  if (round.round === null) return html`<p class="waiting" role="status">${words.newHere.waiting}</p>`;
  if (!round.round.length) return html`<${Empty}>${words.newHere.none(list.value.of)}<//>`;
  return html`<ul class="asked">${round.round.map((film) => html`<li key=${film.item}><${Question} film=${film} round=${round} /></li>`)}</ul>`;
}

function Question({ film, round }) {
  const skip = () => {
    said.value = words.newHere.skipped(film.title);
    round.skip([film]);
  };
  return html`<article class="question">
    <${Poster} film=${film} />
    <div>
      <h3><bdi>${film.title}</bdi></h3>
      <p class="meta">${[film.year, ...film.genres.slice(0, 2)].filter(Boolean).join(" · ")}</p>
    </div>
    <${Stars} title=${film.title} onRate=${(value) => round.rated(film, value)} />
    <button type="button" aria-label=${words.newHere.skipThis(film.title)} onClick=${skip}>${words.newHere.skip}</button>
  </article>`;
}

/* The last rating, and how to take it back; or why the service refused it. */
function Last() {
  const newest = undoable.value.at(-1);
  if (refused.value) return html`<p class="last bad" role="alert">${words.changes.refused(refused.value.message)}</p>`;
  if (!newest) return null;
  return html`<p class="last"><bdi>${newest.words}</bdi> <button type="button" class="plain" onClick=${undo}>${words.changes.undo}</button></p>`;
}

function List() {
  const { items, of, left, busy, words: policy } = list.value;
  const box = useRef(null);
  useLayoutEffect(() => flip(box.current));
  if (of === null) return html`<p class="waiting" role="status">${words.forYou.waiting}</p>`;
  if (!items.length) return html`<${Empty}>${left || !of ? words.forYou.none(of) : words.forYou.narrow}<//>`;
  return html`${policy && html`<p class="policy">${words.newHere.policy(policy)}</p>`}
    <ol class="cards" ref=${box} aria-busy=${busy}>
      ${items.slice(0, IN_SIGHT).map((film, place) => html`<li key=${film.item}><${Card} film=${film} place=${place} /></li>`)}
    </ol>`;
}
