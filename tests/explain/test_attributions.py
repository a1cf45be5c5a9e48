"""Attributions are complete, exact between kinks, and refined until the error is small."""

import json

import numpy as np
import pandas as pd
import pytest

from deltarule import Model, Network, backprop, forward, lens
from deltarule.errors import InputError
from deltarule.explain import InputColumn, Subject, attribute
from deltarule.maths import ACTIVATIONS
from deltarule.tables import infer_schema, table_from_frame
from deltarule.tabular.fit import TableSettings, fit_table

RNG = np.random.default_rng(8)
X = RNG.normal(size=(9, 4))


def built(net, seed=0):
    rng = np.random.default_rng(seed)
    return net.initial(seed) + 0.3 * rng.normal(size=net.n_parameters)


def subject_of(net, x=X, y=None, seed=0, **others):
    if y is None:
        y = (
            np.arange(len(x)) % net.n_outputs
            if net.loss.targets == "classes"
            else np.full((len(x), net.n_outputs), 0.5)
        )
    return Subject.of_arrays(net, built(net, seed), x, y, **others)


CASES = {
    "tanh": Network([4, 8, 5, 2], "tanh"),
    "relu": Network([4, 16, 8, 1], "relu"),
    "leaky, softmax": Network([4, 9, 3], "leaky_relu", "softmax", "cross_entropy"),
    "logistic": Network([4, 6, 1], "logistic", "logistic", "log_loss"),
    "exp": Network([4, 6, 1], "softplus", "exp", "poisson"),
    "no bias": Network([4, 6, 2], "elu", bias=False),
    "deep relu": Network([4] + [12] * 6 + [1], "relu"),
}


# -- values -------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["integrated", "gradient"])
def test_a_linear_network_is_attributed_exactly(method):
    net = Network([4, 2], [])
    theta = net.pack(W=[[[1.0, -2.0, 0.5, 4.0], [0.0, 3.0, 1.0, -1.0]]], b=[[7.0, -5.0]])
    x = np.array([[2.0, 3.0, -4.0, 0.25]])
    start = np.array([1.0, 0.0, -2.0, 0.5])
    for j, row in enumerate(net.unpack(theta)[0][1]):
        found = attribute(net, x, [[0, 0]], theta=theta, of=j, method=method, baseline=start)
        np.testing.assert_allclose(found.values[0], row * (x[0] - start), rtol=1e-14)
        assert abs(found.error[0]) < 1e-13
        assert found.converged.all()


@pytest.mark.parametrize("baseline", ["zeros", "mean"])
@pytest.mark.parametrize("of", [None, "loss", 0])
@pytest.mark.parametrize("name", CASES)
def test_integrated_gradients_are_complete(name, of, baseline):
    net = CASES[name]
    subject = subject_of(net)
    found = attribute(subject, of=of, baseline=baseline, tolerance=1e-7)
    assert found.converged.all()
    scale = np.maximum(np.abs(found.values).sum(axis=1), np.abs(found.value - found.baseline_value))
    assert (np.abs(found.error) <= 1e-7 * scale + 1e-13).all()
    # f(x) and f(x′) are those of the forward pass and of the loss.
    start = np.zeros(4) if baseline == "zeros" else X.mean(axis=0)
    both = np.r_[X, np.broadcast_to(start, X.shape)]
    if of == "loss":
        value = backprop(net, subject.theta, both, np.r_[subject.Y, subject.Y]).loss
    else:
        a = forward(net, subject.theta, both).output
        j = a[: len(X)].argmax(axis=1) if of is None else np.zeros(len(X), dtype=int)
        value = a[np.arange(len(both)), np.r_[j, j]]
    np.testing.assert_allclose(found.value, value[: len(X)], rtol=1e-13)
    np.testing.assert_allclose(found.baseline_value, value[len(X) :], rtol=1e-13)


@pytest.mark.parametrize("name", ["tanh", "relu", "leaky, softmax"])
def test_the_integral_is_that_of_many_central_differences(name):
    """∫ ∂f/∂xₖ dt by the midpoint rule over differences of the forward pass: no backward pass."""
    net = CASES[name]
    subject = subject_of(net)
    found = attribute(subject, rows=2, of=0)
    x, h, steps = X[2], 1e-5, 4000
    t = (np.arange(steps) + 0.5) / steps
    for k in range(4):
        nudge = h * np.eye(4)[k]
        up = forward(net, subject.theta, t[:, None] * x + nudge).output[:, 0]
        down = forward(net, subject.theta, t[:, None] * x - nudge).output[:, 0]
        expected = x[k] * np.mean((up - down) / (2 * h))
        assert found.values[0, k] == pytest.approx(expected, rel=2e-3, abs=2e-4)


