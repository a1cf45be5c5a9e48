"""Everything that can be explained: networks, models, estimators, tables, steps of training."""

import dataclasses
import warnings

import numpy as np
import pytest
from tests.explain.trees import faults, per_sample, walk

from deltarule import MLPClassifier, MLPRegressor, Model, Network, explain
from deltarule.engines import Batch, EngineSettings, make_engine
from deltarule.errors import InputError
from deltarule.explain import subject_of
from deltarule.explain.number_format import number_text
from deltarule.tables import Table, infer_schema
from deltarule.tabular import TableSettings, fit_table


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    return X, (X[:, 0] + X[:, 1] > 0).astype(int) + (X[:, 2] > 1)


def fitted(model, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, y)


def test_a_model(rows):
    X, _ = rows
    net = Network([3, 4, 2], dtype=np.float32)
    model = Model(net, net.initial(0))
    e = explain(model, X, X[:, :2], engine="reference")
    assert e.subject.theta.dtype == np.float64
    assert (e.subject.theta == model.theta).all()
    assert e.agreement.passed
    assert e.subject.dtype == "float32"
    assert faults(e.weight(1, 2, 1, 0)) == []


@pytest.mark.parametrize("labels", [["a", "b", "c"], ["no", "yes", "yes"]])
def test_a_classifier(rows, labels):
    X, classes = rows
    y = np.array(labels)[classes]
    model = fitted(MLPClassifier((4,), max_iter=5, random_state=0, engine="reference"), X, y)
    e = explain(model, X, y, sample_weight=np.arange(1.0, 41.0))
    assert e.subject.classes == tuple(sorted(set(labels)))
    assert e.agreement.passed
    assert e.agreement.engine == "reference"
    probabilities = model.predict_proba(X)
    shown = e.output(0, 7).value
    assert shown == pytest.approx(probabilities[7, 0 if len(set(labels)) > 2 else 1], rel=1e-12)
    assert faults(e.weight(2, 0, 1, 3)) == []
    # The step follows the last of training, by the estimator's rule with its state.
    assert e.subject.step.settings.rule.name == "adam"
    assert e.subject.step.number == 6
    assert np.any(e.subject.step.slots["m"])
    assert faults(e.update("W1", (0, 0)), depth=5) == []


def test_the_step_of_an_estimator_is_the_step_it_takes(rows):
    X, _ = rows
    y = X[:, 0] - 2 * X[:, 1]
    options = {"solver": "sgd", "batch_size": 40, "shuffle": False, "engine": "reference"}
    model = MLPRegressor(
        hidden_layer_sizes=(3,), max_iter=3, random_state=1, tol=0.0, alpha=0.5, **options
    )
    three = explain(fitted(model, X, y), X, y)
    four = fitted(model.set_params(max_iter=4), X, y)
    for j, k in ((0, 0), (2, 1)):
        assert three.update("W1", (j, k)).value == pytest.approx(four.coefs_[0][k, j], rel=1e-12)
    assert three.update("b2", 0).value == pytest.approx(four.intercepts_[1][0], rel=1e-12)


def test_an_estimator_with_a_minimizer_has_no_step(rows):
    X, _ = rows
    model = fitted(MLPRegressor(hidden_layer_sizes=(3,), solver="lbfgs", max_iter=5), X, X[:, 0])
    e = explain(model, X, X[:, 0])
    assert e.subject.step is None
    assert explain(model, X, X[:, 0], rule="sgd", learning_rate=0.1).update("b1", 1).law == "U"


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(3)
    n = 120
    age = rng.normal(40, 10, n)
    age[::9] = np.nan
    town = rng.choice(np.array(["Ulm", "Bonn_100%", "Köln"], dtype=object), n)
    since = np.array([f"20{d % 20 + 10}-03-{d % 28 + 1:02d}" for d in range(n)], dtype=object)
    price = 2 * np.nan_to_num(age, nan=40.0) + np.where(town == "Ulm", 30, 0) + rng.normal(size=n)
    columns = {"age": age, "town": town, "since": since, "price": price}
    return Table(tuple(columns), columns)


@pytest.fixture(scope="module")
def table_model(table):
    settings = TableSettings(layers=(6,), epochs=3, engine="reference", rule="adam")
    return fit_table(table, infer_schema(table, "price"), settings)


def test_a_table(table, table_model):
    e = explain(table_model, table)
    assert [column.name for column in e.subject.columns] == ["age", "town", "since"]
    assert e.subject.columns[0].cells[0] is None
    assert e.subject.columns[1].cells[0] == table.columns["town"][0]
    assert e.agreement.passed
    names = e.subject.names.inputs
    assert names == table_model.encoder.feature_names
    assert e.subject.names.rows[0] == "1"
    for name in ("age", "town", "since"):
        node = e.column(name, 1)
        assert faults(node, depth=6) == []
        inputs = next(c for c in e.subject.columns if c.name == name).inputs
        x, up = e.subject.X[1], per_sample(e).dX[1]
        assert node.value == pytest.approx(sum(x[k] * up[k] for k in inputs), rel=1e-12, abs=1e-15)


