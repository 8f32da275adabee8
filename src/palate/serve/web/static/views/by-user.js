/* A user's id is typed, and that user's list comes: where ids may be typed. Wrong ids are told in a sentence. */
import { useAnswer } from "../answers.js";
import { ask } from "../api.js";
import { Empty, Failed, html, Table } from "../parts.js";
import { at, go, to } from "../router.js";
import { me, said } from "../state.js";
import { useEffect } from "../vendor/hooks.js";
import { words } from "../words.js";
import { Said } from "./said.js";

const own = words.byUser;
export const name = "by-user";
export const title = own.title;
export const apart = true; /* no tab, and a heading of its own */
const SHOWN = 20;
const LONGEST = 512; /* characters of an id */

export function View() {
  if (!me.value.may_name) return html`<h1>${title}</h1><${Empty}>${own.forbidden} <a href=${to({ view: "scenes" })}>${own.open}</a><//>`;
  return html`<h1>${title}</h1>
    <p>${own.about}</p>
    <${Typing} />
    ${at.value.user !== undefined && html`<div class="pair"><${List} /><section aria-labelledby="said"><${Said} id="said" most=${SHOWN} /></section></div>`}`;
}

/** What is shown of an address whose user cannot be shown: why, and a way to go on. @param {{error: Error & {status: number}}} given */
export function Wrong({ error }) {
  return html`<h1>${error.status === 403 ? words.frame.notYours : words.frame.noUser}</h1>
    <p class="failed" role="alert"><bdi>${error.message}</bdi></p>
    ${error.status !== 403 && html`<${Typing} />`}
    <p><a href=${to({ user: null })}>${words.frame.back}</a></p>`;
}

function Typing() {
  const show = (event) => {
    event.preventDefault();
    const { value } = event.target.elements.id;
    if (value.trim()) go({ view: name, user: value });
  };
  return html`<form class="finder typing" onSubmit=${show}>
    <label>${own.id} <input name="id" required maxlength=${LONGEST} autocomplete="off" autocapitalize="off" spellcheck="false" value=${at.value.user ?? ""} /></label>
    <button type="submit">${own.show}</button>
  </form>`;
}

function List() {
  const { person } = me.value;
  const { purpose } = at.value;
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
