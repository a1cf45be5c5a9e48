// @ts-check
// Small plots: round ticks, axes, lines with gaps, and a curve with its tangent.
"use strict";

const plotsModule = (function () {
  const { svg, clamp, brief } = DR.dom;

  /**
   * A box as wide as an element is on the screen, so that letters keep their size.
   *
   * @param {Page.Margins} box @param {Element} element @param {number} most @returns {Page.Box}
   */
  const fitted = (box, element, most) => ({
    ...box,
    width: clamp(Math.round(element.clientWidth) || 640, 270, most),
  });

  /** Calls f when the width of an element has changed. @param {Element} element @param {() => void} f */
  function onWidth(element, f) {
    let before = element.clientWidth;
    new ResizeObserver(() => {
      if (element.clientWidth !== before) {
        before = element.clientWidth;
        requestAnimationFrame(f); // a resize within the observer is reported as a loop
      }
    }).observe(element);
  }

  /** About n round values from low to high. @param {number} low @param {number} high @param {number} n */
  function ticks(low, high, n) {
    const rough = (high - low) / n,
      power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= rough) || rough;
    const list = [];
    for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-9; v += step)
      list.push(Math.abs(v) < step * 1e-9 ? 0 : v);
    return list;
  }

  /** Tick texts that all have the same decimals. @param {number} value @param {number[]} list */
  function tickText(value, list) {
    const step = list.length > 1 ? Math.abs(list[1] - list[0]) : 1;
    const digits = clamp(-Math.floor(Math.log10(step) + 1e-9), 0, 8);
    return value !== 0 && (step < 1e-8 || Math.abs(value) >= 1e6)
      ? brief(value)
      : value.toFixed(digits).replace("-", "\u2212");
  }

  /**
   * Scales and axes of a small plot; with `log` the vertical one is logarithmic.
   *
   * @param {Page.Box} box @param {number[]} xs @param {number[]} ys
   * @param {{ log?: boolean, xTitle?: string, yTitle?: string, whole?: boolean }} [options]
   * @returns {Page.Scale}
   */
  function axes(box, xs, ys, { log = false, xTitle = "", yTitle = "", whole = false } = {}) {
    /** @param {number[]} values */
    const span = (values) => {
      let low = Infinity,
        high = -Infinity;
      for (const v of values)
        if (Number.isFinite(v)) {
          low = Math.min(low, v);
          high = Math.max(high, v);
        }
      if (low > high) return [0, 1];
      return low === high
        ? [low - (Math.abs(low) || 1) * 0.1, high + (Math.abs(high) || 1) * 0.1]
        : [low, high];
    };
    const [x0, x1] = span(xs),
      scale = log ? Math.log10 : (/** @type {number} */ v) => v;
    let [y0, y1] = span(ys.map(scale));
    const room = (y1 - y0) * 0.06;
    [y0, y1] = [y0 - room, y1 + room];
    /** @param {number} v */
    const X = (v) => box.left + ((v - x0) / (x1 - x0)) * (box.width - box.left - box.right);
    /** @param {number} v */
    const Y = (v) =>
      box.height - box.bottom - ((scale(v) - y0) / (y1 - y0)) * (box.height - box.top - box.bottom);
    const group = svg("g", { class: "axes" });
    const xTicks = ticks(x0, x1, 6).filter((v) => !whole || Number.isInteger(v));
    const yTicks = log ? ticks(y0, y1, 4).map((v) => 10 ** v) : ticks(y0, y1, 4);
    for (const v of xTicks)
      group.append(
        svg("text", {
          x: X(v),
          y: box.height - box.bottom + 17,
          "text-anchor": "middle",
          text: tickText(v, xTicks),
        }),
      );
    for (const v of yTicks) {
      group.append(
        svg("path", { class: "grid", d: `M${box.left} ${Y(v)}H${box.width - box.right}` }),
        svg("text", {
          x: box.left - 8,
          y: Y(v) + 4,
          "text-anchor": "end",
          text: log ? brief(v, 2) : tickText(v, yTicks),
        }),
      );
    }
    group.append(
      svg("text", {
        class: "minor",
        x: (box.left + box.width - box.right) / 2,
        y: box.height - 5,
        "text-anchor": "middle",
        text: xTitle,
      }),
    );
    if (yTitle) group.append(svg("text", { class: "minor", x: 2, y: box.top - 3, text: yTitle }));
    return { X, Y, group, x0, x1 };
  }

  /**
   * A path through points; a gap where one is not finite.
   *
   * @param {Page.Point[]} points @param {Page.Scale} { X, Y }
   */
  function line(points, { X, Y }) {
    let pen = "M",
      d = "";
    for (const [x, y] of points) {
      if (y === null || !Number.isFinite(Y(y))) {
        pen = "M";
        continue;
      }
      d += `${pen}${X(x).toFixed(1)} ${Y(y).toFixed(1)}`;
      pen = "L";
    }
    return d;
  }

  /**
   * A plot of the curve f, its tangent at 0, and the point `at`.
   *
   * @param {(x: number) => number} f
   * @param {Page.Box} box
   * @param {{ low: number, high: number, at: number, base: number, slope: number, points: number,
   *   xTitle: string, yTitle: string, words: string }} options
   */
  function tangent(f, box, { low, high, at, base, slope, points, xTitle, yTitle, words }) {
    const xs = Array.from({ length: points }, (_, i) => low + ((high - low) * i) / (points - 1));
    /** @type {[x: number, y: number][]} */
    const computed = xs.map((x) => [x, f(x)]);
    const curve = computed.filter(([, y]) => Number.isFinite(y));
    const ys = curve.map(([, y]) => y);
    const scale = axes(box, [low, high], [...ys, base], { xTitle, yTitle });
    const { X, Y } = scale,
      now = f(at),
      floor = box.height - box.bottom;
    /** @param {number} y */
    const inside = (y) => clamp(y, box.top, floor);
    // The tangent ends where it leaves the plot.
    /** @param {number} to */
    const reach = (to) => {
      const y = Y(base + slope * to),
        limit = inside(y);
      const t = y === limit ? 1 : (limit - Y(base)) / (y - Y(base));
      return `${X(to * t).toFixed(1)} ${(y === limit ? y : limit).toFixed(1)}`;
    };
    return svg(
      "svg",
      {
        class: "plot",
        viewBox: `0 0 ${box.width} ${box.height}`,
        role: "img",
        "aria-label": words,
      },
      scale.group,
      svg("path", { class: "line tangent", d: `M${reach(low)}L${X(0)} ${Y(base)}L${reach(high)}` }),
      svg("path", { class: "line first", d: line(curve, scale) }),
      Number.isFinite(now)
        ? svg("path", {
            class: "gap",
            d: `M${X(at)} ${inside(Y(base + slope * at)).toFixed(1)}V${inside(Y(now)).toFixed(1)}`,
          })
        : null,
      svg("circle", { class: "start", cx: X(0), cy: Y(base), r: 3.5 }),
      Number.isFinite(now) ? svg("circle", { class: "end", cx: X(at), cy: inside(Y(now)), r: 5.5 }) : null,
    );
  }

  return { axes, line, ticks, fitted, onWidth, tangent };
})();
DR.plots = plotsModule;
