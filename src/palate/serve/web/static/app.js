/* The frame: views in tabs, who asks, light and dark. */
import { takeToken } from "./handover.js";
import { Failed, html } from "./parts.js";
import { at, to } from "./router.js";
import { NAME, fault, me, refresh, said } from "./state.js";
import * as theme from "./theme.js";
import { render } from "./vendor/preact.js";
import { effect } from "./vendor/signals.js";
import * as byUser from "./views/by-user.js";
import * as compare from "./views/compare.js";
import * as data from "./views/data.js";
import * as film from "./views/film.js";
import * as forYou from "./views/for-you.js";
import * as models from "./views/models.js";
import * as newHere from "./views/new.js";
import * as map from "./views/map.js";
import * as scenes from "./views/scenes.js";
import * as search from "./views/search.js";
import { words } from "./words.js";

const VIEWS = [forYou, newHere, search, film, map, models, compare, data, scenes, byUser];
const shown = () => VIEWS.find((view) => view.name === at.value.view) ?? VIEWS[0];

function Tabs() {
  return html`<nav aria-label=${words.frame.views}><ul>
    ${VIEWS.filter((view) => !view.apart).map((view) => html`<li key=${view.name}>
      <a href=${to({ view: view.name })} aria-current=${view === shown() ? "page" : undefined}>${view.title}</a>
    </li>`)}
  </ul></nav>`;
}

function Whose() {
  if (!me.value || me.value.is_own || isWrong()) return null;
  return html`<p class="whose">${words.frame.about(me.value.person, me.value.n_ratings)} <a href=${to({ user: null })}>${words.frame.back}</a></p>`;
}

/* Whether the address names a user who cannot be shown; the page then has a heading of its own. */
const isWrong = () => fault.value?.problem?.subject === "user";

/* The view; where it cannot be shown, why. */
function Content({ View }) {
  if (!fault.value) return me.value && html`<${View} />`;
  if (isWrong()) return html`<${byUser.Wrong} error=${fault.value} />`;
  return html`<${Failed} error=${fault.value} again=${start} />`;
}

function Page() {
  const { View, title, apart } = shown();
  return html`<a class="skip" href="#content">${words.frame.skip}</a>
    <header>
      <p class="name">${NAME}</p>
      <${Tabs} />
      <button type="button" class="theme" aria-label=${words.frame.theme} onClick=${theme.change}>◐</button>
    </header>
    <${Whose} />
    <main id="content" tabindex="-1">
      ${!apart && !isWrong() && html`<h1>${title}</h1>`}
      <${Content} View=${View} />
    </main>
    ${me.value?.may_name && html`<footer><a href=${to({ view: byUser.name })}>${words.frame.byUser}</a></footer>`}
    <p class="said" role="status">${said.value}</p>`;
}

async function start() {
  try {
    await takeToken();
    await refresh();
    fault.value = null;
  } catch (error) {
    fault.value = error;
  }
}

theme.begin();
render(html`<${Page} />`, document.getElementById("page"));
effect(() => {
  document.title = `${shown().title} · ${NAME}`;
  requestAnimationFrame(() => document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }));
});
let asked; /* the person that was asked about last: another one in the address is another page */
effect(() => {
  const { user } = at.value;
  if (asked && asked.user === user) return;
  asked = { user };
  start();
});
