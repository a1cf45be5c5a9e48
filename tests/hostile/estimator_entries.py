"""The estimators."""

import functools

import numpy as np
import pandas as pd
from tests.hostile import values as v
from tests.hostile.common import LABELS, NUMBERS_ZERO, TL, TX, TY, WEIGHT_BAD, X, Y, entry

import deltarule as dr
from deltarule.tabular.portfolio import Configuration


@functools.cache
def mlp(kind):
    return kind(hidden_layer_sizes=(4,), max_iter=2).fit(
        X, LABELS if kind is dr.MLPClassifier else Y[:, 0]
    )


QUICK = [Configuration("c", "robust", (4,), "silu", epochs=2)]


@functools.cache
def tab(kind):
    return kind(configurations=QUICK).fit(TX, TL if kind is dr.TabularClassifier else TY)


UNGIVEN = object()


def fit_mlp(kind, target, X=X, y=UNGIVEN, sample_weight=None, **options):
    estimator = kind(**{"hidden_layer_sizes": (4,), "max_iter": 2, **options})
    return estimator.fit(X, target if y is UNGIVEN else y, sample_weight=sample_weight)


def fit_table(kind, target, X=TX, y=UNGIVEN, sample_weight=None, groups=None, **options):
    estimator = kind(**{"configurations": QUICK, **options})
    y = target if y is UNGIVEN else y
    return estimator.fit(X, y, sample_weight=sample_weight, groups=groups)


for kind, target in ((dr.MLPRegressor, Y[:, 0]), (dr.MLPClassifier, LABELS)):
    fit = functools.partial(fit_mlp, kind, target)
    labels = v.targets(target)
    if kind is dr.MLPClassifier:
        labels["floats"] = np.linspace(0.1, 0.7, 12)
        labels["of mixed kinds"] = np.array(["a", 1, None] * 4, dtype=object)
        del labels["infinity"]
    options = {
        "hidden_layer_sizes": {
            "none": None,
            "zero": (0,),
            "negative": -1,
            "float": 2.5,
            "text": "abc",
            "nan": np.nan,
            "bool": True,
            "nested": [[3]],
            "texts": ["3"],
            "bools": [True],
            "huge": 10**400,
        },
        "activation": v.NO_NAME | {"none": None},
        "solver": v.NO_NAME | {"none": None},
        "alpha": v.NO_NUMBER | {"none": None, "infinity": np.inf},
        "batch_size": v.NO_COUNT | {"none": None},
        "learning_rate": v.NO_NAME | {"none": None, "fraction": 0.1},
        "learning_rate_init": NUMBERS_ZERO | {"none": None},
        "max_iter": v.NO_COUNT | {"none": None},
        "random_state": {
            "negative": -1,
            "float": 0.5,
            "text": "x",
            "nan": np.nan,
            "list": [1],
            "huge": 2**40,
        },
        "tol": v.NO_NUMBER | {"none": None},
        "shuffle": {"text": "no", "none": None, "two": 2, "nan": np.nan},
        "momentum": v.NO_NUMBER | {"more than one": 1.5},
        "validation_fraction": v.NO_NUMBER | {"one": 1.0},
        "beta_1": v.NO_NUMBER | {"one": 1.0},
        "epsilon": NUMBERS_ZERO,
        "n_iter_no_change": {k: b for k, b in v.NO_COUNT.items() if k != "infinity"},
        "max_fun": v.NO_COUNT,
        "dropout": {k: b for k, b in v.NO_NUMBER.items() if k != "list"} | {"one": 1.0},
        "weight_decay": v.NO_NUMBER,
        "clip_norm": v.NO_NUMBER | {"zero": 0.0},
        "averaging": v.NO_NUMBER | {"more than one": 2.0},
        "callbacks": {"number": 3, "list": [3], "text": "abc", "function": len},
        "loss": v.NO_NAME | {"none": None},
        "scoring": {"number": 3, "list": ["r2"]},
        "l1": v.NO_NUMBER,
        "checkpoint": {"number": 3, "list": ["a"], "bool": True},
        "early_stopping": {"text": "no", "none": None, "two": 2, "nan": np.nan},
        "verbose": {"text": "no", "none": None, "nan": np.nan, "list": [1]},
        "warm_start": {"text": "no", "none": None},
    }
    if kind is dr.MLPClassifier:
        options["class_weight"] = {
            "text": "even",
            "number": 3,
            "list": [1, 2],
            "unknown class": {"z": 1.0},
            "negative": {"a": -1.0},
            "nan": {"a": np.nan},
            "text within": {"a": "x"},
            "infinity": {"a": np.inf},
        }
        options["soft_targets"] = {"text": "no", "number": 2, "nan": np.nan}
    entry(
        f"{kind.__name__}.fit",
        fit,
        {},
        {
            "X": {
                k: b
                for k, b in v.rows().items()
                if k not in ("a column less", "a column more", "transposed", "huge whole number")
            }
            | {"transposed": X.T},
            "y": labels,
            "sample_weight": {k: b for k, b in WEIGHT_BAD.items() if k != "number"},
            **options,
        },
    )
    entry(
        f"{kind.__name__}.predict",
        lambda X, kind=kind: mlp(kind).predict(X),
        {"X": X},
        {"X": v.rows()},
    )
