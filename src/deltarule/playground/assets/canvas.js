// @ts-check
// Canvases that are sharp on every screen, with the style sheet's colours.
"use strict";

const canvasModule = (function () {
  /** A canvas that fills its frame; `paint(context, width, height)` is called when it must. */
  function make(frame, canvas, paint) {
    const context = canvas.getContext("2d");
    const again = () => {
      const { clientWidth: width, clientHeight: height } = canvas;
      if (!width || !height) return;
      const ratio = Math.min(devicePixelRatio || 1, 2);
      const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
      if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, width, height);
      paint(context, width, height);
    };
    // In the next frame of the browser: within the observer another size would be a loop to it.
    new ResizeObserver(() => requestAnimationFrame(again)).observe(frame);
    return again;
  }

  let known = {};

  /** A colour of the style sheet as [red, green, blue], looked up once for each theme. */
  function colour(variable) {
    return known[variable] || (known[variable] = DR.dom.colour(variable));
  }

  const css = (variable, alpha = 1) => `rgb(${colour(variable).join(" ")} / ${alpha})`;
  const font = (size, weight = 400) => `${weight} ${size}px ${getComputedStyle(document.body).fontFamily}`;

  document.addEventListener("deltarule-theme", () => (known = {}));

  /** A number for an axis: as short as it can be. */
  function short(value) {
    const text = String(Number(value.toPrecision(3)));
    return (text.length > 7 ? value.toExponential(1) : text).replace("-", "\u2212");
  }

  return { make, colour, css, font, short };
})();
DR.canvas = canvasModule;
