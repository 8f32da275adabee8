/* What the views share, and how a change is shown before the service knows it. */
import { askWho, openFor, whenEnded } from "./api.js";
import { signal } from "./vendor/signals.js";

/** @type {{value: null | {person: string, is_own: boolean, page: string}}} who asks; null until the service said it */
export const me = signal(null);
/** What the page is called: the document says it. */
export const NAME = document.title;

let latest = 0; /* of the questions who asks: an answer that a newer question has overtaken counts no more */

/** Ask anew who asks, and what there is for them. */
export async function refresh() {
  const own = ++latest;
  const answer = await askWho();
  if (own !== latest) return;
  openFor(answer.own);
  me.value = answer;
}

/** Whether the visit has ended, so that whoever goes on is another visitor. */
export const ended = signal(false);
let renewing = null; /* however many questions were refused, one new person is asked for */
whenEnded(() => {
  ended.value = true;
  renewing ??= refresh().catch((error) => (fault.value = error)).finally(() => (renewing = null));
});

/** @type {{value: string}} what is read out by screen readers */
export const said = signal("");
/** @type {{value: null | Error}} why the page cannot go on */
export const fault = signal(null);
/** No list yet; `of` is null until one came, `busy` while another one is awaited. */
export const NONE = { items: [], list_id: null, policy: null, words: null, left: 0, of: null, busy: false };
/** The list: cards, and from how many of how many it was chosen. */
export const list = signal(NONE);
/** @type {{value: Map<string, "new" | "up" | "down">}} what the last change did to the cards */
export const changed = signal(new Map());
/** @type {{value: null | Error}} why the last change was refused; it is taken back on the page */
export const refused = signal(null);

let last = Promise.resolve(); /* questions go one behind the other, so that a list knows all changes before it */
let waiting = 0;

/**
 * Ask when all before was answered, and show the list of the answer where nothing else is asked by then.
 * @param {() => Promise<{list: object}>} send @param {boolean} marked mark what moved
 */
export async function inTurn(send, marked = true) {
  const person = me.value?.person;
  waiting += 1;
  const answering = last.then(send);
  last = answering.catch(() => {});
  try {
    const answer = await answering;
    if (waiting === 1 && person === me.value?.person) take(answer.list, marked);
    return answer;
  } finally {
    waiting -= 1;
  }
}

/**
 * Show a change at once, tell the service, and take the list of its answer; where it refuses, show what was before.
 * @param {() => Promise<{list: object}>} send
 * @param {(shown: object) => object} apply the list with the change @param {(shown: object) => object} back without it
 */
export async function act(send, apply = same, back = same) {
  refused.value = null;
  list.value = apply(list.value);
  try {
    return await inTurn(send);
  } catch (error) {
    list.value = back(list.value);
    refused.value = error;
    throw error;
  }
}

function take(next, marked) {
  const before = list.value;
  changed.value = marked && before.of !== null ? marks(before.items, next.items) : new Map();
  list.value = { ...next, busy: false };
}

/** Return what moved from one order of cards to another. @param {{item: string}[]} before @param {{item: string}[]} after */
export function marks(before, after) {
  const places = new Map(before.map(({ item }, place) => [item, place]));
  const out = new Map();
  after.forEach(({ item }, place) => {
    const old = places.get(item);
    if (old === undefined) out.set(item, "new");
    else if (place !== old) out.set(item, place < old ? "up" : "down");
  });
  return out;
}

const same = (shown) => shown;
