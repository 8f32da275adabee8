/* The first questions, asked while the page's other files are on their way: who asks, and the list that the address says. */
const number = (low, high) => (text) => (Number.isFinite(Number(text)) ? Math.min(Math.max(Number(text), low), high) : undefined);
const whole = (low, high) => (text) => (/^-?\d+$/.test(text) ? number(low, high)(text) : undefined);
const one = (...every) => (text) => (every.includes(text) ? text : undefined);
/* What an address may say of the list; what it says otherwise is as if it were not there. */
const LISTED = {
  n: whole(1, 100),
  genre: (text) => ([...text].every((letter) => letter >= " ") && text.trim() ? text.slice(0, 200) : undefined),
  from: whole(-9999, 9999),
  to: whole(-9999, 9999),
  seen: (text) => text === "1",
  variety: number(0, 1),
  discovery: number(0, 1),
  purpose: one("lists", "stars", "because"),
};
const WITH_LIST = [undefined, "for-you", "new"]; /* views that begin with it */
const SOON = 10_000; /* milliseconds for which an answer is as good as one that is asked for now */
const asked = new Map();

/** Return what an address says of the list. @param {Record<string, string>} given */
export function wantedOf(given) {
  const out = {};
  for (const [name, read] of Object.entries(LISTED)) {
    const value = given[name] ? read(given[name]) : undefined;
    if (value !== undefined) out[name] = value;
  }
  return out;
}

/** Return the address of a question. @param {string} path @param {Record<string, any>} query */
export function addressOf(path, query) {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value].flat()) if (one !== undefined && one !== null) given.append(name, String(one));
  }
  return `${path}?${given}`;
}

/** Return the answer that is on its way already, once; undefined where there is none. @param {string} address */
export function early(address) {
  const answer = performance.now() < SOON ? asked.get(address) : undefined;
  asked.delete(address);
  return answer;
}

function begin() {
  const given = Object.fromEntries(new URLSearchParams(location.search));
  const questions = [["web/me", {}]];
  if (WITH_LIST.includes(given.view)) questions.push(["web/list", wantedOf(given)]);
  for (const [path, query] of questions) {
    const address = addressOf(path, given.user === undefined ? query : { user: given.user, ...query });
    const answer = fetch(address);
    answer.catch(() => {}); /* whoever takes it tells */
    asked.set(address, answer);
  }
}

if (!location.hash.startsWith("#token=")) begin(); /* a token says who asks, and is used first */
