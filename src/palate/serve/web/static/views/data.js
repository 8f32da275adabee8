/* Your data: bring ratings from elsewhere, take away what is known here, be forgotten. */
import { address, remove } from "../api.js";
import { Dialog, html } from "../parts.js";
import { me } from "../state.js";
import { useState } from "../vendor/hooks.js";
import { words } from "../words.js";
import { Upload } from "./data/upload.js";
import { Said } from "./said.js";

const KEPT = "palate-theme"; /* the one thing in this browser that is not about a person */

export function View() {
  const [round, setRound] = useState(0);
  return html`<div class="data">
    <section aria-labelledby="data-upload"><h2 id="data-upload">${words.data.upload.title}</h2><${Upload} changed=${() => setRound((n) => n + 1)} /></section>
    <section aria-labelledby="data-said"><${Said} id="data-said" most=${10} round=${round} /></section>
    <section aria-labelledby="data-download"><h2 id="data-download">${words.data.download.title}</h2><${Downloads} /></section>
    <section aria-labelledby="data-forget"><h2 id="data-forget">${words.data.forget.title}</h2><${Forget} /></section>
  </div>`;
}

const FILES = [
  ["list", "web/downloads/lists", "csv"],
  ["list", "web/downloads/lists", "json"],
  ["ratings", "web/downloads/mine", "csv"],
  ["all", "web/downloads/mine", "json"],
];

function Downloads() {
  return html`<p>${words.data.download.about}</p>
    <ul class="files">${FILES.map(([what, path, format]) => html`<li key=${what + format}>
      <a class="button" href=${address(path, { format })} download>${words.data.download[what](format)}</a>
      <span>${words.data.download.holds[what]}</span>
    </li>`)}</ul>`;
}

function Forget() {
  const [asking, setAsking] = useState(false);
  const [error, setError] = useState(null);
  const forget = async () => {
    setAsking(false);
    try {
      await remove("web/me", { sure: true });
      leaveNothing();
      location.assign("?");
    } catch (fault) {
      setError(fault);
    }
  };
  if (!me.value.is_own) return html`<p>${words.data.forget.others}</p>`;
  return html`<p>${words.data.forget.about}</p>
    <p><button type="button" class="grave" onClick=${() => setAsking(true)}>${words.data.forget.do}</button></p>
    ${error && html`<p class="failed" role="alert">${words.data.forget.failed} ${error.message}</p>`}
    ${asking && html`<${Dialog} title=${words.data.forget.sure} yes=${words.data.forget.yes} onYes=${forget} onNo=${() => setAsking(false)}>
      ${words.data.forget.about}
    <//>`}`;
}

/* What this browser keeps about the person that was: undo, questions that are open, uploads. */
function leaveNothing() {
  try {
    for (const key of Object.keys(localStorage)) if (key !== KEPT) localStorage.removeItem(key);
  } catch {
    /* storage is switched off: there is nothing */
  }
}
