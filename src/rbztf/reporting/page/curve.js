// The light curve: uPlot's axes, points and zoom; error bars drawn on its canvas.
"use strict";
RBZTF.curve = (() => {
  const NEAR = 26; // pixels from a point within which a click is meant for it
  const KINDS = ["epoch", "bare", "flagged", "dropped"];
  let plot = null, watcher = null, marked = -1;

  function kindOf(data, i, dropped) {
    if (dropped.has(data.frame[i])) return "dropped";
    if (data.catflags && data.catflags[i]) return "flagged";
    return data.frame[i] < 0 ? "bare" : "epoch";
  }

  function bars(u, data, kinds) {
    const { ctx } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
    ctx.clip();
    ctx.lineWidth = devicePixelRatio;
    const colours = { epoch: RBZTF.colour("epoch"), flagged: RBZTF.colour("flagged"), dropped: RBZTF.colour("dropped") };
    data.time.forEach((time, i) => {
      if (time === null || data.mag[i] === null || data.magerr[i] === null) return;
      ctx.strokeStyle = colours[kinds[i]] ?? colours.epoch;
      const x = u.valToPos(time, "x", true);
      ctx.beginPath();
      ctx.moveTo(x, u.valToPos(data.mag[i] - data.magerr[i], "y", true));
      ctx.lineTo(x, u.valToPos(data.mag[i] + data.magerr[i], "y", true));
      ctx.globalAlpha = 0.55;
      ctx.stroke();
    });
    ctx.globalAlpha = 1;
    if (marked >= 0 && data.mag[marked] !== null) {
      const x = u.valToPos(data.time[marked], "x", true), y = u.valToPos(data.mag[marked], "y", true);
      ctx.strokeStyle = RBZTF.colour("current");
      ctx.lineWidth = 2.5 * devicePixelRatio;
      ctx.beginPath();
      ctx.arc(x, y, 8 * devicePixelRatio, 0, 2 * Math.PI);
      ctx.stroke();
    }
    ctx.restore();
  }

  function series(kind, label) {
    const hollow = kind === "bare" || kind === "flagged";
    const stroke = RBZTF.colour(kind === "bare" ? "epoch" : kind);
    return {
      label, stroke, paths: () => null,
      points: { show: true, size: kind === "dropped" ? 9 : 6.5, width: 1.4, stroke, fill: hollow ? RBZTF.colour("panel") : stroke },
    };
  }

  // Draws into `place` with one epoch marked; `choose` is called with the number of an epoch that is clicked.
  function draw(place, data, dropped, choose, current) {
    close();
    marked = current;
    const known = data.time.map((time, i) => time !== null && data.mag[i] !== null);
    const rows = data.time.map((_, i) => i).filter((i) => known[i]);
    if (!rows.length) {
      place.replaceChildren(RBZTF.element("p", { class: "hint", text: "No photometry is known of this object." }));
      return;
    }
    const kinds = data.time.map((_, i) => kindOf(data, i, dropped));
    const values = KINDS.map((kind) => rows.map((i) => (kinds[i] === kind ? data.mag[i] : null)));
    const ends = rows.flatMap((i) => [data.mag[i] - (data.magerr[i] ?? 0), data.mag[i] + (data.magerr[i] ?? 0)]);
    const bright = Math.min(...ends), faint = Math.max(...ends), room = Math.max(0.05, 0.06 * (faint - bright));
    const axis = { stroke: RBZTF.colour("text"), grid: { stroke: RBZTF.colour("line"), width: 1 }, ticks: { stroke: RBZTF.colour("line") }, font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif" };
    const first = data.time[rows[0]], last = data.time[rows[rows.length - 1]], margin = Math.max(1, 0.02 * (last - first));
    place.replaceChildren();
    plot = new uPlot({
      width: place.clientWidth || 600, height: place.clientHeight || 260, legend: { show: false },
      cursor: { points: { show: false }, drag: { x: true, y: true, uni: 20 } },
      scales: { x: { time: false, range: (u, low, high) => (low === first && high === last ? [first - margin, last + margin] : [low, high]) },
        y: { dir: -1, range: (u, low, high) => (u.data && low !== null && (low < bright - room || high > faint + room) ? [low, high] : [bright - room, faint + room]) } },
      axes: [{ ...axis, label: "heliocentric MJD (days)", labelSize: 20, size: 34, space: 70, values: (u, days) => days.map(String) }, { ...axis, label: "magnitude", labelSize: 20, size: 48 }],
      series: [{}, ...KINDS.map((kind) => series(kind, kind))],
      hooks: { draw: [(u) => bars(u, data, kinds)] },
    }, [rows.map((i) => data.time[i]), ...values], place);
    plot.over.addEventListener("click", (event) => {
      const box = plot.over.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
      let best = -1, least = NEAR;
      for (const i of rows) {
        const away = Math.hypot(plot.valToPos(data.time[i], "x") - x, plot.valToPos(data.mag[i], "y") - y);
        if (away < least) { least = away; best = i; }
      }
      if (best >= 0) choose(best);
    });
    watcher = new ResizeObserver(() => { if (plot && place.clientWidth && (place.clientWidth !== plot.width || place.clientHeight !== plot.height)) plot.setSize({ width: place.clientWidth, height: place.clientHeight }); });
    watcher.observe(place);
  }

  function mark(row) { marked = row; plot?.redraw(false); }
  function close() { watcher?.disconnect(); plot?.destroy(); plot = watcher = null; }
  // Where an epoch is on the screen, for whoever tests the page.
  function position(data, row) {
    const box = plot.over.getBoundingClientRect();
    return [box.left + plot.valToPos(data.time[row], "x"), box.top + plot.valToPos(data.mag[row], "y")];
  }
  return { draw, mark, close, position };
})();
