// @ts-check
// The guided tour: seven chapters on the article's example, or on the network of the page. It has a
// drawing and a store of its own, so the rest of the page is afterwards as it was. A chapter has an
// address: #tour-3, and #tour-3-own for the network of the page, #tour-3-own-6 on its row 6.
"use strict";

const tourModule = (function () {
  const { el, choice, icon } = DR.dom;
  const root = document.documentElement;
  /** As in tour.css. */
  const NARROW = matchMedia("(max-width: 899px)");

  /** @type {[title: string, short: string, make: (at: Page.TourPlace) => Page.TourChapter][]} */
  const CHAPTERS = [
    ["A network and its loss", "The loss", DR.tourChapters.loss],
    ["Forward", "Forward", DR.tourChapters.forward],
    ["One weight, three factors", "Three factors", DR.tourChapters.factors],
    ["A hidden layer: the sum over j", "The sum over j", DR.tourChapters.hidden],
    ["The mean over samples", "The mean", DR.tourTraining.averaging],
    ["The update", "The update", DR.tourTraining.update],
    ["Many steps", "Many steps", DR.tourTraining.steps],
  ];

  /**
   * The address of a chapter; `row` is the name of a row of the page's own.
   *
   * @param {Page.TourKind} kind @param {number} chapter from 0 @param {string} row
   */
  const address = (kind, chapter, row) =>
    `#tour-${chapter + 1}${kind === "example" ? "" : row ? `-own-${encodeURIComponent(row)}` : "-own"}`;

  /**
   * The chapter that an address names, and the row where it names one; or null.
   *
   * @param {string} hash @returns {{ kind: Page.TourKind, chapter: number, row: string | null } | null}
   */
  function named(hash) {
    const found = /^#tour(?:-(\d+))?(-own(?:-(.+))?)?$/.exec(hash);
    if (!found) return null;
    const chapter = Math.min(Math.max(Number(found[1] ?? 1), 1), CHAPTERS.length) - 1;
    return {
      kind: found[2] ? "own" : "example",
      chapter,
      row: found[3] === undefined ? null : DR.place.decoded(found[3]),
    };
  }

  /**
   * The row that the page shows, or, where the loss of that one depends on no weight of layer 1, the
   * first one whose loss does: there is nothing to see in a product that is 0.
   *
   * @param {Page.Store} page
   */
  function tellingRow(page) {
    const { sample } = page.state;
    /** @param {number} i */
    const tells = (i) => {
      const { delta, A } = page.pass(i);
      return delta[1].some((d) => d !== 0) && A[0].some((x) => x !== 0);
    };
    if (tells(sample)) return sample;
    const found = Array.from({ length: Math.min(page.rows.n, 100) }, (_, i) => i).find(tells);
    return found ?? sample;
  }

  /** The samples of a store are counted as its table does, or by their places. @param {Page.Store} store */
  const countRows = ({ payload }) => DR.text.countRows(payload.answer ? payload.names.rows : []);

  /** Whether the tour is open. */
  const isOpen = () => "tour" in root.dataset;

  /**
   * Puts the tour into its element, and opens it where the address of the page names a chapter.
   *
   * @param {HTMLElement} element @param {Page.Store} page
   */
  function mount(element, page) {
    /** @type {Page.TourPlace | null} */
    let at = null;
    /** What the place was made for: the kind, and of the page's own network also what is shown. */
    let made = "";
    let chapter = -1;
    let reading = 0; // how far the chapter was scrolled when a derivation took its place
    /** @type {Partial<Page.View>} What the chapter has chosen in the drawing. */
    let chosen = {};
    /** @type {Set<string>} The addresses of the chapters whose questions are answered. */
    const solved = new Set();
    /** The address of the page before the tour, and where it was scrolled to. */
    let before = { hash: "", scroll: 0 };
    /** @param {Page.TourKind} kind @param {number} i */
    const linkTo = (kind, i) =>
      address(kind, i, page.state.sample ? DR.place.nameOf(page, page.state.sample) : "");

    const drawing = el("div", { class: "card tour-drawing" });
    const text = el("div", { class: "tour-chapter" });
    const derivation = el("div", { tabindex: 0, role: "group", "aria-label": "The derivation" });
    const back = el("button", { type: "button", class: "button", onclick: () => turnBack() });
    const aside = el(
      "div",
      { class: "tour-aside", hidden: true },
      el("div", { class: "tour-aside-head" }, back),
      derivation,
    );
    const links = CHAPTERS.map(([, short], i) =>
      el(
        "a",
        { href: linkTo("example", i) },
        el("span", { class: "number", text: `${i + 1}` }),
        " ",
        el("span", { class: "title", text: short }),
        el("span", { class: "unseen" }),
      ),
    );
    const which = choice(
      "The network of the tour",
      [
        ["example", "The article's example"],
        ["own", "This page's network"],
      ],
      (value) => {
        location.hash = linkTo(value, chapter);
      },
    );
    const stage = el(
      "div",
      { class: "tour-stage" },
      drawing,
      el("div", { class: "card tour-text" }, text, aside),
    );
    element.replaceChildren(
      el(
        "div",
        { class: "tour-head" },
        el("h2", { id: "h-tour", class: "unseen", text: "Guided tour" }),
        el(
          "nav",
          { "aria-label": "Chapters of the tour" },
          el("ol", { class: "tour-chapters" }, ...links.map((link) => el("li", {}, link))),
        ),
        which,
        el("button", {
          type: "button",
          class: "button",
          text: "Leave",
          "aria-label": "Leave the tour",
          onclick: leave,
        }),
      ),
      stage,
    );

    /** The place, made anew where another network or another moment of it is to be shown. @param {Page.TourKind} kind */
    function placeFor(kind) {
      const { state, sample, selected } = page.state;
      const key = kind === "own" ? JSON.stringify([kind, state, sample, selected]) : kind;
      if (at && key === made) return at;
      made = key;
      const place = DR.tourParts.placeOf(kind, page);
      at = place;
      const box = el("div", {});
      countRows(place.store);
      drawing.replaceChildren(box);
      derivation.replaceChildren();
      DR.flow.slowly(place.store);
      DR.drawing.mount(box, place.store);
      place.store.subscribe((_, changed) => {
        if (at === place && changed.has("selected")) follow(place);
      });
      return place;
    }

    /** Shows the derivation of what a reader has chosen, or the chapter again. @param {Page.TourPlace} place */
    function follow({ store }) {
      const { selected } = store.state;
      const other = selected !== null && JSON.stringify(selected) !== JSON.stringify(chosen.selected);
      if (other && !derivation.childElementCount) {
        DR.panel.mount(derivation, store);
        pointTo(store);
      }
      if (other && aside.hidden) {
        reading = scrollY;
        aside.hidden = false;
        text.hidden = true;
        toTop();
      } else if (!other && !aside.hidden) {
        aside.hidden = true;
        text.hidden = false;
        scrollTo(0, reading);
      }
    }

    /** On a narrow screen the chapters go to the top, with the drawing below them, and then the text. */
    const toTop = () => scrollTo(0, NARROW.matches ? element.getBoundingClientRect().top + scrollY : 0);

    /** What a click on a symbol selects, it selects in this store. @param {Page.Store} store */
    const pointTo = (store) => DR.maths.watch((selected) => store.set({ selected }));

    function turnBack() {
      at?.store.set(chosen);
      heading()?.focus({ preventScroll: true });
    }

    /** @returns {HTMLElement | null} */
    const heading = () => text.querySelector("h3");

    /** @param {Page.TourKind} kind @param {number} next */
    function open(kind, next) {
      const fresh = !isOpen();
      if (fresh) {
        before = { hash: "", scroll: scrollY };
        root.dataset.tour = "";
        element.hidden = false;
      }
      const place = placeFor(kind);
      countRows(place.store);
      chapter = next;
      pointTo(place.store);
      which.show(kind);
      const [title, , make] = CHAPTERS[next];
      const { look, body, question } = make(place);
      chosen = look;
      place.store.set(look);
      aside.hidden = true;
      text.hidden = false;
      DR.links.keep([]);
      text.replaceChildren(
        el("h3", { tabindex: -1, text: `${next + 1}. ${title}` }),
        ...inText(next),
        ...body.filter((part) => part !== null && part !== undefined),
        question
          ? DR.tourQuestion.form(question, () => solve(kind, next))
          : el("p", {
              class: "note",
              text: "A number of this chapter is not finite here, so there is no question.",
            }),
        turning(kind, next),
        copied(linkTo(kind, next)),
      );
      back.textContent = `Back to chapter ${next + 1}`;
      mark(kind);
      // Within the drawing where that is higher than its place; the page itself goes to the top.
      drawing.querySelector(".network .selected")?.scrollIntoView({ block: "nearest" });
      toTop();
      heading()?.focus({ preventScroll: true });
    }

    /** A link to the text that the tour goes along with, where the page lies beside it. @param {number} i */
    function inText(i) {
      const { article } = page.payload;
      if (!article) return [];
      const href = `${article}#chapter-${i + 1}`;
      // Of a page within that text, the text itself.
      return [
        el("p", {}, el("a", { href, target: "_top", text: "The same in text: Backpropagation by hand" })),
      ];
    }

    /** A button that copies the address of a chapter. @param {string} hash */
    function copied(hash) {
      const said = el("span", { class: "note", role: "status" });
      const { href } = new URL(hash, location.href);
      const onclick = () =>
        navigator.clipboard.writeText(href).then(
          () => (said.textContent = "Copied."),
          () => (said.textContent = href), // not allowed: to be copied by hand
        );
      const button = el("button", {
        type: "button",
        class: "link",
        text: "Copy the link to this chapter",
        onclick,
      });
      return navigator.clipboard ? el("p", { class: "tour-copy" }, button, " ", said) : "";
    }

    /** The links to the chapters before and after. @param {Page.TourKind} kind @param {number} i */
    function turning(kind, i) {
      const earlier =
        i > 0
          ? el("a", { class: "button", href: linkTo(kind, i - 1) }, icon("left"), "Back")
          : el("span", {});
      const later =
        i + 1 < CHAPTERS.length
          ? el(
              "a",
              { class: "button main", href: linkTo(kind, i + 1) },
              `Next: ${CHAPTERS[i + 1][0]}`,
              icon("right"),
            )
          : kind === "example"
            ? el("a", {
                class: "button main",
                href: linkTo("own", 0),
                text: "The same on this page's network",
              })
            : el("button", { type: "button", class: "button main", text: "Leave the tour", onclick: leave });
      return el("p", { class: "tour-turn" }, earlier, later);
    }

    /** @param {Page.TourKind} kind @param {number} i */
    function solve(kind, i) {
      solved.add(linkTo(kind, i));
      mark(kind);
    }

    /** Marks the links: the open chapter, and those that are answered. @param {Page.TourKind} kind */
    function mark(kind) {
      links.forEach((link, i) => {
        link.setAttribute("href", linkTo(kind, i));
        DR.dom.put(link, "aria-current", i === chapter ? "step" : null);
        const done = solved.has(linkTo(kind, i));
        link.classList.toggle("done", done);
        /** @type {HTMLElement} */ (link.lastElementChild).textContent = done ? ", answered" : "";
      });
    }

    function leave() {
      close();
      DR.place.setAddress(page, "pushState");
    }
    function close() {
      if (!isOpen()) return;
      delete root.dataset.tour;
      DR.links.keep([]);
      countRows(page);
      element.hidden = true;
      chapter = -1;
      pointTo(page);
      scrollTo(0, before.scroll);
      DR.dom.byId("tour-link").focus({ preventScroll: true });
    }

    function go() {
      const to = named(location.hash);
      if (!to) return close();
      if (to.kind === "own") {
        const row = to.row === null ? null : DR.place.rowOf(page, to.row);
        page.set({ sample: row ?? tellingRow(page) });
      }
      open(to.kind, to.chapter);
    }
    window.addEventListener("hashchange", go); // a link, and the browser's own buttons
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && isOpen() && !aside.hidden) turnBack();
    });
    page.subscribe((_, changed) => {
      if (changed.has("payload")) made = "";
    });
    if (named(location.hash)) go();
  }

  return { mount, isOpen };
})();
DR.tour = tourModule;
