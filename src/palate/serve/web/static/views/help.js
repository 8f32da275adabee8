/* Help: how lists come about, what the words on a card mean, what is asked and why, what is kept, and the keys. */
import { onboarding } from "../onboarding.js";
import { html, Table } from "../parts.js";
import { to } from "../router.js";
import { words } from "../words.js";

const own = words.help;

const { after, needed, rmse, people } = onboarding;
const measured = after.map((n, at) => ({ n, needed: needed[at] })).filter(({ n }) => n > 0);

export function View() {
  return html`<div class="help">
    <${Section} name="lists"><ol>${own.lists.steps.map((step) => html`<li key=${step}>${step}</li>`)}</ol><//>
    <${Section} name="stars"><dl>${own.stars.terms.map(([term, what]) => html`<div key=${term}><dt>${term}</dt><dd>${what}</dd></div>`)}</dl><//>
    <${Section} name="questions"><${Measured} /><//>
    <${Section} name="privacy">
      <ul>${own.privacy.every.map((one) => html`<li key=${one}>${one}</li>`)}</ul>
      <p><a href=${to({ view: "data" })}>${own.privacy.go}</a></p>
    <//>
    <${Section} name="keys">
      <dl class="keylist">${words.keys.every.map(([key, what]) => html`<div key=${key}><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}</dl>
      <ul>${own.keys.elsewhere.map((one) => html`<li key=${one}>${one}</li>`)}</ul>
    <//>
  </div>`;
}

function Section({ name: part, children }) {
  return html`<section aria-labelledby=${`help-${part}`}>
    <h2 id=${`help-${part}`}>${own[part].title}</h2>
    <p>${own[part].about}</p>
    ${children}
  </section>`;
}

/* What benchmarks/onboarding.py found: how few questions of ours leave the error of the most popular films. */
function Measured() {
  const met = measured.filter((one) => one.needed <= one.n / 2);
  return html`<${Lines} />
    <${Table} caption=${own.questions.caption} columns=${own.questions.columns.map((column, at) => ({ title: column, number: at > 0 }))}
      rows=${measured.map((one) => [own.questions.popular(one.n), one.needed.toFixed(1), own.questions.share(one)])} />
    <p>${own.questions.goal(met.map(({ n }) => n), measured.filter((one) => !met.includes(one)).map(({ n }) => n))}</p>
    <p class="soft">${own.questions.how(people)}</p>`;
}

const [WIDE, HIGH, LEFT, TOP] = [320, 130, 40, 12];

function Lines() {
  const every = [...rmse.ours, ...rmse.popular];
  const [least, most] = [Math.min(...every), Math.max(...every)];
  const x = (n) => LEFT + (n / after.at(-1)) * WIDE;
  const y = (error) => TOP + ((most - error) / (most - least)) * HIGH;
  const line = (errors) => errors.map((error, at) => `${at ? "L" : "M"}${x(after[at]).toFixed(1)} ${y(error).toFixed(1)}`).join("");
  return html`<figure class="curves">
    <svg viewBox="0 0 470 180" role="img" aria-label=${own.questions.drawn}>
      ${[most, least].map((error) => html`<text key=${error} x=${LEFT - 6} y=${y(error) + 4} text-anchor="end">${error.toFixed(2)}</text>`)}
      <path class="axis" d=${`M${LEFT} ${TOP}V${TOP + HIGH}H${LEFT + WIDE}`} />
      ${after.filter((n) => n % 20 === 0).map((n) => html`<text key=${n} x=${x(n)} y=${TOP + HIGH + 16} text-anchor="middle">${n}</text>`)}
      ${["popular", "ours"].map((which) => html`<path key=${which} class=${which} d=${line(rmse[which])} />
        <text class=${which} x=${LEFT + WIDE + 8} y=${y(rmse[which].at(-1)) + 4}>${own.questions[`${which}Line`]}</text>`)}
    </svg>
    <figcaption>${own.questions.axes}</figcaption>
  </figure>`;
}
