// @ts-check
// A picture in every node of a drawing: what it computes over the plane of inputs (planes.js), or an
// image where the inputs are pixels (images.js).
//
// The pictures are on one canvas behind the drawing, whose nodes are squares with nothing inside. A
// node's number stands below its picture, and δ, where it is shown, in its place.
"use strict";

const picturesModule = (function () {
  const { el, clamp } = DR.dom;
  const WORK = 4e6; // multiplications for the pictures of a frame
  const LEAST = 12,
    MOST = 40, // points along a side of a picture while numbers change
    FINE = 96; // and of one that rests
  const FINE_WORK = 4e7;
  const IMAGE_WORK = 1.2e8; // and for the derivatives of images, one pass back for each node
  const REST = 160; // milliseconds without a change

  /** @type {WeakMap<Page.Drawing, Page.Pictures>} */
  const all = new WeakMap();

  /** Points along a side for so much work. @param {Page.Network} net @param {number} work @param {number} most */
  const sideFor = ({ p }, work, most) => Math.floor(clamp(Math.sqrt(work / p), LEAST, most));

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
      timer: 0,
      wide: 0,
      high: 0,
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

  /**
   * Prepares a drawing that was just built for pictures, if its nodes have some.
   *
   * @param {Page.Drawing} view
   */
  function dress(view) {
    const own = all.get(view),
      any = has(view.store);
    view.root.classList.toggle("pictured", any);
    if (own) own.canvas.hidden = !any;
    if (any) (own ?? begin(view)).key = null;
  }

  /** The image that a drawing's nodes show; null where a pass for every node would take too long. @param {Page.Store} store */
  function imageOf(store) {
    const image = DR.images.of(store);
    return image && 20 * store.net.L * store.net.p <= IMAGE_WORK ? image : null;
  }

  /** Whether the nodes of a store's drawing have pictures. @param {Page.Store} store */
  const has = (store) => (DR.planes.of(store) ?? imageOf(store)) !== null;

  /** What the pictures are, for a reader who does not see them. @param {Page.Store} store */
  const words = (store) =>
    DR.planes.of(store)
      ? " Each node has a picture of its a over the inputs, with a ring at the sample."
      : imageOf(store)
        ? " Each node has an image: the sample, the weights into layer 1, or the derivatives by the pixels."
        : "";

  /**
   * Paints maps side by side on the atlas, from which they are copied into the nodes.
   *
   * @param {Page.Pictures} own @param {ArrayLike<number>[][]} maps by layer @param {number} wide
   * @param {number} high @param {(l: number, map: ArrayLike<number>) => { middle: number, most: number }} scale
   * @param {(l: number) => Page.Ink} ink
   */
  function keep(own, maps, wide, high, scale, ink) {
    const count = maps.reduce((total, list) => total + list.length, 0);
    [own.wide, own.high] = [wide, high];
    [own.atlas.width, own.atlas.height] = [wide * count, high];
    const context = DR.dom.context2d(own.atlas),
      image = context.createImageData(wide * count, high);
    let at = 0;
    maps.forEach((list, l) => {
      for (const map of list)
        DR.planes.paint(image.data, wide * at++, wide * count, map, wide, scale(l, map), ink(l));
    });
    context.putImageData(image, 0, 0);
  }

  /**
   * Pictures over a plane, of `side` points along a side; the nodes of a layer have one scale.
   *
   * @param {Page.Network} net which the store may have replaced since
   * @param {Page.Pictures} own @param {Float32Array[][]} maps @param {number} side
   */
  function keepPlane(net, own, maps, side) {
    const ink = DR.maps.colours();
    const scales = maps.map((list, l) => {
      const middle = DR.planes.middleOf(net, l);
      return { middle, most: DR.planes.mostOf(list, middle) };
    });
    const areas = maps.map((list, l) => list.map((map) => DR.planes.filled(map, scales[l], side)));
    keep(
      own,
      areas,
      side,
      side,
      (l) => scales[l],
      () => ink,
    );
  }

  /**
   * Images: the row for an input, weights in layer 1 on one scale, later each on its own.
   *
   * @param {Page.Drawing} view @param {Page.Pictures} own @param {Page.ImageOfInputs} image
   */
  function keepImages({ store, nodes }, own, image) {
    const seen = store.seen();
    const maps = nodes.map((list, l) => list.map((j) => DR.images.pictureOf(seen, image, l, j)));
    const first = { middle: 0, most: DR.planes.mostOf(maps[1], 0) };
    const colours = DR.maps.colours(),
      grey = DR.images.ink();
    keep(
      own,
      maps,
      image.shape[1],
      image.shape[0],
      (l, map) =>
        l === 0 ? { middle: 0, most: 1 } : l === 1 ? first : { middle: 0, most: DR.planes.mostOf([map], 0) },
      (l) => (l === 0 ? grey : colours),
    );
  }

  /**
   * Computes the pictures again where what they show has changed. Those over a plane are coarse at
   * once, and fine when nothing has changed for a moment.
   *
   * @param {Page.Drawing} view
   */
  function paint(view) {
    const own = all.get(view),
      { store, nodes } = view,
      plane = DR.planes.of(store),
      image = plane ? null : imageOf(store);
    if (!own || !view.now || !(plane ?? image)) return;
    const { net } = store,
      { theta, pass } = view.now,
      of = plane ?? pass;
    if (own.key?.theta !== theta || own.key.nodes !== nodes || own.key.of !== of) {
      own.key = { theta, nodes, of };
      own.stop();
      clearTimeout(own.timer);
      if (image) keepImages(view, own, image);
      else if (plane) {
        const side = sideFor(net, WORK, MOST);
        keepPlane(net, own, DR.planes.sample(DR.draft(net), theta, plane, nodes, side), side);
        if (store.moving) return draw(view, own);
        own.timer = setTimeout(() => {
          const fine = sideFor(net, FINE_WORK, FINE);
          if (fine <= side) return;
          own.stop = DR.planes.later(DR.planes.sampling(net, theta, plane, nodes, fine), (maps) => {
            keepPlane(net, own, maps, fine);
            draw(view, own);
          });
        }, REST);
      }
    }
    draw(view, own);
  }

  /** @param {Page.Drawing} view @param {Page.Pictures} own */
  function draw(view, own) {
    const { plan, store, parts, nodes } = view,
      { canvas, atlas, wide, high } = own;
    const plane = DR.planes.of(store),
      image = plane ? null : imageOf(store);
    const context = DR.dom.context2d(canvas);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!(plane ?? image) || !own.key || !plan) return;
    const ratio = canvas.width / plan.width,
      half = plan.r;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.imageSmoothingEnabled = plane !== null;
    context.imageSmoothingQuality = store.moving ? "low" : "high";
    // Half a pixel inside, so that no neighbour in the atlas is mixed in; images have plain pixels.
    const inset = plane ? 0.5 : 0;
    const [w, h] = [wide, high].map((size) => (half * size) / Math.max(wide, high));
    const backward = DR.paint.mode(store.state) === "gradient";
    const known = DR.plan.known(store.state.sweep, store.net.L);
    const row = plane ? placeIn(plane, store.seen().x()) : null;
    let at = 0;
    nodes.forEach((list, l) => {
      for (const j of list) {
        const number = at++;
        const part = parts.get(`node:${l},${j}`);
        if (!part?.face) continue;
        const shown = !backward && known.a(l, j);
        DR.paint.tone(part, "with-picture", shown);
        if (!shown) continue;
        const { x, y } = part;
        context.save();
        context.beginPath();
        context.roundRect(x - half, y - half, 2 * half, 2 * half, 0.3 * half);
        context.clip();
        context.drawImage(
          atlas,
          number * wide + inset,
          inset,
          wide - 2 * inset,
          high - 2 * inset,
          x - w,
          y - h,
          2 * w,
          2 * h,
        );
        const dot = row ?? (image && l === 0 ? pixelIn(image, j) : null);
        if (dot) mark(context, x + w * dot[0], y + h * dot[1], Math.max(2.2, 0.11 * half));
        context.restore();
      }
    });
  }

  /** Where the pixel of an input is in its image. @param {Page.ImageOfInputs} image @param {number} k @returns {[number, number] | null} */
  function pixelIn(image, k) {
    const [rows, columns] = image.shape,
      p = DR.images.pixelOf(image, k);
    if (p < 0) return null;
    return [(2 * ((p % columns) + 0.5)) / columns - 1, (2 * (Math.floor(p / columns) + 0.5)) / rows - 1];
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

  return { has, words, dress, paint };
})();
DR.pictures = picturesModule;