def test_an_input_comes_from_its_cell(table, table_model):
    e = explain(table_model, table)
    code = table_model.encoder.column_encoders[0]
    text = e.column("age", 1).text(depth=3)
    cell = table.columns["age"][1]
    assert f"age = {cell:.6f}" in text
    assert f"mean = {code.mean:.6f}" in text
    assert f"std = {code.std:.6f}" in text
    assert "the median of training stands in" in e.column("age", 0).text(depth=3)
    assert "age is missing" in e.column("age", 0).text(depth=2)
    assert "[town = Köln]" in e.column("town", 1).text(depth=2)
    assert "in days since 1970-01-01" in e.column("since", 1).text(depth=3)


def test_the_target_comes_from_its_cell(table, table_model):
    e, code = explain(table_model, table), table_model.target
    node = e.cost(1).part(0)
    assert faults(node, depth=4) == []
    y, price = node.part(1), table.columns["price"][1]
    assert y.value == pytest.approx((price - code.mean) / code.std, rel=1e-12)
    assert [y.part(place).value for place in range(3)] == [price, code.mean, code.std]
    assert "y₀ = (price − mean)/std = (" in y.text()
    output = e.output(0, 1)
    assert output.note == f"that is, price {number_text(code.inverse(output.value))}"


def test_a_class_is_its_label(table):
    labelled = Table(("age", "town"), {"age": table.columns["age"], "town": table.columns["town"]})
    settings = TableSettings(layers=(4,), epochs=1, engine="reference")
    e = explain(fit_table(labelled, infer_schema(labelled, "town"), settings), labelled)
    own = labelled.columns["town"][1]
    for j, name in enumerate(e.subject.classes):
        y = e.cost(1).part(j).part(-1 + e.cost(1).part(j).n_parts)
        assert y.note == f"town is {own!r}; 1 stands for {name!r}"
        assert y.value == (name == own)


def test_the_derivative_by_a_raw_number(table, table_model):
    e = explain(table_model, table)
    note = e.column("age", 1).note
    code = table_model.encoder.column_encoders[0]
    rate = per_sample(e).dX[1, 0] / code.std
    assert f"{abs(rate):.6f}"[:7] in note or f"{abs(rate):.5e}"[:6] in note


def test_columns_that_are_not_there(table, table_model):
    e = explain(table_model, table)
    with pytest.raises(InputError, match="no column 'size'; its columns are 'age', 'town'"):
        e.column("size", 0)
    with pytest.raises(InputError, match="sample is 999"):
        e.column("age", 999)


@dataclasses.dataclass
class Step:
    """An object with the attributes of a replayed step."""

    net: Network
    settings: EngineSettings
    engine: str
    dtype: np.dtype
    step: int
    epoch: int
    index: int
    batch: Batch
    learning_rate: float
    before: dict
    after: dict
    cost: float
    gradient: np.ndarray
    source_rows: np.ndarray | None = None
    table: object = None
    typed: object = None


def taken(dtype=np.float32, **settings):
    """The fourth step of a training run."""
    net = Network([4, 5, 4, 2], "tanh", dtype=dtype)
    options = EngineSettings(**({"rule": "adam", "total_weight": 30.0} | settings))
    engine = make_engine("reference")
    engine.load(net, net.initial(0), options)
    rng = np.random.default_rng(2)
    X, Y = rng.normal(size=(30, 4)).astype(dtype), rng.normal(size=(30, 2)).astype(dtype)
    for t in range(1, 5):
        rows = rng.choice(30, 8, replace=False)
        w = rng.uniform(0.5, 1.5, 8).astype(dtype) / dtype(8)
        batch = Batch(X[rows], Y[rows], w, rows, t)
        before = engine.state()
        cost, grad = engine.gradient(batch)
        engine.step(batch, 0.01)
    return Step(
        net, options, "reference", net.dtype, 4, 1, 3, batch, 0.01, before, engine.state(),
        cost, grad, source_rows=rows + 1,
    )  # fmt: skip


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"rule": "sgd", "l2": 0.5, "l1": 0.1},
        {"rule": "momentum", "dropout": (0.4, 0.25), "seed": 3},
        {"rule": "adamw", "clip_norm": 0.05},
        {"rule": "irprop+"},
        {"rule": "rmsprop", "averaging": 0.9},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_step_of_training(settings, dtype):
    step = taken(dtype, **settings)
    e = explain(step)
    assert e.agreement.passed
    eps = float(np.finfo(dtype).eps)
    for entry in range(0, step.net.n_parameters, 17):
        block, index = step.net.block_at(entry)
        node = e.update(block.name, index)
        expected = float(step.after["theta"][entry])
        assert node.value == pytest.approx(expected, rel=2000 * eps, abs=2000 * eps)
        assert faults(node, depth=6) == []
    assert e.subject.names.rows == tuple(str(row + 1) for row in step.batch.rows)
    assert e.subject.step.number == 4


