// Formulas as MathML in the document, and what a reader can do with their symbols.
//
// A symbol is {id, text, value, draw, go}: what it is called in data-symbol, how it reads, its
// number, how it is drawn, and what a click on it selects. It is drawn with its number inside it;
// the style sheet shows one of the two.
"use strict";
var DR = globalThis.DR || (globalThis.DR = {});

(function () {
  const MATHML = "http://www.w3.org/1998/Math/MathML";

  function element(name, attributes, ...children) {
    const node = document.createElementNS(MATHML, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  }

  const row = (...children) => element("mrow", {}, ...children);
  const mi = (text) => element("mi", {}, text);
  const mo = (text) => element("mo", {}, text);
  const mn = (text) => element("mn", {}, String(text));
  const words = (text) => element("mtext", {}, text);
  const frac = (above, below) => element("mfrac", {}, above, below);
  const sub = (base, index) => element("msub", {}, base, index);
  const sup = (base, index) => element("msup", {}, base, index);
  const subsup = (base, low, high) => element("msubsup", {}, base, low, high);
  const fenced = (...children) => row(mo("("), ...children, mo(")"));
  const sum = (index) => element("munder", { class: "sum" }, mo("∑"), mi(index));

  /** Indices side by side, with a comma where one has two digits or is a letter. */
  function indices(...given) {
    const apart = given.some((index) => String(index).length > 1);
    const drawn = given.map((index) => (typeof index === "number" ? mn(index) : mi(index)));
    return row(
      ...drawn.flatMap((node, at) =>
        at && apart ? [element("mo", { separator: "true" }, ","), node] : [node],
      ),
    );
  }

  /** A number as DR.number writes it; a negative factor stands in brackets. */
  function number(x, { factor = false } = {}) {
    const { sign, mantissa, exponent } = DR.number.parts(x);
    const power =
      exponent === null
        ? []
        : [mo("×"), sup(mn(10), mn(exponent < 0 ? `${DR.text.MINUS}${-exponent}` : exponent))];
    const drawn = row(mn(sign + mantissa), ...power);
    const bracket = (text) => element("mo", { stretchy: "false" }, text);
    return factor && sign ? row(bracket("("), drawn, bracket(")")) : drawn;
  }

  /** A symbol with its number inside it. */
  function symbol(given, options = {}) {
    const { id, value, go } = given;
    const drawn = element("mrow", { class: "sym", "data-symbol": id, "data-value": String(value) });
    if (go) drawn.setAttribute("data-go", JSON.stringify(go));
    drawn.said = `${given.text} = ${DR.number(value)}`;
    const asNumber = number(value, options);
    const asSymbol = given.draw();
    asNumber.setAttribute("class", "as-number");
    drawn.append(element("mrow", { class: "as-symbol" }, asSymbol), asNumber);
    return drawn;
  }

  /** A symbol's number alone, where it is the number that is meant. */
  function figure({ id, value }, options = {}) {
    const drawn = number(value, options);
    drawn.setAttribute("class", "figure");
    drawn.setAttribute("data-symbol", id);
    drawn.setAttribute("data-value", String(value));
    return drawn;
  }

  /** A formula: pieces are elements, or text for an operator. */
  function math(pieces, { block = true, label = "" } = {}) {
    const nodes = pieces.map((piece) => (typeof piece === "string" ? mo(piece) : piece));
    const drawn = element("math", block ? { display: "block" } : { displaystyle: "true" }, row(...nodes));
    if (label) drawn.setAttribute("alttext", label);
    return drawn;
  }

  const GREEK = { theta: "θ", eta: "η", delta: "δ", rho: "ρ", mu: "μ" };
  const SPELLED = Object.fromEntries(Object.entries(GREEK).map(([name, letter]) => [letter, name]));

  /**
   * The contents of a formula that Python has printed as MathML.
   *
   * @param symbols by name: what to put in the place of a variable, so that its number is there
   */
  function printed(markup, symbols = {}) {
    const template = document.createElement("template");
    template.innerHTML = markup;
    const drawn = row(...template.content.querySelector("math").childNodes);
    for (const leaf of drawn.querySelectorAll("mi")) {
      const given = symbols[SPELLED[leaf.textContent] || leaf.textContent];
      if (given) leaf.replaceWith(symbol(given));
    }
    // log a and not loga: a function's name keeps its distance.
    for (const leaf of drawn.querySelectorAll("mrow > mi")) {
      if (leaf.textContent.length === 1 || leaf.closest(".sym")) continue;
      const thin = () => element("mspace", { width: "0.17em" });
      const before = leaf.previousElementSibling || leaf.parentElement.previousElementSibling;
      if (before && !"(−-".includes(before.textContent || " ")) leaf.before(thin());
      leaf.after(thin());
    }
    // 1 − 0.9 is 0.09999999999999998 to the machine; the eye is spared what rounding left.
    for (const leaf of drawn.querySelectorAll("mn")) {
      if (!leaf.closest(".sym") && leaf.textContent.length > 9)
        leaf.textContent = String(Number(Number(leaf.textContent).toPrecision(6)));
    }
    return drawn;
  }

  /**
   * Formulas one below the other. Wide ones scroll; a keyboard gets there and walks through. A line
   * of several parts, each a list of pieces, breaks between them before it has to scroll.
   */
  function formula(...lines) {
    return DR.dom.el(
      "div",
      {
        class: "formula",
        tabindex: "0",
        role: "group",
        "aria-label": "Formula; arrow keys go from symbol to symbol",
      },
      ...lines.map((pieces) =>
        Array.isArray(pieces[0])
          ? DR.dom.el(
              "div",
              { class: "formula-parts" },
              ...pieces.map((part) => math(part, { block: false })),
            )
          : math(pieces),
      ),
    );
  }

  /** A symbol's number in running text, as an element. */
  function value({ id, value: x }, digits = 6) {
    return DR.dom.shown(id, x, DR.number(x, digits), "value");
  }

  // -- what a reader can do --------------------------------------------------------------

  let current = null; // the element whose symbol is pointed at
  let area = []; // where the pointer may be without leaving it

  /** Marks a symbol wherever it stands in the page; null unmarks. */
  function highlight(id) {
    for (const node of document.querySelectorAll(".same")) node.classList.remove("same");
    if (id === null) return;
    for (const node of document.querySelectorAll(`[data-symbol="${CSS.escape(id)}"]`))
      node.classList.add("same");
  }

  function point(node) {
    if (node === current) return;
    if (current) current.classList.remove("swapped");
    current = node;
    highlight(node ? node.dataset.symbol : null);
    if (!node || !node.classList.contains("sym")) return;
    // A number is wider than its symbol. The pointer has left only when it is outside both, or
    // the two would take turns under a pointer that does not move.
    area = [node.getBoundingClientRect()];
    node.classList.add("swapped");
    area.push(node.getBoundingClientRect());
  }

  const within = (event) =>
    area.some(
      (r) =>
        event.clientX >= r.left &&
        event.clientX <= r.right &&
        event.clientY >= r.top &&
        event.clientY <= r.bottom,
    );

  function moved(event) {
    const over = event.target.closest ? event.target.closest("[data-symbol]") : null;
    if (over === current) return;
    if (current && current.isConnected && current.classList.contains("sym") && !over && within(event))
      return;
    point(over);
  }

  /** Arrow keys go from symbol to symbol of a focused formula; Enter selects what it names. */
  function pressed(event, go) {
    const formula = event.target.closest ? event.target.closest(".formula") : null;
    if (!formula || event.target !== formula) return;
    const symbols = [...formula.querySelectorAll(".sym")];
    if (!symbols.length) return;
    const at = symbols.indexOf(current);
    if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
      event.preventDefault();
      event.stopPropagation();
      const step = event.key === "ArrowRight" ? 1 : -1;
      choose(symbols[(at + step + symbols.length) % symbols.length]);
    } else if (event.key === "Enter" && current && current.dataset.go) {
      event.preventDefault();
      go(JSON.parse(current.dataset.go));
    }
  }

  function choose(node) {
    point(node);
    DR.dom.say(node.said);
  }

  let watched = null;

  /** Starts all that for the page; `go` is called with what a click on a symbol names. */
  function watch(go) {
    const first = watched === null;
    watched = go;
    if (!first) return;
    document.addEventListener("pointerover", moved);
    document.addEventListener("pointermove", moved);
    document.addEventListener("pointerleave", () => point(null));
    // Before the page's own keys hear of it.
    document.addEventListener("keydown", (event) => pressed(event, watched), true);
    document.addEventListener("focusin", ({ target }) => {
      const first = target.matches(".formula:focus-visible") && target.querySelector(".sym");
      if (first) choose(first);
    });
    document.addEventListener("focusout", ({ target }) => {
      if (target.matches(".formula")) point(null);
    });
    document.addEventListener("click", (event) => {
      const over = event.target.closest(".sym[data-go]");
      if (over) watched(JSON.parse(over.dataset.go));
    });
  }

  DR.maths = {
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
    fenced,
    sum,
    indices,
    symbol,
    figure,
    math,
    formula,
    printed,
    value,
    watch,
  };
})();
