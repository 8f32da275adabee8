/* The frame: views in tabs, who asks, light and dark. */
import { takeToken } from "./handover.js";
import { Failed, html } from "./parts.js";
import { at, to } from "./router.js";
import { NAME, ended, fault, me, refresh, said } from "./state.js";
import * as theme from "./theme.js";
import { render } from "./vendor/preact.js";
import { effect } from "./vendor/signals.js";
import { Wrong } from "./typing.js";
import { Shown, VIEWS, prepare } from "./views.js";
import { words } from "./words.js";

const CALM = 1000; /* milliseconds after which other views are loaded */
const shown = () => VIEWS.find((view) => view.name === at.value.view) ?? VIEWS[0];

function Tabs() {
  return html`<nav aria-label=${words.frame.views}><ul>
    ${VIEWS.filter((view) => !view.apart && !view.below).map((view) => html`<li key=${view.name}>
      <a href=${to({ view: view.name })} aria-current=${view === shown() ? "page" : undefined}>${view.title}</a>
    </li>`)}
  </ul></nav>`;
}

function Whose() {
  if (!me.value || me.value.is_own || isWrong()) return null;
  return html`<p class="whose">${words.frame.about(me.value.person, me.value.n_ratings)} <a href=${to({ user: null })}>${words.frame.back}</a></p>`;
}

/* That the visit has ended; until it is read. */
function Ended() {
  if (!ended.value) return null;
  return html`<p class="whose ended" role="alert">${words.frame.ended} <button type="button" class="plain" onClick=${() => (ended.value = false)}>${words.frame.read}</button></p>`;
}

/* Whether the address names a user who cannot be shown; the page then has a heading of its own. */
const isWrong = () => fault.value?.problem?.subject === "user";

/* The view; where it cannot be shown, why. */
function Content({ view }) {
  if (!fault.value) return me.value && html`<${Shown} key=${`${view.name} ${me.value.own}`} view=${view} />`;
  if (isWrong()) return html`<${Wrong} error=${fault.value} />`;
  return html`<${Failed} error=${fault.value} again=${start} />`;
}

function Page() {
  const view = shown();
  return html`<a class="skip" href="#content">${words.frame.skip}</a>
    <header>
      <p class="name">${NAME}</p>
      <${Tabs} />
      <button type="button" class="theme" aria-label=${words.frame.theme} onClick=${theme.change}>◐</button>
    </header>
    <${Whose} />
    <${Ended} />
    <main id="content" tabindex="-1">
      ${!view.apart && !isWrong() && html`<h1>${view.title}</h1>`}
      <${Content} view=${view} />
    </main>
    <footer><a href=${to({ view: "help" })}>${words.help.link}</a>
      ${me.value?.may_name && html` <a href=${to({ view: "by-user" })}>${words.frame.byUser}</a>`}</footer>
    <p class="said" role="status">${said.value}</p>`;
}

async function start() {
  try {
    await takeToken();
    await refresh();
    fault.value = null;
    setTimeout(prepare, CALM);
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
