// @ts-check
// Formulas as MathML in the document, and what a reader can do with their symbols.
//
// A symbol (Page.Symbol) is drawn with its number inside it; the style sheet shows one of the two.
"use strict";

const mathsModule = (function () {
  const MATHML = "http://www.w3.org/1998/Math/MathML";

  /** @param {string} name @param {Record<string, string>} attributes @param {(Node | string)[]} children */
  function element(name, attributes, ...children) {
    const node = document.createElementNS(MATHML, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  }

  /** @param {(Node | string)[]} children */
  const row = (...children) => element("mrow", {}, ...children);
  /** @param {string} text */
  const mi = (text) => element("mi", {}, text);
  /** @param {string} text */
  const mo = (text) => element("mo", {}, text);
  /** @param {string | number} text */
  const mn = (text) => element("mn", {}, String(text));
  /** @param {string} text */
  const words = (text) => element("mtext", {}, text);
  /** @param {Element} above @param {Element} below */
  const frac = (above, below) => element("mfrac", {}, above, below);
  /** @param {Element} base @param {Element} index */
  const sub = (base, index) => element("msub", {}, base, index);
  /** @param {Element} base @param {Element} index */
  const sup = (base, index) => element("msup", {}, base, index);
  /** @param {Element} base @param {Element} low @param {Element} high */
  const subsup = (base, low, high) => element("msubsup", {}, base, low, high);
  /** @param {(Node | string)[]} children */
  function fenced(...children) {
    const inside = row(...children);
    const tall = inside.querySelector("mfrac, munder, mtable") !== null;
    const bracket = (/** @type {string} */ text) => element("mo", tall ? {} : { stretchy: "false" }, text);
    return row(bracket("("), inside, bracket(")"));
  }
  /** The number of a layer, in parentheses, since it is no exponent. @param {string | number} l */
  const layer = (l) => fenced(mn(l));
  /** @param {string} index */
  const sum = (index) => element("munder", { class: "sum" }, mo("∑"), mi(index));

  /**
   * Indices side by side, with a comma where one has two digits or is a letter.
   *
   * @param {(string | number)[]} given
   */
  function indices(...given) {
    const apart = given.some((index) => String(index).length > 1);
    const drawn = given.map((index) => (typeof index === "number" ? mn(index) : mi(index)));
    return row(
      ...drawn.flatMap((node, at) =>
        at && apart ? [element("mo", { separator: "true" }, ","), node] : [node],
      ),
    );
  }

  /**
   * A number as DR.number writes it; a negative factor is in brackets.
   *
   * @param {number} x @param {{ factor?: boolean }} [options]
   */
  function number(x, { factor = false } = {}) {
    const { sign, mantissa, exponent } = DR.number.parts(x);
    const power =
      exponent === null
        ? []
        : [mo("×"), sup(mn(10), mn(exponent < 0 ? `${DR.text.MINUS}${-exponent}` : exponent))];
    const drawn = row(mn(sign + mantissa), ...power);
    /** @param {string} text */
    const bracket = (text) => element("mo", { stretchy: "false" }, text);
    return factor && sign ? row(bracket("("), drawn, bracket(")")) : drawn;
  }

  /** What a screen reader says of a symbol's element. @type {WeakMap<Element, string>} */
  const spoken = new WeakMap();
  /** What draws the symbol of a symbol's element. @type {WeakMap<Element, () => Element>} */
  const drawings = new WeakMap();

  /**
   * Puts its symbol under every number of the formulas in an element, so that a factor has its name
   * where numbers stand in place of symbols. An exponent stays without.
   *
   * @param {Element} root
   */
  function label(root) {
    const inFormula = root.matches(".formula") ? "" : ".formula ";
    for (const node of root.querySelectorAll(`${inFormula}.sym`)) {
      const value = node.querySelector(":scope > .as-number");
      const draw = drawings.get(node);
      const above = node.closest("msup, msubsup");
      if (!value || !draw || (above && !above.firstElementChild?.contains(node))) continue;
      const place = element("munder", { class: "as-labelled" });
      value.replaceWith(place);
      place.append(value, element("mrow", { class: "as-label" }, draw()));
    }
  }
  const numbersShown = () => "numbers" in document.documentElement.dataset;

  /** A symbol with its number inside it. @param {Page.Symbol} given @param {{ factor?: boolean }} [options] */
  function symbol(given, options = {}) {
    const { id, value, go } = given;
    const drawn = element("mrow", { class: "sym", "data-symbol": id, "data-value": String(value) });
    if (go) drawn.setAttribute("data-go", JSON.stringify(go));
    spoken.set(drawn, `${given.text} = ${DR.number(value)}`);
    drawings.set(drawn, given.draw);
    const asNumber = number(value, options);
    const asSymbol = given.draw();
    asNumber.setAttribute("class", "as-number");
    drawn.append(element("mrow", { class: "as-symbol" }, asSymbol), asNumber);
    return drawn;
  }

  /**
   * A symbol's number only.
   *
   * @param {Page.Symbol} symbol @param {{ factor?: boolean }} [options]
   */
  function figure({ id, value }, options = {}) {
    const drawn = number(value, options);
    drawn.setAttribute("class", "figure");
    drawn.setAttribute("data-symbol", id);
    drawn.setAttribute("data-value", String(value));
    return drawn;
  }

  /**
   * A formula of pieces.
   *
   * @param {Page.Piece[]} pieces @param {{ block?: boolean, label?: string }} [options]
   */
  function math(pieces, { block = true, label = "" } = {}) {
    const nodes = pieces.map((piece) => (typeof piece === "string" ? mo(piece) : piece));
    const drawn = element("math", block ? { display: "block" } : { displaystyle: "true" }, row(...nodes));
    if (label) drawn.setAttribute("alttext", label);
    return drawn;
  }

  /** @type {Record<string, string>} */
  const GREEK = { theta: "θ", eta: "η", delta: "δ", rho: "ρ", mu: "μ" };
  const SPELLED = Object.fromEntries(Object.entries(GREEK).map(([name, letter]) => [letter, name]));

  /**
   * Gives the letters a, z and y of a formula the layer l and the index j, or the one that they have.
   *
   * @param {Element} drawn @param {Page.Indices} given
   */
  function index(drawn, { l, j }) {
    for (const leaf of drawn.querySelectorAll("mi")) {
      const letter = leaf.textContent,
        around = leaf.parentElement;
      if (!["a", "z", "y"].includes(letter) || leaf.closest(".sym")) continue;
      const whole = around?.localName === "msub" && around.firstElementChild === leaf ? around : leaf;
      const own = whole === leaf ? "j" : (whole.lastElementChild?.textContent ?? "j");
      const below = own === "j" ? indices(j) : mi(own);
      const named = letter === "y" ? sub(mi("y"), below) : subsup(mi(letter), below, layer(l));
      const isBase = whole.parentElement?.localName === "msup" && !whole.previousElementSibling;
      whole.replaceWith(isBase ? fenced(named) : named);
    }
  }

  /**
   * The contents of a formula that Python has printed as MathML.
   *
   * @param {string} markup
   * @param {Record<string, Page.Symbol>} [symbols] by the name of the variable that each replaces
   * @param {Page.Indices | null} [given] the indices of the other letters
   */
  function printed(markup, symbols = {}, given = null) {
    const template = document.createElement("template");
    template.innerHTML = markup;
    const printed = /** @type {Element} */ (template.content.querySelector("math"));
    const drawn = row(...printed.childNodes);
    for (const leaf of drawn.querySelectorAll("mi")) {
      const given = symbols[SPELLED[leaf.textContent] || leaf.textContent];
      if (!given) continue;
      const before = leaf.previousElementSibling;
      const after = before?.localName === "mo" && "−-+·⋅\u2062".includes(before.textContent);
      const isBase = leaf.parentElement?.localName === "msup" && !before;
      leaf.replaceWith(isBase ? fenced(symbol(given)) : symbol(given, { factor: after }));
    }
    if (given) index(drawn, given);
    // Two numbers side by side need a dot where two symbols do not.
    for (const leaf of drawn.querySelectorAll("mo")) {
      if (leaf.textContent !== "\u2062" || !leaf.nextElementSibling?.classList.contains("sym")) continue;
      leaf.setAttribute("class", "when-symbols");
      leaf.after(element("mo", { class: "when-numbers" }, "·"));
    }
    // "log a" and not "loga": space around the name of a function.
    for (const leaf of drawn.querySelectorAll("mrow > mi")) {
      if (leaf.textContent.length === 1 || leaf.closest(".sym")) continue;
      const thin = () => element("mspace", { width: "0.17em" });
      const before = leaf.previousElementSibling || leaf.parentElement?.previousElementSibling;
      if (before && !"(−-".includes(before.textContent || " ")) leaf.before(thin());
      leaf.after(thin());
    }
    // 1 − 0.9 is 0.09999999999999998 in float64: constants are shown with six digits.
    for (const leaf of drawn.querySelectorAll("mn")) {
      if (!leaf.closest(".sym") && leaf.textContent.length > 9)
        leaf.textContent = String(Number(Number(leaf.textContent).toPrecision(6)));
    }
    return drawn;
  }

  const BREAKS = new Set(["=", "·", "+", DR.text.MINUS]);

  /**
   * Pieces as maths side by side, one for each operator with what follows it, so that a line of
   * numbers that is wider than its place breaks before an operator.
   *
   * @param {Page.Piece[]} pieces @param {number} at the place of this part in its line
   */
  function breakable(pieces, at) {
    /** @type {Page.Piece[][]} */
    const runs = [[]];
    pieces.forEach((piece, i) => {
      const breaks = i > 0 && typeof piece === "string" && BREAKS.has(piece);
      // "C = Σ a" breaks within the sum only: what an "=" begins stays with the left side.
      if (breaks && !(piece === "=" && runs.length === 1))
        runs.push([element("mo", { form: "infix" }, piece)]);
      else runs[runs.length - 1].push(piece);
    });
    const drawn = runs.map((run) => math(run, { block: false }));
    if (at > 0) drawn[0].classList.add("part");
    return drawn;
  }

  /**
   * Formulas one below the other. A line breaks before its operators, and between its parts where it
   * has several, each a list of pieces. One that is wider even so scrolls, and takes the focus so
   * that a keyboard can.
   *
   * @param {Page.Line[]} lines
   */
  function formula(...lines) {
    const drawn = DR.dom.el(
      "div",
      {
        class: "formula",
        tabindex: "0",
        role: "group",
        "aria-label": "Formula; arrow keys go from symbol to symbol",
      },
      ...lines.map((line) => {
        const parts = /** @type {Page.Piece[][]} */ (Array.isArray(line[0]) ? line : [line]);
        return DR.dom.el("div", { class: "formula-parts" }, ...parts.flatMap(breakable));
      }),
    );
    if (numbersShown()) label(drawn);
    return drawn;
  }

  /**
   * A symbol's number in running text, as an element.
   *
   * @param {Page.Symbol} symbol @param {number} [digits]
   */
  function value({ id, value: x }, digits = 6) {
    return DR.dom.shown(id, x, DR.number(x, digits), "value");
  }

  // -- what a reader can do --------------------------------------------------------------

  /** @type {HTMLElement | MathMLElement | null} The element whose symbol is pointed at. */
  let current = null;
  /** @type {DOMRect[]} Where the pointer may be without leaving it. */
  let area = [];

  /** Marks a symbol everywhere in the page; null removes the mark. @param {string | null} id */
  function highlight(id) {
    for (const node of document.querySelectorAll(".same")) node.classList.remove("same");
    if (id === null) return;
    for (const node of document.querySelectorAll(`[data-symbol="${CSS.escape(id)}"]`))
      node.classList.add("same");
  }

  /** Points at the element of a symbol; null at none. @param {HTMLElement | MathMLElement | null} node */
  function point(node) {
    if (node === current) return;
    if (current) current.classList.remove("swapped");
    current = node;
    highlight(node?.dataset.symbol ?? null);
    if (!node?.classList.contains("sym")) return;
    // A number is wider than its symbol. The pointer has left only when it is outside both; else the
    // two would alternate under a pointer that does not move.
    area = [node.getBoundingClientRect()];
    node.classList.add("swapped");
    area.push(node.getBoundingClientRect());
  }

  /** @param {PointerEvent} event */
  const within = (event) =>
    area.some(
      (r) =>
        event.clientX >= r.left &&
        event.clientX <= r.right &&
        event.clientY >= r.top &&
        event.clientY <= r.bottom,
    );

  /** Where the pointer was last. @type {[x: number, y: number]} */
  let last = [NaN, NaN];

  /** @param {PointerEvent} event */
  function moved(event) {
    // A number is not as high as its symbol: what stands below would move under a pointer that rests.
    if (event.clientX === last[0] && event.clientY === last[1]) return;
    last = [event.clientX, event.clientY];
    /** @type {HTMLElement | null} */
    const over = event.target instanceof Element ? event.target.closest("[data-symbol]") : null;
    if (over === current) return;
    if (current?.isConnected && current.classList.contains("sym") && !over && within(event)) return;
    point(over);
  }

  /**
   * Arrow keys go from symbol to symbol of a focused formula; Enter selects what the symbol names.
   *
   * @param {KeyboardEvent} event @param {(selected: Page.Selection) => unknown} go
   */
  function pressed(event, go) {
    const formula = event.target instanceof Element ? event.target.closest(".formula") : null;
    if (!formula || event.target !== formula) return;
    const symbols = [...formula.querySelectorAll(".sym")];
    if (!symbols.length) return;
    const at = symbols.indexOf(/** @type {Element} */ (current));
    if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
      event.preventDefault();
      event.stopPropagation();
      const step = event.key === "ArrowRight" ? 1 : -1;
      choose(/** @type {MathMLElement} */ (symbols[(at + step + symbols.length) % symbols.length]));
    } else if (event.key === "Enter" && current && current.dataset.go) {
      event.preventDefault();
      go(JSON.parse(current.dataset.go));
    }
  }

  /** @param {MathMLElement} node */
  function choose(node) {
    point(node);
    document.dispatchEvent(new CustomEvent("deltarule-point", { detail: node }));
    DR.dom.say(spoken.get(node) ?? "");
  }

  /** @type {((selected: Page.Selection) => unknown) | null} */
  let watched = null;

  /**
   * Starts pointing and keys for the page; `go` is called with what a click on a symbol names.
   *
   * @param {(selected: Page.Selection) => unknown} go
   */
  function watch(go) {
    const first = watched === null;
    watched = go;
    if (!first) return;
    document.addEventListener("pointerover", moved);
    document.addEventListener("pointermove", moved);
    document.addEventListener("pointerleave", () => point(null));
    // A later call of `watch` replaces `watched`, so it is read when the event comes.
    /** @param {Page.Selection} selected */
    const select = (selected) => watched?.(selected);
    // In the capture phase: before the keys of the whole page.
    document.addEventListener("keydown", (event) => pressed(event, select), true);
    document.addEventListener("focusin", (event) => {
      const target = /** @type {Element} */ (event.target);
      /** @type {MathMLElement | null} */
      const first = target.matches(".formula:focus-visible") ? target.querySelector(".sym") : null;
      if (first) choose(first);
    });
    document.addEventListener("focusout", (event) => {
      if (/** @type {Element} */ (event.target).matches(".formula")) point(null);
    });
    document.addEventListener("click", (event) => {
      /** @type {HTMLElement | null} */
      const over = /** @type {Element} */ (event.target).closest(".sym[data-go]");
      if (over?.dataset.go) select(JSON.parse(over.dataset.go));
    });
  }

  return {
    GREEK,
    element,
    row,
    mi,
    mo,
    mn,
    words,
    frac,
    sub,
    sup,
    subsup,
    layer,
    fenced,
    sum,
    indices,
    number,
    symbol,
    figure,
    label,
    math,
    formula,
    printed,
    value,
    watch,
  };
})();
DR.maths = mathsModule;
