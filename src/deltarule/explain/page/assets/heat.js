// @ts-check
// Whole layers as heat maps: weights, activations, δ, gradients; and the largest of them.
"use strict";

const heatModule = (function () {
  const { el, choice, clamp } = DR.dom;
  const { symbols, layer, sub, count } = DR.text;
  const LISTED = 8;

  /**
   * The matrices of a kind, by layer.
   *
   * @param {Page.Store} store @param {string} kind @returns {Page.HeatMatrix[]}
   */
  function matrices(store, kind) {
    const { net, state } = store,
      { L, widths } = net,
      n = store.rows.n;
    const layers = Array.from({ length: L }, (_, i) => i + 1);
    if (kind === "weights" || kind === "gradients") {
      const theta = store.theta(),
        mean = state.mode === "mean",
        pass = store.pass();
      const whole = kind === "gradients" && mean ? store.mean() : null;
      const grad = whole?.grad;
      const over = whole ? whole.gradOver : "";
      return layers.map((l) => {
        /** @param {number} j @param {number} k */
        const index = (j, k) => DR.driver.weightAt(net, l, j, k);
        /** @type {(j: number, k: number) => number} */
        const at =
          kind === "weights"
            ? (j, k) => theta[index(j, k)]
            : grad
              ? (j, k) => grad[index(j, k)]
              : (j, k) => pass.delta[l][j] * pass.A[l - 1][k];
        const i = mean ? "" : state.sample;
        return {
          title:
            kind === "weights"
              ? `W${layer(l)}`
              : `∂C${i === "" ? "" : sub(DR.text.rowIndex(i))}/∂W${layer(l)}${over}`,
          rows: widths[l],
          columns: widths[l - 1],
          at,
          note: `row j, node of layer ${l}; column k, node of layer ${l - 1}`,
          symbol: (j, k) => (kind === "weights" ? symbols.w(l, j, k) : named(symbols.dCdw(l, j, k, i), over)),
          what: (j, k) => ({ selected: { kind: "edge", layer: l, j, k } }),
          mark: (s) => (s.kind === "edge" && s.layer === l ? [s.j, s.k] : null),
        };
      });
    }
    const active = kind === "activations";
    return (active ? [0, ...layers] : layers).map((l) => ({
      title: active ? `a${layer(l)}` : `δ${layer(l)}`,
      rows: n,
      columns: widths[l],
      at: (i, j) => (active ? store.pass(i).A[l][j] : store.pass(i).delta[l][j]),
      note: `row i, sample${store.some() ? ` (${n} of ${store.rows.of})` : ""}; column j, node of layer ${l}`,
      // The symbol a_j^l belongs to the sample that is shown; numbers of other samples have none.
      symbol: (i, j) => {
        const [key, text] = active ? symbols.a(l, j) : symbols.delta(l, j);
        return [i === store.state.sample ? key : null, `${text} of ${DR.panel.rowName(store, i)}`];
      },
      what: (i, j) => ({ sample: i, selected: { kind: "node", layer: l, j } }),
      mark: (s) => (s.kind === "node" && s.layer === l ? [store.state.sample, s.j] : null),
    }));
  }

  /** A symbol's name with words for the rows it is over. @param {Page.SymbolName} name @param {string} over */
  const named = ([id, text], over) => /** @type {Page.SymbolName} */ ([id + over, text + over]);

  /**
   * The indices of a matrix's rows or columns, those with the largest root mean square first.
   *
   * @param {number} n @param {number} across @param {(i: number, k: number) => number} at
   */
  function bySize(n, across, at) {
    const sizes = Array.from({ length: n }, (_, i) => {
      let sum = 0;
      for (let k = 0; k < across; ++k) sum += at(i, k) ** 2;
      return Number.isNaN(sum) ? Infinity : sum; // what is no number is to be seen first
    });
    return sizes.map((_, i) => i).sort((a, b) => (sizes[b] === sizes[a] ? a - b : sizes[b] - sizes[a]));
  }

  /**
   * A matrix with its rows, or its rows and columns, sorted by size.
   *
   * @param {Page.HeatMatrix} matrix @param {string} order "plain", "rows" or "both"
   * @returns {Page.HeatMatrix}
   */
  function sorted(matrix, order) {
    const { rows, columns, at } = matrix;
    if (order === "plain") return matrix;
    const R = bySize(rows, columns, at);
    const C =
      order === "both"
        ? bySize(columns, rows, (c, r) => at(r, c))
        : Array.from({ length: columns }, (_, c) => c);
    return {
      ...matrix,
      at: (r, c) => at(R[r], C[c]),
      note: `${matrix.note}; sorted by size`,
      symbol: (r, c) => matrix.symbol(R[r], C[c]),
      what: (r, c) => matrix.what(R[r], C[c]),
      mark: (selected) => {
        const found = matrix.mark(selected);
        return found && [R.indexOf(found[0]), C.indexOf(found[1])];
      },
    };
  }

  /**
   * The weights (or gradients) into a node and out of it, as maps of one row.
   *
   * @param {Page.Store} store @param {string} kind @param {{ layer: number, j: number }} node
   */
  function strips(store, kind, { layer: l, j }) {
    const { net } = store,
      found = matrices(store, kind === "gradients" ? kind : "weights");
    const into = l > 0 && found[l - 1],
      out = l < net.L && found[l];
    /** @type {Page.HeatMatrix[]} */
    const list = [];
    if (into)
      list.push({
        ...into,
        title: `into ${symbols.a(l, j)[1]}: row ${j} of ${into.title}`,
        rows: 1,
        at: (_, k) => into.at(j, k),
        symbol: (_, k) => into.symbol(j, k),
        what: (_, k) => into.what(j, k),
        mark: () => null,
        strip: true,
        note: `column k, node of layer ${l - 1}`,
      });
    if (out)
      list.push({
        ...out,
        title: `out of ${symbols.a(l, j)[1]}: column ${j} of ${out.title}`,
        rows: 1,
        columns: out.rows,
        at: (_, k) => out.at(k, j),
        symbol: (_, k) => out.symbol(k, j),
        what: (_, k) => out.what(k, j),
        mark: () => null,
        strip: true,
        note: `column j, node of layer ${l + 1}`,
      });
    return list;
  }

  /**
   * The largest entries of several matrices, by one pass that keeps the LISTED largest.
   *
   * @param {Page.HeatMatrix[]} list
   */
  function top(list) {
    /** @type {{ size: number, matrix: Page.HeatMatrix, r: number, c: number }[]} */
    const best = [];
    for (const matrix of list)
      for (let r = 0; r < matrix.rows; ++r)
        for (let c = 0; c < matrix.columns; ++c) {
          const size = Math.abs(matrix.at(r, c));
          if (best.length === LISTED && !(size > best[LISTED - 1].size)) continue;
          const entry = { size, matrix, r, c };
          const before = best.findIndex((other) => other.size < size);
          best.splice(before < 0 ? best.length : before, 0, entry);
          best.length = Math.min(best.length, LISTED);
        }
    return best;
  }

  /**
   * Hidden nodes that do nothing for any row: a = 0 for all, or ∂C/∂z = 0 for all.
   *
   * @param {Page.Store} store
   */
  function deadNodes(store) {
    const { net, rows } = store;
    /** @type {{ l: number, j: number, why: string }[]} */
    const list = [];
    for (let l = 1; l < net.L; ++l)
      for (let j = 0; j < net.widths[l]; ++j) {
        let silent = true,
          idle = true;
        for (let i = 0; i < rows.n && (silent || idle); ++i) {
          const pass = store.pass(i);
          if (pass.A[l][j] !== 0) silent = false;
          if (pass.delta[l][j] !== 0) idle = false;
        }
        if (silent || idle) list.push({ l, j, why: silent ? "a = 0" : "δ = 0" });
      }
    return list;
  }

  /** @param {string} title @param {Element[]} items @param {string} empty */
  function listBox(title, items, empty) {
    return el(
      "div",
      { class: "list" },
      el("h3", { text: title }),
      items.length ? el("ol", {}, ...items) : el("p", { class: "note", text: empty }),
    );
  }

  /** @param {Page.Store} store */
  function lists(store) {
    /** @param {{ matrix: Page.HeatMatrix, r: number, c: number }} found */
    const entry = ({ matrix, r, c }) => {
      const [key, text] = matrix.symbol(r, c);
      return el(
        "li",
        {},
        el("button", { type: "button", class: "link", onclick: () => store.set(matrix.what(r, c)) }, text),
        DR.dom.shown(key, matrix.at(r, c)),
      );
    };
    const { n } = store.rows,
      of = Math.max(store.payload.part_of ?? 0, store.rows.of);
    const whole = n === of; // a few rows are too few to call a node dead
    const dead = deadNodes(store),
      mean = store.state.mode === "mean";
    const more = dead.length - 3 * LISTED;
    return [
      listBox(
        `Largest gradients, ${mean ? `mean${store.mean().gradOver || " of all"}` : "this sample"}`,
        top(matrices(store, "gradients"))
          .filter(({ size }) => size > 0)
          .map(entry),
        "Every gradient is zero.",
      ),
      listBox("Largest weights", top(matrices(store, "weights")).map(entry), ""),
      listBox(
        whole
          ? `Dead nodes: ${count(dead.length)}`
          : `Nodes at rest in ${count(n)} of ${count(of)} rows: ${count(dead.length)}`,
        [
          ...dead.slice(0, 3 * LISTED).map(({ l, j, why }) =>
            el(
              "li",
              { class: "dead" },
              el(
                "button",
                {
                  type: "button",
                  class: "link",
                  "data-dead": `${l},${j}`,
                  onclick: () => store.set({ selected: { kind: "node", layer: l, j } }),
                },
                symbols.a(l, j)[1],
              ),
              el("span", { class: "note", text: why }),
            ),
          ),
          ...(more > 0 ? [el("li", { class: "note", text: `and ${count(more)} more` })] : []),
        ],
        "Every hidden node is active, and learns, for some row.",
      ),
    ];
  }

  /**
   * The controls that choose the maps, and those that zoom to a node; they call `refresh` and `zoom`.
   *
   * @param {{ kind: string, common: boolean, order: string }} view @param {() => void} refresh @param {() => void} zoom
   */
  function controls(view, refresh, zoom) {
    const kinds = choice(
      "What the maps show",
      [
        ["weights", "Weights"],
        ["activations", "Activations"],
        ["delta", "δ"],
        ["gradients", "Gradients"],
      ],
      (kind) => {
        view.kind = kind;
        refresh();
      },
    );
    const common = el("input", {
      type: "checkbox",
      onchange: () => {
        view.common = common.checked;
        refresh();
      },
    });
    const layer = el("select", {
      "aria-label": "Layer of the node to zoom to",
      onchange: zoom,
    });
    const node = DR.dom.wholeField({
      value: 0,
      "aria-label": "Number of the node to zoom to",
      onchange: zoom,
    });
    const order = el(
      "select",
      {
        id: "heat-order",
        onchange: () => {
          view.order = order.value;
          refresh();
        },
      },
      el("option", { value: "plain", text: "as numbered" }),
      el("option", { value: "rows", text: "rows by size" }),
      el("option", { value: "both", text: "rows and columns by size" }),
    );
    const above = el(
      "div",
      { class: "row" },
      kinds,
      el("label", { class: "field check" }, common, "one scale for all layers"),
      el("span", { class: "field" }, el("label", { for: "heat-order", text: "Order" }), order),
    );
    const between = el(
      "div",
      { class: "row zoom-row", role: "group", "aria-label": "Zoom to a node" },
      el("h3", { text: "Zoom to a node" }),
      el("span", { class: "field" }, el("span", { class: "label", text: "layer" }), layer),
      el("span", { class: "field" }, el("span", { class: "label", text: "node" }), node),
    );
    kinds.show(view.kind);
    return { above, between, layer, node };
  }

  /** @param {HTMLElement} element @param {Page.Store} store */
  function mount(element, store) {
    /** @type {{ kind: string, common: boolean, order: string, stale: boolean, visible: boolean, figures: (HTMLElement & { mark: () => void })[] }} */
    const view = { kind: "weights", common: false, order: "plain", stale: true, visible: false, figures: [] };
    const { above, between, layer, node } = controls(view, refresh, zoom);
    const maps = el("div", { class: "maps" }),
      close = el("div", { class: "maps strips" }),
      found = el("div", { class: "lists" });
    element.classList.add("heat");
    element.replaceChildren(above, maps, between, close, found);

    function zoom() {
      const l = Number(layer.value),
        j = clamp(Math.round(DR.text.read(node.value)) || 0, 0, store.net.widths[l] - 1);
      store.set({ selected: { kind: "node", layer: l, j } });
    }

    /** @param {Page.Ink} ink */
    function showNode(ink) {
      const { selected } = store.state;
      const focus =
        selected && selected.kind !== "cost"
          ? selected
          : {
              layer: Number(layer.value) || store.net.L,
              j: clamp(Math.round(DR.text.read(node.value)) || 0, 0, store.net.widths[store.net.L] - 1),
            };
      layer.value = String(focus.layer);
      if (document.activeElement !== node) node.value = String(focus.j); // not while it is typed in
      close.replaceChildren(
        ...strips(store.seen(), view.kind, focus).map((matrix) =>
          DR.maps.figure(store, matrix, DR.maps.largestOf(matrix), ink),
        ),
      );
    }

    function refresh() {
      if (!view.visible) {
        view.stale = true;
        return;
      }
      view.stale = false;
      const ink = DR.maps.colours(),
        list = matrices(store.seen(), view.kind).map((matrix) => sorted(matrix, view.order)),
        sizes = list.map(DR.maps.largestOf),
        all = Math.max(...sizes);
      view.figures = list.map((matrix, at) =>
        DR.maps.figure(store, matrix, view.common ? all : sizes[at], ink),
      );
      const ofWeights = view.kind === "weights" || view.kind === "gradients";
      const gallery = ofWeights ? DR.gallery.figure(store, matrices(store.seen(), view.kind)[0]) : null;
      if (gallery) view.figures.unshift(gallery);
      maps.replaceChildren(...view.figures);
      if (layer.options.length !== store.net.widths.length) {
        layer.replaceChildren(
          ...store.net.widths.map((_, l) =>
            el("option", { value: l, text: l === 0 ? "0, the inputs" : `${l}` }),
          ),
        );
      }
      showNode(ink);
      found.replaceChildren(...lists(store.seen()));
    }

    const depends = () => [
      "payload",
      "state",
      "nudge",
      ...(view.kind === "gradients" ? ["sample", "mode"] : []),
    ];
    let waiting = 0;
    store.subscribe((_, changed) => {
      const whole = depends().some((key) => changed.has(key));
      if (!whole && !["selected", "sample", "mode"].some((key) => changed.has(key))) return;
      clearTimeout(waiting);
      const busy = document.activeElement && maps.contains(document.activeElement);
      waiting = setTimeout(() => {
        if (whole) {
          refresh();
          return;
        }
        if (!view.visible) {
          view.stale = true;
          return;
        }
        for (const one of view.figures) one.mark();
        if (!close.contains(document.activeElement)) showNode(DR.maps.colours());
        if (!busy && (changed.has("sample") || changed.has("mode")))
          found.replaceChildren(...lists(store.seen()));
      }, 60);
    });
    document.addEventListener("deltarule-theme", refresh);
    addEventListener("beforeprint", () => {
      if (view.visible) return; // then it is drawn already
      view.visible = true;
      refresh();
      view.visible = false;
    });
    // Off the screen nothing is drawn: the page opens without it.
    DR.dom.onSight(
      element,
      (inSight) => {
        view.visible = inSight;
        if (view.visible && view.stale) refresh();
      },
      { rootMargin: "200px" },
    );
  }

  return { mount };
})();
DR.heat = heatModule;
