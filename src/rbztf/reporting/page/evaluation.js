// A cross-validation: curves with bands, calibration, histograms, tables, worst mistakes.
"use strict";
RBZTF.results = (() => {
  const { element, number, byId } = RBZTF;
  const NAMES = { roc_auc: "ROC AUC", average_precision: "average precision", accuracy: "accuracy", f1: "F1", brier: "Brier score", ece: "calibration error (ECE)", "tpr_at_fpr.0.01": "found at 1 % false alarms", "tpr_at_fpr.0.05": "found at 5 % false alarms" };
  const WORST = 24;
  let plots = [];
  const colours = () => [1, 2, 3, 4, 5, 6].map((i) => RBZTF.colour(`series${i}`));
  const metricName = (name) => NAMES[name] || name.replaceAll("_", " ");
  const interval = (pair) => (pair && pair[0] !== null ? ` [${number(pair[0], 3)}, ${number(pair[1], 3)}]` : "");

  function table(headings, rows) {
    const numeric = (value) => typeof value === "string" && /^[\s\d.+−\-[\],%]+$/.test(value) && value !== "";
    return element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "table" }, element("table", { class: "plain" },
      element("thead", {}, element("tr", {}, ...headings.map((text) => (text ? element("th", { scope: "col", text }) : element("td", {}))))),
      element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((value) => (value instanceof Node ? element("td", {}, value) : element("td", { class: numeric(value) ? "right" : "", text: value }))))))));
  }
  const card = (title, note, ...children) => element("section", { class: "card", "aria-label": title }, element("h3", { text: title }), note ? element("p", { class: "hint", text: note }) : "", ...children);

  const wide = (made) => { made.classList.add("wide"); return made; };

  function chart(place, x, y, data, series, bands = [], draw = null, ranges = {}) {
    const axis = { stroke: RBZTF.colour("text"), grid: { stroke: RBZTF.colour("line"), width: 1 }, ticks: { stroke: RBZTF.colour("line") }, font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif", labelSize: 20 };
    const plot = new uPlot({
      width: Math.max(220, place.clientWidth), height: 260, legend: { show: false }, cursor: { points: { show: false }, drag: { x: false, y: false } },
      scales: { x: { time: false, range: () => ranges.x || [0, 1] }, y: { range: ranges.y || (() => [0, 1.02]) } },
      axes: [{ ...axis, label: x, size: 32 }, { ...axis, label: y, size: 46 }], series: [{}, ...series], bands, hooks: draw ? { draw: [draw] } : {},
    }, data, place);
    plots.push(plot);
  }
  function banded(title, note, x, y, key, diagonal, fitted = false) {
    const place = element("div", { class: "chart", role: "img", "aria-label": `${title}; values in the tables` });
    const results = RBZTF.page.results, palette = colours();
    const draw = () => {
      const data = [results.grid], series = [], bands = [];
      results.models.forEach((model, i) => {
        const colour = palette[i % palette.length], at = data.length;
        data.push(model[key].low, model[key].high, model[key].value);
        const hidden = { stroke: "transparent", width: 0, points: { show: false } };
        series.push(hidden, { ...hidden }, { stroke: colour, width: 2, points: { show: false } });
        bands.push({ series: [at + 1, at], fill: `${colour}33` });
      });
      if (diagonal) { data.push(results.grid); series.push({ stroke: RBZTF.colour("flagged"), dash: [3, 4], width: 1, points: { show: false } }); }
      const most = Math.max(0.01, ...data.slice(1).flat());
      chart(place, x, y, data, series, bands, null, fitted ? { y: () => [0, most * 1.05] } : {});
    };
    return [card(title, note, place), draw];
  }

  function reliability() {
    const place = element("div", { class: "chart", role: "img", "aria-label": "Calibration: share of artefacts against predicted probability" });
    const draw = () => {
      const models = RBZTF.page.results.models, palette = colours();
      const x = [...new Set([0, 1, ...models.flatMap((model) => model.reliability.predicted)])].sort((a, b) => a - b);
      const column = (model) => { const at = new Map(model.reliability.predicted.map((p, i) => [p, model.reliability.found[i]])); return x.map((p) => at.get(p) ?? null); };
      const series = models.map((_, i) => ({ stroke: palette[i % 6], width: 1.5, spanGaps: true, points: { show: true, size: 7, fill: palette[i % 6] } }));
      chart(place, "predicted probability of bogus", "share of artefacts", [x, ...models.map(column), x], [...series, { stroke: RBZTF.colour("flagged"), dash: [3, 4], width: 1, points: { show: false } }], [], (u) => {
        models.forEach((model, i) => model.reliability.predicted.forEach((p, k) => {
          const at = u.valToPos(p, "x", true);
          u.ctx.setLineDash([]);
          u.ctx.strokeStyle = palette[i % 6];
          u.ctx.lineWidth = devicePixelRatio;
          u.ctx.beginPath();
          u.ctx.moveTo(at, u.valToPos(model.reliability.low[k], "y", true));
          u.ctx.lineTo(at, u.valToPos(model.reliability.high[k], "y", true));
          u.ctx.stroke();
        }));
      });
    };
    return [card("Calibration", "Bins of equal numbers of objects; bars are 95 % intervals.", place), draw];
  }

  function histogram(model) {
    const place = element("div", { class: "chart", role: "img", "aria-label": "Histogram of scores of real objects and of artefacts" });
    const draw = () => {
      const edges = RBZTF.page.results.edges, most = Math.max(1, ...model.histogram.real, ...model.histogram.bogus);
      const stepped = uPlot.paths.stepped({ align: 1 });
      const series = ["real", "bogus"].map((name) => ({ stroke: RBZTF.colour(name), fill: `${RBZTF.colour(name)}33`, width: 1.5, paths: stepped, points: { show: false } }));
      chart(place, "P(bogus)", "objects", [edges, ...["real", "bogus"].map((name) => [...model.histogram[name], 0])], series, [], (u) => {
        const at = u.valToPos(model.threshold, "x", true);
        u.ctx.strokeStyle = RBZTF.colour("text");
        u.ctx.setLineDash([4, 4]);
        u.ctx.beginPath();
        u.ctx.moveTo(at, u.bbox.top);
        u.ctx.lineTo(at, u.bbox.top + u.bbox.height);
        u.ctx.stroke();
        u.ctx.setLineDash([]);
      }, { y: () => [0, most * 1.05] });
    };
    const dot = (name) => element("span", {}, element("span", { class: `key-dot ${name}-dot` }), ` ${name}`);
    return [card("Scores", `Out-of-fold; the line is the threshold (${number(model.threshold, 3)}, the middle one of the folds).`, element("p", { class: "legend" }, dot("real"), dot("bogus")), place), draw];
  }

  // Learning curves: a card for each model or member, a line for each fold.
  const LOSSES = [["loss", "training", "series1", [4, 3]], ["held_out_loss", "left out", "series2", []]];
  const MEASURES = [["loss", LOSSES], ["inner AUC", [["inner_auc", "left out", "series2", []]]]];
  function learning() {
    const models = new Map();
    for (const row of RBZTF.page.results.history) {
      if (typeof (row.epoch ?? row.trees) !== "number") continue;
      const name = (row.run || "training").split(", fold")[0];
      if (!models.has(name)) models.set(name, []);
      models.get(name).push(row);
    }
    return [...models].flatMap(([name, rows]) => MEASURES.map(([measure, lines]) => {
      const there = lines.filter(([column]) => rows.some((row) => typeof row[column] === "number"));
      return there.length ? curves(name, rows, measure, there) : null;
    })).filter((each) => each !== null);
  }
  function curves(name, rows, measure, lines) {
    const step = typeof rows[0].epoch === "number" ? "epoch" : "trees";
    const runs = [...new Set(rows.map((row) => row.run))], steps = [...new Set(rows.map((row) => row[step]))].sort((a, b) => a - b);
    const place = element("div", { class: "chart", role: "img", "aria-label": `Learning curve of ${name}: ${measure}` });
    const column = (run, key) => { const at = new Map(rows.filter((row) => row.run === run).map((row) => [row[step], row[key]])); return steps.map((value) => at.get(value) ?? null); };
    const draw = () => {
      const values = lines.flatMap(([key]) => runs.map((run) => column(run, key)));
      const series = lines.flatMap(([, , colour, dash]) => runs.map(() => ({ stroke: RBZTF.colour(colour), width: 1.3, dash, points: { show: steps.length < 3 } })));
      const known = values.flat().filter((value) => value !== null), low = Math.min(...known), high = Math.max(...known), room = Math.max(0.01, 0.05 * (high - low));
      const ends = steps.length > 1 ? [steps[0], steps[steps.length - 1]] : [steps[0] - 1, steps[0] + 1];
      chart(place, step === "epoch" ? "epoch" : "number of trees", measure, [steps, ...values], series, [], null, { x: ends, y: () => [low - room, high + room] });
    };
    const legend = lines.map(([, text, colour, dash]) => { const key = element("span", { class: `key-line${dash.length ? " dashed" : ""}` }); key.style.color = RBZTF.colour(colour); return element("span", {}, key, ` ${text}`); });
    return [card(name, `A line for each of ${runs.length} ${runs.length === 1 ? "training" : "folds"}.`, element("p", { class: "legend" }, ...legend), place), draw];
  }

  const shares = (rows, names) => rows.map((row) => names.map((name) => (row[name] === null ? "" : number(row[name].value, 3) + interval(row[name].ci95))));
  function surest(model) {
    const { aurc, rows } = model.risk_coverage;
    return card("Errors among the surest", `Objects by the distance of their score from the threshold, in log odds. Area under the curve ${number(aurc.value, 3)}${interval(aurc.ci95)}.`,
      table(["coverage", "objects", "error rate, 95 %"], shares(rows, ["error"]).map((cells, i) => [`${Math.round(100 * rows[i].coverage)} %`, String(rows[i].n), ...cells])));
  }
  function priors(model) {
    const names = ["brier", "ece", "precision", "recall"];
    if (!model.at_priors.length) return [];
    return [wide(card("At other shares of artefacts", "Scores shifted and objects weighted to the share; precision and recall of calling bogus at P ≥ 0.5. 95 % intervals over fields.",
      table(["artefacts", "Brier score", "calibration error", "precision", "recall"], shares(model.at_priors, names).map((cells, i) => [`${number(100 * model.at_priors[i].prior, 0)} %`, ...cells]))))];
  }
  function confusion(model) {
    const c = model.confusion;
    return card("At the threshold", `${model.n_objects} objects, each at its own fold's threshold.`, table(["", "called bogus", "called real"], [["artefacts", String(c.bogus_found), String(c.bogus_missed)], ["real objects", String(c.real_called_bogus), String(c.real_kept)]]));
  }
  const groups = (title, rows, heading) => card(title, "95 % intervals over fields.", rows.length ? table(["", "objects", heading, "95 %"], rows.map((row) => [row.name.replaceAll("_", " "), String(row.n), number(row.value, 3), interval([row.low, row.high]).trim()])) : element("p", { class: "hint", text: "The labels have no tags, or none of them were given (--labels FILE)." }));

  function worst() {
    const rows = RBZTF.page.rows.filter((row) => row.wrong !== null && row.wrong > 0.5).sort((a, b) => b.wrong - a.wrong).slice(0, WORST);
    const list = element("div", { class: "mistakes" });
    for (const row of rows) {
      const strip = element("span", { class: "tiles" });
      const button = element("button", { type: "button", class: "mistake", onclick: () => RBZTF.object.open(row.oid) },
        element("span", { class: "line" }, element("b", { text: row.oid }), element("span", { class: `badge ${row.label}`, text: row.label }), ` P ${number(row.p, 3)}`, element("span", { class: "fact", text: row.tags.join(", ") })), strip);
      list.append(button);
      if (row.has_frames) fill(strip, row);
      else strip.remove();
    }
    return card("Worst mistakes", rows.length ? "Labelled one thing, scored as another; click to look. The page of an object tells more." : "No object is on the wrong side of 0.5.", list);
  }
  // The strips of mistakes are loaded when they come into sight.
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { seen.unobserve(entry.target); entry.target.show(); }
  });
  function fill(strip, row) {
    strip.show = () => RBZTF.load(row.oid).then((data) => {
      const n = data.frames.length, size = 48, count = Math.min(8, n);
      for (let k = 0; k < count; k++) {
        const i = Math.round((k * (n - 1)) / Math.max(1, count - 1)), tile = element("span", { class: "tile" });
        tile.style.width = tile.style.height = `${size}px`;
        tile.style.backgroundImage = `url("frames/${row.oid}.${RBZTF.settings.stretches[0]}.webp")`;
        tile.style.backgroundSize = `${data.columns * size}px auto`;
        tile.style.backgroundPosition = `${-(i % data.columns) * size}px ${-Math.floor(i / data.columns) * size}px`;
        strip.append(tile);
      }
    }).catch(() => {});
    seen.observe(strip);
  }

  function comparison() {
    return RBZTF.page.results.comparison.map((pair) => card(`${pair.of} minus ${pair.minus}`, `Paired over the same fields${pair.same_folds ? "" : "; the folds differ, so read the pooled difference"}.`,
      table(["", "mean", "95 %", "pooled", "95 %"], pair.rows.map((row) => [metricName(row.metric), RBZTF.signed(row.mean, 3), interval(row.ci95).trim(), RBZTF.signed(row.pooled, 3), interval(row.pooled_ci95).trim()]))));
  }

  let which = 0;
  function draw() {
    const results = RBZTF.page.results, place = byId("evaluation");
    if (!results) return;
    for (const plot of plots) plot.destroy();
    plots = [];
    const model = results.models[which], palette = colours();
    const names = element("p", { class: "legend" }, ...results.models.map((each, i) => { const dot = element("span", { class: "key-dot" }); dot.style.background = palette[i % 6]; return element("span", {}, dot, ` ${each.name}`); }));
    const select = element("select", { id: "which-model", onchange: (event) => { which = Number(event.target.value); draw(); } }, ...results.models.map((each, i) => element("option", { value: i, text: each.name })));
    select.value = String(which);
    const metrics = wide(card("Figures", `${model.n_objects} objects in ${model.folds} folds; means over folds, and all out-of-fold scores pooled.`,
      table(["", "mean", "95 %", "pooled", "95 %"], model.metrics.map((row) => [metricName(row.name), number(row.mean, 3), interval(row.ci95).trim(), number(row.pooled, 3), interval(row.pooled_ci95).trim()]))));
    const charts = [
      banded("ROC curve", "Out-of-fold scores pooled; bands: 95 % over fields.", "false alarms: share of real called bogus", "share of artefacts found", "roc", true),
      banded("Precision and recall", "At the share of artefacts among these objects.", "recall: share of artefacts found", "precision", "pr", false),
      banded("Errors among the surest", "Objects decided in the order of their distance from the threshold; bands: 95 % over fields.", "coverage: share of the objects, the surest first", "error rate among them", "risk", false, true),
      reliability(), histogram(model),
    ];
    const learned = learning();
    place.replaceChildren(element("h2", { text: "Evaluation" }), element("div", { class: "line" }, names, element("span", { class: "grow" }), results.models.length > 1 ? element("label", {}, "tables of ", select) : ""),
      element("div", { class: "cards" }, ...charts.map(([made]) => made), metrics, confusion(model), surest(model), ...priors(model), groups("Found, by tag", model.by_tag, "recall"), groups("False alarms, by class", model.by_class, "share"), ...comparison()), worst(),
      ...(learned.length ? [element("h2", { text: "Learning curves" }), element("div", { class: "cards" }, ...learned.map(([made]) => made))] : []));
    for (const [, make] of [...charts, ...learned]) make();
  }
  return { draw };
})();
