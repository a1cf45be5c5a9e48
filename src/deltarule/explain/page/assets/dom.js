// @ts-check
// Small helpers for building the page: elements, choices, icons, short numbers.
"use strict";

const domModule = (function () {
  const SVG = "http://www.w3.org/2000/svg";

  /**
   * Sets attributes, text and listeners of an element, and appends the children that are not null.
   *
   * @template {Element} T
   * @param {T} element
   * @param {Page.Attributes | null | undefined} attributes
   * @param {Page.Child[]} children
   */
  function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (typeof value === "function") element.addEventListener(name.slice(2), value);
      else if (name === "text") element.textContent = String(value);
      else element.setAttribute(name, value === true ? "" : String(value));
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  /**
   * An HTML element: el("p", {class: "note", onclick: f}, "text", child).
   *
   * @template {keyof HTMLElementTagNameMap} K
   * @param {K} tag
   * @param {Page.Attributes | null} [attributes]
   * @param {Page.Child[]} children
   */
  const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

  /**
   * An SVG element.
   *
   * @template {keyof SVGElementTagNameMap} K
   * @param {K} tag
   * @param {Page.Attributes} [attributes]
   * @param {Page.Child[]} children
   */
  const svg = (tag, attributes, ...children) =>
    fill(document.createElementNS(SVG, tag), attributes, children);

  /**
   * Sets an attribute if it changes, since writing one costs the browser more than reading it; null
   * removes it.
   *
   * @param {Element} element
   * @param {string} name
   * @param {string | number | boolean | null | undefined} value
   */
  function put(element, name, value) {
    if (value === null || value === undefined) {
      if (element.hasAttribute(name)) element.removeAttribute(name);
    } else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
  }

  const ICONS = {
    play: "M6 4l10 6-10 6z",
    pause: "M5 4h3.5v12H5zM11.5 4H15v12h-3.5z",
    next: "M5 4l8 6-8 6zM13.5 4H16v12h-2.5z",
    back: "M15 4l-8 6 8 6zM4 4h2.5v12H4z",
    left: "M12.5 4.5L7 10l5.5 5.5",
    right: "M7.5 4.5L13 10l-5.5 5.5",
    plus: "M10 4v12M4 10h12",
    minus: "M4 10h12",
    fit: "M4 8V4h4M12 4h4v4M16 12v4h-4M8 16H4v-4",
    epoch: "M2 4l6 6-6 6zM8.5 4l6 6-6 6zM15.5 4H18v12h-2.5z",
    stop: "M5 5h10v10H5z",
    up: "M4.5 12.5L10 7l5.5 5.5",
    close: "M5 5l10 10M15 5L5 15",
    undo: "M7.5 4L4 7.5 7.5 11M4.5 7.5H12a4 4 0 0 1 0 8H8",
    redo: "M12.5 4L16 7.5 12.5 11M15.5 7.5H8a4 4 0 0 0 0 8h4",
    list: "M4 5.5h12M4 10h12M4 14.5h12",
  };
  const DRAWN = new Set(["left", "right", "plus", "minus", "fit", "up", "close", "undo", "redo", "list"]);

  /** A small picture for a button; the button carries the words. @param {keyof typeof ICONS} name */
  function icon(name) {
    const line = DRAWN.has(name);
    return svg(
      "svg",
      { viewBox: "0 0 20 20", width: 18, height: 18, "aria-hidden": "true", focusable: "false" },
      svg("path", {
        d: ICONS[name],
        fill: line ? "none" : "currentColor",
        stroke: line ? "currentColor" : "none",
        "stroke-width": 2,
        "stroke-linecap": "round",
        "stroke-linejoin": "round",
      }),
    );
  }

  /**
   * @param {keyof typeof ICONS} name
   * @param {string} label
   * @param {() => unknown} onclick
   * @param {string} [className]
   */
  function iconButton(name, label, onclick, className = "tool") {
    return el(
      "button",
      { type: "button", class: className, "aria-label": label, title: label, onclick },
      icon(name),
    );
  }

  /**
   * A field for a number, whose text is read by DR.text.read, so that blanks and a decimal comma do no
   * harm: a field of type number drops the comma without a word.
   *
   * @param {Page.Attributes} attributes @returns {HTMLInputElement}
   */
  const numberField = (attributes) =>
    el("input", {
      type: "text",
      inputmode: "decimal",
      autocomplete: "off",
      spellcheck: "false",
      ...attributes,
    });

  /** The same for a whole number, which arrow keys raise and lower. @param {Page.Attributes} attributes */
  function wholeField(attributes) {
    const input = numberField({ inputmode: "numeric", class: "numeric", ...attributes });
    input.addEventListener("keydown", (/** @type {KeyboardEvent} */ { key }) => {
      if (key !== "ArrowUp" && key !== "ArrowDown") return;
      input.value = String((Math.round(DR.text.read(input.value)) || 0) + (key === "ArrowUp" ? 1 : -1));
      input.dispatchEvent(new Event("change", { bubbles: true }));
    });
    return input;
  }

  let groups = 0;

  /**
   * Radio buttons in a row. Options are [value, text or element]; `show(value)` chooses one of them.
   *
   * @template {string} V
   * @param {string} label
   * @param {[value: V, content: string | Node][]} options
   * @param {(value: V) => unknown} onchange
   */
  function choice(label, options, onchange) {
    const name = `choice-${++groups}`;
    const box = el("div", { class: "choice", role: "radiogroup", "aria-label": label });
    const inputs = options.map(([value, text]) => {
      const input = el("input", { type: "radio", name, value, onchange: () => onchange(value) });
      box.append(el("label", {}, input, text instanceof Node ? text : el("span", { text })));
      return input;
    });
    return Object.assign(box, {
      /** @param {string} value */
      show(value) {
        for (const input of inputs) input.checked = input.value === value;
      },
    });
  }

  /**
   * A number in about six characters at most, for places where six digits have no room.
   *
   * @param {number} x @param {number} [digits]
   */
  function brief(x, digits = 3) {
    const size = Math.abs(x);
    if (!(size > 0 && size < Infinity)) return DR.number(x);
    const sign = x < 0 ? "\u2212" : "";
    if (size < 10 ** -digits) {
      const [mantissa, exponent] = size.toExponential(Math.max(0, digits - 2)).split("e");
      return `${sign}${mantissa}e\u2212${exponent.slice(1)}`;
    }
    const after = digits + 1 - String(Math.floor(size)).length;
    if (after > 0) return DR.number(x, after);
    if (size < 1e4) return sign + Math.round(size);
    return sign + size.toExponential(1).replace("+", "");
  }

  /**
   * A span with a number of the network; `symbol` says which, for highlighting and for tests.
   *
   * @param {string | null} symbol
   * @param {number} value
   * @param {string} [text]
   * @param {string | null} [className]
   */
  function shown(symbol, value, text = DR.number(value), className = null) {
    return el("span", {
      class: className,
      "data-symbol": symbol,
      "data-value": String(value),
      "data-power": text.includes("×") ? "" : null,
      text,
    });
  }

  /** @type {HTMLElement | null} */
  let region = null;

  /** Announces words to a screen reader that are not on the screen as text. @param {string} text */
  function say(text) {
    if (!region) {
      region = el("div", { class: "unseen", role: "status" });
      document.body.append(region);
    }
    region.textContent = text;
  }

  /**
   * A function that calls f at most once a frame, with the last arguments.
   *
   * @template {unknown[]} A
   * @param {(...args: A) => unknown} f
   * @returns {(...args: A) => void}
   */
  function eachFrame(f) {
    /** @type {A | null} */
    let waiting = null;
    return (...args) => {
      if (waiting === null)
        requestAnimationFrame(() => {
          const now = /** @type {A} */ (waiting); // set below, before the frame
          waiting = null;
          f(...now);
        });
      waiting = args;
    };
  }

  /**
   * Tells whether an element is in sight, at first and whenever that changes.
   *
   * @param {Element} element @param {(inSight: boolean) => void} tell @param {IntersectionObserverInit} options
   */
  function onSight(element, tell, options) {
    // Of several moments that a busy browser tells of at once, the last is what is seen.
    new IntersectionObserver((moments) => tell(Boolean(moments.at(-1)?.isIntersecting)), options).observe(
      element,
    );
  }

  /** @type {Map<string, number[]>} The colours of the theme that were asked for. */
  const colours = new Map();
  document.addEventListener("deltarule-theme", () => colours.clear());

  /**
   * A colour of the style sheet as [red, green, blue], for canvases; looked up once for each theme.
   *
   * @param {string} variable
   */
  function colour(variable) {
    const found = colours.get(variable);
    if (found) return found;
    const probe = el("span", { style: `color: var(${variable}); display: none` });
    document.body.append(probe);
    const parts = (getComputedStyle(probe).color.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number);
    probe.remove();
    colours.set(variable, parts);
    return parts;
  }

  /** @param {number} x @param {number} low @param {number} high */
  const clamp = (x, low, high) => Math.min(high, Math.max(low, x));

  /**
   * A name cut to so many characters (not UTF-16 units, which would cut an emoji in half); its last
   * `kept` characters stay.
   *
   * @param {string} text @param {number} length @param {number} [kept]
   */
  function cut(text, length, kept = 0) {
    const letters = Array.from(text);
    if (letters.length <= length) return text;
    const end = letters.slice(letters.length - kept).join("");
    return `${letters.slice(0, length - kept - 1).join("")}…${end}`;
  }

  const pen = context2d(document.createElement("canvas"));

  /** The context that a canvas is drawn with. @param {HTMLCanvasElement} canvas */
  function context2d(canvas) {
    // null only for a canvas that has a context of another type already
    return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  }

  /** The transformation from an SVG drawing to the screen. @param {SVGSVGElement} drawing */
  function screenMatrix(drawing) {
    // null only for an element that is not rendered, which gets no pointer
    return /** @type {DOMMatrix} */ (drawing.getScreenCTM());
  }

  /** The element of the page with this id, which the template has. @param {string} id */
  const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

  let family = "";
  /** The page's font; asked for once, since the browser would lay out all that has changed first. */
  const fontFamily = () => (family ||= getComputedStyle(document.body).fontFamily);

  /**
   * How wide a text is in the page's font, in pixels; `font` is its weight and size.
   *
   * @param {string} text @param {string} font
   */
  function textWidth(text, font) {
    pen.font = `${font} ${fontFamily()}`;
    return pen.measureText(text).width;
  }

  // Characters of scripts that are written from right to left.
  const RIGHT = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufeff]/;
  /** A name within a sentence, isolated if it is written from right to left. @param {string} name */
  const apart = (name) => (RIGHT.test(name) ? `\u2068${name}\u2069` : name);

  return {
    el,
    svg,
    put,
    icon,
    iconButton,
    numberField,
    wholeField,
    choice,
    brief,
    shown,
    say,
    eachFrame,
    onSight,
    fontFamily,
    colour,
    clamp,
    cut,
    textWidth,
    context2d,
    screenMatrix,
    byId,
    apart,
  };
})();
DR.dom = domModule;
