/* Behind the scenes: what goes on, for whoever shows an admin's key. What admins see is loaded when one is here. */
import { tell } from "../api.js";
import { Empty, html } from "../parts.js";
import { fault, me } from "../state.js";
import { useEffect, useState } from "../vendor/hooks.js";
import { signal } from "../vendor/signals.js";
import { words } from "../words.js";

const isOver = signal(false); /* the session ended by itself */

/** Show the field for the key again. @param {{byItself?: boolean}} how the session ended by itself, not by a click */
export function lock({ byItself = false } = {}) {
  isOver.value = byItself;
  me.value = { ...me.value, is_admin: false, may_name: me.value.page === "demo" };
}

/* The key goes from the field to the service, and nowhere else: no state, no storage. */
function Locked() {
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  async function begin(event) {
    event.preventDefault();
    const field = event.target.elements.key;
    const key = field.value;
    field.value = "";
    setBusy(true);
    try {
      await tell("web/admin", { user: undefined, key });
      me.value = { ...me.value, is_admin: true, may_name: true };
    } catch (refused) {
      setError(refused);
      setBusy(false);
      field.focus();
    }
  }
  return html`<form class="locked" onSubmit=${begin}>
    ${isOver.value && html`<p role="alert">${words.scenes.over}</p>`}
    <p>${words.scenes.locked}</p>
    <label>${words.scenes.key} <input name="key" type="password" required autocomplete="off" aria-describedby="key-told" /></label>
    <button type="submit" disabled=${busy}>${words.scenes.begin}</button>
    <p id="key-told" role="alert">${error ? error.message : ""}</p>
  </form>`;
}

function Opened() {
  const [loaded, setLoaded] = useState(null);
  const load = () => import("./scenes/parts.js").then(setLoaded, (error) => (fault.value = error));
  useEffect(() => void load(), []);
  return loaded ? html`<${loaded.Parts} />` : html`<${Empty}>${words.scenes.loading}<//>`;
}

export function View() {
  return me.value.is_admin ? html`<${Opened} />` : html`<${Locked} />`;
}
