// @ts-check
// What a reader chooses by a picture: the data, and inputs derived from two others.
"use strict";

const choosersModule = (function () {
  const { el } = DR.dom;
  const { colour, css } = DR.canvas;
  /** Pixels of a thumbnail, and of the picture of an input. */
  const THUMB = [72, 54],
    INPUT = 30;
  const LINES = 13; // points along a side of an input's picture

  /** @type {WeakMap<HTMLCanvasElement, () => void>} How each canvas is painted. */
  const painters = new WeakMap();
  document.addEventListener("deltarule-theme", () => {
    for (const canvas of document.querySelectorAll("canvas"))
      painters.get(/** @type {HTMLCanvasElement} */ (canvas))?.();
  });

  /**
   * A canvas that is sharp, and painted again in other colours.
   *
   * @param {number} width @param {number} height
   * @param {(context: CanvasRenderingContext2D, width: number, height: number) => void} paint
   */
  function picture(width, height, paint) {
    const ratio = 2;
    const canvas = el("canvas", { width: ratio * width, height: ratio * height, "aria-hidden": "true" });
    const context = DR.dom.context2d(canvas);
    const again = () => {
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, width, height);
      paint(context, width, height);
    };
    painters.set(canvas, again);
    again();
    return canvas;
  }

  /**
   * Numbers from −1 to 1 as squares: blue below 0, orange above.
   *
   * @param {CanvasRenderingContext2D} context @param {number} width @param {number} height
   * @param {number} n along a side @param {(column: number, row: number) => number} value
   */
  function squares(context, width, height, n, value) {
    const [paper, low, high] = ["--card", "--negative", "--positive"].map(colour);
    for (let r = 0; r < n; ++r)
      for (let c = 0; c < n; ++c) {
        const t = DR.dom.clamp(value(c, r), -1, 1);
        const end = t < 0 ? low : high;
        const tone = paper.map((part, i) => part + 0.75 * Math.abs(t) * (end[i] - part));
        context.fillStyle = `rgb(${tone.join(" ")})`;
        context.fillRect((c * width) / n, (r * height) / n, width / n + 0.5, height / n + 0.5);
      }
  }

  /**
   * @param {CanvasRenderingContext2D} context @param {number} width @param {number} height
   * @param {Live.Thumbnail | undefined} thumb
   */
  function paintThumb(context, width, height, thumb) {
    if (!thumb) {
      // A table: its lines.
      context.strokeStyle = css("--strong-line");
      for (const [x, y, w, h] of [0, 1, 2, 3].flatMap((r) => [0, 1, 2].map((c) => [c, r, 1, 1])))
        context.strokeRect(14 + 15 * x, 7 + 10 * y, 15 * w, 10 * h);
      return;
    }
    if (thumb.pixels) {
      const { pixels } = thumb,
        side = height - 8;
      context.save();
      context.translate((width - side) / 2, 4);
      const [paper, ink] = ["--card", "--ink"].map(colour);
      pixels.forEach((level, i) => {
        const tone = paper.map((part, at) => part + level * (ink[at] - part));
        context.fillStyle = `rgb(${tone.join(" ")})`;
        context.fillRect(
          ((i % 8) * side) / 8,
          (Math.floor(i / 8) * side) / 8,
          side / 8 + 0.4,
          side / 8 + 0.4,
        );
      });
      context.restore();
      return;
    }
    const { x, y, value, classes } = thumb;
    x.forEach((across, i) => {
      const strength = classes ? 1 : 0.2 + 0.8 * Math.min(1, Math.abs(value[i]));
      context.fillStyle = css(
        (classes ? value[i] === 0 : value[i] < 0) ? "--negative" : "--positive",
        strength,
      );
      context.beginPath();
      const r = 1.5;
      context.arc(width / 2 + across * (height / 2 - 5), height / 2 - y[i] * (height / 2 - 5), r, 0, 7);
      context.fill();
    });
  }

  /**
   * The data, one of which is chosen by its picture.
   *
   * @param {[name: string, text: string][]} options @param {string} chosen
   * @param {Record<string, Live.Thumbnail>} thumbs @param {(name: string) => void} onchange
   */
  function dataChooser(options, chosen, thumbs, onchange) {
    return el(
      "div",
      { class: "thumbs wide", id: "data", role: "radiogroup", "aria-label": "Data" },
      ...options.map(([name, text]) => {
        /** @type {HTMLInputElement} */
        const input = el("input", {
          type: "radio",
          name: "data",
          id: `data-${name}`,
          value: name,
          onchange: () => onchange(name),
        });
        input.checked = name === chosen;
        const [w, h] = THUMB;
        const canvas = picture(w, h, (context, width, height) =>
          paintThumb(context, width, height, thumbs[name]),
        );
        return el("label", { class: "thumb" }, input, canvas, el("span", { text: DR.dom.cut(text, 22) }));
      }),
    );
  }

  /**
   * Inputs derived from the two of the data: each is taken or not.
   *
   * @param {Live.Run} run @param {(names: string[]) => void} onchange
   */
  function derivedChooser({ choices, settings, plane }, onchange) {
    const [x0, x1, y0, y1] = plane.ranges;
    /** @type {{ name: string, input: HTMLInputElement, element: HTMLElement }[]} */
    const boxes = choices.derived.map(({ name, label }) => {
      /** @type {HTMLInputElement} */
      const input = el("input", { type: "checkbox", id: `derived-${name}`, onchange: () => pick() });
      input.checked = settings.derived.includes(name);
      const formula = DR.derived[name];
      const canvas = picture(INPUT, INPUT, (context, width, height) =>
        squares(context, width, height, LINES, (c, r) =>
          formula(x0 + ((c + 0.5) / LINES) * (x1 - x0), y1 - ((r + 0.5) / LINES) * (y1 - y0)),
        ),
      );
      return {
        name,
        input,
        element: el(
          "label",
          { class: "thumb input" },
          input,
          canvas,
          el("span", { text: DR.dom.cut(label, 18) }),
        ),
      };
    });
    const pick = () => onchange(boxes.filter(({ input }) => input.checked).map(({ name }) => name));
    return el(
      "div",
      { class: "thumbs inputs wide", role: "group", "aria-label": "Derived inputs" },
      ...boxes.map(({ element }) => element),
    );
  }

  return { dataChooser, derivedChooser };
})();
DR.choosers = choosersModule;
