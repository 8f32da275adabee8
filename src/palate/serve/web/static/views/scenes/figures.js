/* What was measured: versions beside each other, and whether predicted stars are what people give. */
import { Empty, Table, html } from "../../parts.js";
import { words } from "../../words.js";
import { Asked, count, figure, interval, useAnswer } from "./asking.js";

export function Comparison() {
  const of = useAnswer("comparison");
  const w = words.scenes.comparison;
  return html`<${Asked} of=${of}>${({ versions }) => {
    const names = [...new Set(versions.flatMap(({ figures }) => Object.keys(figures?.metrics ?? {})))];
    const judged = versions.filter(({ verdict }) => verdict?.difference);
    if (!names.length && !judged.length) return html`<${Empty}>${w.none}<//>`;
    return html`${names.length > 0 && html`<${Table} caption=${w.caption}
        columns=${[{ title: w.version }, ...names.map((title) => ({ title, number: true }))]}
        rows=${versions.filter(({ figures }) => figures?.metrics).map(({ version, model, figures }) => [w.named(version, model), ...names.map((name) => (figures.metrics[name] ? interval(figures.metrics[name]) : "–"))])} />`}
      ${judged.length > 0 && html`<${Table} caption=${w.judged} columns=${[{ title: w.version }, { title: w.difference, number: true }, { title: w.verdict }]}
        rows=${judged.map(({ version, model, verdict }) => [w.named(version, model), interval(verdict.difference), verdict.why])} />`}`;
  }}<//>`;
}

const SIDE = 240;

/* Points on the line are right; the bars are 95 % intervals. */
function Chart({ bins }) {
  const ends = bins.flatMap((bin) => [bin.predicted, bin.low, bin.high]);
  const low = Math.floor(Math.min(...ends)), high = Math.ceil(Math.max(...ends));
  const x = (value) => 30 + ((value - low) / (high - low || 1)) * (SIDE - 40);
  const y = (value) => SIDE - 30 - ((value - low) / (high - low || 1)) * (SIDE - 40);
  return html`<svg class="chart" viewBox="0 0 ${SIDE} ${SIDE}" role="img" aria-label=${words.scenes.calibration.chart}>
    <line class="axis" x1=${x(low)} y1=${y(low)} x2=${x(high)} y2=${y(high)} />
    ${bins.map((bin) => html`<g key=${bin.predicted}>
      <line class="bar" x1=${x(bin.predicted)} x2=${x(bin.predicted)} y1=${y(bin.low)} y2=${y(bin.high)} />
      <circle class="dot" cx=${x(bin.predicted)} cy=${y(bin.actual)} r="4" /></g>`)}
    <text x=${x(low)} y=${SIDE - 8}>${low}</text><text x=${x(high)} y=${SIDE - 8} text-anchor="end">${high}</text>
    <text x="4" y=${y(high) + 10}>${high}</text><text x="4" y=${y(low)}>${low}</text>
  </svg>`;
}

export function Calibration() {
  const of = useAnswer("calibration");
  const w = words.scenes.calibration;
  return html`<${Asked} of=${of}>${({ version, of: on, bins }) => (bins.length ? html`
    <p>${w.of(version, on)}</p><${Chart} bins=${bins} />
    <${Table} caption=${w.caption} columns=${[{ title: w.predicted, number: true }, { title: w.actual, number: true }, { title: w.n, number: true }]}
      rows=${bins.map((bin) => [figure(bin.predicted), interval({ ...bin, value: bin.actual }), count(bin.n)])} />` : html`<${Empty}>${version === null ? w.noVersion : w.none(version)}<//>`)}<//>`;
}
