"""Models on disk: what is written is what is read, or an error says why not."""

import json

import numpy as np
import pytest
from tests.training.helpers import regression

from deltarule.errors import FileError, InputError, UnknownName
from deltarule.files import write_bundle
from deltarule.maths import (
    ACTIVATIONS,
    LOSSES,
    Activation,
    Loss,
    Network,
    forward,
    register_activation,
    register_loss,
)
from deltarule.training import History, Model, load_model, save_model, train

NETWORKS = {
    "plain": Network([3, 4, 2]),
    "float32": Network([3, 4, 2], activation="tanh", dtype=np.float32),
    "no bias": Network([3, 4, 2], bias=False),
    "no hidden layer": Network([3, 2], activation=[]),
    "frozen blocks": Network([3, 4, 2], frozen=["W1", "b2"]),
    "frozen entries": Network([3, 4, 2], frozen=np.arange(26) % 3 == 0),
    "parametrised": Network(
        [3, 4, 5, 2],
        activation=[{"name": "leaky_relu", "alpha": 0.125}, {"name": "elu", "alpha": 1 / 3}],
    ),
    "softmax": Network(
        [3, 4, 2],
        output_activation="softmax",
        loss={"name": "cross_entropy", "smoothing": 0.1},
    ),
    "quantiles": Network([3, 4, 6], loss={"name": "quantile", "levels": [0.1, 0.5, 0.9]}),
    "huber": Network([3, 4, 2], loss={"name": "huber", "kappa": 0.7}),
}


@pytest.mark.parametrize("net", NETWORKS.values(), ids=NETWORKS)
def test_a_model_comes_back_bit_for_bit(net, tmp_path):
    theta = net.initial(0)
    model = Model(net, theta, extra={"note": "ä", "score": 0.1 + 0.2, "none": None})
    save_model(tmp_path / "m", model)
    loaded = load_model(tmp_path / "m")
    assert loaded.net == net
    assert loaded.net.dtype == net.dtype
    assert np.array_equal(loaded.net.frozen, net.frozen)
    assert loaded.theta.dtype == theta.dtype
    assert np.array_equal(loaded.theta, theta)
    assert loaded.extra == model.extra
    X = np.random.default_rng(0).normal(size=(5, 3))
    assert np.array_equal(loaded.predict(X), model.predict(X))
    assert np.array_equal(loaded.predict(X, "reference"), forward(net, theta, X).output)


def test_the_history_comes_back_digit_for_digit(tmp_path):
    net, X, Y = regression()
    result = train(net, X, Y, epochs=3, validation=0.2, l2=0.1)
    save_model(tmp_path / "m", Model(net, result.theta, result.history))
    assert load_model(tmp_path / "m").history == result.history


def test_the_folder_holds_json_and_safetensors_and_no_pickle(tmp_path):
    net = Network([3, 4, 2])
    save_model(tmp_path / "m", Model(net, net.initial(0), History()))
    files = sorted(path.name for path in (tmp_path / "m").iterdir())
    assert files == [
        "arrays.safetensors",
        "history.json",
        "manifest.json",
        "model.json",
        "times.json",
    ]
    for name in files:
        content = (tmp_path / "m" / name).read_bytes()
        assert not content.startswith(b"\x80")  # how a pickle begins
    described = json.loads((tmp_path / "m" / "model.json").read_text())
    assert described["network"]["widths"] == [3, 4, 2]


def test_nothing_is_overwritten_unless_it_is_allowed(tmp_path):
    net = Network([3, 4, 2])
    save_model(tmp_path / "m", Model(net, net.initial(0)))
    with pytest.raises(FileError, match="exists already"):
        save_model(tmp_path / "m", Model(net, net.initial(1)))
    assert np.array_equal(load_model(tmp_path / "m").theta, net.initial(0))
    save_model(tmp_path / "m", Model(net, net.initial(1)), overwrite=True)
    assert np.array_equal(load_model(tmp_path / "m").theta, net.initial(1))


def test_parameters_that_do_not_fit_are_not_saved(tmp_path):
    with pytest.raises(InputError, match="theta has shape"):
        save_model(tmp_path / "m", Model(Network([3, 4, 2]), np.zeros(3)))
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_json_is_not_saved(tmp_path):
    net = Network([3, 4, 2])
    with pytest.raises(InputError, match=r"cannot write 'model\.json': object has no form in JSON"):
        save_model(tmp_path / "m", Model(net, net.initial(0), extra={"a": object()}))
    assert list(tmp_path.iterdir()) == []


