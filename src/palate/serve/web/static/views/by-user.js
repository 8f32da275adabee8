/* A user's id is typed, and that user's list comes: where ids may be typed. Wrong ids are told in a sentence. */
import { useAnswer } from "../answers.js";
import { ask } from "../api.js";
import { wantedOf } from "../early.js";
import { Empty, Failed, html, Table } from "../parts.js";
import { at, to } from "../router.js";
import { me, said } from "../state.js";
import { Typing } from "../typing.js";
import { useEffect } from "../vendor/hooks.js";
import { words } from "../words.js";
import { Said } from "./said.js";

const own = words.byUser;
const SHOWN = 20;

export function View() {
  if (!me.value.may_name) return html`<${Empty}>${own.forbidden} <a href=${to({ view: "scenes" })}>${own.open}</a><//>`;
  return html`<p>${own.about}</p>
    <${Typing} />
    ${at.value.user !== undefined && html`<div class="pair"><${List} /><section aria-labelledby="said"><${Said} id="said" most=${SHOWN} /></section></div>`}`;
}

function List() {
  const { person } = me.value;
  const { purpose } = wantedOf(at.value);
  const { answer, error, again } = useAnswer(() => ask("web/list", { n: SHOWN, purpose }), JSON.stringify([person, purpose]));
  useEffect(() => {
    if (answer) said.value = own.list(person);
  }, [answer]);
  if (error) return html`<${Failed} error=${error} again=${again} />`;
  if (!answer) return html`<p class="waits" aria-busy="true">${own.waits}</p>`;
  const columns = own.listTitles.map((one, place) => ({ title: one, number: place !== 1 }));
  const row = (film, place) => [place + 1, html`<${Suggested} film=${film} />`, html`<${Stars} film=${film} />`];
  return html`<section aria-labelledby="suggested">
    <h2 id="suggested"><bdi>${own.list(person)}</bdi></h2>
    ${answer.words && html`<p>${own.popular}</p>`}
    ${answer.items.length ? html`<${Table} caption=${own.first(answer.items.length)} columns=${columns} rows=${answer.items.map(row)} />` : html`<${Empty}>${own.nothing}<//>`}
    <p><a href=${to({ view: null })}>${own.all}</a></p>
  </section>`;
}

function Suggested({ film }) {
  const about = [film.year, film.why].filter(Boolean).join(" · ");
  return html`<a href=${to({ view: "film", item: film.item })}><bdi>${film.title}</bdi></a>${about && html` <small><bdi>${about}</bdi></small>`}`;
}

function Stars({ film }) {
  if (film.stars === null) return own.noStars;
  return html`${film.stars.toFixed(1)} ★${film.low !== null && html` <small>${words.card.interval(film)}</small>`}`;
}