TAB_X = {
    "none": None,
    "number": 3.0,
    "word": "rows",
    "one row": TX[0],
    "empty": TX[:0],
    "no columns": TX[:, :0],
    "more axes": TX[..., None],
    "complex": TX.astype(complex),
    "too few": TX[:-1],
    "too many": np.vstack([TX, TX]),
    "function": len,
    "ragged": [[1.0], [1.0, 2.0]],
    "class": float,
    "duplicate columns": pd.DataFrame(TX, columns=["a", "a", "b"]),
    "infinity": np.where(TX > 0.99, np.inf, TX),
    "records": np.zeros(60, dtype=[("a", float)]),
    "lists within": pd.DataFrame({"a": [[1, 2]] * 60, "b": TY}),
}
for kind, target in ((dr.TabularRegressor, TY), (dr.TabularClassifier, TL)):
    tfit = functools.partial(fit_table, kind, target)
    y_bad = v.targets(target) | {"one value": np.ones(60)}
    if kind is dr.TabularRegressor:
        y_bad |= {"texts": TL, "dates": np.full(60, np.datetime64("2026-01-01"))}
        del y_bad["one value"]
    weights = {k: b for k, b in v.arrays((60,)).items() if k not in ("none", "number")} | {
        "negative": -np.ones(60),
        "zeros": np.zeros(60),
    }
    entry(
        f"{kind.__name__}.fit",
        tfit,
        {},
        {
            "X": TAB_X,
            "y": y_bad,
            "sample_weight": weights,
            "groups": {
                "too few": np.arange(3),
                "number": 3,
                "matrix": np.zeros((60, 2), int),
                "word": "abc",
                "one group": np.zeros(60, int),
            },
            "quality": v.NO_NAME | {"none": None},
            "time_budget": NUMBERS_ZERO,
            "loss": dict(v.NO_NAME.items()),
            "validation": {
                "unknown": "no",
                "zero": 0,
                "one": 1,
                "negative": -3,
                "float": 2.5,
                "nan": np.nan,
                "bool": True,
                "dictionary": {},
                "too many": 10**6,
                "none": None,
            },
            "configurations": {
                "number": 3,
                "text": "abc",
                "empty": [],
                "list": [3],
                "dictionary": {"a": 1},
                "function": len,
            },
            "kinds": {
                "text": "numeric",
                "number": 3,
                "unknown kind": {"x0": "colour"},
                "unknown column": {"zzz": "number"},
                "list": ["a"],
            },
            "date_format": {"number": 3, "unknown column": {"zzz": "%Y"}, "bad": "%Q"},
            "random_state": {"negative": -1, "float": 0.5, "text": "x", "nan": np.nan, "list": [1]},
            "n_jobs": {
                "zero": 0,
                "float": 1.5,
                "text": "2",
                "nan": np.nan,
                "bool": True,
                "list": [1],
            },
            "verbose": {"text": "no", "none": None, "nan": np.nan, "list": [1]},
            "checkpoint": {"number": 3, "list": ["a"], "bool": True},
            "on_divergence": {"number": 3, "none": None, "unknown": "ignore", "list": ["raise"]},
        },
    )
    entry(
        f"{kind.__name__}.predict",
        lambda X, kind=kind: tab(kind).predict(X),
        {"X": TX},
        {
            "X": {
                k: b
                for k, b in TAB_X.items()
                if k not in ("too few", "too many", "empty", "infinity")
            }
            | {"a column less": TX[:, :2], "a column more": np.hstack([TX, TX])}
        },
    )
entry(
    "predict_interval",
    lambda **k: tab(dr.TabularRegressor).predict_interval(**k),
    {"X": TX},
    {"coverage": v.NO_NUMBER | {"zero": 0.0, "one": 1.0, "none": None}},
)
entry(
    "predict_quantiles",
    lambda **k: tab(dr.TabularRegressor).predict_quantiles(**k),
    {"X": TX},
    {
        "quantiles": {
            "none": None,
            "text": "x",
            "zero": [0.0],
            "one": [1.0],
            "nan": [np.nan],
            "negative": [-0.5],
            "empty": [],
            "texts": ["a"],
            "matrix": [[0.1], [0.2]],
            "bools": [True],
            "complex": [0.1j],
        }
    },
)
