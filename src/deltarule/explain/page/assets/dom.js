// Small helpers for building the page: elements, choices, icons, short numbers.
"use strict";
var DR = globalThis.DR || (globalThis.DR = {});

(function () {
  const SVG = "http://www.w3.org/2000/svg";

  function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name === "text") element.textContent = value;
      else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  /** An HTML element: el("p", {class: "note", onclick: f}, "text", child). */
  const el = (tag, attributes, ...children) =>
    fill(document.createElement(tag), attributes, children);

  /** An SVG element. */
  const svg = (tag, attributes, ...children) =>
    fill(document.createElementNS(SVG, tag), attributes, children);

  /** An attribute set only if it changes: reading is cheap, and writing makes the browser work. */
  function put(element, name, value) {
    if (value === null || value === undefined) {
      if (element.hasAttribute(name)) element.removeAttribute(name);
    } else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
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
    stop: "M5 5h10v10H5z",
  };
  const DRAWN = new Set(["left", "right", "plus", "minus", "fit"]);

  /** A small picture for a button; the button carries the words. */
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

  function iconButton(name, label, onclick, className = "tool") {
    return el(
      "button",
      { type: "button", class: className, "aria-label": label, title: label, onclick },
      icon(name),
    );
  }

  let groups = 0;

  /** One of a few: radio buttons in a row. Options are [value, text or element]; show() sets it. */
  function choice(label, options, onchange) {
    const name = `choice-${++groups}`;
    const box = el("div", { class: "choice", role: "radiogroup", "aria-label": label });
    const inputs = options.map(([value, text]) => {
      const input = el("input", { type: "radio", name, value, onchange: () => onchange(value) });
      box.append(el("label", {}, input, text instanceof Node ? text : el("span", { text })));
      return input;
    });
    box.show = (value) =>
      inputs.forEach((input) => (input.checked = input.value === String(value)));
    return box;
  }

  /** A number in at most about six characters, for places where six digits have no room. */
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

  /** A span that shows a number of the network and says which, for highlighting and tests. */
  function shown(symbol, value, text = DR.number(value), className = null) {
    return el("span", {
      class: className,
      "data-symbol": symbol,
      "data-value": String(value),
      text,
    });
  }

  let region = null;

  /** Words for a screen reader that are not on the screen as text. */
  function say(text) {
    if (!region) document.body.append((region = el("div", { class: "unseen", role: "status" })));
    region.textContent = text;
  }

  /** f at most once a frame, with the last arguments. */
  function eachFrame(f) {
    let waiting = null;
    return (...args) => {
      if (waiting === null)
        requestAnimationFrame(() => {
          const now = waiting;
          waiting = null;
          f(...now);
        });
      waiting = args;
    };
  }

  /** A colour of the style sheet as [red, green, blue], for canvases. */
  function colour(variable) {
    const probe = el("span", { style: `color: var(${variable}); display: none` });
    document.body.append(probe);
    const parts = getComputedStyle(probe)
      .color.match(/[\d.]+/g)
      .slice(0, 3)
      .map(Number);
    probe.remove();
    return parts;
  }

  const clamp = (x, low, high) => Math.min(high, Math.max(low, x));

  /** A name cut to fit, between letters: half an emoji is none. Its last `kept` letters stay. */
  function cut(text, length, kept = 0) {
    const letters = Array.from(text);
    if (letters.length <= length) return text;
    const end = letters.slice(letters.length - kept).join("");
    return `${letters.slice(0, length - kept - 1).join("")}…${end}`;
  }

  const pen = document.createElement("canvas").getContext("2d");

  /** How wide a text is in the page's font, in pixels; `font` is its weight and size. */
  function textWidth(text, font) {
    pen.font = `${font} ${getComputedStyle(document.body).fontFamily}`;
    return pen.measureText(text).width;
  }

  /** A name within a sentence: one that is written from the right does not turn the sentence. */
  const RIGHT = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufeff]/;
  const apart = (name) => (RIGHT.test(name) ? `\u2068${name}\u2069` : name);

  DR.dom = {
    el,
    svg,
    put,
    icon,
    iconButton,
    choice,
    brief,
    shown,
    say,
    eachFrame,
    colour,
    clamp,
    cut,
    textWidth,
    apart,
  };
})();
