"""Small problems and watchers for the tests of training."""

from __future__ import annotations

import numpy as np

from deltarule.engines import Engine, ReferenceEngine
from deltarule.maths import Network
from deltarule.training import EpochLog, History, StopFlag

# What a resumed or repeated run must have in common: all but the time it took.
RECORDED = ("epoch", "steps", "loss", "penalty", "validation_loss", "score", "learning_rate")

# Everything that has a state or draws numbers.
STATEFUL = {
    "learning_rate": 0.05,
    "dropout": 0.2,
    "averaging": 0.9,
    "validation": 0.2,
    "l2": 0.5,
    "l1": 0.1,
    "clip_norm": 0.5,
    "seed": 7,
}


def cut_after(step, kind=ReferenceEngine):
    """An engine that takes steps one by one and raises a flag after one of them; the flag."""
    flag = StopFlag()

    class Cut(kind):
        epoch = Engine.epoch

        def step(self, batch, learning_rate):
            cost = super().step(batch, learning_rate)
            if batch.step == step:
                flag.stop("cut")
            return cost

    return {"engine": Cut, "stop": flag}


def regression(n=30, inputs=3, outputs=2, seed=0, dtype=np.float64, **changes):
    """(net, X, Y) for a small regression."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, inputs)).astype(dtype)
    Y = np.tanh(X @ rng.normal(size=(inputs, outputs))).astype(dtype)
    net = Network([inputs, 5, outputs], **({"activation": "tanh", "dtype": dtype} | changes))
    return net, X, Y


def classes(n=60, seed=0):
    """(net, X, y) for three classes of unequal size."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat([0, 1, 2], [n // 2, n // 3, n - n // 2 - n // 3]))
    X = rng.normal(size=(n, 2)) + y[:, None]
    net = Network([2, 6, 3], activation="tanh", output_activation="softmax", loss="cross_entropy")
    return net, X, y


def recorded(history):
    """The history without its times, as tuples that compare bit for bit."""
    return [tuple(getattr(r, name) for name in RECORDED) for r in history.logs]


def history_of(losses, training=None):
    """A history with these validation losses (and these training losses)."""
    training = losses if training is None else training
    return History(
        [
            EpochLog(t, t, E, 0.0, loss, None, 0.1, 0.0)
            for t, (loss, E) in enumerate(zip(losses, training, strict=True), start=1)
        ]
    )


class Watching(ReferenceEngine):
    """The reference engine that notes every batch, rate and θ after the step."""

    def load(self, network, theta, settings):
        super().load(network, theta, settings)
        self.batches, self.rates, self.thetas = [], [], [self.theta.copy()]

    def step(self, batch, learning_rate):
        cost = super().step(batch, learning_rate)
        self.batches.append(batch)
        self.rates.append(learning_rate)
        self.thetas.append(self.theta.copy())
        return cost
