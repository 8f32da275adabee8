/* Light and dark: the system's choice until the reader makes one, which is kept in this browser. */
const KEY = "palate-theme";
const root = document.documentElement;

/** Show what was chosen before. */
export function begin() {
  const before = kept();
  if (before === "dark" || before === "light") root.dataset.theme = before;
}

/** Change to the other one. */
export function change() {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem(KEY, root.dataset.theme);
  } catch {
    /* storage is switched off: the choice lasts as long as the page */
  }
}

function kept() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}
