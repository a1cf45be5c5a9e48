"""Networks as ONNX graphs, of every activation, loss and output, and the drop-in estimators."""

import itertools
import json

import numpy as np
import onnx
import onnxruntime
import pytest

from deltarule import (
    ACTIVATIONS,
    LOSSES,
    Activation,
    MLPClassifier,
    MLPRegressor,
    Model,
    Network,
    train,
)
from deltarule.errors import ExportMismatch, InputError, MissingDependency
from deltarule.export import onnx_formulas, onnx_graph, to_onnx
from deltarule.export.bounds import Bounds, through
from deltarule.export.onnx_graph import Graph

PAIRS = [(g, loss) for g, loss in itertools.product(ACTIVATIONS, LOSSES) if loss.accepts(g)]
X = np.random.default_rng(0).normal(size=(60, 3))


def run(content, feed):
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, feed), strict=True))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("g", ACTIVATIONS, ids=lambda g: g.name)
def test_every_activation_at_any_size(g, dtype):
    """Far out in both tails too, where a formula's exponentials are 0 or infinite."""
    g = g if g.elementwise else "tanh"
    net = Network([1, 1], activation=[], output_activation=g, dtype=dtype)
    sizes = np.concatenate([np.geomspace(1e-8, 300, 60), [0.0]])
    z = np.concatenate([-sizes, sizes])[:, None].astype(dtype)
    found = run(to_onnx(Model(net, net.pack(W=[[[1]]]))).content, {"X": z})["outputs"]
    wanted = Model(net, net.pack(W=[[[1]]])).predict(z, "reference")
    same = ~np.isfinite(wanted) & (found == wanted)
    eps, least = np.finfo(dtype).eps, np.finfo(dtype).tiny
    with np.errstate(invalid="ignore"):
        errors = np.abs(found - wanted) / (np.abs(wanted) + least / eps)
    assert (same | (errors < 16 * eps)).all()


@pytest.mark.parametrize(("g", "loss"), PAIRS, ids=lambda each: each.name)
def test_every_loss_with_every_output(g, loss):
    net = Network([3, 4, 2], "gelu", g, loss, dtype="float32")
    assert to_onnx(Model(net, net.initial(0)), data=X).largest_error < 64


@pytest.mark.parametrize("seed", range(40))
def test_random_networks_of_every_shape(seed):
    rng = np.random.default_rng(seed)
    hidden = [g for g in ACTIVATIONS if g.elementwise and g.name != "exp"]
    depth = int(rng.integers(0, 7))
    net = Network(
        rng.integers(1, 24, depth + 2).tolist(),
        activation=[hidden[k] for k in rng.integers(0, len(hidden), depth)],
        bias=bool(rng.integers(0, 2)),
        dtype=["float32", "float64"][seed % 2],
    )
    theta = net.initial(seed) * rng.choice([0.5, 1.0, 2.0])
    exported = to_onnx(Model(net, theta.astype(net.dtype)))
    assert (exported.rows, exported.data_given) == (300, False)
    assert exported.largest_error < 64


def test_the_file_is_for_the_versions_that_it_says_and_tells_of_the_model(tmp_path):
    net = Network([3, 4, 1], "silu", dtype="float32")
    result = train(net, X, X[:, 0] ** 2, epochs=2)
    path = tmp_path / "m.onnx"
    exported = to_onnx(result, path)
    model = onnx.load(path)
    assert path.read_bytes() == exported.content
    assert model.ir_version == 10
    assert {each.domain: each.version for each in model.opset_import} == {"": 21, "ai.onnx.ml": 4}
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx.ml"}
    found = {each.key: json.loads(each.value) for each in model.metadata_props}
    assert found["deltarule.network"]["widths"] == [3, 4, 1]
    assert found["deltarule.scores"]["epoch"] == 2
    assert found["deltarule.versions"]["onnx"] == onnx.__version__
    with pytest.raises(OSError, match="exists"):
        to_onnx(result, path)
    to_onnx(result, path, overwrite=True)


def test_an_activation_of_ones_own_by_its_value_alone():
    def bent(xp, rate):
        return lambda z: xp.where(z != rate, xp.log1p(xp.abs(z)), 2) * xp.minimum(z, 3)

    net = Network([3, 5, 1], Activation("bent", bent, {"rate": 0.1}), dtype="float32")
    assert to_onnx(Model(net, net.initial(1))).largest_error < 64


def with_a_wrong_weight(constant):
    def other(self, values, dtype=None):
        values = np.array(values, dtype=dtype)
        if values.ndim == 2 and values.size > 8:
            values.flat[5] += 1e-4
        return constant(self, values)

    return other


