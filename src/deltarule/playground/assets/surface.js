// @ts-check
// The network's prediction over a plane through two columns, with the rows as points on it.
"use strict";

const surfaceModule = (function () {
  const { el, choice } = DR.dom;
  const { css, colour, short } = DR.canvas;
  const MARGIN = { right: 10, top: 10, bottom: 34 };
  /** What decides the controls of the plane. @type {("plane" | "inputs" | "axes" | "target")[]} */
  const OF_PLANE = ["plane", "inputs", "axes", "target"];
  const BANDS = 8; // of a quantity, where its output is discretised
  const { SHAPES, classColour } = DR.points;

  /** A colour as a pixel of an image. @param {number[]} tone */
  const pixel = ([red, green, blue]) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;

  /** A mixture. @param {number[]} from @param {number[]} to @param {number} share */
  const mixed = (from, to, share) => from.map((part, i) => Math.round(part + (to[i] - part) * share));

  /**
   * The pixel of each level from 0 to 255, for each class where there are more than two.
   *
   * @param {Live.Run} run @param {boolean} discrete whether the class is shown and not how probable it is
   * @returns {Uint32Array[]}
   */
  function palettes(run, discrete) {
    const paper = colour("--card"),
      { classes } = run.target;
    /** @param {(level: number) => number[]} tone */
    const palette = (tone) => Uint32Array.from({ length: 256 }, (_, level) => pixel(tone(level)));
    if (classes.length <= 2) {
      const [low, high] = [colour("--negative"), colour("--positive")];
      return [
        palette((level) => {
          const known = classes.length ? (level < 128 ? 0 : 255) : banded(level);
          const t = ((discrete ? known : level) - 127.5) / 127.5;
          return mixed(paper, t < 0 ? low : high, Math.abs(t) ** 0.8 * 0.62);
        }),
      ];
    }
    const floor = 1 / classes.length;
    return classes.map((_, c) =>
      palette((level) => {
        // The colour is as strong as the class is more probable than by chance.
        const share = discrete ? 1 : Math.max(0, (level / 255 - floor) / (1 - floor));
        return mixed(paper, colour(classColour(run, c)), 0.14 + 0.5 * share);
      }),
    );
  }

  /** The middle of the band that a level is in. @param {number} level */
  const banded = (level) => ((Math.min(BANDS - 1, Math.floor((level * BANDS) / 255)) + 0.5) * 255) / BANDS;

  /**
   * One pixel for each place of the plane.
   *
   * @param {Uint32Array[]} tones @param {Live.Arrays} arrays @param {ImageData} image
   */
  function pixels(tones, { level, class: kinds }, image) {
    const data = new Uint32Array(image.data.buffer);
    if (kinds) for (let i = 0; i < level.length; ++i) data[i] = tones[kinds[i]][level[i]];
    else for (let i = 0; i < level.length; ++i) data[i] = tones[0][level[i]];
    return image;
  }

  /**
   * The prediction as a line over a single column; level 0 is the least target, 255 the greatest.
   *
   * @param {CanvasRenderingContext2D} context @param {Live.Run} run @param {Live.Frame} frame
   * @param {Live.Rectangle} box
   */
  function drawPrediction(context, run, { arrays: { level }, header: { side: n } }, box) {
    const {
      plane: {
        ranges: [, , y0, y1],
      },
      target,
    } = run;
    if (target.classes.length) return;
    const [low, high] = [target.low, target.high].map(
      (value) => ((value - target.mean) / target.scale - y0) / (y1 - y0),
    );
    context.beginPath();
    for (let i = 0; i < n; ++i) {
      const up = low + (level[i] / 255) * (high - low);
      context.lineTo(box.left + (i / (n - 1)) * box.width, box.top + (1 - up) * box.height);
    }
    context.lineJoin = "round";
    /** @type {[tone: string, width: number][]} */
    const strokes = [
      ["--card", 5],
      ["--ink", 2.5],
    ];
    for (const [tone, width] of strokes) {
      context.strokeStyle = css(tone);
      context.lineWidth = width;
      context.stroke();
    }
  }

  /**
   * @param {string} id @param {string} text @param {boolean} on @param {(on: boolean) => void} onchange
   */
  function check(id, text, on, onchange) {
    /** @type {HTMLInputElement} */
    const box = el("input", { type: "checkbox", id, onchange: () => onchange(box.checked) });
    box.checked = on;
    return el("div", { class: "field check" }, box, el("label", { for: id, text }));
  }

  /** @param {Live.Run} run */
  function legend(run) {
    const { classes, name, low, high } = run.target;
    const items = classes.length
      ? classes.map((label, c) =>
          el(
            "span",
            { class: "class" },
            el("span", {
              class: `dot ${classes.length === 2 ? SHAPES[c] : "number"}`,
              style: `--tone: var(${classColour(run, c)})`,
              "aria-hidden": "true",
              text: classes.length === 2 ? "" : String(c),
            }),
            DR.dom.cut(label, 18),
          ),
        )
      : [
          el("span", { class: "class", text: short(low) }),
          el("span", { class: "ramp", "aria-hidden": "true" }),
          el("span", { class: "class", text: short(high) }),
        ];
    // The colour between two classes says how probable they are.
    if (classes.length === 2)
      items.splice(
        1,
        0,
        el("span", {
          class: "ramp",
          role: "img",
          "aria-label": "to",
          title: "the colour says how probable each class is, pale: undecided",
        }),
      );
    return el("div", { class: "row classes" }, el("span", { class: "label", text: name }), ...items);
  }

  /**
   * Shows the plane in `element`, and follows descriptions and frames. A point that is chosen is told
   * to `choose(row)`, and a change of how it is shown to `changed()`.
   *
   * @param {HTMLElement} element @param {Live.Order} order @param {(row: number) => void} choose
   * @param {() => void} changed
   */
  function mount(element, order, choose, changed) {
    const canvas = el("canvas", {
      class: "plane",
      tabindex: 0,
      role: "application",
      "aria-roledescription": "decision surface",
      "aria-label": "Decision surface",
      "aria-describedby": "surface-keys",
    });
    const readout = el("output", { class: "readout", "aria-live": "polite" });
    const keys = el("span", {
      id: "surface-keys",
      class: "unseen",
      text: "Arrow keys go from point to point, Enter shows the row in the network.",
    });
    const frame = el("div", { class: "plane-frame" }, canvas, readout, keys);
    const key = el("div", {}),
      axes = el("div", { class: "row axes-of-plane" });
    const behind = document.createElement("canvas"),
      front = document.createElement("canvas");
    /** @type {Live.Run | null} The newest description. */
    let run = null;
    /** @type {Live.Frame | null} The newest frame of this run. */
    let newest = null;
    /** @type {ImageData | null} */
    let image = null;
    /** @type {Uint32Array[] | null} */
    let tones = null;
    let shown = true,
      discrete = false;
    let size = "";
    /** @type {Live.Rectangle | null} Where the plane is in the canvas. */
    let box = null;
    /** @type {Live.Place[]} The points that are shown. */
    let places = [];
    /** @type {Live.Place | null} The point that a pointer or a key is at. */
    let hot = null;
    /** @type {number | null} The row that the network shows. */
    let chosen = null;
    /** @type {HTMLCanvasElement | null} The picture of a node, which stands in place of the prediction. */
    let lifted = null;
    const title = element.closest("section")?.querySelector("h2");
    const name = title?.textContent ?? "";

    /**
     * Points and axes, which do not change while the run goes on: painted once, then copied.
     *
     * @param {Live.Run} run @param {number} width @param {number} height @param {Live.Rectangle} box
     */
    function overlay(run, width, height, box) {
      const now = `${width}/${height}/${canvas.width}`;
      if (now === size) return;
      size = now;
      [front.width, front.height] = [canvas.width, canvas.height];
      const context = DR.dom.context2d(front);
      const ratio = canvas.width / width;
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      places = DR.points.places(run, box).filter(({ held }) => shown || !held);
      DR.points.draw(context, run, box, places);
      DR.axes.draw(context, run, box);
    }

    const paint = DR.canvas.make(frame, canvas, (context, width, height) => {
      if (!run || !newest?.arrays.level) return;
      const { right, top } = MARGIN,
        left = DR.axes.leftOf(context, run),
        bottom = MARGIN.bottom * DR.canvas.scale();
      box = { left, top, width: width - left - right, height: height - top - bottom };
      context.imageSmoothingEnabled = true;
      context.imageSmoothingQuality = newest.header.phase === "playing" ? "low" : "high";
      context.drawImage(lifted ?? behind, box.left, box.top, box.width, box.height);
      overlay(run, width, height, box);
      context.drawImage(front, 0, 0, width, height);
      if (run.plane.y < 0 && !lifted) drawPrediction(context, run, newest, box);
      for (const place of places)
        if (place.row === chosen || place.row === hot?.row) DR.points.ring(context, box, place);
    });

    function colours() {
      if (!run || !newest?.arrays.level) return;
      const { side } = newest.header;
      if (behind.width !== side) behind.width = behind.height = side;
      if (image?.width !== side) image = new ImageData(side, side);
      tones ??= palettes(run, discrete);
      DR.dom.context2d(behind).putImageData(pixels(tones, newest.arrays, image), 0, 0);
      paint();
    }

    /** @param {Live.Place | null} place */
    function at(place) {
      if (place?.row === hot?.row) return;
      hot = place;
      canvas.classList.toggle("at-point", place !== null);
      readout.textContent = place && run ? DR.points.words(run, place) : "";
      if (place && box) {
        const right = place.x > box.left + box.width / 2;
        Object.assign(readout.style, {
          left: right ? "auto" : `${place.x + 12}px`,
          right: right ? `${canvas.clientWidth - place.x + 12}px` : "auto",
          top: `${Math.max(2, place.y - 34)}px`,
        });
      }
      paint();
    }

    /** @param {MouseEvent} event */
    const under = (event) => {
      const { left, top } = canvas.getBoundingClientRect();
      return DR.points.nearest(places, event.clientX - left, event.clientY - top);
    };
    canvas.addEventListener("pointermove", (event) => at(under(event)));
    canvas.addEventListener("pointerleave", () => at(null));
    canvas.addEventListener("blur", () => at(null));
    canvas.addEventListener("click", (event) => {
      const place = under(event);
      at(place);
      if (place) choose(place.row);
    });
    canvas.addEventListener("keydown", (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey) return;
      if ((event.key === "Enter" || event.key === " ") && hot) choose(hot.row);
      else if (event.key.startsWith("Arrow")) {
        const from = hot ?? places.find(({ row }) => row === chosen) ?? null;
        at(DR.points.next(places, from, event.key) ?? from);
      } else return;
      event.preventDefault();
    });

    /**
     * @param {Live.Axis[]} known @param {string} name @param {string} label @param {number} chosen
     * @param {(axis: number) => void} onchange
     */
    function select(known, name, label, chosen, onchange) {
      const id = `axis-${name}`;
      /** @type {HTMLSelectElement} */
      const list = el(
        "select",
        { id, onchange: () => onchange(Number(list.value)) },
        ...known.map((axis, k) => el("option", { value: k, text: DR.dom.cut(DR.text.named(axis.name), 40) })),
      );
      list.value = String(chosen);
      return el("div", { class: "field" }, el("label", { for: id, text: label }), list);
    }

    /** @param {Partial<Live.Run["plane"]>} changes */
    function ask(changes) {
      if (!run) return;
      const { x, y, hold } = { ...run.plane, ...changes };
      order("axes", { x, y, hold });
    }

    /** Shows classes, or how probable they are. @param {boolean} on */
    function show(on) {
      discrete = on;
      tones = null;
      const input = /** @type {HTMLInputElement | null} */ (element.querySelector("#discrete"));
      if (input) input.checked = on;
      colours();
    }

    /** @param {Live.Run} run */
    function controls(run) {
      const { plane, axes: known } = run;
      /** @type {Element[]} */
      const parts = [];
      /** @type {Element[]} */
      const held = [];
      if (known.length > 1) {
        // Where both axes would show the same column, the other one takes the column that this one had.
        /** @param {number} k @param {number} before */
        const other = (k, before) => (k === before ? (k === plane.x ? plane.y : plane.x) : before);
        parts.push(select(known, "x", "Across", plane.x, (x) => ask({ x, y: other(x, plane.y) })));
        parts.push(select(known, "y", "Up", plane.y, (y) => ask({ y, x: other(y, plane.x) })));
      }
      // Inputs derived from the two that are drawn, and levels of one category, are held nowhere.
      if (known.length > 2) {
        const hold = choice(
          "Where the other inputs are held",
          [
            ["mean", "Others at mean"],
            ["median", "median"],
          ],
          (value) => ask({ hold: value }),
        );
        hold.show(plane.hold);
        parts.push(hold);
      }
      const kinds = run.target.classes.length;
      if (run.rows.held)
        held.push(
          check("held-points", `rows held out (${kinds > 2 ? "faint" : "hollow"})`, shown, (on) => {
            shown = on;
            size = "";
            paint();
          }),
        );
      held.push(
        check("discrete", kinds ? "discrete output" : "output in bands", discrete, (on) => {
          show(on);
          changed();
        }),
      );
      axes.replaceChildren(...parts);
      const colours = legend(run);
      colours.append(...held);
      key.replaceChildren(colours);
    }

    element.replaceChildren(frame, key, axes);
    for (const kind of ["deltarule-theme", "deltarule-size"])
      document.addEventListener(kind, () => {
        size = "";
        tones = null;
        colours();
      });
    return {
      /** @param {Live.Run} next */
      run(next) {
        const before = run;
        run = next;
        size = "";
        newest = tones = null; // the arrays of another plane do not fit this one
        at(null);
        const same =
          before &&
          OF_PLANE.every(
            (name) =>
              JSON.stringify({ ...before[name], ranges: 0 }) === JSON.stringify({ ...next[name], ranges: 0 }),
          );
        if (!same || before.rows.held !== next.rows.held) controls(next);
      },
      /** @param {Live.Frame} next */
      frame(next) {
        newest = next;
        colours();
      },
      show,
      get discrete() {
        return discrete;
      },
      /** Shows the picture of a node in place of the prediction. @param {HTMLCanvasElement | null} picture @param {string} words */
      lift(picture, words) {
        if (!picture && !lifted) return;
        lifted = picture;
        key.classList.toggle("of-prediction", picture !== null);
        if (title) title.textContent = words || name;
        paint();
      },
      /** Marks the point of a row. @param {number | null} row */
      mark(row) {
        if (row === chosen) return;
        chosen = row;
        paint();
      },
      /** @param {string} text */
      label(text) {
        DR.dom.put(canvas, "aria-label", text);
      },
    };
  }

  return { mount };
})();
DR.surface = surfaceModule;
