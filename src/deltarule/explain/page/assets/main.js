// @ts-check
// Starts the page: the store, then every part of it, and what concerns the page as a whole.
"use strict";

(function () {
  const { el } = DR.dom;
  const { shell } = DR;
  const at = DR.dom.byId;

  /** Shows a failure on the page; its other parts go on. @param {string} what @param {unknown} error */
  function complain(what, error) {
    const banner = at("banner");
    banner.hidden = false;
    banner.append(
      el("p", {
        text:
          `${what} could not be shown: ${shell.reason(error)}. ` +
          "Open the page in a current browser; if it stays, report it with the file.",
      }),
    );
  }

  /** @type {[keys: string[], words: string][]} */
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
    [["T"], "the guided tour"],
    [["/"], "go to a weight or a node by its name"],
    [["?"], "this help"],
  ];
  /** @type {[keys: string[], words: string][]} */
  const TOUCHES = [
    [["touch"], "tap a node or a line; where several lines are near, tap again for the next"],
    [["touch"], "drag the upper edge of the derivation to raise or lower it"],
    [["A−"], "smaller text; A+ larger text; the half circle beside them changes between light and dark"],
  ];

  const ABOUT =
    "Every node shows its activation a; with one input or two its picture is a over them, and the ring " +
    "is the sample. Every line is a weight: orange is positive, blue " +
    "and dashed is negative, wide is large. Choose any of them, and the derivation of its gradient " +
    "stands beside the drawing, number by number.";

  function boot() {
    const payload = DR.data.payload();
    const store = DR.store(payload);
    DR.page = store;
    DR.text.countRows(payload.answer ? payload.names.rows : []);
    at("title").textContent = payload.title;
    at("title").title = payload.title; // the style sheet cuts a long one
    // For its width in two lines, where no word is broken (dock.css).
    const longest = Math.max(...payload.title.split(/\s/).map((word) => word.length));
    const letters = Math.max(payload.title.length, 2 * longest);
    document.documentElement.style.setProperty("--letters", String(letters));
    shell.theme();
    shell.textSize();
    shell.selectNumbers();
    const dialog = shell.help(ABOUT, KEYS, TOUCHES);
    /** @type {Record<string, () => unknown>} */
    const ofThePage = {
      ...shell.storeKeys(() => store),
      p: DR.sweep.toggle,
      ",": () => DR.sweep.step(-1),
      ".": () => DR.sweep.step(1),
      "/": () => {
        DR.dock.open();
        at("goto-text").focus();
      },
    };
    // The tour hides all that these keys change.
    const outside = Object.entries(ofThePage).map(([key, f]) => [key, () => DR.tour.isOpen() || f()]);
    const actions = {
      ...Object.fromEntries(outside),
      t: () => at("tour-link").click(),
      "?": () => dialog.showModal(),
    };
    shell.keys(actions, dialog);
    /** @type {[name: string, mount: () => void][]} */
    const parts = [
      ["The controls", () => DR.curve.controls(at("controls"), store)],
      ["The drawing", () => DR.drawing.mount(at("drawing"), store)],
      ["The derivation", () => DR.panel.mount(at("panel"), store)],
      ["The place of the derivation", () => DR.dock.mount(at("derivation"), store)],
      ["The answer", () => DR.answerCard.mount(at("answer"), store)],
      ["The field to go by", () => DR.goto.mount(at("goto"), store)],
      ["The sweeps", () => DR.sweep.mount(at("sweep"), store)],
      ["What if", () => DR.whatif.mount(at("whatif"), store)],
      ["The gradient check", () => DR.check.mount(at("check"), store)],
      ["The loss curve", () => DR.curve.mount(at("curve"), store)],
      ["The heat maps", () => DR.heat.mount(at("heat"), store)],
      ["The gradient lens", () => DR.lens.mount(at("lens"), payload.lens, store)],
      ["What the address names", () => DR.place.mount(store)],
      ["The guided tour", () => DR.tour.mount(at("tour"), store)],
    ];
    for (const [name, mount] of parts) {
      try {
        mount();
      } catch (error) {
        complain(name, error);
        console.error(error);
      }
    }
    // Without the numbers of Python's lens the section has the attributions only.
    if (!payload.lens) at("h-lens").textContent = "Attributions";
  }

  shell.failures((error) => complain("Something", error));
  try {
    boot();
  } catch (error) {
    complain("The page", error);
    console.error(error);
  }
})();
