/* Filters and sliders of the list; what they say stands in the address. */
import { wantedOf } from "../early.js";
import { html } from "../parts.js";
import { at, go } from "../router.js";
import { list, me } from "../state.js";
import { useEffect, useRef } from "../vendor/hooks.js";
import { words } from "../words.js";

const SOON = 200; /* milliseconds that a slider or a typed year rests before it counts */
/** What the address may say of what a list is chosen from, and of its order. */
export const CHOSEN = ["genre", "from", "to", "seen"];
const ORDERED = ["variety", "discovery"];

/** What a list is chosen from. @param {{of: {left: number, of: number | null}, isOrdered?: boolean}} given */
export function Filters({ of = list.value, isOrdered = true }) {
  const { genres = [], years = null } = me.value;
  const names = isOrdered ? [...CHOSEN, ...ORDERED] : CHOSEN;
  const said = wantedOf(at.value);
  const set = names.filter((name) => said[name] !== undefined && said[name] !== false);
  const change = useSoon();
  return html`<div class="filters"><details>
    <summary>${words.filters.title} <span class="left" role="status">${words.filters.left(of)}</span>
      ${set.map((name) => html`<span key=${name} class="mark">${words.filters.set[name](said[name])}</span>`)}</summary>
    <form onSubmit=${(event) => event.preventDefault()}>
      ${genres.length > 0 && html`<label>${words.filters.genre}
        <select value=${said.genre ?? ""} onChange=${(event) => go({ genre: event.target.value || null })}>
          <option value="">${words.filters.every}</option>
          ${every(genres, said.genre).map((genre) => html`<option key=${genre} value=${genre}>${genre}</option>`)}
        </select></label>`}
      ${years && html`<${Year} name="from" years=${years} change=${change} /><${Year} name="to" years=${years} change=${change} />`}
      ${isOrdered && ORDERED.map((name) => html`<${Slider} key=${name} name=${name} change=${change} />`)}
      <label class="check"><input type="checkbox" checked=${at.value.seen === "1"}
        onChange=${(event) => go({ seen: event.target.checked ? "1" : null })} />${words.filters.seen}</label>
    </form>
  </details>
  ${set.length > 0 && html`<button type="button" class="plain" onClick=${() => clear(names)}>${words.filters.clear}</button>`}</div>`;
}

/** Choose from all again. @param {string[]} names */
export const clear = (names = [...CHOSEN, ...ORDERED]) => go(Object.fromEntries(names.map((name) => [name, null])));

/* A genre of the address that is none here is shown all the same: it is why the list is empty. */
const every = (genres, said) => (said === undefined || genres.includes(said) ? genres : [said, ...genres]);

function Year({ name, years, change }) {
  const [low, high] = years;
  return html`<label>${words.filters[name]}
    <input type="number" inputmode="numeric" min=${low} max=${high} placeholder=${name === "from" ? low : high} value=${wantedOf(at.value)[name] ?? ""}
      onInput=${(event) => change(name, event.target.checkValidity() ? event.target.value : null)} /></label>`;
}

function Slider({ name, change }) {
  const value = wantedOf(at.value)[name] ?? 0;
  return html`<label>${words.filters[name]}
    <input type="range" min="0" max="1" step="0.1" value=${value} aria-valuetext=${words.filters.share(value)}
      onInput=${(event) => change(name, event.target.value === "0" ? null : event.target.value)} />
    <small>${words.filters.ends[name]}</small></label>`;
}

/* Return a function that writes into the address when nothing was changed for a moment. */
function useSoon() {
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  return (name, value) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => go({ [name]: value || null }, { replace: Boolean(at.value[name]) }), SOON);
  };
}
