/* A film's page: what you would give it, how others rated it, who likes it, and what is like it. */
import { ask } from "../api.js";
import { Card, Prediction, Stars } from "../cards.js";
import { rate, react, recall } from "../changes.js";
import { Empty, Failed, html } from "../parts.js";
import { Poster } from "../posters.js";
import { at, to } from "../router.js";
import { list, me } from "../state.js";
import { useEffect, useState } from "../vendor/hooks.js";
import { words } from "../words.js";
import { Undo } from "./for-you.js";

const title = words.film.title;

export function View() {
  const { item, user } = at.value;
  const [film, setFilm] = useState(null);
  const [fault, setFault] = useState(null);
  const [again, setAgain] = useState(0);
  useEffect(() => {
    let current = true;
    if (film?.asked !== item) (setFilm(null), setFault(null));
    if (item) ask("web/film", { item }).then((answer) => current && (setFilm({ ...answer, asked: item }), setFault(null)), (error) => current && setFault(error));
    return () => (current = false);
  }, [item, user, again, list.value.list_id]); /* each change that is kept brings a new list */
  useEffect(recall, [me.value.person]);
  if (!item) return html`<h1>${title}</h1><${Empty}>${words.film.none} <a href=${to({ view: "search" })}>${words.film.search}</a><//>`;
  if (fault?.status === 404) return html`<h1>${title}</h1><${Empty}>${words.film.unknown} <a href=${to({ view: "search", item: null })}>${words.film.search}</a><//>`;
  if (fault) return html`<h1>${title}</h1><${Failed} error=${fault} again=${() => setAgain(again + 1)} />`;
  return html`<${Undo} />${film?.asked === item && html`<${Film} film=${film} />`}`;
}

function Film({ film }) {
  return html`<article class="film">
    <${Poster} film=${film} isLarge=${true} />
    <div>
      <h1><bdi>${film.title}</bdi></h1>
      <p class="meta">${[film.year, ...film.genres].filter(Boolean).join(" · ")}</p>
      <${Prediction} film=${film} />
      <${Yours} film=${film} />
      <${Facts} attributes=${film.attributes} />
      <p><a href=${to({ view: "map", item: film.item })}>${words.film.onMap}</a></p>
    </div>
    <section aria-labelledby="rated"><h2 id="rated">${words.film.rated}</h2><${Histogram} ratings=${film.ratings} /></section>
    <section aria-labelledby="likers"><h2 id="likers">${words.film.likers}</h2><${Likers} film=${film} /></section>
  </article>
  <section aria-labelledby="similar"><h2 id="similar">${words.film.similar}</h2>
    ${film.similar.length ? html`<ol class="cards">${film.similar.map((one, place) => html`<li key=${one.item}><${Card} film=${one} place=${place} /></li>`)}</ol>`
      : html`<${Empty}>${words.film.noSimilar}<//>`}
  </section>`;
}

function Yours({ film }) {
  return html`<div class="yours">
    <p id="yours">${film.rated === null ? words.film.unrated : words.film.yours(film.rated)}</p>
    <${Stars} title=${film.title} rated=${film.rated} onRate=${(value) => rate(film, value)} />
    <button type="button" onClick=${() => react(film, "hide")}>${words.card.hide}</button>
    <button type="button" onClick=${() => react(film, "seen")}>${words.card.seen}</button>
  </div>`;
}

function Facts({ attributes }) {
  const known = Object.entries(attributes).filter(([, value]) => value !== null && value !== "" && !(Array.isArray(value) && !value.length));
  if (!known.length) return null;
  return html`<details><summary>${words.film.facts}</summary><dl class="facts">
    ${known.map(([name, value]) => html`<div key=${name}><dt>${name.replaceAll("_", " ")}</dt><dd><bdi>${[value].flat().map(String).join(", ")}</bdi></dd></div>`)}
  </dl></details>`;
}

/* A table whose bars are drawn beside its numbers: it reads as it looks. */
function Histogram({ ratings }) {
  if (!ratings) return html`<p class="quiet">${words.film.few}</p>`;
  const most = Math.max(1, ...ratings.histogram.map(({ people }) => people));
  return html`<p>${words.film.count(ratings)}</p>
    ${ratings.histogram.length > 0 && html`<table class="bars">
      <caption class="said">${words.film.caption}</caption>
      <thead class="said"><tr><th scope="col">${words.film.value}</th><th scope="col">${words.film.people}</th></tr></thead>
      <tbody>${ratings.histogram.toReversed().map(({ value, people }) => html`<tr key=${value}>
        <th scope="row">${words.film.stars(value)}</th>
        <td><span class="bar" style=${{ width: `${(100 * people) / most}%` }}></span><span>${people.toLocaleString("en")}</span></td>
      </tr>`)}</tbody>
    </table>`}`;
}

function Likers({ film }) {
  const { also, genres } = film.likers;
  const liked = film.ratings?.liked ?? null;
  if (!also.length && !genres.length && liked === null) return html`<p class="quiet">${words.film.unclear}</p>`;
  return html`<ul class="likers">
    ${liked !== null && html`<li>${words.film.liked(liked)}</li>`}
    ${genres.length > 0 && html`<li>${words.film.fans(genres)}</li>`}
    ${also.length > 0 && html`<li>${words.film.also}${" "}
      ${also.map((one, n) => html`${n > 0 && words.film.and(n, also.length)}<a key=${one.item} href=${to({ view: "film", item: one.item })}><bdi>${one.title}</bdi></a>`)}.</li>`}
  </ul>`;
}
