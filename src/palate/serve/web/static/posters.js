/* Posters, drawn from title, year and genres: the first genre gives the colour, the title the figure. */
import { html } from "./parts.js";

const LINE = 11; /* letters of a large poster */
const LINES = 5;
const HUES = 18; /* of genres, far enough from each other */
const BASE = "45% 24%";
const FIGURE = "45% 31%"; /* white on either has a contrast above 4.5, whatever the hue */

/** Return a number that is the same for the same text. @param {string} text */
export function hash(text) {
  let out = 2166136261;
  for (const sign of text) out = Math.imul(out ^ sign.codePointAt(0), 16777619);
  return out >>> 0;
}

const hue = (text) => (hash(text) % HUES) * (360 / HUES);

/** Return the two colours of a film's poster, of its first and its second genre. @param {{title: string, genres: string[]}} film */
export function colours({ title, genres: [first = title, second = first] }) {
  return [`hsl(${hue(first)} ${BASE})`, `hsl(${hue(second)} ${FIGURE})`];
}

/** Return up to two letters that stand for a title. @param {string} title */
export function initials(title) {
  const words = title.replace(/^(the|an?) /i, "").match(/[\p{L}\p{N}]+/gu) ?? ["?"];
  return words.slice(0, 2).map((word) => [...word][0].toUpperCase()).join("");
}

/** Return a title in lines, as many as a poster has room for. @param {string} title */
export function lines(title) {
  const out = [""];
  for (const word of title.split(/\s+/)) {
    const short = word.length > LINE ? `${word.slice(0, LINE - 1)}…` : word;
    if (out.at(-1) && out.at(-1).length + short.length >= LINE) out.push(short);
    else out[out.length - 1] = `${out.at(-1)} ${short}`.trim();
  }
  return out.length > LINES ? [...out.slice(0, LINES - 1), "…"] : out;
}

const FIGURES = [
  (n) => [0, 1, 2, 3].map((k) => html`<circle cx=${20 + ((n >> k) % 60)} cy=${20 + k * 28} r=${26 - 5 * k} />`),
  (n) => [0, 1, 2, 3, 4, 5].map((k) => html`<rect x="-60" y=${k * 32 - (n % 32)} width="240" height="14" transform="rotate(-30 50 75)" />`),
  (n) => [0, 1, 2].map((k) => html`<path d=${`M${-10 + (n % 40)} ${150 - 40 * k} L50 ${60 - 30 * k} L${110 - (n % 30)} ${150 - 40 * k} Z`} opacity="0.6" />`),
  (n) => Array.from({ length: 24 }, (_, k) => html`<circle cx=${12 + (k % 4) * 26} cy=${14 + Math.floor(k / 4) * 25} r=${3 + ((n >> k % 16) & 7)} />`),
  (n) => html`<circle cx=${25 + (n % 50)} cy=${30 + (n % 40)} r="46" /><rect y=${92 + (n % 20)} width="100" height="70" />`,
  (n) => Array.from({ length: 8 }, (_, k) => html`<rect x="48" y="-40" width="9" height="115" transform=${`rotate(${k * 45 + (n % 45)} 52 75)`} />`),
];

/** A film's poster; its title stands beside it, so nobody reads it out. @param {{film: {title: string, year: number | null, genres: string[]}, isLarge?: boolean}} given */
export function Poster({ film, isLarge = false }) {
  const [base, figure] = colours(film);
  const number = hash(film.title);
  return html`<svg class="poster" viewBox="0 0 100 150" aria-hidden="true" focusable="false">
    <rect width="100" height="150" fill=${base} />
    <g fill=${figure} opacity="0.8">${FIGURES[number % FIGURES.length](number >>> 3)}</g>
    <rect x="5" y="5" width="90" height="140" rx="3" fill="none" stroke="#fff" stroke-opacity="0.3" />
    ${isLarge
      ? lines(film.title).map((line, at, { length }) => html`<text key=${at} x="50" y=${80 + 17 * (at - (length - 1) / 2)} text-anchor="middle" font-size="14" font-weight="700" fill="#fff">${line}</text>`)
      : html`<text x="50" y="88" text-anchor="middle" font-size="38" font-weight="700" fill="#fff">${initials(film.title)}</text>`}
    <text x="50" y="136" text-anchor="middle" font-size=${isLarge ? 9 : 16} letter-spacing="1" fill="#fff">${film.year ?? ""}</text>
  </svg>`;
}
