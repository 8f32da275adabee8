/* A file of ratings: chosen, shown as it would be taken, taken, and taken back. The browser keeps the file meanwhile. */
import { send, tell } from "../../api.js";
import { html } from "../../parts.js";
import { to } from "../../router.js";
import { me, said } from "../../state.js";
import { useEffect, useRef, useState } from "../../vendor/hooks.js";
import { words } from "../../words.js";
import { Preview } from "./preview.js";

const own = words.data.upload;
const MIB = 2 ** 20;

/** @param {{changed: () => void}} given called when a file was taken or taken back */
export function Upload({ changed }) {
  const [file, setFile] = useState(null);
  const [choices, setChoices] = useState({});
  const [shown, setShown] = useState(null);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const [last, setLast] = useState(null);
  const round = useRef(0);
  useEffect(() => setLast(recalled()), [me.value.person]);

  const clear = () => (setFile(null), setChoices({}), setShown(null), setError(null));
  const work = async (doing, then) => {
    const mine = ++round.current; /* the answer of the last question alone is shown */
    setBusy(true);
    setError(null);
    try {
      const answer = await doing();
      if (mine === round.current) then(answer);
    } catch (fault) {
      if (mine === round.current) setError(fault);
    } finally {
      if (mine === round.current) setBusy(false);
    }
  };
  const look = (chosen, how) => {
    setFile(chosen);
    setChoices(how);
    setLast(null);
    const most = me.value.upload_bytes;
    if (chosen.size > most) return setError(new Error(own.tooLarge(chosen.name, chosen.size / MIB, most / MIB)));
    return work(() => send("web/uploads", query(chosen, how), chosen), (answer) => {
      setShown(answer);
      said.value = own.found(chosen.name, answer);
    });
  };
  const take = () => {
    const once = word();
    return work(() => send("web/uploads/commit", { ...query(file, choices), once }, file), (answer) => {
      const done = { once, name: file.name, words: own.taken(file.name, answer), n: answer.new };
      clear();
      setLast(done);
      kept(done);
      said.value = done.words;
      changed();
    });
  };
  const back = () => work(() => tell("web/uploads/undo", { once: last.once }), ({ undone }) => {
    const done = { words: own.undone(undone), n: 0 };
    setLast(done);
    kept(null);
    said.value = done.words;
    changed();
  });

  return html`<p>${own.about}</p>
    <${Chooser} onFile=${(chosen) => (clear(), look(chosen, {}))} />
    ${error && html`<p class="failed" role="alert"><bdi>${error.message}</bdi></p>`}
    ${busy && !shown && html`<p role="status">${own.reading}</p>`}
    ${last && html`<div class="done"><p><bdi>${last.words}</bdi></p><p class="choice">
      ${last.n > 0 && html`<button type="button" disabled=${busy} onClick=${back}>${own.back}</button>`}
      <a class="button" href=${to({ view: null })}>${own.see}</a></p></div>`}
    ${shown && html`<${Preview} name=${file.name} shown=${shown} busy=${busy} choices=${choices}
      change=${(how) => look(file, { ...choices, ...how })} take=${take} cancel=${clear} />`}`;
}

function Chooser({ onFile }) {
  const [over, setOver] = useState(false);
  const chosen = (files) => files?.[0] && onFile(files[0]);
  const dropped = (event) => {
    event.preventDefault();
    setOver(false);
    chosen(event.dataTransfer.files);
  };
  return html`<label class=${over ? "drop over" : "drop"} onDragOver=${(event) => (event.preventDefault(), setOver(true))}
      onDragLeave=${() => setOver(false)} onDrop=${dropped}>
    <span>${own.choose}</span>
    <input type="file" accept=".csv,.tsv,.txt,.gz,text/csv,text/plain" onChange=${({ target }) => (chosen(target.files), (target.value = ""))} />
  </label>`;
}

function query(file, { roles, top, whose }) {
  return { name: file.name.slice(-200) || "file", role: roles, top, whose };
}

/* A name of our own for what is sent, so that it counts once; crypto.randomUUID is on https and localhost alone. */
function word() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

const key = () => `palate.upload.${me.value?.person}`;

function kept(done) {
  try {
    if (done) localStorage.setItem(key(), JSON.stringify(done));
    else localStorage.removeItem(key());
  } catch {
    /* full, or forbidden: it can be taken back until the page is left */
  }
}

function recalled() {
  try {
    const found = JSON.parse(localStorage.getItem(key()) ?? "null");
    return typeof found?.once === "string" && typeof found.words === "string" ? found : null;
  } catch {
    return null; /* no storage, or not ours */
  }
}
