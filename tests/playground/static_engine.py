"""The static playground's trainer as an engine that computes in a browser."""

import base64

import numpy as np
from tests.explain.page_engine import DRIVER, ChromiumEngine

from deltarule.explain.page import packed
from deltarule.explain.page.formula_library import formula_library
from deltarule.explain.page.page import asset
from deltarule.explain.page.payload import describe_network
from deltarule.optimizers import average, clip_by_norm
from deltarule.playground.page import own_asset

SCRIPTS = "\n".join([*map(asset, DRIVER), own_asset("rules.js")])

# Adds the penalty's gradient to one of the data, or takes a step: the cost, then θ or the
# gradient, then the slots. In base64, so that no bit is lost.
ASK = """
([what, net, theta, rule, penalties, slots, t, grad, rate, cost]) => {
  const values = (packed) => DR.data.array(packed).values.slice();
  const at = values(theta), by = values(grad);
  const updater = DR.rules.updater(net, at, rule, penalties);
  for (const [name, packed] of Object.entries(slots)) updater.slots[name].set(values(packed));
  updater.t = t;
  const all = what === "penalise" ? [updater.penalise(by), ...by] : [0];
  if (what === "step") {
    updater.step(by, rate, cost);
    all.push(...at, ...Object.values(updater.slots).flatMap((slot) => [...slot]));
  }
  const bytes = new Uint8Array(Float64Array.from(all).buffer);
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) {
    text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  }
  return btoa(text);
}
"""


class StaticEngine(ChromiumEngine):
    """Passes, penalties and rules by the static page's scripts in a browser, in float64.

    What the playground does not have is the reference engine's: masks of dropout, clipping,
    frozen parameters, averaging.
    """

    name = "static"

    def __init__(self, page, scripts=SCRIPTS):
        super().__init__(page, scripts)
        self._rule = None

    def load(self, network, theta, settings):
        super().load(network, theta, settings)
        self._described = describe_network(network) | {"p": network.n_parameters}
        if settings.rule != self._rule:
            script, catalogue = formula_library([], [], [settings.rule])
            self._page.evaluate(script)
            self._page.evaluate("(found) => { DR.catalogue = found; }", catalogue)
            self._rule = settings.rule

    def _told(self, what, grad, penalties, rate=0.0, cost=None):
        slots = {name: packed(np.atleast_1d(value)) for name, value in self._slots.items()}
        penalties = penalties | {"total_weight": self.settings.total_weight}
        rule, theta = self.settings.rule.name, packed(self._theta)
        told = [what, self._described, theta, rule, penalties, slots, self._t, packed(grad)]
        text = self._page.evaluate(ASK, [*told, rate, 0.0 if cost is None else float(cost)])
        return np.frombuffer(base64.b64decode(text), "<f8").copy()

    def apply(self, grad, learning_rate, cost=None):
        settings, net = self.settings, self.net
        penalties = settings.penalties
        if self._some_frozen or settings.clip_norm is not None:
            penalty, *grad = self._told("penalise", grad, penalties)
            cost, penalties = None if cost is None else cost + penalty, {}
            grad = np.where(net.frozen, 0, grad)
            if settings.clip_norm is not None:
                grad, _ = clip_by_norm(np, grad, settings.clip_norm)
        given = self._told("step", grad, penalties, learning_rate, cost)[1:]
        theta, at = given[: net.n_parameters], net.n_parameters
        for name, value in self._slots.items():
            self._slots[name] = given[at : at + value.size].reshape(value.shape)
            at += value.size
        self._t += 1
        self._theta = np.where(net.frozen, self._theta, theta)
        if self._mean is not None:
            self._mean = average(np, self._mean, self._theta, settings.averaging, self._t)
