// Starts the page: the store, then every part of it, and what concerns the page as a whole.
"use strict";
var DR = globalThis.DR || (globalThis.DR = {});

(function () {
  const { el, clamp } = DR.dom;
  const { theme, textSize } = DR.shell;
  const at = (id) => document.getElementById(id);

  /** A failure is said on the page, in words, and the rest of the page goes on. */
  function complain(what, error) {
    const banner = at("banner");
    banner.hidden = false;
    banner.append(
      el("p", {
        text:
          `${what} could not be shown: ${error && error.message ? error.message : error}. ` +
          "Open the page in a current browser; if it stays, report it with the file.",
      }),
    );
  }

  const KEYS = [
    [["Tab"], "from one part of the page to the next"],
    [["←", "→"], "in the drawing: along the weights, from node to weight to node"],
    [["↑", "↓"], "up and down a layer, or through the weights of one node"],
    [["Page Up", "Page Down"], "a whole layer back or on"],
    [["Enter"], "show the derivation of what has the focus"],
    [["Esc"], "clear the selection, leave the sweep"],
    [["[", "]"], "the sample before, the sample after"],
    [["{", "}"], "the recorded step before, the step after"],
    [["P"], "play or pause the sweep"],
    [[",", "."], "the sweep one step back, one step on"],
    [["G"], "lines by weight or by gradient"],
    [["M"], "one sample, or the mean over all"],
    [["/"], "go to a weight or a node by its name"],
    [["?"], "this help"],
  ];

  function help() {
    const dialog = at("help");
    const rows = KEYS.map(([keys, text]) =>
      el(
        "tr",
        {},
        el(
          "th",
          { scope: "row" },
          ...keys.flatMap((key, i) => [i ? " " : "", el("kbd", { text: key })]),
        ),
        el("td", { text }),
      ),
    );
    dialog.append(
      el("h2", { id: "h-help", text: "How to read this page" }),
      el("p", {
        class: "note",
        text:
          "Every circle is a node with its activation a. Every line is a weight: orange is " +
          "positive, blue and dashed is negative, wide is large. Choose any of them, and the " +
          "derivation of its gradient stands beside the drawing, number by number.",
      }),
      el("table", {}, el("tbody", {}, ...rows)),
      el("form", { method: "dialog" }, el("button", { class: "button main", text: "Close" })),
    );
    at("help-open").addEventListener("click", () => dialog.showModal());
    return dialog;
  }

  function step(store, key, by, n) {
    store.set({ [key]: clamp(store.state[key] + by, 0, n - 1) });
  }

  function keys(store, dialog) {
    const actions = {
      "[": () => step(store, "sample", -1, store.rows.n),
      "]": () => step(store, "sample", 1, store.rows.n),
      "{": () => step(store, "state", -1, store.payload.states.length),
      "}": () => step(store, "state", 1, store.payload.states.length),
      g: () => store.set({ colour: store.state.colour === "weight" ? "gradient" : "weight" }),
      m: () => store.set({ mode: store.state.mode === "mean" ? "sample" : "mean" }),
      p: () => DR.sweep.toggle(),
      ",": () => DR.sweep.step(-1),
      ".": () => DR.sweep.step(1),
      "/": () => at("goto-text").focus(),
      "?": () => dialog.showModal(),
      Escape: () => store.set({ selected: null, sweep: null }),
    };
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || dialog.open)
        return;
      if (
        event.target.matches(
          "input:not([type=radio], [type=range], [type=checkbox]), select, textarea",
        )
      )
        return;
      const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (!action) return;
      if (event.key === "/") event.preventDefault(); // or it would be typed into the field
      action();
    });
  }

  function boot() {
    const payload = DR.data.payload();
    const store = (DR.page = DR.store(payload));
    at("title").textContent = at("title").title = payload.title; // a long one is cut
    theme();
    textSize();
    keys(store, help());
    const parts = [
      ["The controls", () => DR.curve.controls(at("controls"), store)],
      ["The drawing", () => DR.drawing.mount(at("drawing"), store)],
      ["The derivation", () => DR.panel.mount(at("panel"), store)],
      ["The field to go by", () => DR.goto.mount(at("goto"), store)],
      ["The sweeps", () => DR.sweep.mount(at("sweep"), store)],
      ["What if", () => DR.whatif.mount(at("whatif"), store)],
      ["The gradient check", () => DR.check.mount(at("check"), store)],
      ["The loss curve", () => DR.curve.mount(at("curve"), store)],
      ["The heat maps", () => DR.heat.mount(at("heat"), store)],
      ["The gradient lens", () => DR.lens.mount(at("lens"), payload.lens, store)],
    ];
    for (const [name, mount] of parts) {
      try {
        mount();
      } catch (error) {
        complain(name, error);
        console.error(error);
      }
    }
    // Without what Python measured there still are the attributions, which the page computes.
    if (!payload.lens) at("h-lens").textContent = "Attributions";
  }

  window.addEventListener("error", (event) => {
    // Put off to the next frame by the browser, and no failure.
    if (/^ResizeObserver loop/.test(event.message)) return;
    complain("Something", event.error || event.message);
  });
  try {
    boot();
  } catch (error) {
    complain("The page", error);
    console.error(error);
  }
})();
