"""Explanations and exports."""

import numpy as np
from tests.hostile import values as v
from tests.hostile.common import NET, NUMBERS_ZERO, THETA, THETA_BAD, WEIGHT_BAD, Y_BAD, X, Y, entry

import deltarule as dr
from deltarule.explain import attribute
from deltarule.export import to_c

entry(
    "explain",
    lambda **k: dr.explain(**{"what": NET, "X": X, "Y": Y, "theta": THETA, **k}),
    {},
    {
        "what": {"none": None, "number": 3, "text": "x", "list": [1]},
        "X": v.rows(),
        "Y": Y_BAD,
        "theta": {k: b for k, b in THETA_BAD.items() if k != "none"},
    },
)
entry(
    "lens",
    lambda **k: dr.lens(**{"what": NET, "X": X, "Y": Y, "theta": THETA, **k}),
    {},
    {
        "what": {"none": None, "number": 3, "text": "x", "list": [1]},
        "X": v.rows(),
        "Y": Y_BAD,
        "sample_weight": WEIGHT_BAD,
        "learning_rate": NUMBERS_ZERO,
        "rule": v.NO_NAME,
        "most_steps": v.NO_COUNT,
    },
)
entry(
    "attribute",
    lambda **k: attribute(**{"what": NET, "X": X, "Y": Y, "theta": THETA, **k}),
    {},
    {
        "what": {"none": None, "number": 3},
        "X": v.rows(),
        "rows": {
            "negative": -1,
            "beyond": 99,
            "text": "x",
            "float": 0.5,
            "bool": True,
            "empty": [],
            "nan": np.nan,
        },
        "of": {"unknown": "zzz", "number beyond": 9, "float": 0.5, "list": [1]},
        "method": v.NO_NAME,
        "baseline": {
            "unknown": "zzz",
            "too few": [1.0],
            "nan": [np.nan] * 3,
            "number": 3,
            "dictionary": {},
        },
        "tolerance": NUMBERS_ZERO,
        "most_points": v.NO_COUNT,
    },
)
entry(
    "to_c",
    lambda **k: to_c(**{"model": dr.Model(NET, THETA), **k}),
    {},
    {
        "model": {"none": None, "number": 3, "text": "x"},
        "name": {"number": 3, "empty": "", "blank": "a b", "none": None},
        "rows": v.NO_COUNT,
    },
)
entry(
    "ManySearchCV",
    lambda **k: dr.ManySearchCV(
        **{
            "estimator": dr.MLPRegressor(hidden_layer_sizes=(2,), max_iter=1),
            "param_grid": {"alpha": [0.1]},
            "cv": 2,
            **k,
        }
    ).fit(X, Y[:, 0]),
    {},
    {
        "estimator": {"none": None, "number": 3, "class": dr.MLPRegressor},
        "param_grid": {
            "none": None,
            "number": 3,
            "empty": {"alpha": []},
            "text": "abc",
            "unknown": {"zzz": [1]},
        },
        "cv": {"one": 1, "zero": 0, "text": "x", "float": 2.5, "too many": 99},
    },
)
