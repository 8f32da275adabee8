/* What would be taken of a file, and what its columns are taken for; each guess can be overruled. */
import { html, Table } from "../../parts.js";
import { words } from "../../words.js";

const own = words.data.preview;
const ROLES = ["title", "original", "year", "rating", "item", "imdb", "date", "person", "none"];
const TOPS = [5, 10, 100];

/**
 * @param {{name: string, shown: any, busy: boolean, choices: any, change: (how: any) => void, take: () => void,
 *   cancel: () => void}} given
 */
export function Preview({ name, shown, busy, choices, change, take, cancel }) {
  const n = shown.n_rated + shown.n_seen - shown.n_had;
  return html`<div class="preview" aria-busy=${busy}>
    <h3>${own.title(name)}</h3>
    <p>${own.read(shown)}</p>
    <${Columns} shown=${shown} change=${change} />
    <div class="choices"><${Whose} shown=${shown} change=${change} /><${Scale} shown=${shown} choices=${choices} change=${change} /></div>
    ${shown.lacks_films ? html`<p class="failed" role="alert">${own.lacksFilms}</p>` : html`<${Found} shown=${shown} />`}
    <p class="choice">
      <button type="button" onClick=${cancel}>${own.cancel}</button>
      <button type="button" class="strong" disabled=${busy || n < 1} onClick=${take}>${own.take(n)}</button>
    </p>
  </div>`;
}

function Columns({ shown, change }) {
  const roles = shown.columns.map(({ role }) => role ?? "none");
  const give = (place, role) => change({ roles: roles.map((old, k) => (k === place ? role : old === role && role !== "none" ? "none" : old)) });
  const rows = shown.columns.map(({ name, why }, place) => [
    html`<bdi>${name}</bdi>`,
    html`<select aria-label=${own.holds(name)} value=${roles[place]} onChange=${({ target }) => give(place, target.value)}>
      ${ROLES.map((role) => html`<option key=${role} value=${role} selected=${role === roles[place]}>${own.roles[role]}</option>`)}
    </select>`,
    html`<bdi>${examples(shown.rows, place)}</bdi>`,
    why,
  ]);
  return html`<${Table} caption=${own.columns} columns=${own.columnTitles.map((title) => ({ title }))} rows=${rows} />`;
}

const examples = (rows, place) => [...new Set(rows.map((row) => row[place]).filter(Boolean))].slice(0, 3).join(" · ").slice(0, 80);

function Whose({ shown, change }) {
  if (shown.people.length < 2) return null;
  return html`<label>${own.whose} <select onChange=${({ target }) => change({ whose: target.value })}>
    ${shown.people.map(({ name, rows }) => html`<option key=${name} value=${name} selected=${name === shown.whose}>${own.person(name, rows)}</option>`)}
  </select></label>`;
}

function Scale({ shown, choices, change }) {
  if (!shown.scale) return null;
  return html`<label>${own.top} <select onChange=${({ target }) => change({ top: target.value === "auto" ? undefined : target.value })}>
    <option value="auto" selected=${choices.top === undefined}>${own.asFound(shown.scale)}</option>
    ${TOPS.map((top) => html`<option key=${top} value=${top} selected=${Number(choices.top) === top}>${top}</option>`)}
  </select></label><p>${own.scales(shown.scale, shown.to_scale)}</p>`;
}

function Found({ shown }) {
  const { matched, unknown, errors } = shown;
  const shownRows = matched.map((one) => [one.line, html`<bdi>${one.written}</bdi>`, html`<bdi>${one.title}</bdi>`, own.rating(one)]);
  return html`<p class="sum" role="status">${own.sum(shown)}</p>
    ${matched.length > 0 && html`<${Table} caption=${own.matched(matched.length, shown.n_rated + shown.n_seen)}
      columns=${own.matchedTitles.map((title, at) => ({ title, number: at === 0 }))} rows=${shownRows} />`}
    <${Lines} caption=${own.unknown(shown.n_unknown)} n=${shown.n_unknown}
      lines=${unknown.map(({ line, title, year, why }) => ({ line, what: own.unknownLine(title, year, why) }))} />
    <${Lines} caption=${own.errors(shown.n_errors)} n=${shown.n_errors} lines=${errors} />`;
}

/* Lines that are left out, and why. */
function Lines({ caption, n, lines }) {
  if (!n) return null;
  return html`<details open=${n <= 5}><summary>${caption}</summary><ul>
    ${lines.map(({ line, what }) => html`<li key=${line}>${own.line(line)} <bdi>${what}</bdi></li>`)}
    ${n > lines.length && html`<li>${own.more(n - lines.length)}</li>`}
  </ul></details>`;
}
