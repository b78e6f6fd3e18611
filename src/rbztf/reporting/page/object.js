// One object: light curve, frames with what each contributes, verdict, similar objects, mask.
"use strict";
RBZTF.object = (() => {
  const { element, number, byId } = RBZTF;
  const FACTS = { seeing: ["seeing", " pix"], airmass: ["airmass", ""], maglimit: ["limit", " mag"], chi: ["chi", ""], sharp: ["sharp", ""], catflags: ["catflags", ""], infobits: ["infobits", ""], field: ["field", ""], ccdid: ["CCD", ""], qid: ["quadrant", ""] };
  const SAID = { inputs: "from", p_out_of_fold: "P out of fold", p_without: "P without the blamed epochs", p_of_label: "P of the label" }; // the rest of the page says the others
  const LARGE = 8; // most blamed frames that are shown large
  const STRETCH_KEY = "rbztf:stretch";
  let data = null, shares = new Map(), epochOf = new Map(), place = 0, parts = {};
  let stretch = RBZTF.settings.stretches.includes(RBZTF.store.get(STRETCH_KEY)) ? RBZTF.store.get(STRETCH_KEY) : RBZTF.settings.stretches[0];
  let goOn = false;
  // Runs when the browser has drawn what is waited for: the object is seen first, then the table follows.
  const later = window.requestIdleCallback ? (run) => requestIdleCallback(run, { timeout: 300 }) : (run) => setTimeout(run, 50);

  function picture(oid, name, column, row, columns, size) {
    const tile = element("span", { class: "tile", "aria-hidden": "true" });
    tile.style.width = tile.style.height = `${size}px`;
    tile.style.backgroundImage = `url("frames/${oid}.${name}.webp")`;
    tile.style.backgroundSize = `${columns * size}px auto`;
    tile.style.backgroundPosition = `${-column * size}px ${-row * size}px`;
    return tile;
  }
  const frameTile = (number_, size) => {
    const i = data.frames.indexOf(number_);
    return picture(data.oid, stretch, i % data.columns, Math.floor(i / data.columns), data.columns, size);
  };
  const said = (frame) => shares.get(frame)?.said ?? "";
  const isDropped = (frame) => shares.get(frame)?.dropped ?? false;
  const whenOf = (frame) => { const row = epochOf.get(frame); return row === undefined ? null : data.epochs.mjd[row]; };

  function titleOf(frame) {
    const mjd = whenOf(frame);
    return `frame ${frame}${mjd !== null ? `, MJD ${number(mjd, 4)}` : ""}${said(frame) ? `, adds ${said(frame)} to the log odds of bogus` : ""}${isDropped(frame) ? ", to be dropped" : ""}`;
  }
  function frameButton(frame, size) {
    return element("button", {
      type: "button", class: `frame${isDropped(frame) ? " dropped" : ""}`, "data-frame": frame, "aria-label": titleOf(frame), title: titleOf(frame),
      onclick: () => choose(data.frames.indexOf(frame)),
    }, frameTile(frame, size), element("span", { class: "share", text: said(frame) || "·" }));
  }

  function badges(row) {
    const found = [];
    if (row.p !== null) {
      const interval = row.low !== null && row.high !== null ? ` [${number(row.low, 3)}, ${number(row.high, 3)}]` : "";
      found.push(element("span", { class: "fact" }, "P(bogus) ", element("b", { text: number(row.p, 3) }), interval));
    }
    found.push(element("span", { class: `badge ${row.decision || "none"}`, text: row.decision || "no decision" }));
    for (const [name, value] of row.kinds.slice(0, 3)) if (value >= 0.1) found.push(element("span", { class: "fact", text: `${name.replaceAll("_", " ")} ${number(value, 2)}` }));
    if (row.label) found.push(element("span", { class: "fact" }, "labelled ", element("b", { text: row.label })));
    if (row.tags.length) found.push(element("span", { class: "fact tags", text: row.tags.join(", ") }));
    if (row.training) found.push(element("span", { class: "fact", text: "in training" }));
    for (const [name, value] of Object.entries(row.facts)) {
      const text = SAID[name];
      if (text) found.push(element("span", { class: "fact", text: `${text} ${typeof value === "number" ? number(value, 3) : value}` }));
    }
    for (const [name, value] of Object.entries(row.models).slice(1)) found.push(element("span", { class: "fact", text: `${name}: ${number(value, 3)}` }));
    return found;
  }

  // What a prediction rests on, where that is unlike the training set.
  function warning(row) {
    const { input_check: check, input_reason: reason } = row.facts;
    if (check !== "outside" && check !== "unusual") return "";
    const text = check === "outside" ? "Its input is outside the training set" : "Its input is unusual for the training set";
    return element("p", { class: `warning ${check}`, text: `${text}${reason ? `: ${reason}` : ""}.${row.decision ? "" : " So there is no decision; P means little here."}` });
  }

  function position() {
    if (typeof data.ra !== "number" || typeof data.dec !== "number") return "";
    return element("span", { class: "fact", id: "position", title: "right ascension and declination, J2000, degrees", text: `${number(data.ra, 5)} ${RBZTF.signed(data.dec, 5)}` });
  }
  function head(row) {
    const step = (text, by, title) => element("button", { type: "button", title, "aria-label": title, onclick: () => openBeside(by), text });
    return element("div", { class: "head" },
      element("div", { class: "line" },
        element("button", { type: "button", class: "back", onclick: close, text: "← table" }),
        element("h2", { text: row.oid }), element("span", { class: "fact", text: `${row.band} band, field ${row.field}` }),
        element("span", { class: "grow" }), ...RBZTF.links(row, "SNAD viewer", "IRSA light curve"),
        element("span", { class: "steps" }, step("↑", -1, "previous object (k)"), step("↓", 1, "next object (j)"))),
      element("div", { class: "line facts" }, ...badges(row), position()), warning(row));
  }

  function verdictBar(row) {
    const mine = RBZTF.labels.get(row.oid);
    const button = (name, key) => element("button", {
      type: "button", class: `verdict ${name}`, "data-verdict": name, "aria-pressed": String(mine.verdict === name), onclick: () => judge(name),
    }, name, element("kbd", { text: key }));
    const kinds = RBZTF.settings.kinds;
    const select = element("select", { id: "kind", onchange: (event) => RBZTF.labels.change(row.oid, { kind: event.target.value }) },
      element("option", { value: "", text: "no kind" }), ...kinds.map((name, i) => element("option", { value: name, text: `${i < 9 ? `${i + 1}  ` : ""}${name.replaceAll("_", " ")}` })));
    if (mine.kind && !kinds.includes(mine.kind)) select.append(element("option", { value: mine.kind, text: mine.kind }));
    select.value = mine.kind;
    const comment = element("input", { id: "comment", type: "text", maxlength: 10000, placeholder: "comment (c)", "aria-label": "comment", onchange: (event) => RBZTF.labels.change(row.oid, { comment: event.target.value }) });
    comment.value = mine.comment;
    const next = element("input", { type: "checkbox", id: "go-on", onchange: (event) => { goOn = event.target.checked; } });
    next.checked = goOn;
    parts.verdicts = element("div", { class: "verdicts", role: "group", "aria-label": "Your verdict" },
      button("real", "r"), button("bogus", "b"), button("unsure", "u"),
      element("label", { class: "kind" }, "kind ", select), comment, element("label", { class: "next" }, next, " then the next"));
    return parts.verdicts;
  }
  function judge(name) {
    const oid = RBZTF.page.current;
    if (!oid) return;
    const verdict = RBZTF.labels.get(oid).verdict === name ? "" : name;
    RBZTF.labels.change(oid, { verdict });
    if (goOn && verdict) openBeside(1);
  }
  function setKind(i) {
    const oid = RBZTF.page.current, name = i < 0 ? "" : RBZTF.settings.kinds[i];
    if (oid && name !== undefined) RBZTF.labels.change(oid, { kind: name });
  }
  function showVerdict() {
    if (!RBZTF.page.current || !parts.verdicts) return;
    const mine = RBZTF.labels.get(RBZTF.page.current);
    for (const button of parts.verdicts.querySelectorAll("[data-verdict]")) button.setAttribute("aria-pressed", String(button.dataset.verdict === mine.verdict));
    const select = byId("kind"), comment = byId("comment");
    if (mine.kind && ![...select.options].some((option) => option.value === mine.kind)) select.append(element("option", { value: mine.kind, text: mine.kind }));
    select.value = mine.kind;
    if (document.activeElement !== comment) comment.value = mine.comment;
  }

  function chooser() {
    const select = element("select", { id: "stretch", onchange: (event) => setStretch(event.target.value) },
      ...RBZTF.settings.stretches.map((name) => element("option", { value: name, text: name === "minmax" ? "min–max" : name })));
    select.value = stretch;
    return element("label", {}, "stretch ", select);
  }
  function setStretch(name) {
    stretch = name;
    RBZTF.store.set(STRETCH_KEY, name);
    drawFrames();
    if (data) select(place);
  }

  function legend() {
    const dot = (kind, text) => element("span", {}, element("span", { class: `key-dot ${kind}` }), ` ${text}`);
    return element("p", { class: "legend" }, dot("epoch", "epoch"), dot("bare", "without a frame"), dot("flagged", "flagged by ZTF"), dot("dropped", "blamed, to be dropped"), element("span", { class: "hint", text: "click a point; drag to zoom, double-click to zoom out" }));
  }

  // Everything of an object, with a frame chosen; laid out once, when it is whole.
  function build(row, at) {
    parts = {};
    const children = [head(row), verdictBar(row)];
    parts.curve = element("div", { class: "curve", role: "img", "aria-label": "Light curve" });
    parts.viewer = element("div", { class: "viewer" });
    if (data.epochs) {
      children.push(element("div", { class: "look" }, element("div", { class: "left" }, legend(), parts.curve), parts.viewer));
      parts.strip = element("div", { class: "strip", role: "group", "aria-label": "Frames in time order", tabindex: 0 });
      const shown = data.frames.length < data.n_frames ? `${data.frames.length} of ${data.n_frames} frames, in time order` : `all ${data.n_frames} frames, in time order`;
      children.push(element("h3", { text: shown }), parts.strip);
      parts.large = element("div", { class: "large" });
      if (data.blamed.frame.length) children.push(element("h3", { text: "Frames that speak most for bogus" }), parts.large);
    } else children.push(element("p", { class: "hint", text: "The cutouts of this object were not at hand, so there is no light curve and there are no frames." }));
    children.push(...encoderPart(), ...maskPart(), ...similarPart());
    drawFrames();
    select(at);
    byId("object").replaceChildren(...children);
    if (!data.epochs) return;
    const dropped = new Set(data.blamed.frame.filter((_, i) => data.blamed.dropped[i]));
    RBZTF.curve.draw(parts.curve, data.epochs, dropped, chooseEpoch, epochOf.get(data.frames[place]) ?? -1);
    centre();
  }
  function drawFrames() {
    if (!data?.epochs) return;
    parts.strip.replaceChildren(...data.frames.map((frame) => frameButton(frame, 56)));
    const worst = data.blamed.frame.filter((frame, i) => (data.blamed.share[i] > 0 || data.blamed.dropped[i]) && data.frames.includes(frame)).slice(0, LARGE);
    parts.large.replaceChildren(...(worst.length ? worst.map((frame) => frameButton(frame, 112)) : [element("p", { class: "hint", text: "No frame speaks for bogus." })]));
  }

  // Shows frame i of those at hand, and marks its tiles.
  function select(i) {
    if (!data.frames.length) return;
    place = Math.max(0, Math.min(i, data.frames.length - 1));
    const frame = data.frames[place], row = epochOf.get(frame), epochs = data.epochs;
    for (const tiles of [parts.strip, parts.large]) {
      tiles.querySelector("[aria-current]")?.removeAttribute("aria-current");
      tiles.querySelector(`[data-frame="${frame}"]`)?.setAttribute("aria-current", "true");
    }
    const facts = row === undefined ? [] : [
      ["MJD", number(epochs.mjd[row], 4)], ["mag", number(epochs.mag[row], 3)], ["frame", String(frame)], ["error", number(epochs.magerr[row], 3)],
      ...Object.entries(FACTS).filter(([name]) => epochs[name]).map(([name, [text, unit]]) => {
        const value = epochs[name][row];
        return [text, value === null || value === -1 ? "" : `${Number.isInteger(value) ? value : number(value, 2)}${unit}`];
      }),
    ];
    const step = (text, by, title) => element("button", { type: "button", title, "aria-label": title, onclick: () => choose(place + by), text });
    parts.viewer.replaceChildren(
      element("div", { class: "line" }, step("←", -1, "frame before (←)"), element("span", { class: "grow", id: "frame-name", role: "status", text: `frame ${frame}: ${place + 1} of ${data.frames.length}` }), step("→", 1, "next frame (→)")),
      element("div", { class: `now${isDropped(frame) ? " dropped" : ""}` }, frameTile(frame, 224)),
      element("div", { class: "line" }, element("b", { class: "share", id: "frame-share", text: said(frame) ? `${said(frame)} log odds` : "" }), isDropped(frame) ? element("span", { class: "badge bogus", text: "to be dropped" }) : "", element("span", { class: "grow" }), chooser()),
      element("dl", { class: "facts" }, ...facts.filter(([, value]) => value !== "").flatMap(([name, value]) => [element("dt", { text: name }), element("dd", { text: value })])));
  }
  function centre() {
    const tile = parts.strip.querySelector("[aria-current]");
    if (tile) parts.strip.scrollTo({ left: tile.offsetLeft - (parts.strip.clientWidth - tile.offsetWidth) / 2 });
  }
  function choose(i) {
    if (!data?.frames.length) return;
    select(i);
    centre();
    RBZTF.curve.mark(epochOf.get(data.frames[place]) ?? -1);
  }
  function chooseEpoch(row) {
    const frame = data.epochs.frame[row], i = data.frames.indexOf(frame);
    if (i >= 0) choose(i);
    else RBZTF.say(frame < 0 ? "This epoch has no frame." : `Frame ${frame} is not among those of this report; rbztf report --all-frames brings all.`);
  }

  function encoderPart() {
    if (!data.encoder?.length) return [];
    const rows = ["given", "made", "difference"], columns = data.encoder.length, size = 72;
    const table = element("div", { class: "encoder", tabindex: "0", role: "group", "aria-label": "As the autoencoder sees them" });
    rows.forEach((name, j) => table.append(element("div", { class: "line" }, element("span", { class: "name", text: name }),
      ...data.encoder.map((frame, i) => { const tile = picture(data.oid, "encoder", i, j, columns, size); tile.title = `frame ${frame}`; return tile; }))));
    return [element("h3", { text: "As the autoencoder sees them" }), element("p", { class: "hint", text: `Frames ${data.encoder.join(", ")}: as they are given to it, as it makes them, and what is left (grey where nothing is).` }), table];
  }

  function maskPart() {
    if (!data.mask) return [];
    const dropped = data.blamed.frame.filter((_, i) => data.blamed.dropped[i]).sort((a, b) => a - b);
    const text = dropped.length ? `${dropped.length} of ${data.blamed.frame.length} epochs are to be dropped: ${dropped.map((frame) => { const mjd = whenOf(frame); return mjd === null ? `frame ${frame}` : number(mjd, 4); }).join(", ")}${dropped.some((frame) => whenOf(frame) !== null) ? " (MJD)" : ""}.` : "No epoch is to be dropped.";
    return [element("h3", { text: "Mask of epochs" }), element("p", { id: "mask", tabindex: 0, text }), element("p", {},
      element("button", { type: "button", id: "copy-mask", onclick: () => RBZTF.copy(data.mask), text: "Copy the mask (m)" }), " ",
      element("button", { type: "button", id: "save-mask", onclick: () => RBZTF.save(`${data.oid}-mask.csv`, data.mask), text: "Save it as CSV" }))];
  }

  function similarPart() {
    if (!data.similar?.length) return [];
    const items = data.similar.map((near) => {
      const there = RBZTF.row(near.oid);
      const name = there ? element("button", { type: "button", class: "link", onclick: () => open(near.oid), text: near.oid }) : element("a", { href: near.viewer, target: "_blank", rel: "noopener noreferrer", text: near.oid });
      return element("tr", {}, element("td", {}, name), element("td", {}, element("span", { class: `badge ${near.label}`, text: near.label })), element("td", { text: near.tags.join(", ") }), element("td", { class: "right", text: number(near.distance, 2) }));
    });
    return [element("h3", { text: "Labelled objects whose frames look most alike" }), element("div", { class: "scroll" }, element("table", { class: "plain" }, element("thead", {}, element("tr", {}, ...["OID", "label", "tags", "distance"].map((text) => element("th", { scope: "col", text })))), element("tbody", {}, ...items)))];
  }

  async function open(oid) {
    const row = RBZTF.row(oid);
    if (!row) { RBZTF.say(`The report has no object ${String(oid).slice(0, 40)}.`); return; }
    RBZTF.page.current = oid;
    RBZTF.showPart("objects");
    document.body.classList.add("opened");
    try {
      const content = await RBZTF.load(oid);
      if (RBZTF.page.current !== oid) return;
      data = content;
    } catch (error) { RBZTF.say(error.message); return; }
    shares = new Map(data.blamed.frame.map((frame, i) => [frame, { said: data.blamed.said[i], dropped: Boolean(data.blamed.dropped[i]) }]));
    epochOf = new Map((data.epochs?.frame ?? []).map((frame, i) => [frame, i]).filter(([frame]) => frame >= 0));
    const worst = data.blamed.frame.findIndex((frame) => data.frames.includes(frame));
    place = 0;
    build(row, worst >= 0 && data.blamed.share[worst] > 0 ? data.frames.indexOf(data.blamed.frame[worst]) : 0);
    byId("object").scrollTop = 0;
    later(() => {
      if (RBZTF.page.current !== oid) return;
      RBZTF.table.show(oid);
      if (location.hash.slice(1) !== oid) history.replaceState(null, "", `#${oid}`);
    });
  }
  function openBeside(step) { const oid = RBZTF.table.beside(step); return oid ? open(oid) : Promise.resolve(); }
  function close() { document.body.classList.remove("opened"); }
  function redraw() { if (data) build(RBZTF.row(data.oid), place); }
  function nextStretch() {
    const names = RBZTF.settings.stretches;
    setStretch(names[(names.indexOf(stretch) + 1) % names.length]);
  }
  RBZTF.labels.onChange(showVerdict);
  return { open, openBeside, close, judge, setKind, redraw, nextStretch, step: (by) => choose(place + by), copyMask: () => data?.mask && RBZTF.copy(data.mask), get data() { return data; }, get frame() { return data?.frames[place]; } };
})();
