"""The reference engine's state, the checks of settings, and the choice of an engine by name."""

import importlib.util

import numpy as np
import pytest

from deltarule.engines import (
    Batch,
    CheckedEngine,
    EngineSettings,
    ReferenceEngine,
    engine_name,
    make_engine,
    started_engine,
)
from deltarule.errors import InputError, NotCompilable, UnknownName
from deltarule.maths import Activation, Network, backprop
from deltarule.optimizers import RULES

NET = Network([3, 4, 2], activation="tanh", dtype=np.float32)


def batch(step=1, n=6):
    rng = np.random.default_rng(0)
    X, Y = (rng.normal(size=(n, k)).astype(np.float32) for k in (3, 2))
    return Batch(X, Y, np.full(n, 1 / n, np.float32), np.arange(n), step)


def loaded(**settings):
    engine = ReferenceEngine()
    engine.load(NET, NET.initial(0), EngineSettings(**settings))
    return engine


def test_gradient_and_cost_are_those_of_backprop():
    engine, one = loaded(), batch()
    trace = backprop(NET, NET.initial(0), one.X, one.Y)
    cost, grad = engine.gradient(one)
    assert cost == pytest.approx(trace.cost, rel=1e-6)
    assert np.array_equal(grad, trace.grad)
    assert np.array_equal(engine.predict(one.X), trace.A[-1])


@pytest.mark.parametrize("rule", RULES.names())
def test_float32_stays_float32_with_settings_of_any_type(rule):
    engine = loaded(
        rule=rule,
        l2=np.float64(0.5),
        l1=np.float64(0.5),
        total_weight=np.float64(6),
        clip_norm=np.float64(0.5),
        averaging=np.float64(0.5),
        dropout=np.float64(0.25),
        seed=np.int64(3),
    )
    engine.step(batch(), np.float64(0.1))
    assert engine.theta.dtype == engine.averaged_theta.dtype == np.float32
    floating = [v.dtype for k, v in engine.state().items() if k != "t"]
    assert set(floating) == {np.dtype(np.float32)}


def test_theta_is_read_only_and_not_changed_by_later_steps():
    engine = loaded()
    before = engine.theta
    with pytest.raises(ValueError, match="read-only"):
        before[0] = 1
    kept = before.copy()
    engine.step(batch(), 0.1)
    assert np.array_equal(before, kept)
    assert not np.array_equal(engine.theta, kept)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("slot.m"), "'slot.m' is missing; expected shape"),
        (lambda s: s.update(theta=np.zeros(2)), r"'theta' has shape \(2,\); expected shape"),
        (lambda s: s.update(extra=np.zeros(2)), "'extra' is not part of this engine"),
    ],
)
def test_a_state_with_wrong_arrays_is_refused_and_changes_nothing(change, message):
    engine = loaded(rule="adam")
    engine.step(batch(), 0.1)
    before, state = engine.state(), engine.state()
    change(state)
    with pytest.raises(InputError, match=message):
        engine.restore(state)
    assert all(np.array_equal(before[name], value) for name, value in engine.state().items())


def test_a_state_made_with_other_settings_is_refused():
    with pytest.raises(InputError, match=r"'mean' is not part .* with rule sgd"):
        loaded(rule="sgd").restore(loaded(rule="sgd", averaging=0.5).state())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("l2", -1.0),
        ("l2", "much"),
        ("l1", float("nan")),
        ("total_weight", 0.0),
        ("total_weight", np.inf),
        ("clip_norm", 0.0),
        ("clip_norm", -1),
        ("averaging", 1.5),
        ("averaging", True),
        ("dropout", 1.0),
        ("dropout", "half"),
        ("seed", -1),
        ("seed", 0.5),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(name, value):
    with pytest.raises(InputError, match=rf"{name} is {value!r}; expected"):
        EngineSettings(**{name: value})


def test_frozen_parameters_are_left_out_of_the_norm_for_clipping():
    """By hand: g = (3, 4), clipped to 1. With the 4 frozen it is (1, 0), and not (0.6, 0)."""
    net = Network([1, 1], [], frozen=["b1"])
    engine = ReferenceEngine()
    engine.load(net, np.zeros(2), EngineSettings(rule="sgd", clip_norm=1.0))
    engine.apply(np.array([3.0, 4.0]), 1.0)
    assert engine.theta.tolist() == [-1.0, 0.0]


