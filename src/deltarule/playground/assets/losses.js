// @ts-check
// The loss over the epochs: of the training rows, and of the held-out rows.
"use strict";

const lossesModule = (function () {
  const { el } = DR.dom;
  const { css, short, tick } = DR.canvas;
  const MARGIN = { left: 46, right: 6, top: 7, bottom: 20 };
  const MOST_MARKS = 40;
  /** What was changed within a run, "rate" or "weight", and after how many epochs. @typedef {{ kind: string, epoch: number }} Mark */
  const BESIDE = 12; // pixels, of a label of the axis, between the edge and the curve
  const STRIP = { around: 2, letter: 11, least: 45, epochs: 150 }; // pixels; the widths from which it has words

  /** @param {Float32Array} curve @param {boolean} log */
  function range(curve, log) {
    let low = Infinity,
      high = -Infinity;
    for (let i = 0; i < curve.length; i += 3) {
      for (const value of [curve[i + 1], curve[i + 2]]) {
        if (!Number.isFinite(value) || (log && value <= 0)) continue;
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
    }
    if (low > high) return [log ? 0.1 : 0, 1];
    if (!log) return [Math.min(0, low), high * 1.05 || 1];
    return low === high ? [low / 2, high * 2] : [low, high];
  }

  /**
   * Round values for a logarithmic axis: powers of ten, or 1, 2 and 5 of few.
   *
   * @param {number} low @param {number} high
   */
  function decades(low, high) {
    const [from, to] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
    const apart = Math.max(1, Math.ceil((to - from) / 5));
    const factors = to - from <= 2 ? [1, 2, 5] : [1];
    const list = [];
    for (let e = from; e <= to; e += apart) for (const f of factors) list.push(f * 10 ** e);
    return list.filter((v) => v >= low * 0.999 && v <= high * 1.001);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Float32Array} curve
   * @param {number} which
   * @param {(epoch: number) => number} X
   * @param {(value: number) => number} Y
   * @param {boolean} log
   */
  function line(context, curve, which, X, Y, log) {
    context.beginPath();
    let drawn = false;
    for (let i = 0; i < curve.length; i += 3) {
      const value = curve[i + which];
      if (!Number.isFinite(value) || (log && value <= 0)) {
        drawn = false;
        continue;
      }
      if (drawn) context.lineTo(X(curve[i]), Y(value));
      else context.moveTo(X(curve[i]), Y(value));
      drawn = true;
    }
    context.stroke();
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {number} width
   * @param {number} height
   * @param {Float32Array} curve
   * @param {boolean} log
   * @param {Mark[]} marks
   */
  function draw(context, width, height, curve, log, marks) {
    const A = DR.canvas.scale();
    const { right, top } = MARGIN,
      bottom = MARGIN.bottom * A;
    const last = Math.max(1, curve.length ? curve[curve.length - 3] : 1);
    const [low, high] = range(curve, log),
      scale = log ? Math.log : (/** @type {number} */ v) => v;
    context.font = DR.canvas.font(11 * A);
    const levels = log ? decades(low, high) : DR.plots.ticks(low, high, 4);
    const widest = Math.max(0, ...levels.map((value) => context.measureText(tick(value)).width));
    const left = Math.max(MARGIN.left * A, widest + BESIDE);
    /** @param {number} epoch */
    const X = (epoch) => left + (epoch / last) * (width - left - right);
    /** @param {number} value */
    const Y = (value) =>
      height - bottom - ((scale(value) - scale(low)) / (scale(high) - scale(low))) * (height - top - bottom);
    context.textBaseline = "middle";
    context.lineWidth = 1;
    for (const value of levels) {
      context.strokeStyle = css("--line");
      context.beginPath();
      context.moveTo(left, Y(value));
      context.lineTo(width - right, Y(value));
      context.stroke();
      context.fillStyle = css("--soft");
      context.textAlign = "right";
      context.fillText(tick(value), left - 7, Math.max(Y(value), 5.5 * A));
    }
    // The name of the axis stands in the row of its ticks, at the end.
    context.textAlign = "right";
    context.fillText("epoch", width - right, height - bottom + 12 * A);
    const end = width - right - context.measureText("epoch").width - 10;
    context.textAlign = "center";
    for (const epoch of DR.plots.ticks(0, last, 5).filter(Number.isInteger)) {
      const half = context.measureText(tick(epoch)).width / 2;
      if (X(epoch) + half < end) context.fillText(tick(epoch), X(epoch), height - bottom + 12 * A);
    }
    drawMarks(context, marks, X, { left, right: width - right, top, bottom: height - bottom });
    lines(context, curve, X, Y, log);
  }

  /**
   * Where the learning rate or a weight was changed: a line, with its name where there is room.
   *
   * @param {CanvasRenderingContext2D} context @param {Mark[]} marks @param {(epoch: number) => number} X
   * @param {{ left: number, right: number, top: number, bottom: number }} box
   */
  function drawMarks(context, marks, X, box) {
    const size = 11 * DR.canvas.scale();
    context.font = DR.canvas.font(size);
    context.strokeStyle = context.fillStyle = css("--soft");
    context.lineWidth = 1;
    context.setLineDash([2, 2]);
    let free = box.right;
    for (const { kind, epoch } of marks.toReversed()) {
      const x = X(epoch),
        wide = context.measureText(kind).width + 8;
      context.beginPath();
      context.moveTo(x, box.top);
      context.lineTo(x, box.bottom);
      context.stroke();
      // Beside its line, on the side that has room.
      const after = x + wide <= free;
      if (!after && (x > free || x - wide < box.left)) continue;
      context.textAlign = after ? "left" : "right";
      context.fillText(kind, after ? x + 4 : x - 4, box.top + size / 2);
      free = (after ? x : x - wide) - 4;
    }
    context.setLineDash([]);
  }

  /**
   * The changes of a run that are known, after a frame of it; those that were taken back are gone.
   *
   * @param {Mark[]} marks @param {Live.Header} header @returns {Mark[]}
   */
  function marksAfter(marks, { changed: kind, changed_epoch: epoch }) {
    if (!kind) return [];
    const before = marks.filter((mark) => mark.epoch < epoch || (mark.epoch === epoch && mark.kind === kind));
    const known = before.some((mark) => mark.epoch === epoch);
    return known ? before : [...before, { kind, epoch }].slice(-MOST_MARKS);
  }

  /**
   * Both curves.
   *
   * @param {CanvasRenderingContext2D} context @param {Float32Array} curve
   * @param {(epoch: number) => number} X @param {(value: number) => number} Y @param {boolean} log
   */
  function lines(context, curve, X, Y, log) {
    context.lineJoin = "round";
    context.lineWidth = 2;
    context.strokeStyle = css("--accent");
    context.setLineDash([6, 4]);
    line(context, curve, 2, X, Y, log);
    context.setLineDash([]);
    context.strokeStyle = css("--ink");
    line(context, curve, 1, X, Y, log);
  }

  /**
   * The curves in a strip of the bar, which is in sight wherever the page is scrolled to; in place of axes
   * the highest and the lowest value, and where there is room how many epochs there are.
   *
   * @param {CanvasRenderingContext2D} context @param {number} width @param {number} height
   * @param {Float32Array} curve @param {boolean} log
   */
  function drawStrip(context, width, height, curve, log) {
    const { around, letter } = STRIP;
    const last = Math.max(1, curve.length ? curve[curve.length - 3] : 1);
    const [low, high] = range(curve, log),
      scale = log ? Math.log : (/** @type {number} */ v) => v;
    /** @param {number} epoch */
    const X = (epoch) => left + (epoch / last) * (width - left - around);
    /** @param {number} value */
    const Y = (value) =>
      height - around - ((scale(value) - scale(low)) / (scale(high) - scale(low))) * (height - 2 * around);
    context.font = DR.canvas.font(letter);
    const [most, fewest] = [high, low].map((value) => short(Number(value.toPrecision(2))));
    const wide = Math.max(...[most, fewest].map((text) => context.measureText(text).width));
    const left = width - wide < STRIP.least ? around : around + wide + 4;
    context.strokeStyle = css("--line");
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(left, height - 0.5);
    context.lineTo(width, height - 0.5);
    context.stroke();
    lines(context, curve, X, Y, log);
    if (left === around) return;
    context.fillStyle = css("--soft");
    context.textAlign = "right";
    context.textBaseline = "top";
    context.fillText(most, left - 4, 1);
    const epochs = `${DR.text.count(last)} epoch${last === 1 ? "" : "s"}`;
    if (width > STRIP.epochs) {
      // At the height where the curve is not, and should it be at both, in front of it.
      const from = width - around - context.measureText(epochs).width - 4;
      const tops = [];
      for (let i = 0; i < curve.length; i += 3)
        if (X(curve[i]) >= from) tops.push(...[curve[i + 1], curve[i + 2]].filter(Number.isFinite).map(Y));
      const low = Math.min(...tops) < height / 2 && Math.max(...tops) < height / 2;
      context.textBaseline = low ? "bottom" : "top";
      context.strokeStyle = css("--card");
      context.lineWidth = 4;
      const at = low ? height - 2 : 1;
      context.strokeText(epochs, width - around, at);
      context.fillText(epochs, width - around, at);
    }
    context.textBaseline = "bottom";
    context.fillText(fewest, left - 4, height - 1);
  }

  /**
   * Shows the curves in `element`, and small in `strip`, which the style sheet shows where the window
   * has no room for both the drawing and `element`; gives {frame(frame), run(description)}.
   *
   * @param {HTMLElement} element @param {HTMLElement} strip
   */
  function mount(element, strip) {
    const canvas = el("canvas", { class: "losses", role: "img", "aria-label": "Loss by epoch" });
    const frame = el("div", { class: "losses-frame" }, canvas);
    const box = el("input", { type: "checkbox", id: "log-loss" });
    const usual = el("span", { text: "training loss" }),
      hand = el("span", { hidden: true, text: "weights set by hand" });
    const now = el("span", { class: "value", "data-loss-now": "" }),
      held = el("span", { class: "value" });
    const heldKey = el(
      "span",
      { class: "class" },
      el("span", { class: "stroke dashed", "aria-hidden": "true" }),
      "held-out loss ",
      held,
    );
    /** @type {Float32Array} */
    let curve = new Float32Array(0);
    /** @type {Mark[]} */
    let marks = [];
    const small = el("canvas", { class: "losses" });
    strip.replaceChildren(small);
    const paintLarge = DR.canvas.make(frame, canvas, (context, width, height) =>
      draw(context, width, height, curve, box.checked, marks),
    );
    const paintSmall = DR.canvas.make(strip, small, (context, width, height) =>
      drawStrip(context, width, height, curve, box.checked),
    );
    // Whether the strip is shown is observed: to ask for it in every frame would lay the page out anew.
    let striped = false;
    new ResizeObserver(([{ contentRect }]) => {
      striped = contentRect.width > 0;
    }).observe(strip);
    const paint = () => {
      paintLarge();
      if (striped) paintSmall();
    };
    box.addEventListener("change", paint);
    for (const kind of ["deltarule-theme", "deltarule-size"]) document.addEventListener(kind, paint);
    element.replaceChildren(
      el(
        "div",
        { class: "row classes" },
        el(
          "span",
          { class: "class" },
          el("span", { class: "stroke", "aria-hidden": "true" }),
          usual,
          hand,
          now,
        ),
        heldKey,
        el("span", { class: "field check" }, box, el("label", { for: "log-loss", text: "log" })),
      ),
      frame,
    );
    /** @param {number | null} value */
    const text = (value) => (value === null ? "none" : DR.dom.brief(value));
    return {
      /** @param {Live.Run} run */
      run(run) {
        heldKey.hidden = !run.rows.held;
      },
      /** @param {Live.Frame} frame */
      frame({ header, arrays }) {
        curve = arrays.curve;
        marks = marksAfter(marks, header);
        now.textContent = text(header.loss);
        now.dataset.lossNow = String(header.loss); // all of its digits
        held.textContent = text(header.held_loss);
        [usual.hidden, hand.hidden] = [header.by_hand, !header.by_hand];
        paint();
      },
      /** @param {string} words */
      label(words) {
        DR.dom.put(canvas, "aria-label", words);
      },
    };
  }

  return { mount, marksAfter };
})();
DR.losses = lossesModule;
