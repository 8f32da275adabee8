/* Search as you type, over the whole catalogue. */
import { ask } from "../api.js";
import { Empty, Failed, html } from "../parts.js";
import { Poster } from "../posters.js";
import { at, go, to } from "../router.js";
import { said } from "../state.js";
import { useEffect, useRef, useState } from "../vendor/hooks.js";
import { words } from "../words.js";

const SOON = 120; /* milliseconds between the last key and the question */
const MOST = 24;
const LONGEST = 200; /* characters that are looked for */

export function View() {
  const typed = (at.value.q ?? "").slice(0, LONGEST);
  const [found, setFound] = useState(null);
  const [fault, setFault] = useState(null);
  const [again, setAgain] = useState(0);
  const field = useRef(null);
  useEffect(() => field.current.focus({ preventScroll: true }), []);
  const { user } = at.value;
  useEffect(() => {
    let current = true;
    const look = () => ask("web/search", { typed, n: MOST }).then(
      (answer) => current && (setFound(answer), setFault(null), (said.value = words.search.found(answer))),
      (error) => current && setFault(error),
    );
    const timer = setTimeout(look, found && SOON);
    return () => ((current = false), clearTimeout(timer));
  }, [typed, user, again]);
  return html`<form class="finder" role="search" onSubmit=${(event) => event.preventDefault()}>
    <label>${words.search.label}
      <input ref=${field} type="search" maxlength=${LONGEST} autocomplete="off" value=${typed} onKeyDown=${(event) => step(event, -1)}
        onInput=${(event) => go({ q: event.target.value || null }, { replace: true })} /></label>
  </form>
  ${fault ? html`<${Failed} error=${fault} again=${() => setAgain(again + 1)} />` : found && html`<${Found} found=${found} field=${field} />`}`;
}

function Found({ found, field }) {
  if (!found.items.length) return html`<${Empty}>${found.typed ? words.search.nothing(found.typed) : words.search.empty}<//>`;
  return html`<h2 class="quiet">${words.search.heading(found)}</h2>
  <ol class="hits">
    ${found.items.map((film, place) => html`<li key=${film.item}>
      <a href=${to({ view: "film", item: film.item, q: null })} onKeyDown=${(event) => step(event, place, field)}>
        <${Poster} film=${film} />
        <span><b><bdi>${film.title}</bdi></b> <small>${[film.year, ...film.genres].filter(Boolean).join(" · ")}</small>
          ${film.rated !== null && html`<small class="mine">${words.search.rated(film.rated)}</small>`}</span>
      </a>
    </li>`)}
  </ol>`;
}

/* Arrows lead from the field into the hits, through them and back. */
function step(event, place, field) {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!by) return;
  const hits = document.querySelectorAll(".hits a");
  const next = place + by < 0 ? field?.current : hits[place + by];
  if (next) event.preventDefault();
  next?.focus();
}
