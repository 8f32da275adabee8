/* What the views share. */
import { signal } from "./vendor/signals.js";

/** @type {{value: null | {person: string, is_own: boolean, page: string}}} who asks; null until the service said it */
export const me = signal(null);
/** @type {{value: string}} what is read out by screen readers */
export const said = signal("");
/** @type {{value: null | Error}} why the page cannot go on */
export const fault = signal(null);
