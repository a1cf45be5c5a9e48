// @ts-check
// Starts the page: the connection to the server, the parts of the page, the keys.
"use strict";

(function () {
  const { el, icon } = DR.dom;
  const { shell } = DR;
  const { named } = DR.text;
  const at = DR.dom.byId;

  /**
   * Notices above everything else, one for each cause.
   *
   * @param {string} cause @param {string} text @param {Page.Child[]} more
   */
  function notice(cause, text, ...more) {
    const place = at("notices");
    place.querySelector(`[data-cause="${cause}"]`)?.remove();
    if (text) place.append(el("div", { class: "banner", "data-cause": cause }, el("p", { text }), ...more));
  }

  const LOST = {
    lost: "The server does not answer: it has ended, or this machine slept. What is shown is the last it sent; this page looks for the server again.",
    restarted: "The server was started anew, and its run is another one. What is shown here is the old run.",
    refused:
      "Another server runs here now, and this page belongs to the one before it. Open the address that the terminal shows.",
  };

  /** @param {Live.LineState} word */
  function lineNotice(word) {
    document.body.classList.toggle("offline", word !== "open");
    /** @type {NodeListOf<HTMLButtonElement | HTMLFieldSetElement>} */
    const controls = document.querySelectorAll("#transport button, #hand fieldset, #settings fieldset");
    for (const control of controls) control.disabled = word !== "open";
    const reload = el("button", {
      type: "button",
      class: "button",
      text: "Reload the page",
      onclick: () => location.reload(),
    });
    notice("line", word === "open" ? "" : LOST[word], word === "lost" ? null : reload);
  }

  /** @type {[keys: string[], words: string][]} */
  const KEYS = [
    [["K"], "play or pause"],
    [["S"], "one step: one mini-batch"],
    [["E"], "one epoch"],
    [["R"], "begin the run anew"],
    [["Ctrl", "Z"], "go back to before the last change: a weight set by hand, a learning rate, a run"],
    [["Ctrl", "Shift", "Z"], "make again what was taken back; Ctrl Y, too"],
    [["Tab"], "from one part of the page to the next"],
    [["←", "→", "↑", "↓"], "in the drawing: from node to weight to node"],
    [["Enter"], "show the derivation of what has the focus"],
    [["0", "…", "9"], "on a weight: type another value, and set it with Enter"],
    [["←", "→", "↑", "↓"], "on the decision surface: from point to point; Enter shows the row"],
    [
      ["Esc"],
      "close what is open: settings at the edge, what was found, the derivation; then clear the selection",
    ],
    [["["], "the sample before"],
    [["]"], "the sample after"],
    [["G"], "lines by weight or by gradient"],
    [["M"], "one sample, or the mean over all rows that are shown"],
    [["?"], "this help"],
  ];
  /** @type {[keys: string[], words: string][]} */
  const TOUCHES = [
    [["Reset"], "begin the run anew, with the settings as they are"],
    [
      ["Undo"],
      "go back to before the last change: a weight set by hand, a learning rate, a run; Redo makes it again",
    ],
    [["Step"], "one step: one mini-batch; Epoch goes once through all rows; Play goes on until Pause"],
    [["A−"], "smaller text; A+ larger text; the half circle beside them changes between light and dark"],
    [["touch"], "tap a node, a line or a point; drag the upper edge of the derivation to raise or lower it"],
    [
      ["touch"],
      "tap a line: the card beside it has its weight; − and + change it, or tap the number and type another",
    ],
  ];

  const ABOUT =
    "The engine trains; this page shows what it does, as often as the browser can paint it. Filled points are trained on, hollow ones held out. " +
    "Choose a node or a line of the network, and its derivation stands beside it, with the numbers of this very step.";

  const TYPED_IN = "input:not([type=radio], [type=range], [type=checkbox]), textarea";

  /** @param {Live.Order} order */
  function transport(order) {
    /**
     * @param {Parameters<typeof icon>[0]} name @param {string} text @param {string} label
     * @param {() => unknown} act @param {string} [main] @returns {HTMLButtonElement}
     */
    const make = (name, text, label, act, main = "") =>
      el(
        "button",
        { type: "button", class: `button ${main}`, title: label, onclick: act },
        icon(name),
        el("span", { text }),
      );
    /** @type {HTMLButtonElement} */
    const play = make(
      "play",
      "Play",
      "Play or pause (K)",
      () => order(play.dataset.playing ? "pause" : "play"),
      "main",
    );
    const undo = make("undo", "Undo", "", () => order("undo"), "plain");
    const redo = make("redo", "Redo", "", () => order("redo"), "plain");
    const parts = [
      make("back", "Reset", "Begin the run anew (R)", () => order("reset"), "named first"),
      play,
      make("next", "Step", "One step: one mini-batch (S)", () => order("step"), "named"),
      make("epoch", "Epoch", "One epoch (E)", () => order("epoch"), "named"),
    ];
    at("transport").replaceChildren(parts[0], undo, redo, ...parts.slice(1));
    // Fields have an undo of their own.
    document.addEventListener("keydown", (event) => {
      const field = /** @type {Element} */ (event.target).matches(TYPED_IN);
      if (!(event.ctrlKey || event.metaKey) || event.altKey || field) return;
      const key = event.key.toLowerCase();
      const forward = (key === "z" && event.shiftKey) || (key === "y" && !event.shiftKey);
      if (!forward && (key !== "z" || event.shiftKey)) return;
      event.preventDefault();
      (forward ? redo : undo).click(); // which does nothing while it is disabled
    });
    /** @type {Record<string, string>} */
    const UNDOES = {
      "": "There is nothing to undo",
      weight: "Go back to before the weight was set by hand (Ctrl+Z)",
      rate: "Go back to before the learning rate was changed (Ctrl+Z)",
      run: "Bring back the run before this one, with its weights (Ctrl+Z)",
      best: "Go forward again, to before the best epoch was brought back (Ctrl+Z)",
    };
    /** @type {Record<string, string>} */
    const REDOES = {
      "": "There is nothing to redo",
      weight: "Go forward again, to where the weight was set by hand (Ctrl+Shift+Z)",
      rate: "Go forward again, to where the learning rate was changed (Ctrl+Shift+Z)",
      run: "Go forward again, to the run that came after this one (Ctrl+Shift+Z)",
      best: "Go back to the best epoch once more (Ctrl+Shift+Z)",
    };
    return {
      /** What can be taken back, and made again. @param {Live.Header} header */
      undoes(header) {
        if (undo.title !== UNDOES[header.undo]) undo.title = UNDOES[header.undo];
        if (redo.title !== REDOES[header.redo]) redo.title = REDOES[header.redo];
        [undo.disabled, redo.disabled] = [!header.undo, !header.redo];
      },
      keys: Object.fromEntries(["r", "k", "s", "e"].map((key, i) => [key, () => parts[i].click()])),
      /** @param {boolean} playing */
      show(playing) {
        if (Boolean(play.dataset.playing) === playing) return;
        if (playing) play.dataset.playing = "yes";
        else delete play.dataset.playing;
        play.replaceChildren(
          icon(playing ? "pause" : "play"),
          el("span", { text: playing ? "Pause" : "Play" }),
        );
      },
    };
  }

  /** The numbers that say how far the run is. */
  function whereabouts() {
    const names = { epoch: "epoch", step: "step", loss: "loss", score: "right", held: "held out" };
    /** @param {string} key */
    const value = (key) => el("dd", { "data-where": key });
    const values = {
      epoch: value("epoch"),
      step: value("step"),
      loss: value("loss"),
      score: value("score"),
      held: value("held"),
    };
    const keys = /** @type {(keyof typeof names)[]} */ (Object.keys(names));
    const titles = Object.fromEntries(
      Object.entries(names).map(([key, text]) => [key, el("dt", { text, "data-name": key })]),
    );
    at("where").replaceChildren(...keys.map((key) => el("div", {}, titles[key], values[key])));
    const held = /** @type {HTMLElement} */ (values.held.parentElement);
    /** All of them is 100, in no more room than 99.9. @param {number} value */
    const percent = (value) => (value === 1 ? "100" : (100 * value).toFixed(1));
    /** @param {number | null} value @param {boolean} classes */
    const share = (value, classes) =>
      value === null ? "–" : classes ? `${percent(value)} %` : DR.canvas.short(value);
    return {
      /** @param {Live.Run} run */
      run(run) {
        const classes = run.target.classes.length > 0;
        titles.score.textContent = classes ? "right" : "error";
        // The curve beside it names a loss of these rows, too.
        titles.held.textContent = classes ? "held out" : "held-out error";
        held.hidden = !run.rows.held;
        // The room of the widest within an epoch, and of epochs and steps to come: the bar keeps its lines.
        const several = run.steps_per_epoch > 1 ? 3 + 2 * String(run.steps_per_epoch).length : 0;
        values.epoch.style.setProperty("--part", `${several}ch`);
        values.step.style.minWidth = "6ch";
      },
      /** @param {Live.Frame} frame @param {Live.Run} run */
      frame({ header }, run) {
        const classes = run.target.classes.length > 0;
        values.epoch.replaceChildren(
          String(header.epoch),
          header.done ? el("span", { class: "part", text: ` + ${header.done}/${run.steps_per_epoch}` }) : "",
        );
        values.step.textContent = String(header.step);
        values.loss.textContent = header.loss === null ? "–" : DR.dom.brief(header.loss);
        values.score.textContent = share(header.score, classes);
        values.held.textContent = share(header.held_score, classes);
      },
      words: () => keys.map((key) => `${titles[key].textContent} ${values[key].textContent}`).join(", "),
    };
  }

  /** What the address has, and a button that copies it where the browser lets a page do so. */
  function sharing() {
    const copy = el("button", { type: "button", class: "button", text: "Copy the link" });
    copy.addEventListener("click", () =>
      navigator.clipboard.writeText(location.href).then(
        () => {
          copy.textContent = "Copied";
        },
        () => {
          copy.textContent = "The address bar has it";
        },
      ),
    );
    const text =
      "The address of this page has its settings: as a link or a bookmark it opens the same run from the start. " +
      "Weights that were set by hand are not in it; where the learning rate was changed within the run, that run begins with the present one.";
    return el("div", {}, el("p", { class: "note", text }), navigator.clipboard ? copy : null);
  }

  /** @param {Live.Wire} wire */
  function exports(wire) {
    if (!wire.files) {
      const text =
        "This page trains by itself, without deltarule. A script that repeats a run, the model as a " +
        "folder and the explain page come from the playground that Python serves: ";
      at("export").replaceChildren(
        sharing(),
        el("p", { class: "note", text }, el("code", { text: "deltarule playground" }), "."),
      );
      return;
    }
    const links = wire.files.map(({ href, text, note }) =>
      el(
        "li",
        {},
        el("a", { class: "button", href, download: "", text }),
        el("span", { class: "note", text: note }),
      ),
    );
    at("export").replaceChildren(sharing(), el("ul", { class: "files" }, ...links));
  }

  /**
   * Escape closes what is open, the topmost first, wherever the focus is: the drawer of the settings, what
   * was found, the derivation. Then it clears the selection, as elsewhere (shell.js).
   *
   * @param {HTMLDialogElement} dialog which the browser closes @param {() => Page.Store | null} storeOf
   */
  function closedByEscape(dialog, storeOf) {
    // Before the parts of the page, which would clear what is selected below.
    document.addEventListener(
      "keydown",
      (event) => {
        const target = /** @type {Element} */ (event.target);
        // A weight that is typed and a tooltip come before all else.
        if (event.key !== "Escape" || dialog.open || target.closest(".weight-card input, .law")) return;
        const derived = ["open", "full"].includes(document.documentElement.dataset.panel ?? "");
        const closed = DR.settingsPlace.closeDrawer() || DR.found.closeOpen();
        if (!closed && !derived) return;
        event.preventDefault();
        event.stopPropagation();
        if (closed) return;
        storeOf()?.set({ selected: null, sweep: null });
        DR.dock.close();
      },
      true,
    );
  }

  function boot() {
    DR.nonce = /** @type {HTMLScriptElement} */ (document.currentScript).nonce;
    const config = JSON.parse(at("config").textContent);
    shell.theme();
    shell.textSize();
    shell.selectNumbers();
    /** @param {string} what @param {unknown} error */
    const complain = (what, error) => notice("fault", `${what}: ${shell.reason(error)}`);
    shell.failures((error) => complain("Something failed", error));
    /** @type {Live.Run | null} */
    let run = null;
    /** @type {Live.Frame | null} The newest frame that is not painted. */
    let newest = null;
    let asked = false;
    let painted = 0;
    /** Sends an order; gives the reason if it is refused, else "". @type {Live.Order} */
    const order = async (type, fields, refused = "") => {
      const reason = refused || (await wire.order(type, fields));
      notice("order", reason);
      return reason;
    };

    /** An order whose refusal is told elsewhere: by the address, beside a weight or a setting. @type {Live.Order} */
    const alone = (type, fields) => wire.order(type, fields);

    const where = whereabouts(),
      buttons = transport(order);
    DR.settingsPlace.mount();
    const settings = DR.controls.mount(
      at("settings"),
      at("hand"),
      alone,
      (reason) => notice("order", reason),
      config.thumbnails,
    );
    DR.own?.mount(at("own"), order);
    /** What the verdict leads to with one press. @param {{ kind: string, value?: number }} action */
    function act({ kind, value }) {
      const shown = /** @type {Live.Run} */ (run);
      const { starts } = shown.choices;
      const { data, activation } = shown.settings;
      const bends = activation === "identity" ? "tanh" : activation;
      if (kind === "best" || kind === "reset") return order(kind);
      if (kind === "rate") return order("rate", { learning_rate: value });
      if (kind === "bend") return order("setup", { settings: { activation: "tanh" } });
      const [wide = 6] = starts[data]?.layers ?? [];
      return order("setup", { settings: { layers: [wide], activation: bends } });
    }
    const tune = DR.tune.mount(at("tune"), () => wire, order);
    const advice = DR.advice.mount(at("advice"), () => wire, config.plain, config.limits, tune.button, {
      searched: tune.searched,
      found: tune.found,
      lower: tune.lower,
      tooHigh: tune.tooHigh,
      reset: () => order("reset"),
      act,
      steady: tune.steady,
    });
    const plane = DR.surface.mount(
      at("surface"),
      order,
      (row) => network.choose(row),
      () => address.write(),
    );
    const losses = DR.losses.mount(at("losses"), at("strip"));
    const address = DR.address.mount(
      alone,
      (reason) =>
        notice(
          "address",
          reason &&
            `The address asks for settings that cannot be used: ${reason}. Those of the run are kept.`,
        ),
      plane,
    );

    function paint() {
      asked = false;
      const frame = newest;
      newest = null;
      if (!frame) return;
      try {
        if (run && frame.header.version === run.version) show(frame, run);
      } finally {
        // Also a frame of the run before, which is not shown: without an answer the server sends no more.
        wire.painted(frame.header.frame);
      }
    }

    /** @param {Live.Frame} frame @param {Live.Run} run */
    function show(frame, run) {
      const { header } = frame;
      buttons.show(header.phase === "playing");
      buttons.undoes(header);
      where.frame(frame, run);
      plane.frame(frame);
      losses.frame(frame);
      tune.frame(header);
      advice.frame(frame);
      network.frame(frame);
      notice("diverged", header.phase === "diverged" ? header.message : "");
      document.body.dataset.phase = header.phase;
      document.body.dataset.step = String(header.step);
      document.body.dataset.frames = String(++painted);
      if (header.phase !== "playing") words();
    }

    /** Labels the pictures for screen readers; not many times a second. */
    function words() {
      if (!run) return;
      const {
        plane: { x, y },
        axes,
        target,
      } = run;
      plane.label(
        `Decision surface over ${named(axes[x].name)}${y < 0 ? "" : ` and ${named(axes[y].name)}`} for ${target.name}: ${where.words()}`,
      );
      losses.label(`Loss by epoch: ${at("losses").querySelector(".classes")?.textContent}`);
    }
    setInterval(words, 1000);

    const wire = DR.wire.open(config.boot, {
      state: lineNotice,
      run(next) {
        run = next;
        document.body.dataset.inputs = next.axes.length <= 2 ? "few" : "many";
        for (const each of [settings, plane, losses, where, network, tune, advice, address]) each.run(next);
      },
      frame(frame) {
        newest = frame;
        if (!asked) requestAnimationFrame(paint);
        asked = true;
      },
    });
    const network = DR.network.mount(
      { rows: at("rows"), drawing: at("drawing"), panel: at("panel") },
      wire,
      alone,
      plane.mark,
      plane.lift,
      complain,
    );
    const dialog = shell.help(ABOUT, KEYS, TOUCHES);
    shell.keys(
      { ...shell.storeKeys(() => network.store), ...buttons.keys, "?": () => dialog.showModal() },
      dialog,
    );
    closedByEscape(dialog, () => network.store);
    exports(wire);
  }

  boot();
})();
