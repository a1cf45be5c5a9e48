// The network as in the textbook: layers from left to right, a in every node, the loss at the end.
//
// The structure is built once for a plan (plan.js); what changes with a sample, a state, a sweep
// or a nudge is painted on it (paint.js). Edges are found by distance, so thin ones can be hit.
"use strict";
var DR = globalThis.DR || (globalThis.DR = {});

(function () {
  const { el, svg, put, iconButton, choice, cut } = DR.dom;
  const NEAR = 11; // pixels of the screen from which an edge is caught

  const keyOf = (what) =>
    !what ? null : what.kind === "cost" ? "cost"
      : `${what.kind}:${what.layer},${what.j}${what.kind === "edge" ? `,${what.k}` : ""}`;

  /** A symbol with a lower and an upper index, set as in print. */
  function symbol(attributes, letter, lower = "", upper = "") {
    const text = svg("text", { class: "symbol", ...attributes }, svg("tspan", { class: "letter", text: letter }));
    if (lower !== "") text.append(svg("tspan", { class: "index", dy: "0.28em", text: lower }));
    if (upper === "") return text;
    const back = -0.56 * String(lower).length;
    text.append(svg("tspan", { class: "index", dx: `${back}em`, dy: lower === "" ? "-0.55em" : "-1em", text: upper }));
    return text;
  }

  function nodeParts(view, column, j) {
    const { plan, store } = view, { l, x } = column, { r } = plan, y = column.y.get(j);
    const what = { kind: "node", layer: l, j };
    const roomy = r >= 24;
    const value = svg("text", { class: "value", x, y: y + (roomy ? 11 : 4.5), "text-anchor": "middle" });
    const below = svg("text", { class: "below", x, y: y + r + 11.5, "text-anchor": "middle" });
    const circle = svg("circle", { cx: x, cy: y, r });
    const group = svg("g", { class: `node${roomy ? "" : " dense"}`, "data-node": `${l},${j}`, role: "button", tabindex: -1 },
      svg("circle", { class: "halo", cx: x, cy: y, r: r + 5 }), circle,
      roomy ? symbol({ x, y: y - 7, "text-anchor": "middle" }, "a", j, l) : null, value, below);
    if (l === 0) nameOf(group, store.payload.names.inputs[j] ?? `x_${j}`, j, x - r - 10, y);
    view.parts.set(keyOf(what), { what, element: group, circle, value, below, x, y });
    return group;
  }

  /** An input's name beside its node. */
  function nameOf(group, name, j, x, y) {
    if (DR.plan.isPlain(name, j)) return group.append(symbol({ x, y: y + 4, class: "symbol name", "text-anchor": "end" }, "x", j));
    return group.append(svg("text", { class: "name", x, y: y + 4, "text-anchor": "end", text: cut(name, 14) }, svg("title", { text: name })));
  }

  function targetParts(view, column, j) {
    const { plan, store } = view, y = column.y.get(j), x = plan.targetX, half = 36;
    const name = store.payload.names.outputs[j] ?? `a_${j}`;
    const plain = DR.plan.isPlain(name, j), roomy = plan.pitch >= 66, tall = roomy ? 15 : 12;
    const value = svg("text", { class: "value", x: x + half - 7, y: y + 4.5, "text-anchor": "end" });
    const group = svg("g", { class: "target" },
      svg("path", { class: "wire", d: `M${column.x + plan.r} ${y}H${x - half}` }),
      svg("path", { class: "wire", d: `M${x + half} ${y}C${x + half + 50} ${y} ${plan.lossX - 95} ${plan.middle} ${plan.lossX - 56} ${plan.middle}` }),
      svg("rect", { x: x - half, y: y - tall, width: 2 * half, height: 2 * tall, rx: 7 }),
      plain || roomy ? symbol({ x: x - half + 8, y: y + 4 }, "y", j) : svg("text", { class: "name", x: x - half + 7, y: y + 4, text: cut(name, 4) }),
      plain || !roomy ? null : svg("text", { class: "name", x, y: y - tall - 5, "text-anchor": "middle", text: cut(name, 13) }),
      svg("title", { text: plain ? `target of output ${j}` : `target of ${name}` }), value);
    view.targets.push({ j, value, group });
    return group;
  }

  function lossParts(view) {
    const { plan } = view, { lossX: x, middle: y } = plan;
    const value = svg("text", { class: "value", x, y: y + 17, "text-anchor": "middle" });
    const title = svg("text", { class: "title", x, y: y - 10, "text-anchor": "middle" });
    const group = svg("g", { class: "loss", "data-loss": "", role: "button", tabindex: -1 },
      svg("rect", { class: "halo", x: x - 61, y: y - 38, width: 122, height: 76, rx: 18 }),
      svg("rect", { x: x - 56, y: y - 33, width: 112, height: 66, rx: 14 }), title, value);
    view.parts.set("cost", { what: { kind: "cost" }, element: group, value, title, x, y });
    return group;
  }

  function edgeParts(view, { l, j, k }) {
    const { plan } = view, from = plan.columns[l - 1], to = plan.columns[l];
    const what = k < 0 ? { kind: "bias", layer: l, j } : { kind: "edge", layer: l, j, k };
    const y1 = k < 0 ? from.biasY : from.y.get(k), y2 = to.y.get(j);
    const long = Math.hypot(to.x - from.x, y2 - y1), ux = (to.x - from.x) / long, uy = (y2 - y1) / long;
    const start = k < 0 ? 13 : plan.r;
    const line = {
      x1: from.x + ux * start, y1: y1 + uy * start, x2: to.x - ux * (plan.r + 1), y2: y2 - uy * (plan.r + 1),
    };
    const hook = k < 0 ? { "data-bias": `${l},${j}` } : { "data-edge": `${l},${j},${k}` };
    const element = svg("line", { class: "edge", ...line, ...hook, role: "button", tabindex: -1 });
    view.parts.set(keyOf(what), { what, element, line, l, j, k });
    view.edges.push(view.parts.get(keyOf(what)));
    return element;
  }

  function heading(view, column) {
    const { net } = view.store, { l, x } = column;
    const title = l === 0 ? "inputs" : l === net.L ? "outputs" : `layer ${l}`;
    const g = l === 0 ? "" : net.activations[l];
    const some = column.nodes.length < column.total ? `${column.nodes.length} of ${column.total} shown` : "";
    return svg("g", { class: "heading" },
      svg("text", { x, y: 18, "text-anchor": "middle", text: l === net.L && l > 0 ? `${title} (${l})` : title }),
      svg("text", { class: "minor", x, y: 34, "text-anchor": "middle", text: g }),
      some ? svg("text", { class: "minor", x, y: 49, "text-anchor": "middle", text: some }) : null);
  }

  /** Builds everything anew for the nodes of the plan. */
  function build(view) {
    const { store } = view, { net } = store;
    view.plan = DR.plan.layout(net, view.nodes, store.payload.names.inputs);
    view.parts = new Map();
    view.targets = [];
    view.edges = [];
    const { plan, root } = view;
    put(root, "viewBox", `0 0 ${plan.width} ${plan.height}`);
    view.frame.style.setProperty("--wide", plan.width);
    view.frame.style.setProperty("--high", plan.height);
    const edges = svg("g", { class: "edges" }), nodes = svg("g", { class: "nodes" });
    for (const edge of DR.plan.edgesOf(store, view.nodes, DR.paint.edgeValue(store))) edges.append(edgeParts(view, edge));
    const last = plan.columns[net.L];
    for (const j of last.nodes) nodes.append(targetParts(view, last, j));
    for (const column of plan.columns) {
      nodes.append(heading(view, column));
      for (const j of column.nodes) nodes.append(nodeParts(view, column, j));
      if (column.dots !== null) nodes.append(svg("text", { class: "dots", x: column.x, y: column.dots + 4, "text-anchor": "middle", text: "⋮" }));
      if (column.biasY !== null) {
        nodes.append(svg("g", { class: "one" },
          svg("rect", { x: column.x - 13, y: column.biasY - 13, width: 26, height: 26, rx: 5 }),
          svg("text", { x: column.x, y: column.biasY + 4.5, "text-anchor": "middle", text: "1" }),
          svg("title", { text: "the constant 1 that the biases of the next layer are weights of" })));
      }
    }
    nodes.append(lossParts(view));
    view.labels = svg("g", { class: "labels", "aria-hidden": "true" });
    root.replaceChildren(edges, nodes, view.labels);
    if (!view.parts.has(view.at)) view.at = keyOf({ kind: "node", layer: 0, j: view.nodes[0][0] });
    put(view.parts.get(view.at).element, "tabindex", 0);
    put(root, "aria-label", `The network: ${net.widths.join(", ")} nodes in layers from left to right. ` +
      "Arrow keys follow nodes and weights, Enter shows the derivation, Escape clears.");
  }

  /** The part under a pointer: a node, the loss, or the nearest edge. */
  function partAt(view, event) {
    const hit = event.target.closest("[data-node], [data-loss]");
    if (hit) return view.parts.get(hit.hasAttribute("data-loss") ? "cost" : `node:${hit.dataset.node}`);
    const direct = event.target.closest("[data-edge], [data-bias]");
    const named = direct && view.parts.get(direct.dataset.edge ? `edge:${direct.dataset.edge}` : `bias:${direct.dataset.bias}`);
    const matrix = view.root.getScreenCTM();
    if (event.detail === 0 && event.type === "click") return named || null; // by keyboard or script
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
    let best = null, distance = NEAR / matrix.a;
    for (const part of view.edges) {
      const { x1, y1, x2, y2 } = part.line, dx = x2 - x1, dy = y2 - y1;
      const t = DR.dom.clamp(((point.x - x1) * dx + (point.y - y1) * dy) / (dx * dx + dy * dy), 0, 1);
      const d = Math.hypot(point.x - x1 - t * dx, point.y - y1 - t * dy) - (part === named ? 0.5 : 0);
      if (d < distance) [best, distance] = [part, d];
    }
    return best || named || null;
  }

  function moveTo(view, part) {
    const before = view.parts.get(view.at);
    if (before) put(before.element, "tabindex", -1);
    view.at = keyOf(part.what);
    put(part.element, "tabindex", 0);
    part.element.focus({ preventScroll: false });
  }

  /** Where an arrow key leads: along the wires, and up and down within a column. */
  function neighbour(view, part, key) {
    const { net } = view.store, { columns } = view.plan, { what } = part;
    const node = (l, j) => view.parts.get(`node:${l},${j}`);
    const nearest = (l, place) => node(l, columns[l].nodes[Math.min(place, columns[l].nodes.length - 1)]);
    const step = { ArrowUp: -1, ArrowDown: 1, Home: -Infinity, End: Infinity }[key];
    const along = (list) => list[DR.dom.clamp(list.indexOf(part) + step, 0, list.length - 1)];
    if (what.kind === "cost") return key === "ArrowLeft" || key === "PageUp" ? nearest(net.L, 0) : null;
    const { layer, j } = what;
    if (what.kind === "node") {
      const place = columns[layer].nodes.indexOf(j);
      if (step) return along(columns[layer].nodes.map((other) => node(layer, other)));
      if (key === "PageUp") return layer > 0 ? nearest(layer - 1, place) : null;
      if (key === "PageDown") return layer < net.L ? nearest(layer + 1, place) : view.parts.get("cost");
      if (key === "ArrowRight" && layer === net.L) return view.parts.get("cost");
      const out = key === "ArrowRight";
      view.follow = out ? "from" : "to"; // up and down then keep the node the wire was taken at
      return view.edges.find((edge) => (out ? edge.l === layer + 1 && edge.k === j : edge.l === layer && edge.j === j)) || null;
    }
    if (step) {
      const fan = view.edges.filter((edge) => edge.l === part.l && (view.follow === "from" ? edge.k === part.k : edge.j === part.j));
      return along(fan);
    }
    if (key === "ArrowRight" || key === "PageDown") return node(layer, j);
    return what.kind === "bias" ? nearest(layer - 1, Infinity) : node(layer - 1, what.k);
  }

  const MOVES = new Set(["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End", "PageUp", "PageDown"]);

  function onKey(view, event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const part = view.parts.get(view.at);
    if (event.key === "Enter" || event.key === " ") view.store.set({ selected: { ...part.what } });
    else if (event.key === "Escape") view.store.set({ selected: null });
    else if (MOVES.has(event.key)) {
      const next = neighbour(view, part, event.key);
      if (next) moveTo(view, next);
    } else return;
    event.preventDefault();
  }

  /** Hovering and focus show a label and the wires of a node. */
  function hover(view, part) {
    const key = part ? keyOf(part.what) : null;
    if (key === view.hot) return;
    view.hot = key;
    DR.paint.emphasis(view);
  }

  function listen(view) {
    const { root, store } = view;
    root.addEventListener("click", (event) => {
      const part = partAt(view, event);
      if (!part) return;
      moveTo(view, part);
      store.set({ selected: { ...part.what } });
    });
    root.addEventListener("pointermove", (event) => event.pointerType !== "touch" && hover(view, partAt(view, event)));
    root.addEventListener("pointerleave", () => hover(view, null));
    root.addEventListener("keydown", (event) => onKey(view, event));
    root.addEventListener("focusin", (event) => {
      const entry = [...view.parts].find(([, part]) => part.element === event.target);
      if (entry && event.target.matches(":focus-visible")) hover(view, entry[1]);
    });
    root.addEventListener("focusout", () => hover(view, null));
  }

  function tools(view) {
    const { store } = view;
    const zoom = (factor) => {
      view.zoom = factor ? DR.dom.clamp(view.zoom * factor, 0.5, 4) : 1;
      view.frame.style.setProperty("--zoom", view.zoom);
    };
    const colour = choice("Colour and width of the lines", [["weight", "Weights"], ["gradient", "Gradients"]],
      (value) => store.set({ colour: value }));
    view.showColour = colour.show;
    return el("div", { class: "row drawing-tools" }, colour, el("span", { class: "legend" }),
      el("span", { class: "zoom", role: "group", "aria-label": "Size of the drawing" },
        iconButton("minus", "Smaller drawing", () => zoom(1 / 1.25)),
        iconButton("fit", "Fit the drawing", () => zoom(0)),
        iconButton("plus", "Larger drawing", () => zoom(1.25))));
  }

  /** Draws the network of a store into an element, and follows the store. */
  function mount(element, store) {
    const root = svg("svg", { class: "network", role: "group" });
    const frame = el("div", { class: "scroll network-frame" }, root);
    const view = { store, root, frame, at: null, hot: null, follow: "from", zoom: 1, nodes: null };
    const bar = tools(view);
    view.legend = bar.querySelector(".legend");
    element.classList.add("drawing");
    element.replaceChildren(bar, frame);
    listen(view);

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
        build(view);
        if (focused) view.parts.get(view.at).element.focus();
      }
      view.showColour(state.colour);
      DR.paint.all(view);
    }
    const leave = store.subscribe(update);
    update(store.state, new Set(["payload"]));
    return { unmount: leave, view };
  }

  DR.drawing = { mount, symbol, keyOf };
})();
