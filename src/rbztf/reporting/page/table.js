// The table of objects: sorting, filters, search. Tabulator draws only the rows in sight.
"use strict";
RBZTF.table = (() => {
  const { element, number, byId } = RBZTF;
  const MARKS = { real: "R", bogus: "B", unsure: "?" };
  let table = null, shown = null;

  const FILTERS = [
    { name: "decision", title: "Decision", of: (row) => row.decision || "none" },
    { name: "kind", title: "Kind", of: (row) => row.kind || "none" },
    { name: "label", title: "Label", of: (row) => row.label || "none" },
    { name: "training", title: "Trained on", of: (row) => yesNo(row.training) || "unknown" },
    { name: "input", title: "Input", of: (row) => row.facts.input_check || "unknown" },
  ];

  const badge = (text, kind = text, title = "") => element("span", { class: `badge ${kind}`, text, title });
  const yesNo = (value) => (value === true ? "yes" : value === false ? "no" : "");
  const plain = (cell) => element("span", { text: cell.getValue() ?? "" });
  const fixed = (digits) => (cell) => element("span", { text: number(cell.getValue(), digits) });

  function probability(cell) {
    const row = cell.getData();
    if (typeof row.p !== "number") return element("span", { text: "" });
    const bar = element("span", { class: "bar", "aria-hidden": "true" });
    const span = element("span", { class: "span" });
    const low = row.low ?? row.p, high = row.high ?? row.p;
    span.style.left = `${100 * low}%`;
    span.style.width = `${100 * Math.max(high - low, 0)}%`;
    const point = element("span", { class: "point" });
    point.style.left = `${100 * row.p}%`;
    bar.append(span, point);
    const text = row.low !== null && row.high !== null ? `95 %: ${number(row.low, 3)} to ${number(row.high, 3)}` : "";
    return element("span", { class: "p", title: text }, element("span", { text: number(row.p, 3) }), bar);
  }
  const interval = (cell) => {
    const { low, high } = cell.getData();
    return element("span", { text: low !== null && high !== null ? `${number(low, 2)}–${number(high, 2)}` : "" });
  };
  const width = (row) => (row.low !== null && row.high !== null ? row.high - row.low : -1);
  const reason = (row) => row.facts.input_reason || "";
  const decision = (cell) => badge(cell.getValue() || "none", cell.getValue() || "none", cell.getValue() ? "" : reason(cell.getData()));
  const input = (cell) => element("span", { class: `input ${cell.getValue() ?? ""}`, text: cell.getValue() ?? "", title: reason(cell.getData()) });
  const links = (cell) => element("span", { class: "links" }, ...RBZTF.links(cell.getData(), "SNAD", "IRSA"));
  const kind = (cell) => {
    const row = cell.getData();
    return element("span", { text: row.kind ? `${row.kind.replaceAll("_", " ")} ${number(row.kind_p, 2)}` : "" });
  };
  const verdict = (cell) => {
    const said = RBZTF.labels.get(cell.getData().oid);
    return element("span", { class: `mark ${said.verdict}`, title: said.comment.slice(0, 300) || said.verdict, text: MARKS[said.verdict] || (said.comment || said.kind ? "•" : "") });
  };
  const oid = (cell) => element("button", {
    class: "link oid", type: "button", text: cell.getValue(), onclick: (event) => { event.stopPropagation(); RBZTF.object.open(cell.getValue()); },
  });
  const yes = (cell) => element("span", { text: yesNo(cell.getValue()) });
  const numeric = { sorter: "number", sorterParams: { alignEmptyValues: "bottom" } };

  function columns() {
    const rows = RBZTF.page.rows;
    const any = (test) => rows.some(test);
    const models = [...new Set(rows.slice(0, 50).flatMap((row) => Object.keys(row.models)))];
    const found = [
      { title: "Mine", field: "oid", formatter: verdict, width: 74, headerTooltip: "your verdict", hozAlign: "center",
        sorter: (a, b) => RBZTF.labels.get(a).verdict.localeCompare(RBZTF.labels.get(b).verdict) },
      { title: "OID", field: "oid", formatter: oid, minWidth: 150, sorter: "string" },
      { title: "P(bogus)", field: "p", formatter: probability, width: 132, ...numeric },
    ];
    const optional = [
      [any((row) => row.low !== null), { title: "95 %", field: "low", formatter: interval, width: 92, headerTooltip: "interval of P; sorts by its width", sorter: (a, b, one, other) => width(one.getData()) - width(other.getData()) }],
      [true, { title: "Decision", field: "decision", formatter: decision, width: 96 }],
      [any((row) => row.kind), { title: "Kind", field: "kind", formatter: kind, width: 128 }],
      [any((row) => row.label), { title: "Label", field: "label", formatter: (cell) => badge(cell.getValue()), width: 84 }],
      [any((row) => row.wrong !== null), { title: "Off by", field: "wrong", formatter: fixed(3), width: 84, ...numeric, headerTooltip: "how far P is from the label" }],
      [any((row) => row.frames !== null), { title: "Frames", field: "frames", formatter: plain, width: 82, ...numeric, hozAlign: "right" }],
      [any((row) => row.mag !== null), { title: "Mag", field: "mag", formatter: fixed(2), width: 72, ...numeric, hozAlign: "right" }],
      [any((row) => row.training !== null), { title: "Trained on", field: "training", formatter: yes, width: 104 }],
      [any((row) => row.facts.input_check), { title: "Input", field: "facts.input_check", formatter: input, width: 90, headerTooltip: "how far the input is from the training set" }],
      [any((row) => row.missing), { title: "Missing", field: "missing", formatter: plain, width: 88, ...numeric, hozAlign: "right" }],
      [true, { title: "Field", field: "field", formatter: plain, width: 74, ...numeric }],
      [true, { title: "Links", field: "viewer", formatter: links, width: 96, headerSort: false }],
    ];
    for (const [there, column] of optional) if (there) found.push(column);
    if (models.length > 1) {
      models.forEach((name, i) => found.push({
        title: name, field: `model${i}`, formatter: (cell) => element("span", { text: number(cell.getData().models[name], 3) }),
        sorter: (a, b, one, other) => (one.getData().models[name] ?? -1) - (other.getData().models[name] ?? -1), width: 110,
        titleFormatter: () => element("span", { text: name, title: name }),
      }));
    }
    return found.map((column) => ({ resizable: false, vertAlign: "middle", ...column }));
  }

  // The words of an object that a search finds, beside what the user says of it.
  const words = new Map();
  function wordsOf(row) {
    if (!words.has(row.oid)) words.set(row.oid, [row.oid, row.decision, row.label, row.kind.replaceAll("_", " "), ...row.tags].join(" ").toLowerCase());
    return words.get(row.oid);
  }
  // Whether an object is shown, by what the fields above the table say now.
  function test() {
    const asked = byId("search").value.trim().toLowerCase().split(/\s+/).filter(Boolean), said = byId("filter-verdict").value;
    const low = byId("filter-low").valueAsNumber, high = byId("filter-high").valueAsNumber;
    const chosen = FILTERS.map(({ name, of }) => [of, byId(`filter-${name}`)?.value]).filter(([, value]) => value);
    return (row) => {
      if (!chosen.every(([of, value]) => of(row) === value)) return false;
      if (low === low && !(row.p >= low)) return false;
      if (high === high && !(row.p <= high)) return false;
      if (!said && !asked.length) return true;
      const mine = RBZTF.labels.get(row.oid);
      if (said && (mine.verdict || "none") !== said) return false;
      const text = asked.length ? `${wordsOf(row)} ${mine.verdict} ${mine.kind} ${mine.comment}`.toLowerCase() : "";
      return asked.every((word) => text.includes(word));
    };
  }

  function filter() { table.setFilter(test()); }
  function count() {
    const shown = table.getDataCount("active"), all = RBZTF.page.rows.length;
    byId("count").textContent = shown === all ? `${all} objects` : `${shown} of ${all} objects`;
  }

  // A choice for each filter that tells objects apart.
  function addFilters() {
    for (const { name, title, of } of FILTERS) {
      const values = [...new Set(RBZTF.page.rows.map(of))].sort();
      if (values.length < 2) continue;
      const options = values.map((value) => element("option", { value, text: value.replaceAll("_", " ").slice(0, 60) }));
      const select = element("select", { id: `filter-${name}`, onchange: filter }, element("option", { value: "", text: "all" }), ...options);
      byId("choices").append(element("label", { text: `${title} ` }, select));
    }
  }

  function make() {
    addFilters();
    table = new Tabulator("#table", {
      data: RBZTF.page.rows, index: "oid", columns: columns(), height: "100%", layout: "fitDataStretch",
      initialSort: [{ column: RBZTF.settings.evaluation ? "wrong" : "p", dir: "desc" }],
      placeholder: "No object fits these filters.", rowHeight: 32, renderVerticalBuffer: 160, columnDefaults: { headerWordWrap: false },
      rowFormatter: (row) => row.getElement().classList.toggle("open", row.getData().oid === RBZTF.page.current),
    });
    table.on("rowClick", (event, row) => RBZTF.object.open(row.getData().oid));
    table.on("dataFiltered", () => setTimeout(count));
    table.on("tableBuilt", () => {
      byId("table").querySelector(".tabulator-tableholder").removeAttribute("tabindex"); // its rows have buttons
      for (const column of table.getColumns()) {
        const head = column.getElement();
        head.tabIndex = 0;
        head.addEventListener("keydown", (event) => {
          if (event.key !== "Enter" && event.key !== " ") return;
          event.preventDefault();
          head.click();
        });
      }
      count();
    });
    for (const id of ["search", "filter-low", "filter-high"]) byId(id).addEventListener("input", filter);
    byId("filter-verdict").addEventListener("change", filter);
    RBZTF.labels.onChange((oid) => {
      if (oid) table.getRow(oid)?.reformat();
      else table.redraw(true);
    });
  }

  // The object before or after the open one, in the order of the table.
  function beside(step) {
    const rows = table.getRows("active");
    const place = rows.findIndex((row) => row.getData().oid === RBZTF.page.current);
    const next = place < 0 ? (step > 0 ? 0 : rows.length - 1) : place + step;
    return rows[next]?.getData().oid ?? null;
  }
  function show(oid) {
    for (const each of [shown, oid]) if (each) table.getRow(each).getElement().classList.toggle("open", each === oid);
    shown = oid;
    table.scrollToRow(oid, "nearest", false).catch(() => {});
  }
  return { make, beside, show, get table() { return table; } };
})();
