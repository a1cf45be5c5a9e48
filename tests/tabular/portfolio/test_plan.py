"""Quality levels, the time budget, and leaving configurations out after their first folds."""

import dataclasses
import re
import time
from types import SimpleNamespace as Record

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.preprocessing import OneHotEncoder

from deltarule.tables import apply_schema, infer_schema, table_from_frame
from deltarule.tabular.portfolio import Configuration, Plan, fit_portfolio, make_plan
from deltarule.tabular.portfolio import fit as fitting
from deltarule.tabular.portfolio.candidates import Candidate
from deltarule.tabular.portfolio.selection import select_greedily


def _table(n=240):
    random = np.random.default_rng(0)
    x, z = random.normal(size=(2, n))
    table = table_from_frame({"x": x, "z": z})
    schema = infer_schema(table)
    y = np.sin(2 * x) + z + 0.1 * random.normal(size=n)
    return apply_schema(schema, table, need_target=False), schema, y


def _configurations(epochs=30):
    rates = {"good": 1e-2, "fair": 5e-3, "slow": 1e-5, "slower": 1e-6}
    return tuple(
        Configuration(name, "robust", (16,), "tanh", rate, epochs=epochs)
        for name, rate in rates.items()
    )


def test_more_quality_is_more_networks():
    for task in ("classification", "regression"):
        for n_rows in (100, 1000, 50_000):
            fast, default, best = (
                make_plan(quality, task, n_rows) for quality in ("fast", "default", "best")
            )
            sizes = [
                len(plan.configurations) * plan.folds * plan.repeats
                for plan in (fast, default, best)
            ]
            assert sizes == sorted(set(sizes))
    given = _configurations()
    assert make_plan("fast", "regression", 100, given).configurations == given


def test_larger_tables_have_fewer_folds_and_less_patience():
    plans = [make_plan("default", "regression", n) for n in (100, 1000, 3000, 10_000, 50_000)]
    assert [plan.folds for plan in plans] == [8, 8, 8, 5, 4]
    assert [plan.first_folds for plan in plans] == [3, 2, 2, 1, 1]
    patient = Configuration("patient", "standard", patience=200)
    assert (patient.patience_for(1999), patient.patience_for(2000)) == (200, 40)


def test_the_logarithm_of_a_skewed_target_is_learned_where_it_exists():
    typed, schema, y = _table()
    rate = Configuration("log", "robust", (16,), "tanh", 1e-2, epochs=30, log_target=True)
    both = (dataclasses.replace(rate, name="plain", log_target=False), rate)
    portfolio = fit_portfolio(typed, schema, y, configurations=both)
    assert [member.configuration.name for member in portfolio.members] == ["plain"]
    skewed = np.exp(1.5 * y)
    portfolio = fit_portfolio(typed, schema, skewed, configurations=both, quality="fast")
    scores = {member.configuration.name: member.score for member in portfolio.members}
    assert scores["log"] < scores["plain"]
    assert portfolio.target.log_factor > 0.5
    predicted = portfolio.predict(typed)
    assert np.mean((predicted - skewed) ** 2) < 0.3 * np.var(skewed)
    assert skewed.min() <= predicted.min() <= predicted.max() <= skewed.max()


def test_many_levels_are_near_ridge_on_one_hot_columns():
    random = np.random.default_rng(0)
    level = np.repeat(np.arange(150), random.integers(5, 20, 150))
    x = random.normal(size=len(level))
    y = random.normal(size=150)[level] + x + 0.3 * random.normal(size=len(level))
    table = table_from_frame({"level": [f"L{i}" for i in level], "x": x})
    schema = infer_schema(table)
    typed = apply_schema(schema, table, need_target=False)
    configurations = (
        Configuration("linear", "standard", learning_rate=2e-2, epochs=40),
        Configuration("tanh", "robust", (16,), "tanh", 1e-2, epochs=40, one_hot_levels=40),
    )
    plan = make_plan("fast", "regression", len(y), configurations)
    assert plan.folds == 4
    portfolio = fit_portfolio(typed, schema, y, configurations=configurations, quality="fast")
    encoder = portfolio.encoders["robust/40"]
    assert encoder.feature_names == ("level=mean of target", "x")
    one_hot = OneHotEncoder(handle_unknown="ignore").fit_transform(level[:, None])
    X = sparse.hstack([one_hot, x[:, None]]).tocsr()
    ridge = cross_val_predict(Ridge(0.5), X, y, cv=KFold(4, shuffle=True, random_state=0))
    score = np.mean((portfolio.oof - y) ** 2)
    assert score < 1.15 * np.mean((ridge - y) ** 2)


