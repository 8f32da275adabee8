/* Two models side by side, for one person: both lists, and what they share. */
import { useAnswer } from "../answers.js";
import { tell } from "../api.js";
import { wanted } from "../changes.js";
import { Empty, Failed, html } from "../parts.js";
import { at, go, to } from "../router.js";
import { me } from "../state.js";
import { Filters } from "./filters.js";
import { words } from "../words.js";

const own = words.compare;

const SIDES = ["left", "right"];
const POPULAR = "popular";
const titleOf = (side) => words.models.purposes[side]?.title ?? own.popular;

export function View() {
  const names = [...me.value.purposes.map((one) => one.name), POPULAR];
  if (names.length < 2) return html`<${Empty}>${me.value.has_model ? words.models.one : words.models.empty}<//>`;
  const chosen = SIDES.map((side, place) => (names.includes(at.value[side]) ? at.value[side] : names[place]));
  return html`<p>${own.about}</p>
    <div class="sides">${SIDES.map((side, place) => html`<${Choice} key=${side} side=${side} names=${names} chosen=${chosen[place]} />`)}</div>
    <${Both} left=${chosen[0]} right=${chosen[1]} />`;
}

/** Which model stands on a side. @param {{side: string, names: string[], chosen: string}} given */
function Choice({ side, names, chosen }) {
  const take = (event) => go({ [side]: event.target.value }, { replace: true });
  return html`<label>${own[side]}
    <select value=${chosen} onChange=${take}>
      ${names.map((one) => html`<option key=${one} value=${one} selected=${one === chosen}>${titleOf(one)}</option>`)}
    </select>
  </label>`;
}

/** Both lists. @param {{left: string, right: string}} given */
function Both({ left, right }) {
  const { genre, from, to: until, seen } = wanted();
  const asked = { left, right, n: 10, genre, from, to: until, seen };
  const { answer, error, busy, again } = useAnswer(() => tell("web/compare", asked), JSON.stringify([asked, at.value.user]));
  if (error) return html`<${Failed} error=${error} again=${again} />`;
  if (!answer) return html`<p class="waits" aria-busy="true">${own.waits}</p>`;
  const least = Math.min(answer.left.items.length, answer.right.items.length);
  return html`<${Filters} of=${{ left: answer.chosen_from, of: answer.of }} isOrdered=${false} />
    ${least > 0 && html`<p class="overlap" role="status">${own.overlap(answer.both, least)}</p>`}
    <div class="sides" aria-busy=${busy}>
      <${List} side="left" of=${left} list=${answer.left} />
      <${List} side="right" of=${right} list=${answer.right} />
    </div>`;
}

/** One list. @param {{side: string, of: string, list: any}} given */
function List({ side, of, list }) {
  const isUnknown = of !== POPULAR && list.policy === POPULAR;
  return html`<section aria-labelledby=${`side-${side}`}>
    <h2 id=${`side-${side}`}>${titleOf(of)}</h2>
    ${isUnknown && html`<p class="soft">${own.unknown}</p>`}
    ${!list.items.length && html`<${Empty}>${own.filtered}<//>`}
    <ol class="compared">${list.items.map((item) => html`<${Item} key=${item.item} item=${item} />`)}</ol>
  </section>`;
}

/** One item, and where it stands in the other list. @param {{item: any}} given */
function Item({ item }) {
  return html`<li class=${item.other ? "shared" : "alone"}>
    <a href=${to({ view: "film", item: item.item })}>${item.title}</a>
    <span class="soft">${[item.year, ...item.genres.slice(0, 2)].filter(Boolean).join(" · ")}</span>
    <span class="mark">${item.other ? own.also(item.other) : own.only}</span>
  </li>`;
}
