// What all parts of the page share: data as it arrives, elements, messages.
"use strict";
window.RBZTF = (() => {
  const rows = new Map();
  const arrived = new Map();
  const waiting = new Map();
  const KEPT = 60; // objects in memory
  const page = { rows: [], results: null, current: null };

  // What the scripts in data/ hand over.
  const takers = {
    about(content) { api.settings = content; },
    objects(content) {
      page.rows = content;
      for (const row of content) rows.set(row.oid, row);
    },
    evaluation(content) { page.results = content; },
    object(content) {
      arrived.set(content.oid, content);
      while (arrived.size > KEPT) arrived.delete(arrived.keys().next().value);
    },
  };
  const api = {
    page,
    settings: null,
    take: (what, content) => takers[what](content),
    row: (oid) => rows.get(oid),
  };

  // The data of an object: a script that is loaded when it is asked for.
  api.load = (oid) => {
    if (arrived.has(oid)) return Promise.resolve(arrived.get(oid));
    if (!rows.has(oid)) return Promise.reject(new Error(`The report has no object ${oid}.`));
    if (!waiting.has(oid)) {
      waiting.set(oid, new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = `data/${oid}.js`;
        script.onload = () => { script.remove(); waiting.delete(oid); resolve(arrived.get(oid)); };
        script.onerror = () => { waiting.delete(oid); reject(new Error(`data/${oid}.js cannot be read.`)); };
        document.head.append(script);
      }));
    }
    return waiting.get(oid);
  };

  // An element; whatever text it is given stays text.
  api.element = (name, properties = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (value === undefined || value === null || value === false) continue;
      if (key === "class") made.className = value;
      else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (key === "text") made.textContent = value;
      else made.setAttribute(key, value === true ? "" : value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
    return made;
  };
  api.byId = (id) => document.getElementById(id);
  api.number = (value, digits) => (typeof value === "number" ? value.toFixed(digits) : "");
  api.signed = (value, digits) => (typeof value === "number" ? (value < 0 ? "−" : "+") + Math.abs(value).toFixed(digits) : "");
  api.colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  // Where else to look at an object; a click there stays a click.
  const IRSA = "https://irsa.ipac.caltech.edu/cgi-bin/ZTF/nph_light_curves";
  api.links = (row, ...texts) => {
    const irsa = `${IRSA}?ID=${row.oid}&COLLECTION=${encodeURIComponent(row.collection || "ztf_dr24")}&FORMAT=CSV`;
    return [row.viewer, irsa].map((href, i) => api.element("a", {
      href, target: "_blank", rel: "noopener noreferrer", text: texts[i], onclick: (event) => event.stopPropagation(),
    }));
  };

  let timer = 0;
  api.say = (text) => {
    const notice = api.byId("notice");
    notice.textContent = text;
    notice.hidden = false;
    clearTimeout(timer);
    timer = setTimeout(() => { notice.hidden = true; }, 6000);
  };

  api.save = (name, text, type = "text/csv") => {
    const address = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
    const link = api.element("a", { href: address, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  };
  api.copy = (text) => {
    const area = api.element("textarea", { class: "unseen", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    api.say(done ? "Copied." : "The browser did not allow copying: download the file instead.");
  };

  // What is kept in the browser. All pages from disk may share one storage, so keys name the report.
  api.store = {
    get(key) { try { return localStorage.getItem(key); } catch { return null; } },
    set(key, value) {
      try { localStorage.setItem(key, value); return true; } catch { return false; }
    },
  };
  return api;
})();
