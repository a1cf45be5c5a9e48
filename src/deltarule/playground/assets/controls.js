// @ts-check
// The settings of a run. A change starts the run again; the learning rate is changed during the run.
"use strict";

const controlsModule = (function () {
  const { el, iconButton } = DR.dom;
  const { select, number, inputOf, read } = DR.fields;
  /** @type {Record<string, string>} */
  const NAMES = {
    xor: "XOR",
    spirals: "Spirals",
    circles: "Circles",
    moons: "Moons",
    digits: "Digits",
    plane: "Plane",
    bumps: "Bumps",
    table: "Table",
  };
  /** @type {[value: number, text: string][]} */
  const SPEEDS = [
    [2, "2"],
    [30, "30"],
    [300, "300"],
    [3000, "3000"],
    [0, "no limit"],
  ];
  /** @param {string} name */
  const words = (name) => name.replaceAll("_", " ");

  /** @param {unknown} value @returns {boolean} */
  const hollow = (value) =>
    Number.isNaN(value) || (value instanceof Object && Object.values(value).some(hollow));

  /** A selector that finds a control again after it was drawn again. @param {Element} control */
  function selector(control) {
    if (control.id) return `#${CSS.escape(control.id)}`;
    const label = control.getAttribute("aria-label");
    return label ? `[aria-label="${CSS.escape(label)}"]` : "";
  }

  /** @typedef {HTMLInputElement | HTMLSelectElement | HTMLButtonElement} Control */
  const CONTROLS = "input, select, button";
  const SEEN = 700; // milliseconds after which a reason has been there to be read

  /**
   * Shows the settings in `element`, and the learning rate, which is changed most often, in `hand`;
   * `order(type, fields)` sends an order to the server, and `tell(reason)` says above everything else why
   * one without a control was refused.
   *
   * @param {HTMLElement} element @param {HTMLElement} hand @param {Live.Order} order
   * @param {(reason: string) => unknown} tell
   * @param {Record<string, Live.Thumbnail>} thumbnails of the built-in data
   */
  function mount(element, hand, order, tell, thumbnails) {
    /** @type {Live.Run | null} The newest description. */
    let run = null;
    /** @type {Control | null} The control that was used last. */
    let touched = null;
    let drawn = "";
    // Everything that calls this is called after the first description.
    const running = () => /** @type {Live.Run} */ (run);
    const places = [hand, element];
    for (const place of places)
      for (const kind of ["change", "click"]) {
        place.addEventListener(
          kind,
          (event) => {
            const target = /** @type {Element} */ (event.target);
            touched = target.closest(CONTROLS) ?? touched;
          },
          true,
        );
      }
    /** @param {string} at a selector @returns {Control | null} */
    const found = (at) => hand.querySelector(at) ?? element.querySelector(at);
    /** @param {Partial<Live.Settings>} settings */
    const change = (settings) => ask("setup", { settings });

    /**
     * Sends an order; if it is refused, the settings in force are shown again, with the reason beside
     * the control.
     *
     * @param {string} type @param {object} fields @param {string} [refused] why it is not even sent
     */
    async function ask(type, fields, refused = "") {
      const at = touched && selector(touched),
        asked = touched?.value;
      const unread = touched instanceof HTMLInputElement && hollow(fields) ? DR.fields.unread(touched) : "";
      const reason = refused || unread || (await order(type, fields));
      forget();
      const control = at ? found(at) : null;
      tell(control ? "" : reason);
      if (!reason || !run) return;
      draw();
      const again = at ? found(at) : null; // drawn anew
      if (!again) return;
      const given = !unread && asked && asked !== again.value ? `${asked} was refused: ` : "";
      const text = `${given}${reason}`;
      const note = el("p", { class: "note wide refused", id: "refused", role: "alert", text });
      (again.closest(".control, .thumbs") ?? again).after(note);
      again.setAttribute("aria-describedby", "refused");
      told = performance.now();
      note.scrollIntoView({ block: "nearest" }); // where a sheet covers it
    }

    /** When the reason beside a control was shown. */
    let told = 0;
    /** Takes that reason away. */
    function forget() {
      for (const place of places) {
        place.querySelector(".refused")?.remove();
        for (const control of place.querySelectorAll("[aria-describedby=refused]"))
          control.removeAttribute("aria-describedby");
      }
    }
    // It is gone when another value is typed, and when a reader who has had time to read it goes on. The
    // press that has made the browser send the value is none such.
    for (const place of places) place.addEventListener("input", forget);
    document.addEventListener("click", ({ timeStamp }) => timeStamp - told > SEEN && forget(), true);
    /** All settings that such data begin with, as an address has them: a rate suits its rule. @param {string} data */
    const anew = (data) => {
      const { defaults, starts } = running().choices;
      return change({ ...defaults, ...starts[data], data, columns: [] });
    };

    function data() {
      const { settings, choices, table } = running(),
        own = settings.data === "table";
      /** @type {Element[]} */
      const parts = [
        DR.choosers.dataChooser(
          choices.data.map((name) => [name, name === "table" && table ? table.name : NAMES[name]]),
          settings.data,
          thumbnails,
          anew,
        ),
      ];
      parts.push(
        el("p", {
          class: "note wide",
          text: "Other data begin with settings of their own, all of them; Undo brings back the run before.",
        }),
      );
      if (own) parts.push(columns());
      if (running().notes.length) parts.push(notes());
      return parts;
    }

    /** How many rows, and which. */
    function sampling() {
      const { settings, choices, rows } = running(),
        own = settings.data === "table";
      const { ranges } = choices;
      return [
        number("n-rows", own ? "Most rows" : "Rows", settings.rows, { ...ranges.rows, step: 10 }, (value) =>
          change({ rows: value }),
        ),
        ...(own
          ? []
          : [
              number("noise", "Noise", settings.noise, { ...ranges.noise, step: 0.01 }, (value) =>
                change({ noise: value }),
              ),
            ]),
        number("held", "Held out", settings.held, { ...ranges.held, step: 0.05 }, (value) =>
          change({ held: value }),
        ),
        number("seed", "Seed", settings.seed, { ...ranges.seed, step: 1 }, (value) =>
          change({ seed: value }),
        ),
        el("p", { class: "note wide", text: `${rows.train} rows to train on, ${rows.held} held out` }),
      ];
    }

    /** What was left out of a table, and what is unusual in it. */
    function notes() {
      const texts = running().notes;
      return el(
        "details",
        { class: "control wide notes", open: true },
        el("summary", {
          text: texts.length === 1 ? "1 note on the table" : `${texts.length} notes on the table`,
        }),
        el("ul", {}, ...texts.map((text) => el("li", { text }))),
      );
    }

    function inputs() {
      const run = running();
      const names = run.axes.map(({ name }) => DR.text.named(name)).join(" and ");
      return [
        el("p", { class: "note wide", text: `${names}, and derived from them:` }),
        DR.choosers.derivedChooser(run, (derived) => change({ derived })),
        ...(run.settings.data === "table"
          ? [
              el("p", {
                class: "note wide",
                text: "Of the numbers as the network gets them: less their mean, in standard deviations.",
              }),
            ]
          : []),
      ];
    }

    function columns() {
      const { settings, choices } = running();
      const chosen = new Set(settings.columns.length ? settings.columns : choices.columns);
      const boxes = choices.columns.map((name, i) => {
        const box = el("input", { type: "checkbox", id: `column-${i}`, value: name, onchange: () => pick() });
        box.checked = chosen.has(name);
        return box;
      });
      function pick() {
        const names = boxes.filter((box) => box.checked).map((box) => box.value);
        if (names.length) change({ columns: names.length === boxes.length ? [] : names, derived: [] });
        else ask("", {}, "choose at least one column");
      }
      return el(
        "details",
        { class: "control wide columns", open: boxes.length <= 8 },
        el("summary", {
          text: `Columns to predict ${running().target.name} from: ${chosen.size} of ${boxes.length}`,
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
      const { settings, choices } = running(),
        { layers: widths } = settings;
      /** @param {number[]} next */
      const send = (next) => change({ layers: next });
      const list = widths.map((width, i) => {
        /** @type {HTMLInputElement} */
        const input = el("input", {
          type: "number",
          min: 1,
          max: choices.ranges.layers.max,
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
      const most = choices.limits.layers;
      more.disabled = widths.length >= most;
      const full = `${most} hidden layers are the most there can be`;
      if (more.disabled) more.title = full;
      // Before the layers, so that it keeps its place under a finger that adds several.
      return el(
        "div",
        { class: "control wide", role: "group", "aria-label": "Hidden layers" },
        el("div", { class: "layers-head" }, el("span", { class: "label", text: "Hidden layers" }), more),
        more.disabled ? el("p", { class: "note", text: `${full}.` }) : null,
        el("ol", { class: "layers" }, ...list),
      );
    }

    function network() {
      const { settings, choices, net } = running();
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
          text: `${net.widths.join("–")}, ${net.parameters} parameters, outputs ${words(net.output)}; ${running().engine} engine`,
        }),
      ];
    }

    function learningRate() {
      const { settings, choices } = running();
      const rate = number(
        "rate",
        "Learning rate",
        settings.learning_rate,
        { ...choices.ranges.learning_rate, step: "any" },
        (value) => ask("rate", { learning_rate: value }),
      );
      inputOf(rate).disabled = choices.without_rate.includes(settings.rule);
      return rate;
    }

    function training() {
      const { settings, choices } = running();
      const batch = number(
        "batch",
        "Rows of a step",
        running().batch_size,
        { ...choices.ranges.batch_size, min: 1, step: 1 },
        (value) => change({ batch_size: value }),
      );
      inputOf(batch).disabled = running().full_batch;
      return [
        select(
          "rule",
          "Update rule",
          choices.rule.map((name) => [name, choices.full_batch.includes(name) ? `${name} (all rows)` : name]),
          settings.rule,
          (value) => change({ rule: value }),
        ),
        batch,
        select("speed", "Steps a second", SPEEDS, running().steps_per_second, (value) =>
          ask("speed", { steps_per_second: Number(value) }),
        ),
        number("l1", "L1 penalty", settings.l1, { ...choices.ranges.l1, step: "any" }, (value) =>
          change({ l1: value }),
        ),
        number("l2", "L2 penalty", settings.l2, { ...choices.ranges.l2, step: "any" }, (value) =>
          change({ l2: value }),
        ),
      ];
    }

    /** @param {string} title @param {Element[]} parts */
    function group(title, parts) {
      return el(
        "fieldset",
        { class: "group" },
        el("legend", { text: title }),
        el("div", { class: "controls" }, ...parts),
      );
    }

    /** Draws every control with the settings in force; the focus stays where it was. */
    function draw() {
      const { settings, net, table } = running();
      const { activeElement } = document;
      const inside = places.some((place) => place.contains(activeElement));
      const at = activeElement && inside ? selector(activeElement) : "";
      const open = element.querySelector("details")?.open;
      const read = element.querySelector(".notes")?.hasAttribute("open");
      const called = settings.data === "table" && table ? table.name : NAMES[settings.data];
      DR.dom.byId("chosen").textContent =
        `${called}, ${net.widths.join("–")}, ${words(settings.activation)}, ${settings.rule}`;
      element.replaceChildren(
        group("Data", data()),
        group("Network", network()),
        group("Training", training()),
        ...(running().choices.derived.length ? [group("Inputs", inputs())] : []),
        group("Rows", sampling()),
      );
      hand.replaceChildren(el("fieldset", { class: "group" }, learningRate()));
      const details = element.querySelector("details");
      if (details && open !== undefined) details.open = open;
      if (read !== undefined) element.querySelector(".notes")?.toggleAttribute("open", read);
      if (at) found(at)?.focus({ preventScroll: true });
    }

    return {
      /** @param {Live.Run} next */
      run(next) {
        run = next;
        // Settings that another browser has changed are shown; without a change the focus stays.
        const { settings, choices, net, rows, batch_size, steps_per_second, table, notes } = next;
        const now = JSON.stringify([
          settings,
          choices,
          net,
          rows,
          batch_size,
          steps_per_second,
          table,
          notes,
        ]);
        if (now === drawn) return;
        drawn = now;
        draw();
      },
    };
  }

  return { mount };
})();
DR.controls = controlsModule;
