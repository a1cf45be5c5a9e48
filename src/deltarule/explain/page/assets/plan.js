// What of a network is drawn, and where: every node of a small layer, a selection of a large one.
//
// Never more than a few thousand elements, whatever the network. The heat maps show the whole.
"use strict";
var DR = globalThis.DR || (globalThis.DR = {});

(function () {
  const { clamp, cut, textWidth } = DR.dom;
  const ALL = 16; // a layer of up to so many nodes is drawn whole
  const SOME = 10; // of a larger one so many
  const NEIGHBOURS = 4; // of these so many for their weights to what is selected
  const EDGES = 1000; // lines, each of three elements
  const NAME = "500 12px"; // the names of inputs, as in drawing.css
  const PLACES = Array.from({ length: 25 }, (_, i) => 0.2 + 0.025 * i); // of grips, along x

  // What stands how far from what, in the units of the view box: the layers (of a shallow network,
  // a deeper one, a deep one), what is left of the inputs, the targets and the loss after the
  // outputs, and how many letters of a name there is room for. On a phone the loss stands below, and
  // of a name that is cut the end is kept: "pixel 0,3" is told from "pixel 0,4" by it.
  const SPACING = {
    page: { gaps: [200, 165, 150], plain: 74, named: 16, target: 95, half: 42, loss: 248, end: 318, letters: 20, ending: 0 },
    card: { gaps: [180, 119, 108], plain: 74, named: 34, target: 80, half: 42, loss: 222, end: 288, letters: 20, ending: 0 },
    phone: { gaps: [86, 92, 92], plain: 60, named: 14, target: 76, half: 37, loss: null, end: 133, letters: 8, ending: 3 },
  };

  /** The indices of the n largest |values|, ascending. */
  function largest(values, n) {
    const order = Array.from(values, (_, j) => j);
    order.sort((a, b) => Math.abs(values[b]) - Math.abs(values[a]) || a - b);
    return order.slice(0, n);
  }

  /** The nodes of layer l to draw: those named first, then the largest, ascending. */
  function pick(wanted, values, n) {
    const chosen = new Set(wanted.slice(0, n));
    for (const j of largest(values, n)) {
      if (chosen.size >= n) break;
      chosen.add(j);
    }
    return [...chosen].sort((a, b) => a - b);
  }

  function strongest(store, l, j, forward) {
    const { net } = store,
      theta = store.theta();
    if (forward) {
      const out = Float64Array.from(
        { length: net.widths[l + 1] },
        (_, to) => theta[DR.driver.weightAt(net, l + 1, to, j)],
      );
      return largest(out, NEIGHBOURS);
    }
    const start = DR.driver.weightAt(net, l, j, 0);
    return largest(theta.subarray(start, start + net.widths[l - 1]), NEIGHBOURS);
  }

  /** The nodes drawn of every layer, ascending: by |δ|, inputs by |x|; always what is selected. */
  function nodesOf(store) {
    const { net, state } = store,
      { selected } = state;
    const wanted = net.widths.map(() => []);
    if (selected && selected.layer !== undefined) {
      const { layer, j, kind, k } = selected;
      wanted[layer].push(j);
      if (kind === "edge") wanted[layer - 1].push(k);
      if (layer > 0) wanted[layer - 1].push(...strongest(store, layer, j, false));
      if (layer < net.L) wanted[layer + 1].push(...strongest(store, layer, j, true));
    }
    const pass = net.widths.some((n) => n > ALL) ? store.pass() : null;
    return net.widths.map((n, l) => {
      if (n <= ALL) return Array.from({ length: n }, (_, j) => j);
      return pick(wanted[l], l === 0 ? pass.A[0] : pass.delta[l], SOME);
    });
  }

  /** Whether all that is selected is among the nodes drawn. */
  function has(nodes, selected) {
    if (!selected || selected.layer === undefined) return true;
    const { kind, layer, j, k } = selected;
    return nodes[layer].includes(j) && (kind !== "edge" || nodes[layer - 1].includes(k));
  }

  /** Places, in the units of the drawing's view box; `spacing` is a name of the table above. */
  function layout(net, nodes, names, spacing = "page") {
    const apart = SPACING[spacing];
    const columns = nodes.map((drawn, l) => {
      const some = drawn.length < net.widths[l];
      const bias = net.bias && l < net.L;
      const rows = drawn.length + (some ? 0.6 : 0); // room for the dots
      return { l, nodes: drawn, total: net.widths[l], some, bias, rows };
    });
    const most = Math.max(...columns.map(({ rows, bias }) => rows + (bias ? 1 : 0)));
    const pitch = most <= 3 ? 96 : most <= 5 ? 84 : most <= 8 ? 66 : most <= 11 ? 54 : 46;
    const r = pitch >= 84 ? 28 : pitch >= 66 ? 24 : pitch >= 54 ? 20 : 17;
    const gap = apart.gaps[net.L <= 2 ? 0 : net.L <= 4 ? 1 : 2];
    const named = names.some((name, k) => !isPlain(name, k));
    // Measured, because letters differ in width: a count of them would cut off "mean" or CJK.
    const widths = nodes[0].map((k) => textWidth(cut(names[k] ?? "", apart.letters, apart.ending), NAME));
    const left = named ? r + apart.named + Math.max(...widths) : apart.plain;
    const top = columns.some(({ some }) => some) ? 60 : 46;
    const middle = top + (most * pitch) / 2;
    const bottom = top + most * pitch + 14;
    for (const column of columns) {
      const { l, nodes: drawn, some, bias, rows } = column;
      const first = middle - ((rows + (bias ? 1 : 0)) * pitch) / 2 + pitch / 2;
      column.x = left + l * gap;
      column.y = new Map(drawn.map((j, place) => [j, first + place * pitch]));
      column.dots = some ? first + (drawn.length - 0.04) * pitch : null;
      column.biasY = bias ? first + rows * pitch : null;
    }
    const out = left + net.L * gap;
    const below = apart.loss === null;
    return {
      columns,
      r,
      pitch,
      letters: apart.letters,
      ending: apart.ending,
      width: out + apart.end,
      height: below ? bottom + 88 : bottom,
      target: { x: out + apart.target, half: apart.half },
      loss: { x: out + (below ? 62 : apart.loss), y: below ? bottom + 42 : middle, below },
    };
  }

  /** A formula's name without its parameters: "elu" of "elu(alpha=1.0)". */
  const plainName = (name) => String(name).split("(")[0];

  const isPlain = (name, k) => name === `x_${k}` || name === `a_${k}`;

  /** The edges drawn between two columns: all, or the strongest and those of what is selected. */
  function edgesOf(store, nodes, value) {
    const { net, state } = store,
      edges = [];
    const most = Math.floor(EDGES / net.L);
    for (let l = 1; l <= net.L; ++l) {
      let between = [];
      for (const j of nodes[l]) for (const k of nodes[l - 1]) between.push({ l, j, k });
      if (between.length > most) {
        const keep = new Set(
          largest(
            between.map(({ j, k }) => value(l, j, k)),
            most,
          ),
        );
        between = between.filter((edge, at) => keep.has(at) || touches(edge, state.selected));
      }
      edges.push(...between);
      if (net.b[l] !== null) for (const j of nodes[l]) edges.push({ l, j, k: -1 });
    }
    return edges;
  }

  /**
   * Where each edge has its grip: of some places along it, where the next line is farthest off.
   *
   * @returns the edges with `at`, the share of the way between the columns, and `room` around it
   */
  function gripped(edges, { columns }) {
    const found = edges.map((edge) => ({ ...edge, at: 0.5, room: -1 }));
    for (let l = 1; l < columns.length; ++l) {
      const here = found.filter((edge) => edge.l === l);
      const ends = here.map(({ j, k }) => [
        k < 0 ? columns[l - 1].biasY : columns[l - 1].y.get(k),
        columns[l].y.get(j),
      ]);
      const gap = columns[l].x - columns[l - 1].x;
      for (const at of PLACES) {
        const y = ends.map(([from, to]) => from + at * (to - from));
        const order = here.map((_, i) => i).sort((a, b) => y[a] - y[b]);
        order.forEach((i, place) => {
          const off = (other) => (other === undefined ? Infinity : Math.abs(y[other] - y[i]));
          const free = Math.min(off(order[place - 1]), off(order[place + 1]), gap);
          const room = free * (gap / Math.hypot(gap, ends[i][1] - ends[i][0]));
          if (room > here[i].room + 0.5) Object.assign(here[i], { at, room });
        });
      }
    }
    return found;
  }

  /**
   * A grip's outline, and a point in line with it that makes it the centre of the line's box: a
   * click on an element is one on that centre, for a test and for a program that clicks by name.
   */
  function gripPath({ x1, y1, x2, y2 }, { x, y }, room) {
    const r = clamp(0.45 * room, 1.5, 6);
    const back = 2 * x - x1 < x2; // the longer part of the line is the one ahead
    const [px, py] = back ? [2 * x - x2, 2 * y - y2] : [2 * x - x1, 2 * y - y1];
    return `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0zM${px} ${py}h0`;
  }

  /** Whether an edge belongs to what is selected, or begins or ends at it. */
  function touches({ l, j, k }, selected) {
    if (!selected) return false;
    const { kind, layer } = selected;
    if (kind === "node")
      return (layer === l && selected.j === j) || (layer === l - 1 && selected.j === k);
    if (kind === "edge") return layer === l && selected.j === j && selected.k === k;
    return kind === "bias" && layer === l && selected.j === j && k === -1;
  }

  /**
   * What a sweep has computed so far. Forward: nodes in order up to (layer, node), the loss as
   * layer L+1. Backward: all of the forward pass, and δ from the last layer down; at 0 it is ∂C/∂x.
   */
  function known(sweep, L) {
    if (!sweep) return { a: () => true, delta: () => true, loss: true, all: true };
    const { direction, layer, node } = sweep;
    const upTo = (j) => node === null || j <= node;
    if (direction === "forward") {
      return {
        a: (l, j) => l < layer || (l === layer && upTo(j)),
        delta: () => false,
        loss: layer > L,
        all: false,
      };
    }
    return {
      a: () => true,
      delta: (l, j) => l > layer || (l === layer && upTo(j)),
      loss: true,
      all: false,
    };
  }

  DR.plan = {
    nodesOf,
    has,
    layout,
    edgesOf,
    gripped,
    gripPath,
    touches,
    known,
    isPlain,
    plainName,
  };
})();
