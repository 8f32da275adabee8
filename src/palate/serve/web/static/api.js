/* What the page asks of the service: JSON in, JSON out; a refusal is a problem document with a sentence for people. */
import { addressOf, early } from "./early.js";
import { at } from "./router.js";

export class Refused extends Error {
  /** @param {number} status @param {{code: string, detail: string}} problem */
  constructor(status, problem) {
    super(problem.detail);
    this.status = status;
    this.problem = problem;
  }
}

let own = null; /* whom the page is open for, until the service said it nobody */
let onEnd = () => {};

/** Say for whom the page is open: nothing that it asks then is answered, or kept, for anybody else. @param {string} person */
export function openFor(person) {
  own = person;
}

/** Call this when the visit has ended. @param {() => void} call */
export function whenEnded(call) {
  onEnd = call;
}

/** Return the answer to who asks, whoever that is now. @param {Record<string, any>} query */
export function askWho(query = {}) {
  const where = address("web/me", query);
  return sent(where, {}, early(where), null);
}

/** Return the address of a question. @param {string} path @param {Record<string, any>} query */
export function address(path, query = {}) {
  return addressOf(path, named(query));
}

/** Return the answer of a question. @param {string} path @param {Record<string, any>} query */
export function ask(path, query = {}) {
  const where = address(path, query);
  return sent(where, {}, early(where));
}

/** Send a file as it is. @param {string} path @param {Record<string, any>} query @param {Blob} file */
export function send(path, query, file) {
  const headers = { "content-type": "application/octet-stream" };
  return sent(address(path, query), { method: "POST", headers, body: file });
}

/** Let something be deleted. @param {string} path @param {Record<string, any>} query */
export function remove(path, query = {}) {
  return sent(address(path, query), { method: "DELETE" });
}

/** Tell the service something. @param {string} path @param {Record<string, any>} body @param {string} method */
export function tell(path, body = {}, method = "POST") {
  const headers = { "content-type": "application/json" };
  return sent(path, { method, headers, body: JSON.stringify(named(body)) });
}

/* Who is asked about stands in the address: a person typed by whoever may. */
function named(given) {
  const { user } = at.value;
  return user === undefined ? given : { user, ...given };
}

async function sent(address, options, begun, meant = own) {
  const headers = { ...options.headers, ...(meant === null ? {} : { "palate-visitor": encodeURIComponent(meant) }) };
  let got;
  try {
    got = await (begun ?? fetch(address, { ...options, headers }));
  } catch {
    throw new Refused(0, { code: "unreachable", detail: "The service cannot be reached just now. Try again in a moment." });
  }
  const answer = await got.json().catch(() => ({ code: "failed", detail: "The service is there, but its answer cannot be read. Try again in a moment." }));
  if (answer.code === "expired" && answer.subject === "visit") onEnd();
  if (!got.ok) throw new Refused(got.status, answer);
  return answer;
}
