/* By user id: type an id, and see that user's list. A wrong id is told beside the field, in the service's words. */
import { ask } from "../api.js";
import { Empty, html } from "../parts.js";
import { go } from "../router.js";
import { me } from "../state.js";
import { useState } from "../vendor/hooks.js";
import { words } from "../words.js";

export const name = "by-user";
export const title = words.byUser.title;

export function View() {
  const { page, is_own: isOwn, person } = me.value;
  const [typed, type] = useState(isOwn ? "" : person);
  const [wrong, tell] = useState("");

  async function show(event) {
    event.preventDefault();
    const user = typed.trim();
    if (!user) return tell(words.byUser.nothing);
    try {
      await ask("web/me", { user });
    } catch (error) {
      return tell(error.message);
    }
    go({ view: "for-you", user });
  }

  if (page !== "demo" && isOwn && !me.value.may_name) return html`<${Empty}>${words.byUser.notHere}<//>`;
  return html`<form class="by-user" onSubmit=${show} novalidate>
    <label for="user-id">${words.byUser.label}</label>
    <input id="user-id" name="user" value=${typed} autocomplete="off" spellcheck=${false} aria-describedby="user-id-wrong"
      aria-invalid=${wrong ? "true" : undefined} onInput=${(event) => (type(event.currentTarget.value), tell(""))} />
    <button type="submit">${words.byUser.show}</button>
    <p id="user-id-wrong" class="wrong" role="alert">${wrong}</p>
    <p class="hint">${words.byUser.hint}</p>
  </form>`;
}