def test_numbers_of_numpy_are_numbers(tmp_path):
    net = Network([3, 4, 2])
    extra = {"n": np.int64(3), "x": np.float32(0.5), "list": np.arange(3), "yes": np.bool_(True)}
    save_model(tmp_path / "m", Model(net, net.initial(0), extra=extra))
    assert load_model(tmp_path / "m").extra == {"n": 3, "x": 0.5, "list": [0, 1, 2], "yes": True}


@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_many_rows_are_predicted_in_pieces(engine, monkeypatch):
    net = Network([3, 4, 2], activation="tanh")
    X = np.random.default_rng(0).normal(size=(11, 3))
    whole = Model(net, net.initial(0)).predict(X, engine)
    for name in ("_MOST_ROWS", "_FEWEST_ROWS"):
        monkeypatch.setattr(f"deltarule.engines.predictors.{name}", 4)
    model = Model(net, net.initial(0))
    assert np.allclose(model.predict(X, engine), whole, rtol=1e-14)
    assert model.predict(X[:0], engine).shape == (0, 2)
    with pytest.raises(InputError, match=r"X has shape \(3,\)"):
        model.predict(X[0], engine)


# -- what a user has made himself -----------------------------------------------------------


def cube(xp, scale=1.0):
    return (lambda z: scale * z * z * z), (lambda z, a: 3 * scale * z * z)


def quartic(xp):
    return lambda a, y: ((a - y) ** 4, 4 * (a - y) ** 3)


def test_a_user_s_own_activation_comes_back_if_it_is_registered(tmp_path):
    g = Activation("cube", cube, {"scale": 0.5})
    net = Network([3, 4, 2], activation=g)
    save_model(tmp_path / "m", Model(net, net.initial(0)))
    with pytest.raises(UnknownName, match=r"'cube'.*Register it first.*register_activation") as e:
        load_model(tmp_path / "m")
    assert str(tmp_path / "m") in str(e.value)
    # Registered with another default: the model's own value counts.
    register_activation(Activation("cube", cube, {"scale": 1.0}))
    try:
        loaded = load_model(tmp_path / "m")
    finally:
        ACTIVATIONS.unregister("cube")
    X = np.ones((1, 3))
    assert np.array_equal(loaded.predict(X, "reference"), forward(net, net.initial(0), X).output)


def test_a_user_s_own_loss_too(tmp_path):
    net = Network([3, 4, 2], loss=Loss("quartic", quartic))
    save_model(tmp_path / "m", Model(net, net.initial(0)))
    with pytest.raises(UnknownName, match=r"'quartic'.*register_loss"):
        load_model(tmp_path / "m")
    register_loss(Loss("quartic", quartic))
    try:
        assert load_model(tmp_path / "m").net == net
    finally:
        LOSSES.unregister("quartic")


# -- models that are none ---------------------------------------------------------------------


def bundle(tmp_path, documents=None, arrays=None):
    """A bundle of the right kind, with parts replaced (None: left out)."""
    net = Network([2, 1], activation=[])
    d = {"model.json": {"network": net.to_dict(), "extra": {}}, "history.json": []}
    a = {"W1": np.zeros((1, 2)), "b1": np.zeros(1)}
    d = {k: v for k, v in (d | (documents or {})).items() if v is not None}
    a = {k: v for k, v in (a | (arrays or {})).items() if v is not None}
    write_bundle(tmp_path / "m", "deltarule model", 1, d, a)
    return tmp_path / "m"


def test_the_bundle_of_these_tests_is_a_model(tmp_path):
    assert load_model(bundle(tmp_path)).net == Network([2, 1], activation=[])


@pytest.mark.parametrize(
    ("documents", "arrays", "message"),
    [
        ({"model.json": None}, {}, "not a complete model: 'model.json'"),
        ({"history.json": None}, {}, "not a complete model: 'history.json'"),
        ({"model.json": {"extra": {}}}, {}, "'network'"),
        ({"model.json": [1]}, {}, "not a complete model"),
        ({"history.json": [{"epoch": 1}]}, {}, "not a complete model"),
        ({}, {"b1": None}, "'b1'"),
        ({}, {"W1": np.zeros((2, 1))}, r"W1 is float64 of shape \(2, 1\); expected float64 of"),
        ({}, {"b1": np.zeros(1, np.float32)}, "b1 is float32 of shape"),
        ({"model.json": {"network": {"widths": [2, 0]}, "extra": {}}}, {}, "widths is"),
    ],
)
def test_what_is_no_complete_model_is_refused(tmp_path, documents, arrays, message):
    with pytest.raises(FileError, match=message):
        load_model(bundle(tmp_path, documents, arrays))


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileError, match="not a folder that exists; expected a folder with a delta"):
        load_model(tmp_path / "nowhere")
