// @ts-check
// What of a network is drawn: every node of a small layer, a selection of a large one,
// so that a drawing never has more than a few thousand elements. The heat maps show the whole.
"use strict";

const planModule = (function () {
  const { clamp } = DR.dom;
  const ALL = 16; // a layer of at most this many nodes is drawn whole
  const SOME = 10; // this many nodes of a larger layer are drawn
  const NEIGHBOURS = 4; // of these, so many with the largest weights to what is selected
  const EDGES = 1000; // lines, each of three elements
  const PLACES = Array.from({ length: 25 }, (_, i) => 0.2 + 0.025 * i); // of grips, along x

  /** The indices of the n largest |values|, ascending. @param {ArrayLike<number>} values @param {number} n */
  function largest(values, n) {
    const order = Array.from(values, (_, j) => j);
    order.sort((a, b) => Math.abs(values[b]) - Math.abs(values[a]) || a - b);
    return order.slice(0, n);
  }

  /**
   * The nodes of a layer to draw, ascending: those wanted, then those with the largest values.
   *
   * @param {number[]} wanted @param {ArrayLike<number>} values @param {number} n
   */
  function pick(wanted, values, n) {
    const chosen = new Set(wanted.slice(0, n));
    for (const j of largest(values, n)) {
      if (chosen.size >= n) break;
      chosen.add(j);
    }
    return [...chosen].sort((a, b) => a - b);
  }

  /**
   * The nodes with the largest weights to (or with `forward` from) node j of layer l.
   *
   * @param {Page.Store} store @param {number} l @param {number} j @param {boolean} forward
   */
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

  /**
   * The nodes drawn of every layer, ascending: those with the largest |δ| (inputs: |x|), and always
   * what is selected.
   *
   * @param {Page.Store} store
   */
  function nodesOf(store) {
    const { net, state } = store,
      { selected } = state;
    /** @type {number[][]} */
    const wanted = net.widths.map(() => []);
    if (selected && selected.kind !== "cost") {
      const { layer, j, kind, k } = selected;
      wanted[layer].push(j);
      if (kind === "edge") wanted[layer - 1].push(k);
      if (layer > 0) wanted[layer - 1].push(...strongest(store, layer, j, false));
      if (layer < net.L) wanted[layer + 1].push(...strongest(store, layer, j, true));
    }
    const pass = net.widths.some((n) => n > ALL) ? store.pass() : null;
    return net.widths.map((n, l) => {
      if (n <= ALL || !pass) return Array.from({ length: n }, (_, j) => j);
      return pick(wanted[l], l === 0 ? pass.A[0] : pass.delta[l], SOME);
    });
  }

  /**
   * Whether all that is selected is among the nodes drawn.
   *
   * @param {number[][]} nodes @param {Page.Selection | null} selected
   */
  function has(nodes, selected) {
    if (!selected || selected.kind === "cost") return true;
    const { kind, layer, j, k } = selected;
    return nodes[layer].includes(j) && (kind !== "edge" || nodes[layer - 1].includes(k));
  }

  /** The height of node j of a column, which is drawn. @param {Page.Column} column @param {number} j */
  const heightOf = (column, j) => /** @type {number} */ (column.y.get(j));

  /** Where a line from node k of a column starts; k = −1 is its constant 1. @param {Page.Column} column @param {number} k */
  const startOf = (column, k) => (k < 0 ? /** @type {number} */ (column.biasY) : heightOf(column, k));

  /** A formula's name without its parameters: "elu" of "elu(alpha=1.0)". @param {string | null} name */
  const plainName = (name) => String(name).split("(")[0];

  /** @param {string} name @param {number} k */
  const isPlain = (name, k) => name === `x_${k}` || name === `a_${k}`;

  /**
   * The edges drawn between two columns: all, or the strongest and those of what is selected.
   *
   * @param {Page.Store} store
   * @param {number[][]} nodes
   * @param {(l: number, j: number, k: number) => number} value
   */
  function edgesOf(store, nodes, value) {
    const { net, state } = store;
    /** @type {Page.Edge[]} */
    const edges = [];
    const most = Math.floor(EDGES / net.L);
    for (let l = 1; l <= net.L; ++l) {
      /** @type {Page.Edge[]} */
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
   * The edges with their grips: each at the place of PLACES where the nearest other line is farthest.
   *
   * @param {Page.Edge[]} edges @param {Page.Layout} layout @returns {Page.GrippedEdge[]}
   */
  function gripped(edges, { columns }) {
    const found = edges.map((edge) => ({ ...edge, at: 0.5, room: -1 }));
    for (let l = 1; l < columns.length; ++l) {
      const here = found.filter((edge) => edge.l === l);
      const ends = here.map(({ j, k }) => [startOf(columns[l - 1], k), heightOf(columns[l], j)]);
      const gap = columns[l].x - columns[l - 1].x;
      for (const at of PLACES) {
        const y = ends.map(([from, to]) => from + at * (to - from));
        const order = here.map((_, i) => i).sort((a, b) => y[a] - y[b]);
        order.forEach((i, place) => {
          /** @param {number | undefined} other */
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
   * A grip's outline, and a point in line with it that makes the grip the centre of the line's box:
   * a test, or a program that clicks an element by its name, clicks the centre of its box.
   *
   * @param {Page.Segment} line @param {{ x: number, y: number }} place @param {number} room
   */
  function gripPath({ x1, y1, x2, y2 }, { x, y }, room) {
    const r = clamp(0.45 * room, 1.5, 6);
    const back = 2 * x - x1 < x2; // the longer part of the line is the one ahead
    const [px, py] = back ? [2 * x - x2, 2 * y - y2] : [2 * x - x1, 2 * y - y1];
    return `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0zM${px} ${py}h0`;
  }

  /**
   * Whether an edge belongs to what is selected, or begins or ends at it.
   *
   * @param {Page.Edge} { l, j, k } @param {Page.Selection | null} selected
   */
  function touches({ l, j, k }, selected) {
    if (!selected) return false;
    const { kind, layer } = selected;
    if (kind === "node") return (layer === l && selected.j === j) || (layer === l - 1 && selected.j === k);
    if (kind === "edge") return layer === l && selected.j === j && selected.k === k;
    return kind === "bias" && layer === l && selected.j === j && k === -1;
  }

  /**
   * What a sweep has computed so far. Forward: nodes in order up to (layer, node), the loss as
   * layer L+1. Backward: all of the forward pass, and δ from the last layer down; at 0 it is ∂C/∂x.
   *
   * @param {Page.SweepStep | null} sweep @param {number} L @returns {Page.Known}
   */
  function known(sweep, L) {
    if (!sweep) return { a: () => true, delta: () => true, loss: true, all: true };
    const { direction, layer, node } = sweep;
    /** @param {number} j */
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

  return {
    nodesOf,
    has,
    edgesOf,
    gripped,
    gripPath,
    touches,
    known,
    isPlain,
    plainName,
    heightOf,
    startOf,
  };
})();
DR.plan = planModule;
