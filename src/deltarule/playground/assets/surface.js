// @ts-check
// The network's prediction over a plane through two columns, with the rows as points on it.
"use strict";

const surfaceModule = (function () {
  const { el, choice } = DR.dom;
  const { css, colour, short } = DR.canvas;
  const MARGIN = { right: 10, top: 10, bottom: 34 };
  /** What decides the controls of the plane. @type {("plane" | "inputs" | "axes" | "target")[]} */
  const OF_PLANE = ["plane", "inputs", "axes", "target"];
  const TITLE = 27; // for the name at the left side, and what parts it from the ticks
  const CLASSES = 10;
  // Two classes differ in shape too; more are drawn as their number.
  const SHAPES = ["circle", "diamond"];

  /** @param {Live.Run} run @param {number} c */
  const classColour = (run, c) =>
    run.target.classes.length === 2 ? (c === 0 ? "--negative" : "--positive") : `--class-${c % CLASSES}`;

  /**
   * The colours of the levels 0 to 255, from one soft colour over the paper to the other.
   *
   * @param {number[]} low @param {number[]} high
   */
  function ramp(low, high) {
    const middle = colour("--card");
    return Array.from({ length: 256 }, (_, level) => {
      const t = (level - 127.5) / 127.5,
        end = t < 0 ? low : high,
        share = Math.abs(t) ** 0.8 * 0.62;
      return middle.map((part, i) => Math.round(part + (end[i] - part) * share));
    });
  }

  /**
   * One pixel for each place of the plane.
   *
   * @param {Live.Run} run @param {Live.Arrays} arrays @param {ImageData} image
   */
  function pixels(run, arrays, image) {
    const { data } = image,
      { level } = arrays,
      kinds = arrays.class;
    const paper = colour("--card");
    const plain = kinds ? null : ramp(colour("--negative"), colour("--positive"));
    const tones = kinds ? run.target.classes.map((_, c) => colour(classColour(run, c))) : [];
    const floor = kinds ? 1 / run.target.classes.length : 0;
    for (let i = 0; i < level.length; ++i) {
      /** @type {number[]} */
      let tone;
      if (plain) tone = plain[level[i]];
      else {
        // The colour is as strong as the class is more probable than by chance.
        const share = 0.14 + 0.5 * Math.max(0, (level[i] / 255 - floor) / (1 - floor));
        tone = tones[kinds?.[i] ?? 0].map((part, at) => paper[at] + (part - paper[at]) * share);
      }
      data.set([tone[0], tone[1], tone[2], 255], 4 * i);
    }
    return image;
  }

  /**
   * @param {CanvasRenderingContext2D} context @param {string} kind @param {number} x @param {number} y
   * @param {number} r
   */
  function shape(context, kind, x, y, r) {
    context.beginPath();
    if (kind === "circle") context.arc(x, y, r, 0, 2 * Math.PI);
    else {
      const d = 1.25 * r;
      context.moveTo(x, y - d);
      context.lineTo(x + d, y);
      context.lineTo(x, y + d);
      context.lineTo(x - d, y);
      context.closePath();
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context @param {Live.Run} run @param {number} value
   * @param {boolean | number} held @param {number} x @param {number} y @param {number} r
   */
  function point(context, run, value, held, x, y, r) {
    const { classes, low, high, mean, scale } = run.target;
    if (classes.length > 2) {
      context.fillStyle = css(classColour(run, value), held ? 0.6 : 1);
      context.strokeStyle = css("--card", held ? 0.3 : 0.9);
      context.strokeText(String(value), x, y);
      context.fillText(String(value), x, y);
      return;
    }
    const share = classes.length ? value : (value * scale + mean - low) / (high - low || 1);
    const tone = classes.length
      ? css(classColour(run, value))
      : css(share < 0.5 ? "--negative" : "--positive", 0.25 + 1.5 * Math.abs(share - 0.5));
    shape(context, classes.length ? SHAPES[value] : "circle", x, y, r);
    context.fillStyle = held ? css("--card") : tone;
    context.fill();
    context.strokeStyle = held ? tone : css("--card");
    context.lineWidth = held ? 1.6 : 0.8;
    context.stroke();
  }

  /**
   * @param {CanvasRenderingContext2D} context @param {Live.Run} run @param {Live.Rectangle} box
   * @param {boolean} shown
   */
  function drawPoints(context, run, box, shown) {
    const { points, plane } = run,
      [x0, x1, y0, y1] = plane.ranges;
    const r = Math.max(2.4, Math.min(4, box.width / 90));
    context.font = DR.canvas.font(3 * r, 700);
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineWidth = 2.5;
    points.x.forEach((x, i) => {
      if (points.held[i] && !shown) return;
      const across = box.left + ((x - x0) / (x1 - x0)) * box.width;
      const down = box.top + (1 - (points.y[i] - y0) / (y1 - y0)) * box.height;
      point(context, run, points.value[i], points.held[i], across, down, r);
    });
  }

  const DAY = 86_400_000;
  /** @param {number} days @param {number} span */
  const dayText = (days, span) =>
    new Date(days * DAY).toISOString().slice(0, span > 4 * 365 ? 4 : span > 120 ? 7 : 10);

  /**
   * The ticks of an axis: places from 0 to 1, and texts in the unit of the table, or the levels.
   *
   * @param {Live.Run} { axes, target } @param {number} number @param {number} from @param {number} to
   * @returns {{ at: number, text: string }[]}
   */
  function side({ axes, target }, number, from, to) {
    const axis =
      number < 0 ? { offset: target.mean, scale: target.scale, levels: [], date: false } : axes[number];
    const n = axis.levels.length;
    if (n) return axis.levels.map((text, j) => ({ at: (j + 0.5) / n, text: DR.dom.cut(text, 14) }));
    const [low, high] = [from, to].map((value) => value * axis.scale + axis.offset);
    return DR.plots.ticks(low, high, axis.date ? 4 : 5).map((value) => ({
      at: (value - low) / (high - low),
      text: axis.date ? dayText(value, high - low) : short(value),
    }));
  }

  /** @param {Live.Run} run */
  const sides = (run) => ({
    across: side(run, run.plane.x, run.plane.ranges[0], run.plane.ranges[1]),
    up: side(run, run.plane.y, run.plane.ranges[2], run.plane.ranges[3]),
  });

  /**
   * Every second tick, or fewer, where all of them would touch.
   *
   * @param {{ at: number, text: string }[]} ticks @param {number} room
   */
  function thinned(ticks, room) {
    const apart = Math.max(1, Math.ceil(room / (Math.abs(ticks[1]?.at - ticks[0]?.at) || 1)));
    return ticks.filter((_, i) => i % apart === 0);
  }

  /**
   * Room at the left for the longest tick.
   *
   * @param {CanvasRenderingContext2D} context @param {Live.Run} run
   */
  function leftOf(context, run) {
    context.font = DR.canvas.font(11);
    return (
      TITLE + Math.ceil(Math.max(14, ...sides(run).up.map(({ text }) => context.measureText(text).width)))
    );
  }

  /**
   * Ticks along both axes.
   *
   * @param {CanvasRenderingContext2D} context @param {Live.Run} run @param {Live.Rectangle} box
   */
  function drawAxes(context, run, box) {
    const { plane, axes, target } = run,
      { across, up } = sides(run);
    context.fillStyle = css("--soft");
    context.strokeStyle = css("--strong-line");
    context.lineWidth = 1;
    context.font = DR.canvas.font(11);
    context.textBaseline = "middle";
    context.textAlign = "center";
    const widest = Math.max(...across.map(({ text }) => context.measureText(text).width)) + 8;
    for (const { at, text } of thinned(across, widest / box.width))
      context.fillText(text, box.left + at * box.width, box.top + box.height + 12);
    context.textAlign = "right";
    for (const { at, text } of thinned(up, 13 / box.height))
      context.fillText(text, box.left - 6, box.top + (1 - at) * box.height);
    context.strokeRect(box.left - 0.5, box.top - 0.5, box.width + 1, box.height + 1);
    context.textAlign = "center";
    context.font = DR.canvas.font(12, 600);
    context.fillText(DR.dom.cut(axes[plane.x].name, 32), box.left + box.width / 2, box.top + box.height + 27);
    context.save();
    context.translate(9, box.top + box.height / 2);
    context.rotate(-Math.PI / 2);
    context.fillText(DR.dom.cut(plane.y < 0 ? target.name : axes[plane.y].name, 32), 0, 0);
    context.restore();
  }

  /**
   * The prediction as a line over a single column; level 0 is the least target, 255 the greatest.
   *
   * @param {CanvasRenderingContext2D} context @param {Live.Run} run @param {Live.Arrays} arrays
   * @param {Live.Rectangle} box
   */
  function drawPrediction(context, run, { level }, box) {
    const {
      plane: {
        ranges: [, , y0, y1],
        side: n,
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
    return el("div", { class: "row classes" }, el("span", { class: "label", text: name }), ...items);
  }

  /**
   * Shows the plane in `element`, and follows descriptions and frames.
   *
   * @param {HTMLElement} element @param {Live.Order} order
   */
  function mount(element, order) {
    const canvas = el("canvas", { class: "plane", role: "img", "aria-label": "Decision surface" });
    const frame = el("div", { class: "plane-frame" }, canvas);
    const axes = el("div", { class: "row axes-of-plane" });
    const key = el("div");
    const behind = document.createElement("canvas"),
      front = document.createElement("canvas");
    /** @type {Live.Run | null} The newest description. */
    let run = null;
    /** @type {Live.Arrays | null} Those of the newest frame of this run. */
    let arrays = null;
    /** @type {ImageData | null} */
    let image = null;
    let shown = true;
    let size = "";

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
      drawPoints(context, run, box, shown);
      drawAxes(context, run, box);
    }

    const paint = DR.canvas.make(frame, canvas, (context, width, height) => {
      if (!run || !arrays?.level) return;
      const { right, top, bottom } = MARGIN,
        left = leftOf(context, run);
      const box = { left, top, width: width - left - right, height: height - top - bottom };
      context.imageSmoothingEnabled = true;
      context.drawImage(behind, box.left, box.top, box.width, box.height);
      overlay(run, width, height, box);
      context.drawImage(front, 0, 0, width, height);
      if (run.plane.y < 0) drawPrediction(context, run, arrays, box);
    });

    function colours() {
      if (!run || !arrays?.level) return;
      const { side } = run.plane;
      if (behind.width !== side) behind.width = behind.height = side;
      image = image || new ImageData(side, side);
      DR.dom.context2d(behind).putImageData(pixels(run, arrays, image), 0, 0);
      paint();
    }

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
        ...known.map((axis, k) => el("option", { value: k, text: DR.dom.cut(axis.name, 40) })),
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

    /** @param {Live.Run} run */
    function controls(run) {
      const { plane, inputs, axes: known } = run;
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
      if (inputs.length > 2) {
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
      if (run.rows.held) {
        /** @type {HTMLInputElement} */
        const box = el("input", {
          type: "checkbox",
          id: "held-points",
          onchange: () => {
            shown = box.checked;
            size = "";
            paint();
          },
        });
        box.checked = shown;
        held.push(
          el(
            "div",
            { class: "field check" },
            box,
            el("label", {
              for: "held-points",
              text: `rows held out (${run.target.classes.length > 2 ? "faint" : "hollow"})`,
            }),
          ),
        );
      }
      axes.replaceChildren(...parts);
      const colours = legend(run);
      colours.append(...held);
      key.replaceChildren(colours);
    }

    element.replaceChildren(frame, key, axes);
    document.addEventListener("deltarule-theme", () => {
      size = "";
      colours();
    });
    return {
      /** @param {Live.Run} next */
      run(next) {
        const before = run;
        run = next;
        size = "";
        arrays = null; // the arrays of another plane do not fit this one
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
        arrays = next.arrays;
        colours();
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