def test_configurations_that_promise_little_are_left_out_after_the_first_folds(monkeypatch):
    plan = Plan(_configurations(), folds=4, first_folds=1)
    monkeypatch.setattr(fitting, "make_plan", lambda *args: plan)
    typed, schema, y = _table()
    portfolio = fit_portfolio(typed, schema, y)
    names = [member.configuration.name for member in portfolio.members]
    assert "good" in names
    assert not {"slow", "slower"} & set(names)
    left_out = portfolio.left_out
    assert [member.configuration.name for member in left_out][-2:] == ["slow", "slower"]
    assert {(member.weight, len(member.models)) for member in left_out} == {(0.0, 1)}
    assert portfolio.ranked()[: len(names)] == sorted(portfolio.members, key=lambda m: m.score)
    assert all(len(member.models) == 4 for member in portfolio.members)
    assert np.mean((portfolio.oof - y) ** 2) < 0.3 * np.var(y)
    # The networks are those of a portfolio without the first stage, since seeds go by fold.
    monkeypatch.setattr(fitting, "make_plan", lambda *args: Plan(_configurations(), folds=4))
    whole = fit_portfolio(typed, schema, y)
    for member, same in zip(portfolio.members, whole.members, strict=False):
        for one, other in zip(member.models, same.models, strict=True):
            np.testing.assert_array_equal(one.theta, other.theta)


def test_a_time_budget_leaves_the_first_configuration_and_ends_the_others():
    typed, schema, y = _table()
    first = _configurations(epochs=5)[:1]
    endless = Configuration("endless", "robust", (512, 512), "tanh", 1e-9, epochs=10**6)
    fit_portfolio(typed, schema, y, configurations=first)  # kernels are compiled
    started = time.perf_counter()
    portfolio = fit_portfolio(typed, schema, y, configurations=(*first, endless), time_budget=1e-3)
    assert portfolio.members[0].configuration.name == "good"
    assert portfolio.members[0].weight > 0
    # The rows of the first three of eight folds.
    assert np.isfinite(portfolio.oof).sum() == 90
    assert np.isfinite(portfolio.predict(typed)).all()
    assert time.perf_counter() - started < 60


def test_rows_of_folds_that_were_not_trained_have_no_out_of_fold_prediction(monkeypatch):
    plan = Plan(_configurations()[:1], folds=4, first_folds=1)
    monkeypatch.setattr(fitting, "make_plan", lambda *args: plan)
    typed, schema, y = _table()
    portfolio = fit_portfolio(typed, schema, y, time_budget=1e-3)
    assert np.isnan(portfolio.oof).sum() == 180
    assert np.isfinite(portfolio.predict(typed)).all()


def test_progress_has_the_best_out_of_fold_loss_so_far(monkeypatch):
    plan = Plan(_configurations(), folds=4, first_folds=2)
    monkeypatch.setattr(fitting, "make_plan", lambda *args: plan)
    typed, schema, y = _table()
    shown = []
    portfolio = fit_portfolio(typed, schema, y, threads=1, progress=shown.append)
    assert shown[0] == "good"
    kept = [member.configuration.name for member in portfolio.members]
    again = [f"{name} on the other folds" for name in kept]
    assert [text.split(" (")[0] for text in shown[-len(kept) :]] == again
    held_out = np.isfinite(portfolio.oof)
    assert held_out.all()
    best, loss = re.fullmatch(
        r"\w+ on the other folds \(best so far: (\w+), out-of-fold squared error (.+)\)", shown[-1]
    ).groups()
    assert best == "good"
    assert 0 < float(loss) < np.var(y)
    quiet = fit_portfolio(typed, schema, y, threads=2)
    np.testing.assert_array_equal(quiet.oof, portfolio.oof)


@pytest.mark.parametrize("quality", ["fast", "default"])
def test_the_same_seed_gives_the_same_bits(quality):
    typed, schema, y = _table(100)
    found = [
        fit_portfolio(typed, schema, y, configurations=_configurations(5), quality=quality)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(found[0].oof, found[1].oof)


def test_the_optimism_of_epochs_chosen_on_the_fold_itself():
    """The least of (3, 1, 4) and (1, 2, 3, ½) are 1 and ½; by each other's epoch, 3 and 2."""

    def candidate(*curves):
        models = {
            k: Record(history=Record(logs=[Record(validation_loss=loss) for loss in curve]))
            for k, curve in enumerate(curves)
        }
        return Record(models=models)

    both = candidate((3.0, 1.0, 4.0), (1.0, 2.0, 3.0, 0.5))
    assert Candidate.optimism(both, (0, 1)) == pytest.approx((3 + 2) / (1 + 0.5) - 1)
    assert Candidate.optimism(candidate((3.0, 1.0), (2.0, 1.0)), (0, 1)) == 0
    assert Candidate.optimism(both, (0,)) == 0
    for curve in ((np.nan, 1.0), (np.nan, np.nan, 1.0)):
        assert Candidate.optimism(candidate(curve, (2.0, 1.0)), (0, 1)) == 0


def test_a_penalty_keeps_a_candidate_out_of_the_selection():
    y, w = np.array([1.0, 2.0]), np.array([0.5, 0.5])
    outputs = [y + 1.0, y - 1.0]
    np.testing.assert_array_equal(select_greedily(outputs, y, w, picks=10), [0.5, 0.5])
    found = select_greedily(outputs, y, w, picks=10, penalties=np.array([0.0, 9.0]))
    np.testing.assert_array_equal(found, [1.0, 0.0])
