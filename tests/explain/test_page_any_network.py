"""For many random networks, each number on the page is the reference's to the digits shown."""

import numpy as np
import pytest
from tests.browser import Watched
from tests.explain.page_reading import Expected, check_reading, readings

from deltarule.engines import EngineSettings
from deltarule.explain.page import PageState, write_page
from deltarule.explain.subject import StepTaken, Subject
from deltarule.maths import ACTIVATIONS, LOSSES, Network

# Every loss, with an output activation that it goes with.
PAIRS = (
    ("squared_error", "logistic"),
    ("squared_error", "softmax"),
    ("half_squared_error", "tanh"),
    ("half_squared_error", "softmax"),
    ("absolute_error", "identity"),
    ("huber", "identity"),
    ("quantile", "identity"),
    ("poisson", "exp"),
    ("poisson", "softplus"),
    ("log_loss", "logistic"),
    ("weighted_log_loss", "logistic"),
    ("cross_entropy", "softmax"),
)
# Activations of the hidden layers, two in each network, in turn.
HIDDEN = [name for name in ACTIVATIONS.names() if name not in ("softmax", "exp")]


def targets(rng, loss, n, width):
    if loss == "cross_entropy":
        return rng.integers(0, width, n)
    if loss in ("log_loss", "weighted_log_loss"):
        return rng.integers(0, 2, (n, width)).astype(float)
    if loss == "poisson":
        return rng.integers(0, 5, (n, width)).astype(float)
    if loss == "quantile":
        return rng.standard_normal((n, 1))
    return rng.standard_normal((n, width))


def any_subject(seed):
    """A random network with sample weights, dropout and a rule, by its seed."""
    rng = np.random.default_rng(seed)
    loss, output = PAIRS[seed % len(PAIRS)]
    hidden = [HIDDEN[(2 * seed + i) % len(HIDDEN)] for i in range(2)]
    widths = [int(n) for n in rng.integers(2, 6, 4)]
    if loss == "quantile":
        widths[-1] = 2
    given = LOSSES.get(loss, levels=(0.25, 0.75)) if loss == "quantile" else LOSSES.get(loss)
    net = Network(widths, hidden, output, given, bias=bool(seed % 3))
    n = int(rng.integers(3, 8))
    theta = 0.8 * rng.standard_normal(net.n_parameters)
    s = rng.uniform(0.2, 3.0, n)
    s[1] = 0 if seed % 2 else s[1]
    masks = None
    if seed % 4 == 1:
        masks = [None, *(rng.integers(0, 2, (n, w)) * 2.0 for w in widths[1:-1]), None]
    step = StepTaken(EngineSettings(rule="sgd", l2=0.1, total_weight=float(s.sum())), 0.1)
    X, Y = rng.standard_normal((n, widths[0])), targets(rng, loss, n, widths[-1])
    return Subject.of_arrays(net, theta, X, Y, s, masks=masks, step=step)


def selections(rng, net):
    """The cost, and of every layer a node, a bias and two weights."""
    yield {"kind": "cost"}
    for layer, n in enumerate(net.widths):
        j = int(rng.integers(n))
        yield {"kind": "node", "layer": layer, "j": j}
        if layer and net.bias:
            yield {"kind": "bias", "layer": layer, "j": j}
        for k in rng.integers(0, net.widths[layer - 1], 2).tolist() if layer else ():
            yield {"kind": "edge", "layer": layer, "j": j, "k": k}


EVERY = range(2 * len(PAIRS))


@pytest.mark.parametrize(
    "seed", [pytest.param(n, marks=pytest.mark.slow) if n >= len(PAIRS) else n for n in EVERY]
)
def test_every_number_is_the_references(chromium, tmp_path, seed):
    subject = any_subject(seed)
    rng = np.random.default_rng(seed)
    before = subject.theta * 0.5
    states = [PageState(before, step=0), PageState(subject.theta, step=1)]
    watched = Watched(chromium[0], width=1280, height=800)
    page = watched.page
    page.goto(write_page(subject, tmp_path / "page.html", states=states).as_uri())
    given = subject.Y[:, :1] if subject.net.loss.name == "quantile" else subject.Y
    others = {0: Subject.of_arrays(subject.net, before, subject.X, given, subject.s)}
    compared = 0
    for state, shown in ((1, subject), *others.items()):
        expected = Expected(shown)
        page.evaluate("(state) => DR.page.set({ state })", state)
        changes = []
        for selected in selections(rng, subject.net):
            i = int(rng.integers(len(subject.X)))
            for mode, colour in (("sample", "gradient"), ("mean", "weight")):
                change = {"sample": i, "selected": selected, "mode": mode, "colour": colour}
                changes.append(change)
        for change, read in readings(page, changes):
            compared += check_reading(read, expected, change["sample"])
    assert compared > 500
    found = page.evaluate("(DR.page.set({ state: 1 }), DR.check.compare(DR.page))")
    assert found["same"], found
    assert watched.errors == []
    watched.close()
