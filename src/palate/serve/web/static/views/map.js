/* The taste map: films that the same people like lie near each other; yours are marked, and a table says what is near. */
import { ask } from "../api.js";
import { Empty, Failed, html } from "../parts.js";
import { hash } from "../posters.js";
import { at, go, to } from "../router.js";
import { list, me, said } from "../state.js";
import { useEffect, useMemo, useRef, useState } from "../vendor/hooks.js";
import { words } from "../words.js";
import { box, inDirection, moved, nearest, zoomed } from "./plane.js";

const NEAR = 12; /* films that the table names */
const GENRES = 7; /* that have a colour of their own */
const ARROWS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

export function View() {
  const [map, setMap] = useState(null);
  const [mine, setMine] = useState(new Map());
  const [fault, setFault] = useState(null);
  const { user } = at.value;
  const load = () => ask("web/map", { user: undefined }).then((answer) => (setMap(answer), setFault(null)), setFault);
  useEffect(() => void load(), []);
  useEffect(() => {
    ask("web/map/mine").then((answer) => setMine(new Map(answer.mine.map((one) => [one.item, one.value]))), setFault);
  }, [user, list.value.list_id]);
  const points = useMemo(() => (map?.points ?? []).map(([x, y, item, title, year, genres]) => ({ x, y, item, title, year, genres })), [map]);
  if (fault) return html`<${Failed} error=${fault} again=${load} />`;
  if (!map) return html`<p class="quiet">${words.map.waiting}</p>`;
  if (!points.length) return html`<${Empty}>${map.version === null ? words.map.noModel : words.map.noLikeness}<//>`;
  return html`<${Drawn} points=${points} regions=${map.regions} mine=${mine} />`;
}

function Drawn({ points, regions, mine }) {
  const chosen = points.find(({ item }) => item === at.value.item) ?? points.find(({ item }) => mine.has(item)) ?? points[0];
  const [over, setOver] = useState(null);
  const shown = over ?? chosen;
  const colours = useMemo(() => coloured(points), [points]);
  return html`<p class="quiet">${words.map.intro(points.length, mine.size)}</p>
  <div class="taste">
    <figure>
      <${Plane} ...${{ points, regions, mine, colours, chosen, over, setOver }} />
      <figcaption aria-hidden="true"><b><bdi>${shown.title}</bdi></b> ${about(shown, mine)}</figcaption>
      <${Legend} colours=${colours} />
    </figure>
    <${Beside} ...${{ points, mine, chosen }} />
  </div>`;
}

const about = ({ item, year, genres }, mine) => [year, ...genres, mine.has(item) && words.map.yours(mine.get(item))].filter(Boolean).join(" · ");
const choose = (point) => go({ item: point.item }, { replace: true });

function Plane({ points, regions, mine, colours, chosen, over, setOver }) {
  const svg = useRef(null);
  const drag = useRef(null);
  const [seen, setSeen] = useState([-1.06, -1.06, 2.12, 2.12]);
  const size = seen[2] / 2.12;
  const dots = useMemo(() => colours.map(({ name, hue, of }) => html`<path key=${name} d=${of.map(({ x, y }) => `M${x} ${y}h0`).join("")} stroke=${hue} />`), [colours]);
  const under = (event) => nearest(points, box(svg.current, seen, event), 0.05 * size);
  const keys = (event) => {
    const next = ARROWS[event.key] && inDirection(points, chosen, ARROWS[event.key]);
    if (next) tell(next);
    if (event.key === "+" || event.key === "-") setSeen(zoomed(seen, event.key === "+" ? 0.7 : 1 / 0.7, chosen));
    if (next || ARROWS[event.key] || event.key === "+" || event.key === "-") event.preventDefault();
  };
  const tell = (point) => {
    setOver(null);
    choose(point);
    setSeen((now) => moved(now, point));
    said.value = words.map.at(point, about(point, mine));
  };
  const move = (event) => {
    if (drag.current) setSeen(([, , w, h]) => [drag.current.x - (event.offsetX / svg.current.clientWidth) * w, drag.current.y - (event.offsetY / svg.current.clientHeight) * h, w, h]);
    else setOver(under(event));
  };
  const press = (event) => {
    if (event.pointerType === "mouse") drag.current = { ...box(svg.current, seen, event), from: event.offsetX + event.offsetY };
  };
  const release = (event) => {
    const stayed = !drag.current || Math.abs(drag.current.from - event.offsetX - event.offsetY) < 4;
    drag.current = null;
    const point = stayed && event.type === "pointerup" && under(event);
    if (point) tell(point);
  };
  return html`<div class="plane">
    <svg ref=${svg} viewBox=${seen.join(" ")} role="group" aria-label=${words.map.label}
      onPointerMove=${move} onPointerDown=${press} onPointerUp=${release} onPointerLeave=${(event) => (release(event), setOver(null))}>
      <g class="dots" stroke-width=${0.016 * Math.sqrt(size)}>${dots}</g>
      <g class="mine">${points.filter(({ item }) => mine.has(item)).map((point) => html`<circle key=${point.item} class=${liked(mine.get(point.item)) ? "liked" : ""}
        cx=${point.x} cy=${point.y} r=${0.017 * Math.sqrt(size)} stroke-width=${0.007 * Math.sqrt(size)} />`)}</g>
      <g class="regions" aria-hidden="true" font-size=${0.055 * size} stroke-width=${0.02 * size}>${regions.map(({ genre, x, y }) => html`<text key=${genre} x=${x} y=${y - 0.06 * size} text-anchor=${x > 0.6 ? "end" : x < -0.6 ? "start" : "middle"}>${genre}</text>`)}</g>
      ${over && html`<circle class="over" cx=${over.x} cy=${over.y} r=${0.03 * size} stroke-width=${0.01 * size} />`}
      <a class="chosen" href=${to({ view: "film", item: chosen.item })} aria-label=${words.map.at(chosen, about(chosen, mine))} aria-describedby="map-keys" onKeyDown=${keys}>
        <circle cx=${chosen.x} cy=${chosen.y} r=${0.035 * size} stroke-width=${0.014 * size} /></a>
    </svg>
    <p class="said" id="map-keys">${words.map.keys}</p>
    <div class="zoom">
      <button type="button" aria-label=${words.map.closer} onClick=${() => setSeen(zoomed(seen, 0.6, chosen))}>+</button>
      <button type="button" aria-label=${words.map.further} onClick=${() => setSeen(zoomed(seen, 1 / 0.6, chosen))}>−</button>
    </div>
  </div>`;
}

