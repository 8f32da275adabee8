/* The views: what each is called, and its file, which is loaded when it is first looked at: the first list waits for none. */
import { Failed, html } from "./parts.js";
import { useEffect, useState } from "./vendor/hooks.js";
import * as forYou from "./views/for-you.js";
import { words } from "./words.js";

/** In the order of their tabs; what is `apart` has no tab, and a heading of its own; what is `below` has a link at the bottom. */
export const VIEWS = [
  { name: "for-you", title: words.forYou.title, file: forYou },
  { name: "new", title: words.newHere.title, load: () => import("./views/new.js") },
  { name: "search", title: words.search.title, load: () => import("./views/search.js") },
  { name: "film", title: words.film.title, load: () => import("./views/film.js"), apart: true },
  { name: "map", title: words.map.title, load: () => import("./views/map.js") },
  { name: "models", title: words.models.title, load: () => import("./views/models.js") },
  { name: "compare", title: words.compare.title, load: () => import("./views/compare.js") },
  { name: "data", title: words.data.title, load: () => import("./views/data.js") },
  { name: "scenes", title: words.scenes.title, load: () => import("./views/scenes.js") },
  { name: "help", title: words.help.title, load: () => import("./views/help.js"), below: true },
  { name: "by-user", title: words.byUser.title, load: () => import("./views/by-user.js"), below: true },
];

const loaded = async (view) => (view.file ??= await view.load());

/** Load all views, so that each is there at a click. */
export function prepare() {
  for (const view of VIEWS) loaded(view).catch(() => {}); /* whoever looks at it is told */
}

/** A view, as soon as its file is there. @param {{view: object}} given */
export function Shown({ view }) {
  const [file, setFile] = useState(view.file);
  const [isMissing, setMissing] = useState(false);
  useEffect(() => void loaded(view).then(setFile, () => setMissing(true)), []);
  if (isMissing) return html`<${Failed} error=${new Error(words.frame.missing)} again=${() => location.reload()} />`;
  return file ? html`<${file.View} />` : html`<p class="waiting" role="status">${words.frame.waiting}</p>`;
}
