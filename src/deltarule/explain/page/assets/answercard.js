// @ts-check
// The card with the answer on a row of a table (answer.js). On a wide screen it has the place of the
// derivation while nothing is selected; on a narrow one it stands above the drawing.
"use strict";

const answerCardModule = (function () {
  const { el } = DR.dom;
  const { predict, probabilityOf, partsOf, changesOf } = DR.answer;
  const { SHEET } = DR.dock;
  const { ABOUT, titleOf, headline, intervalWords, unitWords, bars, others, errorWords } = DR.answerParts;
  const FEW = 20; // one row in so many has "one of the largest" losses
  const root = document.documentElement;
  /**
   * Which folds are open, and whether the parts are those of the table's class where another is predicted.
   *
   * @typedef {{ made: boolean, changed: boolean, ofTable?: boolean }} Opened
   */

  /** What to look at first and next. @param {Page.Store} store @param {Page.ColumnPart[]} parts */
  function next(store, parts) {
    const { answer, reference, columns } = store.payload;
    const i = store.state.sample;
    const known = answer && !store.changed && store.state.state === reference.state;
    const hints = [];
    const of = known ? answer.compared[answer.parts?.[i] ?? ""].rows : 0;
    if (known && of > 1 && answer.larger[i] < Math.max(1, Math.floor(of / FEW)))
      hints.push("Its loss is among the largest: check its cells and its target first.");
    if (parts.slice(0, 3).some(({ cell }) => cell === null))
      hints.push("A cell that matters is missing, and another value stands in for it.");
    const part = answer?.parts?.[i];
    if (answer && part && !answer.portfolio) hints.push(answer.part_words[part]);
    /** @param {string} text @param {() => unknown} onclick */
    const button = (text, onclick) => el("button", { type: "button", class: "link", text, onclick });
    const column = parts.length ? columns.find(({ name }) => name === parts[0].name) : undefined;
    const first = column?.inputs[0];
    /** @param {Page.Selection} selected */
    const go = (selected) => () => store.set({ selected, mode: "sample" });
    return [
      ...hints.map((text) => el("p", { class: "note", text })),
      el(
        "div",
        { class: "answer-next" },
        column && first !== undefined
          ? button(
              `How ${DR.dom.cut(column.name, 24)} enters the loss`,
              go({ kind: "node", layer: 0, j: first }),
            )
          : null,
        button("The loss, number by number", go({ kind: "cost" })),
        button("What if: change a number", () => {
          if (first !== undefined) go({ kind: "node", layer: 0, j: first })();
          document.getElementById("h-whatif")?.scrollIntoView({ block: "center" });
        }),
      ),
    ];
  }

  /** @param {string} title @param {string} note @param {boolean} open @param {Page.Child[]} children */
  const part = (title, note, open, ...children) =>
    el(
      "details",
      { class: "answer-part", open },
      el("summary", {}, el("h4", { text: title }), note ? el("span", { class: "note", text: note }) : null),
      ...children,
    );

  /** That the rows are of another table than that of the training, at the top; null where they are not. @param {Page.Store} store */
  function otherTable(store) {
    const { answer } = store.payload;
    if (answer?.parts?.[store.state.sample] !== "") return null;
    return el("p", { class: "limit", "data-other-table": "", text: answer.part_words[""] });
  }

  /**
   * What the whole portfolio says, where the network is one of many; that of a number or a class. Its
   * parts and its predictions with other cells are Python's, of one row.
   *
   * @param {Page.Store} store @param {Opened} opened
   */
  function ofPortfolio(store, opened) {
    const { portfolio, whole, cells, parts, part_words } = /** @type {Page.TableAnswer} */ (
      store.payload.answer
    );
    if (!portfolio) return [];
    const i = store.state.sample;
    const predicted = portfolio.predicted[i];
    const isNumber = portfolio.probabilities === null;
    const value = Number(portfolio.probabilities ? portfolio.probabilities[i] : predicted);
    const actual = isNumber ? Number(cells[i]) : String(cells[i]);
    const said = { isNumber, value, predicted, actual };
    /** @type {HTMLElement[]} */
    const elements = headline(titleOf(store), said, portfolio.of_table?.[i] ?? null, "portfolio ");
    elements.push(
      el("p", {
        class: "note",
        text: `This is the model’s answer: ${portfolio.networks} networks together.`,
      }),
    );
    if (whole?.sample === i && whole.interval) {
      const [low, high] = whole.interval.map(Number);
      elements.push(intervalWords([low, high], Number(actual)));
    }
    if (parts?.[i]) elements.push(el("p", { class: "note", text: part_words[parts[i]] }));
    if (whole && whole.sample === i) {
      const columns = whole.columns.map(({ name, cell, part }) => ({ name, cell, part: Number(part) }));
      const made = part("What made it so", unitWords(store, said), opened.made);
      made.append(
        ...partsOfColumns(store, columns, Number(whole.start), Number(whole.value), isNumber ? 1 : 100),
        el("p", { class: "note", text: ABOUT }),
      );
      DR.dom.put(made, "data-portfolio", "");
      made.addEventListener("toggle", () => (opened.made = made.open));
      elements.push(made);
      const changes = whole.changes.map(({ name, cell, values }) => ({
        name,
        cell,
        values: values.map((each) => ({ ...each, value: Number(each.value) })),
      }));
      const { classes, second: name, second_probability: share } = whole;
      const second = name === null ? null : { classes, name, value: Number(share) };
      if (changes.length) elements.push(changedPart(changes, { ...said, second }, opened));
    } else {
      const row = DR.dom.apart(store.payload.names.rows[i]);
      const own = whole ? ` This page has it of row ${store.payload.names.rows[whole.sample]}.` : "";
      const text = `What made the portfolio predict this is in the page that “deltarule explain MODEL DATA --row ${row} --html PAGE” writes.${own}`;
      elements.push(el("p", { class: "note", text }));
    }
    return elements;
  }

  /**
   * The parts of the columns as bars, or as an image where they are pixels, with the bars in a fold.
   *
   * @param {Page.Store} store @param {Page.ColumnPart[]} parts @param {number} start @param {number} value
   * @param {number} scale 100 for percent
   */
  function partsOfColumns(store, parts, start, value, scale) {
    const image = DR.images.of(store);
    const all = bars(parts, start, value, scale);
    if (!image?.columns) return [all];
    const values = DR.images.byColumn(store, image, parts, scale);
    return [
      DR.images.attributions(
        store,
        image,
        values,
        scale === 100 ? "percentage points" : "in the target’s unit",
      ),
      el("details", { class: "answer-bars" }, el("summary", { text: "The largest of them as bars" }), all),
    ];
  }

  /** Predictions with other cells, in a fold. @param {Page.CellChange[]} changes @param {Page.Said} said @param {Opened} opened */
  function changedPart(changes, said, opened) {
    const changed = part("Had one cell been another", "", opened.changed, ...others(changes, said));
    changed.addEventListener("toggle", () => (opened.changed = changed.open));
    return changed;
  }

  /**
   * The same for the table's class, where another of more than two is predicted; else null. (Of two
   * classes the parts of the one are those of the other with the opposite sign.)
   *
   * @param {Page.Store} store @param {Page.Predicted} found @param {number | null} share its probability
   * @returns {Page.Predicted | null}
   */
  function ofTable(store, found, share) {
    const { classes } = /** @type {Page.TableAnswer} */ (store.payload.answer);
    const of = classes.indexOf(String(found.actual));
    if (found.isNumber || classes.length < 3 || of < 0 || of === found.of || share === null) return null;
    return { ...found, of, predicted: found.actual, value: share, unit: { output: of, scale: 1, shift: 0 } };
  }

  /**
   * Fills the card for the row that is shown; the parts of the columns follow, computed a few
   * milliseconds at a time. Returns a function that cancels that.
   *
   * @param {HTMLElement} place @param {Page.Store} store @param {Opened} opened
   * @param {Opened} alone of the network's own part, where it is one of a portfolio
   * @param {() => void} again fills it once more
   */
  function fill(place, store, opened, alone, again) {
    const portfolio = store.payload.answer?.portfolio;
    const found = predict(store);
    const share = found.isNumber ? null : probabilityOf(store, found.actual);
    const ours = portfolio ? alone : opened;
    const scale = found.isNumber ? 1 : 100;
    const busy = el("p", { class: "note", text: "computing …" });
    const other = ofTable(store, found, share);
    const about = ours.ofTable && other ? other : found;
    const turn = other && el("button", { type: "button", class: "link", "data-turn": "" });
    if (turn) {
      const [of, whose] = about === found ? [other, "the table’s class"] : [found, "the predicted class"];
      turn.textContent = `What spoke for and against ${DR.dom.cut(String(of.predicted), 24)}, ${whose}`;
      turn.addEventListener("click", () => {
        ours.ofTable = about === found;
        again();
      });
    }
    const title = about === found ? "What made it so" : "For and against the table’s class";
    const made = part(title, unitWords(store, about), ours.made, turn, busy);
    const after = el("div", { class: "answer-after" }, ...next(store, []));
    const what = store.changed
      ? el("p", { class: "limit", text: "It is of the network as “what if” has changed it." })
      : null;
    place.replaceChildren(
      ...[
        otherTable(store),
        ...ofPortfolio(store, opened),
        what,
        ...headline(
          portfolio
            ? `What the network of the drawing alone says, one of ${portfolio.networks}`
            : titleOf(store),
          found,
          share,
        ),
        made,
        errorWords(store, found),
        after,
      ].filter((each) => each !== null),
    );
    made.addEventListener("toggle", () => (ours.made = made.open));
    DR.dom.put(place, "aria-busy", true);
    return DR.attributeLater(
      store,
      { of: about.unit.output, method: "integrated", baseline: "zeros" },
      (result) => {
        const parts = partsOf(store, about, result.values);
        const start = about.unit.scale * result.before + about.unit.shift;
        const short =
          result.method === "gradient"
            ? " The network is too large to integrate here: the parts are gradient × input."
            : "";
        busy.replaceWith(
          ...partsOfColumns(store, parts, start, about.value, scale),
          el("p", {
            class: "note",
            text: `${ABOUT}${short}`,
          }),
        );
        const changes = changesOf(store, found, parts);
        if (changes.length) made.after(changedPart(changes, found, ours));
        after.replaceChildren(...next(store, parts));
        DR.dom.put(place, "aria-busy", null);
      },
    );
  }

  /**
   * Mounts the card; without a table there is none.
   *
   * @param {HTMLElement} card the section, which is empty and hidden @param {Page.Store} store
   */
  function mount(card, store) {
    if (!store.payload.answer) return;
    const place = el("div", { class: "answer" });
    const panel = DR.dom.byId("derivation");
    const head = /** @type {HTMLElement} */ (panel.querySelector(".head"));
    const drawing = /** @type {HTMLElement} */ (document.querySelector(".place-drawing"));
    const title = panel.querySelector("h2")?.textContent ?? "";
    // Of hundreds of pixels another cell of one says little.
    const opened = { made: true, changed: !SHEET.matches && !DR.images.of(store) };
    const alone = { made: false, changed: false };
    /** @param {Page.View} state */
    const wanted = (state) => (state.selected || state.mode === "mean" ? "derivation" : "answer");
    let last = /** @type {Page.Selection} */ ({ kind: "cost" });
    const tabs = DR.dom.choice(
      "Beside the drawing",
      [
        ["answer", "Answer"],
        ["derivation", "Derivation"],
      ],
      (value) => store.set(value === "answer" ? { selected: null, mode: "sample" } : { selected: last }),
    );
    tabs.classList.add("panel-tabs");
    head.prepend(tabs);
    panel.classList.add("with-answer");
    card.hidden = false;
    card.append(place);

    let cancel = () => {};
    let stale = true;
    const isSeen = () => SHEET.matches || root.dataset.shown === "answer";
    function render() {
      cancel();
      if (!isSeen()) return;
      stale = false;
      cancel = fill(place, store.seen(), opened, alone, render);
    }
    const settle = () => {
      root.dataset.shown = wanted(store.state);
      tabs.show(root.dataset.shown);
      panel
        .querySelector("h2")
        ?.replaceChildren(root.dataset.shown === "answer" && !SHEET.matches ? "Beside the drawing" : title);
      if (stale && isSeen()) render();
    };
    const arrange = () => {
      if (SHEET.matches) drawing.before(card);
      else panel.append(card);
      settle();
    };
    arrange();
    SHEET.addEventListener("change", arrange);
    document.querySelector(".skip")?.addEventListener("click", () => store.set({ selected: last }));
    store.subscribe((state, changed) => {
      if (state.selected) last = state.selected;
      if (["sample", "state", "nudge", "payload"].some((key) => changed.has(key))) stale = true;
      settle();
    });
  }

  return { mount };
})();
DR.answerCard = answerCardModule;
