// @ts-check
// Builds the parts of a drawing: nodes, lines, targets and the loss, in the places of plan.js.
"use strict";

const partsModule = (function () {
  const { svg, put, cut } = DR.dom;

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
    /** @type {Page.NodeSelection} */
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
   * An input's name beside its node, not in the node's group, whose centre stays that of the circle.
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
    put(text, "aria-hidden", "true"); // the node's label has it
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

  /** Builds all parts for the nodes in `view.nodes`. @param {Page.Drawing} view */
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
    DR.pictures.dress(view);
    if (!view.parts.has(view.at)) view.at = keyOf({ kind: "node", layer: 0, j: view.nodes[0][0] });
    put(view.parts.get(view.at)?.element ?? root, "tabindex", 0);
    put(
      root,
      "aria-label",
      `The network: ${net.widths.join(", ")} nodes in layers from left to right. ` +
        "Arrow keys follow nodes and weights, Enter shows the derivation, Escape clears.",
    );
  }

  return { build, keyOf };
})();
DR.parts = partsModule;
