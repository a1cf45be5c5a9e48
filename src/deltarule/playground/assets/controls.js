// @ts-check
// What can be chosen for a run. A change begins the run anew; the learning rate changes it as it is.
"use strict";

const controlsModule = (function () {
  const { el, iconButton } = DR.dom;
  const NAMES = {
    xor: "XOR",
    spirals: "Spirals",
    circles: "Circles",
    moons: "Moons",
    digits: "Digits",
    table: "Table",
  };
  const SPEEDS = [
    [2, "2"],
    [30, "30"],
    [300, "300"],
    [3000, "3000"],
    [0, "no limit"],
  ];
  const words = (name) => name.replaceAll("_", " ");

  /** What a field of numbers holds; NaN if it is empty, or holds something else. */
  const read = (input) => (input.value === "" ? NaN : Number(input.value));
  const hollow = (value) =>
    Number.isNaN(value) || (Object(value) === value && Object.values(value).some(hollow));

  /** By what a control is found again after it was drawn anew. */
  function selector(control) {
    if (control.id) return `#${CSS.escape(control.id)}`;
    const label = control.getAttribute("aria-label");
    return label ? `[aria-label="${CSS.escape(label)}"]` : "";
  }

  /** A labelled control below its label. */
  function field(id, label, control, wide = "") {
    control.id = id;
    return el("div", { class: `control ${wide}` }, el("label", { for: id, text: label }), control);
  }

  function select(id, label, options, chosen, onchange) {
    const list = el(
      "select",
      { onchange: () => onchange(list.value) },
      ...options.map(([value, text]) => el("option", { value, text })),
    );
    list.value = String(chosen);
    return field(id, label, list, "wide"); // the names are long, and none is cut
  }

  function number(id, label, value, limits, onchange) {
    const input = el("input", { type: "number", ...limits, value, onchange: () => onchange(read(input)) });
    return field(id, label, input);
  }

  /** On a phone the settings are folded, so that what they make is in sight; elsewhere never. */
  function fold() {
    const details = document.getElementById("fold"),
      narrow = matchMedia("(max-width: 899px)");
    const show = () => (details.open = !narrow.matches);
    narrow.addEventListener("change", show);
    show();
  }

  /** Shows the settings in `element`; `order(type, fields)` sends what is asked for. */
  function mount(element, order) {
    let run = null,
      drawn = "",
      touched = null;
    fold();
    for (const kind of ["change", "click"]) {
      element.addEventListener(
        kind,
        (event) => (touched = event.target.closest("input, select, button") ?? touched),
        true,
      );
    }
    const change = (settings) => ask("setup", { settings });

    /** Asks for something; if it is refused, all that is in force is shown again, and why at its control. */
    async function ask(type, fields, refused = "") {
      const at = touched && selector(touched),
        asked = touched?.value;
      const reason = await order(
        type,
        fields,
        refused ||
          (hollow(fields) ? "expected a number; the field was left empty, or holds something else" : ""),
      );
      element.querySelector(".refused")?.remove();
      for (const control of element.querySelectorAll("[aria-describedby=refused]"))
        control.removeAttribute("aria-describedby");
      if (!reason || !run) return;
      draw();
      const control = at ? element.querySelector(at) : null;
      const given = control && asked && asked !== control.value ? `${asked} was refused: ` : "";
      const note = el("p", { class: "note wide refused", id: "refused", text: `${given}${reason}` });
      (control?.closest(".control") ?? element.lastChild).after(note);
      control?.setAttribute("aria-describedby", "refused");
    }
    const anew = (data) => change({ ...run.choices.starts[data], data, columns: [] });

    function data() {
      const { settings, choices, table, rows } = run,
        own = settings.data === "table";
      const parts = [
        select(
          "data",
          "Data",
          choices.data.map((name) => [name, name === "table" && table ? table.name : NAMES[name]]),
          settings.data,
          anew,
        ),
      ];
      if (own) parts.push(columns());
      parts.push(
        number(
          "n-rows",
          own ? "Most rows" : "Rows",
          settings.rows,
          { min: 10, max: choices.limits.rows, step: 10 },
          (value) => change({ rows: value }),
        ),
      );
      if (!own)
        parts.push(
          number("noise", "Noise", settings.noise, { min: 0, max: 2, step: 0.01 }, (value) =>
            change({ noise: value }),
          ),
        );
      parts.push(
        number("held", "Held out", settings.held, { min: 0, max: 0.9, step: 0.05 }, (value) =>
          change({ held: value }),
        ),
      );
      parts.push(
        number("seed", "Seed", settings.seed, { min: 0, max: choices.limits.seed, step: 1 }, (value) =>
          change({ seed: value }),
        ),
      );
      parts.push(
        el("p", { class: "note wide", text: `${rows.train} rows to train on, ${rows.held} held out` }),
      );
      return parts;
    }

    function columns() {
      const { settings, choices } = run;
      const chosen = new Set(settings.columns.length ? settings.columns : choices.columns);
      const boxes = choices.columns.map((name, i) => {
        const box = el("input", { type: "checkbox", id: `column-${i}`, value: name, onchange: () => pick() });
        box.checked = chosen.has(name);
        return box;
      });
      function pick() {
        const names = boxes.filter((box) => box.checked).map((box) => box.value);
        if (names.length) change({ columns: names.length === boxes.length ? [] : names });
        else ask("", {}, "choose at least one column");
      }
      return el(
        "details",
        { class: "control wide columns", open: boxes.length <= 8 },
        el("summary", {
          text: `Columns to predict ${run.target.name} from: ${chosen.size} of ${boxes.length}`,
        }),
        el(
          "div",
          { class: "boxes" },
          ...boxes.map((box) =>
            el(
              "div",
              { class: "field check" },
              box,
              el("label", { for: box.id, text: DR.dom.cut(box.value, 30) }),
            ),
          ),
        ),
      );
    }

    function layers() {
      const { settings, choices } = run,
        { layers: widths } = settings;
      const send = (next) => change({ layers: next });
      const list = widths.map((width, i) => {
        const input = el("input", {
          type: "number",
          min: 1,
          max: choices.limits.width,
          value: width,
          "aria-label": `Nodes of hidden layer ${i + 1}`,
          onchange: () => send(widths.with(i, read(input))),
        });
        return el(
          "li",
          {},
          input,
          iconButton("minus", `Remove hidden layer ${i + 1}`, () => send(widths.toSpliced(i, 1))),
        );
      });
      const more = iconButton(
        "plus",
        "Add a hidden layer",
        () => send([...widths, widths.at(-1) ?? 4]),
        "button",
      );
      more.append("layer");
      more.disabled = widths.length >= choices.limits.layers;
      return el(
        "div",
        { class: "control wide", role: "group", "aria-label": "Hidden layers" },
        el("span", { class: "label", text: "Hidden layers" }),
        el("ol", { class: "layers" }, ...list, el("li", {}, more)),
      );
    }

    function network() {
      const { settings, choices, net } = run;
      return [
        layers(),
        select(
          "activation",
          "Activation",
          choices.activation.map((name) => [name, words(name)]),
          settings.activation,
          (value) => change({ activation: value }),
        ),
        select(
          "loss",
          "Loss",
          choices.loss.map((name) => [name, words(name)]),
          settings.loss,
          (value) => change({ loss: value }),
        ),
        el("p", {
          class: "note wide",
          text: `${net.widths.join("–")}, ${net.parameters} parameters, outputs ${words(net.output)}; ${run.engine} engine`,
        }),
      ];
    }

    function training() {
      const { settings, choices } = run;
      const rate = number(
        "rate",
        "Learning rate",
        settings.learning_rate,
        { min: 1e-9, max: 1000, step: "any" },
        (value) => ask("rate", { learning_rate: value }),
      );
      rate.querySelector("input").disabled = choices.without_rate.includes(settings.rule);
      const batch = number(
        "batch",
        "Rows of a step",
        run.batch_size,
        { min: 1, max: choices.limits.rows, step: 1 },
        (value) => change({ batch_size: value }),
      );
      batch.querySelector("input").disabled = run.full_batch;
      return [
        select(
          "rule",
          "Update rule",
          choices.rule.map((name) => [name, choices.full_batch.includes(name) ? `${name} (all rows)` : name]),
          settings.rule,
          (value) => change({ rule: value }),
        ),
        rate,
        batch,
        number("l2", "L2 penalty", settings.l2, { min: 0, step: "any" }, (value) => change({ l2: value })),
        select("speed", "Steps a second", SPEEDS, run.steps_per_second, (value) =>
          ask("speed", { steps_per_second: Number(value) }),
        ),
      ];
    }

    function group(title, parts) {
      return el(
        "fieldset",
        { class: "group" },
        el("legend", { text: title }),
        el("div", { class: "controls" }, ...parts),
      );
    }

    /** Draws every control with what is in force; the focus stays where it was. */
    function draw() {
      const { settings, net, table } = run;
      const at =
        document.activeElement && element.contains(document.activeElement)
          ? selector(document.activeElement)
          : "";
      const open = element.querySelector("details")?.open;
      const called = settings.data === "table" && table ? table.name : NAMES[settings.data];
      document.getElementById("chosen").textContent =
        `${called}, ${net.widths.join("–")}, ${words(settings.activation)}, ${settings.rule}`;
      element.replaceChildren(
        group("Data", data()),
        group("Network", network()),
        group("Training", training()),
      );
      const details = element.querySelector("details");
      if (details && open !== undefined) details.open = open;
      if (at) element.querySelector(at)?.focus({ preventScroll: true });
    }

    return {
      run(next) {
        run = next;
        // What another browser has chosen is shown; what has not changed keeps the focus.
        const { settings, choices, net, rows, batch_size, steps_per_second, table } = run;
        const now = JSON.stringify([settings, choices, net, rows, batch_size, steps_per_second, table]);
        if (now === drawn) return;
        drawn = now;
        draw();
      },
    };
  }

  return { mount };
})();
DR.controls = controlsModule;
