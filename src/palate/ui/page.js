/* Light and dark: the system's choice until the reader makes one, which is kept in this browser. */
(() => {
  const KEY = "palate-theme";
  const stored = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; /* storage is switched off: follow the system */
    }
  };
  const apply = () => {
    const choice = stored();
    if (choice && document.body.classList.contains("dark") !== (choice === "dark")) {
      document.body.classList.toggle("dark", choice === "dark");
    }
  };
  window.palateSwitch = () => {
    const dark = !document.body.classList.contains("dark");
    document.body.classList.toggle("dark", dark);
    try {
      localStorage.setItem(KEY, dark ? "dark" : "light");
    } catch {
      /* the choice then lasts as long as the page */
    }
  };
  const watch = () => {
    apply();
    new MutationObserver(apply).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  };
  if (document.body) watch();
  else addEventListener("DOMContentLoaded", watch);

  /* Names that Gradio leaves out: one group a set of choices (so that arrow keys walk it), and the field's message. */
  const nameSets = () => {
    for (const set of document.querySelectorAll("fieldset.block:not([role])")) {
      set.setAttribute("role", "radiogroup");
      set.setAttribute("aria-label", set.querySelector("[data-testid=block-info]").innerText.trim());
      const group = () => {
        for (const choice of set.querySelectorAll("input[type=radio]")) {
          if (choice.name !== set.id) choice.name = set.id;
        }
      };
      new MutationObserver(group).observe(set, { attributeFilter: ["name"], childList: true, subtree: true });
      group();
    }
  };
  /* Typing in a list's field replaces what stands there, so that it seeks at once. */
  const selectAll = (event) => event.target.matches?.("input[role=combobox]") && event.target.select();
  document.addEventListener("focusin", selectAll);
  document.addEventListener("click", selectAll);
  window.palateReady = () => {
    nameSets();
    new MutationObserver(nameSets).observe(document.querySelector("#tabs"), { childList: true, subtree: true }); /* a tab is built when first opened */
    const field = document.querySelector("#user-id input");
    const told = document.querySelector("#told");
    const mark = () => field.setAttribute("aria-invalid", String(Boolean(told.querySelector(".pl-error"))));
    field.setAttribute("aria-describedby", "user-id-message");
    new MutationObserver(mark).observe(told, { attributes: true, childList: true, subtree: true });
    mark();
  };
})();
