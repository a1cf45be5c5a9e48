// @ts-check
// Builds the parts of a drawing: nodes, lines, targets and the loss, in the places of plan.js.
"use strict";

const partsModule = (function () {
  const { svg, put } = DR.dom;

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
      { r, half, u, scale, font, roomy, pictured } = plan,
      y = DR.plan.heightOf(column, j);
    /** @type {Page.NodeSelection} */
    const what = { kind: "node", layer: l, j };
    // A picture has its number below it, where δ would be, and δ in its place (pictures.js).
    const value = svg("text", {
      class: font < 12 * u ? "value dense" : "value",
      x,
      y: pictured ? y + r + 11.5 * scale : roomy ? y + 0.36 * r + 0.1 * font : y + 0.36 * font,
      "text-anchor": "middle",
    });
    const word = svg("tspan"),
      below = svg("tspan");
    const under = svg(
      "text",
      {
        class: "below",
        x,
        y: pictured ? y + 4 * scale : y + r + 11.5 * scale,
        "text-anchor": "middle",
      },
      word,
      below,
    );
    /** @param {string} name @param {number} by */
    const outline = (name, by) =>
      svg("rect", {
        class: name,
        x: x - half - by,
        y: y - r - by,
        width: 2 * (half + by),
        height: 2 * (r + by),
        rx: (pictured ? 0.3 * r : r) + by,
      });
    const face = outline("face", 0),
      halo = outline("halo", pictured ? 1.6 : 3.5);
    // Within the circle, or above a picture where there is room between the rows.
    const above = pictured && plan.pitch - 2 * r >= 33 * scale;
    const symbolY = pictured ? y - r - 7 * scale : y - 0.3 * r;
    const group = svg(
      "g",
      { class: "node", "data-node": `${l},${j}`, role: "button", tabindex: -1 },
      halo,
      face,
      (pictured ? above : roomy)
        ? symbol({ x, y: symbolY, "text-anchor": "middle" }, "a", j, `(${l})`)
        : null,
      value,
      under,
    );
    const painted = { tone: "", fill: NaN }; // until paint.js paints them
    view.parts.set(keyOf(what), {
      what,
      element: group,
      face,
      halo,
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
    const place = {
      x: column.x - plan.side - (plan.narrow ? 6 : 9) * plan.u,
      y: DR.plan.heightOf(column, j) + 4 * plan.u,
      "text-anchor": "end",
    };
    const text = DR.plan.isPlain(name, j)
      ? symbol({ ...place, class: "symbol name" }, "x", j)
      : svg(
          "text",
          {
            ...place,
            class: "name",
            text: DR.layout.nameIn(name, plan.named, plan.names, plan.narrow ? 3 : 0),
          },
          svg("title", { text: name }),
        );
    put(text, "data-of", `0,${j}`);
    put(text, "aria-hidden", "true"); // the node's label has it
    return text;
  }

  /**
   * The path from a target to the loss, which is at the right or, on a phone, below.
   *
   * @param {Page.Layout} { loss, u } @param {number} x @param {number} y
   */
  function wireToLoss({ loss, u }, x, y) {
    const far = loss.x - loss.half - x;
    const curve = loss.below
      ? [x + 13 * u, y, x + 13 * u, loss.y - 62 * u, Math.min(x + 8 * u, loss.x + 40 * u), loss.y - 33 * u]
      : [x + 0.55 * far, y, loss.x - loss.half - 0.45 * far, loss.y, loss.x - loss.half, loss.y];
    return `M${x} ${y}C${curve.join(" ")}`;
  }

  /** @param {Page.Drawing} view @param {Page.Column} column @param {number} j */
  function targetParts(view, column, j) {
    const { plan, store } = view,
      { u, names } = plan,
      y = DR.plan.heightOf(column, j),
      { x, half } = plan.target;
    const name = store.payload.names.outputs[j] ?? `a_${j}`;
    const plain = DR.plan.isPlain(name, j),
      { narrow } = plan,
      roomy = plan.pitch >= (narrow ? 39 : DR.layout.NAMED) * u || column.nodes.length === 1,
      tall = (roomy && !narrow ? 15 : 11) * u;
    const within = !plain && !roomy; // a name that has no room above the box
    const value = svg("text", {
      class: "value",
      x: x + half - 7 * u,
      y: y + 4.5 * u,
      "text-anchor": "end",
    });
    /** @param {string} text @param {number} room @param {Page.Attributes} place */
    const called = (text, room, place) =>
      svg("text", { class: "name", ...place, text: DR.layout.nameIn(text, room, names) });
    const above = { x, y: y - tall - 5 * u, "text-anchor": "middle" };
    const box = svg("rect", { x: x - half, y: y - tall, width: 2 * half, height: 2 * tall, rx: 7 * u });
    const group = svg(
      "g",
      { class: "target" },
      svg("path", { class: "wire", d: `M${column.x + plan.half} ${y}H${x - half}` }),
      svg("path", { class: "wire", d: wireToLoss(plan, x + half, y) }),
      box,
      // On a phone the box has room for the number only.
      narrow
        ? null
        : within
          ? called(name, half - 13 * u, { x: x - half + 7 * u, y: y + 4 * u })
          : symbol({ x: x - half + 8 * u, y: y + 4 * u }, "y", j),
      roomy && !plain ? called(name, 2 * half + (narrow ? 12 : 30) * u, above) : null,
      roomy && plain && narrow ? symbol(above, "y", j) : null,
      svg("title", { text: plain ? `target of output ${j}` : `target of ${name}` }),
      value,
    );
    const room = 2 * half - (narrow ? 10 * u : within ? half + 9 * u : 34 * u);
    view.targets.push({ j, value, group, box, room });
    return group;
  }

  /** @param {Page.Drawing} view */
  function lossParts(view) {
    const { u } = view.plan;
    const { x, y, half } = view.plan.loss;
    const value = svg("text", { class: "value", x, y: y + 17 * u, "text-anchor": "middle" });
    const title = svg("text", { class: "title", x, y: y - 10 * u, "text-anchor": "middle" });
    /** @param {string} name @param {number} by */
    const outline = (name, by) =>
      svg("rect", {
        class: name,
        x: x - half - by,
        y: y - 33 * u - by,
        width: 2 * (half + by),
        height: 2 * (33 * u + by),
        rx: 14 * u + by,
      });
    const group = svg(
      "g",
      { class: "loss", "data-loss": "", role: "button", tabindex: -1 },
      outline("halo", 5),
      outline("box", 0),
      title,
      value,
    );
    view.parts.set("cost", { what: { kind: "cost" }, element: group, value, title, x, y, tone: "" });
    return group;
  }

  /**
   * Writes the title of the loss: how many rows it is over is in a second line where one is too short.
   *
   * @param {Page.LossPart} part @param {string} title @param {number} room @param {Page.Layout} plan
   */
  function titleLoss(part, title, room, { names, u }) {
    const { title: element, x, y } = part;
    if (part.titled === title) return; // so in most frames
    part.titled = title;
    const at = DR.dom.textWidth(title, names) > room ? title.indexOf(" of ") : -1;
    const lines = at < 0 ? [title] : [title.slice(0, at), title.slice(at)];
    const short = lines.map((line) => DR.layout.nameIn(line, room, names));
    const first = y - (at < 0 ? 10 : 16) * u;
    const spans = short.map((line, place) => {
      const span = svg("tspan", { x, y: first + 14 * u * place });
      span.textContent = line;
      return span;
    });
    element.replaceChildren(...spans);
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
    const start = k < 0 ? 12 * plan.scale : DR.layout.edgeOf(plan, ux, uy);
    const stop = DR.layout.edgeOf(plan, ux, uy) + 1;
    /** @type {Record<string, string>} */
    const hook = k < 0 ? { "data-bias": `${l},${j}` } : { "data-edge": `${l},${j},${k}` };
    const line = {
      x1: from.x + ux * start,
      y1: y1 + uy * start,
      x2: to.x - ux * stop,
      y2: y2 - uy * stop,
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
      { l, x } = column,
      { u, gap, names, narrow } = view.plan;
    const title = l === 0 ? "inputs" : l === net.L ? "outputs" : `layer ${l}`;
    const g = l === 0 ? "layer 0" : (net.words[l] ?? "");
    const room = gap - 6 * u;
    const long = `layer ${l}, ${g}`;
    const minor = l === net.L && DR.dom.textWidth(long, names) <= 1.15 * room ? long : g;
    const few = `${column.nodes.length} of ${column.total}`,
      whole = `${few} shown`;
    // Between columns that are close together the number is enough.
    const fitting = !narrow && DR.dom.textWidth(whole, names) <= room ? whole : few;
    const some = column.nodes.length < column.total ? fitting : "";
    /** @param {number} y @param {string} text @param {string | null} name */
    const line = (y, text, name) => svg("text", { class: name, x, y: y * u, "text-anchor": "middle", text });
    return svg(
      "g",
      { class: "heading" },
      line(14, title, null),
      line(29, minor === long ? long : DR.layout.nameIn(minor, room, names), "minor"),
      some ? line(43, some, "minor") : null,
    );
  }

  /** Builds all parts for the nodes in `view.nodes`. @param {Page.Drawing} view */
  function build(view) {
    const { store } = view,
      { net } = store;
    view.plan = DR.layout.layout(net, view.nodes, store.payload.names, view.room);
    view.parts = new Map();
    view.targets = [];
    view.edges = [];
    const { plan, root } = view;
    put(root, "viewBox", `0 0 ${plan.width} ${plan.height}`);
    view.frame.style.setProperty("--wide", String(plan.width));
    root.style.fontSize = `${12 * plan.u}px`; // that of drawing.css is in em
    root.style.setProperty("--px", `${plan.scale}px`);
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
            y: column.dots,
            "text-anchor": "middle",
            text: "⋮",
          }),
        );
      if (column.biasY !== null) {
        nodes.append(
          svg(
            "g",
            { class: "one" },
            svg("rect", {
              x: column.x - 11 * plan.scale,
              y: column.biasY - 11 * plan.scale,
              width: 22 * plan.scale,
              height: 22 * plan.scale,
              rx: 5,
            }),
            svg("text", {
              x: column.x,
              y: column.biasY + 4.2 * plan.scale,
              "text-anchor": "middle",
              text: "1",
            }),
            svg("title", {
              text: "the constant 1 that the biases of the next layer are weights of",
            }),
          ),
        );
      }
    }
    nodes.append(lossParts(view));
    view.labels = svg("g", { class: "labels", "aria-hidden": "true" });
    view.leaders = svg("g", { class: "leaders", "aria-hidden": "true" });
    root.replaceChildren(edges, view.leaders, nodes, view.labels);
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

  /** @type {Map<string, Page.Rect>} Boxes of texts, from the point that they are at. */
  const measured = new Map();

  /**
   * The boxes of what is built and never painted: names, headings, targets, the loss. A text is measured
   * once for each size of its letters: the browser lays out all that has changed before it answers.
   *
   * @param {Page.Drawing} view @returns {Page.Rect[]}
   */
  function fixedBoxes({ root }) {
    const rects = Array.from(root.querySelectorAll(".target rect, .loss .box"), (each) =>
      ["x", "y", "width", "height"].map((name) => Number(each.getAttribute(name))),
    );
    // Not while a font is loaded, nor where the drawing is hidden and all boxes are empty.
    const lasting = document.fonts.status === "loaded";
    const texts = Array.from(root.querySelectorAll(".heading text, .name"), (each) => {
      const [x, y] = ["x", "y"].map((name) => Number(each.getAttribute(name)));
      const of = [each.parentElement?.classList[0], ...each.classList, each.getAttribute("text-anchor")];
      const key = [root.style.fontSize, ...of, each.textContent].join("|");
      let box = measured.get(key);
      if (!box) {
        const found = /** @type {SVGGraphicsElement} */ (each).getBBox();
        box = [found.x - x, found.y - y, found.width, found.height];
        if (lasting && root.getClientRects().length) measured.set(key, box);
      }
      return [x + box[0], y + box[1], box[2], box[3]];
    });
    return [...texts, ...rects].map(([x, y, width, height]) => [x - 2, y - 2, x + width + 2, y + height + 2]);
  }

  return { build, keyOf, titleLoss, fixedBoxes };
})();
DR.parts = partsModule;
