// @ts-check
// What one node computes over the plane of inputs, large, with the rows as points on it.
//
// A click on a point chooses its row; the pointer and the arrow keys read a at any place.
"use strict";

const planeViewModule = (function () {
  const { el, clamp } = DR.dom;
  const COARSE = 2e6, // multiplications of the picture that is drawn at once
    FINE = 96; // points along a side of the one that follows it
  const CLASSES = 10;
  const NEAR = 0.06; // of a side: how far from a point a click may be
  const STEP = 1 / 24; // of a side, by an arrow key

  /**
   * The node whose picture belongs to a selection: the first output where none does.
   *
   * @param {Page.Store} store @returns {{ l: number, j: number }}
   */
  function nodeOf({ state: { selected }, net }) {
    if (!selected || selected.kind === "cost") return { l: net.L, j: 0 };
    return { l: selected.layer, j: selected.j };
  }

  /**
   * What a row's point shows: a share from 0 (blue) to 1 (orange), or the number of its class.
   *
   * @param {Page.Store} store @param {{ l: number, j: number }} node
   * @returns {(i: number) => { share: number, text: string }}
   */
  function pointsOf(store, { l, j }) {
    const { Y, n } = store.rows,
      wide = Y.shape[1];
    if (wide > 1 && l < store.net.L && wide <= CLASSES)
      return (i) => {
        const y = DR.data.row(Y, i);
        return { share: 0.5, text: String(y.indexOf(Math.max(...y))) };
      };
    const column = l === store.net.L ? j : 0;
    const values = Array.from({ length: n }, (_, i) => DR.data.row(Y, i)[column]);
    const low = Math.min(...values),
      high = Math.max(...values);
    return (i) => ({ share: high > low ? (values[i] - low) / (high - low) : 0.5, text: "" });
  }

  /** What the numbers at points of several classes are. @param {Page.Store} store @param {{ l: number }} node */
  function classWords(store, { l }) {
    const n = store.rows.Y.shape[1],
      { classes, outputs } = store.payload.names;
    if (n === 1 || l === store.net.L || n > 4) return "";
    const names = (classes.length === n ? classes : outputs).map((name) =>
      DR.dom.apart(DR.dom.cut(name, 10)),
    );
    return `${names.map((name, j) => `${j} is ${name}`).join(", ")}. `;
  }

  /** @param {string} name @param {number} k */
  const inputName = (name, k) => (DR.plan.isPlain(name, k) ? `x${DR.text.sub(k)}` : DR.dom.apart(name));

  /** @param {string} name @param {number} [alpha] */
  const css = (name, alpha = 1) => `rgb(${DR.dom.colour(name).join(" ")} / ${alpha})`;

  /**
   * The place of a row from 0 to 1, to the right and up. Over a line it is at the target's height in
   * the picture of an output, and on the curve in that of another node.
   *
   * @param {Page.Store} store @param {Page.Plane} plane @param {{ l: number, j: number }} node
   * @param {{ middle: number, most: number }} scale
   * @returns {(i: number) => [across: number, up: number]}
   */
  function spots(store, { ranges: [x0, x1, y0, y1], place, line }, { l, j }, { middle, most }) {
    return (i) => {
      const [across, up] = place(store.x(i));
      const right = (across - x0) / (x1 - x0);
      if (!line) return [right, (up - y0) / (y1 - y0)];
      const value = l === store.net.L ? store.y(i)[j] : store.pass(i).A[l][j];
      return [right, most > 0 ? 0.5 + (value - middle) / (2 * most) : 0.5];
    };
  }

  /**
   * @param {CanvasRenderingContext2D} context @param {Page.Store} store
   * @param {ReturnType<typeof spots>} spot @param {{ l: number, j: number }} node @param {number} size
   */
  function drawPoints(context, store, spot, node, size) {
    const point = pointsOf(store, node);
    const r = clamp(size / 75, 2, 4);
    const [low, middle, high, card, ink] = ["--negative", "--soft", "--positive", "--card", "--ink"].map(
      (name) => css(name),
    );
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.font = `700 ${3.4 * r}px ${DR.dom.fontFamily()}`;
    const { sample } = store.state;
    // The row that is shown comes last, above the others.
    const order = Array.from({ length: store.rows.n }, (_, i) => i).filter((i) => i !== sample);
    for (const i of [...order, sample]) {
      const [right, up] = spot(i);
      const x = right * size,
        y = (1 - up) * size;
      const { share, text } = point(i);
      const own = i === sample;
      context.lineWidth = own ? 2.5 : 1;
      if (text && !own) {
        context.lineWidth = 2.5;
        context.strokeStyle = card;
        context.strokeText(text, x, y);
        context.fillStyle = ink;
        context.fillText(text, x, y);
        continue;
      }
      context.beginPath();
      context.arc(x, y, own ? 2 * r : r, 0, 2 * Math.PI);
      context.fillStyle = share < 0.35 ? low : share > 0.65 ? high : middle;
      if (!text) context.fill();
      context.strokeStyle = own ? ink : card;
      context.stroke();
      if (!text) continue;
      context.fillStyle = ink;
      context.fillText(text, x, y);
    }
  }

  /**
   * The row whose point is the nearest to a place from 0 to 1; −1 if none is near.
   *
   * @param {number} n @param {ReturnType<typeof spots>} spot @param {number} right @param {number} up
   */
  function nearest(n, spot, right, up) {
    let best = -1,
      least = NEAR;
    for (let i = 0; i < n; ++i) {
      const [x, y] = spot(i);
      const far = Math.hypot(x - right, y - up);
      if (far < least) [best, least] = [i, far];
    }
    return best;
  }

  /**
   * The figure of a store's selection, which follows the store; hidden where there is no plane.
   *
   * @param {Page.Store} store
   */
  function figure(store) {
    const behind = document.createElement("canvas");
    const canvas = el("canvas", {
      tabindex: 0,
      role: "application",
      "aria-roledescription": "map of a node",
    });
    const out = el("output", { class: "readout", "aria-live": "polite" });
    const ends = el("div", { class: "plane-ends" });
    const title = el("figcaption", {});
    const box = el("figure", { class: "plane-view" }, title, canvas, ends, out);
    let node = nodeOf(store);
    /** @type {[across: number, up: number] | null} The place that is read. */
    let place = null;
    let stop = () => {};
    /** @type {Page.Ink | null} */
    let ink = null;
    let scale = { middle: 0, most: 0 };

    /** @param {Float32Array} map @param {number} side */
    function take(map, side) {
      const { l, j } = node,
        middle = DR.planes.middleOf(store.net, l);
      scale = { middle, most: DR.planes.mostOf([map], middle) };
      if (map.length === side) {
        const targets = Array.from({ length: l === store.net.L ? store.rows.n : 0 }, (_, i) => store.y(i)[j]);
        scale.most = 1.08 * Math.max(scale.most, DR.planes.mostOf([targets], middle));
      }
      ink ??= DR.maps.colours();
      behind.width = behind.height = side;
      const context = DR.dom.context2d(behind),
        image = context.createImageData(side, side);
      DR.planes.paint(image.data, 0, side, DR.planes.filled(map, scale, side), side, scale, ink, 0.7);
      context.putImageData(image, 0, 0);
      let low = Infinity,
        high = -Infinity;
      for (const value of map) [low, high] = [Math.min(low, value), Math.max(high, value)];
      ends.replaceChildren(
        el("span", { text: `from ${DR.dom.brief(low)}` }),
        el("span", { text: `to ${DR.dom.brief(high)}` }),
      );
      draw();
    }

    // Once a frame: before a canvas takes a font or gives its width, the browser lays out the page.
    const draw = DR.dom.eachFrame(() => {
      const plane = DR.planes.of(store);
      const size = canvas.clientWidth;
      if (!plane || !size) return;
      const ratio = Math.min(devicePixelRatio || 1, 2);
      const pixels = Math.round(size * ratio);
      if (canvas.width !== pixels) canvas.width = canvas.height = pixels;
      const context = DR.dom.context2d(canvas);
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.imageSmoothingEnabled = true;
      context.imageSmoothingQuality = "high";
      context.drawImage(behind, 0, 0, size, size);
      const seen = store.seen();
      drawPoints(context, seen, spots(seen, plane, node, scale), node, size);
      if (!place) return;
      const [x0, x1, y0, y1] = plane.ranges;
      const x = ((place[0] - x0) / (x1 - x0)) * size,
        y = (1 - (place[1] - y0) / (y1 - y0)) * size;
      context.strokeStyle = css("--ink");
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(x, 0);
      context.lineTo(x, size);
      context.moveTo(0, y);
      context.lineTo(size, y);
      context.stroke();
    });

    function words() {
      const { inputs } = store.payload.names;
      const [, text] = DR.text.symbols.a(node.l, node.j);
      const names = store.plane?.names ?? [0, 1].map((k) => inputName(inputs[k] ?? `x_${k}`, k));
      const [across, up] = names.map(DR.text.named);
      const line = DR.planes.of(store)?.line;
      const name = `${text} over ${across}${line ? "" : ` (to the right) and ${up} (up)`}`;
      const second = line ? "" : ` and ${DR.dom.cut(up, 14)} ↑`;
      title.replaceChildren(el("b", { text }), ` over ${DR.dom.cut(across, 14)} →${second}`);
      DR.dom.put(
        canvas,
        "aria-label",
        `${name}, with the rows as points. Arrow keys read a place, Enter chooses the row nearest to it.`,
      );
      read();
    }

    function read() {
      const plane = DR.planes.of(store);
      if (!plane || !place) {
        out.textContent = `${classWords(store, node)}Click or tap a point to choose its row.`;
        return;
      }
      const { net } = store;
      const at = plane.at(place[0], place[1]);
      const a = DR.driver.forward(net, store.seen().theta(), at).A[node.l][node.j];
      const [across, up] = place.map((value) => DR.dom.brief(value));
      out.textContent = `${plane.line ? across : `(${across}, ${up})`}: a = ${DR.number(a)}`;
    }

    /** Computes the map: coarse at once, fine a moment later. */
    function compute() {
      const plane = DR.planes.of(store);
      box.hidden = plane === null;
      stop();
      if (!plane) return;
      node = nodeOf(store);
      const { net } = store,
        theta = store.seen().theta();
      const nodes = net.widths.map((_, l) => (l === node.l ? [node.j] : []));
      const side = Math.floor(clamp(Math.sqrt(COARSE / net.p), 10, 48));
      words();
      take(DR.planes.sample(net, theta, plane, nodes, side)[node.l][0], side);
      stop = DR.planes.later(DR.planes.sampling(net, theta, plane, nodes, FINE), (maps) =>
        take(maps[node.l][0], FINE),
      );
    }

    /** @param {[across: number, up: number] | null} next */
    function go(next) {
      place = next;
      read();
      draw();
    }
    function choose() {
      const plane = DR.planes.of(store);
      if (!plane || !place) return;
      const [x0, x1, y0, y1] = plane.ranges,
        { n } = store.rows;
      const right = (place[0] - x0) / (x1 - x0),
        up = (place[1] - y0) / (y1 - y0);
      const spot = spots(store.seen(), plane, node, scale);
      let row = nearest(n, spot, right, up);
      // The keys go along a line, at whatever height.
      if (row < 0 && plane.line) row = nearest(n, (i) => [spot(i)[0], up], right, up);
      if (row >= 0) store.set({ sample: row });
    }
    /** @param {MouseEvent} event */
    function under(event) {
      const plane = DR.planes.of(store);
      if (!plane) return;
      const { left, top, width, height } = canvas.getBoundingClientRect();
      const [x0, x1, y0, y1] = plane.ranges;
      go([
        x0 + ((event.clientX - left) / width) * (x1 - x0),
        y1 + ((event.clientY - top) / height) * (y0 - y1),
      ]);
    }
    canvas.addEventListener("pointermove", (event) => event.pointerType !== "touch" && under(event));
    canvas.addEventListener("pointerleave", () => document.activeElement !== canvas && go(null));
    canvas.addEventListener("blur", () => go(null));
    canvas.addEventListener("click", (event) => {
      under(event);
      choose();
    });
    canvas.addEventListener("keydown", (event) => {
      const plane = DR.planes.of(store);
      if (!plane || event.altKey || event.ctrlKey || event.metaKey) return;
      const [x0, x1, y0, y1] = plane.ranges;
      const [x, y] = place ?? plane.place(store.seen().x());
      const dx = STEP * (x1 - x0),
        dy = STEP * (y1 - y0);
      /** @type {Record<string, [number, number] | undefined>} */
      const moves = {
        ArrowLeft: [x - dx, y],
        ArrowRight: [x + dx, y],
        ArrowUp: [x, y + dy],
        ArrowDown: [x, y - dy],
      };
      const to = moves[event.key];
      if (to) go([clamp(to[0], x0, x1), clamp(to[1], y0, y1)]);
      else if (event.key === "Enter" || event.key === " ") choose();
      else return;
      event.preventDefault();
    });
    store.subscribe((_, changed) => {
      if (["selected", "state", "payload", "nudge"].some((key) => changed.has(key))) compute();
      else if (changed.has("sample")) draw();
    });
    document.addEventListener("deltarule-theme", () => {
      ink = null;
      compute();
    });
    new ResizeObserver(draw).observe(canvas);
    compute();
    return box;
  }

  return { figure };
})();
DR.planeView = planeViewModule;
