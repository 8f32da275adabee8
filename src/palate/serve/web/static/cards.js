/* A film as a card: what you would give it, how sure that is, why it is here, and what you can say of it. */
import { rate, react } from "./changes.js";
import { html } from "./parts.js";
import { Poster } from "./posters.js";
import { to } from "./router.js";
import { changed, me } from "./state.js";
import { useId, useRef, useState } from "./vendor/hooks.js";
import { Why } from "./views/why.js";
import { words } from "./words.js";

const STARS = 5;

/** Return the values of five stars on a scale, the lowest first. @param {[number, number] | null | undefined} scale */
export function values(scale) {
  const [low, high] = scale ?? [1, STARS];
  const step = high / STARS;
  if (low <= step && high > 0) return Array.from({ length: STARS }, (_, k) => step * (k + 1));
  return Array.from({ length: STARS }, (_, k) => low + ((high - low) * k) / (STARS - 1));
}

/** Five buttons that rate; buttons, for with radio buttons each press of an arrow would rate. */
export function Stars({ title, rated = null, onRate }) {
  const every = values(me.value?.rating_scale);
  return html`<div class="stars" role="group" aria-label=${words.card.rate(title)}>
    ${every.map((value, at) => html`<button type="button" key=${value} class=${rated !== null && rated >= value ? "star lit" : "star"}
      aria-label=${words.card.stars(at + 1)} aria-pressed=${rated === value} onClick=${() => onRate(value)}>★</button>`)}
  </div>`;
}

/** What somebody would give a film, with the interval. */
export function Prediction({ film }) {
  if (film.stars === null || film.stars === undefined) return null;
  return html`<p class="predicted">
    <span class="said">${words.card.predicted(film)}</span>
    <span class="seen" aria-hidden="true">
      <b>★ ${film.stars.toFixed(1)}</b>
      ${film.low !== null && html`<${Range} film=${film} /><span>${words.card.interval(film)}</span>`}
      ${film.sure && html`<span class=${`sure sure-${film.sure}`}>${words.card.sure[film.sure]}</span>`}
    </span>
  </p>`;
}

/* The interval on the scale, and the expected rating in it. */
function Range({ film: { stars, low, high } }) {
  const [first, last] = me.value?.rating_scale ?? [1, STARS];
  const x = (value) => 4 + (92 * (value - first)) / (last - first);
  return html`<svg class="range" viewBox="0 0 100 16" preserveAspectRatio="none">
    <rect class="track" x="4" y="6" width="92" height="4" rx="2" />
    <rect class="likely" x=${x(low)} y="4" width=${x(high) - x(low)} height="8" rx="4" />
    <rect class="dot" x=${x(stars) - 2.5} y="1" width="5" height="14" rx="2.5" />
  </svg>`;
}

function Mark({ item }) {
  const mark = changed.value.get(item);
  return mark ? html`<span class=${`mark ${mark}`}>${words.card.marks[mark]}</span>` : null;
}

/**
 * Change something that may take a card from the list: who has its place then has the focus.
 * @param {HTMLElement} card @param {() => void} change
 */
export function leaving(card, change) {
  const box = card.closest(".cards");
  const place = [...box.querySelectorAll(".card")].indexOf(card);
  change();
  setTimeout(() => {
    if (!box.isConnected || card.isConnected) return;
    const left = [...box.querySelectorAll(".card")];
    left[Math.min(place, left.length - 1)]?.focus({ preventScroll: true });
  });
}

/** A film in a list. @param {{film: object}} given */
export function Card({ film }) {
  const [open, setOpen] = useState(false);
  const id = useId();
  const own = useRef(null);
  const say = (change) => leaving(own.current, change);
  return html`<article class="card" ref=${own} tabindex="0" data-item=${film.item} aria-labelledby=${id}
    onKeyDown=${(event) => event.key === "Escape" && setOpen(false)}>
    <${Poster} film=${film} />
    <div class="about">
      <h2 id=${id}><a href=${to({ view: "film", item: film.item })}><bdi>${film.title}</bdi></a> <${Mark} item=${film.item} /></h2>
      <p class="meta">${[film.year, ...film.genres].filter(Boolean).join(" · ")}</p>
      <${Prediction} film=${film} />
      <p class="reasons">
        <button type="button" class="plain why" aria-expanded=${open} onClick=${() => setOpen(!open)}>${film.why ?? words.card.why}</button>
        <a href=${to({ view: "film", item: film.item })} aria-label=${words.card.moreLike(film.title)}>${words.card.more}</a>
      </p>
    </div>
    <div class="acts">
      <${Stars} title=${film.title} rated=${film.rated} onRate=${(value) => say(() => rate(film, value))} />
      <button type="button" title=${words.card.hide} aria-label=${words.card.hideThis(film.title)} onClick=${() => say(() => react(film, "hide"))}><span aria-hidden="true">✕</span><span class="label"> ${words.card.hide}</span></button>
      <button type="button" title=${words.card.seen} aria-label=${words.card.seenThis(film.title)} onClick=${() => say(() => react(film, "seen"))}><span aria-hidden="true">✓</span><span class="label"> ${words.card.seen}</span></button>
    </div>
    ${open && html`<${Why} film=${film} />`}
  </article>`;
}
