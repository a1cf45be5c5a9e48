// @ts-check
// A picture in every node of a drawing: what it computes over the plane of inputs (planes.js).
//
// The pictures are on one canvas behind the drawing, whose nodes are squares with nothing inside. A
// node's number stands below its picture, and δ, where it is shown, in its place.
"use strict";

const picturesModule = (function () {
  const { el, svg, put, clamp } = DR.dom;
  const WORK = 4e6; // multiplications for the pictures of a frame
  const LEAST = 12,
    MOST = 40, // points along a side of a picture while numbers change
    FINE = 96; // and of one that rests
  const FINE_WORK = 4e7;
  const REST = 160; // milliseconds without a change

  /** @type {WeakMap<Page.Drawing, Page.Pictures>} */
  const all = new WeakMap();

  /** Points along a side for so much work. @param {Page.Network} net @param {number} work @param {number} most */
  const sideFor = ({ p }, work, most) => Math.floor(clamp(Math.sqrt(work / p), LEAST, most));

  /** Half the side of a node's picture. @param {Page.Layout} plan */
  const halfOf = ({ r }) => 0.96 * r;

  /**
   * The canvas behind a drawing, kept as large as it.
   *
   * @param {Page.Drawing} view @returns {Page.Pictures}
   */
  function begin(view) {
    const canvas = el("canvas", { class: "pictures", "aria-hidden": "true" });
    /** @type {Page.Pictures} */
    const own = {
      canvas,
      atlas: document.createElement("canvas"),
      key: null,
      maps: null,
      timer: 0,
      side: 0,
      stop: () => {},
    };
    view.frame.classList.add("with-pictures");
    view.frame.prepend(canvas);
    const fit = () => {
      const inner = view.root.getBoundingClientRect(),
        outer = view.frame.getBoundingClientRect();
      if (!inner.width) return;
      Object.assign(canvas.style, {
        left: `${inner.left - outer.left + view.frame.scrollLeft}px`,
        top: `${inner.top - outer.top + view.frame.scrollTop}px`,
        width: `${inner.width}px`,
        height: `${inner.height}px`,
      });
      const ratio = Math.min(devicePixelRatio || 1, 2);
      const [w, h] = [Math.round(inner.width * ratio), Math.round(inner.height * ratio)];
      if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
      draw(view, own);
    };
    // In the next frame: a resize within the observer is reported as a loop.
    const observer = new ResizeObserver(() => requestAnimationFrame(fit));
    observer.observe(view.root);
    observer.observe(view.frame);
    document.addEventListener("deltarule-theme", () => {
      own.key = null;
      paint(view);
    });
    all.set(view, own);
    return own;
  }

  /** Where a line from the middle of a square leaves it. @param {number} half @param {number} ux @param {number} uy */
  const reach = (half, ux, uy) => Math.min(half / Math.max(Math.abs(ux), Math.abs(uy)), 1.27 * half) + 1;

  /** Lets the lines end at squares in place of circles. @param {Page.Drawing} view */
  function shorten(view) {
    const half = halfOf(view.plan);
    for (const part of view.edges) {
      const { x1, y1, x2, y2 } = part.line;
      const long = Math.hypot(x2 - x1, y2 - y1);
      if (!(long > 0)) continue;
      const ux = (x2 - x1) / long,
        uy = (y2 - y1) / long;
      const cut = reach(half, ux, uy) - view.plan.r;
      const shape = /** @type {Element} */ (part.element.querySelector("line"));
      if (part.k >= 0) {
        put(shape, "x1", x1 + ux * cut);
        put(shape, "y1", y1 + uy * cut);
      }
      put(shape, "x2", x2 - ux * (cut - 1));
      put(shape, "y2", y2 - uy * (cut - 1));
    }
  }

  /**
   * Makes the nodes of a drawing that was just built squares, if they have pictures.
   *
   * @param {Page.Drawing} view
   */
  function dress(view) {
    const plane = DR.planes.of(view.store);
    const own = all.get(view);
    view.root.classList.toggle("pictured", plane !== null);
    if (own) own.canvas.hidden = plane === null;
    if (plane === null) return;
    (own ?? begin(view)).key = null;
    const half = halfOf(view.plan),
      roomy = view.plan.r >= 28;
    for (const part of view.parts.values()) {
      if (!part.circle) continue;
      const { x, y, element, circle } = part;
      /** @param {string} name @param {number} by */
      const square = (name, by) => {
        const side = 2 * (half + by);
        return svg("rect", {
          class: name,
          x: x - side / 2,
          y: y - side / 2,
          width: side,
          height: side,
          rx: 0.3 * half + by,
        });
      };
      element.querySelector(".halo")?.replaceWith(square("halo", 1.6));
      part.face = square("face", 0);
      circle.after(part.face);
      put(part.value, "y", y + half + 11);
      put(part.under, "y", y + 4);
      const symbol = element.querySelector(".symbol");
      if (!symbol) continue;
      if (!roomy) symbol.remove();
      else put(symbol, "y", y - half - 6);
    }
    shorten(view);
  }

  /** @param {Page.Drawing} view @param {Page.Pictures} own @param {Float32Array[][]} maps @param {number} side */
  function keep(view, own, maps, side) {
    const { net } = view.store;
    const count = maps.reduce((total, list) => total + list.length, 0);
    own.side = side;
    own.maps = maps;
    [own.atlas.width, own.atlas.height] = [side * count, side];
    const context = DR.dom.context2d(own.atlas),
      image = context.createImageData(side * count, side),
      ink = DR.maps.colours();
    let at = 0;
    maps.forEach((list, l) => {
      const middle = DR.planes.middleOf(net, l);
      const scale = { middle, most: DR.planes.mostOf(list, middle) };
      for (const map of list) DR.planes.paint(image.data, side * at++, side * count, map, side, scale, ink);
    });
    context.putImageData(image, 0, 0);
  }

  /**
   * Computes the pictures again where the parameters, the nodes or the plane have changed: coarse at
   * once, and fine when nothing has changed for a moment.
   *
   * @param {Page.Drawing} view
   */
  function paint(view) {
    const own = all.get(view),
      plane = DR.planes.of(view.store);
    if (!own || !plane || !view.now) return;
    const { net } = view.store,
      { theta } = view.now,
      nodes = view.nodes;
    if (own.key?.theta !== theta || own.key.nodes !== nodes || own.key.plane !== plane) {
      own.key = { theta, nodes, plane };
      const side = sideFor(net, WORK, MOST);
      own.stop();
      keep(view, own, DR.planes.sample(net, theta, plane, nodes, side), side);
      clearTimeout(own.timer);
      own.timer = setTimeout(() => {
        const fine = sideFor(net, FINE_WORK, FINE);
        if (fine <= side) return;
        own.stop = DR.planes.later(DR.planes.sampling(net, theta, plane, nodes, fine), (maps) => {
          keep(view, own, maps, fine);
          draw(view, own);
        });
      }, REST);
    }
    draw(view, own);
  }

  /** @param {Page.Drawing} view @param {Page.Pictures} own */
  function draw(view, own) {
    const { plan, store, parts, nodes } = view,
      { canvas, atlas, side } = own;
    const plane = DR.planes.of(store);
    const context = DR.dom.context2d(canvas);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!plane || !own.maps || !plan) return;
    const ratio = canvas.width / plan.width,
      half = halfOf(plan);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high";
    const backward = DR.paint.mode(store.state) === "gradient";
    const known = DR.plan.known(store.state.sweep, store.net.L);
    const dot = placeIn(plane, store.seen().x());
    let at = 0;
    nodes.forEach((list, l) => {
      for (const j of list) {
        const number = at++;
        const part = parts.get(`node:${l},${j}`);
        if (!part?.circle) continue;
        const shown = !backward && known.a(l, j);
        put(part.face ?? part.circle, "style", shown ? null : part.circle.getAttribute("style"));
        part.element.classList.toggle("with-picture", shown);
        if (!shown) continue;
        const { x, y } = part;
        context.save();
        context.beginPath();
        context.roundRect(x - half, y - half, 2 * half, 2 * half, 0.3 * half);
        context.clip();
        // Half a pixel inside, so that no neighbour in the atlas is mixed in.
        context.drawImage(
          atlas,
          number * side + 0.5,
          0.5,
          side - 1,
          side - 1,
          x - half,
          y - half,
          2 * half,
          2 * half,
        );
        if (dot) mark(context, x + half * dot[0], y + half * dot[1], Math.max(2.2, 0.11 * half));
        context.restore();
      }
    });
  }

  /**
   * Where a row is in a picture, from −1 to 1 to the right and down; null outside.
   *
   * @param {Page.Plane} plane @param {ArrayLike<number>} x @returns {[number, number] | null}
   */
  function placeIn({ ranges: [x0, x1, y0, y1], place }, x) {
    const [across, up] = place(x);
    const found = [(2 * (across - x0)) / (x1 - x0) - 1, 1 - (2 * (up - y0)) / (y1 - y0)];
    return found.every((t) => Math.abs(t) <= 1) ? [found[0], found[1]] : null;
  }

  /** @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {number} r */
  function mark(context, x, y, r) {
    const [ink, card] = ["--ink", "--card"].map((name) => `rgb(${DR.dom.colour(name).join(" ")})`);
    context.beginPath();
    context.arc(x, y, r, 0, 2 * Math.PI);
    context.fillStyle = card;
    context.fill();
    context.lineWidth = 0.7 * r;
    context.strokeStyle = ink;
    context.stroke();
  }

  return { dress, paint };
})();
DR.pictures = picturesModule;
