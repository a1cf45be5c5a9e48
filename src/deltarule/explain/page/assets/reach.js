// @ts-check
// Which part of a drawing a pointer or an arrow key reaches.
"use strict";

const reachModule = (function () {
  /** Pixels of the screen from which the nearest edge is caught: by a pointer, and by a finger. */
  const NEAR = { pointer: 11, finger: 26 };
  const TOUCHED = 13; // half of the least size of what a finger can choose
  const TAPS = 6; // lines that taps at one place go through

  /**
   * The part under a pointer: a node, the loss, or the nearest edge; null where there is none.
   *
   * @param {Page.Drawing} view @param {MouseEvent} event @returns {Page.Part | null | undefined}
   */
  function partAt(view, event) {
    const target = /** @type {Element} */ (event.target);
    /** @type {SVGElement | null} */
    const hit = target.closest("[data-node], [data-loss], [data-of]");
    if (hit) {
      const { node, of } = hit.dataset;
      return view.parts.get(hit.hasAttribute("data-loss") ? "cost" : `node:${node ?? of}`);
    }
    /** @type {SVGElement | null} */
    const direct = target.closest("[data-edge], [data-bias]");
    const named =
      direct &&
      view.parts.get(direct.dataset.edge ? `edge:${direct.dataset.edge}` : `bias:${direct.dataset.bias}`);
    const matrix = DR.dom.screenMatrix(view.root);
    if (event.detail === 0 && event.type === "click") return named || null; // by keyboard or script
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
    const touched = isTouch(event);
    const node = touched ? nodeBeside(view, point, matrix.a) : null;
    if (node) return node;
    const near = edgesNear(view, point, (touched ? NEAR.finger : NEAR.pointer) / matrix.a, named);
    return near[0] || named || null;
  }

  /** Whether a finger made a click; current browsers tell. @param {MouseEvent} event */
  const isTouch = (event) => /** @type {PointerEvent} */ (event).pointerType === "touch";

  /**
   * The node that a finger beside it means: the nearest of those that are smaller than what a finger
   * can choose.
   *
   * @param {Page.Drawing} view @param {DOMPoint} point @param {number} scale
   */
  function nodeBeside({ parts, plan }, point, scale) {
    const least = TOUCHED / scale;
    /** @type {Page.Part | null} */
    let best = null;
    let distance = Infinity;
    for (const part of parts.values()) {
      if (!part.face) continue;
      const [dx, dy] = [Math.abs(point.x - part.x), Math.abs(point.y - part.y)];
      if (dx > Math.max(part.half ?? plan.half, least) || dy > Math.max(plan.r, least)) continue;
      const d = Math.hypot(dx, dy);
      if (d < distance) [best, distance] = [part, d];
    }
    return best;
  }

  /**
   * The lines nearer to a point than a distance, the nearest first; one that was hit counts as nearer.
   *
   * @param {Page.Drawing} view @param {DOMPoint} point @param {number} most @param {unknown} [hit]
   */
  function edgesNear(view, point, most, hit = null) {
    const bonus = 2.5 / DR.dom.screenMatrix(view.root).a;
    /** @type {[part: Page.EdgePart, distance: number][]} */
    const found = [];
    for (const part of view.edges) {
      const { x1, y1, x2, y2 } = part.line,
        dx = x2 - x1,
        dy = y2 - y1;
      const t = DR.dom.clamp(((point.x - x1) * dx + (point.y - y1) * dy) / (dx * dx + dy * dy), 0, 1);
      const d = Math.hypot(point.x - x1 - t * dx, point.y - y1 - t * dy) - (part === hit ? bonus : 0);
      if (d < most) found.push([part, d]);
    }
    return found.sort((a, b) => a[1] - b[1]).map(([part]) => part);
  }

  /**
   * The part that a click chooses, with its place among the lines that a finger may have meant: where
   * lines are dense, the next tap at the same place chooses the next of them.
   *
   * @param {Page.Drawing} view @param {MouseEvent} event
   * @returns {{ part: Page.Part, at: number, of: number } | null}
   */
  function chosen(view, event) {
    const first = partAt(view, event);
    const before = view.tap;
    view.tap = null;
    if (!first) return null;
    const one = { part: first, at: 0, of: 1 };
    if (!isTouch(event) || !first.line) return one;
    const matrix = DR.dom.screenMatrix(view.root);
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
    const same = before && Math.hypot(point.x - before.x, point.y - before.y) < TOUCHED / matrix.a;
    const lines = same ? before.lines : edgesNear(view, point, NEAR.finger / matrix.a).slice(0, TAPS);
    const at = same ? (before.at + 1) % lines.length : lines.indexOf(/** @type {any} */ (first));
    // Lines that were built anew meanwhile are other ones.
    if (at < 0 || view.parts.get(DR.parts.keyOf(lines[at].what)) !== lines[at]) return one;
    view.tap = { x: same ? before.x : point.x, y: same ? before.y : point.y, lines, at };
    return { part: lines[at], at, of: lines.length };
  }

  /**
   * The part that an arrow key leads to: along the lines, and up and down within a column.
   *
   * @param {Page.Drawing} view @param {Page.Part} part @param {string} key
   * @returns {Page.Part | null | undefined}
   */
  function neighbour(view, part, key) {
    const { net } = view.store,
      { columns } = view.plan,
      { what } = part;
    /** @param {number} l @param {number} j */
    const node = (l, j) => view.parts.get(`node:${l},${j}`);
    /** @param {number} l @param {number} place */
    const nearest = (l, place) => node(l, columns[l].nodes[Math.min(place, columns[l].nodes.length - 1)]);
    const step = STEPS[key];
    /** @param {(Page.Part | undefined)[]} list */
    const along = (list) => list[DR.dom.clamp(list.indexOf(part) + (step ?? 0), 0, list.length - 1)];
    if (what.kind === "cost") return key === "ArrowLeft" || key === "PageUp" ? nearest(net.L, 0) : null;
    const { layer, j } = what;
    if (what.kind === "node") {
      const place = columns[layer].nodes.indexOf(j);
      if (step) return along(columns[layer].nodes.map((other) => node(layer, other)));
      if (key === "PageUp") return layer > 0 ? nearest(layer - 1, place) : null;
      if (key === "PageDown") return layer < net.L ? nearest(layer + 1, place) : view.parts.get("cost");
      if (key === "ArrowRight" && layer === net.L) return view.parts.get("cost");
      const out = key === "ArrowRight";
      view.follow = out ? "from" : "to"; // up and down then keep this node's end of the line
      return (
        view.edges.find((edge) =>
          out ? edge.l === layer + 1 && edge.k === j : edge.l === layer && edge.j === j,
        ) || null
      );
    }
    if (step && part.line) {
      const fan = view.edges.filter(
        (edge) => edge.l === part.l && (view.follow === "from" ? edge.k === part.k : edge.j === part.j),
      );
      return along(fan);
    }
    if (key === "ArrowRight" || key === "PageDown") return node(layer, j);
    return what.kind === "bias" ? nearest(layer - 1, Infinity) : node(layer - 1, what.k);
  }

  /** Up and down, by key. @type {Record<string, number | undefined>} */
  const STEPS = { ArrowUp: -1, ArrowDown: 1, Home: -Infinity, End: Infinity };
  const MOVES = new Set([
    "ArrowUp",
    "ArrowDown",
    "ArrowLeft",
    "ArrowRight",
    "Home",
    "End",
    "PageUp",
    "PageDown",
  ]);

  return { partAt, chosen, neighbour, MOVES };
})();
DR.reach = reachModule;
