/* Where a user's id is typed, and what is shown where the address has a wrong one. */
import { html } from "./parts.js";
import { at, go, to } from "./router.js";
import { words } from "./words.js";

const LONGEST = 512; /* characters of an id */

/** What is shown of an address whose user cannot be shown: why, and a way to go on. @param {{error: Error & {status: number}}} given */
export function Wrong({ error }) {
  return html`<h1>${error.status === 403 ? words.frame.notYours : words.frame.noUser}</h1>
    <p class="failed" role="alert"><bdi>${error.message}</bdi></p>
    ${error.status !== 403 && html`<${Typing} />`}
    <p><a href=${to({ user: null })}>${words.frame.back}</a></p>`;
}

/** Where an id is typed. */
export function Typing() {
  const show = (event) => {
    event.preventDefault();
    const { value } = event.target.elements.id;
    if (value.trim()) go({ view: "by-user", user: value });
  };
  return html`<form class="finder typing" onSubmit=${show}>
    <label>${words.byUser.id} <input name="id" required maxlength=${LONGEST} autocomplete="off" autocapitalize="off" spellcheck="false" value=${at.value.user ?? ""} /></label>
    <button type="submit">${words.byUser.show}</button>
  </form>`;
}
