// @ts-check
// Canvases that are sharp on every screen, with the style sheet's colours.
"use strict";

const canvasModule = (function () {
  /**
   * Keeps a canvas as large as its frame; `paint(context, width, height)` is called when the size
   * changes, and by the function that is returned.
   *
   * @param {Element} frame
   * @param {HTMLCanvasElement} canvas
   * @param {(context: CanvasRenderingContext2D, width: number, height: number) => void} paint
   */
  function make(frame, canvas, paint) {
    const context = DR.dom.context2d(canvas);
    let width = 0,
      height = 0;
    // Not in every painting: for the size the browser would lay out all that has changed.
    const measure = () => {
      [width, height] = [canvas.clientWidth, canvas.clientHeight];
    };
    const again = () => {
      if (!width || !height) measure();
      if (!width || !height) return;
      const ratio = Math.min(devicePixelRatio || 1, 2);
      const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
      if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, width, height);
      paint(context, width, height);
    };
    // In the next frame of the browser: a resize within the observer is reported as a loop.
    new ResizeObserver(() =>
      requestAnimationFrame(() => {
        measure();
        again();
      }),
    ).observe(frame);
    return again;
  }

  /** @type {Record<string, number[]>} */
  let known = {};

  /**
   * A colour of the style sheet as [red, green, blue], looked up once for each theme.
   *
   * @param {string} variable
   */
  function colour(variable) {
    known[variable] ??= DR.dom.colour(variable);
    return known[variable];
  }

  /** @param {string} variable @param {number} [alpha] */
  const css = (variable, alpha = 1) => `rgb(${colour(variable).join(" ")} / ${alpha})`;
  /** @param {number} size @param {number} [weight] */
  const font = (size, weight = 400) => `${weight} ${size}px ${DR.dom.fontFamily()}`;

  /** The reader's size of text, as far as the letters beside a picture follow it. */
  const scale = () => {
    const scale = Number(document.documentElement.style.getPropertyValue("--scale")) || 1;
    return DR.dom.clamp(scale, 1, innerHeight <= DR.layout.LYING ? 1.15 : 1.5);
  };

  document.addEventListener("deltarule-theme", () => {
    known = {};
  });

  /** A number in few characters: 1e6, and 1000000 nowhere. @param {number} value */
  function spelled(value) {
    const plain = String(value);
    const long = plain.replace("-", "").length > 6 || Math.abs(value) >= 1e5;
    return (long ? value.toExponential().replace("e+", "e") : plain).replaceAll("-", "\u2212");
  }

  /** A measured number in few characters, with three digits. @param {number} value */
  const short = (value) => spelled(Number(value.toPrecision(3)));
  /** The place of a tick, which is a round number: with all of its digits. @param {number} value */
  const tick = (value) => spelled(Number(value.toPrecision(7)));

  return { make, colour, css, font, scale, short, tick };
})();
DR.canvas = canvasModule;