@pytest.mark.parametrize(
    "activation", [name for name in ACTIVATIONS.names() if ACTIVATIONS.get(name).elementwise]
)
def test_gradient_times_input_is_the_slope_of_what_named_explicitly(activation):
    net = Network([4, 5, 3], activation, "softmax", "cross_entropy")
    subject = subject_of(net)
    for of in ("loss", 1):
        found = attribute(subject, rows=[3, 0], of=of, method="gradient")
        for at, row in enumerate((3, 0)):
            for k in range(4):
                nudge = 1e-6 * np.eye(4)[k]

                def f(x, row=row, of=of):
                    if of == "loss":
                        return backprop(net, subject.theta, x[None], subject.Y[[row]]).cost
                    return forward(net, subject.theta, x[None]).output[0, of]

                slope = (f(X[row] + nudge) - f(X[row] - nudge)) / 2e-6
                assert found.values[at, k] == pytest.approx(X[row, k] * slope, rel=1e-5, abs=1e-8)


def test_gradient_times_input_is_not_complete_and_says_by_how_much():
    net = CASES["tanh"]
    subject = subject_of(net)
    found = attribute(subject, rows=1, of=0, method="gradient")
    a = forward(net, subject.theta, np.r_[X[[1]], np.zeros((1, 4))]).output[:, 0]
    assert found.error[0] == pytest.approx(found.values.sum() - (a[0] - a[1]), abs=1e-14)
    assert abs(found.error[0]) > 1e-3


def test_inputs_that_play_the_same_part_get_the_same():
    """Features 0 and 1 enter with the same weights and the same values."""
    net = Network([3, 6, 1], "relu")
    theta = built(net)
    W, _ = net.unpack(theta)
    W[1][:, 1] = W[1][:, 0]
    x = np.array([[0.7, 0.7, -1.2], [-2.0, -2.0, 0.4]])
    found = attribute(net, x, np.zeros((2, 1)), theta=theta)
    np.testing.assert_allclose(found.values[:, 0], found.values[:, 1], rtol=1e-12)


def test_an_input_at_its_baseline_or_without_weights_gets_nothing():
    net = CASES["tanh"]
    theta = built(net)
    net.unpack(theta)[0][1][:, 2] = 0
    start = np.array([X[0, 0], 0, 0, 0])
    found = attribute(net, X, np.zeros((9, 2)), theta=theta, rows=0, of=1, baseline=start)
    assert found.values[0, 0] == 0
    assert found.values[0, 2] == 0
    assert abs(found.values[0, 1]) > 1e-3


def test_a_row_has_the_same_attributions_alone_and_among_others():
    subject = subject_of(CASES["deep relu"])
    every = attribute(subject)
    for row in (0, 4, 8):
        alone = attribute(subject, rows=row)
        np.testing.assert_allclose(alone.values[0], every.values[row], rtol=1e-9, atol=1e-12)
        assert alone.points[0] == every.points[row]


# -- refinement ----------------------------------------------------------------------------


def test_smooth_networks_take_a_few_points():
    assert attribute(subject_of(CASES["tanh"]), tolerance=1e-4).points.max() <= 3 * 8


@pytest.mark.parametrize("layers", [1, 2, 6])
def test_kinks_are_cut_at_exactly(layers):
    """Between its kinks a network of ReLUs is linear: one cut for each leaves only rounding.

    By halving, each kink would take twenty cuts for six digits.
    """
    net = Network([4] + [12] * layers + [1], "relu")
    subject = subject_of(net)
    found = attribute(subject, tolerance=1e-12)
    assert found.converged.all()
    assert np.abs(found.error).max() < 1e-11
    # The number of kinks on the path of each row.
    t = np.linspace(0, 1, 20001)[:, None]
    for row, points in enumerate(found.points):
        Z = forward(net, subject.theta, t * X[row]).Z[1:-1]
        kinks = sum(int(((z[1:] > 0) != (z[:-1] > 0)).sum()) for z in Z)
        assert points <= 16 * 3 * (kinks + 1)


def test_a_looser_tolerance_takes_fewer_points():
    subject = subject_of(CASES["deep relu"])
    fine, rough = (attribute(subject, tolerance=t) for t in (1e-9, 0.05))
    assert rough.converged.all()
    assert rough.points.sum() < fine.points.sum()


def test_a_budget_that_does_not_suffice_is_said():
    subject = subject_of(CASES["deep relu"])
    found = attribute(subject, tolerance=1e-9, most_points=8)
    assert (found.points == 8).all()
    assert not found.converged.all()
    assert "did not meet the tolerance" in found.text()
    assert np.abs(found.error).max() > 1e-9
    assert found.to_dict()["converged"] is False


def test_what_overflows_ends_and_is_not_called_converged():
    net = Network([1, 1], [], "exp", "poisson")
    found = attribute(net, [[1000.0]], [[1.0]], theta=[1.0, 0.0], most_points=64)
    assert found.points[0] <= 64
    assert not found.converged[0]


# -- outputs, names, tables ----------------------------------------------------------------


