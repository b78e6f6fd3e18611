// Puts the page together: parts, keys, colours, files.
"use strict";
(() => {
  const { element, byId } = RBZTF;
  const KEYS = [
    ["j / k", "next, previous object"], ["→ / ←", "next, previous frame"], ["r  b  u", "real, bogus, unsure (again to take it back)"],
    ["1 … 9, 0", "kind of artefact, no kind"], ["c", "comment (Enter to leave it)"], ["s", "next stretch"], ["m", "copy the mask of epochs"],
    ["/", "search"], ["Esc", "back to the table"], ["t", "light or dark"], ["e", "evaluation and back"], ["?", "this help"],
  ];
  const THEME_KEY = "rbztf:theme";
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");

  function dark() { return document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : prefersDark.matches; }
  function redraw() {
    if (byId("evaluation").hidden) RBZTF.object.redraw();
    else RBZTF.results.draw();
  }
  function switchTheme() {
    document.documentElement.dataset.theme = dark() ? "light" : "dark";
    RBZTF.store.set(THEME_KEY, document.documentElement.dataset.theme);
    redraw();
  }

  RBZTF.showPart = (name) => {
    const objects = name === "objects";
    if (byId("objects").hidden === !objects) return;
    byId("objects").hidden = byId("object").hidden = !objects;
    byId("evaluation").hidden = objects;
    byId("tab-objects").setAttribute("aria-pressed", String(objects));
    byId("tab-evaluation").setAttribute("aria-pressed", String(!objects));
    if (objects) RBZTF.table.table?.redraw();
    redraw();
  };
  function tally() {
    const { real, bogus, unsure } = RBZTF.labels.tally(), all = real + bogus + unsure;
    byId("tally").textContent = all ? `${all} verdicts: ${real} real, ${bogus} bogus, ${unsure} unsure` : "";
  }

  async function loadLabels(event) {
    const [file] = event.target.files;
    if (!file) return;
    try {
      const { taken, others } = RBZTF.labels.read(await file.text());
      RBZTF.say(`${taken} verdicts read${others ? `, ${others} of them of objects that are not in this report` : ""}.`);
    } catch (error) { RBZTF.say(`This is not a label file: ${error.message}`); }
    event.target.value = "";
  }

  const toggleHelp = () => { const help = byId("help"); if (help.open) help.close(); else help.showModal(); };
  function onKey(event) {
    const inField = event.target.closest?.("input, select, textarea");
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && !byId("help").open) {
      if (inField) inField.blur();
      else RBZTF.object.close();
      return;
    }
    if (inField) {
      if (event.key === "Enter" && inField.id === "comment") inField.blur();
      return;
    }
    if (byId("help").open) { if (event.key === "?") toggleHelp(); return; }
    const actions = {
      j: () => RBZTF.object.openBeside(1), k: () => RBZTF.object.openBeside(-1),
      ArrowRight: () => RBZTF.object.step(1), ArrowLeft: () => RBZTF.object.step(-1),
      r: () => RBZTF.object.judge("real"), b: () => RBZTF.object.judge("bogus"), u: () => RBZTF.object.judge("unsure"),
      c: () => byId("comment")?.focus(), s: RBZTF.object.nextStretch, m: RBZTF.object.copyMask, "/": () => byId("search").focus(),
      t: switchTheme, "?": toggleHelp, e: () => RBZTF.settings.evaluation && RBZTF.showPart(byId("evaluation").hidden ? "evaluation" : "objects"),
    };
    const action = /^[0-9]$/.test(event.key) ? () => RBZTF.object.setKind(Number(event.key) - 1) : actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  const theme = RBZTF.store.get(THEME_KEY);
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  prefersDark.addEventListener("change", redraw);
  byId("keys").append(...KEYS.flatMap(([key, text]) => [element("dt", {}, element("kbd", { text: key })), element("dd", { text })]));
  byId("theme").addEventListener("click", switchTheme);
  byId("help-button").addEventListener("click", toggleHelp);
  byId("help-close").addEventListener("click", toggleHelp);
  byId("tab-objects").addEventListener("click", () => RBZTF.showPart("objects"));
  byId("tab-evaluation").addEventListener("click", () => RBZTF.showPart("evaluation"));
  byId("save-labels").addEventListener("click", () => RBZTF.save(`labels-${RBZTF.settings.hash}.csv`, RBZTF.labels.csv()));
  byId("load-labels").addEventListener("change", loadLabels);
  document.addEventListener("keydown", onKey);
  addEventListener("hashchange", () => { const oid = location.hash.slice(1); if (oid && oid !== RBZTF.page.current) RBZTF.object.open(oid); });
  RBZTF.labels.onChange(tally);
  tally();
  RBZTF.table.make();
  RBZTF.table.table.on("tableBuilt", () => {
    if (RBZTF.row(location.hash.slice(1))) RBZTF.object.open(location.hash.slice(1));
    else if (matchMedia("(min-width: 900px)").matches) RBZTF.object.openBeside(1);
  });
})();
