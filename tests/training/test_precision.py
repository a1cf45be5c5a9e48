"""The setting ``precision``: which engine it takes, and what is refused."""

import numpy as np
import pytest
from sklearn.base import clone

from deltarule import (
    MLPClassifier,
    MLPRegressor,
    Model,
    TabularClassifier,
    TabularRegressor,
    explain,
)
from deltarule.engines import ReferenceEngine, engine_of_precision, registry
from deltarule.errors import InputError, MissingCapability
from deltarule.maths import Network
from deltarule.settings import TrainingSettings, settings_of
from deltarule.tabular import TableSettings, fit_table
from deltarule.tabular.portfolio import Configuration, candidates
from deltarule.training import Recorder, find_learning_rate, replay, train, train_many

REFERENCE = {"engine": "reference", "precision": "bfloat16"}


def has_bfloat16():
    try:
        registry.make_engine("compiled_bfloat16")
    except (ImportError, MissingCapability):
        return False
    return True


needs_processor = pytest.mark.skipif(not has_bfloat16(), reason="needs AVX512-BF16 and Numba")


@pytest.fixture
def data():
    X = np.random.default_rng(0).standard_normal((60, 3)).astype(np.float32)
    return X, X[:, :1] * X[:, 1:2]


NET = Network([3, 8, 1], "tanh", dtype=np.float32)


@pytest.mark.parametrize("name", ["compiled", "reference", "jax"])
def test_it_takes_the_engine_with_products_of_bfloat16(name):
    expected = f"{name}_bfloat16"
    assert engine_of_precision(name, "bfloat16") == expected
    assert engine_of_precision(expected, "bfloat16") == expected
    assert engine_of_precision(name, "full") == name


def test_auto_is_the_compiled_engine_or_the_one_of_the_environment(monkeypatch):
    monkeypatch.delenv(registry.VARIABLE, raising=False)
    assert engine_of_precision("auto", "bfloat16") == "compiled_bfloat16"
    assert engine_of_precision("auto", "full") == "auto"
    # The emulation is far slower than float32, and is taken where it is named alone.
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: None)
    assert engine_of_precision("auto", "bfloat16") == "compiled_bfloat16"
    monkeypatch.setenv(registry.VARIABLE, "reference")
    assert engine_of_precision("auto", "bfloat16") == "reference_bfloat16"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"precision": "half"}, InputError, "precision is 'half'; expected one of full, bfloat16"),
        ({"precision": None}, InputError, "precision is None; expected one of full, bfloat16"),
        (REFERENCE | {"engine": "checked"}, MissingCapability, "'checked' has no matrix products"),
        (REFERENCE | {"engine": ReferenceEngine}, InputError, "an engine that is not a name"),
        (REFERENCE | {"engine": "gpu"}, InputError, "unknown engine 'gpu'"),
    ],
)
def test_what_cannot_be_had_is_refused_everywhere(arguments, error, message, data):
    result = Model(NET, NET.initial(0))
    for call in (
        lambda: train(NET, *data, **arguments),
        lambda: train_many(NET, *data, seeds=[1, 2], **arguments),
        lambda: find_learning_rate(NET, *data, **arguments),
        lambda: result.predict(data[0], **arguments),
        lambda: result.compile_predictor(**arguments),
    ):
        with pytest.raises(error, match=message):
            call()


def test_a_network_of_float64_is_refused(data):
    with pytest.raises(InputError, match="computes in float64; expected a network with dtype=f"):
        train(Network([3, 1]), *data, **REFERENCE)


def test_training_and_prediction_use_the_products(data):
    X, Y = data
    options = {"epochs": 2, "seed": 1}
    rounded, full = train(NET, X, Y, **REFERENCE, **options), train(NET, X, Y, **options)
    assert rounded.engine == "reference_bfloat16"
    assert rounded.theta.dtype == np.float32
    assert not np.array_equal(rounded.theta, full.theta)
    np.testing.assert_allclose(rounded.theta, full.theta, atol=0.02)
    (many,) = train_many(NET, X, Y, seeds=[1], epochs=2, **REFERENCE)
    assert np.array_equal(many.theta, rounded.theta)
    model = Model(NET, rounded.theta)
    outputs = model.predict(X, **REFERENCE)
    assert not np.array_equal(outputs, model.predict(X))
    np.testing.assert_allclose(outputs, model.predict(X), atol=0.05)
    assert np.array_equal(model.compile_predictor(**REFERENCE)(X), outputs)
    search = {"steps": 3, "lowest": 1e-4, "highest": 1e-2}
    found = [find_learning_rate(NET, X, Y, **each, **search).losses for each in (REFERENCE, {})]
    assert not np.array_equal(*found)


