/* Keys of the list; they count while it has the focus, so that nobody who dictates or types sets them off. */
import { leaving, values } from "../cards.js";
import { rate, react, undo } from "../changes.js";
import { list, me } from "../state.js";

const TYPED = "input, select, textarea, summary, dialog";
const REACTIONS = { h: "hide", s: "seen" };

/** Do what a key says. @param {KeyboardEvent} event @param {() => void} help */
export function pressed(event, help) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest(TYPED)) return;
  const card = event.target.closest(".card");
  if (event.key === "?") help();
  else if (event.key === "u") undo();
  else if (!card || !onCard(event.key, card)) return;
  event.preventDefault();
}

function onCard(key, card) {
  if (key.startsWith("Arrow")) return moved(key, card);
  const film = list.value.items.find(({ item }) => item === card.dataset.item);
  if (!film) return false;
  if (/^[1-5]$/.test(key)) leaving(card, () => rate(film, values(me.value?.rating_scale)[Number(key) - 1]));
  else if (key in REACTIONS) leaving(card, () => react(film, REACTIONS[key]));
  else if (key === "w") card.querySelector(".why").click();
  else return false;
  return true;
}

const cards = (card) => [...card.closest(".cards").querySelectorAll(".card")];

function moved(key, card) {
  const every = cards(card);
  const columns = every.filter((one) => one.offsetTop === every[0].offsetTop).length || 1;
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns };
  const next = every[every.indexOf(card) + steps[key]];
  next?.focus();
  return Boolean(next);
}
