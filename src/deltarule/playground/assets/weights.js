// @ts-check
// A small card beside a line of the network, in which its weight is read and set.
//
// It is shown for the line that the pointer is at or that has the focus, else for the selected one.
"use strict";

const weightsModule = (function () {
  const { el, clamp } = DR.dom;
  const { read } = DR.text;
  const LATER = 350; // milliseconds in which a pointer can reach the card
  const DIGITS = 5; // significant ones, in the field
  const DIGIT = /^[-+.\d]$/;

  /**
   * What a line of the drawing is the weight of.
   *
   * @param {Element} element @returns {Page.ParameterSelection | null}
   */
  function whatOf(element) {
    const { edge, bias } = /** @type {SVGElement} */ (element).dataset;
    const [layer, j, k] = (edge ?? bias ?? "").split(",").map(Number);
    if (edge) return { kind: "edge", layer, j, k };
    return bias ? { kind: "bias", layer, j } : null;
  }

  /**
   * A step that changes a weight by something to be seen, and no more: a round number about a fifth of its
   * size, and 0.1 for small ones.
   *
   * @param {number} value
   */
  function stepOf(value) {
    const size = Math.max(Math.abs(value) / 5, 0.1);
    const unit = 10 ** Math.floor(Math.log10(size) + 1e-9);
    return unit * (size / unit >= 5 ? 5 : size / unit >= 2 ? 2 : 1);
  }

  /** @param {number} value */
  const written = (value) => String(Number(value.toPrecision(DIGITS)));

  /**
   * Follows the drawing in `place`. `order` sends the new value; `store()` is the store that is drawn.
   *
   * @param {HTMLElement} place @param {Live.Order} order @param {() => Page.Store | null} store
   */
  function mount(place, order, store) {
    const name = el("span", { class: "weight-name" });
    /** @type {HTMLInputElement} */
    const input = el("input", {
      type: "text",
      inputmode: "decimal",
      autocomplete: "off",
      spellcheck: "false",
      id: "weight",
      "aria-describedby": "weight-note",
    });
    const label = el("label", { for: "weight" }, name, el("span", { "aria-hidden": "true", text: " =" }));
    const note = el("span", {
      class: "unseen",
      id: "weight-note",
      text: "Enter sets the weight, Escape leaves it.",
    });
    /** @param {"minus" | "plus"} name @param {number} way */
    const stepper = (name, way) =>
      DR.dom.iconButton(name, name === "plus" ? "Make the weight larger" : "Make the weight smaller", () =>
        nudge(way),
      );
    // The decimal keypads of some phones have no minus.
    const sign = el("button", {
      type: "button",
      class: "tool",
      "aria-label": "Change the sign of the weight",
      title: "Change the sign of the weight",
      text: "±",
      onclick: () => {
        input.value = written(-(read(input.value) || 0) || 0);
        send();
      },
    });
    const card = el(
      "div",
      { class: "weight-card", hidden: true },
      label,
      stepper("minus", -1),
      input,
      stepper("plus", 1),
      sign,
      note,
    );
    place.after(card);
    /** @type {Page.ParameterSelection | null} The weight that the card is of. */
    let what = null;
    /** @type {Element | null} Its line. */
    let line = null;
    let timer = 0;

    /** The line that the card belongs to now. */
    const current = () =>
      place.querySelector(".edge.hot") ??
      [...place.querySelectorAll(".edge.selected")].find((edge) => whatOf(edge)) ??
      null;

    function close() {
      clearTimeout(timer);
      card.hidden = true;
      what = line = null;
    }

    /** Puts the card below the middle of its line, within the drawing. */
    function put() {
      if (!line?.isConnected) return close();
      const around = /** @type {Element} */ (card.offsetParent ?? place).getBoundingClientRect();
      const shape = line.querySelector("line") ?? line;
      const box = shape.getBoundingClientRect();
      const x = (box.left + box.right) / 2 - around.left - card.offsetWidth / 2;
      const y = (box.top + box.bottom) / 2 - around.top + 20;
      card.style.left = `${clamp(x, 4, Math.max(4, around.width - card.offsetWidth - 4))}px`;
      card.style.top = `${y}px`;
    }

    /** The number, unless it is being typed. */
    function refresh() {
      const shown = store();
      if (!what || !shown || document.activeElement === input) return;
      const entry = shown.entry(what);
      if (entry < 0 || entry >= shown.net.p) return close();
      input.value = written(shown.theta()[entry]);
    }

    /** @param {Element | null} element a line */
    function open(element) {
      const next = element && whatOf(element),
        shown = store();
      if (!next || !shown) return close();
      clearTimeout(timer);
      line = element;
      if (JSON.stringify(next) !== JSON.stringify(what)) {
        what = next;
        const { symbols } = DR.text;
        const [, text] =
          next.kind === "edge" ? symbols.w(next.layer, next.j, next.k) : symbols.b(next.layer, next.j);
        name.textContent = text;
        card.hidden = false;
        put();
      }
      refresh();
    }

    /** After the drawing has marked what the pointer or the focus is at. */
    function follow() {
      if (card.contains(document.activeElement)) return;
      const next = current();
      if (next) open(next);
      else if (!card.hidden) {
        clearTimeout(timer);
        timer = setTimeout(() => {
          if (card.matches(":hover") || card.contains(document.activeElement)) return;
          const still = current();
          if (still) open(still);
          else close();
        }, LATER);
      }
    }

    async function send() {
      const shown = store();
      if (!what || !shown) return;
      const value = read(input.value);
      const refused = Number.isFinite(value)
        ? ""
        : `the weight is “${input.value}”; expected a number, such as −0.25 or −0,25`;
      await order("weight", { entry: shown.entry(what), value }, refused);
    }

    /** Moves the weight by a step, to a multiple of it. @param {number} way −1 or 1 */
    function nudge(way) {
      const value = read(input.value) || 0;
      const step = stepOf(value);
      const next =
        (way < 0 ? Math.ceil(value / step - 1e-6) - 1 : Math.floor(value / step + 1e-6) + 1) * step;
      input.value = written(next);
      send();
    }

    /** Gives the focus back to the line. */
    function leave() {
      const { activeElement } = document;
      const back = /** @type {SVGElement | null} */ (line?.isConnected ? line : null);
      if (activeElement === input) {
        if (back) back.focus();
        else input.blur();
      }
      refresh();
    }

    for (const kind of ["pointermove", "pointerleave", "focusin", "focusout", "click"])
      place.addEventListener(kind, () => requestAnimationFrame(follow));
    card.addEventListener("pointerleave", () => requestAnimationFrame(follow));
    // Typing a number on a line begins to set its weight.
    place.addEventListener("keydown", (event) => {
      const edge = /** @type {Element} */ (event.target).closest(".edge");
      if (!edge || !DIGIT.test(event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
      open(edge);
      input.focus();
      input.select();
    });
    input.addEventListener("focus", () => input.select());
    input.addEventListener("keydown", (event) => {
      event.stopPropagation(); // no shortcuts of the page
      if (event.key === "Enter") send().then(leave);
      else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
        event.preventDefault();
        nudge(event.key === "ArrowUp" ? 1 : -1);
      } else if (event.key === "Escape") {
        input.value = "";
        leave();
      }
    });
    // A finger that taps elsewhere sets what was typed, too.
    input.addEventListener("change", () => input.value !== "" && send());
    input.addEventListener("blur", () => requestAnimationFrame(follow));
    new ResizeObserver(() => !card.hidden && requestAnimationFrame(put)).observe(place);

    return { refresh: () => (card.hidden ? undefined : line?.isConnected ? refresh() : follow()) };
  }

  return { mount, stepOf };
})();
DR.weights = weightsModule;