def test_a_recorded_run_is_replayed_with_its_products_and_explained_by_their_eps(data):
    X, Y = data
    recorder = Recorder()
    result = train(NET, X, Y, epochs=2, batch_size=16, callbacks=[recorder], **REFERENCE)
    recording = recorder.recording()
    assert recording.engine == "reference_bfloat16"
    step = replay(recording, X, Y, 5)
    assert step.engine == "reference_bfloat16"
    assert np.array_equal(replay(recording, X, Y, 8).after["theta"], result.theta)
    found = explain(NET, X, Y, theta=result.theta, engine="reference_bfloat16").agreement
    assert found.passed
    assert 0.01 < found.blocks[found.worst] < 16
    assert "within the 64 times" in str(found)


@needs_processor
def test_auto_trains_with_the_processor_s_products_as_the_emulation_does(data):
    X, Y = data
    options = {"epochs": 3, "precision": "bfloat16"}
    ours, emulated = train(NET, X, Y, **options), train(NET, X, Y, engine="reference", **options)
    assert ours.engine == "compiled_bfloat16"
    # Updates and tanh are those of float32, which differ in the last bits.
    np.testing.assert_allclose(ours.theta, emulated.theta, rtol=1e-4, atol=1e-4)
    model = Model(NET, ours.theta)
    np.testing.assert_allclose(
        model.predict(X, precision="bfloat16"), model.predict(X, **REFERENCE), atol=1e-5
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("estimator", [MLPRegressor, MLPClassifier])
def test_an_estimator_trains_a_float32_network_on_any_numbers(estimator, data):
    X, y = data[0].astype(np.float64), data[1][:, 0] > 0
    options = {"hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0, "alpha": 0.0}
    model = clone(estimator(**options, engine="reference", precision="bfloat16")).fit(X, y)
    assert model.network_.dtype == np.float32
    full = estimator(**options, engine="reference").fit(X.astype(np.float32), y)
    assert not np.array_equal(model.coefs_[0], full.coefs_[0])
    assert model.score(X, y) == pytest.approx(full.score(X, y), abs=0.1)


@pytest.mark.parametrize(
    "estimator", [MLPRegressor, MLPClassifier, TabularRegressor, TabularClassifier]
)
def test_an_estimator_refuses_another_precision(estimator, data):
    with pytest.raises(ValueError, match="precision"):
        estimator(precision="half").fit(data[0], data[1][:, 0] > 0)


def test_a_table_s_network_is_trained_with_it_and_its_model_says_so(data):
    X = data[0]
    table = {"a": X[:, 0], "b": X[:, 1], "y": X[:, 0] * X[:, 1]}
    settings = TableSettings(layers=(4,), epochs=2, folds=0, **REFERENCE)
    model = fit_table(table, "y", settings)
    assert model.report["engine"] == "reference_bfloat16"
    assert model.settings["precision"] == "bfloat16"


@pytest.mark.parametrize("estimator", [TabularRegressor, TabularClassifier])
def test_a_portfolio_has_it_in_its_large_networks(estimator, data, monkeypatch):
    X = data[0]
    table = {"a": X[:, 0], "b": X[:, 1], "y": X[:, 0] * X[:, 1]}
    monkeypatch.setenv(registry.VARIABLE, "reference")
    asked = {}

    def noted(net, *rows, **options):
        asked[net.widths[1]] = options["precision"]
        return train(net, *rows, **options)

    monkeypatch.setattr(candidates, "train", noted)
    small = Configuration("small", "standard", layers=(4,), epochs=1)
    large = Configuration("large", "standard", layers=(70, 70), epochs=1)
    for precision in ("bfloat16", "full"):
        model = clone(estimator(configurations=[small, large], precision=precision))
        target = table["y"] if estimator is TabularRegressor else table["y"] > 0
        model.fit({name: table[name] for name in "ab"}, target)
        assert (asked[4], asked[70]) == ("full", precision)
        assert np.isfinite(model.predict({"a": X[:3, 0], "b": X[:3, 1]})).all()


@needs_processor
def test_a_portfolio_s_model_keeps_the_setting(data):
    X = data[0]
    table = {"a": X[:, 0], "b": X[:, 1], "y": X[:, 0] * X[:, 1]}
    model = fit_table(table, "y", TableSettings(precision="bfloat16"), quality="fast")
    assert model.settings["precision"] == "bfloat16"
    assert len(model.portfolio.used) > 0


def test_it_is_refused_before_rows_are_read(monkeypatch):
    monkeypatch.setenv(registry.VARIABLE, "checked")
    with pytest.raises(MissingCapability, match="engine 'checked' has no matrix products"):
        TableSettings(precision="bfloat16")
    assert settings_of(TrainingSettings)["precision"].choices == ("full", "bfloat16")
