// @ts-check
// Which part of a drawing a pointer or an arrow key reaches.
"use strict";

const reachModule = (function () {
  /** Pixels of the screen from which the nearest edge is caught: by a pointer, and by a finger. */
  const NEAR = { pointer: 11, finger: 26 };

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
    /** @type {Page.EdgePart | null} */
    let best = null;
    // A click tells in current browsers by what it was made.
    const touched = /** @type {PointerEvent} */ (event).pointerType === "touch";
    let distance = (touched ? NEAR.finger : NEAR.pointer) / matrix.a;
    for (const part of view.edges) {
      const { x1, y1, x2, y2 } = part.line,
        dx = x2 - x1,
        dy = y2 - y1;
      const t = DR.dom.clamp(((point.x - x1) * dx + (point.y - y1) * dy) / (dx * dx + dy * dy), 0, 1);
      const d =
        Math.hypot(point.x - x1 - t * dx, point.y - y1 - t * dy) - (part === named ? 2.5 / matrix.a : 0);
      if (d < distance) [best, distance] = [part, d];
    }
    return best || named || null;
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

  return { partAt, neighbour, MOVES };
})();
DR.reach = reachModule;
