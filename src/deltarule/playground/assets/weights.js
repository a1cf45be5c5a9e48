// @ts-check
// A small card beside a line of the network, in which its weight is read and set.
//
// It is shown for the line that the pointer is at or that has the focus, else for the selected one.
"use strict";

const weightsModule = (function () {
  const { el } = DR.dom;
  const { read } = DR.text;
  const LATER = 350; // milliseconds in which a pointer can reach the card
  // Significant digits in the field, as many as it has room for (playground.css).
  const DIGITS = 5,
    ROOM = 8;
  const DIGIT = /^[-+.\d]$/;
  /** What the card should not cover, within the card of the drawing. */
  const SEEN = ".node, .network :is(.label, .loss, .target, .heading), .legend";
  const CONTROLS = "button, select, .choice";
  const EVERY = 6; // pixels between two places that are tried
  const OWN = 8; // times that, where it is a part of what the card is of
  // What an overlap costs, in pixels of distance for each square pixel: a mouse has to reach the card
  // before it meets another line, a finger has not.
  const COVERS = { mouse: 0.05, finger: 3 };
  const LESS = 0.05; // times that, where it is a control, which the reader does not look at
  // Milliseconds after which the sheet of the derivation has opened or closed (dock.css), and the page
  // been laid out; on a busy machine they take longer.
  const SETTLED = [330, 1000, 3000];

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

  /** Small boxes along a line, which as one box would be all that lies beside it. @param {Element} line */
  function alongOf(line) {
    const { x1, y1, x2, y2 } = /** @type {SVGLineElement} */ (line);
    const matrix = /** @type {SVGLineElement} */ (line).getScreenCTM();
    if (!x1 || !matrix) return [];
    return [0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95].map((t) => {
      const [x, y] = [x1, y1].map(
        (from, i) => from.baseVal.value + t * ([x2, y2][i].baseVal.value - from.baseVal.value),
      );
      const at = new DOMPoint(x, y).matrixTransform(matrix);
      return new DOMRect(at.x - 8, at.y - 8, 16, 16);
    });
  }

  /**
   * The square pixels that a box has in common with the card at (x, y).
   *
   * @param {DOMRect} box @param {number} x @param {number} y @param {number} wide @param {number} high
   */
  const overlap = (box, x, y, wide, high) =>
    Math.max(0, Math.min(box.right, x + wide) - Math.max(box.left, x)) *
    Math.max(0, Math.min(box.bottom, y + high) - Math.max(box.top, y));

  /** A weight in the field: with fewer digits where it would be cut. @param {number} value */
  function written(value) {
    for (let digits = DIGITS; digits; --digits) {
      const text = String(Number(value.toPrecision(digits)));
      if (text.length <= ROOM) return text;
    }
    return value.toExponential(DIGITS - 3).replace("+", "");
  }

  /**
   * Follows the drawing in `place`. `order` sends the new value; `store()` is the store that is drawn.
   *
   * @param {HTMLElement} place @param {Live.Order} order @param {() => Page.Store | null} store
   */
  function mount(place, order, store) {
    const { draw } = DR.expressions;
    const name = el("span", { class: "weight-name", "aria-hidden": "true" });
    const input = DR.dom.numberField({
      id: "weight",
      "aria-describedby": "weight-note weight-refused",
    });
    const refusal = el("p", { class: "weight-refused", id: "weight-refused", "aria-live": "polite" });
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
        write(-given() || 0);
        send();
      },
    });
    // A finger has no place beside the line to go to, and no Escape.
    const away = DR.dom.iconButton("close", "Close the weight", unchoose, "tool away");
    const card = el(
      "div",
      { class: "weight-card", hidden: true },
      label,
      stepper("minus", -1),
      input,
      stepper("plus", 1),
      sign,
      away,
      note,
      refusal,
    );
    place.after(card);
    const panel = DR.dom.byId("panel");
    const lying = matchMedia("(min-width: 560px) and (max-height: 500px)");
    // The field has a few digits. The weight behind it has all of them, and stays what it is as long
    // as the field has the text that was written for it.
    let exact = 0,
      shown = "";
    /** @type {Page.ParameterSelection | null} The weight that the card is of. */
    let what = null;
    /** @type {Element | null} Its line. */
    let line = null;
    let timer = 0;
    let mouse = false;

    /** Writes a weight into the field. @param {number} value */
    function write(value) {
      exact = value;
      shown = input.value = written(value);
    }

    /** The weight that the field stands for; NaN for a text that is no number. */
    const typed = () => (input.value === shown ? exact : read(input.value));
    /** The same, or for such a text the weight as it is. */
    const given = () => (Number.isNaN(typed()) ? exact : typed());

    /** Says at the field why a weight is refused; "" for one that is not. @param {string} reason */
    function tell(reason) {
      if (refusal.textContent !== reason) {
        refusal.textContent = reason;
        if (!card.hidden) put(); // it is of another height now
      }
      input.setAttribute("aria-invalid", String(reason !== ""));
    }

    /** The line that the card belongs to now. */
    const current = () =>
      place.querySelector(".edge.hot") ??
      [...place.querySelectorAll(".edge.selected")].find((edge) => whatOf(edge)) ??
      null;

    /** Closes the card for good: nothing is chosen any more. */
    function unchoose() {
      store()?.set({ selected: null });
      close();
    }

    function close() {
      clearTimeout(timer);
      card.hidden = true;
      what = line = null;
    }

    /**
     * Where the card stands: near its line; on a phone, where little is free beside a line, in the sheet
     * of the derivation, or while that is closed at the lower edge of an upright screen, and in the corner
     * of a lying one, over the heading of the surface.
     */
    function house() {
      const closed = document.documentElement.dataset.panel === "closed";
      const home = !DR.dock.SHEET.matches ? "line" : !closed ? "sheet" : lying.matches ? "corner" : "edge";
      if (card.dataset.home === home) return home;
      const { activeElement } = document;
      const focused = card.contains(activeElement) ? /** @type {HTMLElement} */ (activeElement) : null;
      card.dataset.home = home;
      if (home === "sheet") panel.before(card);
      else place.after(card);
      // What is being typed goes on where it was.
      const { selectionStart, selectionEnd } = input;
      focused?.focus({ preventScroll: true });
      if (focused === input) input.setSelectionRange(selectionStart, selectionEnd);
      return home;
    }

    /** What a line joins, and its number: what a card of it must not cover. @returns {DOMRect[]} */
    function own() {
      if (!what || !line) return [];
      const { layer, j } = what;
      const nodes = [`${layer},${j}`, ...(what.kind === "edge" ? [`${layer - 1},${what.k}`] : [])];
      const parts = nodes.map((key) => place.querySelector(`[data-node="${key}"]`));
      return [...parts, ...place.querySelectorAll(".network .label")]
        .filter((part) => part !== null)
        .map((part) => part.getBoundingClientRect());
    }

    /**
     * Puts the card near the middle of its line, in sight, where it covers least of the drawing and its
     * controls: the nodes, the number of the line and the line itself.
     */
    function put() {
      if (!line?.isConnected) return close();
      card.style.left = card.style.top = "";
      if (house() !== "line") return;
      const section = card.offsetParent ?? place;
      const around = section.getBoundingClientRect();
      const { width: wide, height: high } = card.getBoundingClientRect();
      const shape = line.querySelector("line") ?? line;
      const { left, right, top, bottom } = shape.getBoundingClientRect();
      const middle = { x: (left + right) / 2, y: (top + bottom) / 2 };
      /** @param {string} selector */
      const boxes = (selector) =>
        [...section.querySelectorAll(selector)]
          .filter((element) => !card.contains(element))
          .map((element) => element.getBoundingClientRect());
      const seen = boxes(SEEN),
        controls = boxes(CONTROLS);
      const owned = [...own(), ...alongOf(shape)];
      const room = roomOf(around);
      const cost = COVERS[mouse && line.matches(".hot:not(.selected)") ? "mouse" : "finger"];
      let best = { x: middle.x - wide / 2, y: middle.y + 20, of: Infinity };
      const most = { x: Math.max(room.left, room.right - wide), y: Math.max(room.top, room.bottom - high) };
      for (let x = room.left; x <= most.x; x += EVERY)
        for (let y = room.top; y <= most.y; y += EVERY) {
          /** @param {DOMRect[]} all */
          const under = (all) => all.reduce((sum, box) => sum + overlap(box, x, y, wide, high), 0);
          const over = under(seen) + LESS * under(controls) + OWN * under(owned);
          const far = Math.hypot(x + wide / 2 - middle.x, y + high / 2 - middle.y);
          const of = far + cost * over;
          if (of < best.of) best = { x, y, of };
        }
      const zoom = Number(getComputedStyle(card).zoom) || 1; // by which the style sheet shrinks its lengths
      card.style.left = `${(best.x - around.left) / zoom}px`;
      card.style.top = `${(best.y - around.top) / zoom}px`;
    }

    // A tap beside the lines, the card and all that is pressed closes the card.
    document.addEventListener(
      "click",
      (event) => {
        const { target, pointerType } = /** @type {PointerEvent & { target: Element }} */ (event);
        if (card.hidden || pointerType !== "touch" || !what || card.dataset.home === "sheet") return;
        if (target.closest(`.weight-card, .top, .place-panel, canvas, label, summary, ${CONTROLS}, a, input`))
          return;
        // Another object, where the tap has chosen something (drawing.js).
        const before = store()?.state.selected;
        requestAnimationFrame(() => {
          const now = store();
          if (before && now?.state.selected === before) unchoose();
        });
      },
      true,
    );

    const again = () => !card.hidden && requestAnimationFrame(put);
    function settle() {
      for (const after of SETTLED) setTimeout(again, after);
    }

    /** The part of a box, of the card of the drawing, that nothing covers. @param {DOMRect} around */
    function roomOf(around) {
      const bar = document.querySelector(".bar")?.getBoundingClientRect();
      const sheet = document.querySelector(".place-panel")?.getBoundingClientRect();
      const below = sheet && DR.dock.SHEET.matches && sheet.width > 0.9 * innerWidth;
      const beside = sheet && DR.dock.SHEET.matches && !below;
      const room = {
        left: Math.max(around.left, 0) + 4,
        top: Math.max(around.top, bar?.bottom ?? 0) + 4,
        right: Math.min(around.right, beside ? sheet.left : innerWidth) - 4,
        bottom: Math.min(around.bottom, below ? sheet.top : innerHeight) - 4,
      };
      // The drawing is scrolled out of sight: anywhere in it.
      if (room.bottom - room.top < card.getBoundingClientRect().height)
        return { ...room, top: around.top, bottom: around.bottom };
      return room;
    }

    /** The number, unless it is being typed or has been refused. */
    function refresh() {
      const drawn = store();
      if (!what || !drawn || document.activeElement === input || refusal.textContent) return;
      const entry = drawn.entry(what);
      if (entry < 0 || entry >= drawn.net.p) return close();
      write(drawn.theta()[entry]);
    }

    /** @param {Element | null} element a line */
    function open(element) {
      const next = element && whatOf(element);
      if (!next || !store()) return close();
      clearTimeout(timer);
      line = element;
      if (JSON.stringify(next) !== JSON.stringify(what)) {
        what = next;
        tell("");
        const { layer, j, k, kind } = next;
        const [, text] = kind === "edge" ? DR.text.symbols.w(layer, j, k) : DR.text.symbols.b(layer, j);
        const drawn = kind === "edge" ? draw.w(layer, j, k) : draw.b(layer, j);
        name.replaceChildren(DR.maths.math([drawn], { block: false }));
        input.setAttribute("aria-label", `${kind === "edge" ? "weight" : "bias"} ${text}`);
        card.hidden = false;
        put();
        // The page may scroll to the line, and its number be drawn, after this. From below a mouse the
        // card does not go away.
        if (!mouse) settle();
      }
      refresh();
    }

    /** After the drawing has marked what the pointer or the focus is at. */
    function follow() {
      if (card.contains(document.activeElement)) return;
      const next = current();
      // On its way to the card of a selected line a mouse may cross others.
      const kept = line?.isConnected && line.matches(".selected");
      const crossing = mouse && !card.hidden && next !== line && kept;
      if (next && !crossing) open(next);
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

    /** Sends the weight of the field; whether it was taken. */
    async function send() {
      const drawn = store(),
        of = what;
      if (!of || !drawn) return false;
      const value = typed();
      const reason = Number.isFinite(value)
        ? await order("weight", { entry: drawn.entry(of), value })
        : `“${input.value}” is no number. Type one such as \u22120.25 or \u22120,25; the weight is ${written(exact)} as before.`;
      if (of === what) tell(reason);
      return reason === "";
    }

    /** Moves the weight by a step, to a multiple of it. @param {number} way −1 or 1 */
    function nudge(way) {
      const value = given();
      const step = stepOf(value);
      const next =
        (way < 0 ? Math.ceil(value / step - 1e-6) - 1 : Math.floor(value / step + 1e-6) + 1) * step;
      write(Number(written(next)));
      send();
    }

    /** Gives the focus back to the line. */
    function leave() {
      const { activeElement } = document;
      const back = /** @type {SVGElement | null} */ (line?.isConnected ? line : null);
      if (activeElement === input) {
        // The reader may look at the surface, or have the card at the edge: the page stays where it is.
        if (back) back.focus({ preventScroll: true });
        else input.blur();
      }
      refresh();
    }

    for (const kind of ["pointerdown", "pointermove"])
      place.addEventListener(kind, (event) => {
        mouse = /** @type {PointerEvent} */ (event).pointerType === "mouse";
      });
    for (const kind of ["pointermove", "pointerleave", "focusin", "focusout", "click"])
      place.addEventListener(kind, () => requestAnimationFrame(follow));
    card.addEventListener("pointerleave", () => requestAnimationFrame(follow));
    // Typing a number on a line begins to set its weight.
    place.addEventListener("keydown", (event) => {
      const edge = /** @type {Element} */ (event.target).closest(".edge");
      if (!edge || !DIGIT.test(event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
      open(edge);
      input.focus({ preventScroll: true });
    });
    input.addEventListener("input", () => tell(""));
    input.addEventListener("keydown", (event) => {
      event.stopPropagation(); // no shortcuts of the page
      if (event.key === "Enter") send().then((taken) => taken && leave());
      else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
        event.preventDefault();
        nudge(event.key === "ArrowUp" ? 1 : -1);
      } else if (event.key === "Escape") {
        tell("");
        input.value = "";
        leave();
      }
    });
    // A finger that taps elsewhere sets what was typed, too.
    input.addEventListener("change", () => input.value !== "" && send());
    input.addEventListener("blur", () => requestAnimationFrame(follow));
    new ResizeObserver(again).observe(place);
    document.addEventListener("scrollend", again);
    document.addEventListener("deltarule-panel", settle);

    return { refresh: () => (card.hidden ? undefined : line?.isConnected ? refresh() : follow()) };
  }

  return { mount, stepOf };
})();
DR.weights = weightsModule;
