/* Why a film is in the list: words first, the arithmetic behind one click. */
import { ask } from "../api.js";
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
    const { purpose } = at.value;
    ask("web/why", { item: film.item, purpose }).then(setGot, setError);
  };
  useEffect(look, [film.item]);
  if (error) return html`<${Failed} error=${error} again=${look} />`;
  if (!got) return html`<p class="reasoned" role="status">${words.why.looking}</p>`;
  return html`<div class="reasoned">
    <ul>${got.words.map((sentence) => html`<li key=${sentence}><bdi>${sentence}</bdi></li>`)}</ul>
    ${got.sum !== null && html`<details>
      <summary>${words.why.arithmetic}</summary>
      <${Sum} got=${got} />
    </details>`}
  </div>`;
}

function Sum({ got }) {
  return html`<table>
    <caption>${words.why.caption}</caption>
    <tbody>
      ${got.parts.map((part) => html`<${Part} name=${part.name} value=${part.contribution} />`)}
      ${got.top.map((own) => html`<${Part} name=${own.title} value=${own.contribution} />`)}
      <${Part} name=${words.why.rest} value=${got.rest} />
    </tbody>
    <tfoot><${Part} name=${words.why.sum} value=${got.sum} /></tfoot>
  </table>`;
}

function Part({ name, value }) {
  return html`<tr><th scope="row"><bdi>${name}</bdi></th><td>${words.why.number(value)}</td></tr>`;
}
