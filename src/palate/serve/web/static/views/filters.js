/* Filters and sliders of the list; what they say stands in the address. */
import { html } from "../parts.js";
import { at, go } from "../router.js";
import { list, me } from "../state.js";
import { useEffect, useRef } from "../vendor/hooks.js";
import { words } from "../words.js";

const SOON = 200; /* milliseconds that a slider or a typed year rests before it counts */
const NAMES = ["genre", "from", "to", "seen", "variety", "discovery"];

/** What the list is chosen from. */
export function Filters() {
  const { genres = [], years = null } = me.value;
  const set = NAMES.filter((name) => at.value[name]);
  const change = useSoon();
  return html`<details class="filters" open=${set.length > 0}>
    <summary>${words.filters.title} <span class="left" role="status">${words.filters.left(list.value)}</span></summary>
    <form onSubmit=${(event) => event.preventDefault()}>
      ${genres.length > 0 && html`<label>${words.filters.genre}
        <select value=${at.value.genre ?? ""} onChange=${(event) => choose(event, "genre")}>
          <option value="">${words.filters.every}</option>
          ${genres.map((genre) => html`<option key=${genre} value=${genre}>${genre}</option>`)}
        </select></label>`}
      ${years && html`<${Year} name="from" years=${years} change=${change} /><${Year} name="to" years=${years} change=${change} />`}
      <${Slider} name="variety" change=${change} /><${Slider} name="discovery" change=${change} />
      <label class="check"><input type="checkbox" checked=${at.value.seen === "1"}
        onChange=${(event) => go({ seen: event.target.checked ? "1" : null }, { replace: true })} />${words.filters.seen}</label>
      ${set.length > 0 && html`<button type="button" onClick=${() => go(Object.fromEntries(NAMES.map((name) => [name, null])))}>${words.filters.clear}</button>`}
    </form>
  </details>`;
}

const choose = (event, name) => go({ [name]: event.target.value || null }, { replace: true });

function Year({ name, years, change }) {
  const [low, high] = years;
  return html`<label>${words.filters[name]}
    <input type="number" inputmode="numeric" min=${low} max=${high} placeholder=${name === "from" ? low : high} value=${at.value[name] ?? ""}
      onInput=${(event) => change(name, event.target.checkValidity() ? event.target.value : null)} /></label>`;
}

function Slider({ name, change }) {
  const value = at.value[name] ?? "0";
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
    timer.current = setTimeout(() => go({ [name]: value || null }, { replace: true }), SOON);
  };
}
