"""Shapes in the docstrings of the central functions are those of real calls.

A statement such as ``X : array of shape (N, n_0)`` is read from the docstring. Each symbol takes
the size of the first array that has it, and every other array must agree with that. Each call is
made with two sets of sizes, in which different symbols have different sizes.
"""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest

import deltarule
from deltarule import MLPClassifier, MLPRegressor, Model, Network, make_engine, train
from deltarule.engines import Batch, Engine, EngineSettings, make_predictor
from deltarule.explain import Attributions, attribute
from deltarule.maths import Trace, backprop, dropout_mask, forward, penalty

# N rows, widths of the layers. No two symbols of a call have the same size.
SIZES = [(7, [3, 5, 2]), (11, [4, 6, 3])]
RESULT = "result"

_SHAPE = re.compile(r"(?:shapes? |or |gives |, )\(([^()]*,[^()]*|)\)")
_SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}$", re.MULTILINE)


def stated(function):
    """The shapes a docstring states: name to alternatives, each a tuple of symbols.

    Those of its first paragraph and of its ``Returns`` are the result's.
    """
    parts = _SECTION.split(inspect.getdoc(function))
    found = {}
    summary = shapes_in(" ".join(parts[0].split("\n\n")[0].split()))
    if summary:
        found[RESULT] = summary
    for title, text in zip(parts[1::2], parts[2::2], strict=True):
        if title not in ("Parameters", "Returns", "Attributes"):
            continue
        for entry in re.split(r"\n(?=\S)", text.strip("\n")):
            head = entry.split("\n")[0]
            names, colon, kind = head.partition(" : ")
            returned = title == "Returns"
            said = kind if colon and not returned else " ".join(entry.split())
            alternatives = shapes_in(said)
            if alternatives:
                if returned:
                    found[RESULT] = alternatives
                if colon:
                    found |= dict.fromkeys(names.split(", "), alternatives)
    return found


def shapes_in(text):
    if "shape" not in text:
        return []
    text = text[text.index("shape") :]
    return [tuple(s.strip() for s in m.split(",") if s.strip()) for m in _SHAPE.findall(text)]


def check(shapes, values, sizes):
    """Hold arrays to the shapes that are stated for them; ``sizes`` gains the symbols' sizes."""
    for name, value in values.items():
        assert name in shapes, f"the docstring states no shape of {name}"
        actual = np.shape(value)
        fitting = [s for s in shapes[name] if fits(s, actual, sizes)]
        assert fitting, f"{name} has shape {actual}; stated {shapes[name]} with {sizes}"
        sizes |= dict(zip(fitting[0], actual, strict=True))


def fits(symbols, actual, sizes):
    if len(symbols) != len(actual):
        return False
    own = dict(sizes)
    return all(
        own.setdefault(s, n) == n and (not s.isdigit() or int(s) == n)
        for s, n in zip(symbols, actual, strict=True)
    )


def problem(n, widths):
    rng = np.random.default_rng(n)
    net = Network(widths, activation="tanh")
    X, Y = rng.normal(size=(n, widths[0])), rng.normal(size=(n, widths[-1]))
    return net, net.initial(0), X, Y, rng.uniform(0.5, 2.0, n)


# Each gives, for every docstring, the arrays it names in one call.


def of_forward(net, theta, X, Y, s):
    passed = forward(net, theta, X)
    yield forward, {"theta": theta, "X": X, RESULT: passed.output}, {"n_L": net.n_outputs}


def of_backprop(net, theta, X, Y, s):
    trace = backprop(net, theta, X, Y, s)
    arguments = {"theta": theta, "X": X, "Y": Y, "sample_weight": s}
    yield backprop, arguments, {}
    known = {"N": len(X), "p": net.n_parameters, "n_0": net.n_inputs, "n_L": net.n_outputs}
    names = ("loss", "w", "grad", "dX", "Y")
    yield Trace, {name: getattr(trace, name) for name in names}, known


def of_penalty(net, theta, X, Y, s):
    _, grad = penalty(net, theta, l2=1.0, total_weight=len(X))
    yield penalty, {"theta": theta, "grad": grad}, {}


def of_dropout(net, theta, X, Y, s):
    rows, width = np.arange(len(X)), net.widths[1]
    mask = dropout_mask(0.5, rows, width, seed=0, step=1, layer=1)
    yield dropout_mask, {"rows": rows, RESULT: mask}, {"width": width}


def of_network(net, theta, X, Y, s):
    yield Network.initial, {RESULT: theta}, {"p": net.n_parameters}
    yield Network.check_theta, {RESULT: net.check_theta(theta)}, {"p": net.n_parameters}
    packed = net.pack(*net.unpack(theta))
    yield Network.pack, {RESULT: packed}, {"p": net.n_parameters}


