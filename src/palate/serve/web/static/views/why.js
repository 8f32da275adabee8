/* Why a film is in the list: words first, the arithmetic behind one click. */
import { ask } from "../api.js";
import { wantedOf } from "../early.js";
import { Failed, html } from "../parts.js";
import { at } from "../router.js";
import { useEffect, useState } from "../vendor/hooks.js";
import { words } from "../words.js";

/** The reasons of a film. @param {{film: {item: string, title: string}}} given */
export function Why({ film }) {
  const [got, setGot] = useState(null);
  const [error, setError] = useState(null);
  const look = () => {
    setError(null);
    ask("web/why", { item: film.item, purpose: wantedOf(at.value).purpose }).then(setGot, setError);
  };
  useEffect(look, [film.item]);
  if (error) return html`<${Failed} error=${error} again=${look} />`;
  if (!got) return html`<p class="reasoned" role="status">${words.why.looking}</p>`;
  return html`<div class="reasoned">
    <ul>${got.words.map((sentence) => html`<li key=${sentence}><bdi>${sentence}</bdi></li>`)}${got.others && html`<li>${got.others}</li>`}</ul>
    ${got.sum !== null && html`<details>
      <summary>${words.why.arithmetic}</summary>
      <${Sum} got=${got} />
    </details>`}
  </div>`;
}

/* What is too small to be seen is left out: the sum stays right. */
const SEEN = 0.0005;

function Sum({ got }) {
  return html`<table>
    <caption>${got.is_stars ? words.why.stars : words.why.caption}</caption>
    <tbody>
      ${got.parts.filter(({ contribution }) => Math.abs(contribution) >= SEEN).map((part) => html`<${Part} name=${part.name} value=${part.contribution} />`)}
      ${got.top.map((own) => html`<${Part} name=${own.title} value=${own.contribution} />`)}
      ${Math.abs(got.rest) >= SEEN && html`<${Part} name=${words.why.rest} value=${got.rest} />`}
    </tbody>
    <tfoot><${Part} name=${got.is_stars ? words.why.rating : words.why.sum} value=${got.sum} /></tfoot>
  </table>`;
}

function Part({ name, value }) {
  return html`<tr><th scope="row"><bdi>${name}</bdi></th><td>${words.why.number(value)}</td></tr>`;
}
