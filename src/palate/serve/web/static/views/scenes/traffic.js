/* What came and went by the hour, how quickly, and what came of experiments. */
import { Empty, Table, html } from "../../parts.js";
import { at, to } from "../../router.js";
import { words } from "../../words.js";
import { Asked, count, interval, useAnswer, when } from "./asking.js";

const WIDE = 480, TALL = 120;
const clock = (text) => new Date(text).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });

/* Two columns an hour; the table below says the same. */
function Hours({ hours }) {
  const most = Math.max(1, ...hours.flatMap(({ lists, events }) => [lists, events]));
  const step = WIDE / hours.length;
  const column = (at, shift, value, kind) => html`<rect class=${kind} x=${at * step + shift} width=${step * 0.4} y=${TALL - (value / most) * TALL} height=${(value / most) * TALL} />`;
  return html`<svg class="hours" viewBox="0 0 ${WIDE} ${TALL + 16}" role="img" aria-label=${words.scenes.traffic.chart(most)}>
    <line class="axis" x1="0" x2=${WIDE} y1=${TALL} y2=${TALL} />
    ${hours.map((hour, at) => html`<g key=${hour.hour}>${column(at, step * 0.08, hour.lists, "lists")}${column(at, step * 0.52, hour.events, "events")}
      ${at % 6 === 0 && html`<text x=${at * step} y=${TALL + 13}>${clock(hour.hour)}</text>`}</g>`)}
  </svg>
  <p class="legend"><span class="key lists"></span>${words.scenes.traffic.lists} <span class="key events"></span>${words.scenes.traffic.events}</p>`;
}

export function Traffic() {
  const of = useAnswer("traffic");
  const w = words.scenes.traffic;
  const quick = (seconds) => (seconds === null ? w.slow : w.milliseconds(seconds * 1000));
  return html`<${Asked} of=${of}>${({ hours, routes }) => html`
    ${hours.some(({ lists, events }) => lists || events) ? html`<${Hours} hours=${hours} />
      <details><summary>${w.asTable}</summary><${Table} caption=${w.hourly} columns=${[{ title: w.hour }, { title: w.lists, number: true }, { title: w.events, number: true }]}
        rows=${hours.map((hour) => [when(hour.hour), count(hour.lists), count(hour.events)])} /></details>` : html`<${Empty}>${w.none}<//>`}
    ${routes.length > 0 && html`<${Table} caption=${w.quickness} columns=${[{ title: w.route }, { title: w.requests, number: true }, { title: "p50", number: true }, { title: "p99", number: true }]}
      rows=${routes.map((row) => [row.route, count(row.n), quick(row.p50), quick(row.p99)])} />`}
    <p><button type="button" onClick=${of.again}>${w.again}</button></p>`}<//>`;
}

function Report({ name }) {
  const of = useAnswer("arms", { name });
  const w = words.scenes.arms;
  return html`<${Asked} of=${of}>${({ report }) => html`<h3>${w.reportOf(name)}</h3>
    <p><strong>${report.verdict}</strong></p>
    ${report.warnings.map((warning) => html`<p key=${warning} class="refusal">${warning}</p>`)}
    <${Table} caption=${w.perList} columns=${[{ title: w.arm }, { title: w.people, number: true }, { title: w.lists, number: true }, { title: w.clicks, number: true }, { title: w.positives, number: true }]}
      rows=${report.arms.map((arm) => [arm.name, count(arm.people), count(arm.lists), interval(arm.clicks), interval(arm.positives)])} />`}<//>`;
}

export function Arms() {
  const of = useAnswer("arms");
  const { experiment } = at.value;
  const w = words.scenes.arms;
  const row = (one) => [
    one.name, one.scenario, one.arms.map((arm) => w.share(arm.name, 100 * arm.share)).join(", "), when(one.started), one.ended ? when(one.ended) : w.running,
    html`<a href=${to({ experiment: one.name })}>${one.ended ? w.report : w.look}<span class="unseen"> ${w.of(one.name)}</span></a>`,
  ];
  return html`<${Asked} of=${of}>${({ experiments }) => (experiments.length ? html`
    <${Table} caption=${w.caption} columns=${w.columns.map((title) => ({ title }))} rows=${experiments.map(row)} />
    ${experiment && html`<${Report} key=${experiment} name=${experiment} />`}` : html`<${Empty}>${w.none}<//>`)}<//>`;
}
