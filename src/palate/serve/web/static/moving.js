/* Cards glide to their new places: first, last, invert, play. Whoever wants less motion sees none. */
const QUICK = 180;
const still = matchMedia("(prefers-reduced-motion: reduce)");
const places = new WeakMap(); /* box: where each card stood */

/** Move the cards of a box from where they stood to where they are. @param {HTMLElement | null} box */
export function flip(box) {
  if (!box) return;
  const before = places.get(box);
  const now = new Map([...box.querySelectorAll("[data-item]")].map((card) => [card.dataset.item, card]));
  places.set(box, new Map([...now].map(([item, card]) => [item, [card.offsetLeft, card.offsetTop]])));
  if (!before || still.matches) return;
  for (const [item, card] of now) glide(card, before.get(item));
}

function glide(card, from) {
  if (!from) {
    card.animate([{ opacity: 0 }, { opacity: 1 }], QUICK);
    return;
  }
  const x = from[0] - card.offsetLeft;
  const y = from[1] - card.offsetTop;
  if (x || y) card.animate([{ transform: `translate(${x}px, ${y}px)` }, { transform: "none" }], { duration: QUICK, easing: "ease-out" });
}
