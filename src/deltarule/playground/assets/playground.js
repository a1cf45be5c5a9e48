// @ts-check
// Starts the page: the line to the server, the parts of the page, the keys.
"use strict";

(function () {
  const { el, icon } = DR.dom;
  const { shell } = DR;
  const at = (id) => document.getElementById(id);

  /** What stands above everything else: one notice for each cause. */
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

  function lineNotice(word) {
    document.body.classList.toggle("offline", word !== "open");
    for (const control of document.querySelectorAll("#transport button, #settings fieldset"))
      control.disabled = word !== "open";
    const reload = el("button", {
      type: "button",
      class: "button",
      text: "Reload the page",
      onclick: () => location.reload(),
    });
    notice("line", word === "open" ? "" : LOST[word], word === "lost" ? null : reload);
  }

  const KEYS = [
    [["K"], "play or pause"],
    [["S"], "one step: one mini-batch"],
    [["E"], "one epoch"],
    [["R"], "begin the run anew"],
    [["Tab"], "from one part of the page to the next"],
    [["←", "→", "↑", "↓"], "in the drawing: from node to weight to node"],
    [["Enter"], "show the derivation of what has the focus"],
    [["Esc"], "clear the selection"],
    [["["], "the sample before"],
    [["]"], "the sample after"],
    [["G"], "lines by weight or by gradient"],
    [["M"], "one sample, or the mean over all rows that are shown"],
    [["?"], "this help"],
  ];

  const ABOUT =
    "The engine trains; this page shows what it does, as often as the browser can paint it. Filled points are trained on, hollow ones held out. " +
    "Choose a node or a line of the network, and its derivation stands below, with the numbers of this very step.";

  function transport(order) {
    const make = (name, text, label, act, main = "") =>
      el(
        "button",
        { type: "button", class: `button ${main}`, title: label, onclick: act },
        icon(name),
        el("span", { text }),
      );
    const play = make(
      "play",
      "Play",
      "Play or pause (K)",
      () => order(play.dataset.playing ? "pause" : "play"),
      "main",
    );
    const parts = [
      make("back", "Reset", "Begin the run anew (R)", () => order("reset")),
      play,
      make("next", "Step", "One step: one mini-batch (S)", () => order("step")),
      make("fit", "Epoch", "One epoch (E)", () => order("epoch")),
    ];
    at("transport").replaceChildren(...parts);
    return {
      keys: Object.fromEntries(["r", "k", "s", "e"].map((key, i) => [key, () => parts[i].click()])),
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

  /** Where the run is, in numbers. */
  function whereabouts() {
    const names = { epoch: "epoch", step: "step", score: "right", held: "held out" };
    const values = {};
    at("where").replaceChildren(
      ...Object.entries(names).map(([key, text]) =>
        el("div", {}, el("dt", { text, "data-name": key }), (values[key] = el("dd", { "data-where": key }))),
      ),
    );
    const share = (value, classes) =>
      value === null ? "–" : classes ? `${(100 * value).toFixed(1)} %` : DR.canvas.short(value);
    return {
      run(run) {
        at("where").querySelector("[data-name=score]").textContent = run.target.classes.length
          ? "right"
          : "mean error";
        values.held.parentElement.hidden = !run.rows.held;
      },
      frame({ header }, run) {
        const classes = run.target.classes.length > 0;
        values.epoch.textContent = header.done
          ? `${header.epoch} + ${header.done}/${run.steps_per_epoch}`
          : String(header.epoch);
        values.step.textContent = String(header.step);
        values.score.textContent = share(header.score, classes);
        values.held.textContent = share(header.held_score, classes);
      },
      words: () =>
        Object.entries(values)
          .map(([key, value]) => `${names[key]} ${value.textContent}`)
          .join(", "),
    };
  }

  function exports(wire) {
    const link = (kind, text, note) =>
      el(
        "li",
        {},
        el("a", { class: "button", href: wire.address(`/export/${kind}`), download: "", text }),
        el("span", { class: "note", text: note }),
      );
    at("export").replaceChildren(
      el(
        "ul",
        { class: "files" },
        link("run.py", "Python script", "makes this run again, bit for bit"),
        link("model.zip", "Model", "the folder that deltarule loads, zipped"),
        link("explain.html", "Explain page", "every number derived, in one file"),
      ),
    );
  }

  function boot() {
    DR.nonce = document.currentScript.nonce;
    const config = JSON.parse(at("config").textContent);
    shell.theme();
    shell.textSize();
    const complain = (what, error) => notice("fault", `${what}: ${shell.reason(error)}`);
    shell.failures((error) => complain("Something failed", error));
    let run = null,
      newest = null,
      asked = false,
      painted = 0;
    /** Sends what is asked for; gives the reason if it is refused, and "" if not. */
    const order = async (type, fields, refused = "") => {
      const reason = refused || (await wire.order(type, fields));
      notice("order", reason);
      return reason;
    };

    const where = whereabouts(),
      buttons = transport(order);
    const settings = DR.controls.mount(at("settings"), order);
    const plane = DR.surface.mount(at("surface"), order),
      losses = DR.losses.mount(at("losses"));

    function paint() {
      asked = false;
      const frame = newest;
      if (!frame || !run || frame.header.version !== run.version) return;
      newest = null;
      const { header } = frame;
      buttons.show(header.phase === "playing");
      where.frame(frame, run);
      plane.frame(frame);
      losses.frame(frame);
      network.frame(frame);
      notice("diverged", header.phase === "diverged" ? header.message : "");
      document.body.dataset.phase = header.phase;
      document.body.dataset.step = header.step;
      document.body.dataset.frames = ++painted;
      wire.painted(header.frame);
      if (header.phase !== "playing") words();
    }

    /** What the pictures say, for who does not see them; not many times a second. */
    function words() {
      if (!run) return;
      const {
        plane: { x, y },
        axes,
        target,
      } = run;
      plane.label(
        `Decision surface over ${axes[x].name}${y < 0 ? "" : ` and ${axes[y].name}`} for ${target.name}: ${where.words()}`,
      );
      losses.label(`Loss by epoch: ${at("losses").querySelector(".classes").textContent}`);
    }
    setInterval(words, 1000);

    const wire = DR.wire.open(config.boot, {
      state: lineNotice,
      run(next) {
        run = next;
        document.body.dataset.inputs = run.axes.length <= 2 ? "few" : "many";
        for (const each of [settings, plane, losses, where, network]) each.run(run);
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
      complain,
    );
    const dialog = shell.help(ABOUT, KEYS);
    shell.keys(
      { ...shell.storeKeys(() => network.store), ...buttons.keys, "?": () => dialog.showModal() },
      dialog,
    );
    exports(wire);
  }

  boot();
})();
