// @ts-check
// The playground's runner in the browser: orders, descriptions and frames, without a server.
//
// runner.py does the same in a thread of the server. It runs in a worker where the browser starts
// one, else in the page, in slices of some milliseconds.
"use strict";

const trainerModule = (function () {
  const SLICE = 8, // milliseconds between two looks at the orders
    APART = 1000 / 60, // between two frames, at least
    FRAME_SHARE = 0.4, // of the time may go into frames
    SCORES_APART = 200,
    IN_FLIGHT = 2;
  const MOST_SPEED = 10_000;
  /** Parameters of larger networks are sent while the run is paused only. */
  const MOST_MOVING = 40_000;
  const MOST_EDITS = 10_000;

  const { Refused } = DR.datasets;
  const { shown, inRange, checked, designed, lossesFor } = DR.checks;

  const DATA = /** @type {const} */ (["data", "rows", "noise", "held", "columns", "seed", "derived"]);

  /**
   * A trainer that calls `send` with descriptions and frames.
   *
   * @param {(message: Static.Sent, move?: Transferable[]) => void} send
   * @param {(f: () => void) => void} soon calls a function after the messages that wait
   */
  function trainer(send, soon) {
    /** @type {Static.Parsed | null} */
    let table = null;
    /** @type {Static.State} */
    let state;
    let phase = "paused",
      message = "",
      speed = 300,
      nextStep = 0,
      perSlice = 1,
      frames = 0,
      edits = 0,
      version = 0,
      painted = 0,
      frameTime = 0,
      frameCost = 0,
      scoresTime = -Infinity,
      waiting = false,
      outdated = true,
      handEpoch = -1; // the complete epochs when a weight was set by hand
    /** @type {[number, number] | null} The losses after that. */
    let handLosses = null;
    const changes = DR.undo.changes();
    /** @type {number | null} */
    let goal = null;
    /** @type {{ score: number | null, held_score: number | null }} */
    let scores = { score: null, held_score: null };

    /** @param {number} value */
    const finite = (value) => (Number.isFinite(value) ? value : null);

    /**
     * The losses of the rows that are trained on and of those held out, at the present weights.
     *
     * @param {Static.State["run"]} run @param {Static.Data} data @returns {[number, number]}
     */
    const losses = (run, data) => [run.lossOf(data.trained), data.held ? run.lossOf(data.held) : NaN];

    /** The settings with the learning rate that was set last: those of the next run. */
    const lastSettings = () => ({ ...state.settings, learning_rate: state.run.rate });

    /** A new run; the old one stays if the settings cannot be used. @param {Live.Settings} given */
    function install(given) {
      const before = state;
      const same =
        before &&
        DATA.every((name) => shown(before.settings[name]) === shown(given[name])) &&
        before.table === table;
      const data = same
        ? before.data
        : given.data === "table"
          ? DR.table.data(/** @type {Static.Parsed} */ (table), given)
          : DR.datasets.builtin(given);
      const { settings, design } = designed(data, given);
      const run = DR.run.start(data, settings, design);
      const axes = before && shown(before.data.axes) === shown(data.axes) ? before.plane : null;
      const [x, y] = axes ? [axes.x, axes.y] : DR.plane.suggested(data);
      const plane = same && axes ? axes : DR.plane.through(data, x, y, axes?.hold ?? "mean");
      const first = losses(run, data);
      if (
        before &&
        (before.run.step ||
          before.hand.length ||
          shown(before.settings) !== shown(settings) ||
          before.table !== table)
      )
        changes.add(momentOf("run"));
      const guess = DR.diagnosis.constantGuess(run.net, DR.run.taken(run.Y, data.trained));
      state = {
        settings,
        data,
        run,
        design,
        table,
        plane: /** @type {Static.Plane} */ (plane),
        first,
        guess,
        steady: true,
        hand: [],
        changed: ["", 0],
        best: null,
      };
      [message, edits, handEpoch] = ["", 0, -1];
      begin("paused");
    }

    /** Shows a run that has come in the place of another one. @param {string} now its phase */
    function begin(now) {
      [phase, perSlice, goal, scoresTime] = [now, 1, null, -Infinity];
      describe();
    }

    /** The present moment of the run, before a change. @param {string} change @returns {Static.Past} */
    const momentOf = (change) => ({
      change,
      state,
      kept: { ...state },
      run: state.run.saved(),
      phase,
      message,
      edits,
      handEpoch,
    });

    /** Goes back, or forward, to a moment; its view stays. @param {Static.Past} moment */
    function restore(moment) {
      // Another θ after the same number of steps is told by the number of edits.
      edits = (moment.state === state ? Math.max(edits, moment.edits) : moment.edits) + 1;
      const { plane } = moment.state;
      state = Object.assign(moment.state, moment.kept, { plane });
      state.run.restore(moment.run);
      table = state.table ?? table;
      message = moment.message;
      [handEpoch, handLosses] = [moment.handEpoch, null];
      begin(moment.phase === "diverged" ? "diverged" : "paused");
    }

    function describe() {
      const { settings, data, run, plane, design } = state,
        { choices } = DR.catalogue,
        { target } = data;
      const own = table && DR.table.summary(table);
      const given = data.inputs.slice(0, data.inputs.length - data.derived.length);
      const [low, high] = target.classes.length ? [0, 1] : DR.plane.ends(data.y);
      /** @param {number} value */
      const inUnit = (value) => {
        const original = value * target.scale + target.mean;
        return Math.abs(original) > 1e-9 * target.scale ? original : 0;
      };
      outdated = true;
      send({
        type: "run",
        version: ++version,
        steps_per_second: speed,
        settings: lastSettings(),
        choices: {
          ...choices,
          data: table ? [...choices.data, "table"] : choices.data,
          loss: Object.keys(lossesFor(target)),
          columns: table ? DR.table.columnsOf(table) : [],
          derived: DR.datasets.derivable(given, data.axes) ? DR.datasets.labelled(given) : [],
        },
        table: table && { name: table.name, rows: table.rows.length },
        own: own && { target: own.target, columns: own.columns },
        notes: settings.data === "table" && own ? [...own.notes, ...data.notes] : [],
        rows: { train: data.trained.length, held: data.held?.length ?? 0 },
        batch_size: run.size,
        full_batch: DR.catalogue.rules[settings.rule].full_batch,
        steps_per_epoch: run.perEpoch,
        inputs: data.inputs,
        axes: data.axes,
        target: { ...target, low: inUnit(low), high: inUnit(high) },
        plane: { x: plane.x, y: plane.y, hold: plane.hold, ranges: plane.ranges, fixed: [...plane.fixed] },
        guess: state.guess,
        points: DR.plane.points(data, plane),
        net: {
          widths: design.widths,
          parameters: run.net.p,
          output: DR.catalogue.outputs[Math.min(target.classes.length, 3)][settings.loss],
        },
        engine: "browser",
      });
    }

    function publish() {
      const started = performance.now();
      const { run, data, plane } = state,
        moving = phase === "playing";
      if (!moving || started > scoresTime + SCORES_APART) {
        scores = {
          score: finite(run.score(data.trained)),
          held_score: data.held && finite(run.score(data.held)),
        };
        scoresTime = started;
      }
      const curve = Float32Array.from([0, ...state.first, ...run.log.logs.flat()]);
      const byHand = handEpoch === run.log.count;
      if (byHand && (!handLosses || !moving)) handLosses = losses(run, data);
      const [loss, heldLoss] = byHand && handLosses ? handLosses : curve.slice(-2);
      const n = run.net.widths[run.net.L],
        side = DR.plane.sideFor(run.net, moving);
      const outputs = DR.plane.outputs(data, plane, side, moving ? DR.draft(run.net) : run.net, run.theta);
      /** @type {Live.Arrays} */
      const arrays = { ...DR.plane.levels(data, outputs, n), curve };
      if (!moving || run.net.p <= MOST_MOVING) arrays.theta = run.theta.slice();
      const header = {
        frame: ++frames,
        side,
        edits,
        edited_after: state.hand.at(-1) ?? -1,
        version,
        phase,
        message,
        step: run.step,
        epoch: run.log.count,
        done: run.done,
        by_hand: byHand,
        changed: state.changed[0],
        changed_epoch: state.changed[1],
        best_epoch: state.best?.epoch ?? 0,
        best_loss: state.best ? finite(state.best.loss) : null,
        ...changes.next,
        loss: finite(loss),
        held_loss: finite(heldLoss),
        learning_rate: run.rate,
        ...scores,
        arrays: {},
      };
      frameTime = performance.now();
      frameCost = 0.8 * frameCost + 0.2 * (frameTime - started);
      outdated = false;
      send(
        { type: "frame", header, arrays },
        Object.values(arrays).map((array) => array.buffer),
      );
    }

    /** Takes steps, across ends of epochs, for a slice of time at most. @param {number} steps */
    function advance(steps) {
      const ends = performance.now() + SLICE;
      try {
        // A few steps between two looks at the clock.
        for (let left = steps; left > 0 && performance.now() < ends; ) {
          left -= state.run.advance(Math.min(left, 4));
          DR.undo.keepBest(state);
        }
      } catch (error) {
        [phase, message] = [
          "diverged",
          error instanceof DR.run.Diverged ? error.message : `a fault in deltarule: ${error}`,
        ];
      }
      outdated = true;
    }

    function train() {
      const started = performance.now(),
        { run } = state;
      let steps = perSlice;
      if (goal !== null) steps = Math.min(steps, run.perEpoch - run.done);
      else if (speed) {
        if (started < nextStep) return;
        const behind = Math.min(started - nextStep, SLICE);
        steps = Math.max(1, Math.min(perSlice, 1 + Math.floor((behind * speed) / 1000)));
        nextStep = Math.max(nextStep, started - SLICE) + (1000 * steps) / speed;
      }
      advance(steps);
      if (phase !== "playing") return;
      if (goal !== null && run.log.count >= goal) [phase, goal] = ["paused", null];
      const spent = performance.now() - started;
      if (steps === perSlice || spent > SLICE)
        perSlice = Math.max(
          1,
          Math.min(Math.floor((steps * SLICE) / Math.max(spent, 1e-3)), 2 * perSlice, 10_000),
        );
    }

    /** One turn: steps, and a frame where one is due. */
    function turn() {
      waiting = false;
      if (phase === "playing") train();
      const now = performance.now();
      const apart = phase === "playing" ? Math.max(APART, frameCost / FRAME_SHARE) : 0;
      const free = frames - painted < IN_FLIGHT;
      if (outdated && free && now >= frameTime + apart) publish();
      if (phase === "playing") later(speed && goal === null ? nextStep - performance.now() : 0);
    }

    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    /** @param {number} [wait] in milliseconds */
    function later(wait = 0) {
      clearTimeout(timer);
      if (waiting) return;
      if (wait > 4) timer = setTimeout(turn, wait);
      else {
        waiting = true;
        soon(turn);
      }
    }

    function trainable() {
      if (phase === "diverged") throw new Refused(`${message}. Reset it, or change the settings`);
    }

    /** @type {Record<string, (fields: any) => unknown>} */
    const orders = {
      play() {
        trainable();
        [phase, nextStep, goal, outdated] = ["playing", performance.now(), null, true];
      },
      pause() {
        if (phase === "playing") [phase, outdated] = ["paused", true];
      },
      step() {
        trainable();
        phase = "paused";
        advance(1);
      },
      epoch() {
        orders.play({});
        goal = state.run.log.count + 1;
      },
      reset: () => install(lastSettings()),
      setup: ({ settings }) => install(checked(settings, lastSettings(), table)),
      rate({ learning_rate: rate }) {
        inRange("learning_rate", rate, DR.catalogue.choices.ranges.learning_rate, false);
        if (rate !== state.run.rate) {
          changes.add(momentOf("rate"));
          state.run.rate = rate;
          if (state.run.step) [state.steady, state.changed] = [false, ["rate", state.run.log.count]];
        }
        if (state.run.step === 0) state.settings = { ...state.settings, learning_rate: rate };
        describe();
      },
      speed({ steps_per_second: wanted }) {
        inRange("steps_per_second", wanted, { min: 0, max: MOST_SPEED }, false);
        [speed, nextStep] = [wanted, performance.now()];
        describe();
      },
      axes({ x, y, hold }) {
        const plane = DR.plane.through(state.data, x, y, hold);
        if (!plane)
          throw new Refused(
            `there are no axes ${shown(x)} and ${shown(y)}, the others at their ${shown(hold)}; expected two different inputs, and mean or median`,
          );
        state.plane = plane;
        describe();
      },
      /** Another table; the run begins on it. */
      table({ name, text, target }) {
        const before = table;
        try {
          table = DR.table.parse(name, text, target);
          install({
            ...state.settings,
            ...DR.catalogue.choices.starts.table,
            data: "table",
            columns: [],
            loss: "",
          });
        } catch (error) {
          table = before;
          throw error;
        }
      },
      /** Another column to predict. */
      target({ name }) {
        if (!table) throw new Refused("there is no table; drop one onto the page first");
        const before = table;
        try {
          table = DR.table.aimed(table, name);
          install({ ...lastSettings(), data: "table", columns: [], loss: "" });
        } catch (error) {
          table = before;
          throw error;
        }
      },
      weight({ entry, value }) {
        trainable();
        const { theta, net } = state.run;
        inRange("entry", entry, { min: 0, max: net.p - 1 }, true);
        inRange("value", value, { min: -1e6, max: 1e6 }, false);
        if (edits >= MOST_EDITS)
          throw new Refused(`${MOST_EDITS} weights were set by hand; reset the run first`);
        if (theta[entry] === value) return; // a field tells its value when the focus leaves it, too
        changes.add(momentOf("weight"));
        const { step, log } = state.run;
        [theta[entry], state.hand] = [value, [...state.hand, step]];
        ++edits;
        [outdated, handEpoch, handLosses] = [true, step ? log.count : -1, null];
        if (step) state.changed = ["weight", log.count];
        else state.first = losses(state.run, state.data);
      },
      /** Goes back to the moment before the last change: a weight set by hand, a rate, a run. */
      undo: () => restore(changes.undo(momentOf)),
      /** Goes forward to the moment that undo left. */
      redo: () => restore(changes.redo(momentOf)),
      /** Goes back to the end of the epoch with the smallest loss; undo goes forward again. */
      best() {
        const before = momentOf("best");
        DR.undo.toBest(state, handEpoch === state.run.log.count);
        changes.add(before);
        [message, handEpoch, handLosses] = ["", -1, null];
        ++edits; // another θ
        begin("paused");
      },
      lens: () => DR.diagnosis.lens({ ...state, steady: state.steady && !state.hand.length }),
      rates: () => DR.diagnosis.rates(state),
      network: ({ rows, row = null }) => ({
        step: state.run.step,
        edits,
        payload: DR.moment.payload(state, rows, row),
        design: state.design,
      }),
    };

    install(DR.catalogue.first);
    later();
    return {
      /** Carries out an order, and sends what it gives, or why it is refused. @param {Static.Ordered} ordered */
      receive({ type, id, ...fields }) {
        if (type === "ack") {
          painted = Math.max(painted, Number(fields.frame));
          return later();
        }
        try {
          const result = orders[type](fields);
          send({ type: "done", id, result: result ?? null });
        } catch (error) {
          const own = error instanceof Refused || error instanceof DR.table.Unreadable;
          send({ type: "error", id, message: own ? error.message : `a fault in deltarule: ${error}` });
        }
        later();
      },
    };
  }

  return { trainer, Refused };
})();
DR.trainer = trainerModule;
