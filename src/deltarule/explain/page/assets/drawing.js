// @ts-check
// The network as in the textbook: layers from left to right, a in every unit, the loss at the end.
//
// The structure is built once for a layout (plan.js); what changes with a sample, a state, a sweep or
// a nudge is painted on it (paint.js), and reach.js finds the part that a pointer or a key reaches.
"use strict";

const drawingModule = (function () {
  const { el, svg, put, iconButton, choice, cut } = DR.dom;

  const PHONE = 520; // pixels: a drawing that has fewer is set as narrow as it can be read

  /**
   * The key of a part: "node:2,1", "edge:2,1,0", "bias:2,1" or "cost"; "" for no selection.
   *
   * @param {Page.Selection | null | undefined} what
   */
  function keyOf(what) {
    if (!what || what.kind === "cost") return what ? what.kind : "";
    const { kind, layer, j, k } = what;
    return `${kind}:${layer},${j}${kind === "edge" ? `,${k}` : ""}`;
  }

  /**
   * A symbol with a lower and an upper index, set as in print.
   *
   * @param {Page.Attributes} attributes
   * @param {string} letter
   * @param {string | number} [lower]
   * @param {string | number} [upper]
   */
  function symbol(attributes, letter, lower = "", upper = "") {
    const text = svg(
      "text",
      { class: "symbol", ...attributes },
      svg("tspan", { class: "letter", text: letter }),
    );
    if (lower !== "") text.append(svg("tspan", { class: "index", dy: "0.28em", text: lower }));
    if (upper === "") return text;
    const back = -0.56 * String(lower).length;
    text.append(
      svg("tspan", {
        class: "index",
        dx: `${back}em`,
        dy: lower === "" ? "-0.55em" : "-0.88em",
        text: upper,
      }),
    );
    return text;
  }

  /** @param {Page.Drawing} view @param {Page.Column} column @param {number} j */
  function nodeParts(view, column, j) {
    const { plan } = view,
      { l, x } = column,
      { r } = plan,
      y = DR.plan.heightOf(column, j);
    /** @type {Page.UnitSelection} */
    const what = { kind: "node", layer: l, j };
    const roomy = r >= 24;
    const value = svg("text", {
      class: "value",
      x,
      y: y + (roomy ? 10 : 4.5),
      "text-anchor": "middle",
    });
    const word = svg("tspan"),
      below = svg("tspan");
    const under = svg(
      "text",
      { class: "below", x, y: y + r + (roomy ? 14 : 11), "text-anchor": "middle" },
      word,
      below,
    );
    const circle = svg("circle", { cx: x, cy: y, r });
    const group = svg(
      "g",
      { class: "node", "data-node": `${l},${j}`, role: "button", tabindex: -1 },
      svg("circle", { class: "halo", cx: x, cy: y, r: r + 3.5 }),
      circle,
      roomy ? symbol({ x, y: y - 8, "text-anchor": "middle" }, "a", j, l) : null,
      value,
      under,
    );
    const painted = { tone: "", fill: NaN }; // until paint.js paints them
    view.parts.set(keyOf(what), {
      what,
      element: group,
      circle,
      value,
      word,
      below,
      under,
      x,
      y,
      ...painted,
    });
    return group;
  }

  /**
   * An input's name beside its unit, not in the unit's group, whose centre stays that of the circle.
   *
   * @param {Page.Drawing} view @param {Page.Column} column @param {number} j
   */
  function inputName({ plan, store }, column, j) {
    const name = store.payload.names.inputs[j] ?? `x_${j}`;
    const place = { x: column.x - plan.r - 10, y: DR.plan.heightOf(column, j) + 4, "text-anchor": "end" };
    const text = DR.plan.isPlain(name, j)
      ? symbol({ ...place, class: "symbol name" }, "x", j)
      : svg(
          "text",
          { ...place, class: "name", text: cut(name, plan.letters, plan.ending) },
          svg("title", { text: name }),
        );
    put(text, "data-of", `0,${j}`);
    put(text, "aria-hidden", "true"); // the unit's label has it
    return text;
  }

  /**
   * The path from a target to the loss, which is at the right or, on a phone, below.
   *
   * @param {Page.Layout} { loss } @param {number} x @param {number} y
   */
  function wireToLoss({ loss }, x, y) {
    const curve = loss.below
      ? [x + 26, y, x + 26, loss.y - 66, loss.x + 30, loss.y - 33]
      : [x + 50, y, loss.x - 95, loss.y, loss.x - 56, loss.y];
    return `M${x} ${y}C${curve.join(" ")}`;
  }

  /** @param {Page.Drawing} view @param {Page.Column} column @param {number} j */
  function targetParts(view, column, j) {
    const { plan, store } = view,
      y = DR.plan.heightOf(column, j),
      { x, half } = plan.target;
    const name = store.payload.names.outputs[j] ?? `a_${j}`;
    const plain = DR.plan.isPlain(name, j),
      roomy = plan.pitch >= 66 || column.nodes.length === 1,
      tall = roomy ? 15 : 12;
    const value = svg("text", {
      class: "value",
      x: x + half - 6,
      y: y + 4.5,
      "text-anchor": "end",
    });
    const group = svg(
      "g",
      { class: "target" },
      svg("path", { class: "wire", d: `M${column.x + plan.r} ${y}H${x - half}` }),
      svg("path", { class: "wire", d: wireToLoss(plan, x + half, y) }),
      svg("rect", { x: x - half, y: y - tall, width: 2 * half, height: 2 * tall, rx: 7 }),
      plain || roomy
        ? symbol({ x: x - half + 8, y: y + 4 }, "y", j)
        : svg("text", { class: "name", x: x - half + 7, y: y + 4, text: cut(name, 4) }),
      plain || !roomy
        ? null
        : svg("text", {
            class: "name",
            x,
            y: y - tall - 5,
            "text-anchor": "middle",
            text: cut(name, 13),
          }),
      svg("title", { text: plain ? `target of output ${j}` : `target of ${name}` }),
      value,
    );
    view.targets.push({ j, value, group });
    return group;
  }

  /** @param {Page.Drawing} view */
  function lossParts(view) {
    const { x, y } = view.plan.loss;
    const value = svg("text", { class: "value", x, y: y + 17, "text-anchor": "middle" });
    const title = svg("text", { class: "title", x, y: y - 10, "text-anchor": "middle" });
    const group = svg(
      "g",
      { class: "loss", "data-loss": "", role: "button", tabindex: -1 },
      svg("rect", { class: "halo", x: x - 61, y: y - 38, width: 122, height: 76, rx: 18 }),
      svg("rect", { x: x - 56, y: y - 33, width: 112, height: 66, rx: 14 }),
      title,
      value,
    );
    view.parts.set("cost", { what: { kind: "cost" }, element: group, value, title, x, y, tone: "" });
    return group;
  }

  /**
   * A line and its grip: a small place that no other line passes, which takes the pointer's clicks
   * and is the centre of the element's box. (The middles of w_12 and w_21 are the same point.)
   *
   * @param {Page.Drawing} view @param {Page.GrippedEdge} { l, j, k, at, room }
   */
  function edgeParts(view, { l, j, k, at, room }) {
    const { plan } = view,
      from = plan.columns[l - 1],
      to = plan.columns[l];
    /** @type {Page.ParameterSelection} */
    const what = k < 0 ? { kind: "bias", layer: l, j } : { kind: "edge", layer: l, j, k };
    const y1 = DR.plan.startOf(from, k),
      y2 = DR.plan.heightOf(to, j);
    const long = Math.hypot(to.x - from.x, y2 - y1),
      ux = (to.x - from.x) / long,
      uy = (y2 - y1) / long;
    const start = k < 0 ? 13 : plan.r;
    /** @type {Record<string, string>} */
    const hook = k < 0 ? { "data-bias": `${l},${j}` } : { "data-edge": `${l},${j},${k}` };
    const line = {
      x1: from.x + ux * start,
      y1: y1 + uy * start,
      x2: to.x - ux * (plan.r + 1),
      y2: y2 - uy * (plan.r + 1),
    };
    const place = { x: from.x + at * (to.x - from.x), y: y1 + at * (y2 - y1) };
    const grip = svg("path", { class: "grip", d: DR.plan.gripPath(line, place, room) });
    const element = svg(
      "g",
      { class: "edge", ...hook, role: "button", tabindex: -1 },
      svg("line", line),
      grip,
    );
    const part = { what, element, line, l, j, k, tone: "", value: NaN, shown: false, faint: false };
    view.parts.set(keyOf(what), part);
    view.edges.push(part);
    return element;
  }

  /** @param {Page.Drawing} view @param {Page.Column} column */
  function heading(view, column) {
    const { net } = view.store,
      { l, x } = column;
    const title = l === 0 ? "inputs" : l === net.L ? "outputs" : `layer ${l}`;
    const g = l === 0 ? "layer 0" : DR.plan.plainName(net.activations[l]);
    const some =
      column.nodes.length < column.total
        ? `${column.nodes.length} of ${column.total}${view.spacing === "phone" ? "" : " shown"}`
        : "";
    return svg(
      "g",
      { class: "heading" },
      svg("text", { x, y: 18, "text-anchor": "middle", text: title }),
      svg("text", {
        class: "minor",
        x,
        y: 34,
        "text-anchor": "middle",
        text: l === net.L ? `layer ${l}, ${g}` : g,
      }),
      some ? svg("text", { class: "minor", x, y: 49, "text-anchor": "middle", text: some }) : null,
    );
  }

  /** Builds all parts for the units in `view.nodes`. @param {Page.Drawing} view */
  function build(view) {
    const { store } = view,
      { net } = store;
    view.plan = DR.plan.layout(net, view.nodes, store.payload.names.inputs, view.spacing);
    view.parts = new Map();
    view.targets = [];
    view.edges = [];
    const { plan, root } = view;
    put(root, "viewBox", `0 0 ${plan.width} ${plan.height}`);
    view.frame.style.setProperty("--wide", String(plan.width));
    view.frame.style.setProperty("--high", String(plan.height));
    const edges = svg("g", { class: "edges" }),
      nodes = svg("g", { class: "nodes" });
    const drawn = DR.plan.edgesOf(store, view.nodes, DR.paint.edgeValue(store));
    for (const edge of DR.plan.gripped(drawn, plan)) edges.append(edgeParts(view, edge));
    const last = plan.columns[net.L];
    for (const j of last.nodes) nodes.append(targetParts(view, last, j));
    for (const column of plan.columns) {
      nodes.append(heading(view, column));
      for (const j of column.nodes) {
        nodes.append(nodeParts(view, column, j));
        if (column.l === 0) nodes.append(inputName(view, column, j));
      }
      if (column.dots !== null)
        nodes.append(
          svg("text", {
            class: "dots",
            x: column.x,
            y: column.dots + 4,
            "text-anchor": "middle",
            text: "⋮",
          }),
        );
      if (column.biasY !== null) {
        nodes.append(
          svg(
            "g",
            { class: "one" },
            svg("rect", { x: column.x - 13, y: column.biasY - 13, width: 26, height: 26, rx: 5 }),
            svg("text", { x: column.x, y: column.biasY + 4.5, "text-anchor": "middle", text: "1" }),
            svg("title", {
              text: "the constant 1 that the biases of the next layer are weights of",
            }),
          ),
        );
      }
    }
    nodes.append(lossParts(view));
    view.labels = svg("g", { class: "labels", "aria-hidden": "true" });
    root.replaceChildren(edges, nodes, view.labels);
    if (!view.parts.has(view.at)) view.at = keyOf({ kind: "node", layer: 0, j: view.nodes[0][0] });
    put(reached(view).element, "tabindex", 0);
    put(
      root,
      "aria-label",
      `The network: ${net.widths.join(", ")} nodes in layers from left to right. ` +
        "Arrow keys follow nodes and weights, Enter shows the derivation, Escape clears.",
    );
  }

  /** The part that the Tab key comes to. @param {Page.Drawing} view */
  const reached = (view) => /** @type {Page.Part} */ (view.parts.get(view.at));

  /** Makes a part the one that the Tab key comes to. @param {Page.Drawing} view @param {Page.Part} part */
  function stay(view, part) {
    const before = view.parts.get(view.at);
    if (before) put(before.element, "tabindex", -1);
    view.at = keyOf(part.what);
    put(part.element, "tabindex", 0);
  }

  /** @param {Page.Drawing} view @param {Page.Part} part */
  function moveTo(view, part) {
    stay(view, part);
    part.element.focus();
  }

  /** @param {Page.Drawing} view @param {KeyboardEvent} event */
  function onKey(view, event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const part = reached(view);
    if (event.key === "Enter" || event.key === " ") view.store.set({ selected: { ...part.what } });
    else if (event.key === "Escape") view.store.set({ selected: null });
    else if (DR.reach.MOVES.has(event.key)) {
      const next = DR.reach.neighbour(view, part, event.key);
      if (next) moveTo(view, next);
    } else return;
    event.preventDefault();
  }

  /**
   * Hovering and focus show the label of a line, or the lines of a unit.
   *
   * @param {Page.Drawing} view @param {Page.Part | null | undefined} part
   */
  function hover(view, part) {
    const key = part ? keyOf(part.what) : null;
    if (key === view.hot) return;
    view.hot = key;
    view.root.classList.toggle("pointing", Boolean(part));
    DR.paint.emphasis(view);
  }

  /** @param {Page.Drawing} view */
  function listen(view) {
    const { root, frame, store } = view;
    root.addEventListener("click", (event) => {
      const part = DR.reach.partAt(view, event);
      if (!part) return;
      moveTo(view, part);
      store.set({ selected: { ...part.what } });
    });
    root.addEventListener(
      "pointermove",
      (event) => event.pointerType !== "touch" && hover(view, DR.reach.partAt(view, event)),
    );
    root.addEventListener("pointerleave", () => hover(view, null));
    root.addEventListener("keydown", (event) => onKey(view, event));
    // On the frame: an SVG that listens for focus events becomes a stop of the Tab key itself.
    frame.addEventListener("focusin", (event) => {
      const entry = [...view.parts.values()].find((part) => part.element === event.target);
      if (!entry) return;
      stay(view, entry); // a screen reader may put the focus anywhere
      if (entry.element.matches(":focus-visible")) hover(view, entry);
    });
    frame.addEventListener("focusout", () => hover(view, null));
  }

  /**
   * Scrolls the frame, where the drawing is wider, to what is selected.
   *
   * @param {Page.Drawing} { frame, parts, store }
   */
  function reveal({ frame, parts, store }) {
    const part = parts.get(keyOf(store.state.selected));
    if (!part || frame.scrollWidth <= frame.clientWidth + 1) return;
    const shape = part.line ? part.element.querySelector("line") : part.circle;
    const box = (shape ?? part.element).getBoundingClientRect();
    const seen = frame.getBoundingClientRect();
    if (box.left >= seen.left && box.right <= seen.right) return;
    frame.scrollLeft += (box.left + box.right - seen.left - seen.right) / 2;
  }

  /** @param {Page.Drawing} view */
  function tools(view) {
    const { store } = view;
    /** @param {number} factor by which the drawing grows; 0: to fit its frame */
    const zoom = (factor) => {
      view.zoom = factor ? DR.dom.clamp(view.zoom * factor, 0.5, 4) : 1;
      view.frame.style.setProperty("--zoom", String(view.zoom));
    };
    const colour = choice(
      "Colour and width of the lines",
      [
        ["weight", "Weights"],
        ["gradient", "Gradients"],
      ],
      (value) => store.set({ colour: value }),
    );
    view.showColour = colour.show;
    return el(
      "div",
      { class: "row drawing-tools" },
      colour,
      el("span", { class: "legend" }),
      el(
        "span",
        { class: "zoom", role: "group", "aria-label": "Size of the drawing" },
        iconButton("minus", "Smaller drawing", () => zoom(1 / 1.25)),
        iconButton("fit", "Fit the drawing", () => zoom(0)),
        iconButton("plus", "Larger drawing", () => zoom(1.25)),
      ),
    );
  }

  /**
   * Draws the network of a store into an element, and follows the store.
   *
   * @param {HTMLElement} element
   * @param {Page.Store} store
   * @param {Page.Spacing} [spacing] the distances of plan.js, unless the place is as narrow as a phone
   */
  function mount(element, store, spacing = "page") {
    const root = svg("svg", { class: "network", role: "group" });
    const frame = el("div", { class: "scroll network-frame" }, root);
    // `update`, called below, sets what is missing here.
    const view = /** @type {Page.Drawing} */ ({
      store,
      root,
      frame,
      at: "",
      hot: null,
      follow: "from",
      zoom: 1,
      nodes: /** @type {number[][]} */ ([]),
      edges: /** @type {Page.EdgePart[]} */ ([]),
      shape: "",
    });
    const fit = () => {
      view.spacing = element.clientWidth < PHONE ? "phone" : spacing;
      return view.spacing;
    };
    const bar = tools(view);
    view.legend = /** @type {HTMLElement} */ (bar.querySelector(".legend"));
    element.classList.add("drawing");
    element.replaceChildren(bar, frame);
    listen(view);
    fit();

    /** @param {Page.View} state @param {Page.Changed} changed */
    function update(state, changed) {
      const focused = root.contains(document.activeElement);
      const shape = JSON.stringify(store.net.widths) + store.net.bias + JSON.stringify(store.payload.names);
      const other = shape !== view.shape;
      const moved = changed.has("sample") || changed.has("state");
      const fresh = other || (moved && !changed.has("payload")) || !DR.plan.has(view.nodes, state.selected);
      const nodes = fresh ? DR.plan.nodesOf(store) : view.nodes;
      const limited = changed.has("colour") && view.edges.length > 600;
      if (other || limited || JSON.stringify(nodes) !== JSON.stringify(view.nodes)) {
        view.nodes = nodes;
        view.shape = shape;
        rebuild(focused);
      }
      view.showColour(DR.paint.mode(state));
      DR.paint.all(view);
      if (changed.has("selected") || other) requestAnimationFrame(() => reveal(view));
    }
    /** @param {boolean} focused */
    function rebuild(focused) {
      build(view);
      if (focused) reached(view).element.focus();
    }
    store.subscribe(update);
    update(store.state, new Set(["payload"]));
    DR.plots.onWidth(element, () => {
      const before = view.spacing;
      if (fit() === before) return;
      rebuild(root.contains(document.activeElement));
      DR.paint.all(view);
    });
  }

  return { mount, keyOf };
})();
DR.drawing = drawingModule;
