// @ts-check
// "Go to": a weight, a bias, a node, an input or the cost by its name. It reaches
// parts that a large drawing does not show, and needs no pointer.
"use strict";

const gotoModule = (function () {
  const { el } = DR.dom;
  const SUGGESTED = 400; // more names than this are not offered in a list
  /** @type {Record<string, "edge" | "bias" | "node" | "input" | "output">} */
  const KINDS = {
    w: "edge",
    weight: "edge",
    b: "bias",
    bias: "bias",
    a: "node",
    z: "node",
    δ: "node",
    d: "node",
    delta: "node",
    node: "node",
    x: "input",
    input: "input",
    y: "output",
    output: "output",
  };
  const INDICES = { edge: 3, bias: 2, node: 2, input: 1, output: 1 };
  /** What indices without a letter name, by their number. @type {Record<number, "edge" | "node">} */
  const BY_COUNT = { 2: "node", 3: "edge" };
  const FORMS = "w 2,1,0 (layer, to, from), b 2,1, a 1,3, x 0, or a name";
  const LETTERS = "[a-zδ]+";

  const LOWER = "₀₁₂₃₄₅₆₇₈₉";
  const UPPER = "⁰¹²³⁴⁵⁶⁷⁸⁹";

  /** "w₁₂⁽²⁾", as texts and pages print it, as "w_12^2". @param {string} text */
  const ascii = (text) =>
    text
      .replace(/[₀-₉]+(?:,[₀-₉]+)*/g, (run) => `_${run.replace(/[₀-₉]/g, (c) => String(LOWER.indexOf(c)))}`)
      .replace(/⁽([⁰¹²³⁴-⁹]+)⁾/g, (_, run) => `^${[...run].map((c) => UPPER.indexOf(c)).join("")}`);

  /** "2,1,2" and "^2_{1,2}" and "_12^2": [layer, j, k], or null. @param {string} text */
  function places(text) {
    const upper = /\^\{?(\d+)\}?/.exec(text);
    const lower = /_(?:\{([\d,\s]+)\}|(\d+(?:,\d+)*))/.exec(text);
    if (!upper || !lower) {
      if (!/^[\s,;()[\]_]*\d+(?:[\s,;()[\]]+\d+)*[\s)\]]*$/.test(text)) return null;
      return (text.match(/\d+/g) ?? []).map(Number);
    }
    const list = (lower[1] ?? lower[2]).split(",").map((part) => part.trim());
    const pair = list.length === 1 && list[0].length === 2 ? [...list[0]] : list;
    return [upper[1], ...pair].map(Number);
  }

  /**
   * The selection that a text names, or the reason why there is none.
   *
   * @param {Page.Store} store @param {string} text @returns {{ selected?: Page.Selection, error?: string }}
   */
  function read(store, text) {
    const { net, payload } = store,
      given = text.trim();
    /** @type {[layer: number, names: string[]][]} */
    const named = [
      [0, payload.names.inputs],
      [net.L, payload.names.outputs],
    ];
    for (const [layer, names] of named) {
      const j = names.indexOf(given);
      if (given && j >= 0) return { selected: { kind: "node", layer, j } };
    }
    const plain = ascii(given.toLowerCase().replaceAll("\u2212", "-"));
    if (["c", "cost", "loss"].includes(plain)) return { selected: { kind: "cost" } };
    const [, word, rest] = /** @type {RegExpExecArray} */ (
      new RegExp(`^(${LETTERS})?(.*)$`, "su").exec(plain)
    );
    const at = places(rest);
    const kind = word ? KINDS[word] : at && BY_COUNT[at.length];
    if (!at || !kind || at.length !== INDICES[kind]) return { error: `Expected ${FORMS}.` };
    if (kind === "input") return checked(store, { kind: "node", layer: 0, j: at[0] });
    if (kind === "output") return checked(store, { kind: "node", layer: net.L, j: at[0] });
    const [layer, j, k] = at;
    return checked(store, kind === "edge" ? { kind, layer, j, k } : { kind, layer, j });
  }

  /**
   * The selection, or an error text that says what the network has where it lacks the selected part.
   *
   * @param {Page.Store} store
   * @param {Page.NodeSelection | Page.ParameterSelection} selected
   * @returns {{ selected?: Page.Selection, error?: string }}
   */
  function checked({ net }, selected) {
    const { kind, layer, j, k } = selected,
      first = kind === "node" ? 0 : 1;
    if (layer < first || layer > net.L)
      return { error: `There is no layer ${layer} of that kind; expected ${first} to ${net.L}.` };
    if (kind === "bias" && net.b[layer] === null) return { error: "This network has no biases." };
    /** @param {number} index @param {number} l */
    const far = (index, l) =>
      index >= net.widths[l] && {
        error: `Layer ${l} has no node ${index}; expected 0 to ${net.widths[l] - 1}.`,
      };
    return far(j, layer) || (kind === "edge" && far(k, layer - 1)) || { selected };
  }

  /**
   * The field; `/` brings the focus to it from anywhere.
   *
   * @param {HTMLElement} element @param {Page.Store} store
   */
  function mount(element, store) {
    const field = el("input", {
      id: "goto-text",
      type: "text",
      placeholder: "w 2,1,0",
      list: "goto-names",
      autocomplete: "off",
      spellcheck: "false",
      "aria-describedby": "goto-words",
      title: `${FORMS}; the key / leads here`,
    });
    const names = el("datalist", { id: "goto-names" });
    const words = el("p", { id: "goto-words", class: "goto-words", role: "status" });
    const form = el(
      "form",
      { class: "field goto" },
      el("label", { for: "goto-text", text: "Go to" }),
      field,
      names,
      el("button", { type: "submit", class: "button", text: "Show" }),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const { selected, error } = read(store, field.value);
      words.textContent = error || "";
      field.setAttribute("aria-invalid", String(Boolean(error)));
      if (selected) store.set({ selected });
    });
    field.addEventListener("input", () => {
      words.textContent = "";
      field.removeAttribute("aria-invalid");
    });
    element.replaceChildren(form, words);

    function suggest() {
      const { inputs, outputs } = store.payload.names;
      const all = [...new Set([...inputs, ...outputs])];
      names.replaceChildren(...(all.length > SUGGESTED ? [] : all.map((value) => el("option", { value }))));
    }
    suggest();
    store.subscribe((_, changed) => changed.has("payload") && suggest());
  }

  return { read, mount };
})();
DR.goto = gotoModule;
