/* For you: the list. */
import { Empty, html } from "../parts.js";
import { words } from "../words.js";

export const name = "for-you";
export const title = words.forYou.title;

export function View() {
  return html`<${Empty}>${words.forYou.empty}<//>`;
}
