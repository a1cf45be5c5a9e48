"""The page's driver as an engine that computes in a browser; updates are the reference engine's."""

import base64
import json
from typing import ClassVar

import numpy as np

from deltarule.engines import Promises, ReferenceEngine
from deltarule.explain.page import formulas_script, packed
from deltarule.explain.page.page import asset
from deltarule.explain.page.payload import describe_network

DRIVER = ("data.js", "numbers.js", "driver.js")

# The results of a batch for each kind of request, in base64 so that no bit is lost. Request and
# network are one text each: Playwright looks into whatever has parts, which takes it longer.
ASK = """
(request) => {
  let [what, theta, X, Y, w, masks] = JSON.parse(request);
  const D = DR.driver, net = DR.testNet;
  const array = (packed) => packed && DR.data.array(packed);
  [theta, X, Y, w] = [array(theta).values, array(X), array(Y), array(w).values];
  masks = masks && masks.map(array);
  const n = X.shape[0];
  const give = (values) => {
    const bytes = new Uint8Array(Float64Array.from(values).buffer);
    let text = "";
    for (let i = 0; i < bytes.length; i += 8192) {
      text += String.fromCharCode(...bytes.subarray(i, i + 8192));
    }
    return btoa(text);
  };
  const passed = (i) => D.forward(net, theta, DR.data.row(X, i), D.masksOf(masks, i));
  if (what === "gradient") {
    const { cost, grad } = D.gradient(net, theta, X, Y, w, masks);
    return give([cost, ...grad]);
  }
  if (what === "cost") return give([D.cost(net, theta, X, Y, w)]);
  const out = [];
  for (let i = 0; i < n; ++i) {
    const pass = passed(i);
    if (what === "predict") { out.push(...pass.A[net.L]); continue; }
    const back = D.backward(net, theta, pass, DR.data.row(Y, i));
    if (what === "input") out.push(...back.dX.map((x) => (w[i] === 0 ? 0 : w[i] * x)));
    else {
      const grad = new Float64Array(net.p);
      D.accumulate(net, pass, back.delta, 1, grad);
      out.push(...grad);
    }
  }
  return give(out);
}
"""


class ChromiumEngine(ReferenceEngine):
    """Passes by the page's driver in a browser, in float64."""

    name: ClassVar[str] = "chromium"
    promises: ClassVar[Promises] = Promises(tolerance={"float64": 64.0})

    def __init__(self, page, driver=None):
        self._page = page
        self._network = None
        page.goto("about:blank")
        page.evaluate("\n".join(map(asset, DRIVER)) if driver is None else driver)

    def load(self, network, theta, settings):
        super().load(network, theta, settings)
        if network == self._network:
            return
        self._page.evaluate(formulas_script(network))
        self._page.evaluate(
            "(net) => { DR.testNet = DR.driver.network(JSON.parse(net), DR.formulas); }",
            json.dumps(describe_network(network)),
        )
        self._network = network

    def _ask(self, what, theta, X, Y, w, masks=None):
        sent = [None if mask is None else packed(mask) for mask in masks] if masks else None
        arrays = [packed(theta), packed(X), packed(Y), packed(w)]
        text = self._page.evaluate(ASK, json.dumps([what, *arrays, sent]))
        return np.frombuffer(base64.b64decode(text), "<f8").copy()

    def predict(self, X, averaged=False):
        theta = self.averaged_theta if averaged else self.theta
        nothing = np.zeros((len(X), self.net.n_outputs))
        given = self._ask("predict", theta, X, nothing, np.ones(len(X)))
        return given.reshape(len(X), self.net.n_outputs)

    def cost(self, batch, averaged=False):
        theta = self.averaged_theta if averaged else self.theta
        return float(self._ask("cost", theta, batch.X, batch.Y, batch.w)[0])

    def gradient(self, batch):
        given = self._ask("gradient", self.theta, batch.X, batch.Y, batch.w, self.masks(batch))
        return float(given[0]), given[1:]

    def input_gradient(self, batch):
        masks = self.masks(batch)
        given = self._ask("input", self.theta, batch.X, batch.Y, batch.w, masks)
        return given.reshape(len(batch.X), self.net.n_inputs)

    def sample_gradients(self, batch):
        masks = self.masks(batch)
        given = self._ask("samples", self.theta, batch.X, batch.Y, batch.w, masks)
        return given.reshape(len(batch.X), self.net.n_parameters)
