// @ts-check
// The axes of the decision surface: ticks in the unit of the table, or the levels of a category.
"use strict";

const axesModule = (function () {
  const { css, tick, scale } = DR.canvas;
  const { named } = DR.text;
  const TITLE = 27; // for the name at the left side, and what parts it from the ticks, at the usual size of text

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
      text: axis.date ? dayText(value, high - low) : tick(value),
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
    context.font = DR.canvas.font(11 * scale());
    return (
      TITLE * scale() +
      Math.ceil(Math.max(14, ...sides(run).up.map(({ text }) => context.measureText(text).width)))
    );
  }

  /**
   * Ticks along both axes.
   *
   * @param {CanvasRenderingContext2D} context @param {Live.Run} run @param {Live.Rectangle} box
   */
  function drawAxes(context, run, box) {
    const { plane, axes, target } = run,
      { across, up } = sides(run),
      A = scale();
    context.fillStyle = css("--soft");
    context.strokeStyle = css("--strong-line");
    context.lineWidth = 1;
    context.font = DR.canvas.font(11 * A);
    context.textBaseline = "middle";
    context.textAlign = "center";
    const widest = Math.max(...across.map(({ text }) => context.measureText(text).width)) + 8;
    for (const { at, text } of thinned(across, widest / box.width))
      context.fillText(text, box.left + at * box.width, box.top + box.height + 12 * A);
    context.textAlign = "right";
    for (const { at, text } of thinned(up, (13 * A) / box.height))
      context.fillText(text, box.left - 6, box.top + (1 - at) * box.height);
    context.strokeRect(box.left - 0.5, box.top - 0.5, box.width + 1, box.height + 1);
    context.textAlign = "center";
    context.font = DR.canvas.font(12 * A, 600);
    context.fillText(
      DR.dom.cut(named(axes[plane.x].name), 32),
      box.left + box.width / 2,
      box.top + box.height + 27 * A,
    );
    context.save();
    context.translate(9 * A, box.top + box.height / 2);
    context.rotate(-Math.PI / 2);
    context.fillText(DR.dom.cut(plane.y < 0 ? target.name : named(axes[plane.y].name), 32), 0, 0);
    context.restore();
  }

  return { leftOf, draw: drawAxes };
})();
DR.axes = axesModule;
