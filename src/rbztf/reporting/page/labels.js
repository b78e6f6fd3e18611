// Verdicts: kept in the browser under the report's hash, written and read as CSV.
"use strict";
RBZTF.labels = (() => {
  const COLUMNS = ["oid", "label", "verdict", "kind", "comment", "when"];
  const VERDICTS = ["real", "bogus", "unsure"];
  const LONGEST = 10000;
  const key = `rbztf:labels:${RBZTF.settings.hash}`;
  const listeners = [];
  let known = {};
  try { known = JSON.parse(RBZTF.store.get(key) || "{}"); } catch { known = {}; }
  if (!known || typeof known !== "object" || Array.isArray(known)) known = {};
  for (const [oid, entry] of Object.entries(known)) known[oid] = sound(entry);

  function sound(entry) {
    const text = (value) => (typeof value === "string" ? value.slice(0, LONGEST) : "");
    return {
      verdict: VERDICTS.includes(entry?.verdict) ? entry.verdict : "",
      kind: text(entry?.kind), comment: text(entry?.comment), when: text(entry?.when),
    };
  }
  function get(oid) { return known[oid] || { verdict: "", kind: "", comment: "", when: "" }; }
  function keep() {
    if (!RBZTF.store.set(key, JSON.stringify(known))) {
      RBZTF.say("This browser keeps nothing: save the labels before you close the page.");
    }
  }
  function change(oid, part) {
    const entry = { ...get(oid), ...part, when: new Date().toISOString().slice(0, 19) + "Z" };
    if (entry.verdict || entry.kind || entry.comment) known[oid] = sound(entry);
    else delete known[oid];
    keep();
    for (const listener of listeners) listener(oid);
  }

  // Cells that a spreadsheet would take for a formula get an apostrophe, which is taken away on reading.
  function cell(value) {
    let text = String(value).replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ");
    if (/^\s*[=+\-@]/.test(text)) text = `'${text}`;
    return /[",']/.test(text) || text !== text.trim() ? `"${text.replaceAll('"', '""')}"` : text;
  }
  function csv() {
    const lines = Object.entries(known).sort(([a], [b]) => (a < b ? -1 : 1)).map(([oid, entry]) => {
      const label = entry.verdict === "unsure" ? "" : entry.verdict;
      return [oid, label, entry.verdict, entry.kind, entry.comment, entry.when].map(cell).join(",");
    });
    return [COLUMNS.join(","), ...lines].join("\n") + "\n";
  }

  function parse(text) {
    const table = [[""]];
    let quoted = false;
    for (let i = 0; i < text.length; i++) {
      const row = table[table.length - 1], letter = text[i];
      if (quoted) {
        if (letter !== '"') row[row.length - 1] += letter;
        else if (text[i + 1] === '"') { row[row.length - 1] += '"'; i++; } else quoted = false;
      } else if (letter === '"') quoted = true;
      else if (letter === ",") row.push("");
      else if (letter === "\n") table.push([""]);
      else if (letter !== "\r") row[row.length - 1] += letter;
    }
    return table.filter((row) => row.some((value) => value !== ""));
  }
  const bare = (text) => (/^'\s*[=+\-@]/.test(text) ? text.slice(1) : text);

  // Takes the verdicts of a file; those given later win. Returns how many were taken, and how many are of other objects.
  function read(text) {
    const [header = [], ...lines] = parse(text.replace(/^\ufeff/, ""));
    const places = Object.fromEntries(header.map((name, i) => [name.trim().toLowerCase(), i]));
    if (!("oid" in places) || !("label" in places || "verdict" in places)) throw new Error("It has no columns oid and label.");
    const words = { 0: "real", 1: "bogus", artefact: "bogus", artifact: "bogus" };
    let taken = 0, others = 0;
    for (const line of lines) {
      const value = (name) => bare((line[places[name]] ?? "").trim());
      const oid = value("oid").replace(/\.0*$/, "");
      if (!/^\d{10,19}$/.test(oid)) throw new Error(`${oid.slice(0, 40) || "An empty cell"} is no OID.`);
      const word = (value("verdict") || value("label")).toLowerCase();
      const entry = sound({ verdict: words[word] || word, kind: value("kind"), comment: value("comment"), when: value("when") });
      if (get(oid).when > entry.when && entry.when) continue;
      known[oid] = entry;
      taken++;
      if (!RBZTF.row(oid)) others++;
    }
    keep();
    for (const listener of listeners) listener(null);
    return { taken, others };
  }

  function tally() {
    const counts = { real: 0, bogus: 0, unsure: 0 };
    for (const entry of Object.values(known)) if (entry.verdict) counts[entry.verdict]++;
    return counts;
  }
  return { get, change, csv, read, tally, parse, onChange: (listener) => listeners.push(listener) };
})();
