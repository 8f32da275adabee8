/* An answer of the service in a view: asked when the question changes, and again where it failed. */
import { useEffect, useState } from "./vendor/hooks.js";

/**
 * Return what is known of a question's answer. The answer before stays while a new one is on its way.
 * @param {() => Promise<any>} question
 * @param {string} key what the question depends on
 * @returns {{answer?: any, error?: Error, busy: boolean, again: () => void}}
 */
export function useAnswer(question, key) {
  const [known, setKnown] = useState({ key: null });
  const [round, setRound] = useState(0);
  useEffect(() => {
    let wanted = true;
    question().then(
      (answer) => wanted && setKnown({ key, answer }),
      (error) => wanted && setKnown({ key, error }),
    );
    return () => (wanted = false);
  }, [key, round]);
  return { ...known, busy: known.key !== key, again: () => (setKnown({ key: null }), setRound(round + 1)) };
}
