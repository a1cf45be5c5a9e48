// The gradient lens: the size of everything in each layer, at the step it was taken and over
// training; what is marked, with advice; the rows that pull hardest; what outputs owe to inputs.
//
// The numbers of the layers were computed in Python, over all rows. Attributions are computed here.
"use strict";
var DR = globalThis.DR || (globalThis.DR = {});

(function () {
  const COLUMNS = ["weight_rms", "activation_rms", "delta_rms", "delta_ratio", "gradient_norm", "snr", "update_ratio", "dead", "saturated"];
  const SHARES = new Set(["dead", "saturated", "flat"]);
  const SIGNS = { vanishing: "▼", exploding: "▲", dead: "✕", saturated: "■", "large step": "»", "small step": "›" };
  const LISTED = 12;

  // What is not finite comes as text that Number reads.
  const num = (value) => Number(value);
  const percent = (x) => (x === 0 || x >= 0.01 ? `${Math.round(100 * x)} %` : "under 1 %");

  function shown(name, value) {
    if (Number.isNaN(value)) return "–";
    return SHARES.has(name) ? percent(value) : DR.dom.brief(value);
  }

  const cell = (lens, name, layer, value) =>
    DR.dom.el("td", { class: "lens-number", "data-lens": `${name},${layer}`, "data-value": String(value), title: Number.isNaN(value) ? "not defined here" : DR.number(value) }, shown(name, value));

  /** A label of the lens for the screen: ‖δ^l‖ with its index raised. */
  function label(text) {
    const span = DR.dom.el("span", {});
    text.split(/\^(\{[^}]*\}|.)/).forEach((part, i) => span.append(i % 2 ? DR.dom.el("sup", { text: part.replace(/[{}]/g, "") }) : part));
    return span;
  }

  const measureOf = (lens, name) => lens.measures.find((each) => each.name === name);

  /** Which recorded step of the lens is shown by the store; −1 if none. */
  function recordedStep(lens, store) {
    const state = store.current();
    return state.step === null || state.step === undefined ? -1 : lens.over.steps.indexOf(state.step);
  }

  function mark(kind) {
    return DR.dom.el("span", { class: "lens-mark" }, DR.dom.el("span", { "aria-hidden": "true", text: `${SIGNS[kind] || "!"} ` }), kind);
  }

  /** Advice: what was seen, why, what to do. */
  function adviceList(lens) {
    const { el } = DR.dom;
    if (!lens.advice.length) return el("p", { class: "note", text: "Nothing is marked: no layer vanishes, explodes, is dead or saturated." });
    return el("ul", { class: "lens-advice" }, ...lens.advice.map((each) =>
      el("li", { class: each.serious ? "serious" : null },
        el("p", {}, el("strong", {}, mark(each.kind)), ` ${each.seen}`),
        el("p", { class: "note", text: each.why }),
        el("p", { text: each.what }))));
  }

  /** The table of the layers; its numbers follow the step that is shown, where it was recorded. */
  function layerTable(lens, store) {
    const { el } = DR.dom;
    const known = COLUMNS.filter((name) => name !== "update_ratio" || lens.layers.some((each) => !Number.isNaN(num(each[name]))) || lens.over.steps.length);
    const caption = el("caption", {});
    const body = el("tbody", {});
    const head = el("tr", {}, el("th", { scope: "col", text: "layer" }), el("th", { scope: "col", text: "nodes" }), el("th", { scope: "col", text: "activation" }),
      ...known.map((name) => el("th", { scope: "col", title: measureOf(lens, name).words }, label(measureOf(lens, name).label))),
      el("th", { scope: "col", text: "marks" }));
    const table = el("table", { class: "lens-table" }, caption, el("thead", {}, head), body);
    const words = el("dl", { class: "lens-words" }, ...known.flatMap((name) => [el("dt", {}, label(measureOf(lens, name).label)), el("dd", { text: measureOf(lens, name).words })]));
    const box = el("div", {}, el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Numbers of each layer" }, table),
      el("details", {}, el("summary", { text: "What these numbers are" }), words));
    box.show = () => {
      const at = recordedStep(lens, store);
      const value = (layer, name) => num(at < 0 ? layer[name] : lens.over.series[name][at][layer.layer - 1]);
      caption.textContent = at < 0
        ? `Over ${DR.text.count(lens.rows)} rows, C = ${DR.number(num(lens.cost))}`
        : `Over ${DR.text.count(lens.rows)} rows after step ${lens.over.steps[at]}, C = ${DR.number(num(lens.over.cost[at]))}; marks are those of the step that is explained`;
      body.replaceChildren(...lens.layers.map((layer) =>
        el("tr", {}, el("th", { scope: "row", text: layer.layer }), el("td", { class: "lens-number", text: layer.nodes }), el("td", { text: layer.activation }),
          ...known.map((name) => cell(lens, name, layer.layer, value(layer, name))),
          el("td", {}, ...(layer.marks.length ? layer.marks.map((kind) => el("div", {}, mark(kind))) : ["–"])))));
    };
    return box;
  }

  /** Bars of dead and saturated units, with buttons to the units themselves. */
  function unitBars(lens, store) {
    const { el } = DR.dom;
    const layers = lens.layers.filter((each) => !Number.isNaN(num(each.dead)));
    if (!layers.length) return null;
    const units = (layer, numbers, word) => {
      if (!numbers.length) return null;
      const buttons = numbers.slice(0, LISTED).map((j) =>
        el("button", { type: "button", class: "link", "aria-label": `Show ${word} unit ${j} of layer ${layer.layer}`, text: j, onclick: () => store.set({ selected: { kind: "node", layer: layer.layer, j } }) }));
      return el("p", { class: "lens-units" }, `${numbers.length} of ${layer.nodes} ${word}: `, ...buttons.flatMap((button, i) => (i ? [" ", button] : [button])),
        numbers.length > LISTED ? ` and ${numbers.length - LISTED} others` : null);
    };
    return el("div", { class: "lens-bars" }, ...layers.map((layer) => {
      const dead = num(layer.dead), saturated = num(layer.saturated) || 0;
      const text = `Layer ${layer.layer}: ${percent(dead)} dead, ${percent(saturated)} saturated`;
      return el("div", { class: "lens-bar-row" }, el("span", { class: "lens-bar-name", text }),
        el("div", { class: "lens-bar", "aria-hidden": "true" },
          el("span", { class: "dead", style: `width: ${100 * dead}%` }), el("span", { class: "saturated", style: `width: ${100 * saturated}%` })),
        units(layer, layer.dead_units, "dead"), units(layer, layer.saturated_units, "saturated"));
    }));
  }

  /** The rows that pull hardest; those in the page can be chosen. */
  function hardest(lens, store) {
    const { el } = DR.dom;
    const names = store.payload.names.rows;
    const most = lens.hardest.length ? num(lens.hardest[0].share) : 1;
    const rows = lens.hardest.map((each) => {
      const at = names.indexOf(each.name);
      const button = el("button", { type: "button", class: "link", text: `row ${each.name}`, "data-row": each.name, "aria-pressed": "false", onclick: () => store.set({ sample: at, mode: "sample" }) });
      return { at, button, row: el("tr", {}, el("th", { scope: "row" }, at < 0 ? `row ${each.name}` : button),
        el("td", { class: "lens-share" }, el("span", { class: "lens-share-bar", "aria-hidden": "true", style: `width: ${(100 * num(each.share)) / (most || 1)}%` }), el("span", { text: `${DR.dom.brief(100 * num(each.share), 2)} %` })),
        el("td", { class: "lens-number", "data-value": each.norm, title: DR.number(num(each.norm)), text: DR.dom.brief(num(each.norm)) }),
        el("td", { class: "lens-number", "data-value": each.loss, title: DR.number(num(each.loss)), text: DR.dom.brief(num(each.loss)) })) };
    });
    const head = el("tr", {}, ...["row", "share of the pull", "‖∂Cᵢ/∂θ‖", "Cᵢ"].map((text) => el("th", { scope: "col", text })));
    const absent = rows.some((each) => each.at < 0);
    const box = el("div", {}, el("div", { class: "scroll lens-rows", tabindex: 0, role: "region", "aria-label": "The rows that pull hardest" },
      el("table", { class: "lens-table" }, el("caption", { text: "wᵢ ‖∂Cᵢ/∂θ‖ of each row, the largest first" }), el("thead", {}, head), el("tbody", {}, ...rows.map((each) => each.row)))),
    absent ? el("p", { class: "note", text: "Rows without a link are not among those that this page carries." }) : null);
    box.show = () => rows.forEach((each) => DR.dom.put(each.button, "aria-pressed", each.at === store.state.sample));
    return box;
  }

  function part(title, ...children) {
    const { el } = DR.dom;
    return el("section", { class: "lens-part" }, el("h3", { text: title }), ...children);
  }

  /** Fills `element`, and keeps it up with the store. */
  function mount(element, lens, store) {
    let parts = [];
    const visible = { now: false, waiting: false };
    const show = (slow) => parts.forEach((each) => each.show && Boolean(each.slow) === slow && each.show());

    function build(from) {
      parts = [];
      const sections = [];
      const add = (title, box) => { if (box) { parts.push(box); sections.push(part(title, box)); } };
      if (from) {
        add("What is marked", adviceList(from));
        add("Layer by layer", layerTable(from, store));
        add("Dead and saturated units", unitBars(from, store));
        if (from.over.steps.length > 1) add("Over training", DR.lensCharts(from, store));
        add("Which rows pull hardest", hardest(from, store));
      } else {
        sections.push(DR.dom.el("p", { class: "note", text: "This page was written without the lens's numbers of the layers." }));
      }
      add("What a row's output owes to its inputs", DR.lensAttributions(from, store));
      element.classList.add("lens");
      element.replaceChildren(...sections);
    }

    // Attributions take a while, so that nobody waits for them who does not look.
    function later() {
      if (!visible.now || visible.waiting) return;
      visible.waiting = true;
      setTimeout(() => { visible.waiting = false; show(true); }, 30);
    }
    const unsubscribe = store.subscribe((_, changed) => {
      if (changed.has("payload")) build((lens = store.payload.lens));
      if (!changed.has("payload") && !changed.has("state") && !changed.has("sample")) return;
      show(false);
      later();
    });
    const observer = new IntersectionObserver((entries) => {
      visible.now = entries.at(-1).isIntersecting;
      later();
    }, { rootMargin: "200px" });
    build(lens);
    show(false);
    observer.observe(element);
    return () => { unsubscribe(); observer.disconnect(); };
  }

  DR.lens = { mount, shown, label, num, measureOf, recordedStep };
})();
