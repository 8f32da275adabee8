/* What the parts behind the scenes share: they ask, show how that went, and ask twice before they change something. */
import { ask, tell } from "../../api.js";
import { Dialog, Empty, Failed, html } from "../../parts.js";
import { lock } from "../scenes.js";
import { said } from "../../state.js";
import { useCallback, useEffect, useState } from "../../vendor/hooks.js";
import { words } from "../../words.js";

/* These answers are nobody's: a person in the address is not sent. */
const NOBODY = { user: undefined };

/* A session that ended shows the field for the key again. */
function ended(error) {
  const is = error.problem?.code === "forbidden" && error.problem?.subject === "session";
  if (is) lock({ byItself: true });
  return is;
}

/** Ask the service; `again` asks once more. @param {string} part @param {Record<string, any>} query */
export function useAnswer(part, query = {}) {
  const [got, setGot] = useState({ answer: null, error: null });
  const text = JSON.stringify(query);
  const again = useCallback(async () => {
    try {
      setGot({ answer: await ask(`web/scenes/${part}`, { ...NOBODY, ...JSON.parse(text) }), error: null });
    } catch (error) {
      if (!ended(error)) setGot((before) => ({ ...before, error }));
    }
  }, [part, text]);
  useEffect(() => void again(), [again]);
  return { ...got, again };
}

/** What was asked, a refusal, or that it is on its way. @param {{of: any, children: (answer: any) => any}} given */
export function Asked({ of, children }) {
  if (of.error) return html`<${Failed} error=${of.error} again=${of.again} />`;
  return of.answer ? children(of.answer) : html`<${Empty}>${words.scenes.loading}<//>`;
}

/** A button that asks whether one is sure, tells the service, and then what came of it. */
export function SureButton({ label, question, yes, path, body = {}, done, then, disabled }) {
  const [open, setOpen] = useState(false);
  const [error, setError] = useState(null);
  async function act() {
    setOpen(false);
    try {
      await tell(`web/scenes/${path}`, { ...NOBODY, ...body, sure: true });
      setError(null);
      said.value = done;
    } catch (refused) {
      if (ended(refused)) return;
      setError(refused);
    }
    then();
  }
  return html`<button type="button" disabled=${disabled} onClick=${() => setOpen(true)}>${label}</button>
    ${open && html`<${Dialog} title=${label} yes=${yes} onYes=${act} onNo=${() => setOpen(false)}>${question}<//>`}
    ${error && html`<p class="refusal" role="alert">${error.message}</p>`}`;
}

/** A time of the service, as people here write it. @param {string | null} text */
export const when = (text) => (text ? new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }) : "–");
/** A number with its thousands apart. @param {number | null | undefined} value */
export const count = (value) => (value === null || value === undefined ? "–" : value.toLocaleString());
/** A figure of three places. @param {number | null | undefined} value */
export const figure = (value) => (typeof value === "number" ? value.toFixed(3) : "–");
/** A figure with its interval, where it has one. @param {{value: number, low?: number, high?: number} | null} of */
export const interval = (of) =>
  of && typeof of.low === "number" && typeof of.high === "number" ? words.scenes.within(figure(of.value), figure(of.low), figure(of.high)) : figure(of?.value);