def test_a_step_with_dropout_shows_its_masks():
    e = explain(taken(dropout=0.5, seed=1))
    keys = {n.mark.key for n in walk(e.weight(1, 0, 0, 0), 1)}
    assert "m^1_{0}" in keys


def test_a_batch_says_where_its_weights_come_from():
    e = explain(taken())
    assert "as the training step had it" in e.weight(1, 0, 0).text(depth=2)


def test_a_subject_is_explained_as_it_is():
    subject = subject_of(Network([1, 1]), [[1.0]], [[2.0]], theta=[1.0, 0.0])
    assert explain(subject).subject is subject


def test_a_subject_takes_a_step_and_an_engine_that_are_asked_for():
    subject = subject_of(Network([1, 1]), [[1.0]], [[2.0]], theta=[1.0, 0.0])
    e = explain(subject, rule="sgd", learning_rate=0.25, engine="reference")
    assert e.update_weight(1, 0, 0).value == 1.0 - 0.25 * e.weight(1, 0, 0).value
    assert e.agreement.passed
    again = explain(e, learning_rate=0.5)
    assert again.subject.step.settings == e.subject.step.settings
    assert again.update_bias(1, 0).value == -0.5 * e.bias(1, 0).value


def test_another_rate_than_that_of_a_step_that_was_taken_is_another_step():
    step = taken()
    e = explain(step, learning_rate=0.5 * step.learning_rate)
    assert e.subject.step.number == explain(step).subject.step.number
    assert e.subject.step.theta_after is None
    assert "engine" not in e.update_weight(1, 0, 0).note


@pytest.mark.parametrize("given", ["X", "Y", "theta", "sample_weight", "masks"])
def test_what_has_rows_of_its_own_takes_no_others(given):
    step = taken()
    for what, kind in ((step, "a step of training"), (subject_of(step), "a Subject")):
        with pytest.raises(InputError, match=f"^{kind} has rows.* leave {given} out"):
            explain(what, **{given: [1.0]})


def test_the_number_of_a_step_is_not_dropped_for_want_of_a_rule(rows):
    with pytest.raises(InputError, match="needs a learning rate"):
        explain(NET, [[1.0, 2.0]], [[1.0]], theta=[0.0] * 3, number=3)
    X, classes = rows
    model = fitted(MLPClassifier((4,), max_iter=2), X, classes)
    assert explain(model, X, classes, number=7).subject.step.number == 7


def test_an_engine_is_not_compared_under_masks_that_it_does_not_know():
    masks = [None, np.array([[2.0]]), None]
    net = Network([2, 1, 1])
    with pytest.raises(InputError, match="with dropout masks; an engine draws masks of its own"):
        explain(net, [[1.0, 2.0]], [[1.0]], theta=net.initial(0), masks=masks, engine="reference")


NET = Network([2, 1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: explain(NET, [[1.0, 2.0]], [[1.0]]), "a Network has no parameters"),
        (lambda: explain(NET, [[1.0]], [[1.0]], theta=[0.0] * 3), "expected \\(N, 2\\)"),
        (lambda: explain(NET, [[1.0, 2.0]], [[1.0]], theta=[0.0] * 2), "theta has shape"),
        (lambda: explain(NET, [[1.0, 2.0]], [[np.nan]], theta=[0.0] * 3), "not finite|NaN|nan"),
        (lambda: explain("model", [[1.0]], [[1.0]]), "str cannot be explained"),
        (
            lambda: explain(Model(NET, np.zeros(3)), [[1.0, 2.0]], [[1.0]], theta=[0.0] * 3),
            "theta is given beside a Model",
        ),
        (lambda: explain(MLPRegressor(), [[1.0]], [1.0]), "is not fitted"),
        (lambda: explain(taken(), [[1.0]]), "a step of training has rows"),
        (
            lambda: explain(NET, [[1.0, 2.0]], [[1.0]], theta=[0.0] * 3, engine="fast"),
            "unknown engine 'fast'",
        ),
    ],
)
def test_what_cannot_be_explained_is_one_clear_error(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_a_table_model_wants_a_table(table_model):
    with pytest.raises(InputError, match="a TableModel was given a list"):
        explain(table_model, [[1.0]])
    with pytest.raises(InputError, match="leave Y out"):
        explain(table_model, None, [1.0])


def test_an_engine_that_is_wrong_is_seen():
    e = explain(NET, [[1.0, 2.0]], [[1.0]], theta=[0.5, 1.0, 0.0], engine="reference")
    assert e.agreement.passed
    wrong = dataclasses.replace(e.subject, engine_grad=e.subject.engine_grad * (1 + 1e-12))
    assert not explain(wrong).agreement.passed
    assert "BEYOND" in str(explain(wrong).agreement)
    assert explain(wrong).agreement.worst == "W1"


def test_the_package_is_the_function_of_its_name():
    import importlib
    import inspect

    import deltarule

    package = importlib.import_module("deltarule.explain")
    assert deltarule.explain is package
    assert inspect.signature(package) == inspect.signature(package.explain)
    assert explain(NET, [[1.0, 2.0]], [[1.0]], theta=[0.5, 1.0, 0.0]).cost().value == 2.25
