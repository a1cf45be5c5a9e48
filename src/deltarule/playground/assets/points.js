// @ts-check
// The rows as points on the decision surface: how they look, and which of them a pointer or a key is at.
"use strict";

const pointsModule = (function () {
  const { css } = DR.canvas;
  const CLASSES = 10;
  // Two classes differ in shape too; more are drawn as their number.
  const SHAPES = ["circle", "diamond"];
  const REACH = 14; // pixels from a point that are still at it

  /** @param {Live.Run} run @param {number} c */
  const classColour = (run, c) =>
    run.target.classes.length === 2 ? (c === 0 ? "--negative" : "--positive") : `--class-${c % CLASSES}`;

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
   * The places of all points, in pixels.
   *
   * @param {Live.Run} run @param {Live.Rectangle} box @returns {Live.Place[]}
   */
  function places({ points, plane }, box) {
    const [x0, x1, y0, y1] = plane.ranges;
    return points.x.map((x, i) => ({
      x: box.left + ((x - x0) / (x1 - x0)) * box.width,
      y: box.top + (1 - (points.y[i] - y0) / (y1 - y0)) * box.height,
      row: points.row[i],
      value: points.value[i],
      held: Boolean(points.held[i]),
    }));
  }

  /** The size of a point. @param {Live.Rectangle} box */
  const radius = (box) => Math.max(2.4, Math.min(4, box.width / 90));

  /**
   * @param {CanvasRenderingContext2D} context @param {Live.Run} run @param {Live.Rectangle} box
   * @param {Live.Place[]} shown
   */
  function draw(context, run, box, shown) {
    const r = radius(box);
    context.font = DR.canvas.font(3 * r, 700);
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineWidth = 2.5;
    for (const { x, y, value, held } of shown) point(context, run, value, held, x, y, r);
  }

  /**
   * A ring around a point.
   *
   * @param {CanvasRenderingContext2D} context @param {Live.Rectangle} box @param {Live.Place} place
   */
  function ring(context, box, { x, y }) {
    const r = 2.4 * radius(box);
    for (const [tone, width] of /** @type {[string, number][]} */ ([
      ["--card", 5],
      ["--ink", 2.2],
    ])) {
      context.beginPath();
      context.arc(x, y, r, 0, 2 * Math.PI);
      context.strokeStyle = css(tone);
      context.lineWidth = width;
      context.stroke();
    }
  }

  /**
   * The point nearest to a place, if it is near.
   *
   * @param {Live.Place[]} shown @param {number} x @param {number} y @returns {Live.Place | null}
   */
  function nearest(shown, x, y) {
    let best = null,
      least = REACH * REACH;
    for (const place of shown) {
      const size = (place.x - x) ** 2 + (place.y - y) ** 2;
      if (size >= least) continue;
      [best, least] = [place, size];
    }
    return best;
  }

  const STEPS = /** @type {Record<string, [number, number]>} */ ({
    ArrowLeft: [-1, 0],
    ArrowRight: [1, 0],
    ArrowUp: [0, -1],
    ArrowDown: [0, 1],
  });

  /**
   * The next point in the direction of an arrow key; the first one where there is none before.
   *
   * @param {Live.Place[]} shown @param {Live.Place | null} from @param {string} key
   * @returns {Live.Place | null}
   */
  function next(shown, from, key) {
    const step = STEPS[key];
    if (!step) return null;
    if (!from) return shown[0] ?? null;
    let best = null,
      least = Infinity;
    for (const place of shown) {
      const [dx, dy] = [place.x - from.x, place.y - from.y];
      const along = dx * step[0] + dy * step[1],
        aside = Math.abs(dx * step[1] + dy * step[0]);
      // Points far to the side are not in the direction.
      if (along <= 0.01 || aside > 2 * along) continue;
      const size = along + 2 * aside;
      if (size < least) [best, least] = [place, size];
    }
    return best;
  }

  /** A row in words. @param {Live.Run} run @param {Live.Place} place */
  function words({ target }, { row, value, held }) {
    const { classes, mean, scale, name } = target;
    const text = classes.length ? classes[value] : DR.canvas.short(value * scale + mean);
    return `row ${row}${held ? ", held out" : ""}: ${DR.dom.cut(name, 24)} ${DR.dom.cut(text, 24)}`;
  }

  return { SHAPES, classColour, places, draw, ring, nearest, next, words, shape };
})();
DR.points = pointsModule;
