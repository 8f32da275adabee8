/* A user whom an application hands over: the token stands behind #, which no server sees, and is used at once. */
import { tell } from "./api.js";

/** Be the user of the address's token, where it has one; the address loses it whatever comes of it. */
export async function takeToken() {
  const found = /^#token=(.+)$/.exec(location.hash);
  if (!found) return;
  history.replaceState(null, "", location.pathname + location.search);
  await tell("web/session", { user: undefined, token: found[1] });
}