const liked = (value) => {
  const [low, high] = me.value?.rating_scale ?? [1, 5];
  return value >= low + 0.75 * (high - low);
};

/* The commonest genres have colours, far from each other; the others are grey. */
function coloured(points) {
  const first = new Map();
  for (const { genres } of points) if (genres[0]) first.set(genres[0], (first.get(genres[0]) ?? 0) + 1);
  const names = [...first].sort((a, b) => b[1] - a[1]).slice(0, GENRES).map(([genre]) => genre);
  const groups = names.map((genre, n) => ({ name: genre, hue: `hsl(${(n * 360) / names.length + (hash(names[0]) % 40)} 55% 52%)`, of: points.filter(({ genres }) => genres[0] === genre) }));
  return [{ name: words.map.others, hue: "var(--edge)", of: points.filter(({ genres }) => !names.includes(genres[0])) }, ...groups];
}

function Legend({ colours }) {
  return html`<ul class="legend" aria-hidden="true">
    <li><svg viewBox="0 0 10 10"><circle class="liked" cx="5" cy="5" r="3.5" /></svg>${words.map.liked}</li>
    <li><svg viewBox="0 0 10 10"><circle cx="5" cy="5" r="3.5" /></svg>${words.map.notLiked}</li>
    ${colours.filter(({ of }) => of.length).map(({ name, hue }) => html`<li key=${name}><svg viewBox="0 0 10 10"><circle class="dot" cx="5" cy="5" r="4" fill=${hue} /></svg>${name}</li>`)}
  </ul>`;
}

/* The same in words: what is near the chosen film, and a way to any other. */
function Beside({ points, mine, chosen }) {
  const [typed, setTyped] = useState("");
  const around = useMemo(() => [...points].sort((a, b) => far(a, chosen) - far(b, chosen)).slice(0, NEAR + 1), [points, chosen]);
  const hits = typed.trim() ? points.filter(({ title }) => title.toLocaleLowerCase().includes(typed.trim().toLocaleLowerCase())).slice(0, NEAR) : null;
  const rows = hits ?? around;
  return html`<div class="beside">
    <label>${words.map.find}<input type="search" autocomplete="off" value=${typed} onInput=${(event) => setTyped(event.target.value)} /></label>
    <table><caption>${hits ? words.map.found(hits.length) : words.map.near(chosen.title)}</caption>
      <thead><tr><th scope="col">${words.map.film}</th><th scope="col">${words.map.year}</th><th scope="col">${words.map.own}</th><td><span class="said">${words.map.go}</span></td></tr></thead>
      <tbody>${rows.map((point) => html`<tr key=${point.item} aria-current=${point === chosen ? "true" : undefined}>
        <th scope="row"><a href=${to({ view: "film", item: point.item })}><bdi>${point.title}</bdi></a> <small>${point.genres.slice(0, 3).join(" · ")}</small></th>
        <td>${point.year ?? ""}</td><td>${mine.has(point.item) ? words.map.stars(mine.get(point.item)) : ""}</td>
        <td><button type="button" aria-label=${words.map.goTo(point.title)} onClick=${() => (setTyped(""), choose(point))}>◎</button></td>
      </tr>`)}</tbody>
    </table>
  </div>`;
}

const far = (a, b) => (a.x - b.x) ** 2 + (a.y - b.y) ** 2;
