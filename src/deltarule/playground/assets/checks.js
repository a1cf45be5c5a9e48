// @ts-check
// The settings of the static playground: checked as settings.py checks them, and the network that they
// and the data decide.
"use strict";

const checksModule = (function () {
  const { Refused } = DR.datasets;

  /** @param {unknown} value */
  const shown = (value) => JSON.stringify(value) ?? String(value);

  /** @param {string} name @param {unknown} value @param {readonly string[]} known */
  function oneOf(name, value, known) {
    if (typeof value !== "string" || !known.includes(value))
      throw new Refused(`${name} is ${shown(value)}; expected one of ${known.join(", ")}`);
  }

  /** @param {string} name @param {unknown} value @param {{ min: number, max: number }} limits @param {boolean} whole */
  function inRange(name, value, { min, max }, whole) {
    const number = typeof value === "number" && Number.isFinite(value) && (!whole || Number.isInteger(value));
    if (!number || value < min || value > max)
      throw new Refused(
        `${name} is ${shown(value)}; expected a ${whole ? "whole " : ""}number from ${min} to ${max}`,
      );
  }

  const WHOLE = ["rows", "seed", "batch_size"];

  /**
   * Settings with changes, checked as settings.py checks them.
   *
   * @param {Record<string, unknown>} given @param {Live.Settings} before @param {Static.Parsed | null} table
   * @returns {Live.Settings}
   */
  function checked(given, before, table) {
    const { choices } = DR.catalogue;
    const columns = table ? DR.table.columnsOf(table) : [];
    for (const name of Object.keys(given))
      if (!(name in before))
        throw new Refused(`settings hold ${shown(name)}; expected some of ${Object.keys(before).join(", ")}`);
    const next = /** @type {Live.Settings} */ ({ ...before, ...given });
    oneOf("data", next.data, table ? [...choices.data, "table"] : choices.data);
    oneOf("activation", next.activation, choices.activation);
    oneOf("rule", next.rule, choices.rule);
    for (const [name, limits] of Object.entries(choices.ranges)) {
      const value = /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (next))[name];
      if (name === "layers") continue;
      if (typeof (/** @type {any} */ (before)[name]) === "number")
        inRange(name, value, limits, WHOLE.includes(name));
    }
    const { limits } = choices;
    if (!Array.isArray(next.layers) || next.layers.length > limits.layers)
      throw new Refused(`layers is ${shown(next.layers)}; expected a list of at most ${limits.layers}`);
    for (const width of next.layers) inRange("a width of layers", width, choices.ranges.layers, true);
    if (!Array.isArray(next.columns))
      throw new Refused(`columns is ${shown(next.columns)}; expected a list of names`);
    for (const name of next.columns) oneOf("columns", name, columns);
    if (!Array.isArray(next.derived))
      throw new Refused(`derived is ${shown(next.derived)}; expected a list of names`);
    const derived = DR.catalogue.derived.map(({ name }) => name);
    for (const name of next.derived) oneOf("derived", name, derived);
    next.derived = [...new Set(next.derived)];
    return next;
  }

  /** The losses for a target. @param {Static.Target} target */
  const lossesFor = ({ classes }) => DR.catalogue.outputs[Math.min(classes.length, 3)];

  /**
   * Network and run for settings; the loss is the usual one of the target where none is named.
   *
   * @param {Static.Data} data @param {Live.Settings} given @returns {{ settings: Live.Settings, design: Static.Design }}
   */
  function designed(data, given) {
    const known = lossesFor(data.target),
      { classes, name } = data.target;
    const settings = { ...given, loss: given.loss || Object.keys(known)[0] };
    if (!(settings.loss in known))
      throw new Refused(
        `loss is ${shown(settings.loss)}; expected one of ${Object.keys(known).join(", ")} for the target ${shown(name)}`,
      );
    const output = known[settings.loss];
    const outputs =
      classes.length === 0 || (classes.length === 2 && output !== "softmax") ? 1 : classes.length;
    const widths = [data.inputs.length, ...settings.layers, outputs];
    const count = widths.slice(1).reduce((sum, m, l) => sum + (widths[l] + 1) * m, 0);
    const { parameters } = DR.catalogue.choices.limits;
    if (count > parameters)
      throw new Refused(
        `the network ${widths.join("-")} would have ${count} parameters; expected at most ${parameters}; take smaller layers or fewer columns`,
      );
    const penalties = { l2: settings.l2, l1: settings.l1 };
    return {
      settings,
      design: {
        widths,
        hidden: settings.activation,
        output: `${settings.loss}/${output}`,
        rule: settings.rule,
        penalties,
      },
    };
  }

  return { shown, inRange, checked, designed, lossesFor };
})();
DR.checks = checksModule;
