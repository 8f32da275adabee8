/* Models by purpose: what each is good for, what was measured of it, and a way to have one's lists by it. */
import { Empty, html } from "../parts.js";
import { at, to } from "../router.js";
import { me } from "../state.js";
import { words } from "../words.js";

const own = words.models;

export function View() {
  const { purposes } = me.value;
  if (!purposes.length) return html`<${Empty}>${me.value.has_model ? own.one : own.empty}<//>`;
  const usual = purposes.find((one) => one.is_active)?.name; /* whose model answers where the address names no purpose */
  return html`<p>${own.about}</p>
    <ul class="purposes">${purposes.map((one, place) => html`<${Purpose} key=${one.name} one=${one} isFirst=${!place} usual=${usual} />`)}</ul>
    ${purposes.length > 1 && html`<p><a href=${to({ view: "compare", purpose: null })}>${own.compare}</a></p>`}`;
}

/** One purpose. @param {{one: any, isFirst: boolean, usual?: string}} given */
function Purpose({ one, isFirst, usual }) {
  const said = own.purposes[one.name];
  const isChosen = (at.value.purpose ?? usual) === one.name;
  return html`<li class="purpose" aria-labelledby=${`purpose-${one.name}`}>
    <h2 id=${`purpose-${one.name}`}>${said.title}${isFirst && html` <span class="mark">${own.first}</span>`}</h2>
    <p>${said.words}</p>
    <${Measured} figure=${one.figure} />
    ${one.sure && html`<p class="figure">${own.sure(one.sure)}</p>`}
    <p class="soft">${own.by(one.model, one.version)}</p>
    ${isChosen
      ? html`<p class="mark">${own.chosen}</p>`
      : html`<a class="button" href=${to({ view: "for-you", purpose: one.name === usual ? null : one.name })}>${said.use}</a>`}
  </li>`;
}

/** What was measured, in words and as a line. @param {{figure: any}} given */
function Measured({ figure }) {
  if (!figure) return html`<p class="soft">${own.unmeasured}</p>`;
  return html`<p class="figure">${own.figure(figure)}</p>
    ${isShare(figure) && html`<${Line} figure=${figure} />`}
    <p class="soft">${own.measured(figure)}</p>`;
}

const isShare = ({ metric, value }) => !["rmse", "mae", "crps"].includes(metric) && value >= 0 && value <= 1;

/* From 0 to 1: how far, between which ends it may lie, and where the popular list is. The words say the same. */
function Line({ figure: { value, low, high, popular } }) {
  const x = (share) => (100 * share).toFixed(2);
  return html`<svg class="line" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
    <rect class="track" x="0" y="3" width="100" height="2" />
    <rect class="reached" x="0" y="3" width=${x(value)} height="2" />
    ${low !== null && high !== null && html`<rect class="ends" x=${x(low)} y="1.5" width=${x(high - low)} height="5" />`}
    ${popular !== null && html`<rect class="popular" x=${x(popular)} y="0" width="0.6" height="8" />`}
  </svg>`;
}
