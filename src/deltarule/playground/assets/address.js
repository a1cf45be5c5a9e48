// @ts-check
// The settings of the run in the page's address, after the #, so that a link shows the same run.
//
// Only settings that differ from the first ones of the data are written, and no data: neither rows
// nor the columns of a table.
"use strict";

const addressModule = (function () {
  /** Settings that are not written. */
  const HIDDEN = new Set(["columns"]);

  /**
   * The first settings for some data.
   *
   * @param {Live.Run} run @param {string} data @returns {Record<string, unknown>}
   */
  const first = ({ choices: { defaults, starts } }, data) => ({ ...defaults, ...starts[data], data });

  /** @param {unknown} a @param {unknown} b */
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

  /**
   * What is written after the #.
   *
   * @param {Live.Run} run @param {boolean} discrete
   */
  function written(run, discrete) {
    const { settings, choices } = run;
    const start = first(run, settings.data);
    const query = new URLSearchParams({ data: settings.data });
    for (const [name, value] of Object.entries(settings)) {
      // An empty loss stands for the usual one of the target, which comes first.
      const usual = name === "loss" && start.loss === "" ? choices.loss[0] : start[name];
      if (name === "data" || HIDDEN.has(name) || same(value, usual)) continue;
      query.set(name, Array.isArray(value) ? value.join(",") : String(value));
    }
    if (run.steps_per_second !== choices.speed) query.set("speed", String(run.steps_per_second));
    if (discrete) query.set("discrete", "1");
    return query.toString().replaceAll("%2C", ",");
  }

  /** A number, or the text where it is none. @param {string} text */
  const number = (text) => (text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text);

  /** @param {string} text */
  const items = (text) => (text === "" ? [] : text.split(","));

  /**
   * The settings in a text after the #, as they are given; the server checks them.
   *
   * @param {string} text @param {Live.Run} run
   */
  function given(text, { choices: { defaults } }) {
    /** @type {Record<string, unknown>} */
    const settings = {};
    /** @type {Record<string, string>} */
    const view = {};
    for (const [name, value] of new URLSearchParams(text)) {
      const usual = /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (defaults))[name];
      if (name === "speed" || name === "discrete") view[name] = value;
      else if (name === "layers") settings[name] = items(value).map(number);
      else if (Array.isArray(usual)) settings[name] = items(value);
      else settings[name] = typeof usual === "number" ? number(value) : value;
    }
    return { settings, view };
  }

  /**
   * Keeps the address and the settings the same. `order` sends settings; `refuse(reason)` shows why
   * those of the address cannot be used, "" that they can; `surface` shows a discrete output or not.
   *
   * @param {Live.Order} order @param {(reason: string) => void} refuse
   * @param {{ discrete: boolean, show: (on: boolean) => void }} surface
   */
  function mount(order, refuse, surface) {
    /** @type {Live.Run | null} */
    let run = null;
    /** The run that an order of the address has ended: what it describes is no longer there. @type {Live.Run | null} */
    let left = null;
    let ready = false;
    /** The address that this page has written, or whose "hashchange" it has heard. */
    let known = location.hash;

    function write() {
      // An address that was just typed is to be heard first, and the run that it asks for to begin.
      if (!run || !ready || run === left || location.hash !== known) return;
      const text = `#${written(run, surface.discrete)}`;
      if (text !== known) history.replaceState(null, "", location.pathname + location.search + text);
      known = location.hash;
    }

    /** Takes the settings of the address; where one is refused, none is taken. */
    async function read() {
      known = location.hash;
      if (!run) return;
      const now = run;
      const { settings, view } = given(location.hash.slice(1), now);
      /** @type {string} */
      let reason = "";
      if ("discrete" in view && view.discrete !== "0" && view.discrete !== "1")
        reason = `discrete is '${view.discrete}'; expected 0 or 1`;
      const speed = "speed" in view ? number(view.speed) : now.steps_per_second;
      if (!reason && Object.keys(settings).length) {
        const data = String(settings.data ?? now.settings.data);
        const wanted = { ...first(now, data), ...settings };
        const current = { ...now.settings, columns: wanted.columns };
        if (wanted.loss === "" && current.loss === now.choices.loss[0]) current.loss = "";
        const differs = Object.entries({ ...current, ...wanted }).some(
          ([name, value]) =>
            !same(value, /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (current))[name]),
        );
        if (differs || now === left) {
          left = now;
          reason = await order("setup", { settings: wanted });
          if (reason && left === now) left = null;
        }
      }
      if (!reason && speed !== now.steps_per_second)
        reason = await order("speed", { steps_per_second: speed });
      if (!reason && "discrete" in view) surface.show(view.discrete === "1");
      refuse(reason);
      ready = true;
      write();
    }

    addEventListener("hashchange", read);
    return {
      /** @param {Live.Run} next */
      run(next) {
        const begun = run === null;
        run = next;
        if (begun) read();
        else write();
      },
      write,
    };
  }

  return { mount };
})();
DR.address = addressModule;