def of_train(net, theta, X, Y, s):
    result = train(net, X, Y, sample_weight=s, theta=theta, epochs=1, engine="reference")
    yield train, {"X": X, "Y": Y, "sample_weight": s, "theta": theta}, {}
    yield type(result), {"theta": result.theta}, {"p": net.n_parameters}


def of_model(net, theta, X, Y, s):
    model = Model(net, theta)
    yield Model, {"theta": theta}, {"p": net.n_parameters}
    yield Model.predict, {"X": X, RESULT: model.predict(X, "reference")}, {"n_L": net.n_outputs}


def of_predictor(net, theta, X, Y, s):
    predictor = make_predictor(net, theta, "reference")
    for x in (X, X[0]):
        yield type(predictor).__call__, {"x": x, RESULT: predictor(x)}, {"n_L": net.n_outputs}


def of_engine(net, theta, X, Y, s):
    engine = make_engine("reference")
    engine.load(net, theta, EngineSettings())
    batch = Batch(X, Y, s / s.sum(), np.arange(len(X)), 1)
    known = {"n_0": net.n_inputs, "n_L": net.n_outputs, "p": net.n_parameters}
    yield Batch, {name: getattr(batch, name) for name in ("X", "Y", "w", "rows")}, dict(known)
    rows = {"B": len(X), "N": len(X)}
    yield Engine.predict, {RESULT: engine.predict(X)}, known | rows
    yield Engine.gradient, {RESULT: engine.gradient(batch)[1]}, known | rows
    yield Engine.input_gradient, {RESULT: engine.input_gradient(batch)}, known | rows
    yield Engine.sample_gradients, {RESULT: engine.sample_gradients(batch)}, known | rows


def of_attributions(net, theta, X, Y, s):
    baseline, rows = np.zeros(net.n_inputs), np.arange(5)[: len(X)]
    found = attribute(net, X, Y, theta=theta, rows=rows, baseline=baseline)
    yield attribute, {"baseline": baseline}, {"n_0": net.n_inputs}
    names = ("values", "rows", "baseline", "value", "baseline_value", "points", "converged")
    known = {"R": len(rows), "n_0": net.n_inputs}
    yield Attributions, {name: getattr(found, name) for name in names}, known


def of_estimators(net, theta, X, Y, s):
    labels = np.arange(len(X)) % net.n_outputs
    options = {"hidden_layer_sizes": (4,), "max_iter": 1, "random_state": 0, "engine": "reference"}
    classifier = MLPClassifier(**options).fit(X, labels)
    regressor = MLPRegressor(**options).fit(X, Y)
    yield MLPClassifier.fit, {"X": X, "y": labels}, {}
    probabilities = classifier.predict_proba(X)
    classes = {"n_classes": net.n_outputs}
    yield MLPClassifier.predict_proba, {"X": X, RESULT: probabilities}, classes
    predictions = regressor.predict(X)
    yield MLPRegressor.predict, {"X": X, RESULT: predictions}, {"n_outputs": net.n_outputs}


CALLS = [value for name, value in sorted(globals().items()) if name.startswith("of_")]


@pytest.mark.parametrize(("n", "widths"), SIZES, ids=["small", "large"])
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__[3:])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_shapes_in_docstrings_are_those_of_a_call(call, n, widths):
    for function, values, known in call(*problem(n, widths)):
        check(stated(function), values, dict(known))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_dozen_public_functions_are_looked_at():
    seen = {f.__qualname__ for call in CALLS for f, _, _ in call(*problem(*SIZES[0]))}
    assert len(seen) >= 20
    assert all(hasattr(deltarule, name) for name in ("forward", "backprop", "train", "penalty"))


def planted(parameter, result):
    def function(X):
        pass

    function.__doc__ = f"""Do it.

    Parameters
    ----------
    X : array of shape {parameter}

    Returns
    -------
    Y : array of shape {result}
    """
    return function


RIGHT = {"X": np.zeros((7, 3)), RESULT: np.zeros((7, 2))}


def test_a_right_docstring_passes():
    check(stated(planted("(N, n_0)", "(N, n_L)")), RIGHT, {"n_L": 2})
    check(stated(planted("(n_0,) or (N, n_0)", "(n_L,), or (N, n_L)")), RIGHT, {"n_L": 2})


@pytest.mark.parametrize(
    ("parameter", "result"),
    [
        ("(N, n_0)", "(N, n_0)"),
        ("(N, n_0)", "(n_L, N)"),
        ("(N, n_0)", "(N,)"),
        ("(n_0, N)", "(N, n_L)"),
        ("(N,)", "(N, n_L)"),
        ("(N, n_L)", "(N, n_0)"),
        ("(N, N)", "(N, n_L)"),
        ("(N, n_0)", "some kind"),
    ],
)
def test_a_wrong_docstring_fails(parameter, result):
    with pytest.raises(AssertionError):
        check(stated(planted(parameter, result)), RIGHT, {"n_L": 2})
