/* What a person says of films: sent by a name of our own, so that it counts once, and taken back by it. */
import { ask, tell } from "./api.js";
import { wantedOf } from "./early.js";
import { at } from "./router.js";
import { NONE, act, changed, inTurn, list, me, refresh, refused, said } from "./state.js";
import { signal } from "./vendor/signals.js";
import { words } from "./words.js";

const KEPT = 30; /* changes that can be taken back */
/** @type {{value: {event_id: string, words: string}[]}} changes that can be taken back, the newest last; kept on reload */
export const undoable = signal([]);
const removed = new Map(); /* event id: the card that left, and its place; it comes back at once */

/** Return what the address says of the list. */
export const wanted = () => wantedOf(at.value);

let shown = {}; /* whose list stands on the page, and what was asked for it */

/** Ask for the list that the address says. What moved is marked where a slider moved it, not where others are chosen from. */
export async function load() {
  const { variety, discovery, ...choice } = wanted();
  const next = { person: me.value.person, choice: JSON.stringify(choice) };
  const marked = next.person === shown.person && next.choice === shown.choice;
  list.value = next.person === shown.person ? { ...list.value, busy: true } : NONE;
  if (!marked) changed.value = new Map();
  shown = next;
  try {
    await inTurn(async () => ({ list: await ask("web/list", wanted()) }), marked);
  } finally {
    list.value = { ...list.value, busy: false };
  }
}

/** Rate a film. @param {{item: string, title: string}} card @param {number} value */
export function rate(card, value) {
  const stays = at.value.seen === "1";
  const body = { item: card.item, value };
  return told("web/ratings", card, body, words.changes.rated(card.title, value), stays ? { rated: value } : null);
}

/** Say what is no rating. @param {{item: string, title: string}} card @param {"hide" | "seen" | "skip"} kind */
export function react(card, kind) {
  const stays = at.value.seen === "1" && kind !== "hide";
  return told("web/reactions", card, { item: card.item, kind }, words.changes[kind](card.title), stays ? {} : null);
}

async function told(path, card, body, sentence, stays) {
  const event_id = uuid();
  const { user } = at.value; /* of this moment: another one may be asked about when it is sent */
  const place = list.value.items.findIndex(({ item }) => item === card.item);
  const where = place < 0 ? {} : { list_id: list.value.list_id, place: place + 1 };
  const old = list.value.items[place];
  const apply = stays ? (shown) => changedCard(shown, card.item, stays) : (shown) => without(shown, card.item);
  const back = !old ? undefined : stays ? (shown) => changedCard(shown, card.item, old) : (shown) => within(shown, old, place);
  remember({ event_id, words: sentence });
  if (old && !stays) removed.set(event_id, { card: old, place });
  said.value = sentence;
  try {
    const answer = await act(() => tell(path, { ...body, ...where, event_id, user, ask: wanted() }), apply, back);
    recount();
    return answer;
  } catch (error) {
    forget(event_id);
    said.value = words.changes.refused(error.message);
    return null;
  }
}

/** Take back the newest change; says whether there was one. */
export async function undo() {
  const newest = undoable.value.at(-1);
  if (!newest) return false;
  const { card, place } = removed.get(newest.event_id) ?? {};
  forget(newest.event_id);
  said.value = words.changes.undone(newest.words);
  const event_id = uuid();
  const { user } = at.value;
  const send = () => tell("web/undo", { withdraws: newest.event_id, event_id, user, ask: wanted() });
  try {
    await act(send, card && ((shown) => within(shown, card, place)), card && ((shown) => without(shown, card.item)));
    recount();
  } catch (error) {
    if (error.status !== 404) remember(newest); /* 404: it is not there any more */
    said.value = words.changes.refused(error.message);
  }
  return true;
}

/** Read what can be taken back of whoever is asked about; what was refused elsewhere is told no longer. */
export function recall() {
  refused.value = null;
  undoable.value = read();
}

const key = () => `palate.undo.${me.value?.person}`;

function read() {
  try {
    const kept = JSON.parse(localStorage.getItem(key()) ?? "[]");
    return Array.isArray(kept) ? kept.filter((one) => typeof one?.event_id === "string" && typeof one.words === "string") : [];
  } catch {
    return []; /* no storage, or not ours: nothing can be taken back, and all else works */
  }
}

function keep(changes) {
  undoable.value = changes;
  try {
    localStorage.setItem(key(), JSON.stringify(changes));
  } catch {
    /* full, or forbidden: it holds until the page is left */
  }
}

/* The line about somebody else says how many films they rated; where it cannot be asked, it stays as it was. */
function recount() {
  if (!me.value.is_own) refresh().catch(() => {});
}

const remember = (change) => keep([...undoable.value, change].slice(-KEPT));
const forget = (event_id) => keep(undoable.value.filter((one) => one.event_id !== event_id));
const without = (shown, gone) => ({ ...shown, items: shown.items.filter(({ item }) => item !== gone) });
const changedCard = (shown, of, change) => ({
  ...shown,
  items: shown.items.map((card) => (card.item === of ? { ...card, ...change } : card)),
});

function within(shown, card, place) {
  const items = shown.items.filter(({ item }) => item !== card.item);
  return { ...shown, items: [...items.slice(0, place), card, ...items.slice(place)] };
}

/* crypto.randomUUID is there on https and localhost alone */
function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`, hex.slice(20)].join("-");
}
