"""The static playground's trainer as an engine that computes in a browser."""

import base64

import numpy as np
from tests.explain.page_engine import DRIVER, ChromiumEngine

from deltarule.explain.page.formula_library import formula_library
from deltarule.explain.page.page import asset
from deltarule.maths import numpy_namespace
from deltarule.optimizers import average, clip_by_norm
from deltarule.playground.page import own_asset

# Takes a step of the rule, and returns θ, then every slot.
STEP = """
([net, theta, name, penalties, slots, t, grad, rate, cost]) => {
  const values = (packed) => DR.data.array(packed).values;
  const theirs = values(theta).slice();
  const updater = DR.rules.updater(net, theirs, name, penalties);
  for (const [slot, packed] of Object.entries(slots)) updater.slots[slot].set(values(packed));
  updater.t = t;
  updater.step(values(grad).slice(), rate, cost ?? NaN);
  const all = [...theirs, ...Object.values(updater.slots).flatMap((slot) => [...slot])];
  const bytes = new Uint8Array(Float64Array.from(all).buffer);
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) {
    text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  }
  return btoa(text);
}
"""
# The penalty and its gradient, as a step adds them.
PENALTY = """
([net, theta, name, penalties]) => {
  const grad = new Float64Array(net.p);
  const updater = DR.rules.updater(net, DR.data.array(theta).values, name, penalties);
  return [updater.penalise(grad), [...grad]];
}
"""
"""
"""