def test_outputs_go_by_number_class_or_name_and_the_largest_is_the_default():
    net = CASES["leaky, softmax"]
    subject = subject_of(net, classes=("low", "mid", "high"))
    a = forward(net, subject.theta, X).output
    assert attribute(subject).of == tuple(("low", "mid", "high")[j] for j in a.argmax(axis=1))
    by_class, by_number = (attribute(subject, of=of) for of in ("mid", 1))
    assert (by_class.values == by_number.values).all()
    assert set(by_class.of) == {"mid"}
    assert (attribute(subject, of="a_1").values == by_class.values).all()
    binary = subject_of(CASES["logistic"], classes=("no", "yes"))
    assert attribute(binary, of="yes", rows=0).of == ("yes",)
    assert attribute(binary, of="loss", rows=0).of == ("the loss",)


def test_columns_add_the_inputs_they_became():
    columns = (
        InputColumn("size", "number", (0,), (None,) * 9),
        InputColumn("colour", "category", (1, 3), ("red",) * 9),
        InputColumn("empty", "number", (), (None,) * 9),
        InputColumn("age", "number", (2,), (None,) * 9),
    )
    subject = subject_of(CASES["tanh"], columns=columns)
    found = attribute(subject)
    np.testing.assert_allclose(found.by_column[:, 1], found.values[:, 1] + found.values[:, 3])
    assert (found.by_column[:, 2] == 0).all()
    np.testing.assert_allclose(found.by_column.sum(axis=1), found.values.sum(axis=1), rtol=1e-12)
    mean = np.abs(found.values[:, 1] + found.values[:, 3]).mean()
    assert found.mean_by_column[1] == pytest.approx(mean)
    assert found.mean_by_feature[1] == pytest.approx(np.abs(found.values[:, 1]).mean())
    assert "mean of training" in found.baseline_name
    assert "colour" in found.text()


def test_a_table_model_is_attributed_column_by_column():
    rng = np.random.default_rng(0)
    n = 60
    town = np.where(rng.random(n) < 0.5, "Bonn", "Ulm")
    area, noise = rng.normal(100, 20, n), rng.normal(0, 1, n)
    price = 3 * area + np.where(town == "Bonn", 80, 0) + noise
    cells = {"area": area, "town": town, "noise": noise, "price": price}
    table = table_from_frame(pd.DataFrame(cells))
    settings = TableSettings(layers=(8,), epochs=60, engine="reference")
    model = fit_table(table, infer_schema(table, target="price"), settings)
    found = attribute(model, table)
    names = [name for name, _ in found.columns]
    assert names == ["area", "town", "noise"]
    assert names[int(np.argmax(found.mean_by_column))] == "area"
    assert np.abs(found.error).max() < 1e-4
    np.testing.assert_allclose(found.by_column.sum(axis=1), found.values.sum(axis=1), rtol=1e-9)
    looked = lens(model, table)
    assert looked.subject.columns[1].cells[:3] == tuple(town[:3])
    assert looked.to_dict()["attributions"]["columns"][0]["name"] == "area"


def test_the_lens_attributes_evenly_spread_rows():
    net = Network([4, 3, 1], "tanh")
    rows = RNG.normal(size=(1000, 4))
    found = lens(net, rows, np.zeros((1000, 1)), theta=built(net)).attributions
    assert len(found.rows) == 128
    assert (found.rows[0], found.rows[-1]) == (0, 999)
    assert np.abs(found.error).max() < 1e-3


def test_text_and_dictionary_hold_the_numbers():
    subject = subject_of(Network([4, 5, 1], "tanh"))
    one = attribute(subject, rows=3)
    text = one.text(most=2)
    largest = int(np.argmax(np.abs(one.values[0])))
    assert f"x_{largest}" in text
    assert "2 others" in text
    assert f"{one.values[0].sum():.6g}".replace("-", "−") in text
    assert "baseline: zeros" in text
    data = json.loads(json.dumps(one.to_dict(), allow_nan=False))
    assert [each["mean"] for each in data["columns"]] == one.mean_by_column.tolist()
    assert "9 rows, mean size" in attribute(subject).text()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rows": 9}, "no row 9; expected numbers from 0 to 8"),
        ({"rows": -1}, "no row -1"),
        ({"rows": []}, "expected a row number"),
        ({"rows": 1.5}, "expected a row number"),
        ({"of": 2}, "expected 'loss', an output from 0 to 1"),
        ({"of": "cat"}, "of is 'cat'"),
        ({"of": True}, "of is True"),
        ({"method": "shap"}, "expected 'integrated' or 'gradient'"),
        ({"baseline": "median"}, "expected 'zeros', 'mean'"),
        ({"baseline": [1.0]}, r"baseline has shape \(1,\)"),
        ({"baseline": [1.0, np.nan, 0.0, 0.0]}, "finite"),
        ({"tolerance": 0}, "tolerance is 0"),
        ({"most_points": 4}, "most_points is 4"),
    ],
)
def test_bad_input_is_refused_with_what_to_do(change, words):
    with pytest.raises(InputError, match=words):
        attribute(subject_of(CASES["tanh"]), **change)


def test_a_model_goes_with_its_rows():
    net = CASES["tanh"]
    found = attribute(Model(net, built(net)), X, np.full((9, 2), 0.5), rows=0)
    assert (found.values == attribute(subject_of(net), rows=0).values).all()