def test_penalty_clipping_rule_and_average_are_applied_in_this_order():
    """By hand: θ = 4, data gradient −1, l2 slope 1/2 · 4 = 2, clipped from 1 to ½."""
    net = Network([1, 1], [], bias=False)
    engine = ReferenceEngine()
    settings = EngineSettings(l2=1.0, total_weight=2.0, clip_norm=0.5, averaging=0.5)
    engine.load(net, np.array([4.0]), settings)
    assert engine.penalty_cost() == 4.0
    engine.apply(np.array([-1.0]), 1.0)
    assert engine.theta.tolist() == [3.5]
    engine.apply(np.array([-1.0]), 1.0)  # slope 1.75 − 1 = 0.75, clipped to ½
    assert engine.theta.tolist() == [3.0]
    # (½ · 3.5 + 3)/(½ + 1)
    assert engine.averaged_theta == pytest.approx([4.75 / 1.5])


@pytest.mark.parametrize("dropout", [(0.5,), (0.5, 0.5)])
def test_dropout_is_one_rate_for_each_hidden_layer(dropout):
    if len(dropout) == 1:
        loaded(dropout=dropout)
    else:
        with pytest.raises(InputError, match="dropout has 2 rates; expected 1"):
            loaded(dropout=dropout)


def test_an_unknown_rule_is_refused():
    with pytest.raises(UnknownName, match="unknown rule 'adm'; did you mean 'adam'"):
        EngineSettings(rule="adm")


def test_theta_of_another_length_is_refused():
    with pytest.raises(InputError, match=r"theta has shape \(3,\); expected"):
        ReferenceEngine().load(NET, np.zeros(3), EngineSettings())


def test_engines_by_name_class_and_instance(monkeypatch):
    monkeypatch.delenv("DELTARULE_ENGINE", raising=False)
    assert type(make_engine("reference")) is ReferenceEngine
    assert type(make_engine("checked")) is CheckedEngine
    assert type(make_engine(CheckedEngine)) is CheckedEngine
    engine = ReferenceEngine()
    assert make_engine(engine) is engine


@pytest.mark.parametrize(
    ("value", "name"),
    [("checked", "checked"), ("reference", "reference"), ("", "compiled"), ("auto", "compiled")],
)
def test_the_environment_variable_names_the_engine_for_auto(monkeypatch, value, name):
    pytest.importorskip("numba")
    monkeypatch.setenv("DELTARULE_ENGINE", value)
    assert make_engine("auto").name == engine_name() == name
    assert type(make_engine("reference")) is ReferenceEngine


def test_without_numba_auto_is_the_reference_engine(monkeypatch):
    monkeypatch.delenv("DELTARULE_ENGINE", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert engine_name() == "reference"
    assert type(make_engine()) is ReferenceEngine


def branching(xp):
    return (lambda z: z if np.all(z > 0) else 0 * z), (lambda z, a: xp.where(z > 0, 1.0, 0.0))


def test_a_formula_that_cannot_be_compiled_is_trained_by_the_reference_engine(monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.delenv("DELTARULE_ENGINE", raising=False)
    net = Network([1, 1, 1], Activation("branching", branching))
    given = (net, net.initial(0), EngineSettings())
    with pytest.warns(UserWarning, match="reference engine, since a formula tried"):
        assert started_engine("auto", *given).name == "reference"
    with pytest.raises(NotCompilable, match="functions of xp"):
        started_engine("compiled", *given)


def test_an_unknown_engine_is_refused_with_the_place_of_its_name(monkeypatch):
    with pytest.raises(UnknownName, match="unknown engine 'gpu'; known: auto, reference, checked"):
        make_engine("gpu")
    monkeypatch.setenv("DELTARULE_ENGINE", "gpu")
    with pytest.raises(UnknownName, match="environment variable DELTARULE_ENGINE"):
        make_engine("auto")
    with pytest.raises(InputError, match="engine is 3; expected a name"):
        make_engine(3)
