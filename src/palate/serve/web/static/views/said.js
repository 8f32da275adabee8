/* What the person of the page said of films, the newest first. */
import { useAnswer } from "../answers.js";
import { ask } from "../api.js";
import { Empty, Failed, html, Table } from "../parts.js";
import { to } from "../router.js";
import { me } from "../state.js";
import { words } from "../words.js";

const own = words.said;

/**
 * The newest of it; the file of "Your data" has all.
 * @param {{id: string, most: number, round?: number}} given id of the heading; rows at most; another round: it has changed
 */
export function Said({ id, most, round = 0 }) {
  const heading = me.value.is_own ? own.yours : own.theirs;
  const { answer, error, again } = useAnswer(() => ask("web/mine"), JSON.stringify([me.value.person, round]));
  if (error) return html`<h2 id=${id}>${heading}</h2><${Failed} error=${error} again=${again} />`;
  const said = answer?.ratings ?? [];
  return html`<h2 id=${id}>${heading}</h2>
    ${answer && (said.length
      ? html`<${Table} caption=${own.title(said.length, most)} columns=${own.titles.map((title) => ({ title }))} rows=${said.slice(0, most).map(row)} />`
      : html`<${Empty}>${own.none}<//>`)}`;
}

const row = ({ item, title, kind, value, time }) => [
  html`<a href=${to({ view: "film", item })}><bdi>${title}</bdi></a>`,
  own.kinds[kind]?.(value) ?? kind,
  time ? new Date(time).toLocaleDateString(undefined, { dateStyle: "medium" }) : own.before,
];
