/* The parts behind the scenes, each at an address of its own: `?view=scenes&part=jobs`. */
import { tell } from "../../api.js";
import { html } from "../../parts.js";
import { at, to } from "../../router.js";
import { fault } from "../../state.js";
import { words } from "../../words.js";
import { lock } from "../scenes.js";
import { Card, Ready, Refused } from "./data.js";
import { Arms, Traffic } from "./traffic.js";
import { Calibration, Comparison } from "./figures.js";
import { Jobs, Versions } from "./learning.js";

const PARTS = { ready: Ready, card: Card, versions: Versions, jobs: Jobs, comparison: Comparison, calibration: Calibration, traffic: Traffic, arms: Arms, refused: Refused };

async function leave() {
  try {
    await tell("web/admin", {}, "DELETE");
    lock();
  } catch (error) {
    fault.value = error;
  }
}

export function Parts() {
  const part = Object.hasOwn(PARTS, at.value.part ?? "") ? at.value.part : "ready";
  const Part = PARTS[part];
  return html`<div class="scenes">
    <nav aria-label=${words.scenes.title}><ul>
      ${Object.keys(PARTS).map((one) => html`<li key=${one}>
        <a href=${to({ part: one })} aria-current=${one === part ? "page" : undefined}>${words.scenes.parts[one]}</a>
      </li>`)}
    </ul></nav>
    <section aria-labelledby="part-title">
      <h2 id="part-title">${words.scenes.parts[part]}</h2>
      <p class="about">${words.scenes.about[part]}</p>
      <${Part} key=${part} />
    </section>
    <p class="leave"><button type="button" onClick=${leave}>${words.scenes.leave}</button> ${words.scenes.ends}</p>
  </div>`;
}