@pytest.mark.parametrize(
    "fault",
    [
        lambda patch: patch.setitem(onnx_graph._OPERATORS, "tanh", "Sin"),
        lambda patch: patch.setitem(onnx_graph._OPERATORS, "less", "LessOrEqual"),
        lambda patch: patch.setitem(onnx_formulas._BUILT, "expm1", lambda graph, x: x + x * x / 2),
        lambda patch: patch.setattr(Graph, "constant", with_a_wrong_weight(Graph.constant)),
    ],
    ids=["operator", "comparison", "series", "weight"],
)
def test_a_graph_that_computes_something_else_is_refused_and_not_written(
    fault, monkeypatch, tmp_path
):
    def formula(xp):
        def value(z):
            return xp.tanh(z) + xp.expm1(z) + xp.where(xp.rint(z) < 0, 1, 2)

        return value, lambda z, a: 0 * z

    fault(monkeypatch)
    net = Network([3, 8, 1], Activation("own", formula), dtype="float32")
    with pytest.raises(ExportMismatch, match=r"outputs .* in row .* nothing was written"):
        to_onnx(Model(net, net.initial(1)), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


TWO = X[:, 0] > 0
THREE = np.digitize(X[:, 0], [-0.5, 0.5])
LABELS = np.c_[TWO, X[:, 1] > 0].astype(int)
CLASSIFIERS = {
    "two": (TWO, {}),
    "text": (np.array(["no", "yes"])[TWO.astype(int)], {}),
    "objects": (np.array(["b", "a", "ü"], dtype=object)[THREE], {}),
    "whole": (THREE * 10 - 7, {}),
    "floats": (THREE * 1.0, {}),
    "labels": (LABELS, {}),
    "two, softmax": (TWO, {"output_activation": "softmax", "loss": "squared_error"}),
    "logistic": (THREE, {"output_activation": "logistic", "loss": "squared_error"}),
    "simplex": (THREE, {"output_activation": "identity", "loss": "squared_error"}),
    "clipped": (TWO, {"output_activation": "tanh", "loss": "squared_error"}),
    "one class": (np.zeros(60), {}),
}


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")  # three epochs are enough here
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers(name):
    y, options = CLASSIFIERS[name]
    model = MLPClassifier((5,), max_iter=3, random_state=0, **options).fit(X, y)
    exported = to_onnx(model, data=X)
    found = run(exported.content, {"X": X})
    np.testing.assert_array_equal(found["label"], model.predict(X))
    np.testing.assert_allclose(found["probabilities"], model.predict_proba(X), atol=1e-12)
    assert exported.outputs == ("label", "probabilities")
    single = run(exported.content, {"X": X[:1]})
    np.testing.assert_array_equal(single["label"], model.predict(X[:1]))


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")  # as above
@pytest.mark.parametrize("y", [X[:, 0] ** 2, X[:, :2]], ids=["one", "two"])
def test_regressors(y):
    model = MLPRegressor(hidden_layer_sizes=(5,), max_iter=3, random_state=0)
    model.fit(X.astype(np.float32), y)
    found = run(to_onnx(model, data=X).content, {"X": X.astype(np.float32)})["prediction"]
    wanted = model.predict(X.astype(np.float32))
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_what_cannot_be_exported_is_refused(tmp_path):
    net = Network([3, 1], activation=[])
    for model, words in (
        (MLPRegressor(), "not fitted"),
        ("text", "a str cannot be exported"),
        (Model(net, np.full(4, np.nan)), "4 of 4 parameters are not finite"),
    ):
        with pytest.raises(InputError, match=words):
            to_onnx(model, tmp_path / "m.onnx")
    with pytest.raises(InputError, match="expected"):
        to_onnx(Model(net, net.initial(0)), tmp_path / "m.onnx", data=X[:, :2])
    steep = Network([1, 1], [], "exp", "poisson")
    for data in (None, [[1e4]]):
        exported = Model(steep, steep.pack(W=[[[1000.0]]], b=[[9e5]]))
        with pytest.raises(InputError, match=r"predictions of all .* rows .* are infinite"):
            to_onnx(exported, tmp_path / "m.onnx", data=data)
    stretch = Activation("odd", lambda xp: (lambda z: z**5, lambda z, a: 5 * z**4))
    odd = Network([3, 2, 1], stretch)
    with pytest.raises(InputError, match=r"no symbolic form of odd: value: .*\*\* 5"):
        to_onnx(Model(odd, odd.initial(0)), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_bounds_of_many_entries_are_near_those_of_each():
    def share(x):
        return np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)

    rng = np.random.default_rng(0)
    x, width = rng.normal(size=(5, 60)), 1e-4 * rng.random((5, 60))
    ends = Bounds(x - width, x + width)
    exact, quick = through(share, ends), through(share, ends, divides_by_sum=True)
    assert (quick.low <= exact.low).all()
    assert (quick.high >= exact.high).all()
    assert ((quick.high - quick.low) < 1.5 * (exact.high - exact.low)).all()
    net = Network([3, 4, 500], "tanh", "softmax", "cross_entropy", dtype="float32")
    exported = to_onnx(Model(net, net.initial(0)))
    assert (exported.rows, exported.largest_error < 64) == (80, True)


def test_an_operator_that_the_runtime_lacks_is_an_error_of_the_export(monkeypatch):
    node = Graph.node
    monkeypatch.setattr(
        Graph,
        "node",
        lambda self, op, *values, **options: node(
            self, "Selu" if op == "Tanh" else op, *values, **options
        ),
    )
    net = Network([3, 2, 1], "tanh")  # in float64, for which it has no Selu
    with pytest.raises(ExportMismatch, match=r"cannot run the graph .*Selu.* nothing was written"):
        to_onnx(Model(net, net.initial(0)))


def test_the_same_model_gives_the_same_bytes():
    net = Network([3, 2, 1], "mish")
    one, two = (to_onnx(Model(net, net.initial(0))) for _ in range(2))
    assert one.content == two.content


@pytest.mark.parametrize("library", ["onnx", "onnxruntime"])
def test_a_missing_library_is_one_clear_error(library, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, library, None)
    net = Network([3, 1], activation=[])
    with pytest.raises(MissingDependency, match=r"needs onnx and onnxruntime.*deltarule\[onnx\]"):
        to_onnx(Model(net, net.initial(0)))
