// @ts-check
// What a node computes, as large as the decision surface and in its place, while a pointer or the focus
// of the keyboard is on the node.
"use strict";

const liftModule = (function () {
  /** Points along a side of the picture: while the network trains, and when it rests. */
  const SIDES = { moving: 64, still: 160 };
  const MOST_WORK = { moving: 2e6, still: 4e7 }; // multiplications

  /** @param {Element | null} target @returns {{ l: number, j: number } | null} */
  function nodeAt(target) {
    const place = target?.closest("[data-node]")?.getAttribute("data-node");
    if (!place) return null;
    const [l, j] = place.split(",").map(Number);
    return { l, j };
  }

  /**
   * Follows the nodes of the drawing in `element`; `shows(picture, words)` is told the picture of the node
   * that is pointed at, and null when there is none.
   *
   * @param {HTMLElement} element @param {() => Page.Store | null} storeOf
   * @param {(picture: HTMLCanvasElement | null, words: string) => void} shows
   */
  function mount(element, storeOf, shows) {
    const canvas = document.createElement("canvas");
    /** @type {{ l: number, j: number } | null} */
    let node = null;

    function draw() {
      const store = storeOf();
      const plane = store && DR.planes.of(store);
      if (!node || !store || !plane || plane.line || node.l > store.net.L) return shows(null, "");
      const { net } = store,
        { l, j } = node;
      const pace = store.moving ? "moving" : "still";
      const fit = Math.floor(Math.sqrt(MOST_WORK[pace] / net.p));
      const side = DR.dom.clamp(fit, 24, SIDES[pace]);
      const wanted = net.widths.map((_, layer) => (layer === l ? [j] : []));
      const [map] = DR.planes.sample(net, store.theta(), plane, wanted, side)[l];
      const middle = DR.planes.middleOf(net, l);
      const most = DR.planes.mostOf([map], middle);
      const context = DR.dom.context2d(canvas);
      if (canvas.width !== side) canvas.width = canvas.height = side;
      const image = context.createImageData(side, side);
      DR.planes.paint(image.data, 0, side, map, side, { middle, most }, DR.maps.colours());
      context.putImageData(image, 0, 0);
      const name = DR.panel.nodeName(store, l, j);
      const known = map.filter(Number.isFinite);
      const [low, high] = [
        known.reduce((x, y) => Math.min(x, y), Infinity),
        known.reduce((x, y) => Math.max(x, y), -Infinity),
      ];
      const words =
        low < high
          ? `a from ${DR.dom.brief(low, 2)} to ${DR.dom.brief(high, 2)}`
          : `a is ${DR.dom.brief(low)}`;
      shows(canvas, `${name[0].toUpperCase()}${name.slice(1)}: ${words}`);
    }

    /** @param {{ l: number, j: number } | null} next */
    function at(next) {
      if (next?.l === node?.l && next?.j === node?.j) return;
      node = next;
      draw();
    }
    // Where the pointer was last. Another part may come below a pointer that rests, as beside a derivation
    // that has opened: nobody has pointed at that.
    let [x, y] = [NaN, NaN];
    /** Whether the pointer has moved; notes where it is. @param {PointerEvent} event */
    const moved = ({ clientX, clientY }) => {
      const other = clientX !== x || clientY !== y;
      [x, y] = [clientX, clientY];
      return other;
    };
    for (const kind of ["pointerover", "pointermove"])
      element.addEventListener(kind, (event) => {
        if (moved(/** @type {PointerEvent} */ (event))) at(nodeAt(/** @type {Element} */ (event.target)));
      });
    for (const kind of ["pointermove", "pointerdown", "pointerup"])
      document.addEventListener(kind, (event) => void moved(/** @type {PointerEvent} */ (event)));
    element.addEventListener("pointerleave", () => at(null));
    element.addEventListener("focusin", (event) => {
      const target = /** @type {Element} */ (event.target);
      if (target.matches(":focus-visible")) at(nodeAt(target));
    });
    element.addEventListener("focusout", () => at(null));
    document.addEventListener("deltarule-theme", () => node && draw());
    return {
      /** The parameters have changed. */
      refresh: () => node && draw(),
    };
  }

  return { mount };
})();
DR.lift = liftModule;
